// The saliency map of a running video: explained every few frames, drawn over every frame.
#ifndef SCORECAM_EXAMPLE_LIVE_MAP_HPP
#define SCORECAM_EXAMPLE_LIVE_MAP_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <utility>

#include <opencv2/core.hpp>

#include "scorecam/opencv.hpp"

// Whether the video waits for an explanation (reproducible frames, for files) or continues with the previous map (for
// cameras).
enum class Pace { Waiting, GoingOn };

class LiveMap {
 public:
    // Explains again after `every` frames; 0 for only the first frame. `model` must outlive this.
    LiveMap(const scorecam::Model &model, scorecam::ExplainOptions options, std::uint64_t every, Pace pace)
        : model_(model), options_(std::move(options)), every_(every), pace_(pace) {
        options_.progress = [this](std::uint64_t, std::uint64_t) {
            return stopping_ ? scorecam::Flow::Cancel : scorecam::Flow::Continue;
        };
    }
    // Cancels the current explanation; its future waits for its thread.
    ~LiveMap() { stopping_ = true; }
    LiveMap(const LiveMap &) = delete;
    LiveMap &operator=(const LiveMap &) = delete;

    // Takes the next frame and returns it with the newest map over it, or unchanged if there is none yet. All frames
    // must have the same size. The flag tells whether the map is new.
    std::pair<cv::Mat, bool> draw(const cv::Mat &frame, const scorecam::OverlayOptions &look) {
        const bool renewed = refresh(frame);
        age_++;
        return {current_ ? scorecam::overlay_of(*current_, frame, look) : frame.clone(), renewed};
    }

    // The current explanation.
    const std::optional<scorecam::Explanation> &current() const { return current_; }

 private:
    bool refresh(const cv::Mat &frame) {
        const bool arrived =
            next_.valid() && next_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
        if (arrived) {
            adopt(next_.get());
        }
        const bool due = !current_ || (every_ != 0 && age_ >= every_);
        if (!due || next_.valid()) {
            return arrived;
        }
        // score-cam-adaptive starts from the previous frame's explanation; it is kept until the next one arrives.
        options_.previous = current_ ? &*current_ : nullptr;
        if (pace_ == Pace::Waiting) {
            adopt(model_.explain(scorecam::photo_of(frame), options_));
            return true;
        }
        next_ = std::async(std::launch::async, [this, copy = frame.clone()] {
            return model_.explain(scorecam::photo_of(copy), options_);
        });
        return arrived;
    }

    void adopt(scorecam::Explanation explanation) {
        current_ = std::move(explanation);
        age_ = 0;
    }

    const scorecam::Model &model_;
    scorecam::ExplainOptions options_;
    const std::uint64_t every_;
    const Pace pace_;
    std::uint64_t age_ = 0;
    std::atomic<bool> stopping_{false};
    std::optional<scorecam::Explanation> current_;
    // Last, so that it ends first: its thread uses all of the above.
    std::future<scorecam::Explanation> next_;
};

#endif  // SCORECAM_EXAMPLE_LIVE_MAP_HPP
