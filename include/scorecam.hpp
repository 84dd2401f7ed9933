// scorecam for C++17: saliency maps that explain the decisions of vision models. Header-only, over scorecam.h.
//
//     scorecam::Host host = scorecam::Host::create();
//     scorecam::Model model = host.load_model("resnet18.toml");
//     scorecam::Explanation found = model.explain(scorecam::Image::photo(pixels, width, height));
//     scorecam::MapView map = found.map(0);            // [map.height(), map.width()], usually 0 to 1
//
// Failures: see scorecam/result.hpp. A failing call throws scorecam::Error. With SCORECAM_NO_EXCEPTIONS (implied by
// -fno-exceptions), calls return scorecam::Result<T> instead. The return type Outcome<T> stands for T or Result<T>. A
// status is one of SCORECAM_ERR_*.
//
// Lifetime: Host, Model and Explanation own a handle, are movable but not copyable, and free it in the destructor.
// Models outlive their host, explanations their model. Images and views own nothing. Strings are UTF-8; a returned
// std::string is a copy. An empty string among the options means "not given".
//
// Threads: several threads may call const functions concurrently; moving, assigning and destroying an object excludes
// every other use of it. No object is bound to a thread.
//
// OpenCV: include it first, or include scorecam/opencv.hpp, to use cv::Mat.
#ifndef SCORECAM_HPP
#define SCORECAM_HPP

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scorecam.h"
#include "scorecam/engine.hpp"
#include "scorecam/image.hpp"
#include "scorecam/owner.hpp"

