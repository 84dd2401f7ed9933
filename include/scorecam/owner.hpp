// scorecam for C++17: ownership of handles, and calls of the C API. Included by scorecam.hpp.
#ifndef SCORECAM_OWNER_HPP
#define SCORECAM_OWNER_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../scorecam.h"
#include "tensor.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {
namespace detail {

// The unique owner of a handle; empty after a move or default construction. Calls on an empty owner fail with
// SCORECAM_ERR_INVALID_HANDLE.
template <typename Raw, std::int32_t (*Free)(Raw *)>
class Owner {
   public:
    Owner() noexcept = default;
    // Takes ownership of a handle of the C API.
    explicit Owner(Raw *raw) noexcept : raw_(raw) {}
    Owner(Owner &&other) noexcept : raw_(other.release()) {}
    Owner &operator=(Owner &&other) noexcept {
        // Taken out first, so that an assignment to itself changes nothing.
        Owner taken(std::move(other));
        std::swap(raw_, taken.raw_);
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    // The handle is valid, so freeing it cannot fail.
    ~Owner() { Free(raw_); }

    explicit operator bool() const noexcept { return raw_ != nullptr; }
    // The handle, for functions of the C API; this object keeps the ownership.
    Raw *get() const noexcept { return raw_; }
    // Releases the handle to the caller.
    Raw *release() noexcept { return std::exchange(raw_, nullptr); }

   private:
    Raw *raw_ = nullptr;
};

// The result of `make` if a call of the C API succeeded, else its error.
template <typename Make>
auto called(std::int32_t status, Make &&make) {
    return outcome(
        status, [] { return scorecam_last_error(); }, std::forward<Make>(make));
}

inline const char *text_or_null(const std::string &text) noexcept {
    return text.empty() ? nullptr : text.c_str();
}

inline std::string text_or_empty(const char *text) { return text == nullptr ? "" : text; }

inline std::optional<std::string> optional_text(const char *text) {
    return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

inline std::vector<scorecam_option> raw_options(const std::vector<Option> &options) {
    std::vector<scorecam_option> raw;
    for (const Option &option : options) {
        raw.push_back({option.name.c_str(), option.value.c_str()});
    }
    return raw;
}

// Items 0 to count - 1 through `read(index, item)`, which returns a status.
template <typename Item, typename Read>
Outcome<std::vector<Item>> listed(std::int32_t status, const std::uint64_t &count, Read &&read) {
    std::vector<Item> items;
    for (std::uint64_t i = 0; status == SCORECAM_OK && i < count; i++) {
        status = read(i, items.emplace_back());
    }
    return called(status, [&] { return std::move(items); });
}

}  // namespace detail
}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_OWNER_HPP
