// The ports of a model's graph: one image in, one tensor of scores out.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>

namespace scorecam {

// Makes `graph` take the module and one image, and give the scores that `output` names: an index of a tuple
// or list, a field of a named tuple, a key of a dict, or nothing for a sole tensor. Throws where that can't
// be.
void settle_ports(torch::jit::Graph &graph, const c10::FunctionSchema &schema, const std::string &output);

}  // namespace scorecam
