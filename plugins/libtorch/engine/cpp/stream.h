// Streams of devices, by c10's interface that every device implements: on a CPU the same calls do nothing,
// and nothing here is linked to CUDA.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <optional>

namespace scorecam {

// While it lives, what the calling thread starts on the stream's device goes to the stream. Waits, when it
// ends, for what is still running there.
class Visit {
   public:
    explicit Visit(c10::Stream stream);
    ~Visit();
    Visit(const Visit &) = delete;
    Visit &operator=(const Visit &) = delete;

   private:
    c10::StreamGuard guard_;
};

// A tensor on its way to the host, as f32.
class Copy {
   public:
    // Starts behind what the thread's stream has been given so far.
    explicit Copy(const at::Tensor &tensor);
    // Waits for the copy, and for nothing that was started later.
    at::Tensor wait();

   private:
    at::Tensor host_;
    std::optional<c10::Event> done_;
};

c10::Stream new_stream(c10::Device device);

// Waits for what the calling thread has started on `device`.
void finish(c10::Device device);

}  // namespace scorecam
