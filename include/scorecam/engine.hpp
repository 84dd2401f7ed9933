// scorecam for C++17: models that run in C++ code. Included by scorecam.hpp and scorecam_plugin.hpp.
//
// An Engine serves both sides: an application passes its own to Host::adopt(), and a plugin's Backend::load() returns
// one. Only describe() and forward() are required; the rest has defaults. Exceptions of an Engine become a status
// with a message: those of an Error, or SCORECAM_ERR_INTERNAL for everything else.
#ifndef SCORECAM_ENGINE_HPP
#define SCORECAM_ENGINE_HPP

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// An input of a model.
struct InputInfo {
    std::string name = "image";
    // For the image [N, C, H, W]; a size of 0 is variable.
    Shape shape{};
    // The model's own element type; tensors are passed in f32.
    scorecam_data_type dtype = kFloat32;
    // Whether it has a row per image.
    bool per_image = true;
};

// An output of a model.
struct OutputInfo {
    std::string name = "scores";
    // If it is per image, with the batch first.
    Shape shape{};
    // The activation that the model applies: one of SCORECAM_OUTPUT_*.
    std::uint32_t activation = SCORECAM_OUTPUT_UNKNOWN;
    // The model's own element type; tensors are returned in f32.
    scorecam_data_type dtype = kFloat32;
    // Whether it has a row per image, unlike the detections of all images in one list.
    bool per_image = true;
};

// A layer whose tensor can be returned.
struct Layer {
    std::string name{};
    // Its operation, as the model names it ("Conv").
    std::string operation{};
    // The shape of its raw tensor without the batch axis.
    Shape shape{};
    // The meaning of these axes: one of SCORECAM_LAYER_*. The host resolves an unknown meaning by trial passes.
    std::uint32_t meaning = SCORECAM_LAYER_UNKNOWN;
    // The default layer is the one with the highest preference that is known to hold maps.
    std::uint32_t preference = 0;
    // 1 + the index of an earlier layer whose axes have the same meaning; 0 if there is none.
    std::uint64_t like = 0;
    // Whether the part after the layer depends only on the mean of each map: run_from then also accepts means [N, K,
    // 1, 1].
    bool pooled = false;
};

// The inputs, outputs and layers of a model.
struct ModelDescription {
    // The image input.
    InputInfo input{};
    // Inputs other than the image.
    std::vector<InputInfo> other_inputs{};
    std::vector<OutputInfo> outputs{};
    // The index of the output with class scores, if there is one.
    std::optional<std::size_t> score_output = 0;
    // The reason in one line if there is none.
    std::string why_no_scores{};
    // In execution order.
    std::vector<Layer> layers{};
    // The index of the last layer with spatial extent before the classifier.
    std::optional<std::size_t> default_layer{};
    // The batch size if the model fixes it; else 0.
    std::uint64_t fixed_batch = 0;
    // The batch size at which the model runs fastest.
    std::uint64_t preferred_batch = 1;
};

// The inputs of a call. Valid during the call.
class Inputs {
   public:
    // Only images, [N, C, H, W], without cancellation.
    explicit Inputs(const TensorView &images) : images_(images) {}
    explicit Inputs(const scorecam_inputs &raw) : images_(raw.images), raw_(&raw) {
        for (std::uint32_t i = 0; i < raw.other_count; i++) {
            others_.push_back({raw.others[i].name, TensorView(raw.others[i].tensor)});
        }
    }

    // [N, C, H, W].
    const TensorView &images() const noexcept { return images_; }
    // Inputs other than the image, which override those given at load for this call.
    const std::vector<NamedTensor> &others() const noexcept { return others_; }
    // Whether the caller cancels the call; query it only on the thread of the call.
    bool cancelled() const noexcept {
        return raw_ != nullptr && raw_->is_cancelled != nullptr && raw_->is_cancelled(raw_->context) != 0;
    }

   private:
    TensorView images_;
    const scorecam_inputs *raw_ = nullptr;
    std::vector<NamedTensor> others_;
};

// A request to run masked images. Image m is U(mask m) * image + (1 - U(mask m)) * fill, where U upsamples to the
// image's size. Valid during the call.
class MaskedRequest {
   public:
    explicit MaskedRequest(const scorecam_masked_request &raw) : raw_(&raw), inputs_(*raw.inputs) {}

    // One of SCORECAM_UPSAMPLE_*.
    std::uint32_t upsample() const noexcept { return raw_->upsample; }
    // Preprocessed images [I, C, H, W], and the other inputs, whose rows correspond to the images.
    const Inputs &inputs() const noexcept { return inputs_; }
    // The fill where a mask is 0, [I, C, H, W]; none for zeros.
    std::optional<TensorView> fill() const noexcept {
        return raw_->fill.data == nullptr ? std::nullopt : std::optional(TensorView(raw_->fill));
    }
    // Small masks, [M, h, w].
    TensorView masks() const noexcept { return TensorView(raw_->masks); }
    // The index of the image that mask `m` covers.
    std::size_t image_of(std::size_t m) const noexcept {
        return raw_->image_of_mask == nullptr ? 0 : raw_->image_of_mask[m];
    }
    // Images per forward pass.
    std::uint64_t batch_size() const noexcept { return raw_->batch_size; }

