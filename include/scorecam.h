/*
 * scorecam: saliency maps that explain the decisions of vision models.
 *
 * Generated from ffi/src by `cargo xtask headers`; do not edit.
 *
 * The order of use: create a host, load a model, explain images, read the explanations, free everything.
 *
 * Status. Every function returns SCORECAM_OK (0) or one of SCORECAM_ERR_*, unless documented otherwise.
 * scorecam_last_error() returns the message of this thread's last failed call. Results are returned through pointers,
 * which are written only on success.
 *
 * Threads. Every function may be called from any thread. Several threads may use a `const T *` concurrently. An object
 * may be freed while a call in another thread uses it; it is destroyed when that call ends.
 *
 * Objects. The caller owns every `T **` result and frees it with the free function of its type; these accept NULL.
 * Handles are validated on each call: one that was freed, has another type or was never created returns
 * SCORECAM_ERR_INVALID_HANDLE.
 *
 * Structs start with `struct_size`: initialize them with their _INIT macro, then set the fields you need. Fields that
 * an older header does not have count as 0.
 *
 * Pointers. A result pointer must point to writable memory of its type, an array pointer to as many elements as its
 * count. Strings are UTF-8, end with NUL, and have at most SCORECAM_MAX_STRING bytes. Arguments are read only during
 * the call.
 */


#ifndef SCORECAM_H
#define SCORECAM_H

#include <stddef.h>
#include <stdint.h>
#include "scorecam_plugin.h"

/* The version of this header. */
#define SCORECAM_VERSION_MAJOR 1
#define SCORECAM_VERSION_MINOR 0
#define SCORECAM_VERSION_PATCH 0

#ifdef __cplusplus
#define SCORECAM_SIZE_OF(type) static_cast<uint32_t>(sizeof(type))
#else
#define SCORECAM_SIZE_OF(type) ((uint32_t)sizeof(type))
#endif

/* Default values of fields in C++14 and later; in C, use the macros below. */
#if defined(__cplusplus) && __cplusplus >= 201402L
#define SCORECAM_DEFAULT(value) = value
#else
#define SCORECAM_DEFAULT(value)
#endif

/* Makes compilers warn about an ignored status. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define SCORECAM_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define SCORECAM_MUST_USE __attribute__((warn_unused_result))
#else
#define SCORECAM_MUST_USE
#endif

/* Initial values of structs, for declarations in C and C++. In C++14 and later they are the defaults. */
#define SCORECAM_PLUGIN_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_plugin_info), 0, NULL, NULL, NULL, NULL, NULL, 0, 0 }
#define SCORECAM_MODEL_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_model_options), 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 0 }
#define SCORECAM_MODEL_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_model_info), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL }
#define SCORECAM_LAYER_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_layer_info), 0, NULL, NULL, { 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } } }
#define SCORECAM_IMAGE_INIT \
    { SCORECAM_SIZE_OF(scorecam_image), SCORECAM_IMAGE_PHOTO, NULL, 0, 0, 0, 0, 0, \
      SCORECAM_PIXELS_RGB, SCORECAM_SAMPLES_U8, SCORECAM_LAYOUT_HWC, 1, 0, 0 }
#define SCORECAM_TENSOR_INIT \
    { SCORECAM_SIZE_OF(scorecam_image), SCORECAM_IMAGE_TENSOR, NULL, 0, 0, 0, 0, 0, \
      SCORECAM_PIXELS_RGB, SCORECAM_SAMPLES_F32, SCORECAM_LAYOUT_CHW, 1, 3, 0 }
#define SCORECAM_EXPLAIN_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_explain_options), 0, NULL, NULL, NULL, 0, NULL, 0, 0, NULL, NULL, 0, 0, \
      NULL, NULL, NULL, NULL, NULL, 0, 0.0, 0.0 }
#define SCORECAM_EXPLANATION_INFO_INIT \
    { SCORECAM_SIZE_OF(scorecam_explanation_info), 0, 0, 0, 0, 0, NULL }
#define SCORECAM_PLACEMENT_INIT \
    { SCORECAM_SIZE_OF(scorecam_placement), 0, 0, 0, { 0.0, 0.0, 0.0, 0.0 }, 0, 0, { 0.0, 0.0, 0.0, 0.0 } }
#define SCORECAM_TARGET_INIT \
    { SCORECAM_SIZE_OF(scorecam_target), 0, 0, 0.0, 0.0, NULL, NULL, { 0.0, 0.0, 0.0, 0.0 }, 0.0 }
#define SCORECAM_OVERLAY_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_overlay_options), 0.5f, 0, NULL, 0 }
#define SCORECAM_BOX_OPTIONS_INIT \
    { SCORECAM_SIZE_OF(scorecam_box_options), SCORECAM_BOXES_LARGEST, 0.15 }
#define SCORECAM_REGION_INIT \
    { SCORECAM_SIZE_OF(scorecam_region), 0, NULL, 0, NULL }
#define SCORECAM_EVIDENCE_INIT \
    { SCORECAM_SIZE_OF(scorecam_evidence), 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0 }


