"""Verifies that scorecam.py matches scorecam.h:
    python3 header_check.py > check.cpp && c++ -std=c++17 -fsyntax-only -I../../include check.cpp

Printed is a C++ file that compiles only if every constant, size, offset, field and signature is equal.
"""

import ctypes
import inspect

import scorecam

PROLOGUE = """\
#include "scorecam.h"

#include <type_traits>

// A type without const at any level, since ctypes has none.
template <typename T> struct plain { using type = std::remove_const_t<T>; };
template <typename T> struct plain<T *> { using type = typename plain<std::remove_const_t<T>>::type *; };
template <typename T> struct plain<T *const> : plain<T *> {};
template <typename T, std::size_t N> struct plain<T[N]> { using type = typename plain<T>::type[N]; };
template <typename R, typename... A> struct plain<R (*)(A...)> {
    using type = typename plain<R>::type (*)(typename plain<A>::type...);
};
template <typename A, typename B> constexpr bool same = std::is_same_v<typename plain<A>::type, B>;
"""

NAMES = {
    ctypes.c_char_p: "char *", ctypes.c_void_p: "void *", ctypes.c_double: "double", ctypes.c_float: "float",
    ctypes.c_int32: "int32_t", ctypes.c_uint8: "uint8_t", ctypes.c_uint32: "uint32_t",
    ctypes.c_uint64: "uint64_t",
}


def spelled(kind):
    """A ctypes type as C++ has it, without const."""
    if kind in NAMES:
        return NAMES[kind]
    if issubclass(kind, ctypes.Structure):
        return kind.__name__
    if issubclass(kind, ctypes.Array):
        return f"{spelled(kind._type_)}[{kind._length_}]"
    if issubclass(kind, ctypes._Pointer):
        return f"{spelled(kind._type_)} *"
    return signature((kind._restype_, *kind._argtypes_))


def signature(kinds):
    result, *parameters = map(spelled, kinds)
    return f"{result} (*)({', '.join(parameters)})"


def check(condition, what):
    print(f'static_assert({condition}, "{what} is not as in scorecam.h");')


print(PROLOGUE)
for name, value in scorecam.CONSTANTS.items():
    check(f"{name} == {value}{'u' if value >= 2**63 else ''}", name)
for name, struct in inspect.getmembers(scorecam, inspect.isclass):
    for field, kind in getattr(struct, "_fields_", []):
        check(f"same<decltype({name}::{field}), {spelled(kind)}>", f"{name}.{field}'s type")
        check(f"offsetof({name}, {field}) == {getattr(struct, field).offset}", f"{name}.{field}'s place")
    if hasattr(struct, "_fields_"):
        check(f"sizeof({name}) == {ctypes.sizeof(struct)}", f"{name}'s size")
for name, kinds in scorecam.FUNCTIONS.items():
    check(f"same<decltype(&{name}), {signature(kinds)}>", name)