    // To be called after each batch with the number of its masks and the wanted tensors: a row per mask, or the whole
    // of an output that is not per image. Return its failures.
    Outcome<void> each(std::size_t masks, const std::vector<Tensor> &tensors) const {
        std::vector<scorecam_tensor> raw;
        for (const Tensor &tensor : tensors) {
            raw.push_back(tensor.view().raw());
        }
        const std::int32_t status = raw_->each(raw_->context, masks, raw.data(), raw.size());
        return detail::outcome(
            status, [] { return "stopped by the caller"; }, [] {});
    }

   private:
    const scorecam_masked_request *raw_;
    Inputs inputs_;
};

// A loaded model. Its functions are const because several threads call them concurrently: an engine that does not
// support this locks a mutable std::mutex. It is destroyed once, on any thread, when it is no longer in use.
class Engine {
   public:
    virtual ~Engine() = default;

    // Called once, before all other functions.
    virtual Outcome<ModelDescription> describe() const = 0;

    // Runs a batch of images and returns the wanted raw tensors, in order; the names are those of outputs and layers.
    // A name may be missing from describe(), because users choose layers: fail with SCORECAM_ERR_NOT_FOUND and a
    // message for the user.
    virtual Outcome<std::vector<Tensor>> forward(const Inputs &inputs,
                                                 View<const std::string_view> wanted) const = 0;

    // Additional abilities, a sum of SCORECAM_ABILITY_*: override the function below for each of them. A plugin's
    // descriptor must include them.
    virtual std::uint32_t abilities() const { return 0; }

    // SCORECAM_ABILITY_GRADIENTS: the derivative of the sum of each cotangent times its output, with respect to the
    // layer's activations, in their shape. A cotangent has the shape of its output.
    virtual Outcome<Tensor> gradients(const Inputs &inputs, const std::string &layer,
                                      View<const NamedTensor> cotangents) const {
        static_cast<void>(inputs), static_cast<void>(layer), static_cast<void>(cotangents);
        return detail::failed<Tensor>(SCORECAM_ERR_UNSUPPORTED, "the engine does not differentiate");
    }

    // SCORECAM_ABILITY_RUN_FROM: the wanted tensors, with `activations` in place of the layer's own. The inputs are
    // those of the image to explain.
    virtual Outcome<std::vector<Tensor>> run_from(const Inputs &inputs, const std::string &layer,
                                                  const TensorView &activations,
                                                  View<const std::string_view> wanted) const {
        static_cast<void>(inputs), static_cast<void>(layer), static_cast<void>(activations);
        static_cast<void>(wanted);
        return detail::failed<std::vector<Tensor>>(SCORECAM_ERR_UNSUPPORTED,
                                                   "the engine does not run from a layer");
    }

    // SCORECAM_ABILITY_MASKED: runs masked images in order, batch by batch, and calls request.each() after each
    // batch.
    virtual Outcome<void> masked(const MaskedRequest &request, View<const std::string_view> wanted) const {
        static_cast<void>(request), static_cast<void>(wanted);
        return detail::failed<void>(SCORECAM_ERR_UNSUPPORTED, "the engine does not mask images");
    }

    // Remarks for users on how this model runs, one line each and at most 16: for example, that it runs in another
    // precision than exported, and the resulting error. Called once, after loading; every explanation lists them
    // among its warnings.
    virtual Outcome<std::vector<std::string>> remarks() const { return std::vector<std::string>(); }
};

namespace detail {

// Returned tensors, with the function that frees them.
struct Outputs {
    std::vector<Tensor> tensors;
    std::vector<scorecam_tensor> raw;

