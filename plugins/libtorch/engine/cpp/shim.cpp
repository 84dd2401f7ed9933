#include "shim.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/import_read.h>
#include <torch/cuda.h>

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "outline.h"
#include "program.h"

using namespace torch::jit;

struct sct_model {
    Module module;
    std::string output;
    scorecam::Outline outline;
    // The shape of the image that the model was traced with; empty when the file does not tell.
    std::vector<int64_t> traced;
};

struct sct_program {
    scorecam::Program program;
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

int kind_of_output(const Graph &graph) {
    static const std::unordered_map<Symbol, int> known{
        {aten::softmax, SCT_OUTPUT_SOFTMAX},     {aten::sigmoid, SCT_OUTPUT_SIGMOID},
        {aten::sigmoid_, SCT_OUTPUT_SIGMOID},    {aten::log_softmax, SCT_OUTPUT_LOGITS},
        {aten::linear, SCT_OUTPUT_LOGITS},       {aten::addmm, SCT_OUTPUT_LOGITS},
        {aten::matmul, SCT_OUTPUT_LOGITS},       {aten::conv2d, SCT_OUTPUT_LOGITS},
        {aten::_convolution, SCT_OUTPUT_LOGITS},
    };
    static const std::unordered_set<Symbol> transparent{aten::flatten, aten::view,  aten::reshape,
                                                        aten::squeeze, aten::mean,  aten::adaptive_avg_pool2d,
                                                        aten::dropout, aten::detach};
    const Value *value = graph.outputs().at(0);
    while (transparent.count(value->node()->kind()) > 0) {
        value = value->node()->input(0);
    }
    auto found = known.find(value->node()->kind());
    return found == known.end() ? SCT_OUTPUT_UNKNOWN : found->second;
}

// The value of `value` where it is an attribute of the module, or a constant.
std::optional<IValue> known_value(const Value *value, const Module &module) {
    if (value->node()->kind() != prim::GetAttr) {
        return toIValue(value);
    }
    std::vector<std::string> names;
    for (; value->node()->kind() == prim::GetAttr; value = value->node()->input()) {
        names.push_back(value->node()->s(attr::name));
    }
    IValue found = module._ivalue();
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        found = found.toObjectRef().getAttr(*name);
    }
    return found;
}

// Channels that a convolution whose image input is `value` takes; 0 when `value` goes elsewhere first.
int64_t channels_taken(const Value *value, const Module &module) {
    for (const Use &use : value->uses()) {
        const Node *node = use.user;
        const bool convolution = node->kind() == aten::conv2d || node->kind() == aten::_convolution;
        if (!convolution || use.offset != 0) {
            continue;
        }
        std::optional<IValue> weight = known_value(node->input(1), module);
        std::optional<IValue> groups = toIValue(node->namedInput("groups"));
        if (weight && weight->isTensor() && groups && groups->isInt()) {
            return weight->toTensor().size(1) * groups->toInt();
        }
    }
    return 0;
}

// A trace keeps the inputs it was made with in an archive of their own. What can't be read there is left
// unknown: older exporters wrote none, and nothing else depends on it.
std::vector<int64_t> traced_shape(const char *path) {
    std::vector<int64_t> shape;
    sct_error ignored;
    guarded(&ignored, [&] {
        caffe2::serialize::PyTorchStreamReader reader{std::string(path)};
        if (!reader.hasRecord("traced_inputs.pkl")) {
            return;
        }
        const IValue inputs = readArchiveAndTensors("traced_inputs", "", "traced_inputs/", std::nullopt,
                                                    std::nullopt, c10::Device("cpu"), reader);
        const IValue image = inputs.toGenericDict().at("forward").toListRef()[0];
        if (image.isTensor() && image.toTensor().dim() == 4) {
            shape = image.toTensor().sizes().vec();
        }
    });
    return shape;
}

}  // namespace

int sct_open(const char *path, const char *device, const char *output, sct_model **model, sct_error *error) {
    return guarded(error, [&] {
        Module module = load(path, c10::Device(device));
        if (!module.find_method("forward")) {
            throw std::runtime_error("it has no method forward");
        }
        module.eval();
        for (at::Tensor parameter : module.parameters()) {
            parameter.set_requires_grad(false);
        }
        std::string chosen = output == nullptr ? "" : output;
        scorecam::Outline outline = scorecam::outline(module, chosen);
        *model = new sct_model{std::move(module), std::move(chosen), std::move(outline), traced_shape(path)};
    });
}

void sct_close(sct_model *model) { delete model; }

size_t sct_call_count(const sct_model *model) { return model->outline.calls.size(); }

sct_call sct_call_at(const sct_model *model, size_t index) {
    const scorecam::Call &call = model->outline.calls[index];
    return {call.path.c_str(), call.type.c_str(), call.refusal.empty() ? nullptr : call.refusal.c_str()};
}

int sct_output_kind(const sct_model *model) { return kind_of_output(*model->outline.graph); }

int sct_traced_shape(const sct_model *model, int64_t shape[4]) {
    std::copy(model->traced.begin(), model->traced.end(), shape);
    return model->traced.empty() ? 0 : 1;
}

int64_t sct_input_channels(const sct_model *model) {
    int64_t channels = 0;
    sct_error ignored;
    guarded(&ignored, [&] { channels = channels_taken(model->outline.graph->inputs().at(1), model->module); });
    return channels;
}

int sct_compile_scores(const sct_model *model, int optimized, sct_program **program, sct_error *error) {
    return compiled(program, error, [&] {
        return optimized != 0 ? scorecam::compile_optimized(model->module, model->outline, model->output)
                              : scorecam::compile_taps(model->module, model->outline, {});
    });
}

int sct_compile_taps(const sct_model *model, const size_t *calls, size_t count, sct_program **program,
                     sct_error *error) {
    return compiled(program, error, [&] {
        return scorecam::compile_taps(model->module, model->outline, std::vector<size_t>(calls, calls + count));
    });
}

int sct_compile_from(const sct_model *model, size_t call, sct_program **program, sct_error *error) {
    return compiled(program, error,
                    [&] { return scorecam::compile_from(model->module, model->outline, call); });
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

int sct_gradient(const sct_program *program, const sct_tensor *input, int64_t klass, sct_tensor **gradient,
                 sct_error *error) {
    return guarded(error, [&] {
        const at::AutoGradMode recording(true);
        const at::Tensor leaf = input->detach().requires_grad_(true);
        // The model runs on a copy, since it may write into its input, which autograd forbids for a leaf.
        const std::vector<at::Tensor> outputs = program->program.run(leaf.clone());
        const at::Tensor score = outputs.at(0).select(1, klass).sum();
        if (!outputs.at(1).requires_grad()) {
            throw std::runtime_error("its activations do not depend on the input in a way that has a derivative");
        }
        const std::vector<at::Tensor> found = torch::autograd::grad(
            {score}, {outputs.at(1)}, /*grad_outputs=*/{}, /*retain_graph=*/std::nullopt,
            /*create_graph=*/false, /*allow_unused=*/true);
        const at::Tensor result = found.at(0).defined() ? found.at(0) : at::zeros_like(outputs.at(1));
        *gradient = new at::Tensor(result.detach());
    });
}

int sct_cuda_devices(void) {
    if (!at::hasCUDA()) {
        return -1;
    }
    int count = 0;
    sct_error ignored;
    guarded(&ignored, [&] { count = static_cast<int>(torch::cuda::device_count()); });
    return count;
}

int sct_set_threads(int threads) {
    const int before = at::get_num_threads();
    if (before != threads) {
        at::set_num_threads(threads);
    }
    return before;
}
