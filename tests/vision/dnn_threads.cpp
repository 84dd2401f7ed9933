// Several threads explain with one cv::dnn engine, and get the bits that one gets; what failed before costs
// them nothing:
//     dnn_threads MODEL PHOTO MANIFEST
#include <cstdint>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "../../examples/opencv-dnn/dnn_engine.hpp"

namespace {

std::vector<float> map_of(const scorecam::Model &model, const cv::Mat &photo) {
    scorecam::ExplainOptions options;
    options.layer = "fire9";
    options.classes = {285};
    options.options = {{"select", "std"}, {"select_count", "8"}};
    const scorecam::Explanation explanation = model.explain(scorecam::photo_of(photo), options);
    const auto values = explanation.map(0).values();
    return {values.begin(), values.end()};
}

// Whether a pass over images of `channels` to a layer ends with a status.
bool refuses(const DnnEngine &engine, std::uint64_t channels, std::string_view layer, std::int32_t status) {
    const scorecam::Tensor images(scorecam::Shape(1, channels, 227, 227));
    try {
        engine.forward(scorecam::Inputs(images.view()), {&layer, 1});
    } catch (const scorecam::Error &error) {
        return error.status() == status;
    }
    return false;
}

int run(char **argv) {
    const scorecam::Host host = scorecam::Host::create();
    const auto engine = std::make_shared<DnnEngine>(argv[1], cv::Size(227, 227));
    scorecam::ModelOptions described;
    described.manifest_file = argv[3];
    const scorecam::Model model = host.adopt(engine, described);
    const cv::Mat photo = cv::imread(argv[2]);
    const std::vector<float> alone = map_of(model, photo);
    if (!refuses(*engine, 3, "attic", SCORECAM_ERR_NOT_FOUND) ||
        !refuses(*engine, 2, "fire9", SCORECAM_ERR_MODEL)) {
        std::cerr << "a layer that is not there, or an input of two channels, is not refused\n";
        return 1;
    }
    std::vector<std::future<std::vector<float>>> together;
    for (int i = 0; i < 4; i++) {
        together.push_back(std::async(std::launch::async, [&] { return map_of(model, photo); }));
    }
    for (auto &map : together) {
        if (map.get() != alone) {
            std::cerr << "a thread among others got another map than one alone\n";
            return 1;
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char **argv) {
    try {
        return argc == 4 ? run(argv) : 2;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