    static void release(void *owner) noexcept { delete static_cast<Outputs *>(owner); }
};

inline Outcome<void> hand_over(std::vector<Tensor> tensors, scorecam_outputs *outputs) {
    auto owner = std::make_unique<Outputs>();
    owner->tensors = std::move(tensors);
    for (const Tensor &tensor : owner->tensors) {
        // A host reads as many values as the shape requires, so check this here.
        if (tensor.size() == 0 || tensor.size() != tensor.shape().count()) {
            return failed<void>(SCORECAM_ERR_PLUGIN,
                                "tensor " + std::to_string(owner->raw.size()) + " of the result has " +
                                    std::to_string(tensor.size()) + " values, which does not match shape " +
                                    tensor.shape().text());
        }
        owner->raw.push_back(tensor.view().raw());
    }
    outputs->tensors = owner->raw.data();
    outputs->count = owner->raw.size();
    outputs->release = Outputs::release;
    outputs->owner = owner.release();
    return Outcome<void>();
}

inline Outcome<void> hand_over_one(Tensor &&tensor, scorecam_outputs *outputs) {
    std::vector<Tensor> tensors;
    tensors.push_back(std::move(tensor));
    return hand_over(std::move(tensors), outputs);
}

// A description with its C form, which points into it.
class DescriptionTable {
   public:
    explicit DescriptionTable(ModelDescription said) : said_(std::move(said)), raw_() {
        add(said_.input);
        for (const InputInfo &input : said_.other_inputs) {
            add(input);
        }
        for (const OutputInfo &output : said_.outputs) {
            outputs_.push_back({output.name.c_str(), output.shape.raw(), output.dtype, output.activation,
                                output.per_image ? 1U : 0U, 0});
        }
        for (const Layer &layer : said_.layers) {
            layers_.push_back({layer.name.c_str(), layer.operation.c_str(), layer.shape.raw(), layer.meaning,
                               layer.preference, layer.like, layer.pooled ? 1U : 0U, 0});
        }
        raw_.struct_size = sizeof raw_;
        raw_.inputs = inputs_.data();
        raw_.input_count = inputs_.size();
        raw_.outputs = outputs_.data();
        raw_.output_count = outputs_.size();
        raw_.score_output = said_.score_output ? static_cast<std::int64_t>(*said_.score_output) : -1;
        raw_.why_no_scores = said_.why_no_scores.empty() ? nullptr : said_.why_no_scores.c_str();
        raw_.layers = layers_.data();
        raw_.layer_count = layers_.size();
        raw_.default_layer = said_.default_layer ? static_cast<std::int64_t>(*said_.default_layer) : -1;
        raw_.fixed_batch = said_.fixed_batch;
        raw_.preferred_batch = said_.preferred_batch;
    }
    DescriptionTable(const DescriptionTable &) = delete;
    DescriptionTable &operator=(const DescriptionTable &) = delete;

    const scorecam_model_description *raw() const noexcept { return &raw_; }

   private:
    void add(const InputInfo &input) {
        inputs_.push_back({input.name.c_str(), input.shape.raw(), input.dtype, input.per_image ? 1U : 0U});
    }

    ModelDescription said_;
    std::vector<scorecam_input_info> inputs_;
    std::vector<scorecam_output_info> outputs_;
    std::vector<scorecam_layer> layers_;
    scorecam_model_description raw_;
};

// The model argument for the functions of an engine's table.
class HeldEngine {
   public:
    explicit HeldEngine(std::shared_ptr<const Engine> engine) : engine_(std::move(engine)) {}

    static HeldEngine &of(void *model) noexcept { return *static_cast<HeldEngine *>(model); }
    const Engine &engine() const noexcept { return *engine_; }

    // The description is queried only once, so that the returned one never changes.
    Outcome<void> describe(const scorecam_model_description **out) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (description_ == nullptr) {
            auto keep = [&](ModelDescription &&said) -> Outcome<void> {
                description_ = std::make_unique<DescriptionTable>(std::move(said));
                *out = description_->raw();
                return Outcome<void>();
            };
            return then(engine_->describe(), keep);
        }
        *out = description_->raw();
        return Outcome<void>();
    }

    // Also queried only once, for the first remark.
    Outcome<std::vector<std::string>> remarks() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!remarks_) {
            auto keep = [&](std::vector<std::string> &&said) -> Outcome<std::vector<std::string>> {
                remarks_ = std::move(said);
                return *remarks_;
            };
            return then(engine_->remarks(), keep);
        }
        return *remarks_;
    }

   private:
    std::shared_ptr<const Engine> engine_;
    std::mutex mutex_;
    std::optional<std::vector<std::string>> remarks_;
    std::unique_ptr<DescriptionTable> description_;
};

inline void release_engine(void *model) noexcept {
    guarded(nullptr, [&]() -> Outcome<void> {
        delete static_cast<HeldEngine *>(model);
        return Outcome<void>();
    });
}

inline std::int32_t describe_engine(void *model, const scorecam_model_description **description,
                                    scorecam_message *why) noexcept {
    return guarded(why, [&] { return HeldEngine::of(model).describe(description); });
}

// The wanted names.
inline std::vector<std::string_view> names_of(const char *const *wanted, std::uint64_t count) {
    return count == 0 ? std::vector<std::string_view>() : std::vector<std::string_view>(wanted, wanted + count);
}

