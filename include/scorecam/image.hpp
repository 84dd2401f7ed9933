// scorecam for C++17: images in the caller's memory, and maps in the library's. Included by scorecam.hpp.
#ifndef SCORECAM_IMAGE_HPP
#define SCORECAM_IMAGE_HPP

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../scorecam.h"
#include "tensor.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// The order of a pixel's channels. Alpha is ignored.
enum class PixelFormat : std::uint32_t {
    Rgb = SCORECAM_PIXELS_RGB,
    Bgr = SCORECAM_PIXELS_BGR,
    Rgba = SCORECAM_PIXELS_RGBA,
    Bgra = SCORECAM_PIXELS_BGRA,
    Gray = SCORECAM_PIXELS_GRAY,
    GrayAlpha = SCORECAM_PIXELS_GRAY_ALPHA,
};

// The layout of the channels.
enum class Layout : std::uint32_t {
    // Interleaved channels.
    Hwc = SCORECAM_LAYOUT_HWC,
    // One plane per channel.
    Chw = SCORECAM_LAYOUT_CHW,
};

// A photo or a tensor in the caller's memory, which must outlive the calls that use the image: they read it only
// while they run. These calls check sizes and lengths.
class Image {
   public:
    // A photo of `width` x `height` pixels, width first, each 1 to 65535, which is preprocessed as the model's
    // manifest specifies. Samples are 0 to 255, 0 to 65535, or 0 to 1. `row_stride` is the number of bytes from one
    // row to the next, 0 for rows without gaps.
    static Image photo(View<const std::uint8_t> samples, std::size_t width, std::size_t height,
                       PixelFormat format = PixelFormat::Rgb, std::size_t row_stride = 0) noexcept {
        return of_photo(samples, SCORECAM_SAMPLES_U8).with_pixels(width, height, format, row_stride);
    }
    static Image photo(View<const std::uint16_t> samples, std::size_t width, std::size_t height,
                       PixelFormat format = PixelFormat::Rgb, std::size_t row_stride = 0) noexcept {
        return of_photo(samples, SCORECAM_SAMPLES_U16).with_pixels(width, height, format, row_stride);
    }
    static Image photo(View<const float> samples, std::size_t width, std::size_t height,
                       PixelFormat format = PixelFormat::Rgb, std::size_t row_stride = 0) noexcept {
        return of_photo(samples, SCORECAM_SAMPLES_F32).with_pixels(width, height, format, row_stride);
    }

    // The model's input, [C, H, W] without gaps, height first, used unchanged.
    static Image tensor(View<const float> values, std::size_t channels, std::size_t height,
                        std::size_t width) noexcept {
        const scorecam_image init = SCORECAM_TENSOR_INIT;
        Image image(init, values.data(), values.size() * sizeof(float));
        // Clamped, so that too many channels stay too many in 32 bits.
        image.raw_.channels = channels < UINT32_MAX ? static_cast<std::uint32_t>(channels) : UINT32_MAX;
        image.raw_.height = height;
        image.raw_.width = width;
        return image;
    }

    // Not from a temporary, which would end before the image is explained: store the samples in a variable first.
    template <typename T, typename Allocator, typename... Rest>
    static Image photo(const std::vector<T, Allocator> &&samples, Rest...) = delete;
    template <typename T, std::size_t Size, typename... Rest>
    static Image photo(const std::array<T, Size> &&samples, Rest...) = delete;
    template <typename T, typename Allocator, typename... Rest>
    static Image tensor(const std::vector<T, Allocator> &&values, Rest...) = delete;
    template <typename T, std::size_t Size, typename... Rest>
    static Image tensor(const std::array<T, Size> &&values, Rest...) = delete;

    // The same photo in planes. `plane_stride` is the number of bytes from one plane to the next, 0 for planes
    // without gaps.
    Image with_layout(Layout layout, std::size_t plane_stride = 0) const noexcept {
        Image image = *this;
        image.raw_.layout = static_cast<std::uint32_t>(layout);
        image.raw_.plane_stride = plane_stride;
        return image;
    }
    // The same photo with an EXIF orientation, 1 (upright) to 8.
    Image with_orientation(std::uint32_t orientation) const noexcept {
        Image image = *this;
        image.raw_.orientation = orientation;
        return image;
    }

    // The size of an overlay of this photo: an orientation of 5 to 8 swaps width and height.
    std::size_t upright_width() const noexcept { return size_of(lies() ? raw_.height : raw_.width); }
    std::size_t upright_height() const noexcept { return size_of(lies() ? raw_.width : raw_.height); }

    const scorecam_image &raw() const noexcept { return raw_; }

   private:
    Image(const scorecam_image &init, const void *data, std::size_t bytes) noexcept : raw_(init) {
        raw_.data = data;
        raw_.data_size = bytes;
    }

    template <typename T>
    static Image of_photo(View<const T> samples, std::uint32_t sample_type) noexcept {
        const scorecam_image init = SCORECAM_IMAGE_INIT;
        Image image(init, samples.data(), samples.size() * sizeof(T));
        image.raw_.sample_type = sample_type;
        return image;
    }
    Image with_pixels(std::size_t width, std::size_t height, PixelFormat format,
                      std::size_t row_stride) const noexcept {
        Image image = *this;
        image.raw_.width = width;
        image.raw_.height = height;
        image.raw_.format = static_cast<std::uint32_t>(format);
        image.raw_.row_stride = row_stride;
        return image;
    }

    bool lies() const noexcept { return raw_.orientation >= 5 && raw_.orientation <= 8; }
    static std::size_t size_of(std::uint64_t size) noexcept { return static_cast<std::size_t>(size); }

    scorecam_image raw_;
};

// A saliency map: `height()` rows of `width()` values without gaps, all finite. Valid as long as the
// explanation that it was read from.
class MapView {
   public:
    // Height first, as in a shape.
    MapView(const float *data, std::size_t height, std::size_t width) noexcept
        : data_(data), height_(height), width_(width) {}

    const float *data() const noexcept { return data_; }
    std::size_t height() const noexcept { return height_; }
    std::size_t width() const noexcept { return width_; }
    // All values, row after row.
    View<const float> values() const noexcept { return View<const float>(data_, height_ * width_); }

    // One value, row first; both indices are checked.
    Outcome<float> at(std::size_t y, std::size_t x) const {
        const bool inside = y < height_ && x < width_;
        const auto why = [&] {
            return "row " + std::to_string(y) + ", column " + std::to_string(x) + outside();
        };
        return detail::outcome(inside ? SCORECAM_OK : SCORECAM_ERR_INVALID_ARGUMENT, why,
                               [&] { return data_[y * width_ + x]; });
    }
    // One row; its index is checked.
    Outcome<View<const float>> row(std::size_t y) const {
        const auto why = [&] { return "row " + std::to_string(y) + outside(); };
        return detail::outcome(y < height_ ? SCORECAM_OK : SCORECAM_ERR_INVALID_ARGUMENT, why,
                               [&] { return View<const float>(data_ + y * width_, width_); });
    }
    // Like at(), but checked only in debug builds.
    float operator()(std::size_t y, std::size_t x) const {
        assert(y < height_ && x < width_);
        return data_[y * width_ + x];
    }

   private:
    std::string outside() const {
        return " is outside of the map of " + std::to_string(height_) + " rows and " +
               std::to_string(width_) + " columns";
    }

    const float *data_;
    std::size_t height_;
    std::size_t width_;
};

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_IMAGE_HPP
