// An application with OpenCV's cv::dnn as its own engine, explained without a plugin: it passes the class in
// dnn_engine.hpp to scorecam::Host::adopt.
//
//     explain_dnn MODEL.onnx PHOTO --size=227 --manifest=squeezenet_dnn.toml --class="Egyptian cat"
//                 --overlay=cat.png --map=cat.f32
//
// Prints the layers; --map is raw f32 in native byte order. The manifest sets preprocessing, labels and layer, as for
// a plugin, but with the layer's ONNX node name; without one, pixels are RGB from 0 to 1, and the layer is the last
// one with spatial extent. For the SqueezeNet of `cargo xtask fetch`:
//     sed 's/"features"/"fire9"/' squeezenet1_1.toml > squeezenet_dnn.toml     (beside it, for its labels)
// cv::dnn 4.6 imports ONNX up to about opset 10: a Clip whose bounds are inputs, as in EfficientNet-Lite0 of
// opset 11 and later, is refused with its line.
//
// Build, from the repository's folder, after `cargo build --release`:
//     c++ -std=c++17 -O2 -o explain_dnn examples/opencv-dnn/*.cpp -Iinclude -Ltarget/release -lscorecam
//         $(pkg-config --cflags opencv4) -lopencv_dnn -lopencv_imgcodecs -lopencv_core
// or against an installed scorecam, with CMakeLists.txt beside this file.
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "dnn_engine.hpp"
#include "scorecam/opencv.hpp"

namespace {

const char *const kUsage =
    "{@model    |      | a model that cv::dnn reads, as .onnx }"
    "{@photo    |      | the photo to explain }"
    "{size      | 224  | side of the model's square input }"
    "{manifest  |      | TOML file with preprocessing, labels and layer }"
    "{class     |      | number or label; the highest score's if not given }"
    "{layer     |      | layer to explain; the manifest's or the last one with spatial extent if not given }"
    "{maps      | 0    | explain with so many activation maps, those that vary most; 0 for all }"
    "{overlay   |      | where the overlay is written, as .png }"
    "{map       |      | where the map is written, as raw f32 }"
    "{help h    |      | print this }";

void print_layers(const scorecam::Model &model) {
    for (const scorecam::LayerInfo &layer : model.layers()) {
        std::cout << "layer " << layer.name << ' ' << layer.operation << ' ' << layer.shape.text()
                  << (layer.is_default ? " default\n" : "\n");
    }
}

void write_map(const std::string &path, const scorecam::MapView &map) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char *>(map.data()),
              static_cast<std::streamsize>(map.values().size() * sizeof(float)));
    if (!out.flush()) {
        throw std::runtime_error(path + " can't be written");
    }
}

void run(const cv::CommandLineParser &options) {
    const auto side = options.get<int>("size");
    const auto engine = std::make_shared<DnnEngine>(options.get<std::string>("@model"), cv::Size(side, side));
    const scorecam::Host host = scorecam::Host::create();
    scorecam::ModelOptions described;
    described.manifest_file = options.get<std::string>("manifest");
    const scorecam::Model model = host.adopt(engine, described);
    print_layers(model);

    const auto path = options.get<std::string>("@photo");
    const cv::Mat photo = cv::imread(path);
    if (photo.empty()) {
        throw std::runtime_error(path + " is not a photo that OpenCV reads");
    }
    scorecam::ExplainOptions wanted;
    wanted.layer = options.get<std::string>("layer");
    if (options.has("class")) {
        wanted.classes = {model.class_index(options.get<std::string>("class"))};
    }
    if (options.get<int>("maps") > 0) {
        wanted.options = {{"select", "std"}, {"select_count", options.get<std::string>("maps")}};
    }
    cv::TickMeter clock;
    clock.start();
    const scorecam::Explanation explanation = model.explain(scorecam::photo_of(photo), wanted);
    clock.stop();

    const scorecam::Target target = explanation.targets().front();
    std::cout << "class " << target.class_index << " (" << target.label.value_or("no label") << "), score "
              << target.score << "; layer " << explanation.layer() << ", " << explanation.passes()
              << " passes in " << clock.getTimeSec() << " s\n";
    if (options.has("map")) {
        write_map(options.get<std::string>("map"), explanation.map(0));
    }
    const auto overlay = options.get<std::string>("overlay");
    if (!overlay.empty() && !cv::imwrite(overlay, scorecam::overlay_of(explanation, photo))) {
        throw std::runtime_error(overlay + " can't be written");
    }
}

}  // namespace

int main(int argc, char **argv) {
    // What OpenCV throws is printed once, below.
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    try {
        const cv::CommandLineParser options(argc, argv, kUsage);
        if (options.has("help") || !options.has("@photo") || !options.check()) {
            options.printMessage();
            options.printErrors();
            return 2;
        }
        run(options);
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
