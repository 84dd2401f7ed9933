// scorecam for C++17: plugins. Header-only, over scorecam_plugin.h; needs no library.
//
//     class MyRuntime final : public scorecam::Backend { ... };    // descriptor() and load()
//     class MyCam final : public scorecam::Method { ... };         // descriptor() and explain()
//     SCORECAM_PLUGIN(MyRuntime, MyCam); // once per library, outside of namespaces
//
// A backend loads models, each a scorecam::Engine (see scorecam/engine.hpp) with describe() and forward(). Build a
// shared library with hidden visibility; the macro exports `scorecam_plugin_entry`, the only symbol needed.
//
// The functions of the tables catch all exceptions and return a status and a message: those of an Error, or
// SCORECAM_ERR_INTERNAL for everything else. Without exceptions the classes return Result, see scorecam/result.hpp.
// All functions are const, because several threads call them concurrently.
#ifndef SCORECAM_PLUGIN_HPP
#define SCORECAM_PLUGIN_HPP

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scorecam/engine.hpp"
#include "scorecam/maps.hpp"
#include "scorecam/method.hpp"

#if defined(__GNUC__)
#define SCORECAM_EXPORT __attribute__((visibility("default")))
#elif defined(_WIN32)
#define SCORECAM_EXPORT __declspec(dllexport)
#else
#define SCORECAM_EXPORT
#endif