/**
 * `scorecam_model_info.output_kind`: another kind of output.
 */
#define SCORECAM_MODEL_OTHER 0

/**
 * `scorecam_model_info.output_kind`: class scores.
 */
#define SCORECAM_MODEL_CLASSES 1

/**
 * `scorecam_model_info.output_kind`: one number per image, such as an age.
 */
#define SCORECAM_MODEL_VALUE 2

/**
 * `scorecam_model_info.output_kind`: boxes.
 */
#define SCORECAM_MODEL_DETECTIONS 3

/**
 * `scorecam_model_info.output_kind`: a class per cell of a map.
 */
#define SCORECAM_MODEL_SEGMENTS 4

/**
 * `scorecam_model_info.output_kind`: an embedding, a vector to compare with another image's.
 */
#define SCORECAM_MODEL_EMBEDDING 5

/**
 * `scorecam_image.kind`: a photo, preprocessed as the model's manifest specifies.
 */
#define SCORECAM_IMAGE_PHOTO 0

/**
 * `scorecam_image.kind`: the model's input, f32 [C, H, W] without gaps, used unchanged.
 */
#define SCORECAM_IMAGE_TENSOR 1

/**
 * `scorecam_image.format`: red, green, blue.
 */
#define SCORECAM_PIXELS_RGB 0

/**
 * `scorecam_image.format`: blue, green, red, the order of OpenCV.
 */
#define SCORECAM_PIXELS_BGR 1

/**
 * `scorecam_image.format`: red, green, blue, alpha; alpha is ignored.
 */
#define SCORECAM_PIXELS_RGBA 2

/**
 * `scorecam_image.format`: blue, green, red, alpha; alpha is ignored.
 */
#define SCORECAM_PIXELS_BGRA 3

/**
 * `scorecam_image.format`: gray.
 */
#define SCORECAM_PIXELS_GRAY 4

/**
 * `scorecam_image.format`: gray, alpha; alpha is ignored.
 */
#define SCORECAM_PIXELS_GRAY_ALPHA 5

/**
 * `scorecam_image.sample_type`: uint8_t, 0 to 255.
 */
#define SCORECAM_SAMPLES_U8 0

/**
 * `scorecam_image.sample_type`: uint16_t in native byte order, 0 to 65535.
 */
#define SCORECAM_SAMPLES_U16 1

/**
 * `scorecam_image.sample_type`: float; 0 to 1 in a photo, any finite value in a tensor.
 */
#define SCORECAM_SAMPLES_F32 2

/**
 * `scorecam_image.layout`: interleaved channels.
 */
#define SCORECAM_LAYOUT_HWC 0

/**
 * `scorecam_image.layout`: one plane per channel.
 */
#define SCORECAM_LAYOUT_CHW 1

/**
 * `scorecam_target.class_index`: the target has no class.
 */
#define SCORECAM_NO_CLASS UINT64_MAX

/**
 * `scorecam_box_options.areas`: the box around the largest connected area.
 */
#define SCORECAM_BOXES_LARGEST 0

/**
 * `scorecam_box_options.areas`: a box around each connected area, the largest area first.
 */
#define SCORECAM_BOXES_ALL 1

/**
 * The result of an explanation: saliency maps and their data. It is immutable and independent of the model and the
 * host. Data read from it is valid until it is freed.
 */
typedef struct scorecam_explanation scorecam_explanation;

/**
 * A registry of backends and methods. It starts with the built-in methods, and plugins add more. A host may be freed
 * before its models.
 */
typedef struct scorecam_host scorecam_host;

/**
 * A loaded model. Several threads may make the calls that take it as const concurrently.
 */
typedef struct scorecam_model scorecam_model;

/**
 * One backend or method of a host. The strings are valid until the host is freed.
 */
typedef struct scorecam_plugin_info {
    /**
     * `sizeof(scorecam_plugin_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_plugin_info));
    /**
     * `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`.
     */
    uint32_t kind SCORECAM_DEFAULT(0);
    /**
     * Its id.
     */
    const char *id SCORECAM_DEFAULT(NULL);
    /**
     * The plugin's own version.
     */
    const char *version SCORECAM_DEFAULT(NULL);
    /**
     * A description in one line.
     */
    const char *summary SCORECAM_DEFAULT(NULL);
    /**
     * The plugin's file; NULL for built-in items.
     */
    const char *path SCORECAM_DEFAULT(NULL);
    /**
     * How its layout was verified: "built in", "layout verified" or "version checked".
     */
    const char *proof SCORECAM_DEFAULT(NULL);
    /**
     * A sum of `SCORECAM_ABILITY_*`: the abilities that a backend's models may have, or that a method needs.
     */
    uint32_t abilities SCORECAM_DEFAULT(0);
    /**
     * 0.
     */
    uint32_t reserved SCORECAM_DEFAULT(0);
} scorecam_plugin_info;

/**
 * How to load a model. Start with `SCORECAM_MODEL_OPTIONS_INIT`; every field may stay 0. The defaults come from the
 * manifest, or else from the model's file.
 */
