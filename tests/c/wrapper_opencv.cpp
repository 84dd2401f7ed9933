// Asserts what scorecam.hpp does with cv::Mat: wrapper_opencv PLUGIN MODEL
//
// PLUGIN is the toy plugin, MODEL takes 3 x 32 x 32. Printed is one line when all holds.
#include <opencv2/core.hpp>

#include "check.hpp"

namespace {

cv::Mat map_of(const scorecam::Model &model, const cv::Mat &photo) {
    const scorecam::Explanation found = TAKE(model.explain(TAKE(scorecam::photo_of(photo))));
    return scorecam::mat_of(TAKE(found.map(0)));
}

bool equal(const cv::Mat &a, const cv::Mat &b) {
    return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0.0;
}

cv::Mat some_photo() {
    cv::Mat photo(48, 64, CV_8UC3);
    cv::RNG(7).fill(photo, cv::RNG::UNIFORM, 0, 256);
    return photo;
}

void every_depth_and_order(const scorecam::Model &model) {
    const cv::Mat photo = some_photo();
    const cv::Mat expected = map_of(model, photo);
    CHECK(expected.type() == CV_32FC1 && expected.rows == 32 && expected.cols == 32);
    double least = 0.0, greatest = 0.0;
    cv::minMaxLoc(expected, &least, &greatest);
    CHECK(least >= 0.0 && greatest == 1.0);

    cv::Mat wide, real, alpha(photo.size(), CV_8UC4), rgb(photo.size(), CV_8UC3), gray, gray_bgr;
    photo.convertTo(wide, CV_16U, 257.0);
    CHECK(equal(map_of(model, wide), expected));
    photo.convertTo(real, CV_32F, 1.0 / 255.0);
    CHECK(cv::norm(map_of(model, real), expected, cv::NORM_INF) < 1e-2);
    const std::array<int, 6> to_bgra = {0, 0, 1, 1, 2, 2}, to_rgb = {0, 2, 1, 1, 2, 0};
    cv::mixChannels(&photo, 1, &alpha, 1, to_bgra.data(), 3);
    CHECK(equal(map_of(model, alpha), expected));
    cv::mixChannels(&photo, 1, &rgb, 1, to_rgb.data(), 3);
    CHECK(!equal(map_of(model, rgb), expected));
    cv::extractChannel(photo, gray, 0);
    cv::merge(std::vector<cv::Mat>(3, gray), gray_bgr);
    CHECK(equal(map_of(model, gray), map_of(model, gray_bgr)));

    for (const int type : {CV_8UC2, CV_64FC3, CV_8SC1}) {
        const cv::Mat other = cv::Mat::zeros(8, 8, type);
        FAILS(SCORECAM_ERR_INVALID_ARGUMENT, cv::typeToString(type).c_str(), scorecam::photo_of(other));
    }
    const cv::Mat empty;
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "the matrix is empty", scorecam::photo_of(empty));
}

void parts_are_as_good_as_their_clones(const scorecam::Model &model) {
    const cv::Mat whole = some_photo();
    const cv::Mat part = whole(cv::Rect(11, 5, 37, 41));
    CHECK(!part.isContinuous());
    CHECK(equal(map_of(model, part), map_of(model, part.clone())));
    const scorecam::Explanation found = TAKE(model.explain(TAKE(scorecam::photo_of(part))));
    CHECK(equal(TAKE(scorecam::overlay_of(found, part)), TAKE(scorecam::overlay_of(found, part.clone()))));
    // The last row of a matrix ends where its memory ends.
    const cv::Mat corner = whole(cv::Rect(40, 20, 24, 28));
    CHECK(equal(map_of(model, corner), map_of(model, corner.clone())));
}

void overlays_are_bgr(const scorecam::Model &model) {
    const cv::Mat photo = some_photo();
    const scorecam::Explanation found = TAKE(model.explain(TAKE(scorecam::photo_of(photo))));
    scorecam::OverlayOptions options;
    options.opacity = 0.0f;
    CHECK(equal(TAKE(scorecam::overlay_of(found, photo, options)), photo));
    options.opacity = 1.0f;
    options.colormap = "jet";
    const cv::Mat colours = TAKE(scorecam::overlay_of(found, photo, options));
    const std::vector<std::uint8_t> rgb = TAKE(found.overlay(TAKE(scorecam::photo_of(photo)), options));
    CHECK(colours.type() == CV_8UC3 && colours.size() == photo.size());
    CHECK(colours.at<cv::Vec3b>(47, 63) ==
          cv::Vec3b(rgb[rgb.size() - 1], rgb[rgb.size() - 2], rgb[rgb.size() - 3]));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "not a photo", scorecam::overlay_of(found, cv::Mat()));
}

void blobs_are_tensors(const scorecam::Model &model) {
    const std::array<int, 4> sizes = {1, 3, 32, 32};
    cv::Mat blob(4, sizes.data(), CV_32F);
    cv::RNG(7).fill(blob, cv::RNG::UNIFORM, -1.0, 1.0);
    const scorecam::Explanation found = TAKE(model.explain(TAKE(scorecam::tensor_of(blob))));
    const scorecam::View<const float> values(blob.ptr<float>(), blob.total());
    const scorecam::Explanation same = TAKE(model.explain(scorecam::Image::tensor(values, 3, 32, 32)));
    CHECK(equal(scorecam::mat_of(TAKE(found.map(0))), scorecam::mat_of(TAKE(same.map(0)))));
    const cv::Mat photo = some_photo(), part = blob.reshape(1, 3 * 32).colRange(0, 8);
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "CV_8UC3 in 2 dimensions", scorecam::tensor_of(photo));
    FAILS(SCORECAM_ERR_INVALID_ARGUMENT, "CV_32FC1 in 2 dimensions", scorecam::tensor_of(part));
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s PLUGIN MODEL\n", argv[0]);
        return 2;
    }
    const scorecam::Host host = TAKE(scorecam::Host::create());
    TAKE(host.load_plugin(argv[1]));
    const scorecam::Model model = TAKE(host.load_model(argv[2]));
    every_depth_and_order(model);
    parts_are_as_good_as_their_clones(model);
    overlays_are_bgr(model);
    blobs_are_tensors(model);
    std::puts("all holds");
    return 0;
}
