// scorecam for C++17: explains what an image classifier looks at. Header only, over scorecam.h.
//
//     scorecam::Host host = scorecam::Host::create();
//     scorecam::Model model = host.load_model("resnet18.toml");
//     scorecam::Explanation found = model.explain(scorecam::Image::photo(pixels, width, height));
//     scorecam::MapView map = found.map(0);            // [map.height(), map.width()], 0 to 1 as a rule
//
// Failures: see scorecam/result.hpp. A call throws scorecam::Error, or, with SCORECAM_NO_EXCEPTIONS (which
// -fno-exceptions does by itself), returns scorecam::Result<T>: what is declared Outcome<T> is the one or the
// other. A status is one of SCORECAM_ERR_*.
//
// Lifetime: Host, Model and Explanation own a handle, can be moved and not copied, and free it when they end.
// Models live on without their host, explanations without their model. Images and views own nothing. Strings
// are UTF-8; what is returned as std::string is a copy. An empty string among the options means "not given".
//
// Threads: const functions may be called from several threads at once; moving, assigning and destroying an
// object excludes every other use of it. Nothing is bound to the thread that made it.
//
// OpenCV: include it first, or include scorecam/opencv.hpp, for cv::Mat in and out.
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

// The library's version, as in "1.0.0".
inline std::string version() { return scorecam_version(); }

// The name of a status, as in "SCORECAM_ERR_NOT_FOUND".
inline std::string status_name(std::int32_t status) { return scorecam_status_name(status); }

// One backend or method of a host.
struct PluginInfo {
    // SCORECAM_KIND_BACKEND or SCORECAM_KIND_METHOD.
    std::uint32_t kind = 0;
    std::string id{};
    std::string version{};
    std::string summary{};
    // The plugin's file; none for what is built in.
    std::optional<std::string> path{};
    // How its layout is known: "built in", "layout verified" or "version checked".
    std::string proof{};
    // A sum of SCORECAM_ABILITY_*: what a backend's models can have at most, what a method needs of a model.
    std::uint32_t abilities = 0;
};

// How to load a model. What is not given comes from the manifest, and else from the model's file.
struct ModelOptions {
    // For the engine; 0 for all cores.
    std::uint32_t threads = 0;
    // The backend's id; "auto" for the best one that works here, as when neither this nor the manifest says.
    std::string backend{};
    // The layer to explain.
    std::string layer{};
    // As in "cpu" or "cuda:0".
    std::string device{};
    // Of the backend; an unknown one is an error.
    std::vector<Option> settings{};
    // The manifest's text (TOML), read in place of a manifest on disk.
    std::string manifest{};
    // A manifest's file, read in place of the one beside the model.
    std::string manifest_file{};
    // The model itself in memory; its path is then its name alone, such as "net.onnx".
    View<const std::uint8_t> data{};
};

// What a model gives.
enum class OutputKind : std::uint32_t {
    Other = SCORECAM_MODEL_OTHER,
    Classes = SCORECAM_MODEL_CLASSES,
    Value = SCORECAM_MODEL_VALUE,
    Detections = SCORECAM_MODEL_DETECTIONS,
    Segments = SCORECAM_MODEL_SEGMENTS,
    Embedding = SCORECAM_MODEL_EMBEDDING,
};

// What a model takes and gives; a size of 0 is free.
struct ModelInfo {
    OutputKind output_kind = OutputKind::Other;
    // 0 where the model gives no class scores, or their number is free.
    std::uint64_t class_count = 0;
    std::uint64_t channels = 0;
    std::uint64_t height = 0;
    std::uint64_t width = 0;
    // The model's file, or "the application's model".
    std::string name{};
    // The id of the backend that runs it.
    std::string backend{};
    // Why that one; none where there was nothing to choose.
    std::optional<std::string> backend_reason{};
    // The layer that is explained when none is named.
    std::optional<std::string> layer{};
};

