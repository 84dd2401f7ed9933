// Draws saliency maps over a video from a camera or a file:
//
//     overlay_video clip.mp4 efficientnet-lite0.toml out.avi
//     overlay_video 0 squeezenet1_1.toml out.avi --async --frames=900
//     overlay_video clip.mp4 squeezenet1_1.toml out.avi --every=30 --method=score-cam
//
// The model is loaded once. Each frame is explained by Recipro-CAM, which costs about half as much as the model, if
// the model can run from its layer. Use a more expensive method only for every `--every`-th frame; the newest map is
// blended over all frames until the next. A file waits for its maps; with --async, for cameras, a thread makes them
// while frames continue, so the map is delayed by the time of an explanation. Fewer passes reduce the delay:
// --maps=32 runs Score-CAM with the 32 activation maps that vary most, in 33 passes instead of about 450.
//
// An output with the extension .avi is written as MJPG, all others as mp4v.
//
// Build, from the repository's folder, after `cargo build --release`:
//     c++ -std=c++17 -O2 -o overlay_video examples/opencv-video/overlay_video.cpp -Iinclude -Ltarget/release
//         -lscorecam $(pkg-config --cflags opencv4) -lopencv_videoio -lopencv_core -pthread
// or against an installed scorecam, with CMakeLists.txt beside this file.
#include <algorithm>
#include <cctype>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

#include "live_map.hpp"
#include "scorecam/opencv.hpp"

namespace {

const char *const kUsage =
    "{@input    |      | number of a camera, or a video file }"
    "{@model    |      | a model or its manifest }"
    "{@output   |      | the video that is written, as .avi or .mp4 }"
    "{plugin    |      | a backend's file; none to find it by itself }"
    "{class     |      | number or label; each time the highest score's if not given }"
    "{layer     |      | layer to explain }"
    "{method    | auto | the method; auto for a map at little cost, by what the model allows }"
    "{maps      | 0    | explain by Score-CAM with so many activation maps, those that vary most; 0 for all }"
    "{every     | 1    | explain again after so many frames; 0 for the first alone }"
    "{frames    | 0    | stop after so many frames; 0 to go on to the end }"
    "{opacity   | 0.5  | the map's share, 0 to 1 }"
    "{colormap  |      | viridis, turbo, jet, inferno or gray }"
    "{threads   | 0    | of the engine; 0 for all cores }"
    "{async     |      | let frames go on while one is explained }"
    "{help h    |      | print this }";

scorecam::Model load_model(const cv::CommandLineParser &options) {
    const scorecam::Host host = scorecam::Host::create();
    if (options.has("plugin")) {
        host.load_plugin(options.get<std::string>("plugin"));
    }
    scorecam::ModelOptions load;
    load.layer = options.get<std::string>("layer");
    load.threads = static_cast<std::uint32_t>(std::max(0, options.get<int>("threads")));
    return host.load_model(options.get<std::string>("@model"), load);
}

cv::VideoCapture open_input(const std::string &input) {
    const bool camera = !input.empty() && std::all_of(input.begin(), input.end(),
                                                      [](unsigned char c) { return std::isdigit(c) != 0; });
    cv::VideoCapture capture = camera ? cv::VideoCapture(std::stoi(input)) : cv::VideoCapture(input);
    if (!capture.isOpened()) {
        throw std::runtime_error((camera ? "camera " : "video ") + input + " can't be opened");
    }
    return capture;
}

cv::VideoWriter open_output(const std::string &path, double fps, cv::Size size) {
    const bool avi = path.size() > 4 && path.compare(path.size() - 4, 4, ".avi") == 0;
    const int codec =
        avi ? cv::VideoWriter::fourcc('M', 'J', 'P', 'G') : cv::VideoWriter::fourcc('m', 'p', '4', 'v');
    // Cameras often do not report their frame rate.
    cv::VideoWriter writer(path, codec, fps > 0.0 ? fps : 30.0, size);
    if (!writer.isOpened()) {
        throw std::runtime_error("video " + path + " can't be written");
    }
    return writer;
}

void print_map(std::uint64_t frame, const scorecam::Explanation &explanation) {
    const scorecam::Target target = explanation.targets().front();
    std::cout << "frame " << frame << ": class " << target.class_index << " ("
              << target.label.value_or("no label") << "), score " << target.score << ", "
              << explanation.passes() << " passes" << std::endl;
}

void run(const cv::CommandLineParser &options) {
    const scorecam::Model model = load_model(options);
    scorecam::ExplainOptions wanted;
    wanted.method = options.get<std::string>("method");
    if (options.get<int>("maps") > 0) {
        wanted.method = "score-cam";
        wanted.options = {{"select", "std"}, {"select_count", options.get<std::string>("maps")}};
    }
    if (options.has("class")) {
        wanted.classes = {model.class_index(options.get<std::string>("class"))};
    }
    scorecam::OverlayOptions look;
    look.opacity = options.get<float>("opacity");
    look.colormap = options.get<std::string>("colormap");

    cv::VideoCapture capture = open_input(options.get<std::string>("@input"));
    const auto every = static_cast<std::uint64_t>(std::max(0, options.get<int>("every")));
    LiveMap map(model, wanted, every, options.has("async") ? Pace::GoingOn : Pace::Waiting);
    cv::VideoWriter writer;
    const auto most = static_cast<std::uint64_t>(std::max(0, options.get<int>("frames")));
    std::uint64_t frames = 0, maps = 0, passes = 0;
    cv::TickMeter clock;
    clock.start();
    for (cv::Mat frame; (most == 0 || frames < most) && capture.read(frame); frames++) {
        if (!writer.isOpened()) {
            writer =
                open_output(options.get<std::string>("@output"), capture.get(cv::CAP_PROP_FPS), frame.size());
        }
        const auto [picture, renewed] = map.draw(frame, look);
        writer.write(picture);
        if (renewed) {
            maps++;
            passes += map.current()->passes();
            print_map(frames, *map.current());
        }
    }
    clock.stop();
    if (frames == 0) {
        throw std::runtime_error(options.get<std::string>("@input") + " has no frames");
    }
    std::cout << frames << " frames in " << clock.getTimeSec() << " s, "
              << static_cast<double>(frames) / clock.getTimeSec() << " frames a second; " << maps
              << " maps of " << passes << " passes\n";
}

}  // namespace

int main(int argc, char **argv) {
    // What OpenCV tries on its way to an input is not worth a line; what fails is printed below.
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    try {
        const cv::CommandLineParser options(argc, argv, kUsage);
        if (options.has("help") || !options.has("@output") || !options.check()) {
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
