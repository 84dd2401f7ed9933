// scorecam for C++17: an explanation algorithm that C++ code runs. Included by scorecam_plugin.hpp.
#ifndef SCORECAM_METHOD_HPP
#define SCORECAM_METHOD_HPP

#include <cstring>
#include <functional>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// One option of a method.
struct OptionSpec {
    std::string name;
    // One line on what it decides.
    std::string help;
    // The value when none is given.
    std::string default_value;
    // One of SCORECAM_OPTION_*.
    std::uint32_t kind = SCORECAM_OPTION_TEXT;
    // For SCORECAM_OPTION_CHOICE.
    std::vector<std::string> choices;
    // The least and the greatest value of a number.
    double min = 0.0;
    double max = 0.0;
};

// A named set of option values.
struct Preset {
    std::string name;
    // One line on what it reproduces.
    std::string summary;
    // Values that differ from the defaults.
    std::vector<Option> values;
};

// How a method can be set, and what it needs.
struct MethodDescription {
    // The abilities without which it cannot work, a sum of SCORECAM_ABILITY_*.
    std::uint32_t needs = 0;
    std::vector<OptionSpec> options;
    std::vector<Preset> presets;
};

// What a method returns.
struct MethodResult {
    // [targets, H, W], all values finite.
    Tensor maps;
    // Numbers worth reporting.
    std::vector<std::pair<std::string, double>> measures;
    // What the user should know, a line each.
    std::vector<std::string> warnings;
};

// A value for every option of the method. The host has checked them against its description.
class OptionValues {
   public:
    OptionValues(const scorecam_option *values, std::uint64_t count) noexcept
        : values_(values, static_cast<std::size_t>(count)) {}

    Outcome<std::string> text(std::string_view name) const {
        const char *value = find(name);
        return detail::outcome(
            value == nullptr ? SCORECAM_ERR_NOT_FOUND : SCORECAM_OK,
            [&] { return "the method has no option " + std::string(name); },
            [&] { return std::string(value); });
    }
    Outcome<bool> flag(std::string_view name) const {
        return detail::then(text(name),
                            [](const std::string &value) -> Outcome<bool> { return value == "true"; });
    }
    // A whole number of SCORECAM_OPTION_INTEGER.
    Outcome<std::int64_t> integer(std::string_view name) const { return parsed<std::int64_t>(name); }
    Outcome<double> number(std::string_view name) const { return parsed<double>(name); }

   private:
    const char *find(std::string_view name) const {
        for (const scorecam_option &option : values_) {
            if (name == option.name) {
                return option.value;
            }
        }
        return nullptr;
    }

    template <typename T>
    Outcome<T> parsed(std::string_view name) const {
        return detail::then(text(name), [&](const std::string &value) {
            std::istringstream in(value);
            // The decimal point does not depend on where the user lives.
            in.imbue(std::locale::classic());
            T number{};
            const bool read = static_cast<bool>(in >> number);
            return detail::outcome(
                read ? SCORECAM_OK : SCORECAM_ERR_INVALID_ARGUMENT,
                [&] { return "option " + std::string(name) + " is " + value + ", no number"; },
                [&] { return number; });
        });
    }

    View<const scorecam_option> values_;
};

// One image under explanation: what a method is given. Every pass through it is counted and reported, and may
// be cancelled: a failure is to be passed on. Valid during the call.
class Study {
   public:
    explicit Study(const scorecam_study &raw) noexcept : raw_(&raw) {}

    // What the model applies to its scores: one of SCORECAM_OUTPUT_*, never unknown.
    std::uint32_t output_activation() const noexcept { return raw_->output_activation; }
    // The preprocessed input, [1, C, H, W].
    TensorView input() const noexcept { return TensorView(raw_->input); }
    // An image to compare with, of the input's shape.
    std::optional<TensorView> reference() const noexcept {
        return raw_->reference.data == nullptr ? std::nullopt : std::optional(TensorView(raw_->reference));
    }
    // Of the target layer, [1, K, h, w].
    TensorView activations() const noexcept { return TensorView(raw_->activations); }
    const char *layer() const noexcept { return raw_->layer; }
    // The model's raw output on the input, one number a class.
    View<const float> scores() const noexcept {
        return {raw_->scores, static_cast<std::size_t>(raw_->class_count)};
    }
    // The classes to explain, at least one.
    View<const std::uint64_t> targets() const noexcept {
        return {raw_->targets, static_cast<std::size_t>(raw_->target_count)};
    }
    // Images in a pass.
    std::uint64_t batch_size() const noexcept { return raw_->batch_size; }

    // Tells how many passes will be made, for progress reports.
    void expect_passes(std::uint64_t passes) const { raw_->expect_passes(raw_->context, passes); }

    // As Engine's functions of these names. run_from() and gradients() fail with SCORECAM_ERR_UNSUPPORTED
    // where the model lacks the ability; what a method names as its needs is never lacking.
    Outcome<Forward> forward(const TensorView &batch, View<const std::string> taps = {}) const;
    Outcome<Tensor> masked_scores(const MaskedRequest &request) const;
    Outcome<Tensor> run_from(const std::string &layer, const TensorView &activations) const;
    Outcome<Tensor> gradients(const TensorView &batch, const std::string &layer,
                              std::uint64_t class_index) const;

