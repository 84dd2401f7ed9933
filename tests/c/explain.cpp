// A C++17 program that explains a photo: explain PLUGIN MODEL PHOTO.ppm CLASS OUT
//
// PHOTO is a P6 PPM of 8 bits. OUT gets the map as raw f32, in the machine's byte order. The layers and the
// target are printed.
#include "scorecam.h"

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void demand(std::int32_t status) {
    if (status != SCORECAM_OK) {
        throw std::runtime_error(std::string(scorecam_status_name(status)) + ": " + scorecam_last_error());
    }
}

struct Free {
    void operator()(scorecam_host *host) const { scorecam_host_free(host); }
    void operator()(scorecam_model *model) const { scorecam_model_free(model); }
    void operator()(scorecam_explanation *explanation) const { scorecam_explanation_free(explanation); }
};

template <typename T> using Handle = std::unique_ptr<T, Free>;

std::vector<std::uint8_t> read_ppm(const char *path, scorecam_image &image) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    std::size_t width = 0, height = 0, most = 0;
    file >> magic >> width >> height >> most;
    file.get();
    if (!file || magic != "P6" || most != 255) {
        throw std::runtime_error(std::string(path) + " is no P6 PPM of 8 bits");
    }
    std::vector<std::uint8_t> pixels(3 * width * height);
    if (!file.read(reinterpret_cast<char *>(pixels.data()), static_cast<std::streamsize>(pixels.size()))) {
        throw std::runtime_error(std::string(path) + " is cut short");
    }
    image.data = pixels.data();
    image.data_size = pixels.size();
    image.width = width;
    image.height = height;
    return pixels;
}

void print_layers(const scorecam_model *model) {
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    demand(scorecam_model_describe(&info, model));
    for (std::uint64_t i = 0; i < info.layer_count; i++) {
        scorecam_layer_info layer = SCORECAM_LAYER_INFO_INIT;
        demand(scorecam_model_layer(&layer, model, i));
        std::cout << "layer " << layer.name << ' ' << layer.operation << " [";
        for (std::uint32_t axis = 0; axis < layer.shape.rank; axis++) {
            std::cout << (axis == 0 ? "" : ", ") << layer.shape.sizes[axis];
        }
        std::cout << (layer.is_default ? "] default\n" : "]\n");
    }
}

void run(char **argv) {
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    const auto pixels = read_ppm(argv[3], photo);

    scorecam_host *raw_host = nullptr;
    demand(scorecam_host_create(&raw_host));
    const Handle<scorecam_host> host(raw_host);
    demand(scorecam_host_load_plugin(host.get(), argv[1]));

    scorecam_model_options load = SCORECAM_MODEL_OPTIONS_INIT;
    load.threads = 1;
    scorecam_model *raw_model = nullptr;
    demand(scorecam_model_load(&raw_model, host.get(), argv[2], &load));
    const Handle<scorecam_model> model(raw_model);
    print_layers(model.get());

    std::uint64_t class_index = 0;
    demand(scorecam_model_find_class(&class_index, model.get(), argv[4]));
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    options.classes = &class_index;
    options.class_count = 1;
    scorecam_explanation *raw_explanation = nullptr;
    demand(scorecam_explain(&raw_explanation, model.get(), &photo, &options));
    const Handle<scorecam_explanation> explanation(raw_explanation);

    scorecam_target target = SCORECAM_TARGET_INIT;
    demand(scorecam_explanation_target(&target, explanation.get(), 0));
    const float *map = nullptr;
    std::uint64_t height = 0, width = 0;
    demand(scorecam_explanation_map(&map, &height, &width, explanation.get(), 0));
    std::ofstream out(argv[5], std::ios::binary);
    out.write(reinterpret_cast<const char *>(map), static_cast<std::streamsize>(height * width * sizeof *map));
    if (!out.flush()) {
        throw std::runtime_error(std::string(argv[5]) + " can't be written");
    }
    std::cout << "class " << target.class_index << " score " << target.score << "\nmap " << height << 'x' << width
              << '\n';
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 6) {
        std::cerr << "usage: " << argv[0] << " PLUGIN MODEL PHOTO.ppm CLASS OUT\n";
        return 2;
    }
    try {
        run(argv);
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
