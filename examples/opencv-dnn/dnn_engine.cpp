#include "dnn_engine.hpp"

#include <cstdint>
#include <sstream>
#include <utility>

#include <opencv2/core.hpp>

namespace {

// More images in a pass gain nothing from here on.
constexpr std::uint64_t kPreferredBatch = 8;

// "onnx_node!fire9" and, where nodes have no names, "onnx_node_output_0!fire9" are fire9. Other importers
// keep names as they are.
std::string plain_name(const std::string &dnn_name) {
    const std::size_t mark = dnn_name.find('!');
    const bool onnx = dnn_name.rfind("onnx_node", 0) == 0 && mark != std::string::npos;
    return onnx ? dnn_name.substr(mark + 1) : dnn_name;
}

// A copy: what cv::dnn returns is its own memory, which the next pass overwrites.
scorecam::Tensor copy_of(const cv::Mat &mat, const scorecam::Shape &shape) {
    const cv::Mat dense = mat.isContinuous() ? mat : mat.clone();
    const auto *values = dense.ptr<float>();
    return scorecam::Tensor(shape, std::vector<float>(values, values + dense.total()));
}

// OpenCV's complaint, which may run over several lines, as an error of scorecam's, which are of one.
scorecam::Error refusal(const std::string &what, const cv::Exception &error) {
    std::istringstream words(error.err.empty() ? error.msg : error.err);
    std::string line = what + ":";
    for (std::string word; words >> word;) {
        line += " " + word;
    }
    return scorecam::Error(SCORECAM_ERR_MODEL, line);
}

}  // namespace

DnnEngine::Lease::Lease(const DnnEngine &engine) : engine_(engine) {
    {
        const std::lock_guard<std::mutex> lock(engine.mutex_);
        if (!engine.idle_.empty()) {
            net_ = std::move(engine.idle_.back());
            engine.idle_.pop_back();
            return;
        }
    }
    net_ = engine.read();
}

void DnnEngine::Lease::put_back() {
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    engine_.idle_.push_back(std::move(net_));
}

DnnEngine::DnnEngine(std::string path, cv::Size size) : path_(std::move(path)) {
    cv::dnn::Net net = read();
    try {
        describe_layers(net, {1, 3, size.height, size.width});
    } catch (const cv::Exception &error) {
        throw refusal(path_, error);
    }
    idle_.push_back(std::move(net));
}

cv::dnn::Net DnnEngine::read() const {
    try {
        cv::dnn::Net net = cv::dnn::readNet(path_);
        net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
        net.enableFusion(false);
        return net;
    } catch (const cv::Exception &error) {
        throw refusal(path_, error);
    }
}

void DnnEngine::describe_layers(cv::dnn::Net &net, const cv::dnn::MatShape &input) {
    description_.output_activation = SCORECAM_OUTPUT_UNKNOWN;
    description_.input_shape = scorecam::Shape(0, input[1], input[2], input[3]);
    description_.preferred_batch = kPreferredBatch;
    const std::string output = net.getUnconnectedOutLayersNames().at(0);
    for (const std::string &dnn_name : net.getLayerNames()) {
        const int id = net.getLayerId(dnn_name);
        std::vector<cv::dnn::MatShape> inputs, outputs;
        net.getLayerShapes(input, id, inputs, outputs);
        const cv::dnn::MatShape shape = outputs.at(0);
        const std::string name = dnn_names_.emplace(plain_name(dnn_name), dnn_name).second
                                     ? plain_name(dnn_name)
                                     : dnn_names_.emplace(dnn_name, dnn_name).first->first;
        if (dnn_name == output) {
            description_.output_name = dnn_name;
            description_.output_shape = scorecam::Shape(0, shape.at(1));
        } else if (shape.size() == 4 && shape[0] == input[0]) {
            if (shape[2] * shape[3] > 1) {
                description_.default_layer = description_.layers.size();
            }
            description_.layers.push_back(
                {name, net.getLayer(id)->type, scorecam::Shape(shape[1], shape[2], shape[3])});
        }
    }
}

scorecam::Forward DnnEngine::forward(const scorecam::TensorView &batch,
                                     scorecam::View<const std::string_view> taps) const {
    std::vector<cv::String> names = {description_.output_name};
    for (const std::string_view tap : taps) {
        const auto found = dnn_names_.find(tap);
        if (found == dnn_names_.end()) {
            throw scorecam::Error(SCORECAM_ERR_NOT_FOUND,
                                  "layer \"" + std::string(tap) + "\" does not exist in " + path_);
        }
        names.push_back(found->second);
    }
    const auto &shape = batch.shape();
    const int sizes[] = {static_cast<int>(shape[0]), static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                         static_cast<int>(shape[3])};
    Lease lease(*this);
    std::vector<cv::Mat> outputs;
    try {
        // setInput copies, so the constant is not written to.
        lease.net().setInput(cv::Mat(4, sizes, CV_32F, const_cast<float *>(batch.data())));
        lease.net().forward(outputs, names);
    } catch (const cv::Exception &error) {
        throw refusal(path_, error);
    }
    scorecam::Forward pass;
    pass.scores = copy_of(outputs[0], scorecam::Shape(sizes[0], outputs[0].total() / shape[0]));
    for (std::size_t i = 1; i < outputs.size(); i++) {
        const cv::Mat &maps = outputs[i];
        pass.activations.push_back(
            copy_of(maps, scorecam::Shape(maps.size[0], maps.size[1], maps.size[2], maps.size[3])));
    }
    lease.put_back();
    return pass;
}
