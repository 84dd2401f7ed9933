// What the axes of tensors are, as far as the graph tells: followed from the image, node by node.
//
// Operators that are defined on channels-first maps keep them so, permutations turn them around, and
// elementwise operators keep what they get. A view hides what its axes are: what comes of it is unknown, and
// trial passes find out.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace scorecam {

enum class Axes {
    Unknown,
    // Of four axes, [N, C, h, w].
    ChannelsFirst,
    // Of four axes, [N, h, w, C].
    ChannelsLast,
    // Attention scores and the like.
    NoMap,
};

struct Known {
    Axes axes = Axes::Unknown;
    // Tensors of one family have the same axes but for the last, which may have another length.
    size_t family = 0;
};

// What is known of each tensor, or list of tensors, that depends on the image, whose own axes are `image`.
class AxesOf {
   public:
    AxesOf(const torch::jit::Graph &graph, Axes image);
    // Of a value that does not depend on the image: unknown, of family 0.
    Known of(const torch::jit::Value *value) const;

   private:
    void through(const torch::jit::Block *block);
    void take_in(const torch::jit::Node *node);
    Known result(const torch::jit::Node *node, const std::vector<Known> &of_image);
    Known joined(const torch::jit::Node *branches, size_t output);
    Known unknown();

    std::unordered_map<const torch::jit::Value *, Known> known_;
    size_t families_ = 0;
};

// The values out of which `ends` are made.
std::unordered_set<const torch::jit::Value *> makers_of(const std::vector<torch::jit::Value *> &ends);

}  // namespace scorecam
