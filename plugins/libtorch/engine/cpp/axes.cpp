#include "axes.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace scorecam {

using namespace torch::jit;

namespace {

using Names = std::unordered_set<std::string>;

// Defined on channels-first tensors alone.
const Names channels_first{"conv2d",
                           "conv_transpose2d",
                           "_convolution",
                           "convolution",
                           "max_pool2d",
                           "max_pool2d_with_indices",
                           "avg_pool2d",
                           "adaptive_avg_pool2d",
                           "adaptive_max_pool2d",
                           "batch_norm",
                           "instance_norm",
                           "group_norm",
                           "pixel_shuffle",
                           "pixel_unshuffle",
                           "channel_shuffle",
                           "prelu",
                           "upsample_nearest2d",
                           "upsample_bilinear2d",
                           "upsample_bicubic2d",
                           "_upsample_nearest_exact2d",
                           "pad",
                           "constant_pad_nd",
                           "reflection_pad2d",
                           "replication_pad2d"};
// Change no axis, or the last one only.
const Names alike{
    "add",        "sub",        "rsub",       "mul",         "div",         "pow",         "sqrt",
    "rsqrt",      "erf",        "relu",       "relu6",       "leaky_relu",  "elu",         "selu",
    "celu",       "gelu",       "tanh",       "sigmoid",     "hardsigmoid", "hardswish",   "hardtanh",
    "silu",       "mish",       "softplus",   "softsign",    "exp",         "log",         "neg",
    "abs",        "clamp",      "clamp_min",  "clamp_max",   "minimum",     "maximum",     "where",
    "to",         "type_as",    "contiguous", "clone",       "alias",       "detach",      "dropout",
    "layer_norm", "rms_norm",   "softmax",    "log_softmax", "lerp",        "addcmul",     "feature_dropout",
    "square",     "reciprocal", "fill",       "copy",        "zeros_like",  "masked_fill", "log_sigmoid"};
// Reduce axes, and keep them with length 1 where told to.
const Names reducing{"mean", "sum", "amax", "amin", "max", "var", "std", "norm", "linalg_vector_norm"};
const Names attending{"matmul", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention"};
const Names handing_on{"ListConstruct", "ListUnpack", "TupleConstruct", "__getitem__"};
// Show the memory of another tensor, so that a write to them is one to it.
const Names showing{"select",  "slice", "narrow", "view",  "expand",     "transpose",
                    "permute", "alias", "chunk",  "split", "ListUnpack", "unsqueeze"};

// The name of a node's operator, without the mark of one that writes in place.
std::string name_of(const Node *node) {
    std::string name = node->kind().toUnqualString();
    if (name.size() > 1 && name.back() == '_' && name[0] != '_') {
        name.pop_back();
    }
    return name;
}

bool writes(const Node *node) {
    const FunctionSchema *schema = node->maybeSchema();
    return schema != nullptr && schema->is_mutable();
}

bool is_of_tensors(const Value *value) {
    const TypePtr &type = value->type();
    if (const auto list = type->cast<ListType>()) {
        return list->getElementType()->isSubtypeOf(*TensorType::get());
    }
    return type->isSubtypeOf(*TensorType::get()) || type->kind() == TypeKind::TupleType;
}

std::optional<int64_t> number(const Value *value) {
    const std::optional<IValue> known = toIValue(value);
    return known && known->isInt() ? std::optional(known->toInt()) : std::nullopt;
}

std::vector<int64_t> numbers(const Value *list) {
    std::vector<int64_t> found;
    if (const std::optional<IValue> known = toIValue(list)) {
        return known->isIntList() ? known->toIntVector() : found;
    }
    for (const Value *item : list->node()->inputs()) {
        found.push_back(number(item).value_or(std::numeric_limits<int64_t>::max()));
    }
    return found;
}

// An argument of a node by its name; NULL where it has none.
const Value *argument(const Node *node, const char *name) {
    const FunctionSchema *schema = node->maybeSchema();
    const auto place = schema == nullptr ? std::nullopt : schema->argumentIndexWithName(name);
    return place && static_cast<size_t>(*place) < node->inputs().size() ? node->input(*place) : nullptr;
}

std::optional<int64_t> axis(const Node *node) {
    const Value *given = argument(node, "dim");
    const std::optional<int64_t> found = given == nullptr ? std::nullopt : number(given);
    return found && *found < 0 ? *found + 4 : found;
}

bool is_on_channels(const Node *node, Axes axes) {
    const std::optional<int64_t> along = axis(node);
    return along && *along == (axes == Axes::ChannelsFirst ? 1 : 3);
}

bool is_whole_slice(const Node *node) {
    const auto is = [&](const char *name, int64_t usual) {
        const Value *given = argument(node, name);
        if (given == nullptr || given->mustBeNone()) {
            return true;
        }
        return number(given).value_or(usual - 1) == usual;
    };
    return is("start", 0) && is("end", std::numeric_limits<int64_t>::max()) && is("step", 1);
}

bool keeps_axes(const Node *node) {
    const Value *keep = argument(node, "keepdim");
    const std::optional<IValue> known = keep == nullptr ? std::nullopt : toIValue(keep);
    return known && known->isBool() && known->toBool();
}

Axes permuted(Axes axes, const std::vector<int64_t> &order) {
    std::vector<int64_t> places;
    for (int64_t place : order) {
        places.push_back(place < 0 ? place + 4 : place);
    }
    if (axes == Axes::NoMap || places == std::vector<int64_t>{0, 1, 2, 3}) {
        return axes;
    }
    if (axes == Axes::ChannelsFirst && places == std::vector<int64_t>{0, 2, 3, 1}) {
        return Axes::ChannelsLast;
    }
    if (axes == Axes::ChannelsLast && places == std::vector<int64_t>{0, 3, 1, 2}) {
        return Axes::ChannelsFirst;
    }
    return Axes::Unknown;
}

// What was put into a tuple and `value` takes out of it; NULL where that is not so.
const Value *element_of_tuple(const Value *value) {
    const Node *node = value->node();
    if (node->kind() != prim::TupleUnpack && node->kind() != prim::TupleIndex) {
        return nullptr;
    }
    const Node *tuple = node->input(0)->node();
    const std::optional<int64_t> index =
        node->kind() == prim::TupleUnpack ? std::optional<int64_t>(value->offset()) : number(node->input(1));
    const bool is_known = tuple->kind() == prim::TupleConstruct && index && *index >= 0 &&
                          static_cast<size_t>(*index) < tuple->inputs().size();
    return is_known ? tuple->input(static_cast<size_t>(*index)) : nullptr;
}

// What meets elementwise: maps lie as they do whatever they meet, unless they meet maps that lie otherwise.
Axes agreed(const std::vector<Known> &of_image) {
    Axes found = Axes::Unknown;
    for (const Known &one : of_image) {
        if (one.axes == Axes::Unknown || one.axes == found) {
            continue;
        }
        if (found != Axes::Unknown && found != Axes::NoMap && one.axes != Axes::NoMap) {
            return Axes::Unknown;
        }
        found = found == Axes::Unknown || found == Axes::NoMap ? one.axes : found;
    }
    return found;
}

}  // namespace

AxesOf::AxesOf(const Graph &graph, Axes image) {
    known_[graph.inputs().at(1)] = {image, ++families_};
    through(graph.block());
}

Known AxesOf::of(const Value *value) const {
    const auto found = known_.find(value);
    return found == known_.end() ? Known{} : found->second;
}

void AxesOf::through(const Block *block) {
    for (const Node *node : block->nodes()) {
        for (const Block *inner : node->blocks()) {
            through(inner);
        }
        take_in(node);
    }
}

Known AxesOf::unknown() { return {Axes::Unknown, ++families_}; }

void AxesOf::take_in(const Node *node) {
    if (!node->blocks().empty()) {
        for (size_t i = 0; i < node->outputs().size(); ++i) {
            if (is_of_tensors(node->output(i))) {
                known_[node->output(i)] = joined(node, i);
            }
        }
        return;
    }
    if (node->kind() == prim::TupleUnpack || node->kind() == prim::TupleIndex) {
        for (const Value *output : node->outputs()) {
            const Value *element = element_of_tuple(output);
            const auto found = known_.find(element == nullptr ? node->input(0) : element);
            if (found != known_.end() && is_of_tensors(output)) {
                known_[output] = element == nullptr ? unknown() : found->second;
            }
        }
        return;
    }
    std::vector<Known> of_image;
    for (const Value *input : node->inputs()) {
        if (const auto found = known_.find(input); found != known_.end()) {
            of_image.push_back(found->second);
        }
    }
    if (of_image.empty()) {
        return;
    }
    const Known made = result(node, of_image);
    for (const Value *output : node->outputs()) {
        if (is_of_tensors(output)) {
            known_[output] = made;
        }
    }
}

// Of what an if gives: what all of its branches agree on.
Known AxesOf::joined(const Node *branches, size_t output) {
    if (branches->kind() != prim::If) {
        return unknown();
    }
    std::optional<Known> all;
    for (const Block *block : branches->blocks()) {
        const auto found = known_.find(block->outputs().at(output));
        if (found == known_.end()) {
            continue;
        }
        if (all && (all->axes != found->second.axes || all->family != found->second.family)) {
            return all->axes == found->second.axes ? Known{all->axes, ++families_} : unknown();
        }
        all = found->second;
    }
    return all.value_or(unknown());
}

Known AxesOf::result(const Node *node, const std::vector<Known> &of_image) {
    const std::string name = name_of(node);
    const Axes axes = agreed(of_image);
    const bool is_map = axes == Axes::ChannelsFirst || axes == Axes::ChannelsLast;
    const Known same{axes, of_image.front().family};
    const auto anew = [&](Axes found) { return Known{found, ++families_}; };
    const bool of_first = known_.count(node->input(0)) > 0;
    if (alike.count(name) > 0 || handing_on.count(name) > 0) {
        return same;
    }
    if (channels_first.count(name) > 0) {
        return anew(of_first && of(node->input(0)).axes == Axes::ChannelsFirst ? Axes::ChannelsFirst
                                                                               : Axes::Unknown);
    }
    if (attending.count(name) > 0 && of_image.size() > 1) {
        return anew(Axes::NoMap);
    }
    if ((name == "linear" || name == "matmul") && of_first) {
        return axes == Axes::ChannelsFirst ? unknown() : same;
    }
    if (name == "permute") {
        return anew(permuted(axes, numbers(node->input(1))));
    }
    if (name == "slice") {
        return is_whole_slice(node) ? same : anew(is_on_channels(node, axes) ? axes : Axes::Unknown);
    }
    if (name == "cat" || name == "chunk" || name == "split" || name == "split_with_sizes" ||
        name == "narrow") {
        return anew(is_map && is_on_channels(node, axes) ? axes : Axes::Unknown);
    }
    if (reducing.count(name) > 0) {
        return anew(keeps_axes(node) ? axes : Axes::Unknown);
    }
    return unknown();
}

std::unordered_set<const Value *> makers_of(const std::vector<Value *> &ends) {
    std::unordered_set<const Value *> found;
    std::vector<const Value *> open;
    const auto add = [&](const Value *value) {
        if (found.insert(value).second) {
            open.push_back(value);
        }
    };
    for (const Value *end : ends) {
        add(end);
    }
    while (!open.empty()) {
        const Value *value = open.back();
        open.pop_back();
        const Node *node = value->node();
        if (const Value *element = element_of_tuple(value)) {
            add(element);
        } else {
            for (const Value *input : node->inputs()) {
                add(input);
            }
        }
        for (const Block *block : node->blocks()) {
            for (const Value *output : block->outputs()) {
                add(output);
            }
        }
        // What is written into a tensor, or into what shows its memory, is part of it.
        for (const Use &use : value->uses()) {
            const Node *user = use.user;
            if (use.offset == 0 && writes(user)) {
                for (const Value *input : user->inputs()) {
                    add(input);
                }
            } else if (use.offset == 0 && showing.count(name_of(user)) > 0) {
                for (const Value *output : user->outputs()) {
                    add(output);
                }
            }
        }
    }
    return found;
}

}  // namespace scorecam
