/*
 * scorecam: explains what an image classifier looks at.
 *
 * Generated from ffi/src by `cargo xtask headers`; do not edit.
 *
 * Every function returns a status, SCORECAM_OK (0) or one of SCORECAM_ERR_*, where nothing else is said;
 * scorecam_last_error() tells in one line why this thread's last failed call failed. Results come through
 * the first parameters and are written on success only. `const T *` may be used by several threads at once.
 * A `T **` result is the caller's, to be freed by the function of its name; every free takes NULL. Handles
 * are looked up, never followed: one that was freed, is of another type or never was one gives
 * SCORECAM_ERR_INVALID_HANDLE.
 * Structs begin with `struct_size`: set them to their _INIT macro, then set what is needed. Fields that a
 * program built against an older header does not have count as 0. Strings are UTF-8, end with NUL, and have
 * at most SCORECAM_MAX_STRING bytes.
 */


#ifndef SCORECAM_H
#define SCORECAM_H

#include <stddef.h>
#include <stdint.h>
#include "scorecam_plugin.h"

#ifdef __cplusplus
#define SCORECAM_SIZE_OF(type) static_cast<uint32_t>(sizeof(type))
#else
#define SCORECAM_SIZE_OF(type) ((uint32_t)sizeof(type))
#endif

/* Begin values of structs: right for C and C++, in declarations only. */
#define SCORECAM_PLUGIN_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_plugin_info), 0, NULL, NULL, NULL, NULL, NULL, 0, 0 }
#define SCORECAM_MODEL_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_model_options), 0, NULL, NULL, NULL, NULL, 0 }
#define SCORECAM_LAYER_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_layer_info), 0, NULL, NULL, { 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } } }
#define SCORECAM_IMAGE_INIT \
    { SCORECAM_SIZE_OF(scorecam_image), SCORECAM_IMAGE_PHOTO, NULL, 0, 0, 0, 0, 0, \
      SCORECAM_PIXELS_RGB, SCORECAM_SAMPLES_U8, SCORECAM_LAYOUT_HWC, 1, 0, 0 }
#define SCORECAM_TENSOR_INIT \
    { SCORECAM_SIZE_OF(scorecam_image), SCORECAM_IMAGE_TENSOR, NULL, 0, 0, 0, 0, 0, \
      SCORECAM_PIXELS_RGB, SCORECAM_SAMPLES_F32, SCORECAM_LAYOUT_CHW, 1, 3, 0 }
#define SCORECAM_EXPLAIN_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_explain_options), 0, NULL, NULL, NULL, 0, NULL, 0, 0, NULL, 0, NULL, NULL, \
      NULL, NULL, 0, 0.0 }
#define SCORECAM_TARGET_INIT \
    { SCORECAM_SIZE_OF(scorecam_target), 0, 0, 0.0, 0.0, NULL, NULL, { 0.0, 0.0, 0.0, 0.0 }, 0.0 }
#define SCORECAM_OVERLAY_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_overlay_options), 0.5f, 0, NULL, 0 }


/**
 * `scorecam_target.class_index`: the target is about no class.
 */
#define SCORECAM_NO_CLASS UINT64_MAX

/**
 * `scorecam_image.kind`: a photo, made into the model's input as its manifest says.
 */
#define SCORECAM_IMAGE_PHOTO 0

/**
 * `scorecam_image.kind`: the model's input itself, f32 [C, H, W] without gaps, used exactly as it is.
 */
#define SCORECAM_IMAGE_TENSOR 1

/**
 * `scorecam_image.format`: red, green, blue.
 */
#define SCORECAM_PIXELS_RGB 0

/**
 * `scorecam_image.format`: blue, green, red, as OpenCV has them.
 */
#define SCORECAM_PIXELS_BGR 1

/**
 * `scorecam_image.format`: red, green, blue, alpha; alpha is dropped.
 */
#define SCORECAM_PIXELS_RGBA 2

/**
 * `scorecam_image.format`: blue, green, red, alpha; alpha is dropped.
 */
