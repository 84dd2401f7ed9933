// OpenCV's cv::dnn as an engine of scorecam.
//
// Three properties of cv::dnn 4.6 matter for such an engine:
//  - Fusion must be off. With it the inputs of some Concat layers are never written, and contain garbage when they
//    are read, although the scores stay correct.
//  - A Net is not thread-safe, and copies of it share everything. So each call uses its own net, from a pool that
//    grows to the maximum number of concurrent calls.
//  - A layer has the name of its ONNX node, "onnx_node!fire9"; the name of the node's output, "features", is lost in
//    the import. Layers are offered without the prefix: "fire9".
#ifndef SCORECAM_EXAMPLE_DNN_ENGINE_HPP
#define SCORECAM_EXAMPLE_DNN_ENGINE_HPP

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <opencv2/dnn.hpp>

#include "scorecam/opencv.hpp"

class DnnEngine final : public scorecam::Engine {
 public:
    // A model of color images. cv::dnn does not report its input size, so the caller passes it: photos become inputs
    // of `size`, and input.size in a manifest must be the same.
    DnnEngine(std::string path, cv::Size size);

    scorecam::ModelDescription describe() const override { return description_; }
    std::vector<scorecam::Tensor> forward(const scorecam::Inputs &inputs,
                                          scorecam::View<const std::string_view> wanted) const override;

 private:
    // A net for one call. Only put_back() returns it to the pool: after an exception its state is unknown, and it is
    // destroyed with the lease.
    class Lease {
     public:
        explicit Lease(const DnnEngine &engine);
        Lease(const Lease &) = delete;
        Lease &operator=(const Lease &) = delete;
        cv::dnn::Net &net() { return net_; }
        // Call after the last use of the net and its results.
        void put_back();

     private:
        const DnnEngine &engine_;
        cv::dnn::Net net_;
    };

    cv::dnn::Net read() const;
    void describe_layers(cv::dnn::Net &net, const cv::dnn::MatShape &input);

    std::string path_;
    scorecam::ModelDescription description_;
    // cv::dnn's own names, by those that are offered.
    std::map<std::string, std::string, std::less<>> dnn_names_;
    mutable std::mutex mutex_;
    mutable std::vector<cv::dnn::Net> idle_;
};

#endif  // SCORECAM_EXAMPLE_DNN_ENGINE_HPP
