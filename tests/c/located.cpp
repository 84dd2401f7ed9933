// Prints where a map lies: located PLUGIN MODEL PHOTO.ppm MASK.pgm THRESHOLD
//
// A line for each box, one for the mask, and one for each value of the map at the size of the photo, with all digits. The tests
// compare them with the results of the command line.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "scorecam.hpp"

namespace {

struct Picture {
    std::size_t width = 0, height = 0;
    std::vector<std::uint8_t> samples;
};

// A P6 or P5 of 8 bits.
Picture read(const char *path, std::size_t channels) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    Picture picture;
    std::size_t most = 0;
    file >> magic >> picture.width >> picture.height >> most;
    file.get();
    picture.samples.resize(channels * picture.width * picture.height);
    if (!file.read(reinterpret_cast<char *>(picture.samples.data()),
                   static_cast<std::streamsize>(picture.samples.size()))) {
        throw std::runtime_error(std::string(path) + " is no such picture");
    }
    return picture;
}

void locate(char **arguments) {
    const Picture photo = read(arguments[3], 3), mask = read(arguments[4], 1);
    const scorecam::Host host = scorecam::Host::create();
    host.load_plugin(arguments[1]);
    const scorecam::Model model = host.load_model(arguments[2]);
    const scorecam::Explanation found =
        model.explain(scorecam::Image::photo(photo.samples, photo.width, photo.height));

    for (const scorecam::Box &box :
         found.boxes(0, {std::atof(arguments[5]), scorecam::Areas::All})) {
        std::printf("box %.17g %.17g %.17g %.17g %.17g\n", box.rect[0], box.rect[1], box.rect[2], box.rect[3], box.energy);
    }
    const auto image =
        scorecam::Image::photo(mask.samples, mask.width, mask.height, scorecam::PixelFormat::Gray);
    const scorecam::Evidence on = found.region(0, image);
    std::printf("region %.17g %.17g %d\n", on.energy.value(), on.lift.value(), on.pointing ? 1 : 0);
    for (const float value : found.photo_map(0, photo.height, photo.width)) {
        std::printf("%.9g\n", static_cast<double>(value));
    }
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: %s PLUGIN MODEL PHOTO.ppm MASK.pgm THRESHOLD\n", argv[0]);
        return 2;
    }
    try {
        locate(argv);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
