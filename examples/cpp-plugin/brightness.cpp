// Template of a plugin in C++17: backend "brightness" and method "mean-cells", simple enough to check by eye.
//
// Build and use it. plugin.map hides all symbols except the entry, including those of the standard library. If the
// headers are not in a standard location, add $(pkg-config --cflags scorecam).
//     c++ -std=c++17 -O2 -shared -fPIC -Wl,--version-script=plugin.map brightness.cpp -o brightness.so
//     echo 4 > four.bright
//     scorecam explain cat.jpg --model four.bright --overlay cat.png --plugin ./brightness.so
//
// A model is a file `name.bright` that contains the number of classes, 1 to 8. The "network" divides an image of
// 3 x 64 x 64 into a grid of 8 x 8 cells. Its one layer, "cells", holds the mean of each color in each cell. The
// picture's columns are divided among the classes, from left to right, and a class's score is the brightness of its
// columns. To add your own runtime, change Brightness::load() and BrightnessModel::forward(); for a method,
// MeanCells::explain(). Their exceptions become a status.
#include "scorecam_plugin.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <functional>

namespace {

using scorecam::Error;
using scorecam::TensorView;
using scorecam::View;

constexpr std::size_t kChannels = 3;
// Height and width of the input.
constexpr std::size_t kSide = 64;
// Cells in each direction.
constexpr std::size_t kGrid = 8;
// Pixels of a cell in each direction.
constexpr std::size_t kCell = kSide / kGrid;

// The layer "cells": the mean of each cell of an image [C, kSide, kSide], as [C, kGrid, kGrid].
std::vector<float> mean_of_cells(View<const float> image) {
    std::vector<float> cells(kChannels * kGrid * kGrid);
    for (std::size_t i = 0; i < image.size(); i++) {
        const std::size_t x = i % kSide, y = i / kSide % kSide, channel = i / (kSide * kSide);
        cells[(channel * kGrid + y / kCell) * kGrid + x / kCell] += image[i] / float{kCell * kCell};
    }
    return cells;
}

// A loaded model. Several threads may call it concurrently; a runtime that does not support this needs a mutable
// mutex here.
class BrightnessModel final : public scorecam::Engine {
   public:
    explicit BrightnessModel(std::size_t classes) : classes_(classes) {}

    scorecam::ModelDescription describe() const override {
        scorecam::ModelDescription description;
        // 0 is an axis of variable length: here the batch.
        description.input.shape = {0, kChannels, kSide, kSide};
        description.outputs = {{"scores", {0, classes_}, SCORECAM_OUTPUT_LOGITS}};
        description.layers = {{"cells", "MeanPool", {kChannels, kGrid, kGrid}, SCORECAM_LAYER_MAPS}};
        description.default_layer = 0;
        description.preferred_batch = 16;
        return description;
    }

    std::vector<scorecam::Tensor> forward(const scorecam::Inputs &inputs,
                                          View<const std::string_view> wanted) const override {
        const TensorView batch = inputs.images();
        // Shapes and names come from the caller, so validate them before indexing.
        const scorecam::Shape &shape = batch.shape();
        if (shape.rank() != 4 || shape != scorecam::Shape(shape[0], kChannels, kSide, kSide)) {
            throw Error(SCORECAM_ERR_INVALID_ARGUMENT,
                        "the batch has shape " + shape.text() + "; the model takes [any, 3, 64, 64]");
        }
        for (const std::string_view name : wanted) {
            if (name != "scores" && name != "cells") {
                throw Error(SCORECAM_ERR_NOT_FOUND,
                            "layer " + std::string(name) + " does not exist; there is cells");
            }
        }
        std::vector<float> cells, scores;
        for (std::size_t image = 0; image < shape[0]; image++) {
            const std::vector<float> of_image = mean_of_cells(batch.item(image));
            const std::vector<float> of_classes = scores_of(of_image);
            cells.insert(cells.end(), of_image.begin(), of_image.end());
            scores.insert(scores.end(), of_classes.begin(), of_classes.end());
        }
        std::vector<scorecam::Tensor> made;
        for (const std::string_view name : wanted) {
            made.push_back(name == "scores"
                               ? scorecam::Tensor({shape[0], classes_}, scores)
                               : scorecam::Tensor({shape[0], kChannels, kGrid, kGrid}, cells));
        }
        return made;
    }

