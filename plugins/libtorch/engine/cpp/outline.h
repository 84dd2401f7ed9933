// The outline of a model: its forward graph inlined whole, with the output of each module call known.
//
// TorchScript keeps modules as calls in nested graphs; a value inside one can only become an output of the
// whole when all calls are inlined. The way here: before a call is inlined its output is registered as an
// output of the graph, so that inlining itself keeps track of it, however deep the call was.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <string>
#include <vector>

namespace scorecam {

struct Call {
    std::string path;
    std::string type;
    std::string refusal;
    // Which output of the graph is the call's result; 0, the scores, for a call that can't be tapped.
    size_t output = 0;
};

struct Outline {
    // Inputs: the module, the image. Outputs: the scores, then results of calls.
    std::shared_ptr<torch::jit::Graph> graph;
    std::vector<Call> calls;
};

// The outline of `module`'s forward method, its scores chosen by `output` where it returns several tensors.
Outline outline(const torch::jit::Module &module, const std::string &output);

// Makes `graph` take the module and one image, and give one tensor of scores; shared with frozen graphs.
void settle_ports(torch::jit::Graph &graph, const c10::FunctionSchema &schema, const std::string &output);

}  // namespace scorecam
