// Programs: graphs made out of a model's outline and ready to run.
//
// They run on TorchScript's plain interpreter. Its profiling executor would specialize itself on the first
// shapes it sees, so that the same call gave other bits later, and compile for seconds in the middle of a
// run.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <memory>
#include <mutex>
#include <vector>

#include "outline.h"
#include "scoring.h"

namespace scorecam {

// What a model's image must be like.
struct ImageForm {
    at::ScalarType type = at::kFloat;
    at::MemoryFormat format = at::MemoryFormat::Contiguous;
};

class Program {
   public:
    Program(const std::shared_ptr<torch::jit::Graph> &graph, const torch::jit::Module &module,
            ImageForm form);

    // The outputs that it was compiled for, then the taps. The input is converted to the form. Runs under the
    // caller's grad mode; any number of threads may run at once.
    std::vector<at::Tensor> run(const at::Tensor &input) const;
    // The same, whatever the outputs are.
    std::vector<c10::IValue> run_whole(const at::Tensor &input) const;

   private:
    torch::jit::Code code_;
    torch::jit::IValue self_;
    ImageForm form_;
    // Held while running, for models that write to themselves.
    std::shared_ptr<std::mutex> turn_;
};

// Places of outputs in an outline. A program computes these and no others.
using Wanted = std::vector<size_t>;

// All that the model returns, as it returns it.
Program compile_whole(const Outline &outline, at::ScalarType type);

// Outputs alone, from a frozen graph. One that can't be frozen runs as it was exported where nothing else
// than the fastest way is asked for; it throws where something is.
Program compile_optimized(const Outline &outline, at::ScalarType type, const Wanted &outputs, Scoring how);

// Outputs, and the results of `calls` as they were when each call returned.
Program compile_taps(const Outline &outline, at::ScalarType type, const Wanted &outputs,
                     const std::vector<size_t> &calls);

// Outputs from the result of `call` on.
Program compile_from(const Outline &outline, at::ScalarType type, const Wanted &outputs, size_t call);

// The values of `outputs` in a copy of the outline's graph, or in that of a frozen module.
std::vector<torch::jit::Value *> values_of(torch::jit::Graph &graph, const Outline &outline,
                                           const Wanted &outputs);

}  // namespace scorecam
