// A plugin by scorecam_plugin.hpp that fails in every way, and does right otherwise: backend `faulty`, whose
// models say in their file what goes wrong, and the methods `one-more-pass`, which runs its study's passes,
// and `stops`, whose callback ends a run. Built with exceptions and without.
#include <fstream>

#include "scorecam_plugin.hpp"

namespace {

using scorecam::Error;
using scorecam::Outcome;
using scorecam::Tensor;
using scorecam::TensorView;
using scorecam::View;

constexpr std::size_t kChannels = 2, kSide = 4, kClasses = 2;

// Throws, or returns an Error where there are no exceptions.
template <typename T>
Outcome<T> fault(const std::string &kind) {
#ifdef __cpp_exceptions
    if (kind == "std") {
        throw std::runtime_error("the weights are gone");
    }
    if (kind == "memory") {
        throw std::bad_alloc();
    }
    if (kind == "number") {
        throw 7;
    }
#endif
    if (kind == "ok-status") {
        return scorecam::detail::failed<T>(SCORECAM_OK, "a failure that claims to be none");
    }
    return scorecam::detail::failed<T>(SCORECAM_ERR_UNSUPPORTED, "the model is of another kind");
}

class Sums final : public scorecam::Engine {
   public:
    explicit Sums(bool mute) : mute_(mute) {}

    Outcome<std::vector<std::string>> remarks() const override {
        if (mute_) {
            return fault<std::vector<std::string>>("remarks");
        }
        return std::vector<std::string>{"it only adds", "it adds up\nin no order"};
    }

    Outcome<scorecam::ModelDescription> describe() const override {
        scorecam::ModelDescription description;
        description.output_activation = SCORECAM_OUTPUT_LOGITS;
        description.input_shape = {0, kChannels, kSide, kSide};
        description.output_shape = {0, kClasses};
        description.layers = {{"pixels", "Identity", {kChannels, kSide, kSide}}};
        description.default_layer = 0;
        return description;
    }

    Outcome<scorecam::Forward> forward(const TensorView &batch,
                                       View<const std::string_view> taps) const override {
        const auto images = static_cast<std::size_t>(batch.shape()[0]);
        scorecam::Forward pass{Tensor({images, kClasses}), {}};
        for (std::size_t i = 0; i < batch.size(); i++) {
            pass.scores[i / (kSide * kSide)] += batch[i];
        }
        pass.activations.assign(taps.size(), Tensor(batch));
        return pass;
    }

   private:
    bool mute_;
};

// Overrides may be private.
class Faulty final : public scorecam::Backend {
    scorecam::Descriptor descriptor() const override { return {"faulty", "1.0.0", "fails", {"faulty"}, 0}; }

    // A device is the way in which it fails.
    Outcome<scorecam::Readiness> readiness(const std::optional<std::string> &device) const override {
        if (device) {
            return fault<scorecam::Readiness>(*device);
        }
        return scorecam::Readiness{SCORECAM_READY_ACCELERATOR, "an adder"};
    }

    Outcome<std::unique_ptr<scorecam::Engine>> load(const scorecam::ModelConfig &config) const override {
        std::string kind;
        std::ifstream(config.path) >> kind;
        if (kind == "null") {
            return std::unique_ptr<scorecam::Engine>();
        }
        if (kind != "none" && kind != "remarks") {
            return fault<std::unique_ptr<scorecam::Engine>>(kind);
        }
        return std::unique_ptr<scorecam::Engine>(std::make_unique<Sums>(kind == "remarks"));
    }
};

// Explains by the channel of a class on a second pass over the input, times the option `factor`.
class OneMorePass final : public scorecam::Method {
   public:
    scorecam::Descriptor descriptor() const override {
        return {"one-more-pass", "1.0.0", "a second pass", {}, 0};
    }

    Outcome<scorecam::MethodDescription> describe() const override {
        scorecam::OptionSpec factor, sign;
        factor.name = "factor";
        factor.help = "what the map is multiplied by";
        factor.default_value = "0.5";
        factor.kind = SCORECAM_OPTION_NUMBER;
        factor.max = 2.0;
        sign.name = "sign";
        sign.help = "whether the map is turned over";
        sign.default_value = "plus";
        sign.kind = SCORECAM_OPTION_CHOICE;
        sign.choices = {"plus", "minus"};
        return scorecam::MethodDescription{0, {factor, sign}, {{"double", "twice", {{"factor", "2"}}}}};
    }

    Outcome<scorecam::MethodResult> explain(const scorecam::Study &study,
                                            const scorecam::OptionValues &options) const override {
        study.expect_passes(1);
        return scorecam::detail::then(options.number("factor"), [&](double factor) {
            return scorecam::detail::then(options.text("sign"), [&](const std::string &sign) {
                const std::string layer = study.layer();
                return scorecam::detail::then(
                    study.forward(study.input(), View<const std::string>(&layer, 1)),
                    [&](scorecam::Forward &&pass) {
                        return map(study, pass, static_cast<float>(sign == "minus" ? -factor : factor));
                    });
            });
        });
    }

   private:
    static Outcome<scorecam::MethodResult> map(const scorecam::Study &study, const scorecam::Forward &pass,
                                               float factor) {
        const scorecam::View<const std::uint64_t> targets = study.targets();
        scorecam::MethodResult result;
        result.maps = Tensor({targets.size(), kSide, kSide});
        for (std::size_t i = 0; i < result.maps.size(); i++) {
            const auto channel = static_cast<std::size_t>(targets[i / (kSide * kSide)]);
            result.maps[i] = factor * pass.activations.at(0)[channel * kSide * kSide + i % (kSide * kSide)];
        }
        result.measures = {{"factor", factor}};
        result.warnings = {"the scores were " + std::to_string(pass.scores[0] == study.scores()[0])};
        return result;
    }
};

// Makes a map of zeros, and says after which batch of masks it stopped the scoring by its own on_batch.
class Stops final : public scorecam::Method {
    scorecam::Descriptor descriptor() const override { return {"stops", "1.0.0", "stops itself", {}, 0}; }

    Outcome<scorecam::MethodResult> explain(const scorecam::Study &study,
                                            const scorecam::OptionValues &) const override {
        const Tensor masks({5, kSide, kSide});
        scorecam::MaskedRequest request;
        request.images = study.input();
        request.masks = masks.view();
        scorecam::MethodResult result;
        result.maps = Tensor({study.targets().size(), kSide, kSide});
        result.warnings = {"stopped at " + std::to_string(stopped_at(study, request))};
        return result;
    }

    struct Stop {
        int at;
    };

#ifdef __cpp_exceptions
    static int stopped_at(const scorecam::Study &study, scorecam::MaskedRequest &request) {
        int batches = 0;
        request.on_batch = [&](std::uint64_t) -> std::int32_t {
            if (++batches == 2) {
                throw Stop{batches};
            }
            return SCORECAM_OK;
        };
        try {
            static_cast<void>(study.masked_scores(request));
        } catch (const Stop &stop) {
            return stop.at;
        }
        return 0;
    }
#else
    static int stopped_at(const scorecam::Study &study, scorecam::MaskedRequest &request) {
        int batches = 0;
        request.on_batch = [&](std::uint64_t) {
            return ++batches == 2 ? SCORECAM_ERR_CANCELLED : SCORECAM_OK;
        };
        return study.masked_scores(request).status() == SCORECAM_ERR_CANCELLED ? batches : 0;
    }
#endif
};

}  // namespace

SCORECAM_PLUGIN(Faulty, OneMorePass, Stops);
