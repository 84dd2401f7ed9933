// The ports of a model's graph: one image in, outputs by name out.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

namespace scorecam {

// One of the values that a model returns: alone, or in a tuple, list or dict.
struct Output {
    // A field of a named tuple, an index of another tuple or of a list, a key of a dict; with a dot between
    // where one lies in another. "output" for what is returned alone.
    std::string name;
    // The index or key at each of these steps.
    std::vector<c10::IValue> path;
};

// An output and what a pass gave for it.
struct Found {
    Output output;
    c10::IValue value;
};

// Makes `graph` take the module and one image. Throws where that can't be.
void settle_inputs(torch::jit::Graph &graph, const c10::FunctionSchema &schema);

// The outputs in `returned`, which a pass gave.
std::vector<Found> outputs_in(const c10::IValue &returned);

// The value of `output` in what `graph` returns, which is its first output.
torch::jit::Value *value_of(torch::jit::Graph &graph, const Output &output);

}  // namespace scorecam
