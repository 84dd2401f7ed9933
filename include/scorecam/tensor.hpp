// scorecam for C++17: views, shapes and tensors. Included by scorecam.hpp and scorecam_plugin.hpp.
//
// All tensors are dense f32, row-major, the outermost axis first: a batch is [N, C, H, W]. Views own nothing and are
// as cheap to pass as a pointer; the memory must outlive them.
#ifndef SCORECAM_TENSOR_HPP
#define SCORECAM_TENSOR_HPP

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L && defined(__has_include)
#if __has_include(<span>)
#include <span>
#endif
#endif

#include "result.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {
namespace detail {

template <typename Container>
using ElementOf = std::remove_pointer_t<decltype(std::declval<Container &>().data())>;

// Whether a container's elements can be viewed as T: the same type up to const.
template <typename Container, typename T, typename = void>
struct Shows : std::false_type {};
template <typename Container, typename T>
struct Shows<Container, T, std::void_t<ElementOf<Container>, decltype(std::declval<Container &>().size())>>
    : std::is_convertible<ElementOf<Container> (*)[], T (*)[]> {};

}  // namespace detail

// A view of contiguous elements. Constructed from a pointer and a length, or from any type with data() and size():
// std::vector, std::array, std::span. As the argument of a call, a View<const T> also accepts temporaries.
template <typename T>
class View {
   public:
    constexpr View() noexcept = default;
    constexpr View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename Container,
              typename = std::enable_if_t<!std::is_same_v<std::decay_t<Container>, View> &&
                                          detail::Shows<std::remove_reference_t<Container>, T>::value &&
                                          (std::is_lvalue_reference_v<Container> || std::is_const_v<T>)>>
    constexpr View(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return size_ == 0 ? data_ : data_ + size_; }
    // `index` is below size(); a debug build checks it.
    constexpr T &operator[](std::size_t index) const {
        assert(index < size_);
        return data_[index];
    }

   private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

// Up to SCORECAM_MAX_RANK sizes. In a description of a model, a size of 0 is variable; negative sizes, which some
// runtimes use for that, become 0.
class Shape {
   public:
    Shape() noexcept : raw_() {}
    template <typename... Sizes,
              typename = std::enable_if_t<(sizeof...(Sizes) > 0) && (std::is_integral_v<Sizes> && ...)>>
    Shape(Sizes... sizes) noexcept : raw_{static_cast<std::uint32_t>(sizeof...(Sizes)), 0, {axis(sizes)...}} {
        static_assert(sizeof...(Sizes) <= SCORECAM_MAX_RANK, "a shape has at most SCORECAM_MAX_RANK sizes");
    }
    explicit Shape(const scorecam_shape &raw) noexcept : raw_(raw) {
        raw_.rank = raw.rank < SCORECAM_MAX_RANK ? raw.rank : SCORECAM_MAX_RANK;
    }

    std::size_t rank() const noexcept { return raw_.rank; }
    // `axis` is below rank(); a debug build checks it.
    std::uint64_t operator[](std::size_t axis) const {
        assert(axis < raw_.rank);
        return raw_.sizes[axis];
    }
    const std::uint64_t *begin() const noexcept { return raw_.sizes; }
    const std::uint64_t *end() const noexcept { return raw_.sizes + raw_.rank; }
    const scorecam_shape &raw() const noexcept { return raw_; }

    // The number of values of a tensor of this shape; the maximum of the type on overflow.
    std::size_t count() const noexcept {
        std::size_t count = raw_.rank == 0 ? 0 : 1;
        for (const std::uint64_t size : *this) {
            if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) {
                return std::numeric_limits<std::size_t>::max();
            }
            count *= static_cast<std::size_t>(size);
        }
        return count;
    }

    // A text such as "[1, 3, 32, 32]", for messages.
    std::string text() const {
        std::string text = "[";
        for (const std::uint64_t size : *this) {
            text += (text.size() > 1 ? ", " : "") + std::to_string(size);
        }
        return text + "]";
    }

    friend bool operator==(const Shape &a, const Shape &b) noexcept {
        bool equal = a.rank() == b.rank();
        for (std::size_t axis = 0; equal && axis < a.rank(); axis++) {
            equal = a[axis] == b[axis];
        }
        return equal;
    }
    friend bool operator!=(const Shape &a, const Shape &b) noexcept { return !(a == b); }

