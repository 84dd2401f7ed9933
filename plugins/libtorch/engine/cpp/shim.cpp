#include "shim.h"

#include <ATen/DLConvertor.h>
#include <ATen/Parallel.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/import_read.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "axes.h"
#include "outline.h"
#include "program.h"
#include "stream.h"

using namespace torch::jit;

struct sct_model {
    scorecam::Outline outline;
    // The image that the model was traced with; undefined when the file does not tell.
    at::Tensor traced;
    // The type of the image.
    at::ScalarType type;
};

struct sct_program {
    scorecam::Program program;
};

struct sct_visit {
    scorecam::Visit visit;
};

struct sct_copy {
    scorecam::Copy copy;
};

namespace {

void say(sct_error *error, const char *text) {
    std::strncpy(error->text, text, sizeof error->text - 1);
    error->text[sizeof error->text - 1] = '\0';
}

// Runs `work`; whatever it throws becomes a text.
template <typename Work>
int guarded(sct_error *error, Work work) noexcept {
    try {
        work();
        return 0;
    } catch (const c10::Error &e) {
        say(error, e.what_without_backtrace());
    } catch (const std::bad_alloc &) {
        say(error, "out of memory");
    } catch (const std::exception &e) {
        say(error, e.what());
    } catch (...) {
        say(error, "libtorch threw something that is no exception");
    }
    return 1;
}

template <typename Compile>
int compiled(sct_program **program, sct_error *error, Compile compile) noexcept {
    return guarded(error, [&] { *program = new sct_program{compile()}; });
}

// Whether `node` divides a tensor by its own length, as embeddings are scaled.
bool divides_by_length(const Node *node) {
    static const std::unordered_set<Symbol> between{aten::clamp_min, aten::clamp,     aten::expand_as,
                                                    aten::expand,    aten::unsqueeze, aten::add};
    static const std::unordered_set<Symbol> lengths{aten::norm, aten::frobenius_norm,
                                                    aten::linalg_vector_norm, aten::linalg_norm};
    if (node->kind() != aten::div || node->inputs().size() < 2) {
        return false;
    }
    const Value *divisor = node->input(1);
    while (between.count(divisor->node()->kind()) > 0) {
        divisor = divisor->node()->input(0);
    }
    return lengths.count(divisor->node()->kind()) > 0 && divisor->node()->input(0) == node->input(0);
}

int kind_of_output(const Value *value) {
    static const std::unordered_map<Symbol, int> known{
        {aten::softmax, SCT_OUTPUT_SOFTMAX},     {aten::sigmoid, SCT_OUTPUT_SIGMOID},
        {aten::sigmoid_, SCT_OUTPUT_SIGMOID},    {aten::log_softmax, SCT_OUTPUT_LOGITS},
        {aten::linear, SCT_OUTPUT_LOGITS},       {aten::addmm, SCT_OUTPUT_LOGITS},
        {aten::matmul, SCT_OUTPUT_LOGITS},       {aten::conv2d, SCT_OUTPUT_LOGITS},
        {aten::_convolution, SCT_OUTPUT_LOGITS},
    };
    static const std::unordered_set<Symbol> transparent{
        aten::flatten, aten::view,       aten::reshape,
        aten::squeeze, aten::mean,       aten::adaptive_avg_pool2d,
        aten::dropout, aten::detach,     aten::alias,
        aten::to,      aten::contiguous, aten::clone};
    while (transparent.count(value->node()->kind()) > 0) {
        value = value->node()->input(0);
    }
    if (divides_by_length(value->node())) {
        return SCT_OUTPUT_UNIT_LENGTH;
    }
    auto found = known.find(value->node()->kind());
    return found == known.end() ? SCT_OUTPUT_UNKNOWN : found->second;
}

// Channels that a convolution takes from `image`, directly or after steps that keep the channels; 0 when that
// can't be told.
int64_t channels_taken(const Value *image, const Module &module) {
    static const std::unordered_set<Symbol> keeping{
        aten::sub,   aten::sub_,  aten::div,    aten::div_, aten::mul,
        aten::mul_,  aten::add,   aten::add_,   aten::to,   aten::contiguous,
        aten::clone, aten::alias, aten::detach, aten::pad,  aten::batch_norm};
    for (const Use &use : image->uses()) {
        const Node *node = use.user;
        if (use.offset != 0) {
            continue;
        }
        if (keeping.count(node->kind()) > 0) {
            if (const int64_t found = channels_taken(node->output(), module)) {
                return found;
            }
        }
        if (node->kind() != aten::conv2d && node->kind() != aten::_convolution) {
            continue;
        }
        const std::optional<IValue> weight = scorecam::known_value(node->input(1), module);
        const std::optional<IValue> groups = toIValue(node->namedInput("groups"));
        if (weight && weight->isTensor() && groups && groups->isInt()) {
            return weight->toTensor().size(1) * groups->toInt();
        }
    }
    return 0;
}

// The type of a model's weights, which is that of its image. A frozen model has them as constants.
at::ScalarType type_of(const scorecam::Outline &outline, const at::Tensor &traced) {
    for (const at::Tensor &parameter : outline.module.parameters()) {
        if (parameter.is_floating_point()) {
            return parameter.scalar_type();
        }
    }
    if (traced.defined()) {
        return traced.scalar_type();
    }
    for (const Node *node : outline.graph->nodes()) {
        const std::optional<IValue> constant =
            node->kind() == prim::Constant ? toIValue(node->output()) : std::nullopt;
        if (constant && constant->isTensor() && constant->toTensor().is_floating_point() &&
            constant->toTensor().dim() > 1) {
            return constant->toTensor().scalar_type();
        }
    }
    return at::kFloat;
}

// A trace keeps the inputs it was made with in an archive of their own. What can't be read there is left
// unknown: older exporters wrote none, and nothing else depends on it.
at::Tensor traced_image(const char *path) {
    at::Tensor image;
    sct_error ignored;
    guarded(&ignored, [&] {
        caffe2::serialize::PyTorchStreamReader reader{std::string(path)};
        if (!reader.hasRecord("traced_inputs.pkl")) {
            return;
        }
        const IValue inputs = readArchiveAndTensors("traced_inputs", "", "traced_inputs/", std::nullopt,
                                                    std::nullopt, c10::Device("cpu"), reader);
        const IValue first = inputs.toGenericDict().at("forward").toListRef()[0];
        if (first.isTensor() && first.toTensor().dim() == 4) {
            image = first.toTensor();
        }
    });
    return image;
}

// Hands an output and the value that a pass gave for it to `visit`.
void show(const scorecam::Found &found, sct_visit_output visit, void *context) {
    const IValue &value = found.value;
    sct_output seen{found.output.name.c_str(), nullptr, 0, 0, nullptr, 0};
    std::string other;
    if (!value.isTensor() || at::isQIntType(value.toTensor().scalar_type())) {
        other = value.isTensor() ? c10::toString(value.toTensor().scalar_type()) : value.tagKind();
        seen.other = other.c_str();
        visit(context, &seen);
        return;
    }
    const DLDataType type = at::getDLDataType(value.toTensor());
    const at::IntArrayRef lengths = value.toTensor().sizes();
    seen.code = type.code;
    seen.bits = type.bits;
    seen.lengths = lengths.data();
    seen.rank = lengths.size();
    visit(context, &seen);
}

scorecam::Wanted list(const size_t *numbers, size_t count) { return {numbers, numbers + count}; }

}  // namespace

