// What the tests of scorecam.hpp are written in, so that one source serves all of the header's modes.
#ifndef SCORECAM_TESTS_CHECK_HPP
#define SCORECAM_TESTS_CHECK_HPP

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "scorecam.hpp"

// Ends the program with a line when `condition` does not hold.
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

// The value of a call that must succeed.
#define TAKE(call) taken([&] { return call; })

// A call that must fail with a status, and a text somewhere in its message.
#define FAILS(status, text, call) \
    fails(                        \
        status, text, [&] { return call; }, __LINE__)

inline void check(bool holds, const char *what, const char *file, int line) {
    if (!holds) {
        std::fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
        std::exit(1);
    }
}

namespace {

template <typename Call>
auto taken(Call &&call) {
#ifdef SCORECAM_NO_EXCEPTIONS
    return call().value();
#else
    return call();
#endif
}

inline void compare(std::int32_t wanted, const char *text, const scorecam::Error &error, int line) {
    if (error.status() != wanted || std::string(error.what()).find(text) == std::string::npos) {
        std::fprintf(stderr, "line %d: got %s (%s), not %s with \"%s\"\n", line,
                     scorecam::status_name(error.status()).c_str(), error.what(),
                     scorecam::status_name(wanted).c_str(), text);
        std::exit(1);
    }
}

template <typename Call>
void fails(std::int32_t wanted, const char *text, Call &&call, int line) {
#ifdef SCORECAM_NO_EXCEPTIONS
    const auto result = call();
    check(!result.ok() && result.status() == result.error().status(), "the call fails", __FILE__, line);
    compare(wanted, text, result.error(), line);
#else
    try {
        static_cast<void>(call());
    } catch (const scorecam::Error &error) {
        compare(wanted, text, error, line);
        return;
    }
    check(false, "the call fails", __FILE__, line);
#endif
}

}  // namespace

#endif  // SCORECAM_TESTS_CHECK_HPP