   private:
    // Calls a function of the model's tables, and copies what it made.
    template <typename Call>
    Outcome<std::vector<Tensor>> made(Call &&call) const {
        scorecam_outputs outputs{};
        scorecam_message why{};
        const Released released{outputs};
        const std::int32_t status = call(&outputs, &why);
        return detail::outcome(
            status, [&] { return std::string(why.text); },
            [&] {
                std::vector<Tensor> tensors;
                for (std::uint64_t i = 0; i < outputs.count; i++) {
                    tensors.emplace_back(TensorView(outputs.tensors[i]));
                }
                return tensors;
            });
    }

    template <typename Table, typename Call>
    Outcome<Tensor> made_by(const char *interface_id, Call &&call) const {
        const auto get = raw_->backend->get_interface;
        const auto *table =
            static_cast<const Table *>(get == nullptr ? nullptr : get(raw_->model, interface_id));
        if (table == nullptr) {
            return detail::failed<Tensor>(SCORECAM_ERR_UNSUPPORTED,
                                          std::string("the model has no interface ") + interface_id);
        }
        const auto run = [&](scorecam_outputs *outputs, scorecam_message *why) {
            return call(*table, outputs, why);
        };
        return detail::then(made(run), [](std::vector<Tensor> &&tensors) -> Outcome<Tensor> {
            return tensors.empty() ? Tensor() : std::move(tensors.front());
        });
    }

    // Frees what a call made, also when copying it fails. A call that fails makes nothing.
    struct Released {
        const scorecam_outputs &outputs;
        ~Released() {
            if (outputs.release != nullptr) {
                outputs.release(outputs.owner);
            }
        }
    };

    const scorecam_study *raw_;
};

namespace detail {

// A request's on_batch on its way through C.
struct BatchCall {
    static std::int32_t call(void *self, std::uint64_t masks) noexcept {
        auto &call = *static_cast<BatchCall *>(self);
        return call.thrown.kept([&] { return call.on_batch ? call.on_batch(masks) : SCORECAM_OK; });
    }

    const std::function<std::int32_t(std::uint64_t)> &on_batch;
    Thrown thrown;
};

}  // namespace detail

inline Outcome<Forward> Study::forward(const TensorView &batch, View<const std::string> taps) const {
    std::vector<const char *> names;
    for (const std::string &tap : taps) {
        names.push_back(tap.c_str());
    }
    const scorecam_tensor raw = batch.raw();
    const auto run = [&](scorecam_outputs *outputs, scorecam_message *why) {
        return raw_->backend->forward(raw_->model, &raw, names.data(), names.size(), outputs, why);
    };
    return detail::then(made(run), [](std::vector<Tensor> &&tensors) -> Outcome<Forward> {
        Forward pass;
        for (Tensor &tensor : tensors) {
            pass.activations.push_back(std::move(tensor));
        }
        if (!pass.activations.empty()) {
            pass.scores = std::move(pass.activations.front());
            pass.activations.erase(pass.activations.begin());
        }
        return pass;
    });
}

inline Outcome<Tensor> Study::masked_scores(const MaskedRequest &request) const {
    scorecam_masked_request raw{};
    raw.struct_size = sizeof raw;
    raw.upsample = request.upsample;
    raw.images = request.images.raw();
    raw.fill = request.fill ? request.fill->raw() : scorecam_tensor{};
    raw.masks = request.masks.raw();
    raw.image_of_mask = request.image_of_mask.data();
    raw.batch_size = request.batch_size;
    detail::BatchCall call{request.on_batch, {}};
    raw.context = &call;
    raw.on_batch = detail::BatchCall::call;
    return made_by<scorecam_masked_scores>(
        "scorecam.masked-scores/1", [&](const auto &table, scorecam_outputs *outputs, scorecam_message *why) {
            const std::int32_t status = table.run(raw_->model, &raw, outputs, why);
            call.thrown.rethrow();
            return status;
        });
}

inline Outcome<Tensor> Study::run_from(const std::string &layer, const TensorView &activations) const {
    const scorecam_tensor raw = activations.raw();
    return made_by<scorecam_run_from>(
        "scorecam.run-from/1", [&](const auto &table, scorecam_outputs *outputs, scorecam_message *why) {
            return table.run(raw_->model, layer.c_str(), &raw, outputs, why);
        });
}

inline Outcome<Tensor> Study::gradients(const TensorView &batch, const std::string &layer,
                                        std::uint64_t class_index) const {
    const scorecam_tensor raw = batch.raw();
    return made_by<scorecam_gradients>(
        "scorecam.gradients/1", [&](const auto &table, scorecam_outputs *outputs, scorecam_message *why) {
            return table.run(raw_->model, &raw, layer.c_str(), class_index, outputs, why);
        });
}

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_METHOD_HPP