int sct_open(const char *path, const char *device, sct_model **model, sct_error *error) {
    return guarded(error, [&] {
        Module module = load(path, c10::Device(device));
        if (!module.find_method("forward")) {
            throw std::runtime_error("it has no method forward");
        }
        module.eval();
        for (at::Tensor parameter : module.parameters()) {
            parameter.set_requires_grad(false);
        }
        scorecam::Outline outline = scorecam::outline(module);
        at::Tensor traced = traced_image(path);
        const at::ScalarType type = type_of(outline, traced);
        *model = new sct_model{std::move(outline), std::move(traced), type};
    });
}

void sct_close(sct_model *model) { delete model; }

size_t sct_call_count(const sct_model *model) { return model->outline.calls.size(); }

sct_call sct_call_at(const sct_model *model, size_t index) {
    const scorecam::Call &call = model->outline.calls[index];
    return {call.path.c_str(), call.type.c_str(), call.refusal.empty() ? nullptr : call.refusal.c_str()};
}

int sct_visit_weights(sct_model *model, sct_visit_weight visit, void *context, sct_error *error) {
    return guarded(error, [&] {
        const at::NoGradGuard no_grad;
        std::unordered_set<std::string> seen;
        for (const scorecam::Call &call : model->outline.calls) {
            if (!seen.insert(call.path).second) {
                continue;
            }
            const Module module = scorecam::submodule(model->outline.module, call.path);
            for (const auto &own : module.named_parameters(/*recurse=*/false)) {
                at::Tensor tensor = own.value;
                visit(context, call.path.c_str(), own.name.c_str(), &tensor);
            }
            for (const auto &own : module.named_buffers(/*recurse=*/false)) {
                at::Tensor tensor = own.value;
                if (own.name == "running_mean" || own.name == "running_var") {
                    visit(context, call.path.c_str(), own.name.c_str(), &tensor);
                }
            }
        }
    });
}