// The scores of all classes: probabilities from 0 to 1, and the model's raw outputs.
struct ClassScores {
    std::vector<double> scores{};
    std::vector<float> outputs{};
};

// A layer that can be explained or tapped.
struct LayerInfo {
    std::string name{};
    // What it does, in the model's own words ("Conv").
    std::string operation{};
    // Of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a saliency
    // map needs. 0 is free.
    Shape shape{};
    // Whether it is explained when none is named.
    bool is_default = false;
};

// How a call goes on that has reported progress.
enum class Flow {
    Continue,
    // It ends with SCORECAM_ERR_CANCELLED.
    Cancel,
};

// Receives that `passes` images were run through the model of `expected`, which is 0 while not known. It may
// throw: the call is then cancelled, and throws the same. Called on the thread of explain() unless a plugin
// runs its passes on another; never twice at once.
using Progress = std::function<Flow(std::uint64_t passes, std::uint64_t expected)>;

class Explanation;

// What to explain, and how.
struct ExplainOptions {
    // The method's id; "score-cam" when empty.
    std::string method{};
    // A preset of the method.
    std::string preset{};
    // Options of the method, which come before the preset's.
    std::vector<Option> options{};
    // The classes to explain, all from the same passes; when empty, those with the highest scores.
    std::vector<std::uint64_t> classes{};
    // How many of these; 0 for one.
    std::uint64_t top_k = 0;
    // Targets in words, in place of classes: "box:0", "contrast:tabby-lynx"; docs/targets.md has all of them.
    std::vector<std::string> targets{};
    // The least score of a detection, 0 to 1; 0 for 0.25.
    double min_score = 0.0;
    // The layer to explain, or several with commas between; the model's when empty.
    std::string layer{};
    // How the maps of several layers become one: "mean", "max" or "product"; "mean" when empty.
    std::string fuse{};
    // Whether the mirrored image is explained as well, and the mean of both maps taken.
    bool augment = false;
    // Images in a pass; 0 for what the model runs fastest.
    std::uint64_t batch_size = 0;
    // Another image that some options compare with, of the same input shape.
    std::optional<Image> reference{};
    // The explanation of a video's frame before, which outlives the call: "score-cam-adaptive" begins with what it learned
    // of it. Not for explain_many().
    const Explanation *previous = nullptr;
    Progress progress{};
    // How long the passes of an image may take, from its first one; 0 for no limit. Then "score-cam-adaptive" and
    // "rise" make their map of the passes that were made; an explanation by another method has targets and no maps.
    std::chrono::duration<double> time_limit{0.0};
    // Images of explain_many() at work at once; 0 for 3.
    std::uint32_t jobs = 0;
};

// Left, top, right and bottom edge, in pixels.
using Edges = std::array<double, 4>;

// A box that a target is about.
struct Detection {
    // Left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
    Edges rect{};
    // How sure the detector is, 0 to 1.
    double score = 0.0;
};

// An explained target.
struct Target {
    // The class that it is about; SCORECAM_NO_CLASS where it is about none.
    std::uint64_t class_index = 0;
    // A class's probability on the image, 0 to 1; the number of another target.
    double score = 0.0;
    // The model's raw output for a class; the number of another target.
    double output = 0.0;
    std::optional<std::string> label{};
    // What was asked, in words: "class:285", "box:0".
    std::string text{};
    std::optional<Detection> detection{};
};

// The rectangle of the photo and the rectangle of the model's input that show the same scene.
struct Placement {
    // Height and width of the upright photo, and the part of it that the model saw.
    std::uint64_t photo_height = 0;
    std::uint64_t photo_width = 0;
    Edges photo_rect{};
    // Height and width of the model's input, as of the maps, and the part of it that shows the photo.
    std::uint64_t input_height = 0;
    std::uint64_t input_width = 0;
    Edges input_rect{};
};

