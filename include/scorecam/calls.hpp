// scorecam for C++17: the definitions for scorecam.hpp, which includes this file at its end.
#ifndef SCORECAM_CALLS_HPP
#define SCORECAM_CALLS_HPP

namespace scorecam {
inline namespace SCORECAM_MODE {
namespace detail {

// A progress function that is passed through C.
struct ProgressCall {
    explicit ProgressCall(const Progress &function) : progress(function) {}

    static std::int32_t call(std::uint64_t passes, std::uint64_t expected, void *self) noexcept {
        auto &call = *static_cast<ProgressCall *>(self);
        return call.thrown.kept([&] {
            return call.progress(passes, expected) == Flow::Continue ? SCORECAM_OK : SCORECAM_ERR_CANCELLED;
        });
    }

    const Progress &progress;
    Thrown thrown;
};

inline std::int32_t draw(View<std::uint8_t> out, const Explanation &explanation, const Image &photo,
                         const OverlayOptions &options, std::size_t row_stride) {
    scorecam_overlay_options raw = SCORECAM_OVERLAY_OPTIONS_INIT;
    raw.opacity = options.opacity;
    raw.target = options.target;
    raw.colormap = text_or_null(options.colormap);
    raw.row_stride = row_stride;
    return scorecam_explanation_overlay(out.data(), out.size(), explanation.get(), &photo.raw(), &raw);
}

inline Outcome<Evidence> evidence(const Explanation &explanation, std::size_t index, const scorecam_region &region) {
    scorecam_evidence raw = SCORECAM_EVIDENCE_INIT;
    const std::int32_t status = scorecam_explanation_region(&raw, explanation.get(), index, &region);
    return called(status, [&] {
        const bool has = raw.has_energy != 0;
        return Evidence{has ? std::optional(raw.energy) : std::nullopt,
                        raw.share,
                        has ? std::optional(raw.lift) : std::nullopt,
                        raw.rank_accuracy,
                        raw.roc_area,
                        raw.pointing != 0};
    });
}

inline Edges edges(const double (&rect)[4]) { return {rect[0], rect[1], rect[2], rect[3]}; }

// One field of an explanation's summary, by `read`.
template <typename T, typename Read>
auto field(const Explanation &explanation, T scorecam_explanation_info::*member, Read read)
    -> Outcome<decltype(read(std::declval<T>()))> {
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    const std::int32_t status = scorecam_explanation_describe(&info, explanation.get());
    return called(status, [&] { return read(info.*member); });
}

// Options in their C form, with the memory that they point to.
struct RawExplainOptions {
    explicit RawExplainOptions(const ExplainOptions &options)
        : method_options(raw_options(options.options)), progress(options.progress) {
        raw.jobs = options.jobs;
        raw.method = text_or_null(options.method);
        raw.preset = text_or_null(options.preset);
        raw.options = method_options.data();
        raw.option_count = method_options.size();
        raw.classes = options.classes.data();
        raw.class_count = options.classes.size();
        raw.top_k = options.top_k;
        for (const std::string &target : options.targets) {
            targets.push_back(target.c_str());
        }
        raw.targets = targets.data();
        raw.target_count = targets.size();
        raw.min_score = options.min_score;
        raw.time_limit = options.time_limit.count();
        raw.layer = text_or_null(options.layer);
        raw.fuse = text_or_null(options.fuse);
        raw.augment = options.augment ? 1 : 0;
        raw.batch_size = options.batch_size;
        raw.reference = options.reference ? &options.reference->raw() : nullptr;
        raw.previous = options.previous != nullptr ? options.previous->get() : nullptr;
        if (options.progress) {
            raw.progress = ProgressCall::call;
            raw.user_data = &progress;
        }
    }
    RawExplainOptions(const RawExplainOptions &) = delete;

    scorecam_explain_options raw = SCORECAM_EXPLAIN_OPTIONS_INIT;
    std::vector<scorecam_option> method_options;
    std::vector<const char *> targets;
    ProgressCall progress;
};

// The results of images, received from C.
struct FoundCall {
    static std::int32_t call(std::uint64_t index, scorecam_explanation *explanation, std::int32_t status,
                             const char *error, void *self) noexcept {
        auto &call = *static_cast<FoundCall *>(self);
        Explanation owned(explanation);
        return call.thrown.kept([&] {
            Explained &result = call.found[static_cast<std::size_t>(index)];
            result.explanation = std::move(owned);
            if (status != SCORECAM_OK) {
                result.error = Error(status, text_or_empty(error));
            }
            return SCORECAM_OK;
        });
    }

    std::vector<Explained> found;
    Thrown thrown;
};

inline scorecam_model_options raw_model_options(const ModelOptions &options,
                                                const std::vector<scorecam_option> &settings) {
    scorecam_model_options raw = SCORECAM_MODEL_OPTIONS_INIT;
    raw.threads = options.threads;
    raw.backend = text_or_null(options.backend);
    raw.layer = text_or_null(options.layer);
    raw.device = text_or_null(options.device);
    raw.settings = settings.data();
    raw.setting_count = settings.size();
    raw.manifest = text_or_null(options.manifest);
    raw.manifest_file = text_or_null(options.manifest_file);
    raw.data = options.data.data();
    raw.data_size = options.data.size();
    return raw;
}

}  // namespace detail

inline Outcome<bool> Explanation::has_maps() const {
    return detail::field(*this, &scorecam_explanation_info::has_maps, [](std::uint32_t has) { return has != 0; });
}

inline Outcome<std::vector<float>> Explanation::photo_map(std::size_t index, std::size_t height,
                                                          std::size_t width) const {
    std::vector<float> map(height != 0 && width <= UINT32_MAX && height <= UINT32_MAX ? height * width : 0);
    const std::int32_t status =
        scorecam_explanation_photo_map(map.data(), map.size(), get(), index, height, width);
    return detail::called(status, [&] { return std::move(map); });
}

inline Outcome<std::vector<Box>> Explanation::boxes(std::size_t index, const BoxOptions &options) const {
    scorecam_box_options raw_options = SCORECAM_BOX_OPTIONS_INIT;
    raw_options.areas = static_cast<std::uint32_t>(options.areas);
    raw_options.threshold = options.threshold;
    // Enough room for most maps; otherwise a second call follows.
    std::vector<scorecam_box> raw(options.areas == Areas::Largest ? 1 : 64);
    std::uint64_t count = 0;
    std::int32_t status = scorecam_explanation_boxes(raw.data(), raw.size(), &count, get(), index, &raw_options);
    if (status == SCORECAM_OK && count > raw.size()) {
        raw.resize(static_cast<std::size_t>(count));
        status = scorecam_explanation_boxes(raw.data(), raw.size(), &count, get(), index, &raw_options);
    }
    return detail::called(status, [&] {
        std::vector<Box> boxes;
        for (std::size_t i = 0; i < count; i++) {
            boxes.push_back({detail::edges(raw[i].rect), raw[i].energy});
        }
        return boxes;
    });
}

inline Outcome<Evidence> Explanation::region(std::size_t index, const std::vector<Edges> &boxes) const {
    std::vector<scorecam_box> raw;
    for (const Edges &rect : boxes) {
        raw.push_back({{rect[0], rect[1], rect[2], rect[3]}, 0.0});
    }
    scorecam_region region = SCORECAM_REGION_INIT;
    region.boxes = raw.data();
    region.box_count = raw.size();
    return detail::evidence(*this, index, region);
}

inline Outcome<Evidence> Explanation::region(std::size_t index, const Image &mask) const {
    scorecam_region region = SCORECAM_REGION_INIT;
    region.mask = &mask.raw();
    return detail::evidence(*this, index, region);
}

inline Outcome<std::optional<Placement>> Explanation::placement() const {
    scorecam_placement raw = SCORECAM_PLACEMENT_INIT;
    const std::int32_t status = scorecam_explanation_placement(&raw, get());
    return detail::called(status, [&]() -> std::optional<Placement> {
        if (raw.is_known == 0) {
            return std::nullopt;
        }
        return Placement{raw.photo_height, raw.photo_width, detail::edges(raw.photo_rect),
                         raw.input_height, raw.input_width, detail::edges(raw.input_rect)};
    });
}

inline Outcome<MapView> Explanation::map(std::size_t index) const & {
    const float *data = nullptr;
    std::uint64_t height = 0, width = 0;
    const std::int32_t status = scorecam_explanation_map(&data, &height, &width, get(), index);
    return detail::called(status, [&] {
        return MapView(data, static_cast<std::size_t>(height), static_cast<std::size_t>(width));
    });
}

inline Outcome<MapView> Explanation::errors(std::size_t index) const & {
    const float *data = nullptr;
    std::uint64_t height = 0, width = 0;
    const std::int32_t status = scorecam_explanation_errors(&data, &height, &width, get(), index);
    return detail::called(status, [&] {
        return MapView(data, static_cast<std::size_t>(height), static_cast<std::size_t>(width));
    });
}

inline Outcome<std::vector<Target>> Explanation::targets() const {
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    const std::int32_t status = scorecam_explanation_describe(&info, get());
    return detail::listed<Target>(status, info.target_count, [&](std::uint64_t i, Target &target) {
        scorecam_target raw = SCORECAM_TARGET_INIT;
        const std::int32_t read = scorecam_explanation_target(&raw, get(), i);
        target = {raw.class_index,
                  raw.score,
                  raw.output,
                  detail::optional_text(raw.label),
                  detail::text_or_empty(raw.text),
                  raw.has_box != 0 ? std::optional(Detection{detail::edges(raw.rect), raw.box_score})
                                   : std::nullopt};
        return read;
    });
}

inline Outcome<std::uint64_t> Explanation::passes() const {
    return detail::field(*this, &scorecam_explanation_info::passes, [](std::uint64_t passes) { return passes; });
}

inline Outcome<std::string> Explanation::layer() const {
    return detail::field(*this, &scorecam_explanation_info::layer, detail::text_or_empty);
}

inline Outcome<std::vector<std::string>> Explanation::warnings() const {
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    const std::int32_t status = scorecam_explanation_describe(&info, get());
    return detail::listed<std::string>(status, info.warning_count, [&](std::uint64_t i, std::string &warning) {
        const char *text = nullptr;
        const std::int32_t read = scorecam_explanation_warning(&text, get(), i);
        warning = detail::text_or_empty(text);
        return read;
    });
}

inline Outcome<std::map<std::string, double>> Explanation::measures() const {
    std::map<std::string, double> measures;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    std::int32_t status = scorecam_explanation_describe(&info, get());
    for (std::uint64_t i = 0; status == SCORECAM_OK && i < info.measure_count; i++) {
        const char *name = nullptr;
        double value = 0.0;
        status = scorecam_explanation_measure(&name, &value, get(), i);
        measures[detail::text_or_empty(name)] = value;
    }
    return detail::called(status, [&] { return std::move(measures); });
}

inline Outcome<void> Explanation::overlay_into(View<std::uint8_t> out, const Image &photo,
                                               const OverlayOptions &options, std::size_t row_stride) const {
    return detail::called(detail::draw(out, *this, photo, options, row_stride), [] {});
}

inline Outcome<std::vector<std::uint8_t>> Explanation::overlay(const Image &photo,
                                                               const OverlayOptions &options) const {
    // A pixel has at least one sample. A photo with more pixels than bytes is invalid, which the call below reports:
    // do not allocate by its sizes.
    const std::uint64_t width = photo.upright_width(), height = photo.upright_height();
    const bool plausible = width > 0 && height > 0 && height <= photo.raw().data_size / width;
    std::vector<std::uint8_t> out(plausible ? static_cast<std::size_t>(3 * width * height) : 1);
    const std::int32_t status = detail::draw(out, *this, photo, options, 0);
    return detail::called(status, [&] { return std::move(out); });
}

inline Outcome<Explanation> Model::explain(const Image &image, const ExplainOptions &options) const {
    detail::RawExplainOptions given(options);
    scorecam_explanation *explanation = nullptr;
    const std::int32_t status = scorecam_explain(&explanation, get(), &image.raw(), &given.raw);
    Explanation owned(explanation);
    given.progress.thrown.rethrow();
    return detail::called(status, [&] { return std::move(owned); });
}

inline Outcome<std::vector<Explained>> Model::explain_many(const std::vector<Image> &images,
                                                           const ExplainOptions &options) const {
    detail::RawExplainOptions given(options);
    std::vector<const scorecam_image *> raw;
    detail::FoundCall call;
    for (const Image &image : images) {
        raw.push_back(&image.raw());
    }
    call.found.resize(images.size());
    const std::int32_t status =
        scorecam_explain_many(get(), raw.data(), raw.size(), &given.raw, detail::FoundCall::call, &call);
    given.progress.thrown.rethrow();
    call.thrown.rethrow();
    return detail::called(status, [&] { return std::move(call.found); });
}

inline Outcome<ClassScores> Model::classify(const Image &image) const {
    std::uint64_t count = 0;
    ClassScores found;
    std::int32_t status = scorecam_classify(nullptr, nullptr, 0, &count, get(), &image.raw());
    if (status == SCORECAM_OK) {
        found = {std::vector<double>(count), std::vector<float>(count)};
        status = scorecam_classify(found.scores.data(), found.outputs.data(), count, &count, get(), &image.raw());
    }
    return detail::called(status, [&] { return std::move(found); });
}

inline Outcome<ModelInfo> Model::info() const {
    scorecam_model_info raw = SCORECAM_MODEL_INFO_INIT;
    const std::int32_t status = scorecam_model_describe(&raw, get());
    return detail::called(status, [&] {
        return ModelInfo{static_cast<OutputKind>(raw.output_kind),
                         raw.class_count,
                         raw.channels,
                         raw.height,
                         raw.width,
                         detail::text_or_empty(raw.name),
                         detail::text_or_empty(raw.backend),
                         detail::optional_text(raw.backend_reason),
                         detail::optional_text(raw.layer)};
    });
}

inline Outcome<std::vector<LayerInfo>> Model::layers() const {
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    const std::int32_t status = scorecam_model_describe(&info, get());
    return detail::listed<LayerInfo>(status, info.layer_count, [&](std::uint64_t i, LayerInfo &layer) {
        scorecam_layer_info raw = SCORECAM_LAYER_INFO_INIT;
        const std::int32_t read = scorecam_model_layer(&raw, get(), i);
        layer = {detail::text_or_empty(raw.name), detail::text_or_empty(raw.operation), Shape(raw.shape),
                 raw.is_default != 0};
        return read;
    });
}

inline Outcome<std::uint64_t> Model::class_index(const std::string &text) const {
    std::uint64_t index = 0;
    const std::int32_t status = scorecam_model_find_class(&index, get(), text.c_str());
    return detail::called(status, [&] { return index; });
}

inline Outcome<std::optional<std::string>> Model::label(std::uint64_t class_index) const {
    const char *label = nullptr;
    const std::int32_t status = scorecam_model_label(&label, get(), class_index);
    return detail::called(status, [&] { return detail::optional_text(label); });
}

inline Outcome<Host> Host::create() {
    scorecam_host *host = nullptr;
    const std::int32_t status = scorecam_host_create(&host);
    return detail::called(status, [&] { return Host(host); });
}

inline Outcome<void> Host::load_plugin(const std::string &path) const {
    return detail::called(scorecam_host_load_plugin(get(), path.c_str()), [] {});
}

inline Outcome<void> Host::add_plugin(const scorecam_plugin_table &table) const {
    return detail::called(scorecam_host_add_plugin(get(), &table), [] {});
}

inline Outcome<const scorecam_method_description *> Host::method(const std::string &id) const {
    const scorecam_method_description *description = nullptr;
    const std::int32_t status = scorecam_host_method(&description, get(), id.c_str());
    return detail::called(status, [&] { return description; });
}

inline Outcome<std::vector<PluginInfo>> Host::plugins() const {
    std::uint64_t count = 0;
    const std::int32_t status = scorecam_host_plugin_count(&count, get());
    return detail::listed<PluginInfo>(status, count, [&](std::uint64_t i, PluginInfo &plugin) {
        scorecam_plugin_info raw = SCORECAM_PLUGIN_INFO_INIT;
        const std::int32_t read = scorecam_host_plugin(&raw, get(), i);
        plugin = {raw.kind,
                  detail::text_or_empty(raw.id),
                  detail::text_or_empty(raw.version),
                  detail::text_or_empty(raw.summary),
                  detail::optional_text(raw.path),
                  detail::text_or_empty(raw.proof),
                  raw.abilities};
        return read;
    });
}

inline Outcome<Model> Host::load_model(const std::string &path, const ModelOptions &options) const {
    const std::vector<scorecam_option> settings = detail::raw_options(options.settings);
    const scorecam_model_options raw = detail::raw_model_options(options, settings);
    scorecam_model *model = nullptr;
    const std::int32_t status = scorecam_model_load(&model, get(), path.c_str(), &raw);
    return detail::called(status, [&] { return Model(model); });
}

inline Outcome<Model> Host::adopt(std::shared_ptr<const Engine> engine, const ModelOptions &options) const {
    if (engine == nullptr) {
        return detail::failed<Model>(SCORECAM_ERR_INVALID_ARGUMENT, "engine is NULL; adopt takes a live one");
    }
    const scorecam_backend table = detail::engine_table(nullptr);
    auto held = std::make_unique<detail::HeldEngine>(std::move(engine));
    const scorecam_model_options raw = detail::raw_model_options(options, {});
    scorecam_model *model = nullptr;
    const std::int32_t status = scorecam_model_from_backend(&model, get(), &table, held.get(), &raw);
    if (status == SCORECAM_OK) {
        // The library now owns the engine: it calls release_engine.
        static_cast<void>(held.release());
    }
    return detail::called(status, [&] { return Model(model); });
}

inline Outcome<Model> Host::adopt(const scorecam_backend &table, void *user_data,
                                  const ModelOptions &options) const {
    const scorecam_model_options raw = detail::raw_model_options(options, {});
    scorecam_model *model = nullptr;
    const std::int32_t status = scorecam_model_from_backend(&model, get(), &table, user_data, &raw);
    return detail::called(status, [&] { return Model(model); });
}

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_CALLS_HPP