int sct_find_outputs(sct_model *model, const sct_tensor *input, sct_visit_output visit, void *context,
                     sct_error *error) {
    return guarded(error, [&] {
        const c10::InferenceMode inference;
        const scorecam::Program program = scorecam::compile_whole(model->outline, model->type);
        const std::vector<scorecam::Found> found = scorecam::outputs_in(program.run_whole(*input).at(0));
        model->outline.outputs.clear();
        for (const scorecam::Found &one : found) {
            model->outline.outputs.push_back(one.output);
            show(one, visit, context);
        }
    });
}

int sct_output_kind(const sct_model *model, size_t output) {
    int kind = SCT_OUTPUT_UNKNOWN;
    sct_error ignored;
    guarded(&ignored, [&] {
        const std::shared_ptr<Graph> graph = model->outline.graph->copy();
        kind = kind_of_output(scorecam::values_of(*graph, model->outline, {output}).at(0));
    });
    return kind;
}

int sct_read_traits(const sct_model *model, int channels_last, const size_t *outputs, size_t output_count,
                    sct_traits *traits, sct_error *error) {
    return guarded(error, [&] {
        const std::shared_ptr<Graph> copy = model->outline.graph->copy();
        Graph &graph = *copy;
        const std::vector<Value *> ends =
            scorecam::values_of(graph, model->outline, list(outputs, output_count));
        const scorecam::AxesOf axes(
            graph, channels_last != 0 ? scorecam::Axes::ChannelsLast : scorecam::Axes::ChannelsFirst);
        const std::unordered_set<const Value *> makers = scorecam::makers_of(ends);
        for (const scorecam::Call &call : model->outline.calls) {
            const Value *result = graph.outputs().at(call.output);
            const scorecam::Known known = axes.of(result);
            *traits++ = {static_cast<int>(known.axes), makers.count(result) > 0 ? 1 : 0,
                         call.has_weights ? 1 : 0, known.family};
        }
    });
}

int sct_traced_shape(const sct_model *model, int64_t shape[4]) {
    if (!model->traced.defined()) {
        return 0;
    }
    std::copy_n(model->traced.sizes().begin(), 4, shape);
    return 1;
}

int64_t sct_input_channels(const sct_model *model) {
    int64_t channels = 0;
    sct_error ignored;
    guarded(&ignored,
            [&] { channels = channels_taken(model->outline.graph->inputs().at(1), model->outline.module); });
    return channels;
}

int sct_compile_optimized(const sct_model *model, const size_t *outputs, size_t output_count, int precision,
                          int format, sct_program **program, sct_error *error) {
    const scorecam::Scoring how{static_cast<scorecam::Precision>(precision),
                                static_cast<scorecam::Format>(format)};
    return compiled(program, error, [&] {
        return scorecam::compile_optimized(model->outline, model->type, list(outputs, output_count), how);
    });
}

int sct_compile_taps(const sct_model *model, const size_t *outputs, size_t output_count, const size_t *calls,
                     size_t call_count, sct_program **program, sct_error *error) {
    return compiled(program, error, [&] {
        return scorecam::compile_taps(model->outline, model->type, list(outputs, output_count),
                                      list(calls, call_count));
    });
}

int sct_compile_from(const sct_model *model, const size_t *outputs, size_t output_count, size_t call,
                     sct_program **program, sct_error *error) {
    return compiled(program, error, [&] {
        return scorecam::compile_from(model->outline, model->type, list(outputs, output_count), call);
    });
}

void sct_free_program(sct_program *program) { delete program; }

