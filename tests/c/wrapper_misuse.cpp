// What the C++ headers must refuse: each line that says "refused" does not compile, and every other line
// does. Only compiled, in the headers' modes.
#include <opencv2/core.hpp>

#include "scorecam.hpp"
#include "scorecam_plugin.hpp"

using scorecam::Image;
using scorecam::View;

template <typename T>
void use(const T &) {}

std::vector<std::uint8_t> pixels();
std::array<std::uint8_t, 12> few_pixels();
const std::vector<float> values();
std::array<float, 12> few_values();
cv::Mat matrix();

// Temporaries end before the image is used.
void images() {
    const std::vector<std::uint8_t> photo = pixels();
    use(Image::photo(photo, 2, 2));
    use(Image::photo(View<const std::uint8_t>(photo), 2, 2));
    use(Image::photo(pixels(), 2, 2));                                  // refused
    use(Image::photo(pixels(), 2, 2, scorecam::PixelFormat::Bgr, 16));  // refused
    use(Image::photo(values(), 2, 2));                                  // refused
    use(Image::photo(few_pixels(), 2, 2));                              // refused
    const std::vector<float> tensor = values();
    use(Image::tensor(tensor, 3, 2, 2));
    use(Image::tensor(values(), 3, 2, 2));      // refused
    use(Image::tensor(few_values(), 3, 2, 2));  // refused
}

void matrices(const scorecam::Explanation &found) {
    const cv::Mat photo = matrix();
    use(scorecam::photo_of(photo));
    use(scorecam::tensor_of(photo));
    use(scorecam::photo_of(matrix()));                     // refused
    use(scorecam::photo_of(photo(cv::Rect(0, 0, 1, 1))));  // refused
    use(scorecam::photo_of(cv::Mat::zeros(2, 2, CV_8U)));  // refused
    use(scorecam::tensor_of(matrix()));                    // refused
    // It returns a matrix of its own.
    use(scorecam::overlay_of(found, matrix()));
}

// What C reads as "go on", and what other libraries do.
void progress(scorecam::ExplainOptions &options) {
    options.progress = [](std::uint64_t, std::uint64_t) { return scorecam::Flow::Continue; };
    options.progress = [](std::uint64_t, std::uint64_t) { return true; };  // refused
    options.progress = [](std::uint64_t, std::uint64_t) { return 0; };     // refused
    options.progress = [](std::uint64_t, std::uint64_t) {};                // refused
}

void views() {
    const scorecam::Tensor tensor({1, 2});
    use(tensor.view());
    use(scorecam::Tensor({1, 2}).view());  // refused
    View<const float> view = values();
    View<float> writable = values();  // refused
    use(view);
}

void owners(const scorecam::Model &model, const Image &photo) {
    scorecam::Model copy = model;  // refused
#ifdef SCORECAM_NO_EXCEPTIONS
    const auto found = model.explain(photo);
    use(*found->map(0));
    use(found.value().map(0));
    use(*model.explain(photo)->map(0));        // refused in results
    use((*model.explain(photo)).map(0));       // refused in results
    use(model.explain(photo).value().map(0));  // refused in results
    if (found) {
        use(model);
    }
#else
    const auto found = model.explain(photo);
    use(found.map(0));
    use(model.explain(photo).map(0));  // refused in throws
#endif
}

// Whether the call went well, or what it said?
void answers(const scorecam::Model &model, const scorecam::OptionValues &options) {
#ifdef SCORECAM_NO_EXCEPTIONS
    if (options.flag("smooth").ok() && *options.flag("smooth")) {
        use(model);
    }
    if (options.flag("smooth")) {  // refused in results
        use(model);
    }
    if (model.label(1)) {  // refused in results
        use(model);
    }
#else
    if (options.flag("smooth") && model.label(1)) {
        use(model);
    }
#endif
}
