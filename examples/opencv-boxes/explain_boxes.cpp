// Explains each detected box in a photo, and writes a picture of it: explain_boxes MODEL PHOTO OUT
//
// OUT-0.png is the best box with its map, OUT-1.png the next. All boxes share the same passes.
#include <iostream>
#include <opencv2/imgcodecs.hpp>

#include <scorecam.hpp>

int main(int argc, char **argv) try {
    if (argc != 4) {
        std::cerr << "usage: explain_boxes MODEL PHOTO OUT\n";
        return 2;
    }
    const scorecam::Model model = scorecam::Host::create().load_model(argv[1]);
    const cv::Mat photo = cv::imread(argv[2]);
    scorecam::ExplainOptions options;
    options.targets = {"boxes"};
    const scorecam::Explanation found = model.explain(scorecam::photo_of(photo), options);
    const std::vector<scorecam::Target> targets = found.targets();
    for (std::size_t i = 0; i < targets.size(); i++) {
        const scorecam::Target &target = targets[i];
        const auto &rect = target.detection->rect;
        std::cout << target.text << ' ' << target.label.value_or("object") << ' '
                  << target.detection->score << " at " << rect[0] << ',' << rect[1] << ',' << rect[2] << ',' << rect[3]
                  << '\n';
        scorecam::OverlayOptions overlay;
        overlay.target = i;
        cv::imwrite(argv[3] + ("-" + std::to_string(i) + ".png"), scorecam::overlay_of(found, photo, overlay));
    }
    std::cout << found.passes() << " passes\n";
    return 0;
} catch (const std::exception &error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
