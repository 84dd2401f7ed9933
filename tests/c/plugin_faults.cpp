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
        description.input.shape = {0, kChannels, kSide, kSide};
        description.outputs = {{"scores", {0, kClasses}, SCORECAM_OUTPUT_LOGITS}};
        description.layers = {{"pixels", "Identity", {kChannels, kSide, kSide}, SCORECAM_LAYER_MAPS}};
        description.default_layer = 0;
        return description;
    }

    Outcome<std::vector<Tensor>> forward(const scorecam::Inputs &inputs,
                                         View<const std::string_view> wanted) const override {
        const TensorView batch = inputs.images();
        Tensor scores({static_cast<std::size_t>(batch.shape()[0]), kClasses});
        for (std::size_t i = 0; i < batch.size(); i++) {
            scores[i / (kSide * kSide)] += batch[i];
        }
        std::vector<Tensor> made;
        for (const std::string_view name : wanted) {
            made.push_back(name == "scores" ? scores : Tensor(batch));
        }
        return made;
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
        return scorecam::detail::then(options.number("factor"), [&](double factor) {
            return scorecam::detail::then(options.text("sign"), [&](const std::string &sign) {
                return scorecam::detail::then(study.image_scores(study.input()), [&](Tensor &&scores) {
                    return map(study, scores, static_cast<float>(sign == "minus" ? -factor : factor));
                });
            });
        });
    }

   private:
    static Outcome<scorecam::MethodResult> map(const scorecam::Study &study, const Tensor &scores,
                                               float factor) {
        const scorecam::View<const std::uint64_t> targets = study.targets();
        scorecam::MethodResult result;
        result.maps = Tensor({targets.size(), kSide, kSide});
        for (std::size_t i = 0; i < result.maps.size(); i++) {
            const auto channel = static_cast<std::size_t>(targets[i / (kSide * kSide)]);
            result.maps[i] = factor * study.activations()[channel * kSide * kSide + i % (kSide * kSide)];
        }
        result.measures = {{"factor", factor}};
        result.warnings = {"the scores were " + std::to_string(scores[0] == study.scores()[0])};
        return result;
    }
};

// Makes a map of zeros, logs a line, and says what its study refused to run.
class Stops final : public scorecam::Method {
    scorecam::Descriptor descriptor() const override { return {"stops", "1.0.0", "stops itself", {}, 0}; }

    Outcome<scorecam::MethodResult> explain(const scorecam::Study &study,
                                            const scorecam::OptionValues &) const override {
        scorecam::log(SCORECAM_LOG_WARN, "stops", "it is about to stop");
        const Tensor masks({5, kSide, kSide});
        scorecam::Masks request;
        request.masks = masks.view();
        // No such way of resizing.
        request.upsample = 99;
        scorecam::MethodResult result;
        result.maps = Tensor({study.targets().size(), kSide, kSide});
        result.warnings = {"stopped by " + std::to_string(refusal(study, request))};
        return result;
    }

    static std::int32_t refusal(const scorecam::Study &study, const scorecam::Masks &request) {
#ifdef __cpp_exceptions
        try {
            static_cast<void>(study.masked_scores(request));
        } catch (const Error &error) {
            return error.status();
        }
        return SCORECAM_OK;
#else
        return study.masked_scores(request).status();
#endif
    }
};

}  // namespace

SCORECAM_PLUGIN(Faulty, OneMorePass, Stops);
