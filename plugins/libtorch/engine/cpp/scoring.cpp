#include "scoring.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/shape_analysis.h>

#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

namespace scorecam {

using namespace torch::jit;

namespace {

// Arguments of aten::_convolution as traces write it, its last one being whether TF32 may be used.
constexpr size_t convolution_arguments = 13;

template <typename Visit>
void for_each_node(Block *block, const Visit &visit) {
    // A visit may replace the node that it is given.
    for (auto place = block->nodes().begin(); place != block->nodes().end();) {
        Node *node = *place++;
        for (Block *inner : node->blocks()) {
            for_each_node(inner, visit);
        }
        visit(node);
    }
}

// A convolution with its precision among its arguments, in place of one that asks the process.
void make_explicit(Graph &graph, Node *node) {
    const WithInsertPoint here(node);
    Value *result = graph.insert(
        aten::_convolution,
        {node->namedInput("input"), node->namedInput("weight"), node->namedInput("bias"),
         node->namedInput("stride"), node->namedInput("padding"), node->namedInput("dilation"),
         /*transposed=*/false, std::vector<int64_t>{0, 0}, node->namedInput("groups"), /*benchmark=*/false,
         /*deterministic=*/true, /*cudnn_enabled=*/true, /*allow_tf32=*/true});
    node->output()->replaceAllUsesWith(result);
    node->destroy();
}

std::optional<at::Tensor> constant_tensor(const Value *value) {
    const std::optional<IValue> constant = toIValue(value);
    return constant && constant->isTensor() ? std::optional(constant->toTensor()) : std::nullopt;
}

void set_constant(Graph &graph, Value *old, const at::Tensor &tensor) {
    const WithInsertPoint here(old->node());
    Value *constant = graph.insertConstant(tensor);
    old->replaceAllUsesWith(constant);
}

bool is_wide(int64_t type) {
    return type == static_cast<int64_t>(at::kFloat) || type == static_cast<int64_t>(at::kDouble);
}

// A cast to f32 or f64, or a tensor made of either, becomes half where the graph names the type.
void make_types_half(Graph &graph, Node *node) {
    const FunctionSchema *schema = node->maybeSchema();
    if (schema == nullptr || node->kind() == aten::softmax || node->kind() == aten::log_softmax) {
        return;
    }
    for (size_t i = 0; i < schema->arguments().size() && i < node->inputs().size(); ++i) {
        const std::optional<IValue> type = toIValue(node->input(i));
        if (schema->arguments()[i].name() == "dtype" && type && type->isInt() && is_wide(type->toInt())) {
            const WithInsertPoint here(node);
            node->replaceInput(i, graph.insertConstant(static_cast<int64_t>(at::kHalf)));
        }
    }
}

void widen_inputs(Graph &graph, Node *node) {
    const WithInsertPoint here(node);
    for (size_t i = 0; i < node->inputs().size(); ++i) {
        Value *input = node->input(i);
        if (const auto tensor = constant_tensor(input)) {
            node->replaceInput(i, graph.insertConstant(tensor->to(at::kFloat)));
        } else if (input->type()->isSubtypeOf(*TensorType::get())) {
            const int64_t wide = static_cast<int64_t>(at::kFloat);
            node->replaceInput(i, graph.insert(aten::to, {input, wide, false, false}));
        }
    }
}

// Has the end of the graph, at `output`, work on f32: a last linear layer, since scores around 10 would come
// in steps of 0.008, and what makes probabilities of them, as those are small.
void widen_ending(Graph &graph, Value *output) {
    static const std::unordered_set<Symbol> transparent{aten::flatten, aten::view,  aten::reshape,
                                                        aten::squeeze, aten::alias, aten::contiguous,
                                                        aten::detach,  aten::clone, aten::dropout};
    static const std::unordered_set<Symbol> endings{aten::softmax, aten::log_softmax, aten::sigmoid,
                                                    aten::sigmoid_};
    static const std::unordered_set<Symbol> layers{aten::linear, aten::addmm, aten::matmul};
    Node *node = output->node();
    while (transparent.count(node->kind()) > 0 || endings.count(node->kind()) > 0) {
        Node *before = node->input(0)->node();
        if (endings.count(node->kind()) > 0) {
            widen_inputs(graph, node);
        }
        node = before;
    }
    if (layers.count(node->kind()) > 0) {
        widen_inputs(graph, node);
    }
}

class Silent : public c10::WarningHandler {
   public:
    void process(const c10::Warning &) override {}
};

}  // namespace

void set_tf32(Graph &graph, bool allowed) {
    for_each_node(graph.block(), [&](Node *node) {
        if (node->kind() == aten::_convolution && node->inputs().size() == convolution_arguments) {
            const WithInsertPoint here(node);
            node->replaceInput(convolution_arguments - 1, graph.insertConstant(allowed));
        } else if (allowed && node->kind() == aten::conv2d &&
                   node->namedInput("padding")->type()->kind() == TypeKind::ListType) {
            // The others (padding by a word; one or three axes) ask the process, and so stay in f32.
            make_explicit(graph, node);
        }
    });
}

void make_half(const std::shared_ptr<Graph> &graph) {
    for_each_node(graph->block(), [&](Node *node) {
        if (node->kind() != prim::Constant) {
            make_types_half(*graph, node);
        } else if (const auto tensor = constant_tensor(node->output())) {
            if (tensor->is_floating_point()) {
                set_constant(*graph, node->output(), tensor->to(at::kHalf));
            }
        }
    });
    for (Value *output : graph->outputs()) {
        widen_ending(*graph, output);
    }
    // What the trace noted of types holds no longer.
    EraseShapeInformation(graph);
}

void lay_weights_channels_last(Graph &graph) {
    static const std::unordered_set<Symbol> convolutions{aten::conv2d, aten::_convolution,
                                                         Symbol::aten("cudnn_convolution_relu"),
                                                         Symbol::aten("cudnn_convolution_add_relu")};
    for_each_node(graph.block(), [&](Node *node) {
        if (convolutions.count(node->kind()) == 0) {
            return;
        }
        const auto weight = constant_tensor(node->input(1));
        if (weight && weight->dim() == 4 && weight->layout() == at::kStrided) {
            const WithInsertPoint here(node);
            node->replaceInput(1, graph.insertConstant(weight->contiguous(at::MemoryFormat::ChannelsLast)));
        }
    });
}

void settle_gpu() {
    static std::once_flag once;
    std::call_once(once, [] {
        // The switches that keep libtorch's older and newer way of asking at one warn that they are old.
        Silent silent;
        const c10::WarningUtils::WarningHandlerGuard quiet(&silent);
        at::globalContext().setAllowTF32CuDNN(false);
        at::globalContext().setAllowTF32CuBLAS(false);
        at::globalContext().setDeterministicCuDNN(true);
    });
}

}  // namespace scorecam
