// Programs: graphs made out of a model's outline and ready to run.
//
// They run on TorchScript's plain interpreter. Its profiling executor would specialise itself on the first
// shapes it sees, so that the same call gave other bits later, and compile for seconds in the middle of a run.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <memory>
#include <vector>

#include "outline.h"

namespace scorecam {

struct Program {
    Program(const std::shared_ptr<torch::jit::Graph> &graph, const torch::jit::Module &module, at::ScalarType type);

    // Outputs: the scores, then the taps. The input is converted to `type` and `format`. Runs under the caller's grad mode.
    std::vector<at::Tensor> run(const at::Tensor &input) const;

    torch::jit::Code code;
    torch::jit::IValue self;
    at::ScalarType type;
    at::MemoryFormat format = at::MemoryFormat::Contiguous;
};

// The type of a module's parameters, which is that of its input.
at::ScalarType parameter_type(const torch::jit::Module &module);

// Scores alone, the fastest way known for the model; from the plain graph where the module can't be frozen.
Program compile_optimized(const torch::jit::Module &module, const Outline &outline, const std::string &output);

// Scores, and the results of `calls` as they were when each call returned.
Program compile_taps(const torch::jit::Module &module, const Outline &outline, const std::vector<size_t> &calls);

// Scores from the result of `call` on.
Program compile_from(const torch::jit::Module &module, const Outline &outline, size_t call);

}  // namespace scorecam
