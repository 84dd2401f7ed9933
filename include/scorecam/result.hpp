// scorecam for C++17: error handling. Included by scorecam.hpp and scorecam_plugin.hpp.
//
// There are two modes:
//  - by default a failing call throws scorecam::Error, and Outcome<T> is T itself;
//  - with SCORECAM_NO_EXCEPTIONS, which -fno-exceptions implies, a call returns scorecam::Result<T>, which holds a T
//    or an Error, and Outcome<T> is that.
// Nothing else differs. A program may contain translation units of both modes, and libraries built with other versions
// of these headers: the names of each mode and version are in a separate inline namespace, so the linker never
// confuses them.
#ifndef SCORECAM_RESULT_HPP
#define SCORECAM_RESULT_HPP

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "../scorecam_plugin.h"

#if !defined(__cpp_exceptions) && !defined(SCORECAM_NO_EXCEPTIONS)
#define SCORECAM_NO_EXCEPTIONS
#endif

// The third mode differs from the second in its handling of exceptions from the code that it calls. The number is
// increased in every release that changes a class or the body of a function.
#if !defined(SCORECAM_NO_EXCEPTIONS)
#define SCORECAM_MODE throws_1
#elif defined(__cpp_exceptions)
#define SCORECAM_MODE results_1
#else
#define SCORECAM_MODE results_without_exceptions_1
#endif

// Makes a variable, or a function with static variables, local to its library: gcc merges all visible ones of the
// same name in the whole process.
#if defined(__GNUC__)
#define SCORECAM_HIDDEN __attribute__((visibility("hidden")))
#else
#define SCORECAM_HIDDEN
#endif

