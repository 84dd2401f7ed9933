#include "stream.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace scorecam {

using c10::impl::VirtualGuardImpl;

Visit::Visit(c10::Stream stream) : guard_(stream) {}

Visit::~Visit() {
    try {
        const c10::Stream stream = guard_.current_stream();
        VirtualGuardImpl(stream.device_type()).synchronizeStream(stream);
    } catch (const std::exception &) {
        // A device that failed stays so: the call's own error tells it, or the next call's.
    }
}

Copy::Copy(const at::Tensor &tensor) {
    if (tensor.is_cpu()) {
        // A copy even so: a model may return its own memory, and the next pass overwrite it.
        host_ = tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
        return;
    }
    const at::Tensor wide = tensor.to(at::kFloat).contiguous();
    // From a device to ordinary memory no copy runs beside other work.
    host_ = at::empty(wide.sizes(), at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
    host_.copy_(wide, /*non_blocking=*/true);
    done_.emplace(wide.device().type());
    done_->record(VirtualGuardImpl(wide.device().type()).getStream(wide.device()));
}

at::Tensor Copy::wait() {
    if (done_) {
        done_->synchronize();
    }
    return host_;
}

c10::Stream new_stream(c10::Device device) { return VirtualGuardImpl(device.type()).getNewStream(device); }

void finish(c10::Device device) {
    const VirtualGuardImpl guard(device.type());
    guard.synchronizeStream(guard.getStream(device));
}

}  // namespace scorecam
