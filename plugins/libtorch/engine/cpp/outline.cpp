#include "outline.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

namespace scorecam {

using namespace torch::jit;

namespace {

// The dotted path of the submodule that `value` is, by the chain of attributes that leads to it from `self`;
// none where the chain begins elsewhere, empty for `self`.
std::optional<std::string> path_of(const Value *value, const Value *self) {
    std::string path;
    for (; value != self; value = value->node()->input()) {
        if (value->node()->kind() != prim::GetAttr) {
            return std::nullopt;
        }
        const std::string &name = value->node()->s(attr::name);
        path = path.empty() ? name : name + "." + path;
    }
    return path;
}

// A trace names the second and further calls of one module forward1, forward2, ...
bool is_forward(const std::string &method) {
    return method.rfind("forward", 0) == 0 &&
           method.find_first_not_of("0123456789", std::string("forward").size()) == std::string::npos;
}

class Walk {
   public:
    explicit Walk(Outline &outline) : outline_(outline), self_(outline.graph->inputs().at(0)) {}

    // Registers and inlines every call in `block`, and those that inlining brings to light.
    void through(Block *block, bool conditional) {
        Node *node = block->param_node()->next();
        while (node != block->return_node()) {
            if (GraphFunction *callee = tryToGraphFunction(node)) {
                if (node->kind() == prim::CallMethod) {
                    note(node, conditional);
                } else {
                    // What is called stands first among the inputs, and is no argument.
                    node->removeInput(0);
                }
                Node *before = node->prev();
                inlineCallTo(node, callee, callee->graph().get());
                node = before->next();
                continue;
            }
            for (Block *inner : node->blocks()) {
                through(inner, true);
            }
            node = node->next();
        }
    }

   private:
    void note(Node *node, bool conditional) {
        std::optional<std::string> path = path_of(node->input(0), self_);
        if (!path || path->empty() || !is_forward(node->s(attr::name))) {
            return;
        }
        Call call;
        call.path = *path;
        call.type = node->input(0)->type()->expectRef<ClassType>().name()->name();
        if (conditional) {
            call.refusal = "it runs inside an if or a loop of the model's code, so not every pass has one result of it";
        } else if (!node->output()->type()->isSubtypeOf(*TensorType::get())) {
            call.refusal = "it returns " + node->output()->type()->annotation_str() + ", not one tensor";
        } else {
            call.output = outline_.graph->registerOutput(node->output());
        }
        outline_.calls.push_back(std::move(call));
    }

    Outline &outline_;
    const Value *self_;
};

void refuse_repeated(std::vector<Call> &calls) {
    std::map<std::string, size_t> counts;
    for (const Call &call : calls) {
        ++counts[call.path];
    }
    for (Call &call : calls) {
        if (size_t count = counts[call.path]; count > 1) {
            call.refusal = "it is called " + std::to_string(count) + " times in one pass, so it has no one activation";
            call.output = 0;
        }
    }
    // One line for each module.
    std::map<std::string, bool> seen;
    auto again = [&](const Call &call) { return std::exchange(seen[call.path], true); };
    calls.erase(std::remove_if(calls.begin(), calls.end(), again), calls.end());
}

// Calls in the order in which they end. Where an outer one ends with an inner one, the inner one comes first.
void sort_by_end(Outline &outline) {
    std::unordered_map<const Node *, size_t> position;
    size_t next = 1;
    for (const Node *node : outline.graph->nodes()) {
        position[node] = next++;
    }
    auto end = [&](const Call &call) -> size_t {
        auto found = position.find(outline.graph->outputs().at(call.output)->node());
        return found == position.end() ? 0 : found->second;
    };
    auto depth = [](const Call &call) { return std::count(call.path.begin(), call.path.end(), '.'); };
    std::stable_sort(outline.calls.begin(), outline.calls.end(), [&](const Call &a, const Call &b) {
        return std::make_pair(end(a), -depth(a)) < std::make_pair(end(b), -depth(b));
    });
}

std::string joined(const std::vector<std::string> &names) {
    std::string all;
    for (const std::string &name : names) {
        all += (all.empty() ? "\"" : ", \"") + name + "\"";
    }
    return all;
}

std::runtime_error wrong_output(const std::string &what, const std::string &output,
                                const std::vector<std::string> &choices) {
    std::string known = choices.empty() ? "" : ": " + joined(choices);
    if (output.empty()) {
        return std::runtime_error("the model returns " + what + "; choose the scores by output.name in its manifest" +
                                  known);
    }
    return std::runtime_error("the model returns " + what + " and has no output \"" + output + "\"" +
                              (known.empty() ? "" : "; its outputs" + known));
}

std::optional<size_t> index_of(const std::string &name, size_t count) {
    bool number = !name.empty() && name.size() < 9 && name.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoul(name) >= count) {
        return std::nullopt;
    }
    return std::stoul(name);
}

Value *tuple_element(Graph &graph, Value *tuple, const std::string &output) {
    const TupleType &type = tuple->type()->expectRef<TupleType>();
    const size_t count = type.elements().size();
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
        names.push_back(type.schema() ? type.schema()->arguments()[i].name() : std::to_string(i));
    }
    auto named = std::find(names.begin(), names.end(), output);
    std::optional<size_t> index = index_of(output, count);
    if (named != names.end()) {
        index = named - names.begin();
    }
    if (!index) {
        throw wrong_output("a tuple of " + std::to_string(count), output, names);
    }
    Value *place = graph.insertConstant(static_cast<int64_t>(*index));
    return graph.insertNode(graph.createTupleIndex(tuple, place, type.elements()[*index]))->output();
}