namespace scorecam {
inline namespace SCORECAM_MODE {

// The error of a failed call: one of SCORECAM_ERR_*, and a message in one line that names the object, the value and
// the remedy.
class Error : public std::runtime_error {
   public:
    // SCORECAM_OK is not an error, and counts as SCORECAM_ERR_INTERNAL.
    Error(std::int32_t status, const std::string &message)
        : std::runtime_error(message), status_(status == SCORECAM_OK ? SCORECAM_ERR_INTERNAL : status) {}
    std::int32_t status() const noexcept { return status_; }

   private:
    std::int32_t status_;
};

#ifdef SCORECAM_NO_EXCEPTIONS

namespace detail {

// Whether a T converts to bool itself.
template <typename T>
struct IsAnswer : std::is_same<T, bool> {};
template <typename T>
struct IsAnswer<std::optional<T>> : std::true_type {};

}  // namespace detail

// A T or an Error. Reading the one that is not there aborts the program with the error's message.
template <typename T>
class [[nodiscard]] Result {
   public:
    template <typename U = T, typename = std::enable_if_t<std::is_convertible_v<U &&, T> &&
                                                          !std::is_same_v<std::decay_t<U>, Error>>>
    Result(U &&value) : held_(std::in_place_index<0>, std::forward<U>(value)) {}
    Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const noexcept { return held_.index() == 0; }
    // Like ok(). Not available for bool and std::optional, where `if (result)` would seem to test the value.
    template <typename U = T, typename = std::enable_if_t<!detail::IsAnswer<U>::value>>
    explicit operator bool() const noexcept {
        return ok();
    }
    // SCORECAM_OK, or the error's status.
    std::int32_t status() const noexcept { return ok() ? SCORECAM_OK : std::get_if<1>(&held_)->status(); }

    // For a temporary the value itself, not a reference: `for (... : *model.layers())` keeps it alive.
    T &value() & { return *need(); }
    const T &value() const & { return *const_cast<Result *>(this)->need(); }
    T value() && { return std::move(*need()); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T operator*() && { return std::move(*this).value(); }
    // A pointer into a temporary would dangle: store the result in a variable first.
    T *operator->() & { return &value(); }
    const T *operator->() const & { return &value(); }
    const T *operator->() const && = delete;
    T value_or(T otherwise) && { return ok() ? std::move(*this).value() : std::move(otherwise); }

    const Error &error() const {
        if (ok()) {
            std::fputs("scorecam: error() was called on a successful result\n", stderr);
            std::abort();
        }
        return *std::get_if<1>(&held_);
    }

   private:
    T *need() {
        if (!ok()) {
            std::fprintf(stderr, "scorecam: value() was called on a failed result: %s\n",
                         error().what());
            std::abort();
        }
        return std::get_if<0>(&held_);
    }

    std::variant<T, Error> held_;
};

// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
   public:
    Result() = default;
    Result(Error error) : failed_(std::move(error)) {}

    bool ok() const noexcept { return !failed_; }
    explicit operator bool() const noexcept { return ok(); }
    std::int32_t status() const noexcept { return ok() ? SCORECAM_OK : failed_->status(); }
    void value() const {
        if (!ok()) {
            std::fprintf(stderr, "scorecam: value() was called on a failed result: %s\n",
                         error().what());
            std::abort();
        }
    }
    const Error &error() const {
        if (ok()) {
            std::fputs("scorecam: error() was called on a successful result\n", stderr);
            std::abort();
        }
        return *failed_;
    }

   private:
    std::optional<Error> failed_;
};

template <typename T>
using Outcome = Result<T>;

#else

// The return type of calls: the value itself, because failures are thrown.
template <typename T>
using Outcome = T;

#endif

// The code that differs between the modes. All other code is built on these functions.
namespace detail {

#ifdef SCORECAM_NO_EXCEPTIONS

template <typename T>
Outcome<T> failed(std::int32_t status, const std::string &message) {
    return Error(status, message);
}

// Passes the value of `result` to `use`, which returns an Outcome; an error is returned to the caller.
template <typename T, typename Use>
auto then(Result<T> &&result, Use &&use) -> decltype(use(*std::move(result))) {
    if (!result.ok()) {
        return result.error();
    }
    return use(*std::move(result));
}

// The result of `make`, or the error of `status`.
template <typename Make, typename Message>
auto outcome(std::int32_t status, Message &&message, Make &&make) -> Outcome<decltype(make())> {
    if (status != SCORECAM_OK) {
        return Error(status, message());
    }
    if constexpr (std::is_void_v<decltype(make())>) {
        make();
        return {};
    } else {
        return make();
    }
}

#else

template <typename T>
[[noreturn]] Outcome<T> failed(std::int32_t status, const std::string &message) {
    throw Error(status, message);
}

template <typename T, typename Use>
auto then(T &&value, Use &&use) {
    return use(std::forward<T>(value));
}

template <typename Make, typename Message>
auto outcome(std::int32_t status, Message &&message, Make &&make) -> Outcome<decltype(make())> {
    if (status != SCORECAM_OK) {
        throw Error(status, message());
    }
    return make();
}

#endif

// An exception of a callback, kept because it must not cross C.
class Thrown {
   public:
#ifdef __cpp_exceptions
    // The status of `call`, or SCORECAM_ERR_CANCELLED if it throws; it is then not called again.
    template <typename Call>
    std::int32_t kept(Call &&call) noexcept {
        if (what_ != nullptr) {
            return SCORECAM_ERR_CANCELLED;
        }
        try {
            return call();
        } catch (...) {
            what_ = std::current_exception();
            return SCORECAM_ERR_CANCELLED;
        }
    }

    // Rethrows the exception, if there is one.
    void rethrow() const {
        if (what_ != nullptr) {
            std::rethrow_exception(what_);
        }
    }

   private:
    std::exception_ptr what_;
#else
    template <typename Call>
    std::int32_t kept(Call &&call) noexcept {
        return call();
    }

    void rethrow() const {}
#endif
};

// Reports a failure in the ABI's form: a status, and one line that ends with NUL.
inline std::int32_t report(scorecam_message *why, std::int32_t status, const char *text) noexcept {
    if (why != nullptr) {
        std::size_t end = 0;
        for (; text != nullptr && text[end] != '\0' && end < sizeof why->text - 1; end++) {
            const auto byte = static_cast<unsigned char>(text[end]);
            why->text[end] = byte < 0x20 || byte == 0x7f ? ' ' : text[end];
        }
        // Removes a character that was cut in two.
        if (text != nullptr && text[end] != '\0') {
            while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
                end--;
            }
        }
        why->text[end] = '\0';
    }
    return status;
}

// Runs the `body` of a C function, an Outcome<void>, and converts every failure to a status and a message.
template <typename Body>
std::int32_t guarded(scorecam_message *why, Body &&body) noexcept {
#ifdef __cpp_exceptions
    try {
#endif
#ifdef SCORECAM_NO_EXCEPTIONS
        const Result<void> result = body();
        return result.ok() ? SCORECAM_OK : report(why, result.status(), result.error().what());
#else
    body();
    return SCORECAM_OK;
#endif
#ifdef __cpp_exceptions
    } catch (const Error &error) {
        return report(why, error.status(), error.what());
    } catch (const std::bad_alloc &) {
        return report(why, SCORECAM_ERR_INTERNAL, "memory ran out");
    } catch (const std::exception &error) {
        return report(why, SCORECAM_ERR_INTERNAL, error.what());
    } catch (...) {
        return report(why, SCORECAM_ERR_INTERNAL, "an exception that is not a std::exception was caught");
    }
#endif
}

}  // namespace detail
}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_RESULT_HPP
