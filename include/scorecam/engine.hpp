// scorecam for C++17: a model that C++ code runs. Included by scorecam.hpp and scorecam_plugin.hpp.
//
// An Engine is the same thing on both sides: an application hands its own over with Host::adopt(), a plugin's
// Backend::load() returns one. First write describe() and forward(); the rest has defaults. Whatever an
// Engine throws stops here and becomes a status with a message: Error keeps its own, everything else is
// SCORECAM_ERR_INTERNAL.
#ifndef SCORECAM_ENGINE_HPP
#define SCORECAM_ENGINE_HPP

#include <cstring>
#include <functional>
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

// A layer that can be tapped.
struct Layer {
    std::string name;
    // What it does, in the model's own words ("Conv").
    std::string operation;
    // Of its activations without the batch axis: [K, h, w] for a layer with spatial extent.
    Shape shape;
};

// What a model takes and gives.
struct ModelDescription {
    // One of SCORECAM_OUTPUT_*.
    std::uint32_t output_activation = SCORECAM_OUTPUT_UNKNOWN;
    std::string input_name = "image";
    // [N, C, H, W]; 0 is an axis of free length.
    Shape input_shape;
    std::string output_name = "scores";
    // [N, classes].
    Shape output_shape;
    // In the order in which they run.
    std::vector<Layer> layers;
    // Index of the last layer with spatial extent before the classifier.
    std::optional<std::size_t> default_layer;
    // Images in every pass when the model fixes their number; else 0.
    std::uint64_t fixed_batch = 0;
    // Images in a pass at which the model runs fastest.
    std::uint64_t preferred_batch = 1;
};

// What a forward pass gives.
struct Forward {
    // [N, classes].
    Tensor scores;
    // [N, K, h, w] of each tap, in their order.
    std::vector<Tensor> activations;
};

// A request for the scores of masked images. Image of pass m: U(mask m) * image + (1 - U(mask m)) * fill, U
// being the upsampling to the image's size.
struct MaskedRequest {
    // One of SCORECAM_UPSAMPLE_*.
    std::uint32_t upsample = SCORECAM_UPSAMPLE_HALF_PIXEL;
    // Preprocessed, [I, C, H, W].
    TensorView images;
    // What shows where a mask is 0, [I, C, H, W]; none for zeros.
    std::optional<TensorView> fill;
    // Small masks, [M, h, w].
    TensorView masks;
    // For each mask the index of its image; empty when there is one image. A view, as the tensors are: what
    // it is made from must outlive the request.
    View<const std::uint32_t> image_of_mask;
    // Images in a pass.
    std::uint64_t batch_size = 1;
    // Is told after each batch how many masks were scored in it, all of them in the end; any status but
    // SCORECAM_OK ends the run.
    std::function<std::int32_t(std::uint64_t)> on_batch;

    // To be called by an Engine after each batch; a failure is to be passed on.
    Outcome<void> scored(std::uint64_t masks_in_batch) const {
        const std::int32_t status = on_batch ? on_batch(masks_in_batch) : SCORECAM_OK;
        return detail::outcome(
            status, [] { return "stopped by the caller"; }, [] {});
    }
};

// A loaded model. Its functions are const because they are called from several threads at once: an engine
// that cannot bear that has a mutable std::mutex and locks it. It is destroyed once, on any thread, when
// nobody uses it any more.
class Engine {
   public:
    virtual ~Engine() = default;

    // Called once, before everything else.
    virtual Outcome<ModelDescription> describe() const = 0;

    // Runs `batch` [N, C, H, W]; `taps` are names of layers. One that describe() does not list may come, since
    // users choose it: to be refused by SCORECAM_ERR_NOT_FOUND, with a text that is shown to them.
    virtual Outcome<Forward> forward(const TensorView &batch, View<const std::string_view> taps) const = 0;

    // What else it can, a sum of SCORECAM_ABILITY_*: for each of them the function below is to be overridden.
    // A plugin's descriptor names them, too.
    virtual std::uint32_t abilities() const { return 0; }

    // SCORECAM_ABILITY_GRADIENTS: the derivative [N, K, h, w] of the output for a class, as forward() gives
    // it, with respect to the layer's activations on `batch` [N, C, H, W].
    virtual Outcome<Tensor> gradients(const TensorView &batch, const std::string &layer,
                                      std::uint64_t class_index) const {
        static_cast<void>(batch), static_cast<void>(layer), static_cast<void>(class_index);
        return detail::failed<Tensor>(SCORECAM_ERR_UNSUPPORTED, "the engine does not differentiate");
    }

    // SCORECAM_ABILITY_RUN_FROM: class scores [N, classes], with `activations` [N, K, h, w] in place of the
    // layer's own.
    virtual Outcome<Tensor> run_from(const std::string &layer, const TensorView &activations) const {
        static_cast<void>(layer), static_cast<void>(activations);
        return detail::failed<Tensor>(SCORECAM_ERR_UNSUPPORTED, "the engine does not run from a layer");
    }

    // SCORECAM_ABILITY_MASKED_SCORES: class scores [M, classes] of masked images. Calls request.scored()
    // after each batch.
    virtual Outcome<Tensor> masked_scores(const MaskedRequest &request) const {
        static_cast<void>(request);
        return detail::failed<Tensor>(SCORECAM_ERR_UNSUPPORTED, "the engine does not mask images");
    }