Value *dict_element(Graph &graph, Value *dict, const std::string &output) {
    std::vector<std::string> keys;
    if (dict->node()->kind() == prim::DictConstruct) {
        for (size_t i = 0; i < dict->node()->inputs().size(); i += 2) {
            std::optional<IValue> key = toIValue(dict->node()->input(i));
            if (key && key->isString()) {
                keys.push_back(key->toStringRef());
            }
        }
    }
    const bool unknown = !keys.empty() && std::find(keys.begin(), keys.end(), output) == keys.end();
    if (output.empty() || unknown) {
        throw wrong_output("a dict", output, keys);
    }
    return graph.insert(aten::__getitem__, {dict, output});
}

Value *list_element(Graph &graph, Value *list, const std::string &output) {
    std::optional<size_t> index = index_of(output, 100000000);
    if (!index) {
        throw wrong_output("a list of tensors", output, {"0", "1", "..."});
    }
    return graph.insert(aten::__getitem__, {list, static_cast<int64_t>(*index)});
}

// Scores as one tensor, taken out of what the model returns.
Value *scores(Graph &graph, Value *returned, const std::string &output) {
    Value *chosen = returned;
    if (returned->type()->cast<TupleType>()) {
        chosen = tuple_element(graph, returned, output);
    } else if (returned->type()->cast<DictType>()) {
        chosen = dict_element(graph, returned, output);
    } else if (returned->type()->cast<ListType>()) {
        chosen = list_element(graph, returned, output);
    } else if (!output.empty()) {
        throw std::runtime_error("the model returns one tensor, but output.name in its manifest is \"" + output +
                                 "\"; leave the name out");
    }
    if (!chosen->type()->isSubtypeOf(*TensorType::get())) {
        throw std::runtime_error("the model's scores are of type " + chosen->type()->annotation_str() +
                                 ", not a tensor; export a model that returns its scores as a tensor");
    }
    return chosen;
}

}  // namespace

void settle_ports(Graph &graph, const c10::FunctionSchema &schema, const std::string &output) {
    const std::vector<c10::Argument> &arguments = schema.arguments();
    if (graph.inputs().size() < 2) {
        throw std::runtime_error("the model's forward takes no image");
    }
    const TypePtr &image = graph.inputs()[1]->type();
    if (!image->isSubtypeOf(*TensorType::get())) {
        throw std::runtime_error("the model takes " + image->annotation_str() +
                                 " as its image; one that takes a tensor [N, C, H, W] is needed");
    }
    for (size_t i = graph.inputs().size(); i-- > 2;) {
        std::optional<IValue> preset = i < arguments.size() ? arguments[i].default_value() : std::nullopt;
        if (!preset) {
            std::string name = i < arguments.size() ? arguments[i].name() : std::to_string(i);
            throw std::runtime_error("the model takes a second input, \"" + name +
                                     "\"; only models with one image as input can be explained");
        }
        WithInsertPoint first(graph.block()->param_node()->next());
        graph.inputs()[i]->replaceAllUsesWith(graph.insertConstant(*preset));
        graph.eraseInput(i);
    }
    WithInsertPoint last(graph.return_node());
    Value *chosen = scores(graph, graph.outputs().at(0), output);
    graph.return_node()->replaceInput(0, chosen);
}

Outline outline(const Module &module, const std::string &output) {
    Outline result;
    const Method forward = module.get_method("forward");
    result.graph = toGraphFunction(forward.function()).graph()->copy();
    // Inlined before the scores are chosen: the keys of a dict that an inner module makes are seen only then.
    Walk(result).through(result.graph->block(), false);
    settle_ports(*result.graph, forward.function().getSchema(), output);
    refuse_repeated(result.calls);
    sort_by_end(result);
    return result;
}

}  // namespace scorecam