// How a map is shown.
struct OverlayOptions {
    // The colour's share of the result: 0 (the photo alone) to 1 (the map alone).
    float opacity = 0.5f;
    // Which target's map is shown.
    std::uint64_t target = 0;
    // "viridis", "turbo", "jet", "inferno" or "gray"; viridis when empty.
    std::string colormap{};
};

// Which connected areas of a map become boxes.
enum class Areas : std::uint32_t {
    // The one of the most pixels.
    Largest = SCORECAM_BOXES_LARGEST,
    // Each, the largest first.
    All = SCORECAM_BOXES_ALL,
};

// How a map becomes boxes.
struct BoxOptions {
    // A pixel belongs to an area from this share of the map's greatest value on, 0 to 1.
    double threshold = 0.15;
    Areas areas = Areas::Largest;
};

// A box of a map.
struct Box {
    // Left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
    Edges rect{};
    // The share of the map that lies in it, 0 to 1.
    double energy = 0.0;
};

// How a map lies on a part of the photo.
struct Evidence {
    // The share of the map on the part, 0 to 1; none for a map without a positive value.
    std::optional<double> energy{};
    // The part's share of the model's input: the energy of a map that knows nothing.
    double share = 0.0;
    // The energy by that share: 1 for a map that knows nothing; none where there is no energy.
    std::optional<double> lift{};
    // The share on the part of as many of the greatest pixels as it has, 0 to 1.
    double rank_accuracy = 0.0;
    // The probability that a pixel on the part is above one beside it, 0 to 1; 0.5 where the part is all.
    double roc_area = 0.0;
    // Whether the map's greatest pixel lies on the part, or one of several.
    bool pointing = false;
};

// Saliency maps and what belongs to them. It never changes.
class Explanation : public detail::Owner<scorecam_explanation, scorecam_explanation_free> {
   public:
    using Owner::Owner;

    // What was explained: class and scores of each target, in the order of the maps.
    Outcome<std::vector<Target>> targets() const;
    // The saliency map of a target; valid as long as this. SCORECAM_ERR_DEADLINE: there are no maps, since the time limit
    // passed before.
    Outcome<MapView> map(std::size_t index) const &;
    void map(std::size_t index) const && = delete;
    // The standard error of each value of a target's map; valid as long as this. Fails with SCORECAM_ERR_UNSUPPORTED where the
    // method estimates none; "rise" does.
    Outcome<MapView> errors(std::size_t index) const &;
    void errors(std::size_t index) const && = delete;
    // The saliency map of a target at the size of the photo, row after row: bilinear between the map's values, and 0 where the
    // model did not see the photo. After a photo its upright size is the only one.
    Outcome<std::vector<float>> photo_map(std::size_t index, std::size_t height, std::size_t width) const;
    // The boxes around the great values of a target's map, in pixels of the photo, the largest area first; none for a map that
    // is flat.
    Outcome<std::vector<Box>> boxes(std::size_t index, const BoxOptions &options = {}) const;
    // How a target's map lies on a part of the photo: on boxes in its pixels, as {{left, top, right, bottom}}, or on a mask
    // of the photo's size, which is white on the part.
    Outcome<Evidence> region(std::size_t index, const std::vector<Edges> &boxes) const;
    Outcome<Evidence> region(std::size_t index, const Image &mask) const;
    // Whether there are maps: not where the time limit passed before.
    Outcome<bool> has_maps() const;
    // Which part of the photo the model saw; none after a tensor.
    Outcome<std::optional<Placement>> placement() const;
    // How many images were run through the model, the unmasked one included.
    Outcome<std::uint64_t> passes() const;
    // The layer that was explained.
    Outcome<std::string> layer() const;
    // What was taken for granted and may be wrong, a line each.
    Outcome<std::vector<std::string>> warnings() const;
    // Numbers that the method reports of its work, by name, such as the "estimated-error" of
    // "score-cam-adaptive": see scorecam_explanation_measure().
    Outcome<std::map<std::string, double>> measures() const;