#define SCORECAM_PIXELS_BGRA 3

/**
 * `scorecam_image.format`: gray.
 */
#define SCORECAM_PIXELS_GRAY 4

/**
 * `scorecam_image.format`: gray, alpha; alpha is dropped.
 */
#define SCORECAM_PIXELS_GRAY_ALPHA 5

/**
 * `scorecam_image.sample_type`: uint8_t, 0 to 255.
 */
#define SCORECAM_SAMPLES_U8 0

/**
 * `scorecam_image.sample_type`: uint16_t in the machine's byte order, 0 to 65535.
 */
#define SCORECAM_SAMPLES_U16 1

/**
 * `scorecam_image.sample_type`: float; 0 to 1 in a photo, any finite value in a tensor.
 */
#define SCORECAM_SAMPLES_F32 2

/**
 * `scorecam_image.layout`: the channels of a pixel side by side.
 */
#define SCORECAM_LAYOUT_HWC 0

/**
 * `scorecam_image.layout`: one plane after the other.
 */
#define SCORECAM_LAYOUT_CHW 1

/**
 * Saliency maps and what belongs to them. It needs neither the model nor the host any more, and never
 * changes. What is read from it is valid until it is freed.
 */
typedef struct scorecam_explanation scorecam_explanation;

/**
 * A registry of backends and methods. It begins with the built-in methods; plugins are added to it. Models
 * keep what they need of their host, so a host may be freed before them.
 */
typedef struct scorecam_host scorecam_host;

/**
 * A loaded model. Every call that takes it as const may be made from several threads at once.
 */
typedef struct scorecam_model scorecam_model;

/**
 * A photo or a tensor in the caller's memory, which is read during the call only. Begin with
 * `SCORECAM_IMAGE_INIT` (a packed 8-bit RGB photo) or `SCORECAM_TENSOR_INIT`, then set `data`, `data_size`,
 * `width` and `height`.
 */
