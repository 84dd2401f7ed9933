// scorecam for C++17: explanation algorithms in C++ code. Included by scorecam_plugin.hpp.
#ifndef SCORECAM_METHOD_HPP
#define SCORECAM_METHOD_HPP

#include <cstring>
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
    std::string name{};
    // A description in one line.
    std::string help{};
    // The default value.
    std::string default_value{};
    // One of SCORECAM_OPTION_*.
    std::uint32_t kind = SCORECAM_OPTION_TEXT;
    // For SCORECAM_OPTION_CHOICE.
    std::vector<std::string> choices{};
    // The minimum and maximum of a number.
    double min = 0.0;
    double max = 0.0;
};

// A named set of option values.
struct Preset {
    std::string name{};
    // A description in one line.
    std::string summary{};
    // Values that differ from the defaults.
    std::vector<Option> values{};
};

// The options, presets and needs of a method.
struct MethodDescription {
    // The abilities that the method requires, a sum of SCORECAM_ABILITY_*, plus SCORECAM_NEEDS_NO_LAYER.
    std::uint32_t needs = 0;
    std::vector<OptionSpec> options{};
    std::vector<Preset> presets{};
};

// The result of a method.
struct MethodResult {
    // [targets, H, W], all values finite.
    Tensor maps{};
    // Numbers to report.
    std::vector<std::pair<std::string, double>> measures{};
    // Warnings for the user, one line each.
    std::vector<std::string> warnings{};
    // The standard error of each value in the maps, in their shape; none if the method estimates none.
    std::optional<Tensor> errors{};
};

// A value for every option of the method, validated by the host.
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
    // An integer of SCORECAM_OPTION_INTEGER.
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
            // The decimal point must not depend on the locale.
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

// Small masks for the study's input. Image m is U(mask m) * input + (1 - U(mask m)) * fill, where U upsamples to the
// input's size.
struct Masks {
    // [M, h, w].
    TensorView masks{};
    // One of SCORECAM_UPSAMPLE_*.
    std::uint32_t upsample = SCORECAM_UPSAMPLE_HALF_PIXEL;
    // The fill where a mask is 0, [1, C, H, W]; none for zeros.
    std::optional<TensorView> fill = std::nullopt;
};

// One image to explain: the inputs of a method, and its access to the model. The host counts and reports every pass,
// and may cancel: return failures to the host. Valid during the call.
class Study {
   public:
    explicit Study(const scorecam_study &raw) noexcept : raw_(&raw) {}

    // The activation that the model applies to its scores: one of SCORECAM_OUTPUT_*, never unknown.
    std::uint32_t output_activation() const noexcept { return raw_->output_activation; }
    // The preprocessed input, [1, C, H, W].
    TensorView input() const noexcept { return TensorView(raw_->input); }
    // The reference image, of the input's shape.
    std::optional<TensorView> reference() const noexcept {
        return raw_->reference.data == nullptr ? std::nullopt : std::optional(TensorView(raw_->reference));
    }
    // Those of the target layer, [1, K, h, w]; without values if the method needs no layer.
    TensorView activations() const noexcept { return TensorView(raw_->activations); }
    const char *layer() const noexcept { return raw_->layer; }
    // The class scores of the input, one number per class.
    View<const float> scores() const noexcept {
        return {raw_->scores, static_cast<std::size_t>(raw_->class_count)};
    }
    // The classes to explain, at least one.
    View<const std::uint64_t> targets() const noexcept {
        return {raw_->targets, static_cast<std::size_t>(raw_->target_count)};
    }
    // Images per forward pass.
    std::uint64_t batch_size() const noexcept { return raw_->batch_size; }

    // Announces the number of passes, for progress reports.
    Outcome<void> expect_passes(std::uint64_t passes) const {
        scorecam_message why{};
        const std::int32_t status = raw_->expect_passes(raw_->context, passes, &why);
        return detail::outcome(
            status, [&] { return std::string(why.text); }, [] {});
    }

    // Class scores [M, classes] of the input under each of M masks, in passes of batch_size() images.
    Outcome<Tensor> masked_scores(const Masks &masks) const {
        const scorecam_masks raw = {sizeof raw, masks.upsample, masks.masks.raw(),
                                    masks.fill ? masks.fill->raw() : scorecam_tensor{}};
        return made([&](scorecam_outputs *outputs, scorecam_message *why) {
            return raw_->masked_scores(raw_->context, &raw, outputs, why);
        });
    }
    // Class scores [N, classes] of images [N, C, H, W], in passes of batch_size() images.
    Outcome<Tensor> image_scores(const TensorView &images) const {
        const scorecam_tensor raw = images.raw();
        return made([&](scorecam_outputs *outputs, scorecam_message *why) {
            return raw_->image_scores(raw_->context, &raw, outputs, why);
        });
    }
    // Class scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's. Fails with
    // SCORECAM_ERR_UNSUPPORTED if the model lacks this ability; it never lacks an ability that the method lists among
    // its needs.
    Outcome<Tensor> scores_from_layer(const TensorView &activations) const {
        const scorecam_tensor raw = activations.raw();
        return made([&](scorecam_outputs *outputs, scorecam_message *why) {
            return raw_->scores_from_layer(raw_->context, &raw, outputs, why);
        });
    }
    // The derivatives [1, K, h, w] of a class score with respect to the target layer's activations. Fails like
    // scores_from_layer().
    Outcome<Tensor> gradients(std::uint64_t class_index) const {
        return made([&](scorecam_outputs *outputs, scorecam_message *why) {
            return raw_->gradients(raw_->context, class_index, outputs, why);
        });
    }

   private:
    // Calls a function of the study, and copies the tensor that it returns.
    template <typename Call>
    Outcome<Tensor> made(Call &&call) const {
        scorecam_outputs outputs{};
        scorecam_message why{};
        const Released released{outputs};
        const std::int32_t status = call(&outputs, &why);
        return detail::outcome(
            status, [&] { return std::string(why.text); },
            [&] { return outputs.count == 0 ? Tensor() : Tensor(TensorView(outputs.tensors[0])); });
    }

    // Frees the result of a call, even if copying it fails. A failed call returns nothing to free.
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

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_METHOD_HPP
