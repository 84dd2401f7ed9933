#include "outline.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "scoring.h"

namespace scorecam {

using namespace torch::jit;

namespace {

// The names of the attributes that lead from `self` to `value`; none where the chain begins elsewhere.
std::optional<std::vector<std::string>> chain_of(const Value *value, const Value *self) {
    std::vector<std::string> names;
    for (; value != self; value = value->node()->input()) {
        if (value->node()->kind() != prim::GetAttr) {
            return std::nullopt;
        }
        names.push_back(value->node()->s(attr::name));
    }
    std::reverse(names.begin(), names.end());
    return names;
}

bool has_weights(const IValue &object) {
    for (const at::Tensor &parameter : Module(object.toObject()).parameters(/*recurse=*/false)) {
        if (parameter.dim() > 1) {
            return true;
        }
    }
    return false;
}

std::string dotted(const std::vector<std::string> &names) {
    std::string path;
    for (const std::string &name : names) {
        path += (path.empty() ? "" : ".") + name;
    }
    return path;
}

// A trace names the second and further calls of one module forward1, forward2, ...; overloads in scripts are
// forward__0, forward__1, ...
bool is_forward(const std::string &method) {
    static const std::string name = "forward";
    if (method.compare(0, name.size(), name) != 0) {
        return false;
    }
    const size_t digits = name.size() + (method.compare(name.size(), 2, "__") == 0 ? 2 : 0);
    return method.find_first_not_of("0123456789", digits) == std::string::npos;
}

void collect_written(const Block *block, std::set<std::string> &names) {
    for (const Node *node : block->nodes()) {
        if (node->kind() == prim::SetAttr) {
            names.insert(node->s(attr::name));
        }
        for (const Block *inner : node->blocks()) {
            collect_written(inner, names);
        }
    }
}

// Names of attributes that some method of the model writes.
std::set<std::string> written_attributes(const Module &module) {
    std::set<std::string> names;
    for (const Module &part : module.modules()) {
        for (const Method &method : part.get_methods()) {
            collect_written(toGraphFunction(method.function()).graph()->block(), names);
        }
    }
    return names;
}

class Walk {
   public:
    explicit Walk(Outline &outline)
        : outline_(outline),
          graph_(*outline.graph),
          self_(outline.graph->inputs().at(0)),
          written_(written_attributes(outline.module)) {}

    // Registers and inlines every call, and those that inlining brings to light. Scripts ask their settings
    // in ifs (`if self.training`, `if self.use_res_connect`): once what is outside of ifs is inlined,
    // settings become constants and the ifs on them dissolve, which brings further calls out.
    void whole() {
        do {
            inlined_ = false;
            through(graph_.block(), Depth::Outside);
            settle_settings(graph_.block());
            ConstantPropagationImmutableTypes(outline_.graph);
        } while (inlined_);
        through(graph_.block(), Depth::Everywhere);
        name_repeated();
    }

   private:
    enum class Depth { Outside, Everywhere, Inside };

    void through(Block *block, Depth depth) {
        Node *node = block->param_node()->next();
        while (node != block->return_node()) {
            if (GraphFunction *callee = tryToGraphFunction(node)) {
                if (node->kind() == prim::CallMethod) {
                    note(node, depth);
                } else {
                    // What is called stands first among the inputs, and is no argument.
                    node->removeInput(0);
                }
                inlined_ = true;
                Node *before = node->prev();
                inlineCallTo(node, callee, callee->graph().get());
                node = before->next();
                continue;
            }
            for (Block *inner : node->blocks()) {
                if (depth != Depth::Outside) {
                    through(inner, Depth::Inside);
                }
            }
            node = node->next();
        }
    }

    void note(Node *node, Depth depth) {
        const auto chain = chain_of(node->input(0), self_);
        if (!chain || chain->empty() || !is_forward(node->s(attr::name))) {
            return;
        }
        Call call;
        call.path = dotted(*chain);
        call.type = node->input(0)->type()->expectRef<ClassType>().name()->name();
        const std::optional<IValue> module = known_value(node->input(0), outline_.module);
        call.has_weights = module && module->isModule() && has_weights(*module);
        const TypePtr &type = node->output()->type();
        if (depth == Depth::Inside) {
            call.refusal =
                "it runs inside an if or a loop of the model's code, so not every pass has one result of it";
        } else if (type->kind() == TypeKind::NoneType) {
            call.refusal =
                "the trace kept no result of it: it hands its input on, or nothing uses its result";
        } else if (!type->isSubtypeOf(*TensorType::get())) {
            call.refusal = "it returns " + type->annotation_str() + ", not one tensor";
        } else {
            call.output = graph_.registerOutput(marked(node));
        }
        outline_.calls.push_back(std::move(call));
    }

