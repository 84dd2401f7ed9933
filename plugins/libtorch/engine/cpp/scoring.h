// How scores are computed: rewrites of a frozen graph for a precision and a memory format.
//
// A model has its precision in its own graph, and not in a mode of the thread or the process: libtorch's
// switches for TF32 are the process's, and autocast converts weights anew in each pass.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace scorecam {

enum class Precision {
    // The file's own numbers, and no TF32.
    Own,
    // TF32 in convolutions, on GPUs that have it.
    Tf32,
    // Half-precision weights and activations.
    Half,
};

enum class Format { Fastest, Contiguous, ChannelsLast };

struct Scoring {
    Precision precision = Precision::Own;
    Format format = Format::Fastest;
};

// Makes the convolutions of `graph` use TF32, or not.
void set_tf32(torch::jit::Graph &graph, bool allowed);

// Makes the numbers of `graph` half precision, but for its ends: a last linear layer, and what turns logits
// into probabilities.
void make_half(const std::shared_ptr<torch::jit::Graph> &graph);

// Lays the weights of convolutions out channels-last, so that no pass has to.
void lay_weights_channels_last(torch::jit::Graph &graph);

// Settles what libtorch keeps for the whole process and what decides over a GPU's bits: PyTorch's default is
// TF32 in convolutions, and derivatives by algorithms whose sums come in any order. Changes it once.
void settle_gpu();

}  // namespace scorecam