    // A map drawn over its photo: 8-bit red, green and blue, [photo.upright_height(), photo.upright_width(),
    // 3] without gaps. `photo` is what was explained; after a tensor, any photo, of which the input is taken
    // to have shown all.
    Outcome<std::vector<std::uint8_t>> overlay(const Image &photo, const OverlayOptions &options = {}) const;
    // The same into `out`, with `row_stride` bytes from one row to the next, 0 for rows without gaps.
    Outcome<void> overlay_into(View<std::uint8_t> out, const Image &photo, const OverlayOptions &options = {},
                               std::size_t row_stride = 0) const;
};

// What came of one of several images: an explanation, or why there is none.
struct Explained {
    Explanation explanation{};
    std::optional<Error> error{};
};

// A loaded model.
class Model : public detail::Owner<scorecam_model, scorecam_model_free> {
   public:
    using Owner::Owner;

    // Explains what the model sees in an image; blocks until done. An image as scorecam::Image says.
    Outcome<Explanation> explain(const Image &image, const ExplainOptions &options = {}) const;
    // Explains several images, whose masks share batches of the model. An image that fails does not keep the others; what
    // came of each, in their order. See scorecam_explain_many() for results as they come.
    Outcome<std::vector<Explained>> explain_many(const std::vector<Image> &images,
                                                 const ExplainOptions &options = {}) const;
    // The scores of all classes in one pass, without a map.
    Outcome<ClassScores> classify(const Image &image) const;
    // What the model takes and gives.
    Outcome<ModelInfo> info() const;
    // The layers, in the order in which they run.
    Outcome<std::vector<LayerInfo>> layers() const;
    // The class that a text names: a number, or a label, or one of a label's comma-separated names.
    Outcome<std::uint64_t> class_index(const std::string &text) const;
    // The label of a class; none where the model has no labels.
    Outcome<std::optional<std::string>> label(std::uint64_t class_index) const;
};

// A registry of backends and methods, which begins with the built-in methods.
class Host : public detail::Owner<scorecam_host, scorecam_host_free> {
   public:
    using Owner::Owner;

    // Plugins that are not loaded by path are looked for, when a backend or method is not known, in the
    // folders that scorecam_host_create() names.
    static Outcome<Host> create();

    // Loads the plugin in a file, or every plugin in a folder. Their code then runs in this process; nothing happens
    // when a file is loaded already. Libraries stay loaded until the process ends.
    Outcome<void> load_plugin(const std::string &path) const;
    // The backends and methods, in the order of loading.
    Outcome<std::vector<PluginInfo>> plugins() const;
    // Adds a plugin whose table lies in the program itself; it must stay valid until the process ends.
    Outcome<void> add_plugin(const scorecam_plugin_table &table) const;
    // A method's options, with their ranges and defaults, and its presets; valid as long as this.
    Outcome<const scorecam_method_description *> method(const std::string &id) const;
    // Loads a model from its file or its manifest (`.toml`), or from memory.
    Outcome<Model> load_model(const std::string &path, const ModelOptions &options = {}) const;

    // Makes a model of an engine of the application's own, a std::unique_ptr or std::shared_ptr to it. It is
    // called from any thread, and let go when the model has been freed and its last call has ended, or when
    // this fails. Of `options` the manifest counts, which says layer, labels, preprocessing and output.
    Outcome<Model> adopt(std::shared_ptr<const Engine> engine, const ModelOptions &options = {}) const;
    // The same for a table of C functions, which get `user_data` as their model. The table is copied. Its
    // `release` is called once when all is done, and not when this fails.
    Outcome<Model> adopt(const scorecam_backend &table, void *user_data,
                         const ModelOptions &options = {}) const;
};

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#include "scorecam/calls.hpp"

#endif  // SCORECAM_HPP

// Outside of the guard, so that OpenCV may also come between two includes of this header.
#if defined(OPENCV_CORE_HPP) || defined(CV_VERSION)
#include "scorecam/opencv.hpp"
#endif