namespace scorecam {
inline namespace SCORECAM_MODE {

// The description of one item of a plugin.
struct Descriptor {
    // 1 to 64 of a-z, 0-9 and hyphens.
    std::string id{};
    // The plugin's own version.
    std::string version{};
    // A description in one line.
    std::string summary{};
    // The file extensions of a backend's models, without dots.
    std::vector<std::string> extensions{};
    // The abilities of a backend's models, a sum of SCORECAM_ABILITY_*. A model may lack some of them; the host
    // rejects a model that offers others.
    std::uint32_t abilities = 0;
};

// The arguments for loading a model.
struct ModelConfig {
    // The model's file.
    std::string path{};
    // The name of the image input; none for the only one.
    std::optional<std::string> input{};
    // The name of the output with class scores; none for the one that looks like class scores.
    std::optional<std::string> output{};
    // A hint: the layer to explain, or several separated by commas.
    std::optional<std::string> layer{};
    // Such as "cpu" or "cuda:0".
    std::optional<std::string> device{};
    // Threads for the runtime; 0 for all cores.
    std::uint32_t threads = 0;
    // The input size for a model of variable input size; 0 if unknown.
    std::uint64_t input_height = 0;
    std::uint64_t input_width = 0;
    // Whether the model itself takes [N, H, W, C]; the backend then transposes.
    bool channels_last = false;
    // Settings of the backend; an unknown one must be an error, for example by no_settings().
    std::vector<Option> settings{};

    // Fails if there is a setting: for backends without settings.
    Outcome<void> no_settings() const {
        return detail::outcome(
            settings.empty() ? SCORECAM_OK : SCORECAM_ERR_NOT_FOUND,
            [&] { return "setting \"" + settings.front().name + "\" is unknown; this backend has none"; },
            [] {});
    }
};

// The readiness of a backend on this machine.
struct Readiness {
    // The backend with the highest rank is preferred; at most SCORECAM_READY_HIGHEST.
    std::uint32_t rank = SCORECAM_READY_CPU;
    // The device in one line ("the CPU"); may be empty.
    std::string device{};
};

namespace detail {

// The host's services for this plugin; NULL before the host opens it.
SCORECAM_HIDDEN inline std::atomic<const scorecam_services *> services{nullptr};

inline void open_plugin(const scorecam_services *given) noexcept { services.store(given); }

}  // namespace detail

// Writes a line to the host's log, which users enable with SCORECAM_LOG. `level` is one of SCORECAM_LOG_*, `target`
// is the part of the plugin. May be called from any thread.
inline void log(std::uint32_t level, const std::string &target, const std::string &text) noexcept {
    const scorecam_services *const host = detail::services.load();
    if (host != nullptr && host->log != nullptr && level <= host->log_level) {
        host->log(host->context, level, target.c_str(), text.c_str());
    }
}

// A runtime that loads models. One instance is created per process, on first use.
class Backend {
   public:
    virtual ~Backend() = default;
    virtual Descriptor descriptor() const = 0;
    // The readiness on this machine, on `device` if one was requested; fails with the missing part and the command
    // that installs it. Called before a model is loaded: must take only milliseconds and start no engine.
    virtual Outcome<Readiness> readiness(const std::optional<std::string> &device) const {
        static_cast<void>(device);
        return Readiness();
    }
    // Loads a model. SCORECAM_ERR_IO: the file cannot be read. SCORECAM_ERR_MODEL: it is invalid.
    virtual Outcome<std::unique_ptr<Engine>> load(const ModelConfig &config) const = 0;
};

// An explanation algorithm. One instance is created per process, on first use.
class Method {
   public:
    virtual ~Method() = default;
    virtual Descriptor descriptor() const = 0;
    // Its options, presets and needs; called once.
    virtual Outcome<MethodDescription> describe() const { return MethodDescription(); }
    // Explains the study's targets, with a map [H, W] for each. `options` has a value for every option.
    virtual Outcome<MethodResult> explain(const Study &study, const OptionValues &options) const = 0;
};

namespace detail {

inline std::optional<std::string> given(const char *text) {
    return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

inline ModelConfig config_of(const scorecam_model_config &raw) {
    ModelConfig config;
    config.path = raw.path;
    config.input = given(raw.input);
    config.output = given(raw.output);
    config.layer = given(raw.layer);
    config.device = given(raw.device);
    config.threads = raw.threads;
    config.input_height = raw.input_height;
    config.input_width = raw.input_width;
    config.channels_last = raw.channels_last != 0;
    for (std::uint32_t i = 0; i < raw.setting_count; i++) {
        config.settings.push_back({raw.settings[i].name, raw.settings[i].value});
    }
    return config;
}

// A descriptor with its C form, which points into it.
class DescriptorTable {
   public:
    DescriptorTable(Descriptor said, std::uint32_t kind) : said_(std::move(said)), raw_() {
        for (const std::string &extension : said_.extensions) {
            extensions_ += (extensions_.empty() ? "" : " ") + extension;
        }
        const bool backend = kind == SCORECAM_KIND_BACKEND;
        raw_ = {sizeof raw_,
                kind,
                said_.id.c_str(),
                said_.version.c_str(),
                said_.summary.c_str(),
                backend ? extensions_.c_str() : nullptr,
                backend ? said_.abilities : 0,
                0};
    }
    DescriptorTable(const DescriptorTable &) = delete;
    DescriptorTable &operator=(const DescriptorTable &) = delete;

    const scorecam_descriptor *raw() const noexcept { return &raw_; }

   private:
    Descriptor said_;
    std::string extensions_;
    scorecam_descriptor raw_;
};

// A method's description with its C form, which points into it.
class MethodTable {
   public:
    explicit MethodTable(MethodDescription said) : said_(std::move(said)), raw_() {
        // Nested lists first: they must not grow once pointers lead into them.
        for (const OptionSpec &option : said_.options) {
            auto &choices = choices_.emplace_back();
            for (const std::string &choice : option.choices) {
                choices.push_back(choice.c_str());
            }
        }
        for (const Preset &preset : said_.presets) {
            auto &values = values_.emplace_back();
            for (const Option &value : preset.values) {
                values.push_back({value.name.c_str(), value.value.c_str()});
            }
        }
        for (std::size_t i = 0; i < said_.options.size(); i++) {
            const OptionSpec &option = said_.options[i];
            options_.push_back({option.name.c_str(), option.help.c_str(), option.default_value.c_str(),
                                option.kind, static_cast<std::uint32_t>(choices_[i].size()),
                                choices_[i].data(), option.min, option.max});
        }
        for (std::size_t i = 0; i < said_.presets.size(); i++) {
            const Preset &preset = said_.presets[i];
            presets_.push_back(
                {preset.name.c_str(), preset.summary.c_str(), values_[i].data(), values_[i].size()});
        }
        raw_ = {sizeof raw_, said_.needs, options_.data(), options_.size(), presets_.data(), presets_.size()};
    }
    MethodTable(const MethodTable &) = delete;
    MethodTable &operator=(const MethodTable &) = delete;

    const scorecam_method_description *raw() const noexcept { return &raw_; }

   private:
    MethodDescription said_;
    std::vector<std::vector<const char *>> choices_;
    std::vector<std::vector<scorecam_option>> values_;
    std::vector<scorecam_option_spec> options_;
    std::vector<scorecam_preset> presets_;
    scorecam_method_description raw_;
};

// A method's result, with the function that frees it.
struct ResultTable {
    MethodResult made;
    std::vector<scorecam_measure> measures;
    std::vector<const char *> warnings;

    static void release(void *owner) noexcept { delete static_cast<ResultTable *>(owner); }
};

inline Outcome<void> hand_over_result(MethodResult &&made, scorecam_method_result *out) {
    auto owner = std::make_unique<ResultTable>();
    owner->made = std::move(made);
    const Tensor &maps = owner->made.maps;
    if (maps.size() == 0 || maps.size() != maps.shape().count()) {
        return failed<void>(SCORECAM_ERR_PLUGIN, "the maps have " + std::to_string(maps.size()) +
                                                     " values, which does not match shape " +
                                                     maps.shape().text());
    }
    for (const auto &[name, value] : owner->made.measures) {
        owner->measures.push_back({name.c_str(), value});
    }
    for (const std::string &warning : owner->made.warnings) {
        owner->warnings.push_back(warning.c_str());
    }
    const std::optional<Tensor> &errors = owner->made.errors;
    *out = {maps.view().raw(),      errors ? errors->view().raw() : scorecam_tensor{},
            owner->measures.data(), owner->measures.size(),
            owner->warnings.data(), owner->warnings.size(),
            owner.get(),            ResultTable::release};
    static_cast<void>(owner.release());
    return Outcome<void>();
}

// The base class of a plugin's class.
template <typename Item>
using BaseOf = std::conditional_t<std::is_base_of_v<Backend, Item>, Backend, Method>;

// The only instance of a plugin's class, as its base, because overrides may be private. Like everything that the host
// keeps for the life of the process, it is never destroyed: threads may still run when a program ends. After an
// exception the next call tries again. Hidden, because classes of several plugins may have the same name.
template <typename Item>
SCORECAM_HIDDEN const BaseOf<Item> &instance() {
    static const Item *const item = new Item();
    return *item;
}

template <typename Item>
struct ItemOf {
    static constexpr bool kIsBackend = std::is_base_of_v<Backend, Item>;
    static_assert(kIsBackend != std::is_base_of_v<Method, Item>,
                  "SCORECAM_PLUGIN takes classes that are a scorecam::Backend or a scorecam::Method");

    SCORECAM_HIDDEN static const scorecam_descriptor *descriptor() {
        constexpr std::uint32_t kind = kIsBackend ? SCORECAM_KIND_BACKEND : SCORECAM_KIND_METHOD;
        static const auto *const table = new DescriptorTable(instance<Item>().descriptor(), kind);
        return table->raw();
    }

    SCORECAM_HIDDEN static const void *interface_of(const char *id) noexcept {
        if constexpr (kIsBackend) {
            static constexpr scorecam_backend table = engine_table(load);
            static constexpr scorecam_readiness readiness = {sizeof(scorecam_readiness), 0, assess};
            if (std::strcmp(id, "scorecam.readiness/1") == 0) {
                return &readiness;
            }
            return std::strcmp(id, "scorecam.backend/1") == 0 ? &table : nullptr;
        } else {
            static constexpr scorecam_method table = {sizeof(scorecam_method), 0, describe, explain};
            return std::strcmp(id, "scorecam.method/1") == 0 ? &table : nullptr;
        }
    }

    SCORECAM_HIDDEN static std::int32_t assess(const char *device, std::uint32_t *rank,
                                               scorecam_message *text) noexcept {
        return guarded(text, [&] {
            auto give = [&](Readiness &&ready) -> Outcome<void> {
                *rank = ready.rank;
                static_cast<void>(report(text, SCORECAM_OK, ready.device.c_str()));
                return Outcome<void>();
            };
            return then(instance<Item>().readiness(given(device)), give);
        });
    }

    SCORECAM_HIDDEN static std::int32_t load(const scorecam_model_config *config, void **model,
                                             scorecam_message *why) noexcept {
        return guarded(why, [&] {
            auto keep = [&](std::unique_ptr<Engine> &&engine) -> Outcome<void> {
                if (engine == nullptr) {
                    return failed<void>(SCORECAM_ERR_PLUGIN, "load returned no engine");
                }
                *model = std::make_unique<HeldEngine>(std::move(engine)).release();
                return Outcome<void>();
            };
            return then(instance<Item>().load(config_of(*config)), keep);
        });
    }

    SCORECAM_HIDDEN static std::int32_t describe(const scorecam_method_description **description,
                                                 scorecam_message *why) noexcept {
        return guarded(why, [&]() -> Outcome<void> {
            static auto *const mutex = new std::mutex();
            static const MethodTable *table = nullptr;
            const std::lock_guard<std::mutex> lock(*mutex);
            auto keep = [&](MethodDescription &&said) -> Outcome<void> {
                table = new MethodTable(std::move(said));
                *description = table->raw();
                return Outcome<void>();
            };
            if (table == nullptr) {
                return then(instance<Item>().describe(), keep);
            }
            *description = table->raw();
            return Outcome<void>();
        });
    }

    SCORECAM_HIDDEN static std::int32_t explain(const scorecam_study *study, const scorecam_option *options,
                                                std::uint64_t option_count, scorecam_method_result *result,
                                                scorecam_message *why) noexcept {
        return guarded(why, [&] {
            auto give = [&](MethodResult &&made) { return hand_over_result(std::move(made), result); };
            return then(instance<Item>().explain(Study(*study), OptionValues(options, option_count)), give);
        });
    }
};

// The two functions of the entry for a list of classes.
template <typename... Items>
struct PluginOf {
    SCORECAM_HIDDEN static const scorecam_descriptor *descriptor(std::uint32_t index) noexcept {
        const scorecam_descriptor *found = nullptr;
        // A class whose construction fails has no descriptor; the host then rejects the plugin.
        guarded(nullptr, [&]() -> Outcome<void> {
            constexpr const scorecam_descriptor *(*kDescriptors[])() = {ItemOf<Items>::descriptor...};
            found = index < sizeof...(Items) ? kDescriptors[index]() : nullptr;
            return Outcome<void>();
        });
        return found;
    }

    SCORECAM_HIDDEN static const void *get_interface(std::uint32_t index, const char *id) noexcept {
        constexpr const void *(*kInterfaces[])(const char *) = {ItemOf<Items>::interface_of...};
        return index < sizeof...(Items) ? kInterfaces[index](id) : nullptr;
    }

    static constexpr scorecam_plugin_table table() noexcept {
        return {SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), sizeof...(Items), 0, open_plugin,
                descriptor, get_interface};
    }
};

}  // namespace detail
}  // namespace SCORECAM_MODE
}  // namespace scorecam

// Makes the library a plugin with the given backends and methods, which must be default-constructible.
#define SCORECAM_PLUGIN(...)                                                      \
    extern "C" SCORECAM_EXPORT const scorecam_plugin_table scorecam_plugin_entry; \
    constexpr scorecam_plugin_table scorecam_plugin_entry = scorecam::detail::PluginOf<__VA_ARGS__>::table()

#endif  // SCORECAM_PLUGIN_HPP