   private:
    template <typename Size>
    static constexpr std::uint64_t axis(Size size) noexcept {
        if constexpr (std::is_signed_v<Size>) {
            return size < 0 ? 0 : static_cast<std::uint64_t>(size);
        } else {
            return size;
        }
    }

    scorecam_shape raw_;
};

// The element type of all tensors.
inline constexpr scorecam_data_type kFloat32 = {SCORECAM_TYPE_FLOAT, 32, 1};

// A view of a tensor.
class TensorView {
   public:
    TensorView() noexcept = default;
    TensorView(const Shape &shape, View<const float> values) noexcept : shape_(shape), values_(values) {}
    // A tensor that crossed the ABI, which guarantees f32 on the CPU, and as many values as the shape requires.
    explicit TensorView(const scorecam_tensor &raw) noexcept : shape_(raw.shape) {
        values_ = View<const float>(static_cast<const float *>(raw.data),
                                    raw.data == nullptr ? 0 : shape_.count());
    }

    const Shape &shape() const noexcept { return shape_; }
    View<const float> values() const noexcept { return values_; }
    const float *data() const noexcept { return values_.data(); }
    std::size_t size() const noexcept { return values_.size(); }
    const float &operator[](std::size_t index) const { return values_[index]; }
    const float *begin() const noexcept { return values_.begin(); }
    const float *end() const noexcept { return values_.end(); }
    scorecam_tensor raw() const noexcept {
        return {values_.data(), {SCORECAM_DEVICE_CPU, 0}, kFloat32, 0, shape_.raw()};
    }

    // The values at `index` of the outermost axis: one image of a batch.
    View<const float> item(std::size_t index) const {
        assert(shape_.rank() > 0 && index < shape_[0]);
        const std::size_t length = size() / static_cast<std::size_t>(shape_[0]);
        return View<const float>(data() + index * length, length);
    }

   private:
    Shape shape_;
    View<const float> values_;
};

// A tensor that owns its memory.
class Tensor {
   public:
    Tensor() = default;
    // All zeros.
    explicit Tensor(const Shape &shape) : shape_(shape), values_(shape.count()) {}
    // `values` must have as many elements as the shape requires; otherwise the tensor is rejected when it is passed
    // on.
    Tensor(const Shape &shape, std::vector<float> values) : shape_(shape), values_(std::move(values)) {}
    explicit Tensor(const TensorView &view) : shape_(view.shape()), values_(view.begin(), view.end()) {}

    const Shape &shape() const noexcept { return shape_; }
    std::vector<float> &values() noexcept { return values_; }
    const std::vector<float> &values() const noexcept { return values_; }
    float *data() noexcept { return values_.data(); }
    const float *data() const noexcept { return values_.data(); }
    std::size_t size() const noexcept { return values_.size(); }
    float &operator[](std::size_t index) {
        assert(index < values_.size());
        return values_[index];
    }
    const float &operator[](std::size_t index) const {
        assert(index < values_.size());
        return values_[index];
    }
    TensorView view() const &noexcept { return TensorView(shape_, values_); }
    TensorView view() const && = delete;

    // The values at `index` of the outermost axis: one image of a batch.
    View<float> item(std::size_t index) & {
        const std::size_t length = view().item(index).size();
        return View<float>(data() + index * length, length);
    }
    View<const float> item(std::size_t index) const & { return view().item(index); }
    void item(std::size_t index) const && = delete;

   private:
    Shape shape_;
    std::vector<float> values_;
};

// A tensor and the name of its input or output. The name is also a view.
struct NamedTensor {
    std::string_view name;
    TensorView tensor;
};

// A name and a value, both text: a setting of a backend or an option of a method.
struct Option {
    std::string name{};
    std::string value{};
};

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#ifdef __cpp_lib_span
// A view owns nothing, so a span may be constructed from a temporary one.
template <typename T>
inline constexpr bool std::ranges::enable_borrowed_range<scorecam::View<T>> = true;
#endif

#endif  // SCORECAM_TENSOR_HPP
