#include "dnn_engine.hpp"

#include <cstdint>
#include <sstream>
#include <utility>

#include <opencv2/core.hpp>

namespace {

// Larger batches are not faster.
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

// Converts OpenCV's error message, which may have several lines, to an error of scorecam, which has one.
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
    description_.input.shape = scorecam::Shape(0, input[1], input[2], input[3]);
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
            description_.outputs = {{dnn_name, scorecam::Shape(0, shape.at(1)), SCORECAM_OUTPUT_UNKNOWN}};
        } else if (shape.size() == 4 && shape[0] == input[0]) {
            if (shape[2] * shape[3] > 1) {
                description_.default_layer = description_.layers.size();
            }
            description_.layers.push_back(
                {name, net.getLayer(id)->type, scorecam::Shape(shape[1], shape[2], shape[3]), SCORECAM_LAYER_MAPS});
        }
    }
}

std::vector<scorecam::Tensor> DnnEngine::forward(const scorecam::Inputs &inputs,
                                                 scorecam::View<const std::string_view> wanted) const {
    const std::string &output = description_.outputs.at(0).name;
    std::vector<cv::String> names;
    for (const std::string_view name : wanted) {
        if (name == output) {
            names.push_back(output);
            continue;
        }
        const auto found = dnn_names_.find(name);
        if (found == dnn_names_.end()) {
            throw scorecam::Error(SCORECAM_ERR_NOT_FOUND,
                                  "layer \"" + std::string(name) + "\" does not exist in " + path_);
        }
        names.push_back(found->second);
    }
    const scorecam::TensorView batch = inputs.images();
    const scorecam::Shape shape = batch.shape();
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
    std::vector<scorecam::Tensor> made;
    for (std::size_t i = 0; i < outputs.size(); i++) {
        const cv::Mat &found = outputs[i];
        made.push_back(wanted[i] == output
                           ? copy_of(found, scorecam::Shape(sizes[0], found.total() / shape[0]))
                           : copy_of(found, scorecam::Shape(found.size[0], found.size[1], found.size[2],
                                                            found.size[3])));
    }
    lease.put_back();
    return made;
}
