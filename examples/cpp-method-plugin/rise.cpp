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
        return {"my-rise", "0.1.0", "random masks weighted by the score of the image that each lets through", {}, 0};
    }

    scorecam::MethodDescription describe() const override {
        return {0,
                {{"masks", "how many random masks", "4000", SCORECAM_OPTION_INTEGER, {}, 1, 1e6},
                 {"cells", "cells of a mask along each side", "7", SCORECAM_OPTION_INTEGER, {}, 1, 64},
                 {"keep", "the share of cells that are kept", "0.5", SCORECAM_OPTION_NUMBER, {}, 0, 1},
                 {"seed", "of the random numbers", "0", SCORECAM_OPTION_INTEGER, {}, 0, 1e9}},
                {}};
    }

    scorecam::MethodResult explain(const scorecam::Study &study,
                                   const scorecam::OptionValues &options) const override {
        const auto count = static_cast<std::size_t>(options.integer("masks"));
        const auto cells = static_cast<std::size_t>(options.integer("cells"));
        const double keep = options.number("keep");
        const std::size_t height = study.input().shape()[2], width = study.input().shape()[3];
        const std::size_t rows = (height + cells - 1) / cells, columns = (width + cells - 1) / cells;
        std::mt19937_64 random(static_cast<std::uint64_t>(options.integer("seed")));
        scorecam::Tensor maps({study.targets().size(), height, width});
        study.expect_passes(count);
        for (std::size_t first = 0; first < count; first += study.batch_size()) {
            const std::size_t batch = std::min<std::size_t>(study.batch_size(), count - first);
            std::vector<float> masks;
            for (std::size_t m = 0; m < batch; m++) {
                // One cell more than the image has, so that the mask can be shifted by up to a cell.
                std::vector<float> grid((cells + 1) * (cells + 1));
                for (float &cell : grid) {
                    cell = static_cast<double>(random() >> 11) * 0x1p-53 < keep ? 1.0f : 0.0f;
                }
                const std::size_t wide = (cells + 1) * columns, x = random() % columns, y = random() % rows;
                const auto large = scorecam::resized(grid, cells + 1, cells + 1, (cells + 1) * rows, wide);
                for (std::size_t row = y; row < y + height; row++) {
                    masks.insert(masks.end(), &large[row * wide + x], &large[row * wide + x] + width);
                }
            }
            const scorecam::TensorView view({batch, height, width}, masks);
            const scorecam::Tensor scores = study.masked_scores({view});
            for (std::size_t i = 0; i < study.targets().size() * batch; i++) {
                const std::size_t target = i / batch, m = i % batch;
                const double score = scorecam::class_score(study.output_activation(), scores.view().item(m),
                                                           study.targets()[target]);
                for (std::size_t p = 0; p < height * width; p++) {
                    maps[target * height * width + p] += static_cast<float>(score) * view.item(m)[p];
                }
            }
        }
        for (std::size_t target = 0; target < study.targets().size(); target++) {
            scorecam::normalize({maps.data() + target * height * width, height * width});
        }
        return {std::move(maps), {}, {}};
    }
};

// This is all that makes the library a plugin.
SCORECAM_PLUGIN(Rise);