    // The call's result as a value of its own. Without the mark a module that writes in place and returns
    // what it wrote to would share its result's value with the module that made it.
    Value *marked(Node *call) {
        WithInsertPoint after(call->next());
        Value *mark = graph_.insert(aten::alias, {call->output()});
        call->output()->replaceAllUsesAfterNodeWith(mark->node(), mark);
        return mark;
    }

    // Replaces flags, numbers and Nones that modules hold, and that nothing writes, by their values.
    void settle_settings(Block *block) {
        for (Node *node : block->nodes()) {
            for (Block *inner : node->blocks()) {
                settle_settings(inner);
            }
            const TypeKind kind =
                node->outputs().empty() ? TypeKind::AnyType : node->outputs()[0]->type()->kind();
            const bool setting =
                kind == TypeKind::BoolType || kind == TypeKind::IntType || kind == TypeKind::NoneType;
            if (node->kind() != prim::GetAttr || !setting || written_.count(node->s(attr::name)) > 0) {
                continue;
            }
            if (const std::optional<IValue> value = known_value(node->output(), outline_.module)) {
                WithInsertPoint here(node);
                node->output()->replaceAllUsesWith(graph_.insertConstant(*value));
            }
        }
    }

    // Leaves one entry for each module. One that is called several times has no one result.
    void name_repeated() {
        std::map<std::string, size_t> counts;
        for (const Call &call : outline_.calls) {
            counts[call.path] += call.refusal.empty() ? 1 : 0;
        }
        std::set<std::string> seen;
        std::vector<Call> named;
        for (Call &call : outline_.calls) {
            if (const size_t count = counts[call.path]; count > 1) {
                call.refusal = "it is called " + std::to_string(count) +
                               " times in one pass, so it has no one activation";
                call.output = 0;
            }
            if (seen.insert(call.path).second) {
                named.push_back(std::move(call));
            }
        }
        outline_.calls = std::move(named);
    }

    Outline &outline_;
    Graph &graph_;
    const Value *self_;
    const std::set<std::string> written_;
    bool inlined_ = false;
};

void sort_by_end(Outline &outline) {
    std::unordered_map<const Node *, size_t> position;
    for (const Node *node : outline.graph->nodes()) {
        position.emplace(node, position.size());
    }
    auto end = [&](const Call &call) {
        auto found = position.find(outline.graph->outputs().at(call.output)->node());
        return found == position.end() ? position.size() : found->second;
    };
    std::stable_sort(outline.calls.begin(), outline.calls.end(),
                     [&](const Call &a, const Call &b) { return end(a) < end(b); });
}

}  // namespace

std::optional<IValue> known_value(const Value *value, const Module &module) {
    if (value->node()->kind() != prim::GetAttr) {
        return toIValue(value);
    }
    const auto chain = chain_of(value, value->owningGraph()->inputs().at(0));
    if (!chain) {
        return std::nullopt;
    }
    IValue found = module._ivalue();
    for (const std::string &name : *chain) {
        found = found.toObjectRef().getAttr(name);
    }
    return found;
}

Module submodule(const Module &module, const std::string &path) {
    Module found = module;
    for (size_t start = 0; start < path.size();) {
        const size_t end = std::min(path.find('.', start), path.size());
        found = found.attr(path.substr(start, end - start)).toModule();
        start = end + 1;
    }
    return found;
}

Outline outline(const Module &module) {
    const Method forward = module.get_method("forward");
    Outline result{module, toGraphFunction(forward.function()).graph()->copy(), {}, {}};
    Walk(result).whole();
    settle_inputs(*result.graph, forward.function().getSchema());
    sort_by_end(result);
    // A trace keeps how the process that made it felt about TF32.
    set_tf32(*result.graph, false);
    return result;
}

}  // namespace scorecam