namespace scorecam {
inline namespace SCORECAM_MODE {

// The library's version, such as "1.0.0".
inline std::string version() { return scorecam_version(); }

// The name of a status, such as "SCORECAM_ERR_NOT_FOUND".
inline std::string status_name(std::int32_t status) { return scorecam_status_name(status); }

// One backend or method of a host.
struct PluginInfo {
    // SCORECAM_KIND_BACKEND or SCORECAM_KIND_METHOD.
    std::uint32_t kind = 0;
    std::string id{};
    std::string version{};
    std::string summary{};
    // The plugin's file; none for built-in items.
    std::optional<std::string> path{};
    // How its layout was verified: "built in", "layout verified" or "version checked".
    std::string proof{};
    // A sum of SCORECAM_ABILITY_*: the abilities that a backend's models may have, or that a method needs.
    std::uint32_t abilities = 0;
};

// How to load a model. The defaults come from the manifest, or else from the model's file.
struct ModelOptions {
    // Threads for the runtime; 0 for all cores.
    std::uint32_t threads = 0;
    // The backend's id, or "auto" for the best one that is ready on this machine; if empty, the manifest's, or else
    // "auto".
    std::string backend{};
    // The layer to explain.
    std::string layer{};
    // Such as "cpu" or "cuda:0".
    std::string device{};
    // Settings of the backend; an unknown one is an error.
    std::vector<Option> settings{};
    // The text of a manifest (TOML) that replaces the one on disk.
    std::string manifest{};
    // The file of a manifest that replaces the one beside the model.
    std::string manifest_file{};
    // The model in memory; the path is then only its name, such as "net.onnx".
    View<const std::uint8_t> data{};
};

// The kind of a model's output.
enum class OutputKind : std::uint32_t {
    Other = SCORECAM_MODEL_OTHER,
    Classes = SCORECAM_MODEL_CLASSES,
    Value = SCORECAM_MODEL_VALUE,
    Detections = SCORECAM_MODEL_DETECTIONS,
    Segments = SCORECAM_MODEL_SEGMENTS,
    Embedding = SCORECAM_MODEL_EMBEDDING,
};

// The input and output of a model; a size of 0 is variable.
struct ModelInfo {
    OutputKind output_kind = OutputKind::Other;
    // The number of classes; 0 if it is variable or the model has no class scores.
    std::uint64_t class_count = 0;
    std::uint64_t channels = 0;
    std::uint64_t height = 0;
    std::uint64_t width = 0;
    // The model's file, or "the application's model".
    std::string name{};
    // The id of its backend.
    std::string backend{};
    // The reason for this backend; none if there was no choice.
    std::optional<std::string> backend_reason{};
    // The default layer.
    std::optional<std::string> layer{};
};

// The scores of all classes: probabilities from 0 to 1, and the model's raw outputs.
struct ClassScores {
    std::vector<double> scores{};
    std::vector<float> outputs{};
};

// A layer of a model.
struct LayerInfo {
    std::string name{};
    // Its operation, as the model names it ("Conv").
    std::string operation{};
    // The shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a
    // saliency map requires. A size of 0 is variable.
    Shape shape{};
    // Whether it is the default layer.
    bool is_default = false;
};

// The answer to a progress report.
enum class Flow {
    Continue,
    // The call ends with SCORECAM_ERR_CANCELLED.
    Cancel,
};

// Reports progress: the model has run `passes` of `expected` images; `expected` is 0 if unknown. It may throw: the
// call is then cancelled and rethrows the exception. Called on the thread of explain() unless a plugin runs its
// passes on another; never concurrently.
using Progress = std::function<Flow(std::uint64_t passes, std::uint64_t expected)>;

class Explanation;

// What to explain, and how.
struct ExplainOptions {
    // The method's id; "score-cam" when empty.
    std::string method{};
    // A preset of the method.
    std::string preset{};
    // Options of the method, which override the preset's.
    std::vector<Option> options{};
    // The classes to explain, which share the same forward passes; if empty, those with the highest scores.
    std::vector<std::uint64_t> classes{};
    // The number of top-scoring classes; 0 for one.
    std::uint64_t top_k = 0;
    // Targets instead of classes, as text: "box:0", "contrast:tabby-lynx"; docs/targets.md lists all forms.
    std::vector<std::string> targets{};
    // The minimum score of a detection, 0 to 1; 0 for 0.25.
    double min_score = 0.0;
    // The layer to explain, or several separated by commas; if empty, the model's.
    std::string layer{};
    // How to fuse the maps of several layers: "mean" (also if empty), "max" or "product".
    std::string fuse{};
    // Whether to average the maps of the image and of its mirror image.
    bool augment = false;
    // Images per forward pass; 0 for the fastest size for the model.
    std::uint64_t batch_size = 0;
    // A reference image for the options that need one, of the same input shape.
    std::optional<Image> reference{};
    // The explanation of a video's previous frame, from which "score-cam-adaptive" starts; it must outlive the call.
    // Not for explain_many().
    const Explanation *previous = nullptr;
    Progress progress{};
    // Time limit for the forward passes of an image, from its first pass; 0 for no limit. At the limit,
    // "score-cam-adaptive" and "rise" return the map of the passes so far; with other methods the explanation has
    // targets but no maps.
    std::chrono::duration<double> time_limit{0.0};
    // Images that explain_many() processes concurrently; 0 for 3.
    std::uint32_t jobs = 0;
};

// Left, top, right and bottom edges in pixels.
using Edges = std::array<double, 4>;

// The box of a target.
struct Detection {
    // Left, top, right and bottom edges in pixels of the photo, or of the input if a tensor was explained.
    Edges rect{};
    // The detector's score, 0 to 1.
    double score = 0.0;
};

// An explained target.
struct Target {
    // The class of the target, or SCORECAM_NO_CLASS.
    std::uint64_t class_index = 0;
    // The probability of a class, 0 to 1; for other targets, their value.
    double score = 0.0;
    // The model's raw output for a class; for other targets, their value.
    double output = 0.0;
    std::optional<std::string> label{};
    // The target as text: "class:285", "box:0".
    std::string text{};
    std::optional<Detection> detection{};
};

// Corresponding rectangles of the photo and of the model's input.
struct Placement {
    // Height and width of the upright photo, and the part of it that the model saw.
    std::uint64_t photo_height = 0;
    std::uint64_t photo_width = 0;
    Edges photo_rect{};
    // Height and width of the model's input and of the maps, and the part of the input that shows the photo.
    std::uint64_t input_height = 0;
    std::uint64_t input_width = 0;
    Edges input_rect{};
};

// How to draw a map.
struct OverlayOptions {
    // Opacity of the map's colors: 0 (only the photo) to 1 (only the map).
    float opacity = 0.5f;
    // The index of the target to draw.
    std::uint64_t target = 0;
    // "viridis" (also if empty), "turbo", "jet", "inferno" or "gray".
    std::string colormap{};
};

// The connected areas of a map that get a box.
enum class Areas : std::uint32_t {
    // The largest area.
    Largest = SCORECAM_BOXES_LARGEST,
    // All areas, the largest first.
    All = SCORECAM_BOXES_ALL,
};

// How to derive boxes from a map.
struct BoxOptions {
    // The minimum value of a pixel in an area, as a share of the map's maximum, 0 to 1.
    double threshold = 0.15;
    Areas areas = Areas::Largest;
};

// A box of a map.
struct Box {
    // Left, top, right and bottom edges in pixels of the photo, or of the input if a tensor was explained.
    Edges rect{};
    // The share of the map inside the box, 0 to 1.
    double energy = 0.0;
};

// The relation of a map to a part of the photo.
struct Evidence {
    // The share of the map on the part, 0 to 1; none for a map without positive values.
    std::optional<double> energy{};
    // The part's share of the model's input: the energy of an uninformative map.
    double share = 0.0;
    // `energy` divided by `share`: 1 for an uninformative map; none without an energy.
    std::optional<double> lift{};
    // The share of the map's top N pixels on the part, where N is the part's number of pixels, 0 to 1.
    double rank_accuracy = 0.0;
    // The probability that a pixel on the part is above one outside it, 0 to 1; 0.5 if the part is the whole input.
    double roc_area = 0.0;
    // Whether a maximum of the map lies on the part.
    bool pointing = false;
};

// The result of an explanation: saliency maps and their data. It is immutable.
class Explanation : public detail::Owner<scorecam_explanation, scorecam_explanation_free> {
   public:
    using Owner::Owner;

    // The explained targets with their classes and scores, in the order of the maps.
    Outcome<std::vector<Target>> targets() const;
    // The saliency map of a target; valid as long as this. SCORECAM_ERR_DEADLINE: there are no maps, because the time
    // limit expired.
    Outcome<MapView> map(std::size_t index) const &;
    void map(std::size_t index) const && = delete;
    // The standard error of each value in a target's map; valid as long as this. SCORECAM_ERR_UNSUPPORTED: the method
    // estimates no errors; "rise" does.
    Outcome<MapView> errors(std::size_t index) const &;
    void errors(std::size_t index) const && = delete;
    // The saliency map of a target at the photo's size, row by row: interpolated bilinearly, and 0 where the photo
    // lies outside the model's input. For a photo, the size must be its upright size.
    Outcome<std::vector<float>> photo_map(std::size_t index, std::size_t height, std::size_t width) const;
    // The boxes around the high values in a target's map, in pixels of the photo, the largest area first; none for a
    // flat map.
    Outcome<std::vector<Box>> boxes(std::size_t index, const BoxOptions &options = {}) const;
    // Measures a target's map on a part of the photo: boxes in its pixels, as {{left, top, right, bottom}}, or a mask
    // of the photo's size, white on the part.
    Outcome<Evidence> region(std::size_t index, const std::vector<Edges> &boxes) const;
    Outcome<Evidence> region(std::size_t index, const Image &mask) const;
    // Whether there are maps; false if the time limit expired first.
    Outcome<bool> has_maps() const;
    // The part of the photo that the model saw; none for a tensor.
    Outcome<std::optional<Placement>> placement() const;
    // The number of images that the model has run, including the unmasked one.
    Outcome<std::uint64_t> passes() const;
    // The layer that was explained.
    Outcome<std::string> layer() const;
    // Assumptions that may be wrong, one line each.
    Outcome<std::vector<std::string>> warnings() const;
    // The measures that the method reports, by name, such as "estimated-error" of "score-cam-adaptive": see
    // scorecam_explanation_measure().
    Outcome<std::map<std::string, double>> measures() const;

    // A map drawn over its photo: 8-bit red, green and blue, [photo.upright_height(), photo.upright_width(), 3]
    // without gaps. `photo` is the explained photo; for a tensor, any photo is allowed, and the input counts as the
    // whole photo.
    Outcome<std::vector<std::uint8_t>> overlay(const Image &photo, const OverlayOptions &options = {}) const;
    // The same, written to `out` with `row_stride` bytes from one row to the next, 0 for rows without gaps.
    Outcome<void> overlay_into(View<std::uint8_t> out, const Image &photo, const OverlayOptions &options = {},
                               std::size_t row_stride = 0) const;
};

// The result of one of several images: an explanation or an error.
struct Explained {
    Explanation explanation{};
    std::optional<Error> error{};
};

// A loaded model.
class Model : public detail::Owner<scorecam_model, scorecam_model_free> {
   public:
    using Owner::Owner;

    // Explains an image; blocks until done.
    Outcome<Explanation> explain(const Image &image, const ExplainOptions &options = {}) const;
    // Explains several images, whose masks share the model's batches. Returns the results in order; an image that
    // fails does not affect the others. For results as soon as they are ready, use scorecam_explain_many().
    Outcome<std::vector<Explained>> explain_many(const std::vector<Image> &images,
                                                 const ExplainOptions &options = {}) const;
    // The scores of all classes in one forward pass, without a map.
    Outcome<ClassScores> classify(const Image &image) const;
    // The model's input, output and default layer.
    Outcome<ModelInfo> info() const;
    // The layers in execution order.
    Outcome<std::vector<LayerInfo>> layers() const;
    // Finds a class by its number, its label, or one of a label's comma-separated names.
    Outcome<std::uint64_t> class_index(const std::string &text) const;
    // The label of a class; none if the model has no labels.
    Outcome<std::optional<std::string>> label(std::uint64_t class_index) const;
};

// A registry of backends and methods. It starts with the built-in methods.
class Host : public detail::Owner<scorecam_host, scorecam_host_free> {
   public:
    using Owner::Owner;

    // Creates a host. If a backend or method is unknown, the host searches for plugins in the folders listed at
    // scorecam_host_create().
    static Outcome<Host> create();

    // Loads a plugin file, or every plugin in a folder. Their code then runs in this process. A file that is already
    // loaded is not opened again. Libraries stay loaded until the process ends.
    Outcome<void> load_plugin(const std::string &path) const;
    // The backends and methods, in loading order.
    Outcome<std::vector<PluginInfo>> plugins() const;
    // Adds a plugin whose table is in the program itself; the table must stay valid until the process ends.
    Outcome<void> add_plugin(const scorecam_plugin_table &table) const;
    // A method's options, with their ranges and defaults, and its presets; valid as long as this.
    Outcome<const scorecam_method_description *> method(const std::string &id) const;
    // Loads a model from its file or its manifest (`.toml`), or from memory.
    Outcome<Model> load_model(const std::string &path, const ModelOptions &options = {}) const;

    // Makes a model from the application's own engine, a std::unique_ptr or std::shared_ptr to it. The engine is
    // called from any thread, and released once the model has been freed and its last call has ended, or if this
    // fails. Of `options` only the manifest is used: the layer, the labels, the preprocessing and the output.
    Outcome<Model> adopt(std::shared_ptr<const Engine> engine, const ModelOptions &options = {}) const;
    // The same for a table of C functions, which receive `user_data` as their model. The table is copied. Its
    // `release` is called once at the end, but not if this fails.
    Outcome<Model> adopt(const scorecam_backend &table, void *user_data,
                         const ModelOptions &options = {}) const;
};

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#include "scorecam/calls.hpp"

#endif  // SCORECAM_HPP

// Outside of the guard, so that OpenCV may also be included between two includes of this header.
#if defined(OPENCV_CORE_HPP) || defined(CV_VERSION)
#include "scorecam/opencv.hpp"
#endif