typedef struct scorecam_model_options {
    /**
     * `sizeof(scorecam_model_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_model_options));
    /**
     * Threads for the runtime, at most 1024; 0 for all cores.
     */
    uint32_t threads SCORECAM_DEFAULT(0);
    /**
     * The backend's id, or "auto" for the best one that loads this type of file and is ready on this machine; NULL for
     * the manifest's, or else "auto".
     */
    const char *backend SCORECAM_DEFAULT(NULL);
    /**
     * The layer to explain, or several separated by commas, whose maps are fused; NULL for the manifest's, or else the
     * default layer.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
    /**
     * The device, such as "cpu" or "cuda:0"; NULL for the backend's default.
     */
    const char *device SCORECAM_DEFAULT(NULL);
    /**
     * Settings of the backend; an unknown one is an error.
     */
    const scorecam_option *settings SCORECAM_DEFAULT(NULL);
    /**
     * The number of settings.
     */
    uint64_t setting_count SCORECAM_DEFAULT(0);
    /**
     * The text of a manifest (TOML, at most 16 MiB) that replaces the one on disk; NULL for none. Its relative paths
     * start from the current folder.
     */
    const char *manifest SCORECAM_DEFAULT(NULL);
    /**
     * The file of a manifest that replaces the one beside the model; NULL for none. At most one of `manifest` and
     * `manifest_file` may be set.
     */
    const char *manifest_file SCORECAM_DEFAULT(NULL);
    /**
     * The model in memory, read only during the call; NULL to open the file `path`.
     */
    const void *data SCORECAM_DEFAULT(NULL);
    /**
     * The number of bytes.
     */
    uint64_t data_size SCORECAM_DEFAULT(0);
} scorecam_model_options;

/**
 * The input, output and layers of a model. The strings are valid until the model is freed.
 */
