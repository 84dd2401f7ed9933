// An alarm if a decision is not based on a part of the photo: evidence_gate PLUGIN MODEL PHOTO.ppm LEAST X0 Y0 X1 Y1
//
// The part is a box in pixels of the photo, LEAST the minimum share of the evidence on it, 0 to 1. Prints the share,
// its lift over an uninformative map, and the boxes of the evidence. The exit status is 0 if the share is sufficient,
// 1 if it is not, and 2 on errors, so that the gate never opens by mistake. Build against an installed scorecam:
//     c++ -std=c++17 evidence_gate.cpp $(pkg-config --cflags --libs scorecam) -o evidence_gate
#include "scorecam.hpp"

#include <fstream>
#include <iostream>

namespace {

struct Ppm {
    std::size_t width = 0;
    std::size_t height = 0;
    std::vector<std::uint8_t> pixels;
};

Ppm read_ppm(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    Ppm photo;
    std::size_t most = 0;
    file >> magic >> photo.width >> photo.height >> most;
    file.get();
    if (!file || magic != "P6" || most != 255 || photo.width > 65535 || photo.height > 65535) {
        throw std::runtime_error(path + " is no P6 PPM of 8 bits");
    }
    photo.pixels.resize(3 * photo.width * photo.height);
    const auto size = static_cast<std::streamsize>(photo.pixels.size());
    if (!file.read(reinterpret_cast<char *>(photo.pixels.data()), size)) {
        throw std::runtime_error(path + " is cut short");
    }
    return photo;
}

// Whether at least `least` of the evidence for the predicted class lies on the part.
bool is_enough(const scorecam::Model &model, const Ppm &photo, double least, const scorecam::Edges &part) {
    const auto image = scorecam::Image::photo(photo.pixels, photo.width, photo.height);
    const scorecam::Explanation found = model.explain(image);
    const scorecam::Evidence evidence = found.region(0, {part});
    // A map without positive values has no evidence.
    const double energy = evidence.energy.value_or(0.0);
    std::cout << "on the part: " << energy << ", lift " << evidence.lift.value_or(0.0) << '\n';
    scorecam::BoxOptions half;
    half.threshold = 0.5;
    half.areas = scorecam::Areas::All;
    for (const scorecam::Box &box : found.boxes(0, half)) {
        std::cout << "evidence at " << box.rect[0] << ',' << box.rect[1] << ',' << box.rect[2] << ',' << box.rect[3]
                  << ": " << box.energy << '\n';
    }
    return energy >= least;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 9) {
        std::cerr << "usage: " << argv[0] << " PLUGIN MODEL PHOTO.ppm LEAST X0 Y0 X1 Y1\n";
        return 2;
    }
    try {
        const auto host = scorecam::Host::create();
        host.load_plugin(argv[1]);
        const auto model = host.load_model(argv[2]);
        const scorecam::Edges part = {std::stod(argv[5]), std::stod(argv[6]), std::stod(argv[7]), std::stod(argv[8])};
        const bool enough = is_enough(model, read_ppm(argv[3]), std::stod(argv[4]), part);
        std::cout << (enough ? "pass\n" : "alarm: too little of the evidence lies on the part\n");
        return enough ? 0 : 1;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
}
