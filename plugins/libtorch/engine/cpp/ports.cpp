#include "ports.h"

#include <torch/csrc/jit/ir/constants.h>

#include <optional>
#include <stdexcept>
#include <vector>

namespace scorecam {

using namespace torch::jit;

namespace {

// Whether one other value alone sees a list or dict, so that nobody changes what it was made of.
bool is_only_returned(const Value *container) { return container->uses().size() == 1; }

Value *tuple_element(Graph &graph, Value *tuple, size_t index) {
    if (tuple->node()->kind() == prim::TupleConstruct) {
        return tuple->node()->input(index);
    }
    Value *place = graph.insertConstant(static_cast<int64_t>(index));
    const TypePtr &type = tuple->type()->expectRef<TupleType>().elements().at(index);
    return graph.insertNode(graph.createTupleIndex(tuple, place, type))->output();
}

// What `container` was made of in place of `step`; NULL where the graph does not tell.
Value *constructed(Value *container, const IValue &step) {
    Node *node = container->node();
    if (!is_only_returned(container)) {
        return nullptr;
    }
    if (node->kind() == prim::ListConstruct && static_cast<size_t>(step.toInt()) < node->inputs().size()) {
        return node->input(static_cast<size_t>(step.toInt()));
    }
    Value *found = nullptr;
    for (size_t i = 0; node->kind() == prim::DictConstruct && i < node->inputs().size(); i += 2) {
        const std::optional<IValue> key = toIValue(node->input(i));
        if (!key) {
            return nullptr;
        }
        found = *key == step ? node->input(i + 1) : found;
    }
    return found;
}

Value *element(Graph &graph, Value *container, const IValue &step) {
    if (container->type()->cast<OptionalType>()) {
        container = graph.insert(aten::_unwrap_optional, {container});
    }
    const TypePtr &type = container->type();
    if (type->cast<TupleType>()) {
        return tuple_element(graph, container, static_cast<size_t>(step.toInt()));
    }
    if (!type->cast<ListType>() && !type->cast<DictType>()) {
        throw std::runtime_error(
            "the model returns " + type->annotation_str() +
            ", whose elements its code does not type; return a tuple, list or dict of tensors");
    }
    Value *found = constructed(container, step);
    return found != nullptr ? found : graph.insert(aten::__getitem__, {container, step});
}

void collect(const IValue &value, const Output &place, std::vector<Found> &found) {
    const auto collect_inner = [&](const std::string &name, const IValue &step, const IValue &inner) {
        Output further = place;
        further.name += (place.path.empty() ? "" : ".") + name;
        further.path.push_back(step);
        collect(inner, further, found);
    };
    if (value.isTuple()) {
        const auto type = value.toTupleRef().type();
        const auto &elements = value.toTupleRef().elements();
        for (size_t i = 0; i < elements.size(); ++i) {
            const std::string name =
                type->schema() ? type->schema()->arguments()[i].name() : std::to_string(i);
            collect_inner(name, static_cast<int64_t>(i), elements[i]);
        }
    } else if (value.isGenericDict()) {
        for (const auto &entry : value.toGenericDict()) {
            const IValue &key = entry.key();
            collect_inner(key.isString() ? key.toStringRef() : c10::str(key), key, entry.value());
        }
    } else if (value.isList()) {
        const at::ArrayRef<IValue> elements = value.toListRef();
        for (size_t i = 0; i < elements.size(); ++i) {
            collect_inner(std::to_string(i), static_cast<int64_t>(i), elements[i]);
        }
    } else {
        found.push_back({place, value});
    }
}

}  // namespace

void settle_inputs(Graph &graph, const c10::FunctionSchema &schema) {
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
}

std::vector<Found> outputs_in(const IValue &returned) {
    std::vector<Found> found;
    collect(returned, {}, found);
    if (found.size() == 1 && found[0].output.path.empty()) {
        found[0].output.name = "output";
    }
    return found;
}

Value *value_of(Graph &graph, const Output &output) {
    WithInsertPoint last(graph.return_node());
    Value *value = graph.outputs().at(0);
    for (const IValue &step : output.path) {
        value = element(graph, value, step);
    }
    return value;
}

}  // namespace scorecam
