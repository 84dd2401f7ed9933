// OpenCV's cv::dnn as an engine of scorecam.
//
// Three things about cv::dnn 4.6 that such an engine has to know:
//  - Fusion must be off. With it the inputs of some Concat layers are never written, and come out as garbage
//    when they are asked for; the scores stay right, so nobody notices.
//  - A Net is not thread-safe, and copies of it share everything. So each call has a net to itself, from a
//    pool that grows to as many nets as calls were ever made at once.
//  - A layer goes by the name of its ONNX node, "onnx_node!fire9"; that of the node's output,
//    "features", is lost in the import. Layers are offered without the prefix: "fire9".
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
    // A model of color images. cv::dnn does not tell for which size it was made, so the caller says: photos
    // become inputs of `size`, and a manifest that gives input.size has to give the same.
    DnnEngine(std::string path, cv::Size size);

    scorecam::ModelDescription describe() const override { return description_; }
    std::vector<scorecam::Tensor> forward(const scorecam::Inputs &inputs,
                                          scorecam::View<const std::string_view> wanted) const override;

 private:
    // A net for the time of one call. It goes back to the pool at put_back() alone: what threw has left it in
    // a state that nobody knows, and it ends with the lease.
    class Lease {
     public:
        explicit Lease(const DnnEngine &engine);
        Lease(const Lease &) = delete;
        Lease &operator=(const Lease &) = delete;
        cv::dnn::Net &net() { return net_; }
        // After the last use of the net, and of what it returned.
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
