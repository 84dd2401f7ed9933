// Explains a photo in C++17: explain_photo PLUGIN MODEL PHOTO.ppm OVERLAY.ppm
//
// Photo and overlay are 8-bit P6 PPM files. Prints the three likeliest classes, each with the position of its
// strongest evidence. Build against an installed scorecam:
//     c++ -std=c++17 explain_photo.cpp $(pkg-config --cflags --libs scorecam) -o explain_photo
#include "scorecam.hpp"

#include <algorithm>
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

void write_ppm(const std::string &path, const Ppm &photo) {
    std::ofstream file(path, std::ios::binary);
    file << "P6\n" << photo.width << ' ' << photo.height << "\n255\n";
    file.write(reinterpret_cast<const char *>(photo.pixels.data()),
               static_cast<std::streamsize>(photo.pixels.size()));
    if (!file.flush()) {
        throw std::runtime_error(path + " can't be written");
    }
}

void explain(const std::string &plugin, const std::string &model_path, const std::string &in,
             const std::string &out) {
    const Ppm photo = read_ppm(in);
    const auto image = scorecam::Image::photo(photo.pixels, photo.width, photo.height);

    const auto host = scorecam::Host::create();
    host.load_plugin(plugin);
    const auto model = host.load_model(model_path);

    scorecam::ExplainOptions options;
    options.top_k = 3;
    options.progress = [](std::uint64_t passes, std::uint64_t expected) {
        if (expected > 0) {
            std::cerr << "\r" << passes << " of " << expected << " passes" << std::flush;
        }
        return scorecam::Flow::Continue;
    };
    const auto found = model.explain(image, options);
    std::cerr << '\n';

    const std::vector<scorecam::Target> targets = found.targets();
    for (std::size_t i = 0; i < targets.size(); i++) {
        const scorecam::MapView map = found.map(i);
        const auto best = std::max_element(map.values().begin(), map.values().end()) - map.data();
        const auto place = static_cast<std::size_t>(best);
        std::cout << targets[i].label.value_or(targets[i].text) << ", score " << targets[i].score << ": row " << place / map.width() << ", column " << place % map.width()
                  << " of " << map.height() << 'x' << map.width() << '\n';
    }
    write_ppm(out, {photo.width, photo.height, found.overlay(image)});
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 5) {
        std::cerr << "usage: " << argv[0] << " PLUGIN MODEL PHOTO.ppm OVERLAY.ppm\n";
        return 2;
    }
    try {
        explain(argv[1], argv[2], argv[3], argv[4]);
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