inline std::int32_t run_forward(void *model, const scorecam_inputs *inputs, const char *const *wanted,
                                std::uint64_t wanted_count, scorecam_outputs *outputs,
                                scorecam_message *why) noexcept {
    return guarded(why, [&] {
        const auto names = names_of(wanted, wanted_count);
        auto give = [&](std::vector<Tensor> &&made) { return hand_over(std::move(made), outputs); };
        return then(HeldEngine::of(model).engine().forward(Inputs(*inputs), names), give);
    });
}

inline std::int32_t run_gradients(void *model, const scorecam_inputs *inputs, const char *layer,
                                  const scorecam_named_tensor *cotangents, std::uint64_t cotangent_count,
                                  scorecam_outputs *outputs, scorecam_message *why) noexcept {
    return guarded(why, [&] {
        std::vector<NamedTensor> given;
        for (std::uint64_t i = 0; i < cotangent_count; i++) {
            given.push_back({cotangents[i].name, TensorView(cotangents[i].tensor)});
        }
        auto give = [&](Tensor &&tensor) { return hand_over_one(std::move(tensor), outputs); };
        return then(HeldEngine::of(model).engine().gradients(Inputs(*inputs), layer, given), give);
    });
}

inline std::int32_t run_from_layer(void *model, const scorecam_inputs *inputs, const char *layer,
                                   const scorecam_tensor *activations, const char *const *wanted,
                                   std::uint64_t wanted_count, scorecam_outputs *outputs,
                                   scorecam_message *why) noexcept {
    return guarded(why, [&] {
        const auto names = names_of(wanted, wanted_count);
        auto give = [&](std::vector<Tensor> &&made) { return hand_over(std::move(made), outputs); };
        const Engine &engine = HeldEngine::of(model).engine();
        return then(engine.run_from(Inputs(*inputs), layer, TensorView(*activations), names), give);
    });
}

inline std::int32_t run_masked(void *model, const scorecam_masked_request *request, const char *const *wanted,
                               std::uint64_t wanted_count, scorecam_message *why) noexcept {
    return guarded(why, [&] {
        const auto names = names_of(wanted, wanted_count);
        return HeldEngine::of(model).engine().masked(MaskedRequest(*request), names);
    });
}

inline std::int32_t write_remark(void *model, std::uint64_t index, scorecam_message *text) noexcept {
    bool behind = false;
    const std::int32_t status = guarded(text, [&] {
        auto write = [&](const std::vector<std::string> &remarks) -> Outcome<void> {
            behind = index >= remarks.size();
            const std::string remark =
                behind ? "there is no such remark" : remarks[static_cast<std::size_t>(index)];
            static_cast<void>(report(text, SCORECAM_OK, remark.c_str()));
            return Outcome<void>();
        };
        return then(HeldEngine::of(model).remarks(), write);
    });
    // This status means only the end of the list.
    if (status == SCORECAM_ERR_NOT_FOUND) {
        return SCORECAM_ERR_PLUGIN;
    }
    return behind ? SCORECAM_ERR_NOT_FOUND : status;
}

// Hidden: they lead to functions of the headers that this library was compiled with.
SCORECAM_HIDDEN inline constexpr scorecam_masked kMaskedTable = {sizeof(scorecam_masked), 0, run_masked};
SCORECAM_HIDDEN inline constexpr scorecam_run_from kRunFromTable = {sizeof(scorecam_run_from), 0,
                                                                    run_from_layer};
SCORECAM_HIDDEN inline constexpr scorecam_gradients kGradientsTable = {sizeof(scorecam_gradients), 0,
                                                                       run_gradients};
SCORECAM_HIDDEN inline constexpr scorecam_remarks kRemarksTable = {sizeof(scorecam_remarks), 0, write_remark};

inline const void *engine_interface(void *model, const char *id) noexcept {
    const void *table = nullptr;
    guarded(nullptr, [&]() -> Outcome<void> {
        const std::uint32_t abilities = HeldEngine::of(model).engine().abilities();
        const auto offers = [&](const char *name, std::uint32_t ability) {
            return std::strcmp(id, name) == 0 && (abilities & ability) != 0;
        };
        if (offers("scorecam.masked/1", SCORECAM_ABILITY_MASKED)) {
            table = &kMaskedTable;
        } else if (offers("scorecam.run-from/1", SCORECAM_ABILITY_RUN_FROM)) {
            table = &kRunFromTable;
        } else if (offers("scorecam.gradients/1", SCORECAM_ABILITY_GRADIENTS)) {
            table = &kGradientsTable;
        } else if (std::strcmp(id, "scorecam.remarks/1") == 0) {
            table = &kRemarksTable;
        }
        return Outcome<void>();
    });
    return table;
}

using LoadEngine = std::int32_t (*)(const scorecam_model_config *, void **, scorecam_message *);

constexpr scorecam_backend engine_table(LoadEngine load) noexcept {
    return {sizeof(scorecam_backend), 0, load, release_engine, describe_engine, run_forward,
            engine_interface};
}

}  // namespace detail
}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_ENGINE_HPP
