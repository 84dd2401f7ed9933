// The outline of a model: its forward graph inlined whole, with the output of each module call known.
//
// TorchScript keeps modules as calls in nested graphs; a value inside one can only become an output of the
// whole when all calls are inlined. The way here: before a call is inlined its output is marked and
// registered as an output of the graph, so that inlining itself keeps track of it, however deep the call was.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports.h"

namespace scorecam {

struct Call {
    std::string path;
    std::string type;
    std::string refusal;
    // Which output of the graph is the call's result; 0, what the model returns, for a call that can't be
    // tapped.
    size_t output = 0;
    // Whether the module has weights of its own, biases and factors of channels not counted.
    bool has_weights = false;
};

struct Outline {
    torch::jit::Module module;
    // Inputs: the module, the image. Outputs: what the model returns, then results of calls.
    std::shared_ptr<torch::jit::Graph> graph;
    // In the order in which they end.
    std::vector<Call> calls;
    // What is in what the model returns, once a pass has shown it.
    std::vector<Output> outputs;
};

// The outline of `module`'s forward method.
Outline outline(const torch::jit::Module &module);

// The module that a dotted path leads to.
torch::jit::Module submodule(const torch::jit::Module &module, const std::string &path);

// The attribute of a module at the end of a chain of prim::GetAttr, or the constant, that `value` is.
std::optional<torch::jit::IValue> known_value(const torch::jit::Value *value,
                                              const torch::jit::Module &module);

}  // namespace scorecam
