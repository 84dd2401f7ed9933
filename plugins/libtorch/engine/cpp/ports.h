// The ports of a model's graph: one image in, one tensor of scores out.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

namespace scorecam {

// Makes `graph` take the module and one image, and give the scores that `output` names: an index of a tuple
// or list, a field of a named tuple, a key of a dict, or nothing for a sole tensor. Throws where that can't
// be. Where nothing is named and the model returns several tensors, the graph gives what the model returns.
void settle_ports(torch::jit::Graph &graph, const c10::FunctionSchema &schema, const std::string &output);

// Whether the graph gives more than one tensor, so that one has to be named.
bool gives_several(const torch::jit::Graph &graph);

// One of several outputs.
struct Output {
    // As `settle_ports` takes it.
    std::string name;
    // The type of its elements ("f32"), or what it is where it is no tensor.
    std::string element;
    // Undefined where it is no tensor.
    at::Tensor tensor;
};

// The outputs in `returned`, which a graph of these outputs gave.
std::vector<Output> outputs_in(const torch::jit::Graph &graph, const c10::IValue &returned);

}  // namespace scorecam
