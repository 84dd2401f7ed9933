// scorecam for C++17: the bodies of what scorecam.hpp declares. Included at its end, and nowhere else.
#ifndef SCORECAM_CALLS_HPP
#define SCORECAM_CALLS_HPP

namespace scorecam {
inline namespace SCORECAM_MODE {
namespace detail {

// A progress function on its way through C.
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
    return scorecam_overlay(out.data(), out.size(), explanation.get(), &photo.raw(), &raw);
}

}  // namespace detail

inline Outcome<std::size_t> Explanation::count() const {
    std::uint64_t count = 0;
    const std::int32_t status = scorecam_explanation_count(&count, get());
    return detail::called(status, [&] { return static_cast<std::size_t>(count); });
}

inline Outcome<MapView> Explanation::map(std::size_t index) const & {
    const float *data = nullptr;
    std::uint64_t height = 0, width = 0;
    const std::int32_t status = scorecam_explanation_map(&data, &height, &width, get(), index);
    return detail::called(status, [&] {
        return MapView(data, static_cast<std::size_t>(height), static_cast<std::size_t>(width));
    });
}

inline Outcome<Target> Explanation::target(std::size_t index) const {
    scorecam_target raw = SCORECAM_TARGET_INIT;
    const std::int32_t status = scorecam_explanation_target(&raw, get(), index);
    return detail::called(status, [&] {
        const double *rect = raw.rect;
        return Target{raw.class_index,
                      raw.score,
                      raw.output,
                      detail::optional_text(raw.label),
                      detail::text_or_empty(raw.text),
                      raw.has_box != 0 ? std::optional(Detection{{rect[0], rect[1], rect[2], rect[3]}, raw.box_score})
                                       : std::nullopt};
    });
}

inline Outcome<std::uint64_t> Explanation::passes() const {
    std::uint64_t passes = 0;
    const std::int32_t status = scorecam_explanation_passes(&passes, get());
    return detail::called(status, [&] { return passes; });
}

inline Outcome<std::string> Explanation::layer() const {
    const char *layer = nullptr;
    const std::int32_t status = scorecam_explanation_layer(&layer, get());
    return detail::called(status, [&] { return detail::text_or_empty(layer); });
}

inline Outcome<std::vector<std::string>> Explanation::warnings() const {
    std::uint64_t count = 0;
    const std::int32_t status = scorecam_explanation_warning_count(&count, get());
    return detail::listed<std::string>(status, count, [&](std::uint64_t i, std::string &warning) {
        const char *text = nullptr;
        const std::int32_t read = scorecam_explanation_warning(&text, get(), i);
        warning = detail::text_or_empty(text);
        return read;
    });
}

inline Outcome<std::map<std::string, double>> Explanation::measures() const {
    std::map<std::string, double> measures;
    std::uint64_t count = 0;
    std::int32_t status = scorecam_explanation_measure_count(&count, get());
    for (std::uint64_t i = 0; status == SCORECAM_OK && i < count; i++) {
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
    // A pixel has a sample at least. Where there are more pixels than bytes the photo is wrong, which the
    // call below says: nothing is to be allocated by its sizes.
    const std::uint64_t width = photo.upright_width(), height = photo.upright_height();
    const bool plausible = width > 0 && height > 0 && height <= photo.raw().data_size / width;
    std::vector<std::uint8_t> out(plausible ? static_cast<std::size_t>(3 * width * height) : 1);
    const std::int32_t status = detail::draw(out, *this, photo, options, 0);
    return detail::called(status, [&] { return std::move(out); });
}

inline Outcome<Explanation> Model::explain(const Image &image, const ExplainOptions &options) const {
    const std::vector<scorecam_option> method_options = detail::raw_options(options.options);
    detail::ProgressCall progress(options.progress);
    scorecam_explain_options raw = SCORECAM_EXPLAIN_OPTIONS_INIT;
    raw.method = detail::text_or_null(options.method);
    raw.preset = detail::text_or_null(options.preset);
    raw.options = method_options.data();
    raw.option_count = method_options.size();
    raw.classes = options.classes.data();
    raw.class_count = options.classes.size();
    raw.top_k = options.top_k;
    std::vector<const char *> targets;
    for (const std::string &target : options.targets) {
        targets.push_back(target.c_str());
    }
    raw.targets = targets.data();
    raw.target_count = targets.size();
    raw.min_score = options.min_score;
    raw.layer = detail::text_or_null(options.layer);
    raw.batch_size = options.batch_size;
    raw.reference = options.reference ? &options.reference->raw() : nullptr;
    if (options.progress) {
        raw.progress = detail::ProgressCall::call;
        raw.user_data = &progress;
    }
    scorecam_explanation *explanation = nullptr;
    const std::int32_t status = scorecam_explain(&explanation, get(), &image.raw(), &raw);
    Explanation owned(explanation);
    progress.thrown.rethrow();
    return detail::called(status, [&] { return std::move(owned); });
}

inline Outcome<std::vector<LayerInfo>> Model::layers() const {
    std::uint64_t count = 0;
    const std::int32_t status = scorecam_model_layer_count(&count, get());
    return detail::listed<LayerInfo>(status, count, [&](std::uint64_t i, LayerInfo &layer) {
        scorecam_layer_info raw = SCORECAM_LAYER_INFO_INIT;
        const std::int32_t read = scorecam_model_layer(&raw, get(), i);
        layer = {detail::text_or_empty(raw.name), detail::text_or_empty(raw.operation), Shape(raw.shape),
                 raw.is_default != 0};
        return read;
    });
}

inline Outcome<std::string> Model::backend() const {
    const char *id = nullptr;
    const std::int32_t status = scorecam_model_backend(&id, get());
    return detail::called(status, [&] { return detail::text_or_empty(id); });
}

inline Outcome<std::optional<std::string>> Model::backend_reason() const {
    const char *reason = nullptr;
    const std::int32_t status = scorecam_model_backend_reason(&reason, get());
    return detail::called(status, [&] { return detail::optional_text(reason); });
}

inline Outcome<std::uint64_t> Model::class_index(const std::string &text) const {
    std::uint64_t index = 0;
    const std::int32_t status = scorecam_model_class(&index, get(), text.c_str());
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
    return detail::called(scorecam_load_plugin(get(), path.c_str()), [] {});
}

inline Outcome<std::vector<PluginInfo>> Host::plugins() const {
    std::uint64_t count = 0;
    const std::int32_t status = scorecam_plugin_count(&count, get());
    return detail::listed<PluginInfo>(status, count, [&](std::uint64_t i, PluginInfo &plugin) {
        scorecam_plugin_info raw = SCORECAM_PLUGIN_INFO_INIT;
        const std::int32_t read = scorecam_plugin_get(&raw, get(), i);
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
    scorecam_model_options raw = SCORECAM_MODEL_OPTIONS_INIT;
    raw.threads = options.threads;
    raw.backend = detail::text_or_null(options.backend);
    raw.layer = detail::text_or_null(options.layer);
    raw.device = detail::text_or_null(options.device);
    raw.settings = settings.data();
    raw.setting_count = settings.size();
    scorecam_model *model = nullptr;
    const std::int32_t status = scorecam_model_load(&model, get(), path.c_str(), &raw);
    return detail::called(status, [&] { return Model(model); });
}

inline Outcome<Model> Host::adopt(std::shared_ptr<const Engine> engine, const std::string &manifest) const {
    if (engine == nullptr) {
        return detail::failed<Model>(SCORECAM_ERR_INVALID_ARGUMENT, "engine is NULL; adopt takes a live one");
    }
    const scorecam_backend table = detail::engine_table(nullptr);
    auto held = std::make_unique<detail::HeldEngine>(std::move(engine));
    scorecam_model *model = nullptr;
    const std::int32_t status =
        scorecam_model_from_backend(&model, get(), &table, held.get(), detail::text_or_null(manifest));
    if (status == SCORECAM_OK) {
        // The library's from here on: it calls release_engine.
        static_cast<void>(held.release());
    }
    return detail::called(status, [&] { return Model(model); });
}

inline Outcome<Model> Host::adopt(const scorecam_backend &table, void *user_data,
                                  const std::string &manifest) const {
    scorecam_model *model = nullptr;
    const std::int32_t status =
        scorecam_model_from_backend(&model, get(), &table, user_data, detail::text_or_null(manifest));
    return detail::called(status, [&] { return Model(model); });
}

}  // namespace SCORECAM_MODE
}  // namespace scorecam

#endif  // SCORECAM_CALLS_HPP