typedef struct scorecam_image {
    /**
     * `sizeof(scorecam_image)`.
     */
    uint32_t struct_size;
    /**
     * One of `SCORECAM_IMAGE_*`.
     */
    uint32_t kind;
    /**
     * The first sample of the first row, aligned as its type needs.
     */
    const void *data;
    /**
     * How many bytes may be read from `data` on.
     */
    uint64_t data_size;
    /**
     * Pixels in a row: 1 to 65535.
     */
    uint64_t width;
    /**
     * Rows: 1 to 65535.
     */
    uint64_t height;
    /**
     * Bytes from one row to the next; 0 for rows without gaps, and for tensors.
     */
    uint64_t row_stride;
    /**
     * Bytes from one plane to the next in CHW; 0 for planes without gaps, and for tensors.
     */
    uint64_t plane_stride;
    /**
     * One of `SCORECAM_PIXELS_*`; not read for tensors.
     */
    uint32_t format;
    /**
     * One of `SCORECAM_SAMPLES_*`; f32 for tensors.
     */
    uint32_t sample_type;
    /**
     * One of `SCORECAM_LAYOUT_*`; CHW for tensors.
     */
    uint32_t layout;
    /**
     * EXIF orientation of a photo, 1 (upright) to 8; 0 counts as 1.
     */
    uint32_t orientation;
    /**
     * Channels of a tensor; not read for photos.
     */
    uint32_t channels;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_image;

/**
 * Is told of progress: `passes` images were run through the model of `expected`, which is 0 while not
 * known. Any result but 0 cancels the call, which returns `SCORECAM_ERR_CANCELLED` and calls it no more. Called
 * on the thread of `scorecam_explain`; never twice at once by one `scorecam_explain`. Must return: neither throw nor
 * jump out by longjmp.
 */
typedef int32_t (*scorecam_progress)(uint64_t passes, uint64_t expected, void *user_data);

/**
 * What to explain, and how. Begin with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
 */
typedef struct scorecam_explain_options {
    /**
     * `sizeof(scorecam_explain_options)`.
     */
    uint32_t struct_size;
    /**
     * Threads for the call's own work, which runs on the calling thread: 0 or 1. The engine's threads are
     * chosen when a model is loaded.
     */
    uint32_t threads;
    /**
     * The method's id; NULL for "score-cam".
     */
    const char *method;
    /**
     * A preset of the method; NULL for its defaults.
     */
    const char *preset;
    /**
     * Options of the method, which come before the preset's.
     */
    const scorecam_option *options;
    /**
     * How many there are.
     */
    uint64_t option_count;
    /**
     * The classes to explain, all from the same passes.
     */
    const uint64_t *classes;
    /**
     * How many there are; 0 to take the classes with the highest scores.
     */
    uint64_t class_count;
    /**
     * How many classes with the highest scores, where `class_count` is 0; 0 for one.
     */
    uint64_t top_k;
    /**
     * The layer to explain; NULL for the one named at load, or the default one.
     */
    const char *layer;
    /**
     * Images in a pass, at most 4096; 0 for what the model runs fastest.
     */
    uint64_t batch_size;
    /**
     * Another image that some options compare with, of the same input shape; NULL for none.
     */
    const struct scorecam_image *reference;
    /**
     * Is told of progress and may cancel; NULL for nobody.
     */
    scorecam_progress progress;
    /**
     * Passed to `progress`.
     */
    void *user_data;
    /**
     * Targets in words, in place of classes: "box:0", "contrast:tabby-lynx", "region:mask.png:15"; docs/targets.md has
     * all of them.
     */
    const char *const *targets;
    /**
     * How many there are.
     */
    uint64_t target_count;
    /**
     * The least score of a detection, 0 to 1; 0 for 0.25.
     */
    double min_score;
} scorecam_explain_options;

/**
 * An explained target.
 */
typedef struct scorecam_target {
    /**
     * `sizeof(scorecam_target)`.
     */
    uint32_t struct_size;
    /**
     * 1 when the target is about a box, else 0.
     */
    uint32_t has_box;
    /**
     * The class that it is about, or `SCORECAM_NO_CLASS`.
     */
    uint64_t class_index;
    /**
     * A class's probability on the image, 0 to 1; the number of another target.
     */
    double score;
    /**
     * The model's raw output for a class; the number of another target.
     */
    double output;
    /**
     * The class's label; NULL where no labels file gives one.
     */
    const char *label;
    /**
     * What was asked, in words: "class:285", "box:0".
     */
    const char *text;
    /**
     * The box's left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
     */
    double rect[4];
    /**
     * How sure the detector is of the box, 0 to 1.
     */
    double box_score;
} scorecam_target;

/**
 * One backend or method of a host. The strings are valid until the host is freed.
 */
typedef struct scorecam_plugin_info {
    /**
     * `sizeof(scorecam_plugin_info)`.
     */
    uint32_t struct_size;
    /**
     * `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`.
     */
    uint32_t kind;
    /**
     * The id by which it is chosen.
     */
    const char *id;
    /**
     * The plugin's own version.
     */
    const char *version;
    /**
     * One line on what it is.
     */
    const char *summary;
    /**
     * The plugin's file; NULL for what is built in.
     */
    const char *path;
    /**
     * How its layout is known: "built in", "layout verified" or "version checked".
     */
    const char *proof;
    /**
     * A sum of `SCORECAM_ABILITY_*`: what a backend's models can have at most, what a method needs of a model.
     */
    uint32_t abilities;
    /**
     * 0.
     */
    uint32_t reserved;
} scorecam_plugin_info;

/**
 * How to load a model. Begin with `SCORECAM_MODEL_OPTIONS_INIT`; every field may stay 0. What is not given
 * comes from the manifest, and else from the model's file.
 */
typedef struct scorecam_model_options {
    /**
     * `sizeof(scorecam_model_options)`.
     */
    uint32_t struct_size;
    /**
     * Threads for the engine, at most 1024; 0 for all cores.
     */
    uint32_t threads;
    /**
     * The backend's id; "auto" for the best one that loads files of this name and works on this machine. NULL for
     * the manifest's, or else as "auto".
     */
    const char *backend;
    /**
     * The layer to explain; NULL for the manifest's or the default one.
     */
    const char *layer;
    /**
     * The device, as in "cpu" or "cuda:0"; NULL for the backend's default.
     */
    const char *device;
    /**
     * Settings of the backend; an unknown one is an error.
     */
    const scorecam_option *settings;
    /**
     * How many there are.
     */
    uint64_t setting_count;
} scorecam_model_options;

/**
 * A layer that can be explained or tapped. The strings are valid until the model is freed.
 */
typedef struct scorecam_layer_info {
    /**
     * `sizeof(scorecam_layer_info)`.
     */
    uint32_t struct_size;
    /**
     * 1 for the layer that is explained when none is named; else 0.
     */
    uint32_t is_default;
    /**
     * The name to give as layer.
     */
    const char *name;
    /**
     * What it does, in the model's own words ("Conv").
     */
    const char *operation;
    /**
     * Shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a
     * saliency map needs. A size of 0 is free.
     */
    scorecam_shape shape;
} scorecam_layer_info;

/**
 * How a map is shown. Begin with `SCORECAM_OVERLAY_OPTIONS_INIT`: target 0, viridis, half transparent.
 */
typedef struct scorecam_overlay_options {
    /**
     * `sizeof(scorecam_overlay_options)`.
     */
    uint32_t struct_size;
    /**
     * The colour's share of the result: 0 (the photo alone) to 1 (the map alone).
     */
    float opacity;
    /**
     * Which target's map is shown.
     */
    uint64_t target;
    /**
     * "viridis", "turbo", "jet", "inferno" or "gray"; NULL for viridis.
     */
    const char *colormap;
    /**
     * Bytes from one row of the result to the next; 0 for rows without gaps.
     */
    uint64_t row_stride;
} scorecam_overlay_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Explains what the model sees in an image; blocks until done. `options` may be NULL: Score-CAM of the class
 * with the highest score. `*out` is the caller's, to be freed by `scorecam_explanation_free`.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is wrong. `SCORECAM_ERR_NOT_FOUND`: no such
 * method, preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback asked to stop. Any thread, also
 * several at once with one model.
 *
 * # Safety
 * `out` leads to a writable handle; structs have the sizes that they say, arrays and images those that stand
 * beside them; strings end with NUL.
 */
int32_t scorecam_explain(struct scorecam_explanation **out,
                         const struct scorecam_model *model,
                         const struct scorecam_image *image,
                         const struct scorecam_explain_options *options);

/**
 * Frees an explanation; NULL is right. Any thread.
 */
int32_t scorecam_explanation_free(struct scorecam_explanation *explanation);

/**
 * How many targets, and as many maps, there are. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_explanation_count(uint64_t *out, const struct scorecam_explanation *explanation);

/**
 * The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite. Any
 * thread.
 *
 * # Safety
 * `data`, `height` and `width` lead to where the results are to be written.
 */
int32_t scorecam_explanation_map(const float **data,
                                 uint64_t *height,
                                 uint64_t *width,
                                 const struct scorecam_explanation *explanation,
                                 uint64_t index);

/**
 * Target `index`: what was asked, its class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first. Any thread.
 *
 * # Safety
 * `out` leads to as many writable bytes as its `struct_size` says.
 */
int32_t scorecam_explanation_target(struct scorecam_target *out,
                                    const struct scorecam_explanation *explanation,
                                    uint64_t index);

/**
 * How many images were run through the model, the unmasked one included. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_explanation_passes(uint64_t *out, const struct scorecam_explanation *explanation);

/**
 * The layer that was explained. Any thread.
 *
 * # Safety
 * `out` leads to a writable pointer.
 */
int32_t scorecam_explanation_layer(const char **out, const struct scorecam_explanation *explanation);

/**
 * How many warnings there are. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_explanation_warning_count(uint64_t *out, const struct scorecam_explanation *explanation);

/**
 * Warning `index`, one line: something that was taken for granted and may be wrong. Any thread.
 *
 * # Safety
 * `out` leads to a writable pointer.
 */
int32_t scorecam_explanation_warning(const char **out,
                                     const struct scorecam_explanation *explanation,
                                     uint64_t index);

/**
 * How many numbers the method reports of its work, beside the maps. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_explanation_measure_count(uint64_t *out, const struct scorecam_explanation *explanation);

/**
 * Number `index` that the method reports, and its name, such as the "estimated-error" of "score-cam-adaptive":
 * how far a map is from the exact one, relative to its norm, as far as the method can tell. Which numbers there
 * are, and in which order, is the method's affair: look for the name. Any thread.
 *
 * # Safety
 * `name` leads to a writable pointer, `value` to a writable number.
 */
int32_t scorecam_explanation_measure(const char **name,
                                     double *value,
                                     const struct scorecam_explanation *explanation,
                                     uint64_t index);

/**
 * Makes a host. Plugins that are not loaded by path are looked for, when a backend or method is not known or
 * no backend of a plugin loaded by path is ready for a model's file, in the folders of `SCORECAM_PLUGIN_PATH`,
 * in those of this library and the program, in `scorecam/` below them, and in `../lib/scorecam` where such a
 * folder is called `bin`. Any thread.
 *
 * # Safety
 * `out` leads to a writable handle.
 */
int32_t scorecam_host_create(struct scorecam_host **out);

/**
 * Frees a host; NULL is right. Models and explanations made with it live on. Any thread.
 */
int32_t scorecam_host_free(struct scorecam_host *host);

/**
 * Loads the plugin in a file, which is not opened again when it is loaded already. Where no backend is chosen by
 * id, its backends go before those that a search finds. Libraries stay loaded until the process ends.
 * `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_PLUGIN`: it is no plugin, or of another version. Any thread.
 *
 * # Safety
 * `path` is a string that ends with NUL; the file is one whose code may run in this process.
 */
int32_t scorecam_load_plugin(const struct scorecam_host *host,
                             const char *path);

/**
 * How many backends and methods the host has, built-in ones included. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_plugin_count(uint64_t *out, const struct scorecam_host *host);

/**
 * Describes backend or method `index`, in the order of loading; an index keeps its meaning. Set `out` to
 * `SCORECAM_PLUGIN_INFO_INIT` first. Any thread.
 *
 * # Safety
 * `out` leads to as many writable bytes as its `struct_size` says.
 */
int32_t scorecam_plugin_get(struct scorecam_plugin_info *out,
                            const struct scorecam_host *host,
                            uint64_t index);

/**
 * Loads a model. `path` is the model's file or its manifest (`.toml`); a manifest of the model's name beside
 * it is read, too. `options` may be NULL. `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_NOT_FOUND`: no such
 * backend or layer. `SCORECAM_ERR_MODEL`: the file is wrong. Any thread.
 *
 * # Safety
 * `out` leads to a writable handle; strings end with NUL; arrays have the lengths that stand beside them.
 */
int32_t scorecam_model_load(struct scorecam_model **out,
                            const struct scorecam_host *host,
                            const char *path,
                            const struct scorecam_model_options *options);

/**
 * Makes a model of an application's own engine: `backend` holds its functions, and `user_data` is what they
 * get as `model`. `load` is not called and may be NULL; the table itself is copied. `manifest` is a TOML file
 * that says the layer, the labels, the input's preprocessing and the output's activation; what it says of
 * file, backend and settings is not read, and NULL is right. The functions may be called from any thread, and
 * from several at once when several threads use the model. `release`, unless NULL, is called with `user_data`
 * when the model has been freed and its last call has ended; when this function fails it is not called.
 * `SCORECAM_ERR_PLUGIN`: the table is of another size or lacks a function, or the description is wrong.
 * `SCORECAM_ERR_NOT_FOUND`: the model has no layer of the manifest's name. Any thread.
 *
 * # Safety
 * `out` leads to a writable handle, `backend` to as many readable bytes as its `struct_size` says; its
 * functions and `user_data` stay valid until the model is released; `manifest` ends with NUL.
 */
int32_t scorecam_model_from_backend(struct scorecam_model **out,
                                    const struct scorecam_host *host,
                                    const scorecam_backend *backend,
                                    void *user_data,
                                    const char *manifest);

/**
 * Frees a model; NULL is right. Calls of other threads that use it go on; it goes with the last of them. Any
 * thread.
 */
int32_t scorecam_model_free(struct scorecam_model *model);

/**
 * The id of the backend that runs the model, valid until the model is freed; "application" for a model of
 * `scorecam_model_from_backend`. Any thread.
 *
 * # Safety
 * `out` leads to a writable pointer.
 */
int32_t scorecam_model_backend(const char **out, const struct scorecam_model *model);

/**
 * Why this backend, in one line that is valid until the model is freed, as in "onnx-cpu on the CPU, since onnx-cuda is
 * not ready: ..."; NULL where there was nothing to choose: it was asked for by its id, or is the only one for such
 * files. Any thread.
 *
 * # Safety
 * `out` leads to a writable pointer.
 */
int32_t scorecam_model_backend_reason(const char **out,
                                      const struct scorecam_model *model);

/**
 * How many layers the model has. Any thread.
 *
 * # Safety
 * `out` leads to a writable number.
 */
int32_t scorecam_model_layer_count(uint64_t *out, const struct scorecam_model *model);

/**
 * Describes layer `index`, in the order in which layers run. Set `out` to `SCORECAM_LAYER_INFO_INIT` first.
 * Any thread.
 *
 * # Safety
 * `out` leads to as many writable bytes as its `struct_size` says.
 */
int32_t scorecam_model_layer(struct scorecam_layer_info *out,
                             const struct scorecam_model *model,
                             uint64_t index);

/**
 * The class that a text names: a number, or a label, or one of a label's comma-separated names.
 * `SCORECAM_ERR_NOT_FOUND`: no label is like it. Any thread.
 *
 * # Safety
 * `out` leads to a writable number; `text` ends with NUL.
 */
int32_t scorecam_model_class(uint64_t *out, const struct scorecam_model *model, const char *text);

/**
 * The label of a class, valid until the model is freed; NULL where no labels file gives one. Any thread.
 *
 * # Safety
 * `out` leads to a writable pointer.
 */
int32_t scorecam_model_label(const char **out, const struct scorecam_model *model, uint64_t class_index);

/**
 * Draws a map over its photo, as 8-bit red, green and blue, at the photo's upright size: an orientation of
 * 5 to 8 swaps width and height. `photo` is the photo that was explained; after a tensor, any photo, of
 * which the input is taken to have shown all. `options` may be NULL. `SCORECAM_ERR_BUFFER_TOO_SMALL`: the
 * message says how many bytes `out` needs, and nothing was written. Any thread.
 *
 * # Safety
 * `out` leads to `out_size` writable bytes; structs have the sizes that they say, the photo those that
 * stand beside it; the colormap's name ends with NUL.
 */
int32_t scorecam_overlay(uint8_t *out,
                         size_t out_size,
                         const struct scorecam_explanation *explanation,
                         const struct scorecam_image *photo,
                         const struct scorecam_overlay_options *options);

/**
 * The library's version, as in "1.0.0". Any thread.
 */
const char *scorecam_version(void);

/**
 * The version of the plugin ABI that this library speaks: `SCORECAM_ABI_VERSION` of its own header. Any
 * thread.
 */
uint32_t scorecam_abi_version(void);

/**
 * Why this thread's last failed call failed: one line of UTF-8 that names the thing, the value and what to
 * do; empty when none failed. Valid until this thread's next call. A call that succeeds leaves the message
 * as it is, so it may be read after cleaning up. Any thread.
 */
const char *scorecam_last_error(void);

/**
 * The name of a status, as in "SCORECAM_ERR_NOT_FOUND"; "unknown status" for numbers that are none. Any
 * thread.
 */
const char *scorecam_status_name(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SCORECAM_H */
