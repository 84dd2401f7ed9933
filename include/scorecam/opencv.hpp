// scorecam for C++17: conversions from and to cv::Mat. Included by scorecam.hpp if OpenCV was included before it.
//
// Needs only opencv_core. Colors are in OpenCV's order, blue first. Matrices may be parts of others, with gaps
// between rows.
#ifndef SCORECAM_OPENCV_HPP
#define SCORECAM_OPENCV_HPP

#include <algorithm>
#include <opencv2/core.hpp>

#include "../scorecam.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// The photo in a matrix [rows, cols] of 1 channel (gray), 3 (BGR) or 4 (BGRA) and of depth CV_8U (0 to 255),
// CV_16U (0 to 65535) or CV_32F (0 to 1). The pixels stay in `mat`, a variable that must outlive the image.
Outcome<Image> photo_of(const cv::Mat &mat);
Outcome<Image> photo_of(const cv::Mat &&mat) = delete;

// The model's input in a continuous CV_32F matrix [1, C, H, W] or [C, H, W], such as from cv::dnn::blobFromImage,
// used unchanged. The values stay in `blob`, a variable that must outlive the image.
Outcome<Image> tensor_of(const cv::Mat &blob);
Outcome<Image> tensor_of(const cv::Mat &&blob) = delete;

// A copy of a saliency map, CV_32FC1.
inline cv::Mat mat_of(const MapView &map) {
    cv::Mat mat(static_cast<int>(map.height()), static_cast<int>(map.width()), CV_32FC1);
    std::copy(map.values().begin(), map.values().end(), mat.ptr<float>());
    return mat;
}

// A map drawn over its photo, CV_8UC3 in BGR, of the photo's size.
Outcome<cv::Mat> overlay_of(const Explanation &explanation, const cv::Mat &photo,
                            const OverlayOptions &options = {});

namespace detail {

// The bytes from the first sample to the last.
inline std::size_t extent(const cv::Mat &mat) {
    return static_cast<std::size_t>(mat.rows - 1) * mat.step[0] +
           static_cast<std::size_t>(mat.cols) * mat.elemSize();
}

template <typename T>
Image photo_of_samples(const cv::Mat &mat, PixelFormat format) {
    const View<const T> samples(mat.ptr<T>(), extent(mat) / sizeof(T));
    return Image::photo(samples, static_cast<std::size_t>(mat.cols), static_cast<std::size_t>(mat.rows),
                        format, mat.step[0]);
}

}  // namespace detail

inline Outcome<Image> photo_of(const cv::Mat &mat) {
    const int channels = mat.channels(), depth = mat.depth();
    if (mat.empty()) {
        return detail::failed<Image>(SCORECAM_ERR_INVALID_ARGUMENT,
                                     "the matrix is empty, as cv::imread makes it of a file that is not a photo");
    }
    const bool known = (channels == 1 || channels == 3 || channels == 4) &&
                       (depth == CV_8U || depth == CV_16U || depth == CV_32F);
    if (mat.dims != 2 || !known) {
        return detail::failed<Image>(
            SCORECAM_ERR_INVALID_ARGUMENT,
            "the matrix of type " + cv::typeToString(mat.type()) + " with " + std::to_string(mat.total()) +
                " elements in " + std::to_string(mat.dims) +
                " dimensions is not a photo; convert it to CV_8U, CV_16U or CV_32F of 1, 3 or 4 channels");
    }
    const PixelFormat format = channels == 1   ? PixelFormat::Gray
                               : channels == 3 ? PixelFormat::Bgr
                                               : PixelFormat::Bgra;
    switch (depth) {
        case CV_8U:
            return detail::photo_of_samples<std::uint8_t>(mat, format);
        case CV_16U:
            return detail::photo_of_samples<std::uint16_t>(mat, format);
        default:
            return detail::photo_of_samples<float>(mat, format);
    }
}

inline Outcome<Image> tensor_of(const cv::Mat &blob) {
    const bool batched = blob.dims == 4 && blob.size[0] == 1;
    if (blob.type() != CV_32FC1 || !blob.isContinuous() || (blob.dims != 3 && !batched)) {
        return detail::failed<Image>(
            SCORECAM_ERR_INVALID_ARGUMENT,
            "the matrix of type " + cv::typeToString(blob.type()) + " in " + std::to_string(blob.dims) +
                " dimensions is no tensor; a continuous CV_32F of [1, C, H, W] or [C, H, W] is needed, as "
                "cv::dnn::blobFromImage makes it");
    }
    const auto size = [&](int axis) { return static_cast<std::size_t>(blob.size[blob.dims - axis]); };
    return Image::tensor(View<const float>(blob.ptr<float>(), blob.total()), size(3), size(2), size(1));
}

inline Outcome<cv::Mat> overlay_of(const Explanation &explanation, const cv::Mat &photo,
                                   const OverlayOptions &options) {
    return detail::then(photo_of(photo), [&](const Image &image) {
        cv::Mat out(photo.rows, photo.cols, CV_8UC3);
        const View<std::uint8_t> bytes(out.data, detail::extent(out));
        const std::int32_t status = detail::draw(bytes, explanation, image, options, out.step[0]);
        return detail::called(status, [&] {
            for (cv::Vec3b &pixel : cv::Mat_<cv::Vec3b>(out)) {
                std::swap(pixel[0], pixel[2]);
            }
            return out;
        });
    });
}

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_OPENCV_HPP
