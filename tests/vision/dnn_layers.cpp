// Prints the names that cv::dnn gives to the layers of a model: dnn_layers MODEL
#include <iostream>
#include <opencv2/dnn.hpp>

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    for (const std::string &name : cv::dnn::readNet(argv[1]).getLayerNames()) {
        std::cout << name << '\n';
    }
}
