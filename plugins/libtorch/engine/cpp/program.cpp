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
    Stack stack{self, input.to(type)};
    InterpreterState(code).run(stack);
    std::vector<at::Tensor> outputs;
    for (IValue &value : stack) {
        outputs.push_back(std::move(value).toTensor());
    }
    return outputs;
}

Program compile_optimized(const Module &module, const Outline &outline, const std::string &output) {
    try {
        Module frozen = freeze(module);
        frozen = optimize_for_inference(frozen);
        std::shared_ptr<Graph> graph = toGraphFunction(frozen.get_method("forward").function()).graph()->copy();
        settle_ports(*graph, module.get_method("forward").function().getSchema(), output);
        EliminateDeadCode(graph);
        return Program(graph, frozen, parameter_type(module));
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
    Value *given = graph->addInput("activations");
    given->setType(TensorType::get());
    tapped->replaceAllUsesWith(given);
    set_outputs(graph, {graph->outputs().at(0)});
    if (graph->inputs().at(1)->hasUses()) {
        throw std::runtime_error("the model can't be cut at layer \"" + outline.calls.at(call).path +
                                 "\": the input also reaches the scores on a way past it");
    }
    graph->eraseInput(1);
    return Program(graph, module, parameter_type(module));
}

}  // namespace scorecam