typedef struct scorecam_model_info {
    /**
     * `sizeof(scorecam_model_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_model_info));
    /**
     * One of `SCORECAM_MODEL_*`.
     */
    uint32_t output_kind SCORECAM_DEFAULT(0);
    /**
     * The number of classes; 0 if it is variable or the model has no class scores.
     */
    uint64_t class_count SCORECAM_DEFAULT(0);
    /**
     * Channels of the input; 0 if variable.
     */
    uint64_t channels SCORECAM_DEFAULT(0);
    /**
     * Rows of the input; 0 if variable.
     */
    uint64_t height SCORECAM_DEFAULT(0);
    /**
     * Columns of the input; 0 if variable.
     */
    uint64_t width SCORECAM_DEFAULT(0);
    /**
     * The number of layers.
     */
    uint64_t layer_count SCORECAM_DEFAULT(0);
    /**
     * The model's file, or "the application's model".
     */
    const char *name SCORECAM_DEFAULT(NULL);
    /**
     * The id of its backend; "application" for a model of `scorecam_model_from_backend`.
     */
    const char *backend SCORECAM_DEFAULT(NULL);
    /**
     * The reason for this backend in one line, such as "onnx-cpu on the CPU, since onnx-cuda is not ready: ..."; NULL
     * if there was no choice: it was requested by its id, or it is the only one for this type of file.
     */
    const char *backend_reason SCORECAM_DEFAULT(NULL);
    /**
     * The default layer; NULL if there is none.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
} scorecam_model_info;

/**
 * A layer of a model. The strings are valid until the model is freed.
 */
typedef struct scorecam_layer_info {
    /**
     * `sizeof(scorecam_layer_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_layer_info));
    /**
     * 1 for the default layer, else 0.
     */
    uint32_t is_default SCORECAM_DEFAULT(0);
    /**
     * The name, as in `scorecam_explain_options.layer`.
     */
    const char *name SCORECAM_DEFAULT(NULL);
    /**
     * Its operation, as the model names it ("Conv").
     */
    const char *operation SCORECAM_DEFAULT(NULL);
    /**
     * Shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a saliency map
     * requires. A size of 0 is variable.
     */
    scorecam_shape shape SCORECAM_DEFAULT({});
} scorecam_layer_info;

/**
 * A photo or a tensor in the caller's memory, which is read only during the call. Start with `SCORECAM_IMAGE_INIT` (a
 * packed 8-bit RGB photo) or `SCORECAM_TENSOR_INIT`, then set `data`, `data_size`, `width` and `height`.
 */
typedef struct scorecam_image {
    /**
     * `sizeof(scorecam_image)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_image));
    /**
     * One of `SCORECAM_IMAGE_*`.
     */
    uint32_t kind SCORECAM_DEFAULT(SCORECAM_IMAGE_PHOTO);
    /**
     * The first sample of the first row, aligned for its type.
     */
    const void *data SCORECAM_DEFAULT(NULL);
    /**
     * The number of readable bytes at `data`.
     */
    uint64_t data_size SCORECAM_DEFAULT(0);
    /**
     * Pixels per row: 1 to 65535.
     */
    uint64_t width SCORECAM_DEFAULT(0);
    /**
     * Rows: 1 to 65535.
     */
    uint64_t height SCORECAM_DEFAULT(0);
    /**
     * Bytes from one row to the next; 0 for rows without gaps, and for tensors.
     */
    uint64_t row_stride SCORECAM_DEFAULT(0);
    /**
     * Bytes from one plane to the next in CHW; 0 for planes without gaps, and for tensors.
     */
    uint64_t plane_stride SCORECAM_DEFAULT(0);
    /**
     * One of `SCORECAM_PIXELS_*`; ignored for tensors.
     */
    uint32_t format SCORECAM_DEFAULT(SCORECAM_PIXELS_RGB);
    /**
     * One of `SCORECAM_SAMPLES_*`; f32 for tensors.
     */
    uint32_t sample_type SCORECAM_DEFAULT(SCORECAM_SAMPLES_U8);
    /**
     * One of `SCORECAM_LAYOUT_*`; CHW for tensors.
     */
    uint32_t layout SCORECAM_DEFAULT(SCORECAM_LAYOUT_HWC);
    /**
     * EXIF orientation of a photo, 1 (upright) to 8; 0 counts as 1.
     */
    uint32_t orientation SCORECAM_DEFAULT(1);
    /**
     * Channels of a tensor; ignored for photos.
     */
    uint32_t channels SCORECAM_DEFAULT(0);
    /**
     * Must be 0.
     */
    uint32_t reserved SCORECAM_DEFAULT(0);
} scorecam_image;

/**
 * Reports progress after each batch: the model has run `passes` of `expected` images. `expected` is 0 if unknown, and
 * always in `scorecam_explain_many`. Any result other than 0 cancels the call, which then returns
 * `SCORECAM_ERR_CANCELLED` without further reports. Called on the thread of the call, never concurrently for the same
 * call. Must return normally: no exception, no longjmp.
 */
typedef int32_t (*scorecam_progress)(uint64_t passes, uint64_t expected, void *user_data);

/**
 * What to explain, and how. Start with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
 */
typedef struct scorecam_explain_options {
    /**
     * `sizeof(scorecam_explain_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_explain_options));
    /**
     * Images that `scorecam_explain_many` processes concurrently, so that their masks share batches, at most 64; 0 for
     * 3.
     */
    uint32_t jobs SCORECAM_DEFAULT(0);
    /**
     * The method's id, or "auto" for a cheap map by a method that the model supports; NULL for "score-cam".
     */
    const char *method SCORECAM_DEFAULT(NULL);
    /**
     * A preset of the method; NULL for its defaults.
     */
    const char *preset SCORECAM_DEFAULT(NULL);
    /**
     * Options of the method, which override the preset's.
     */
    const scorecam_option *options SCORECAM_DEFAULT(NULL);
    /**
     * The number of options.
     */
    uint64_t option_count SCORECAM_DEFAULT(0);
    /**
     * The classes to explain; all of them share the same forward passes.
     */
    const uint64_t *classes SCORECAM_DEFAULT(NULL);
    /**
     * The number of classes; 0 for the classes with the highest scores.
     */
    uint64_t class_count SCORECAM_DEFAULT(0);
    /**
     * The number of top-scoring classes to explain if `class_count` is 0; 0 for one.
     */
    uint64_t top_k SCORECAM_DEFAULT(0);
    /**
     * The layer to explain, or several separated by commas; NULL for the one given at load, or else the default layer.
     * Ignored by methods that need no layer.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
    /**
     * How to fuse the maps of several layers: "mean", "max" or "product"; NULL for "mean".
     */
    const char *fuse SCORECAM_DEFAULT(NULL);
    /**
     * 1 to average the maps of the image and of its mirror image, for twice the forward passes plus one; else 0.
     */
    uint64_t augment SCORECAM_DEFAULT(0);
    /**
     * Images per forward pass, at most 4096; 0 for the fastest size for the model.
     */
    uint64_t batch_size SCORECAM_DEFAULT(0);
    /**
     * A reference image for the options that need one, of the same input shape; NULL for none.
     */
    const struct scorecam_image *reference SCORECAM_DEFAULT(NULL);
    /**
     * The explanation of a video's previous frame: "score-cam-adaptive" starts from it, and needs fewer passes for the
     * same error. NULL to start without one, and in `scorecam_explain_many`.
     */
    const struct scorecam_explanation *previous SCORECAM_DEFAULT(NULL);
    /**
     * Receives progress and may cancel; NULL for none.
     */
    scorecam_progress progress SCORECAM_DEFAULT(NULL);
    /**
     * Passed to `progress`.
     */
    void *user_data SCORECAM_DEFAULT(NULL);
    /**
     * Targets instead of classes, as text: "box:0", "contrast:tabby-lynx", "region:mask.png:15"; docs/targets.md lists
     * all forms.
     */
    const char *const *targets SCORECAM_DEFAULT(NULL);
    /**
     * The number of targets.
     */
    uint64_t target_count SCORECAM_DEFAULT(0);
    /**
     * The minimum score of a detection, 0 to 1; 0 for 0.25.
     */
    double min_score SCORECAM_DEFAULT(0.0);
    /**
     * Time limit for the forward passes of an image, in seconds from its first pass; 0 for no limit. No pass starts
     * after the limit: score-cam-adaptive and rise then return the map of the passes so far, with its error; with
     * other methods the explanation has targets but no maps.
     */
    double time_limit SCORECAM_DEFAULT(0.0);
} scorecam_explain_options;

/**
 * The contents of an explanation. The strings are valid until it is freed.
 */
typedef struct scorecam_explanation_info {
    /**
     * `sizeof(scorecam_explanation_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_explanation_info));
    /**
     * 1 if there are maps; 0 if the time limit expired first.
     */
    uint32_t has_maps SCORECAM_DEFAULT(0);
    /**
     * The number of targets, which is also the number of maps.
     */
    uint64_t target_count SCORECAM_DEFAULT(0);
    /**
     * Images that the model has run, including the unmasked one.
     */
    uint64_t passes SCORECAM_DEFAULT(0);
    /**
     * The number of warnings.
     */
    uint64_t warning_count SCORECAM_DEFAULT(0);
    /**
     * The number of measures that the method reports besides the maps.
     */
    uint64_t measure_count SCORECAM_DEFAULT(0);
    /**
     * The explained layer; empty if the method needs none.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
} scorecam_explanation_info;

/**
 * An explained target.
 */
typedef struct scorecam_target {
    /**
     * `sizeof(scorecam_target)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_target));
    /**
     * 1 if the target has a box, else 0.
     */
    uint32_t has_box SCORECAM_DEFAULT(0);
    /**
     * The class of the target, or `SCORECAM_NO_CLASS`.
     */
    uint64_t class_index SCORECAM_DEFAULT(0);
    /**
     * The probability of a class, 0 to 1; for other targets, their value.
     */
    double score SCORECAM_DEFAULT(0.0);
    /**
     * The model's raw output for a class; for other targets, their value.
     */
    double output SCORECAM_DEFAULT(0.0);
    /**
     * The class's label; NULL if there is none.
     */
    const char *label SCORECAM_DEFAULT(NULL);
    /**
     * The target as text: "class:285", "box:0".
     */
    const char *text SCORECAM_DEFAULT(NULL);
    /**
     * The left, top, right and bottom edges of the box in pixels of the photo, or of the input if a tensor was
     * explained.
     */
    double rect[4] SCORECAM_DEFAULT({});
    /**
     * The detector's score of the box, 0 to 1.
     */
    double box_score SCORECAM_DEFAULT(0.0);
} scorecam_target;

/**
 * Corresponding rectangles of the photo and of the model's input, each as left, top, right and bottom edges in pixels.
 */
typedef struct scorecam_placement {
    /**
     * `sizeof(scorecam_placement)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_placement));
    /**
     * 1 for a photo; 0 for a tensor, whose photo is unknown: the photo's fields are then 0.
     */
    uint32_t is_known SCORECAM_DEFAULT(0);
    /**
     * Columns of the upright photo.
     */
    uint64_t photo_width SCORECAM_DEFAULT(0);
    /**
     * Rows of the upright photo.
     */
    uint64_t photo_height SCORECAM_DEFAULT(0);
    /**
     * The part of the photo that the model saw.
     */
    double photo_rect[4] SCORECAM_DEFAULT({});
    /**
     * Columns of the model's input and of the maps.
     */
    uint64_t input_width SCORECAM_DEFAULT(0);
    /**
     * Rows of the model's input and of the maps.
     */
    uint64_t input_height SCORECAM_DEFAULT(0);
    /**
     * The part of the input that shows the photo; the rest is padding.
     */
    double input_rect[4] SCORECAM_DEFAULT({});
} scorecam_placement;

/**
 * Receives the result of image `index`: an explanation, which the callee must free, or NULL with a status and an error
 * message, which is valid only during the call. Any result other than 0 ends `scorecam_explain_many`. Called on the
 * thread of that call, once per image, usually but not always in order. Must return normally: no exception, no
 * longjmp.
 */
typedef int32_t (*scorecam_found)(uint64_t index,
                                  struct scorecam_explanation *explanation,
                                  scorecam_status status,
                                  const char *error,
                                  void *user_data);

/**
 * How to draw a map. Start with `SCORECAM_OVERLAY_OPTIONS_INIT`: target 0, viridis, opacity 0.5.
 */
typedef struct scorecam_overlay_options {
    /**
     * `sizeof(scorecam_overlay_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_overlay_options));
    /**
     * Opacity of the map's colors: 0 (only the photo) to 1 (only the map).
     */
    float opacity SCORECAM_DEFAULT(0.5f);
    /**
     * The index of the target to draw.
     */
    uint64_t target SCORECAM_DEFAULT(0);
    /**
     * "viridis", "turbo", "jet", "inferno" or "gray"; NULL for viridis.
     */
    const char *colormap SCORECAM_DEFAULT(NULL);
    /**
     * Bytes from one row of the output to the next; 0 for rows without gaps.
     */
    uint64_t row_stride SCORECAM_DEFAULT(0);
} scorecam_overlay_options;

/**
 * A box.
 */
typedef struct scorecam_box {
    /**
     * Left, top, right and bottom edges in pixels of the photo, or of the input if a tensor was explained.
     */
    double rect[4];
    /**
     * The share of the map inside the box, 0 to 1; ignored in boxes passed to the library.
     */
    double energy;
} scorecam_box;

/**
 * How to derive boxes from a map. Start with `SCORECAM_BOX_OPTIONS_INIT`: the largest area, threshold 0.15.
 */
typedef struct scorecam_box_options {
    /**
     * `sizeof(scorecam_box_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_box_options));
    /**
     * One of `SCORECAM_BOXES_*`.
     */
    uint32_t areas SCORECAM_DEFAULT(SCORECAM_BOXES_LARGEST);
    /**
     * The minimum value of a pixel in an area, as a share of the map's maximum, 0 to 1: 0.15 in the Grad-CAM paper,
     * 0.2 in the CAM paper.
     */
    double threshold SCORECAM_DEFAULT(0.15);
} scorecam_box_options;

/**
 * The relation of a map to a region. All numbers are finite.
 */
typedef struct scorecam_evidence {
    /**
     * `sizeof(scorecam_evidence)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_evidence));
    /**
     * Usually 1; 0 for a map without positive values, whose `energy` and `lift` are 0.
     */
    uint32_t has_energy SCORECAM_DEFAULT(0);
    /**
     * The share of the map's positive values that lies on the region, 0 to 1.
     */
    double energy SCORECAM_DEFAULT(0.0);
    /**
     * The region's share of the model's input, above 0 and at most 1: the energy of an uninformative map.
     */
    double share SCORECAM_DEFAULT(0.0);
    /**
     * `energy` divided by `share`: 1 for an uninformative map.
     */
    double lift SCORECAM_DEFAULT(0.0);
    /**
     * The share of the map's top N pixels on the region, where N is the region's number of pixels, 0 to 1.
     */
    double rank_accuracy SCORECAM_DEFAULT(0.0);
    /**
     * The probability that a pixel on the region is above one outside it, 0 to 1; 0.5 if the region is the whole
     * input.
     */
    double roc_area SCORECAM_DEFAULT(0.0);
    /**
     * 1 if a maximum of the map lies on the region, else 0.
     */
    uint64_t pointing SCORECAM_DEFAULT(0);
} scorecam_evidence;

/**
 * A part of the photo: boxes or a mask. Start with `SCORECAM_REGION_INIT`.
 */
typedef struct scorecam_region {
    /**
     * `sizeof(scorecam_region)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_region));
    /**
     * Must be 0.
     */
    uint32_t reserved SCORECAM_DEFAULT(0);
    /**
     * Boxes in pixels of the photo, whose union is the region; they may extend beyond the photo. NULL with a mask.
     */
    const struct scorecam_box *boxes SCORECAM_DEFAULT(NULL);
    /**
     * The number of boxes; 0 with a mask.
     */
    uint64_t box_count SCORECAM_DEFAULT(0);
    /**
     * A mask of the explained photo's size, white on the region: above half of the maximum value. NULL with boxes.
     */
    const struct scorecam_image *mask SCORECAM_DEFAULT(NULL);
} scorecam_region;

/**
 * Receives a log message.
 */
typedef void (*scorecam_log)(void *user_data, uint32_t level, const char *target, const char *text);

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Creates a host. It searches for plugins if a backend or method is unknown, or if no backend of a plugin loaded by
 * path is ready for a model's file. It searches the folders in `SCORECAM_PLUGIN_PATH`, the folders of this library and
 * of the program, the folder `scorecam` in each of these, and `../lib/scorecam` if such a folder has the name `bin`.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_create(struct scorecam_host **out);

/**
 * Frees a host; NULL is allowed. Its models and explanations stay valid.
 */
scorecam_status scorecam_host_free(struct scorecam_host *host);

/**
 * Loads a plugin file, or every plugin in a folder. A file that is already loaded is not opened again. If no backend
 * is chosen by id, these backends take precedence over those found by a search. Libraries stay loaded until the
 * process ends. `SCORECAM_ERR_IO`: no such file, or a folder without plugins. `SCORECAM_ERR_PLUGIN`: the file is not a
 * plugin or has another version, or the program is linked statically (`-static`) and cannot open plugins.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_load_plugin(const struct scorecam_host *host,
                                          const char *path);

/**
 * Adds a plugin whose table is in the program itself: backends and methods of an application. The table and everything
 * it points to must stay valid until the process ends. `SCORECAM_ERR_PLUGIN`: the plugin has another version, or an id
 * is already taken.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_add_plugin(const struct scorecam_host *host,
                                         const scorecam_plugin_table *plugin);

/**
 * Describes a method: its options with their ranges and defaults, and its presets. Searches for plugins if the method
 * is unknown. The description is valid until the host is freed. `SCORECAM_ERR_NOT_FOUND`: no method has this id.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_method(const scorecam_method_description **out,
                                     const struct scorecam_host *host,
                                     const char *id);

/**
 * The number of backends and methods of the host, including built-in ones.
 */
SCORECAM_MUST_USE scorecam_status scorecam_host_plugin_count(uint64_t *out, const struct scorecam_host *host);

/**
 * Describes backend or method `index`, in loading order; indices never change. Set `out` to
 * `SCORECAM_PLUGIN_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_plugin(struct scorecam_plugin_info *out,
                                     const struct scorecam_host *host,
                                     uint64_t index);

/**
 * Loads a model. `path` is the model's file or its manifest (`.toml`); a manifest beside the model with the same name
 * is also read. `options` may be NULL. With `options.data` the model comes from memory, and `path` is only its name,
 * such as "net.onnx", whose extension selects the format. `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_NOT_FOUND`:
 * no such backend or layer. `SCORECAM_ERR_MODEL`: the file is invalid.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_load(struct scorecam_model **out,
                                    const struct scorecam_host *host,
                                    const char *path,
                                    const struct scorecam_model_options *options);

/**
 * Creates a model from an application's own engine: `backend` holds its functions, which receive `user_data` as
 * `model`. `load` is not called and may be NULL; the table is copied. `options` may be NULL; only its manifest is
 * used: the layer, the labels, the input's preprocessing and the output's activation. The functions and `user_data`
 * must stay valid until the model is released. The functions may be called from any thread, and concurrently if
 * several threads use the model. `release`, unless NULL, is called with `user_data` once the model has been freed and
 * its last call has ended, but not if this function fails. `SCORECAM_ERR_PLUGIN`: the table has another size or lacks
 * a function, or the description is invalid. `SCORECAM_ERR_NOT_FOUND`: the model has no layer with the manifest's
 * name.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_from_backend(struct scorecam_model **out,
                                            const struct scorecam_host *host,
                                            const scorecam_backend *backend,
                                            void *user_data,
                                            const struct scorecam_model_options *options);

/**
 * Frees a model; NULL is allowed. Calls that use it in other threads continue, and the last of them frees it.
 */
scorecam_status scorecam_model_free(struct scorecam_model *model);

/**
 * Describes the model. Set `out` to `SCORECAM_MODEL_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_describe(struct scorecam_model_info *out,
                                        const struct scorecam_model *model);

/**
 * Describes layer `index`, in execution order. Set `out` to `SCORECAM_LAYER_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_layer(struct scorecam_layer_info *out,
                                     const struct scorecam_model *model,
                                     uint64_t index);

/**
 * Finds a class by its number, its label, or one of a label's comma-separated names. `SCORECAM_ERR_NOT_FOUND`: no
 * label matches.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_find_class(uint64_t *out,
                                          const struct scorecam_model *model,
                                          const char *text);

/**
 * The label of a class, valid until the model is freed; NULL if the model has no labels.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: the model has no such class.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_label(const char **out,
                                     const struct scorecam_model *model,
                                     uint64_t class_index);

/**
 * Explains an image; blocks until done. `options` may be NULL for Score-CAM of the class with the highest score.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is invalid. `SCORECAM_ERR_NOT_FOUND`: no such method,
 * preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback cancelled the call.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explain(struct scorecam_explanation **out,
                                 const struct scorecam_model *model,
                                 const struct scorecam_image *image,
                                 const struct scorecam_explain_options *options);

/**
 * Frees an explanation; NULL is allowed.
 */
scorecam_status scorecam_explanation_free(struct scorecam_explanation *explanation);

/**
 * Describes the contents of an explanation. Set `out` to `SCORECAM_EXPLANATION_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_describe(struct scorecam_explanation_info *out,
                                              const struct scorecam_explanation *explanation);

/**
 * The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite.
 * `SCORECAM_ERR_DEADLINE`: there are no maps, because the time limit expired.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_map(const float **data,
                                         uint64_t *height,
                                         uint64_t *width,
                                         const struct scorecam_explanation *explanation,
                                         uint64_t index);

/**
 * The standard error of each value in the map of target `index`, with the map's size and units, at least 0.
 * `SCORECAM_ERR_UNSUPPORTED`: the method estimates no errors; "rise" does. `SCORECAM_ERR_DEADLINE`: there are no maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_errors(const float **data,
                                            uint64_t *height,
                                            uint64_t *width,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index);

/**
 * Describes target `index`: its text, class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_target(struct scorecam_target *out,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index);

/**
 * Writes the saliency map of target `index` at the photo's size: `height` rows of `width` values into `out`, which has
 * room for `count` floats. Values are interpolated bilinearly, and 0 where the photo lies outside the model's input.
 * For a photo, the size must be its upright size (see `scorecam_explanation_placement`); for a tensor, any size is
 * allowed, and the input counts as the whole photo. `SCORECAM_ERR_BUFFER_TOO_SMALL`: nothing was written, and the
 * message gives the number of floats needed.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_photo_map(float *out,
                                               uint64_t count,
                                               const struct scorecam_explanation *explanation,
                                               uint64_t index,
                                               uint64_t height,
                                               uint64_t width);

/**
 * The part of the photo that the model saw, and its place in the input. Set `out` to `SCORECAM_PLACEMENT_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_placement(struct scorecam_placement *out,
                                               const struct scorecam_explanation *explanation);

/**
 * Warning `index`, in one line: an assumption that may be wrong.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_warning(const char **out,
                                             const struct scorecam_explanation *explanation,
                                             uint64_t index);

/**
 * Measure `index` of the method, with its name, such as "estimated-error" of "score-cam-adaptive": the estimated
 * distance from the exact map, relative to its norm. The measures and their order depend on the method, so select them
 * by name.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_measure(const char **name,
                                             double *value,
                                             const struct scorecam_explanation *explanation,
                                             uint64_t index);

/**
 * Explains `count` images, `options->jobs` of them concurrently: their masks share the model's batches, which is
 * faster than one image after the other. Equal calls make equal batches. `found` receives each result as soon as it is
 * ready; an image that fails does not affect the others. `options->progress` receives the passes of all images
 * together, and `options->user_data`; `found` receives `user_data`. The call fails if the options are invalid, and
 * with `SCORECAM_ERR_CANCELLED` if a callback ended it.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explain_many(const struct scorecam_model *model,
                                      const struct scorecam_image *const *images,
                                      uint64_t count,
                                      const struct scorecam_explain_options *options,
                                      scorecam_found found,
                                      void *user_data);

/**
 * Computes the scores of all classes in one forward pass, without a map: probabilities from 0 to 1 in `scores`, and
 * the model's raw outputs in `outputs`. Each has room for `capacity` numbers, and either may be NULL. `*count` is set
 * to the number of classes, even with `SCORECAM_ERR_BUFFER_TOO_SMALL`, which writes nothing else.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: the model has no class scores.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_classify(double *scores,
                                  float *outputs,
                                  uint64_t capacity,
                                  uint64_t *count,
                                  const struct scorecam_model *model,
                                  const struct scorecam_image *image);

/**
 * Draws a map over its photo, as 8-bit red, green and blue, at the photo's upright size: an orientation of 5 to 8
 * swaps width and height. `photo` is the explained photo; for a tensor, any photo is allowed, and the input counts as
 * the whole photo. `options` may be NULL. `SCORECAM_ERR_BUFFER_TOO_SMALL`: nothing was written, and the message gives
 * the number of bytes needed. `SCORECAM_ERR_DEADLINE`: there are no maps, because the time limit expired.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_overlay(uint8_t *out,
                                             size_t out_size,
                                             const struct scorecam_explanation *explanation,
                                             const struct scorecam_image *photo,
                                             const struct scorecam_overlay_options *options);

/**
 * The boxes around the high values in the map of target `index`, in pixels of the photo, with the model's crop or
 * letterbox undone. At most `capacity` boxes are written to `boxes`, the largest area first; `*count` is set to the
 * total number, 0 for a map that is flat or lies in the padding. `boxes` may be NULL to query the number; `options`
 * may be NULL. `SCORECAM_ERR_DEADLINE`: there are no maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_boxes(struct scorecam_box *boxes,
                                           uint64_t capacity,
                                           uint64_t *count,
                                           const struct scorecam_explanation *explanation,
                                           uint64_t index,
                                           const struct scorecam_box_options *options);

/**
 * Measures the map of target `index` on a part of the photo: compare `energy` or `lift` with a limit to verify that a
 * decision is based on that part. Set `out` to `SCORECAM_EVIDENCE_INIT` first. For a tensor, boxes are in pixels of
 * the input, and a mask may have any size. `SCORECAM_ERR_INVALID_ARGUMENT`: the region lies outside the model's input.
 * `SCORECAM_ERR_DEADLINE`: there are no maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_region(struct scorecam_evidence *out,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index,
                                            const struct scorecam_region *region);

/**
 * The library's version, such as "1.0.0".
 */
const char *scorecam_version(void);

/**
 * The version of the plugin ABI that this library supports: `SCORECAM_ABI_VERSION` of its own header.
 */
uint32_t scorecam_abi_version(void);

/**
 * Sends the log messages of the library and its plugins, up to `level` (`SCORECAM_LOG_*`), to `log`: a level, the
 * component and one line of text, both valid only during the call. `log` may be called from any thread, concurrently,
 * until the process ends, and must return. Plugins keep the level at the time when they are loaded, so call this
 * before creating the first host. `SCORECAM_ERR_INVALID_ARGUMENT`: the log already has a destination.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_log_to(scorecam_log log,
                                uint32_t level,
                                void *user_data);

/**
 * The error message of this thread's last failed call: one line of UTF-8 that names the object, the value and the
 * remedy; empty if no call failed. Valid until this thread's next call. Successful calls keep the message, so it may
 * be read after cleaning up.
 */
const char *scorecam_last_error(void);

/**
 * The name of a status, such as "SCORECAM_ERR_NOT_FOUND"; "unknown status" for other numbers.
 */
const char *scorecam_status_name(scorecam_status status);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#endif  /* SCORECAM_H */
