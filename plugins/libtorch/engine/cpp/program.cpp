#include "program.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <stdexcept>

namespace scorecam {

using namespace torch::jit;

namespace {

// Makes `outputs` the graph's outputs, and drops what they do not need.
void set_outputs(std::shared_ptr<Graph> &graph, const std::vector<Value *> &outputs) {
    while (!graph->outputs().empty()) {
        graph->eraseOutput(graph->outputs().size() - 1);
    }
    for (Value *output : outputs) {
        graph->registerOutput(output);
    }
    EliminateDeadCode(graph);
}

// The value to return for `tapped`. Where something writes into its memory (an in-place ReLU, `out += x`), it
// is copied at once, and the model goes on with a copy of that copy: so the tap keeps what the module
// returned, as a functional export of the model would, and stays on the way of the gradient.
Value *protect(Graph &graph, Value *tapped, const AliasDb &aliases) {
    if (!aliases.hasWriters(tapped)) {
        return tapped;
    }
    Node *origin = tapped->node();
    WithInsertPoint after(origin == graph.param_node() ? graph.param_node()->next() : origin->next());
    Value *kept = graph.insert(aten::clone, {tapped});
    Value *onward = graph.insert(aten::clone, {kept});
    tapped->replaceAllUsesAfterNodeWith(onward->node(), onward);
    return kept;
}

// The frozen module's graph, its ports settled.
std::shared_ptr<Graph> graph_of(const Module &frozen, const c10::FunctionSchema &schema, const std::string &output) {
    std::shared_ptr<Graph> graph = toGraphFunction(frozen.get_method("forward").function()).graph()->copy();
    settle_ports(*graph, schema, output);
    EliminateDeadCode(graph);
    return graph;
}

// Whether oneDNN's own tensors, once entered, are left only for the scores.
bool stays_in_mkldnn(const Graph &graph) {
    size_t leavings = 0;
    for (const Node *node : graph.nodes()) {
        leavings += node->kind() == Symbol::aten("to_dense") ? 1 : 0;
    }
    return leavings == 1;
}

}  // namespace

at::ScalarType parameter_type(const Module &module) {
    for (const at::Tensor &parameter : module.parameters()) {
        if (parameter.is_floating_point()) {
            return parameter.scalar_type();
        }
    }
    return at::kFloat;
}

Program::Program(const std::shared_ptr<Graph> &graph, const Module &module, at::ScalarType type)
    : code(graph, "forward"), self(module._ivalue()), type(type) {}

std::vector<at::Tensor> Program::run(const at::Tensor &input) const {
    at::Tensor converted = input.to(type);
    if (converted.dim() == 4) {
        converted = converted.contiguous(format);
    }
    Stack stack{self, std::move(converted)};
    InterpreterState(code).run(stack);
    std::vector<at::Tensor> outputs;
    for (IValue &value : stack) {
        outputs.push_back(std::move(value).toTensor());
    }
    return outputs;
}

Program compile_optimized(const Module &module, const Outline &outline, const std::string &output) {
    const c10::FunctionSchema schema = module.get_method("forward").function().getSchema();
    try {
        // oneDNN's tensors are fastest for a net that stays in them to its end (ResNet-18: 19 ms an image,
        // channels-last 22). One that leaves them in between loses more than it gains (SqueezeNet: 8.5 and 6.2,
        // EfficientNet-Lite0: 8.6 and 7.7 ms); there channels-last is the fastest.
        Module optimized = freeze(module);
        optimized = optimize_for_inference(optimized);
        std::shared_ptr<Graph> graph = graph_of(optimized, schema, output);
        if (stays_in_mkldnn(*graph)) {
            return Program(graph, optimized, parameter_type(module));
        }
        // Optimising changed the graph in place, so the module is frozen anew.
        const Module frozen = freeze(module);
        Program program(graph_of(frozen, schema, output), frozen, parameter_type(module));
        program.format = at::MemoryFormat::ChannelsLast;
        return program;
    } catch (const std::exception &) {
        // Not every module can be frozen (one that writes to its own attributes can't); it runs as it is.
        return compile_taps(module, outline, {});
    }
}

Program compile_taps(const Module &module, const Outline &outline, const std::vector<size_t> &calls) {
    std::shared_ptr<Graph> graph = outline.graph->copy();
    std::vector<Value *> tapped;
    for (size_t call : calls) {
        tapped.push_back(graph->outputs().at(outline.calls.at(call).output));
    }
    // Only the chosen outputs remain while aliases are looked at.
    std::vector<Value *> outputs{graph->outputs().at(0)};
    outputs.insert(outputs.end(), tapped.begin(), tapped.end());
    set_outputs(graph, outputs);
    for (size_t i = 1; i < outputs.size(); ++i) {
        Value *kept = protect(*graph, outputs[i], AliasDb(graph));
        graph->return_node()->replaceInput(i, kept);
    }
    return Program(graph, module, parameter_type(module));
}

Program compile_from(const Module &module, const Outline &outline, size_t call) {
    std::shared_ptr<Graph> graph = outline.graph->copy();
    Value *tapped = graph->outputs().at(outline.calls.at(call).output);
    set_outputs(graph, {graph->outputs().at(0), tapped});
    // A model that writes into its input writes into a copy here, which dies with what it was written for.
    Value *image = graph->inputs().at(1);
    WithInsertPoint first(graph->param_node()->next());
    Value *copy = graph->insert(aten::clone, {image});
    image->replaceAllUsesAfterNodeWith(copy->node(), copy);
    Value *given = graph->addInput("activations");
    given->setType(TensorType::get());
    tapped->replaceAllUsesWith(given);
    set_outputs(graph, {graph->outputs().at(0)});
    if (image->hasUses()) {
        throw std::runtime_error("the model can't be cut at layer \"" + outline.calls.at(call).path +
                                 "\": the input also reaches the scores on a way past it");
    }
    graph->eraseInput(1);
    return Program(graph, module, parameter_type(module));
}

}  // namespace scorecam