    // What users should know of how this model runs, one line each and at most 16: that it runs in another
    // precision than it was exported in, and what that costs. Called once, after loading; every explanation has
    // them among its warnings.
    virtual Outcome<std::vector<std::string>> remarks() const { return std::vector<std::string>(); }
};

namespace detail {

// Tensors on their way out, and what frees them.
struct Outputs {
    std::vector<Tensor> tensors;
    std::vector<scorecam_tensor> raw;

    static void release(void *owner) noexcept { delete static_cast<Outputs *>(owner); }
};

inline Outcome<void> hand_over(std::vector<Tensor> tensors, scorecam_outputs *outputs) {
    auto owner = std::make_unique<Outputs>();
    owner->tensors = std::move(tensors);
    for (const Tensor &tensor : owner->tensors) {
        // A host reads as many values as the shape says, so this must be found out here.
        if (tensor.size() == 0 || tensor.size() != tensor.shape().count()) {
            return failed<void>(SCORECAM_ERR_PLUGIN,
                                "tensor " + std::to_string(owner->raw.size()) + " of the result has " +
                                    std::to_string(tensor.size()) + " values, which is not what shape " +
                                    tensor.shape().text() + " needs");
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
        for (const Layer &layer : said_.layers) {
            layers_.push_back({layer.name.c_str(), layer.operation.c_str(), layer.shape.raw()});
        }
        raw_.struct_size = sizeof raw_;
        raw_.output_activation = said_.output_activation;
        raw_.input_name = said_.input_name.c_str();
        raw_.input_shape = said_.input_shape.raw();
        raw_.output_name = said_.output_name.c_str();
        raw_.output_shape = said_.output_shape.raw();
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
    ModelDescription said_;
    std::vector<scorecam_layer> layers_;
    scorecam_model_description raw_;
};

// What the functions of an engine's table get as their model.
class HeldEngine {
   public:
    explicit HeldEngine(std::shared_ptr<const Engine> engine) : engine_(std::move(engine)) {}

    static HeldEngine &of(void *model) noexcept { return *static_cast<HeldEngine *>(model); }
    const Engine &engine() const noexcept { return *engine_; }

    // The description is asked for once, so that what was handed out stays as it is.
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

    // Asked for once, too: by the first line that is wanted.
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

inline std::int32_t run_forward(void *model, const scorecam_tensor *batch, const char *const *taps,
                                std::uint64_t tap_count, scorecam_outputs *outputs,
                                scorecam_message *why) noexcept {
    return guarded(why, [&] {
        const std::vector<std::string_view> names(taps, taps + tap_count);
        auto give = [&](Forward &&pass) -> Outcome<void> {
            pass.activations.insert(pass.activations.begin(), std::move(pass.scores));
            return hand_over(std::move(pass.activations), outputs);
        };
        return then(HeldEngine::of(model).engine().forward(TensorView(*batch), names), give);
    });
}

inline std::int32_t run_gradients(void *model, const scorecam_tensor *batch, const char *layer,
                                  std::uint64_t class_index, scorecam_outputs *outputs,
                                  scorecam_message *why) noexcept {
    return guarded(why, [&] {
        auto give = [&](Tensor &&tensor) { return hand_over_one(std::move(tensor), outputs); };
        return then(HeldEngine::of(model).engine().gradients(TensorView(*batch), layer, class_index), give);
    });
}

inline std::int32_t run_from_layer(void *model, const char *layer, const scorecam_tensor *activations,
                                   scorecam_outputs *outputs, scorecam_message *why) noexcept {
    return guarded(why, [&] {
        auto give = [&](Tensor &&tensor) { return hand_over_one(std::move(tensor), outputs); };
        return then(HeldEngine::of(model).engine().run_from(layer, TensorView(*activations)), give);
    });
}

inline std::int32_t run_masked(void *model, const scorecam_masked_request *raw, scorecam_outputs *outputs,
                               scorecam_message *why) noexcept {
    return guarded(why, [&] {
        MaskedRequest request;
        request.upsample = raw->upsample;
        request.images = TensorView(raw->images);
        if (raw->fill.data != nullptr) {
            request.fill = TensorView(raw->fill);
        }
        request.masks = TensorView(raw->masks);
        if (raw->image_of_mask != nullptr) {
            const auto masks = static_cast<std::size_t>(request.masks.shape()[0]);
            request.image_of_mask = View<const std::uint32_t>(raw->image_of_mask, masks);
        }
        request.batch_size = raw->batch_size;
        if (raw->on_batch != nullptr) {
            request.on_batch = [raw](std::uint64_t masks) { return raw->on_batch(raw->context, masks); };
        }
        auto give = [&](Tensor &&tensor) { return hand_over_one(std::move(tensor), outputs); };
        return then(HeldEngine::of(model).engine().masked_scores(request), give);
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
    // Nothing but the end of the list is told by this status.
    if (status == SCORECAM_ERR_NOT_FOUND) {
        return SCORECAM_ERR_PLUGIN;
    }
    return behind ? SCORECAM_ERR_NOT_FOUND : status;
}

// Hidden: they lead to functions of the headers that this library was compiled with.
SCORECAM_HIDDEN inline constexpr scorecam_masked_scores kMaskedTable = {sizeof(scorecam_masked_scores), 0,
                                                                        run_masked};
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
        if (offers("scorecam.masked-scores/1", SCORECAM_ABILITY_MASKED_SCORES)) {
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