int sct_run(const sct_program *program, const sct_tensor *input, sct_tensor **outputs, sct_error *error) {
    return guarded(error, [&] {
        const c10::InferenceMode inference;
        std::vector<at::Tensor> results = program->program.run(*input);
        // Allocated before any is handed over, so that a failure leaves nothing behind.
        std::vector<std::unique_ptr<at::Tensor>> owned;
        for (at::Tensor &result : results) {
            owned.push_back(std::make_unique<at::Tensor>(std::move(result)));
        }
        for (size_t i = 0; i < owned.size(); ++i) {
            outputs[i] = owned[i].release();
        }
    });
}

int sct_gradient(const sct_program *program, const sct_tensor *input, const sct_tensor *const *cotangents,
                 sct_tensor **gradient, sct_error *error) {
    return guarded(error, [&] {
        const at::AutoGradMode recording(true);
        const at::Tensor leaf = input->detach().requires_grad_(true);
        // The model runs on a copy, since it may write into its input, which autograd forbids for a leaf.
        const std::vector<at::Tensor> outputs = program->program.run(leaf.clone());
        const at::Tensor &tap = outputs.back();
        if (!tap.requires_grad()) {
            throw std::runtime_error(
                "its activations have no derivative (the model is quantized, or computes them without "
                "autograd); "
                "use a method without gradients");
        }
        std::vector<at::Tensor> ends;
        std::vector<at::Tensor> weights;
        for (size_t i = 0; i + 1 < outputs.size(); ++i) {
            const at::Tensor &output = outputs[i];
            if (cotangents[i]->numel() != output.numel()) {
                throw std::runtime_error(c10::str("a cotangent has shape ", cotangents[i]->sizes(),
                                                  ", its output ", output.sizes()));
            }
            // Whole numbers have no derivative, nor has what does not depend on the image.
            if (output.requires_grad()) {
                ends.push_back(output);
                weights.push_back(cotangents[i]->to(output.scalar_type()).reshape(output.sizes()));
            }
        }
        if (ends.empty()) {
            throw std::runtime_error(
                "none of its outputs that are asked for has a derivative; use a method without gradients");
        }
        const std::vector<at::Tensor> found = torch::autograd::grad(
            ends, {tap}, weights,
            /*retain_graph=*/std::nullopt, /*create_graph=*/false, /*allow_unused=*/true);
        const at::Tensor result = found.at(0).defined() ? found.at(0) : at::zeros_like(tap);
        *gradient = new at::Tensor(result.detach());
    });
}

int sct_settle(const char *device, sct_error *error) {
    return guarded(error, [&] {
        if (!c10::Device(device).is_cpu()) {
            scorecam::settle_gpu();
        }
    });
}

int sct_new_stream(const char *device, sct_stream *stream, sct_error *error) {
    return guarded(error, [&] {
        const c10::StreamData3 packed = scorecam::new_stream(c10::Device(device)).pack3();
        *stream = {packed.stream_id, packed.device_index, static_cast<int64_t>(packed.device_type)};
    });
}

int sct_enter(const sct_stream *stream, sct_visit **visit, sct_error *error) {
    return guarded(error, [&] {
        const c10::Stream known =
            c10::Stream::unpack3(stream->id, static_cast<c10::DeviceIndex>(stream->device_index),
                                 static_cast<c10::DeviceType>(stream->device_type));
        *visit = new sct_visit{scorecam::Visit(known)};
    });
}

void sct_leave(sct_visit *visit) { delete visit; }

int sct_start_copy(const sct_tensor *tensor, sct_copy **copy, sct_error *error) {
    return guarded(error, [&] {
        const c10::InferenceMode inference;
        *copy = new sct_copy{scorecam::Copy(*tensor)};
    });
}

int sct_wait_copy(sct_copy *copy, sct_tensor **host, sct_error *error) {
    return guarded(error, [&] { *host = new at::Tensor(copy->copy.wait()); });
}

void sct_free_copy(sct_copy *copy) { delete copy; }

int sct_cuda_devices(void) {
    int count = -1;
    sct_error ignored;
    guarded(&ignored, [&] {
        // Not at::hasCUDA, which says no of a libtorch with CUDA, too, where there is no GPU.
        if (c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
            count = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount();
        }
    });
    return count;
}

int sct_set_threads(int threads) {
    int before = threads;
    sct_error ignored;
    guarded(&ignored, [&] {
        before = at::get_num_threads();
        if (before != threads) {
            at::set_num_threads(threads);
        }
    });
    return before;
}
