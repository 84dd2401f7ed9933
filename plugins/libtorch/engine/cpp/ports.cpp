#include "ports.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

namespace scorecam {

using namespace torch::jit;

namespace {

std::string joined(const std::vector<std::string> &names) {
    std::string all;
    for (const std::string &name : names) {
        all += (all.empty() ? "\"" : ", \"") + name + "\"";
    }
    return all;
}

std::runtime_error wrong_output(const std::string &what, const std::string &output,
                                const std::vector<std::string> &choices) {
    return std::runtime_error("the model returns " + what + " and has no output \"" + output + "\"" +
                              (choices.empty() ? "" : "; its outputs: " + joined(choices)));
}

std::optional<size_t> index_of(const std::string &name, size_t count) {
    bool number =
        !name.empty() && name.size() < 9 && name.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoul(name) >= count) {
        return std::nullopt;
    }
    return std::stoul(name);
}

// Whether nothing but the graph's return sees a list or dict, so that nobody changes what it was made of.
bool is_only_returned(const Value *container) { return container->uses().size() == 1; }

std::vector<std::string> names_in(const TupleType &type) {
    std::vector<std::string> names;
    for (size_t i = 0; i < type.elements().size(); ++i) {
        names.push_back(type.schema() ? type.schema()->arguments()[i].name() : std::to_string(i));
    }
    return names;
}

Value *tuple_element(Graph &graph, Value *tuple, const std::string &output) {
    const TupleType &type = tuple->type()->expectRef<TupleType>();
    const size_t count = type.elements().size();
    const std::vector<std::string> names = names_in(type);
    auto named = std::find(names.begin(), names.end(), output);
    std::optional<size_t> index = index_of(output, count);
    if (named != names.end()) {
        index = named - names.begin();
    }
    if (!index) {
        throw wrong_output("a tuple of " + std::to_string(count), output, names);
    }
    if (tuple->node()->kind() == prim::TupleConstruct) {
        return tuple->node()->input(*index);
    }
    Value *place = graph.insertConstant(static_cast<int64_t>(*index));
    return graph.insertNode(graph.createTupleIndex(tuple, place, type.elements()[*index]))->output();
}

Value *dict_element(Graph &graph, Value *dict, const std::string &output) {
    std::vector<std::string> keys;
    Value *found = nullptr;
    if (dict->node()->kind() == prim::DictConstruct) {
        for (size_t i = 0; i < dict->node()->inputs().size(); i += 2) {
            std::optional<IValue> key = toIValue(dict->node()->input(i));
            if (key && key->isString()) {
                keys.push_back(key->toStringRef());
                found = key->toStringRef() == output ? dict->node()->input(i + 1) : found;
            }
        }
    }
    const bool unknown = !keys.empty() && std::find(keys.begin(), keys.end(), output) == keys.end();
    if (unknown) {
        throw wrong_output("a dict", output, keys);
    }
    return found != nullptr && is_only_returned(dict) ? found
                                                      : graph.insert(aten::__getitem__, {dict, output});
}

Value *list_element(Graph &graph, Value *list, const std::string &output) {
    std::optional<size_t> index = index_of(output, 100000000);
    if (!index) {
        throw wrong_output("a list of tensors", output, {"0", "1", "..."});
    }
    if (list->node()->kind() == prim::ListConstruct && *index < list->node()->inputs().size() &&
        is_only_returned(list)) {
        return list->node()->input(*index);
    }
    return graph.insert(aten::__getitem__, {list, static_cast<int64_t>(*index)});
}

// Scores as one tensor, taken out of what the model returns; that itself where several were to choose from.
Value *scores(Graph &graph, Value *returned, const std::string &output) {
    if (output.empty() && gives_several(graph)) {
        return returned;
    }
    Value *chosen = returned;
    if (returned->type()->cast<TupleType>()) {
        chosen = tuple_element(graph, returned, output);
    } else if (returned->type()->cast<DictType>()) {
        chosen = dict_element(graph, returned, output);
    } else if (returned->type()->cast<ListType>()) {
        chosen = list_element(graph, returned, output);
    } else if (!output.empty()) {
        throw std::runtime_error("the model returns one tensor, but output.name in its manifest is \"" +
                                 output + "\"; leave the name out");
    }
    if (!chosen->type()->isSubtypeOf(*TensorType::get())) {
        throw std::runtime_error("the model's scores are of type " + chosen->type()->annotation_str() +
                                 ", not a tensor; export a model that returns its scores as a tensor");
    }
    return chosen;
}

std::string word_of(at::ScalarType type) {
    switch (type) {
        case at::kFloat:
            return "f32";
        case at::kHalf:
            return "f16";
        case at::kBFloat16:
            return "bf16";
        case at::kDouble:
            return "f64";
        case at::kLong:
            return "i64";
        case at::kInt:
            return "i32";
        case at::kBool:
            return "bool";
        default:
            return c10::toString(type);
    }
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

bool gives_several(const Graph &graph) {
    const TypePtr &type = graph.outputs().at(0)->type();
    return type->cast<TupleType>() || type->cast<DictType>() || type->cast<ListType>();
}

std::vector<Output> outputs_in(const Graph &graph, const IValue &returned) {
    std::vector<Output> found;
    const auto add = [&](const std::string &name, const IValue &value) {
        const bool is_tensor = value.isTensor();
        found.push_back({name, is_tensor ? word_of(value.toTensor().scalar_type()) : value.tagKind(),
                         is_tensor ? value.toTensor() : at::Tensor()});
    };
    if (returned.isTuple()) {
        const auto type = graph.outputs().at(0)->type()->cast<TupleType>();
        const std::vector<std::string> names = type ? names_in(*type) : std::vector<std::string>();
        const auto &elements = returned.toTupleRef().elements();
        for (size_t i = 0; i < elements.size(); ++i) {
            add(i < names.size() ? names[i] : std::to_string(i), elements[i]);
        }
    } else if (returned.isGenericDict()) {
        for (const auto &entry : returned.toGenericDict()) {
            if (entry.key().isString()) {
                add(entry.key().toStringRef(), entry.value());
            }
        }
    } else if (returned.isList()) {
        const at::ArrayRef<IValue> elements = returned.toListRef();
        for (size_t i = 0; i < elements.size(); ++i) {
            add(std::to_string(i), elements[i]);
        }
    }
    return found;
}

}  // namespace scorecam
