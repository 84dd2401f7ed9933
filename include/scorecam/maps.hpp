// scorecam for C++17: functions that methods share. Included by scorecam_plugin.hpp.
#ifndef SCORECAM_MAPS_HPP
#define SCORECAM_MAPS_HPP

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "method.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// The score of a class in one row of `outputs`, as the host computes it: the softmax probability for logits, the
// sigmoid for a single logit in two columns, else the output itself. `activation` is that of the study.
inline double class_score(std::uint32_t activation, View<const float> outputs, std::size_t class_index) {
    const double raw = outputs[class_index];
    if (activation == SCORECAM_OUTPUT_BINARY) {
        return 1.0 / (1.0 + std::exp(-raw));
    }
    if (activation != SCORECAM_OUTPUT_LOGITS) {
        return raw;
    }
    const double greatest = *std::max_element(outputs.begin(), outputs.end());
    double sum = 0.0;
    for (const float output : outputs) {
        sum += std::exp(output - greatest);
    }
    return std::exp(raw - greatest) / sum;
}

// The scores of the study's targets, [N, targets], from the class scores [N, classes] of any of its passes, as
// class_score() computes them.
inline Tensor target_scores(const Study &study, const Tensor &outputs) {
    const std::size_t rows = outputs.size() == 0 ? 0 : static_cast<std::size_t>(outputs.shape()[0]);
    const View<const std::uint64_t> targets = study.targets();
    Tensor made({rows, targets.size()});
    for (std::size_t i = 0; i < made.size(); i++) {
        const auto target = static_cast<std::size_t>(targets[i % targets.size()]);
        made[i] = static_cast<float>(
            class_score(study.output_activation(), outputs.item(i / targets.size()), target));
    }
    return made;
}

// Adds `weight` times `map` to `sum`, which has the same size.
inline void add_weighted(View<float> sum, float weight, View<const float> map) {
    assert(map.size() == sum.size());
    for (std::size_t i = 0; i < sum.size(); i++) {
        sum[i] += weight * map[i];
    }
}

// Resizes `map` [h, w] to [height, width]: bilinear with half-pixel centers and clamped edges, like
// SCORECAM_UPSAMPLE_HALF_PIXEL.
inline std::vector<float> resized(View<const float> map, std::size_t h, std::size_t w, std::size_t height,
                                  std::size_t width) {
    assert(map.size() == h * w && h > 0 && w > 0);
    struct Place {
        std::size_t low, high;
        float share;
    };
    // The position of each of `to` pixels among `from` cells.
    const auto places_of = [](std::size_t from, std::size_t to) {
        std::vector<Place> made(to);
        for (std::size_t i = 0; i < to; i++) {
            const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
            const double held = std::clamp(at, 0.0, static_cast<double>(from - 1));
            const auto low = static_cast<std::size_t>(held);
            made[i] = {low, std::min(low + 1, from - 1), static_cast<float>(held - static_cast<double>(low))};
        }
        return made;
    };
    const std::vector<Place> rows = places_of(h, height), columns = places_of(w, width);
    std::vector<float> made;
    made.reserve(height * width);
    for (const Place &y : rows) {
        const float *low = map.data() + y.low * w, *high = map.data() + y.high * w;
        for (const Place &x : columns) {
            const float above = low[x.low] + (low[x.high] - low[x.low]) * x.share;
            const float below = high[x.low] + (high[x.high] - high[x.low]) * x.share;
            made.push_back(above + (below - above) * y.share);
        }
    }
    return made;
}

// Scales `map` to [0, 1] by its minimum and maximum; a flat map becomes zeros.
inline void normalize(View<float> map) {
    if (map.empty()) {
        return;
    }
    const auto [least, greatest] = std::minmax_element(map.begin(), map.end());
    const float low = *least, range = *greatest - low;
    for (float &value : map) {
        value = range > 0.0f ? (value - low) / range : 0.0f;
    }
}

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_MAPS_HPP
