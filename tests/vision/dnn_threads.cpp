// Several threads explain with one cv::dnn engine, and get the bits that one gets:
//     dnn_threads MODEL PHOTO MANIFEST
#include <exception>
#include <future>
#include <iostream>
#include <memory>
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

int run(char **argv) {
    const scorecam::Host host = scorecam::Host::create();
    // Another size than the manifest's: layers are described for one and run at the other.
    const auto engine = std::make_shared<DnnEngine>(argv[1], cv::Size(64, 64));
    const scorecam::Model model = host.adopt(engine, argv[3]);
    const cv::Mat photo = cv::imread(argv[2]);
    const std::vector<float> alone = map_of(model, photo);
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
