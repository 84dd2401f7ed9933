#include "program.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "stream.h"

namespace scorecam {

using namespace torch::jit;

namespace {

constexpr auto keep_checks = DCESideEffectPolicy::DONT_DELETE_NODES_WITH_SIDE_EFFECTS;
constexpr auto drop_checks = DCESideEffectPolicy::ALLOW_DELETING_NODES_WITH_SIDE_EFFECTS;

// Makes `outputs` the graph's outputs, and drops what they do not need.
void set_outputs(std::shared_ptr<Graph> &graph, const std::vector<Value *> &outputs,
                 DCESideEffectPolicy checks) {
    while (!graph->outputs().empty()) {
        graph->eraseOutput(graph->outputs().size() - 1);
    }
    for (Value *output : outputs) {
        graph->registerOutput(output);
    }
    EliminateDeadCode(graph, checks);
}

Value *result_of(const Outline &outline, Graph &graph, size_t call) {
    const Call &known = outline.calls.at(call);
    if (!known.refusal.empty()) {
        throw std::runtime_error("layer \"" + known.path + "\" can't be tapped: " + known.refusal);
    }
    return graph.outputs().at(known.output);
}

// The value to return for `tapped`, into whose memory something writes (an in-place ReLU, `out += x`): it is
// copied at once, and the model goes on with a copy of that copy. So the tap keeps what the module returned,
// as a functional export of the model would, and stays on the way of the gradient.
Value *protect(Graph &graph, Value *tapped) {
    WithInsertPoint after(tapped->node()->next());
    Value *kept = graph.insert(aten::clone, {tapped});
    Value *onward = graph.insert(aten::clone, {kept});
    tapped->replaceAllUsesAfterNodeWith(onward->node(), onward);
    return kept;
}

template <typename Is>
bool has(const Block *block, const Is &is) {
    for (const Node *node : block->nodes()) {
        for (const Block *inner : node->blocks()) {
            if (has(inner, is)) {
                return true;
            }
        }
        if (is(node)) {
            return true;
        }
    }
    return false;
}

// Whether batch normalization is in training mode, as in a trace that was made in it, and writes to its
// averages.
bool is_in_training(const Node *node) {
    if (node->kind() != aten::batch_norm) {
        return false;
    }
    const std::optional<IValue> training = toIValue(node->namedInput("training"));
    return training && training->isBool() && training->toBool() &&
           !node->namedInput("running_mean")->mustBeNone();
}

// Whether a pass writes to what the next one reads, or may write to at the same time.
bool writes_to_itself(const Block *block) {
    return has(block, [](const Node *node) { return node->kind() == prim::SetAttr || is_in_training(node); });
}

// The frozen module's graph for `outputs`.
std::shared_ptr<Graph> graph_of(const Module &frozen, const Outline &outline, const Wanted &outputs) {
    std::shared_ptr<Graph> graph = toGraphFunction(frozen.get_method("forward").function()).graph()->copy();
    settle_inputs(*graph, outline.module.get_method("forward").function().getSchema());
    set_outputs(graph, values_of(*graph, outline, outputs), keep_checks);
    return graph;
}

// Whether oneDNN's own tensors, once entered, are left at one place, near the end.
bool stays_in_mkldnn(const Graph &graph) {
    size_t leavings = 0;
    for (const Node *node : graph.nodes()) {
        leavings += node->kind() == Symbol::aten("to_dense") ? 1 : 0;
    }
    return leavings == 1;
}

bool on_cpu(const Module &module) {
    for (const at::Tensor &parameter : module.parameters()) {
        return parameter.is_cpu();
    }
    return true;
}

// A program that stays in oneDNN's own tensors from the first layer to the last, for the nets that can.
// oneDNN's tensors are fastest for those (ResNet-18: 19 ms an image, channels-last 22). One that leaves them
// in between loses more than it gains (SqueezeNet: 8.5 and 6.2, EfficientNet-Lite0: 8.6 and 7.7 ms).
std::optional<Program> compile_blocked(const Outline &outline, at::ScalarType type, const Wanted &outputs) {
    Module frozen = freeze(outline.module);
    frozen = optimize_for_inference(frozen);
    std::shared_ptr<Graph> graph = graph_of(frozen, outline, outputs);
    if (!stays_in_mkldnn(*graph)) {
        return std::nullopt;
    }
    return Program(graph, frozen, {type, at::MemoryFormat::Contiguous});
}

Program compile_frozen(const Outline &outline, at::ScalarType type, const Wanted &outputs, Scoring how) {
    const bool cpu = on_cpu(outline.module);
    Module frozen = freeze(outline.module);
    if (!cpu && how.precision != Precision::Tf32) {
        // Convolutions with their ReLU in one; those ask the process whether to use TF32, which says no.
        frozen = optimize_for_inference(frozen);
    }
    std::shared_ptr<Graph> graph = graph_of(frozen, outline, outputs);
    set_tf32(*graph, how.precision == Precision::Tf32);
    if (how.precision == Precision::Half) {
        make_half(graph);
        type = at::kHalf;
    }
    // A GPU's tensor cores, which other precisions than f32 are there for, want the channels last.
    const bool fastest_last = cpu || how.precision != Precision::Own;
    const bool last = how.format == Format::ChannelsLast || (how.format == Format::Fastest && fastest_last);
    if (last) {
        lay_weights_channels_last(*graph);
    }
    EliminateDeadCode(graph);
    return Program(graph, frozen,
                   {type, last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous});
}

}  // namespace

Program::Program(const std::shared_ptr<Graph> &graph, const Module &module, ImageForm form)
    : code_(graph, "forward"),
      self_(module._ivalue()),
      form_(form),
      turn_(writes_to_itself(graph->block()) ? std::make_shared<std::mutex>() : nullptr) {}

std::vector<at::Tensor> Program::run(const at::Tensor &input) const {
    std::vector<at::Tensor> outputs;
    for (IValue &value : run_whole(input)) {
        outputs.push_back(std::move(value).toTensor());
    }
    return outputs;
}

std::vector<IValue> Program::run_whole(const at::Tensor &input) const {
    at::Tensor image = input.to(form_.type);
    if (image.dim() == 4) {
        image = image.contiguous(form_.format);
    }
    const c10::Device device = image.device();
    Stack stack{self_, std::move(image)};
    {
        const auto turn = turn_ ? std::unique_lock<std::mutex>(*turn_) : std::unique_lock<std::mutex>();
        InterpreterState(code_).run(stack);
        if (turn_) {
            // What the model writes to itself is there before the next one's turn, on whatever stream.
            finish(device);
        }
    }
    return stack;
}

std::vector<Value *> values_of(Graph &graph, const Outline &outline, const Wanted &outputs) {
    std::vector<Value *> values;
    for (size_t output : outputs) {
        values.push_back(value_of(graph, outline.outputs.at(output)));
    }
    return values;
}

Program compile_whole(const Outline &outline, at::ScalarType type) {
    std::shared_ptr<Graph> graph = outline.graph->copy();
    set_outputs(graph, {graph->outputs().at(0)}, keep_checks);
    return Program(graph, outline.module, {type, at::MemoryFormat::Contiguous});
}

Program compile_optimized(const Outline &outline, at::ScalarType type, const Wanted &outputs, Scoring how) {
    const bool as_is = how.precision == Precision::Own && how.format == Format::Fastest;
    try {
        if (has(outline.graph->block(), is_in_training)) {
            // Freezing would fold it into the convolution before it as if it were in evaluation mode.
            throw std::runtime_error("its batch normalization is in training mode");
        }
        if (as_is && on_cpu(outline.module)) {
            if (std::optional<Program> blocked = compile_blocked(outline, type, outputs)) {
                return *std::move(blocked);
            }
        }
        return compile_frozen(outline, type, outputs, how);
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &e) {
        if (!as_is) {
            throw std::runtime_error(std::string("it can't be frozen, as another precision or memory format "
                                                 "needs: ") +
                                     e.what());
        }
        // Not every module can be frozen; it runs as it is.
        return compile_taps(outline, type, outputs, {});
    }
}

Program compile_taps(const Outline &outline, at::ScalarType type, const Wanted &outputs,
                     const std::vector<size_t> &calls) {
    std::shared_ptr<Graph> graph = outline.graph->copy();
    std::vector<Value *> values = values_of(*graph, outline, outputs);
    for (size_t call : calls) {
        values.push_back(result_of(outline, *graph, call));
    }
    set_outputs(graph, values, keep_checks);
    std::vector<size_t> written;
    if (!calls.empty()) {
        const AliasDb aliases(graph);
        for (size_t i = outputs.size(); i < values.size(); ++i) {
            if (aliases.hasWriters(values[i])) {
                written.push_back(i);
            }
        }
    }
    for (size_t i : written) {
        Value *kept = protect(*graph, values[i]);
        graph->return_node()->replaceInput(i, kept);
    }
    return Program(graph, outline.module, {type, at::MemoryFormat::Contiguous});
}

Program compile_from(const Outline &outline, at::ScalarType type, const Wanted &outputs, size_t call) {
    std::shared_ptr<Graph> graph = outline.graph->copy();
    std::vector<Value *> values = values_of(*graph, outline, outputs);
    Value *tapped = result_of(outline, *graph, call);
    values.push_back(tapped);
    set_outputs(graph, values, keep_checks);
    // A model that writes into its input writes into a copy here, which dies with what it was written for.
    Value *image = graph->inputs().at(1);
    WithInsertPoint first(graph->param_node()->next());
    Value *copy = graph->insert(aten::clone, {image});
    image->replaceAllUsesAfterNodeWith(copy->node(), copy);
    Value *given = graph->addInput("activations");
    given->setType(TensorType::get());
    tapped->replaceAllUsesWith(given);
    // Scripts check shapes before the layer, too; those checks need the image, and the result does not.
    graph->eraseOutput(graph->outputs().size() - 1);
    set_outputs(graph, graph->outputs().vec(), drop_checks);
    if (image->hasUses()) {
        throw std::runtime_error("the model can't be cut at layer \"" + outline.calls.at(call).path +
                                 "\": the input also reaches the outputs on a way past it");
    }
    graph->eraseInput(1);
    return Program(graph, outline.module, {type, at::MemoryFormat::Contiguous});
}

}  // namespace scorecam
