// Explains the photos of a folder in two threads, within a time limit: explain_folder MODEL PHOTOS OUT [SECONDS]
//
// Prints the three likeliest classes of each photo, and writes its picture with the map of the first class to folder
// OUT, or prints a message if its passes took longer than SECONDS. Build against an installed scorecam and OpenCV:
//     c++ -std=c++17 explain_folder.cpp $(pkg-config --cflags --libs scorecam opencv4) -o explain_folder
#include <atomic>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

#include <opencv2/imgcodecs.hpp>

#include <scorecam.hpp>

// Writes the picture of a photo, and returns the line to print.
static std::string explain(const scorecam::Model &model, const scorecam::ExplainOptions &options,
                           const std::string &path, const std::string &picture) try {
    const cv::Mat photo = cv::imread(path);
    const scorecam::Explanation found = model.explain(scorecam::photo_of(photo), options);
    std::ostringstream text;
    for (const scorecam::Target &target : found.targets()) {
        text << path << ": " << target.score << ' ' << target.label.value_or(target.text) << '\n';
    }
    if (!found.has_maps()) {
        text << path << ": late, there is no map\n";
    } else if (!cv::imwrite(picture, scorecam::overlay_of(found, photo))) {
        throw std::runtime_error(picture + " can't be written");
    }
    return text.str();
} catch (const std::exception &error) {
    return path + ": " + error.what() + '\n';
}

int main(int argc, char **argv) try {
    if (argc < 4) {
        std::cerr << "usage: explain_folder MODEL PHOTOS OUT [SECONDS]\n";
        return 2;
    }
    const scorecam::Model model = scorecam::Host::create().load_model(argv[1]);
    scorecam::ExplainOptions options;
    options.top_k = 3;
    options.time_limit = std::chrono::duration<double>(argc > 4 ? std::atof(argv[4]) : 0.0);
    const std::vector<std::filesystem::path> photos{std::filesystem::directory_iterator(argv[2]), {}};
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next++; i < photos.size(); i = next++) {
            const auto picture = argv[3] / photos[i].filename().replace_extension("png");
            std::cout << explain(model, options, photos[i], picture) << std::flush;
        }
    };
    std::thread other(work);
    work();
    other.join();
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
