// Template of a method plugin in C++: `my-rise`, RISE (Petsiuk et al., 2018) in its shortest form: the mean of random masks,
// each times the score of the image that it lets through. Build it by CMake, or by one line:
//
//     c++ -std=c++17 -O2 -shared -fPIC -Wl,--version-script=plugin.map -I PREFIX/include rise.cpp -o libscorecam_rise.so
//     scorecam explain cat.jpg --model squeezenet.onnx --method my-rise --plugin ./libscorecam_rise.so --overlay o.png
#include <random>

#include <scorecam_plugin.hpp>

class Rise final : public scorecam::Method {
   public:
    scorecam::Descriptor descriptor() const override {
        return {"my-rise", "0.1.0", "random masks weighted by the score of the image that each lets through"};
    }

    scorecam::MethodDescription describe() const override {
        return {SCORECAM_NEEDS_NO_LAYER,
                {{"masks", "how many random masks", "4000", SCORECAM_OPTION_INTEGER, {}, 1, 1e6},
                 {"cells", "cells of a mask along each side", "7", SCORECAM_OPTION_INTEGER, {}, 1, 64},
                 {"keep", "the share of cells that are kept", "0.5", SCORECAM_OPTION_NUMBER, {}, 0, 1},
                 {"seed", "of the random numbers", "0", SCORECAM_OPTION_INTEGER, {}, 0, 1e9}}};
    }

    scorecam::MethodResult explain(const scorecam::Study &study,
                                   const scorecam::OptionValues &options) const override {
        const auto count = static_cast<std::size_t>(options.integer("masks"));
        const auto cells = static_cast<std::size_t>(options.integer("cells"));
        const std::size_t height = study.input().shape()[2], width = study.input().shape()[3];
        std::mt19937_64 random(static_cast<std::uint64_t>(options.integer("seed")));
        scorecam::Tensor maps({study.targets().size(), height, width});
        study.expect_passes(count);
        // One batch at a time, because masks are as large as the input.
        for (std::size_t first = 0; first < count; first += study.batch_size()) {
            scorecam::Tensor masks({std::min<std::size_t>(study.batch_size(), count - first), height, width});
            for (std::size_t m = 0; m < masks.shape()[0]; m++) {
                draw(masks.item(m), height, width, cells, options.number("keep"), random);
            }
            const scorecam::Tensor scores = target_scores(study, study.masked_scores({masks.view()}));
            for (std::size_t i = 0; i < scores.size(); i++) {
                const std::size_t m = i / maps.shape()[0], target = i % maps.shape()[0];
                scorecam::add_weighted(maps.item(target), scores[i], masks.item(m));
            }
        }
        for (std::size_t target = 0; target < maps.shape()[0]; target++) {
            scorecam::normalize(maps.item(target));
        }
        return {std::move(maps)};
    }

   private:
    // Draws one more cell along each side than the mask shows, so that it can be shifted by up to a cell.
    static void draw(scorecam::View<float> mask, std::size_t height, std::size_t width, std::size_t cells,
                     double keep, std::mt19937_64 &random) {
        std::vector<float> grid((cells + 1) * (cells + 1));
        for (float &cell : grid) {
            cell = static_cast<double>(random() >> 11) * 0x1p-53 < keep ? 1.0f : 0.0f;
        }
        const std::size_t rows = (height + cells - 1) / cells, columns = (width + cells - 1) / cells;
        const std::size_t x = random() % columns, y = random() % rows, wide = (cells + 1) * columns;
        const auto large = scorecam::resized(grid, cells + 1, cells + 1, (cells + 1) * rows, wide);
        for (std::size_t row = 0; row < height; row++) {
            std::copy_n(&large[(y + row) * wide + x], width, &mask[row * width]);
        }
    }
};

// This makes the library a plugin.
SCORECAM_PLUGIN(Rise);