   private:
    // The mean over the columns of each class.
    std::vector<float> scores_of(const std::vector<float> &cells) const {
        std::vector<float> sums(classes_), counts(classes_);
        for (std::size_t i = 0; i < cells.size(); i++) {
            const std::size_t class_index = i % kGrid * classes_ / kGrid;
            sums[class_index] += cells[i];
            counts[class_index] += 1.0f;
        }
        std::transform(sums.begin(), sums.end(), counts.begin(), sums.begin(), std::divides<>());
        return sums;
    }

    std::size_t classes_;
};

// The runtime: it turns files into models.
class Brightness final : public scorecam::Backend {
   public:
    scorecam::Descriptor descriptor() const override {
        return {"brightness", "0.1.0", "scores how bright the columns of a picture are", {"bright"}};
    }

    std::unique_ptr<scorecam::Engine> load(const scorecam::ModelConfig &config) const override {
        config.no_settings();
        std::ifstream file(config.path);
        if (!file) {
            throw Error(SCORECAM_ERR_IO, config.path + " cannot be read");
        }
        std::size_t classes = 0;
        char rest = 0;
        if (!(file >> classes) || file >> rest || classes < 1 || classes > kGrid) {
            throw Error(SCORECAM_ERR_MODEL, config.path + " does not hold a number of classes from 1 to 8");
        }
        return std::make_unique<BrightnessModel>(classes);
    }
};

// The mean of the layer's activation maps, one value per cell; the same for every class.
class MeanCells final : public scorecam::Method {
   public:
    scorecam::Descriptor descriptor() const override {
        return {"mean-cells", "0.1.0", "mean of the layer's activation maps; the same for every class"};
    }

    scorecam::MethodDescription describe() const override {
        scorecam::OptionSpec rectify;
        rectify.name = "rectify";
        rectify.help = "whether negative activations count as 0";
        rectify.default_value = "true";
        rectify.kind = SCORECAM_OPTION_FLAG;
        return {0, {rectify}, {}};
    }

    scorecam::MethodResult explain(const scorecam::Study &study,
                                   const scorecam::OptionValues &options) const override {
        const bool rectify = options.flag("rectify");
        const TensorView input = study.input(), activations = study.activations();
        const std::size_t height = input.shape()[2], width = input.shape()[3];
        const std::size_t h = activations.shape()[2], w = activations.shape()[3];
        std::vector<float> mean(h * w);
        for (std::size_t i = 0; i < activations.size(); i++) {
            const float counted = rectify ? std::max(activations[i], 0.0f) : activations[i];
            mean[i % (h * w)] += counted / static_cast<float>(activations.shape()[1]);
        }
        const auto [least, greatest] = std::minmax_element(mean.begin(), mean.end());
        const float low = *least, range = *greatest > *least ? *greatest - *least : 1.0f;

        // Return one map per target. A method with class-specific weights gets class scores from
        // study.masked_scores() or study.image_scores(), which count passes, report progress and support
        // cancellation.
        scorecam::Tensor maps({study.targets().size(), height, width});
        for (std::size_t i = 0; i < maps.size(); i++) {
            const std::size_t y = i / width % height, x = i % width;
            maps[i] = (mean[y * h / height * w + x * w / width] - low) / range;
        }
        return {std::move(maps)};
    }
};

}  // namespace

// This makes the library a plugin.
SCORECAM_PLUGIN(Brightness, MeanCells);
