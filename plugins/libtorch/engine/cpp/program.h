// Programs: graphs made out of a model's outline and ready to run.
//
// They run on TorchScript's plain interpreter. Its profiling executor would specialise itself on the first
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

    // Outputs: the scores, then the taps. The input is converted to the form. Runs under the caller's grad
    // mode; any number of threads may run at once.
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

// Scores alone, from a frozen graph. One that can't be frozen runs as it was exported where nothing else than
// the fastest way is asked for; it throws where something is.
Program compile_optimized(const Outline &outline, at::ScalarType type, Scoring how);

// Scores, and the results of `calls` as they were when each call returned.
Program compile_taps(const Outline &outline, at::ScalarType type, const std::vector<size_t> &calls);

// Scores from the result of `call` on.
Program compile_from(const Outline &outline, at::ScalarType type, size_t call);

}  // namespace scorecam
