/*
 * scorecam: explains what an image classifier looks at.
 *
 * Generated from ffi/src by `cargo xtask headers`; do not edit.
 *
 * In the order of their use: make a host, load a model, explain images, read explanations, free them.
 *
 * Status. Every function returns SCORECAM_OK (0) or one of SCORECAM_ERR_*, unless its text says otherwise;
 * scorecam_last_error() says in one line why this thread's last failed call failed. Results come through
 * pointers and are written on success only.
 * Threads. Every function may be called from any thread. `const T *` may be used by several at once, and an
 * object may be freed while another thread's call uses it: it goes when that call ends.
 * Objects. A `T **` result is the caller's, to be freed by the function of its name; every free takes NULL.
 * Handles are looked up, never followed: one that was freed, is of another type or never was one gives
 * SCORECAM_ERR_INVALID_HANDLE.
 * Structs begin with `struct_size`: set them to their _INIT macro, then set what is needed. Fields that a
 * program built against an older header does not have count as 0.
 * Pointers lead to writable memory of their type for results, and to as many elements as the count beside them
 * says for arrays. Strings are UTF-8, end with NUL, and have at most SCORECAM_MAX_STRING bytes. What a call
 * is given is read during the call only.
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

/* Where C++14 and later begin a field that an initializer leaves out; C has zeros there, and the macros below. */
#if defined(__cplusplus) && __cplusplus >= 201402L
#define SCORECAM_DEFAULT(value) = value
#else
#define SCORECAM_DEFAULT(value)
#endif

/* A call whose status nobody looks at gets a compiler's warning. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define SCORECAM_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define SCORECAM_MUST_USE __attribute__((warn_unused_result))
#else
#define SCORECAM_MUST_USE
#endif

/* Begin values of structs: right for C and C++, in declarations only. In C++14 and later a struct has them by itself. */
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
 * `scorecam_model_info.output_kind`: none of the kinds below.
 */
#define SCORECAM_MODEL_OTHER 0

/**
 * `scorecam_model_info.output_kind`: class scores.
 */
#define SCORECAM_MODEL_CLASSES 1

/**
 * `scorecam_model_info.output_kind`: one number for an image, such as an age.
 */
#define SCORECAM_MODEL_VALUE 2

/**
 * `scorecam_model_info.output_kind`: boxes.
 */
#define SCORECAM_MODEL_DETECTIONS 3

/**
 * `scorecam_model_info.output_kind`: a class for each cell of a map.
 */
#define SCORECAM_MODEL_SEGMENTS 4

/**
 * `scorecam_model_info.output_kind`: a vector that is compared with another image's.
 */
#define SCORECAM_MODEL_EMBEDDING 5

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
 * `scorecam_target.class_index`: the target is about no class.
 */
#define SCORECAM_NO_CLASS UINT64_MAX

/**
 * `scorecam_box_options.areas`: the box around the connected area of the most pixels.
 */
#define SCORECAM_BOXES_LARGEST 0

/**
 * `scorecam_box_options.areas`: a box around each connected area, the largest area first.
 */
#define SCORECAM_BOXES_ALL 1

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
     * The id by which it is chosen.
     */
    const char *id SCORECAM_DEFAULT(NULL);
    /**
     * The plugin's own version.
     */
    const char *version SCORECAM_DEFAULT(NULL);
    /**
     * One line on what it is.
     */
    const char *summary SCORECAM_DEFAULT(NULL);
    /**
     * The plugin's file; NULL for what is built in.
     */
    const char *path SCORECAM_DEFAULT(NULL);
    /**
     * How its layout is known: "built in", "layout verified" or "version checked".
     */
    const char *proof SCORECAM_DEFAULT(NULL);
    /**
     * A sum of `SCORECAM_ABILITY_*`: what a backend's models can have at most, what a method needs of a model.
     */
    uint32_t abilities SCORECAM_DEFAULT(0);
    /**
     * 0.
     */
    uint32_t reserved SCORECAM_DEFAULT(0);
} scorecam_plugin_info;

/**
 * How to load a model. Begin with `SCORECAM_MODEL_OPTIONS_INIT`; every field may stay 0. What is not given
 * comes from the manifest, and else from the model's file.
 */
typedef struct scorecam_model_options {
    /**
     * `sizeof(scorecam_model_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_model_options));
    /**
     * Threads for the engine, at most 1024; 0 for all cores.
     */
    uint32_t threads SCORECAM_DEFAULT(0);
    /**
     * The backend's id; "auto" for the best one that loads files of this name and works on this machine. NULL for
     * the manifest's, or else as "auto".
     */
    const char *backend SCORECAM_DEFAULT(NULL);
    /**
     * The layer to explain; NULL for the manifest's or the default one.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
    /**
     * The device, as in "cpu" or "cuda:0"; NULL for the backend's default.
     */
    const char *device SCORECAM_DEFAULT(NULL);
    /**
     * Settings of the backend; an unknown one is an error.
     */
    const scorecam_option *settings SCORECAM_DEFAULT(NULL);
    /**
     * How many there are.
     */
    uint64_t setting_count SCORECAM_DEFAULT(0);
    /**
     * The manifest's text (TOML, at most 16 MiB), read in place of a manifest on disk; NULL for none. Its paths start from
     * the current folder.
     */
    const char *manifest SCORECAM_DEFAULT(NULL);
    /**
     * A manifest's file, read in place of the one beside the model; NULL for none. At most one of both is given.
     */
    const char *manifest_file SCORECAM_DEFAULT(NULL);
    /**
     * The model itself in memory, read during the call only; NULL to open the file `path`.
     */
    const void *data SCORECAM_DEFAULT(NULL);
    /**
     * Its bytes.
     */
    uint64_t data_size SCORECAM_DEFAULT(0);
} scorecam_model_options;

/**
 * What a model takes and gives. The strings are valid until the model is freed.
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
     * Classes, or 0: their number is free, or the model gives no class scores.
     */
    uint64_t class_count SCORECAM_DEFAULT(0);
    /**
     * Channels of its input; 0 when free.
     */
    uint64_t channels SCORECAM_DEFAULT(0);
    /**
     * Rows of its input; 0 when free.
     */
    uint64_t height SCORECAM_DEFAULT(0);
    /**
     * Columns of its input; 0 when free.
     */
    uint64_t width SCORECAM_DEFAULT(0);
    /**
     * How many layers it has.
     */
    uint64_t layer_count SCORECAM_DEFAULT(0);
    /**
     * Its file, or "the application's model".
     */
    const char *name SCORECAM_DEFAULT(NULL);
    /**
     * The id of the backend that runs it; "application" for a model of `scorecam_model_from_backend`.
     */
    const char *backend SCORECAM_DEFAULT(NULL);
    /**
     * Why this backend, in one line, as in "onnx-cpu on the CPU, since onnx-cuda is not ready: ..."; NULL where there was
     * nothing to choose: it was asked for by its id, or is the only one for such files.
     */
    const char *backend_reason SCORECAM_DEFAULT(NULL);
    /**
     * The layer that is explained when none is named; NULL where the model has none.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
} scorecam_model_info;

/**
 * A layer that can be explained or tapped. The strings are valid until the model is freed.
 */
typedef struct scorecam_layer_info {
    /**
     * `sizeof(scorecam_layer_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_layer_info));
    /**
     * 1 for the layer that is explained when none is named; else 0.
     */
    uint32_t is_default SCORECAM_DEFAULT(0);
    /**
     * The name to give as layer.
     */
    const char *name SCORECAM_DEFAULT(NULL);
    /**
     * What it does, in the model's own words ("Conv").
     */
    const char *operation SCORECAM_DEFAULT(NULL);
    /**
     * Shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a
     * saliency map needs. A size of 0 is free.
     */
    scorecam_shape shape SCORECAM_DEFAULT({});
} scorecam_layer_info;

/**
 * A photo or a tensor in the caller's memory, which is read during the call only. Begin with
 * `SCORECAM_IMAGE_INIT` (a packed 8-bit RGB photo) or `SCORECAM_TENSOR_INIT`, then set `data`, `data_size`,
 * `width` and `height`.
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
     * The first sample of the first row, aligned as its type needs.
     */
    const void *data SCORECAM_DEFAULT(NULL);
    /**
     * How many bytes may be read from `data` on.
     */
    uint64_t data_size SCORECAM_DEFAULT(0);
    /**
     * Pixels in a row: 1 to 65535.
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
     * One of `SCORECAM_PIXELS_*`; not read for tensors.
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
     * Channels of a tensor; not read for photos.
     */
    uint32_t channels SCORECAM_DEFAULT(0);
    /**
     * Must be 0.
     */
    uint32_t reserved SCORECAM_DEFAULT(0);
} scorecam_image;

/**
 * Receives a report of each batch: `passes` images were run through the model of `expected`, which is 0 while not
 * known, and in `scorecam_explain_many`. Any result but 0 cancels the call, which returns `SCORECAM_ERR_CANCELLED` and calls
 * it no more. Called on the thread of the call, never twice at once by one call. Must return: neither throw nor jump out by
 * longjmp.
 */
typedef int32_t (*scorecam_progress)(uint64_t passes, uint64_t expected, void *user_data);

/**
 * What to explain, and how. Begin with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
 */
typedef struct scorecam_explain_options {
    /**
     * `sizeof(scorecam_explain_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_explain_options));
    /**
     * Images of `scorecam_explain_many` at work at once, so that their masks share batches, at most 64; 0 for 3.
     */
    uint32_t jobs SCORECAM_DEFAULT(0);
    /**
     * The method's id, or "auto" for a map at little cost, by what the model allows; NULL for "score-cam".
     */
    const char *method SCORECAM_DEFAULT(NULL);
    /**
     * A preset of the method; NULL for its defaults.
     */
    const char *preset SCORECAM_DEFAULT(NULL);
    /**
     * Options of the method, which come before the preset's.
     */
    const scorecam_option *options SCORECAM_DEFAULT(NULL);
    /**
     * How many there are.
     */
    uint64_t option_count SCORECAM_DEFAULT(0);
    /**
     * The classes to explain, all from the same passes.
     */
    const uint64_t *classes SCORECAM_DEFAULT(NULL);
    /**
     * How many there are; 0 to take the classes with the highest scores.
     */
    uint64_t class_count SCORECAM_DEFAULT(0);
    /**
     * How many classes with the highest scores, where `class_count` is 0; 0 for one.
     */
    uint64_t top_k SCORECAM_DEFAULT(0);
    /**
     * The layer to explain, or several with commas between; NULL for the one named at load, or the default one. A method
     * that needs no layer does not look at it.
     */
    const char *layer SCORECAM_DEFAULT(NULL);
    /**
     * How the maps of several layers become one: "mean", "max" or "product"; NULL for "mean".
     */
    const char *fuse SCORECAM_DEFAULT(NULL);
    /**
     * 1 to explain the mirrored image as well, for twice the passes and one more, and to take the mean of both maps; else 0.
     */
    uint64_t augment SCORECAM_DEFAULT(0);
    /**
     * Images in a pass, at most 4096; 0 for what the model runs fastest.
     */
    uint64_t batch_size SCORECAM_DEFAULT(0);
    /**
     * Another image that some options compare with, of the same input shape; NULL for none.
     */
    const struct scorecam_image *reference SCORECAM_DEFAULT(NULL);
    /**
     * The explanation of a video's frame before: "score-cam-adaptive" begins with what it learned of it, and needs fewer
     * passes for the same error. NULL to begin anew, as in `scorecam_explain_many`.
     */
    const struct scorecam_explanation *previous SCORECAM_DEFAULT(NULL);
    /**
     * Receives progress and may cancel; NULL for nobody.
     */
    scorecam_progress progress SCORECAM_DEFAULT(NULL);
    /**
     * Passed to `progress`.
     */
    void *user_data SCORECAM_DEFAULT(NULL);
    /**
     * Targets in words, in place of classes: "box:0", "contrast:tabby-lynx", "region:mask.png:15"; docs/targets.md has
     * all of them.
     */
    const char *const *targets SCORECAM_DEFAULT(NULL);
    /**
     * How many there are.
     */
    uint64_t target_count SCORECAM_DEFAULT(0);
    /**
     * The least score of a detection, 0 to 1; 0 for 0.25.
     */
    double min_score SCORECAM_DEFAULT(0.0);
    /**
     * Seconds that the passes of an image may take, from its first one; 0 for no limit. Then no pass begins any more:
     * score-cam-adaptive and rise make their map of the passes that were made and say its error; an explanation by another
     * method has its targets, and no maps.
     */
    double time_limit SCORECAM_DEFAULT(0.0);
} scorecam_explain_options;

/**
 * What an explanation holds. The strings are valid until it is freed.
 */
typedef struct scorecam_explanation_info {
    /**
     * `sizeof(scorecam_explanation_info)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_explanation_info));
    /**
     * 1 when there are maps; 0 when the time limit passed before.
     */
    uint32_t has_maps SCORECAM_DEFAULT(0);
    /**
     * How many targets, and as many maps, there are.
     */
    uint64_t target_count SCORECAM_DEFAULT(0);
    /**
     * Images run through the model, the unmasked one included.
     */
    uint64_t passes SCORECAM_DEFAULT(0);
    /**
     * How many warnings there are.
     */
    uint64_t warning_count SCORECAM_DEFAULT(0);
    /**
     * How many numbers the method reports of its work, beside the maps.
     */
    uint64_t measure_count SCORECAM_DEFAULT(0);
    /**
     * The layer that was explained; empty where the method looks at none.
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
     * 1 when the target is about a box, else 0.
     */
    uint32_t has_box SCORECAM_DEFAULT(0);
    /**
     * The class that it is about, or `SCORECAM_NO_CLASS`.
     */
    uint64_t class_index SCORECAM_DEFAULT(0);
    /**
     * A class's probability on the image, 0 to 1; the number of another target.
     */
    double score SCORECAM_DEFAULT(0.0);
    /**
     * The model's raw output for a class; the number of another target.
     */
    double output SCORECAM_DEFAULT(0.0);
    /**
     * The class's label; NULL where no labels file gives one.
     */
    const char *label SCORECAM_DEFAULT(NULL);
    /**
     * What was asked, in words: "class:285", "box:0".
     */
    const char *text SCORECAM_DEFAULT(NULL);
    /**
     * The box's left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
     */
    double rect[4] SCORECAM_DEFAULT({});
    /**
     * How sure the detector is of the box, 0 to 1.
     */
    double box_score SCORECAM_DEFAULT(0.0);
} scorecam_target;

/**
 * The rectangle of the photo and the rectangle of the model's input that show the same scene, each as left, top, right and
 * bottom edge in pixels.
 */
typedef struct scorecam_placement {
    /**
     * `sizeof(scorecam_placement)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_placement));
    /**
     * 1 after a photo; 0 after a tensor, of whose photo nothing is known: then the photo's fields are 0.
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
     * Columns of the model's input, as of the maps.
     */
    uint64_t input_width SCORECAM_DEFAULT(0);
    /**
     * Rows of the model's input.
     */
    uint64_t input_height SCORECAM_DEFAULT(0);
    /**
     * The part of the input that shows the photo; the rest is padding.
     */
    double input_rect[4] SCORECAM_DEFAULT({});
} scorecam_placement;

/**
 * Receives what came of image `index`: an explanation, which is from then on the callee's to free, or NULL with the status and
 * the line of text that say why, which is valid during the call only. Any result but 0 ends `scorecam_explain_many`. Called
 * on the thread of that call, once for each image, mostly but not always in their order. Must return: neither throw nor jump
 * out by longjmp.
 */
typedef int32_t (*scorecam_found)(uint64_t index,
                                  struct scorecam_explanation *explanation,
                                  scorecam_status status,
                                  const char *error,
                                  void *user_data);

/**
 * How a map is shown. Begin with `SCORECAM_OVERLAY_OPTIONS_INIT`: target 0, viridis, half transparent.
 */
typedef struct scorecam_overlay_options {
    /**
     * `sizeof(scorecam_overlay_options)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_overlay_options));
    /**
     * The colour's share of the result: 0 (the photo alone) to 1 (the map alone).
     */
    float opacity SCORECAM_DEFAULT(0.5f);
    /**
     * Which target's map is shown.
     */
    uint64_t target SCORECAM_DEFAULT(0);
    /**
     * "viridis", "turbo", "jet", "inferno" or "gray"; NULL for viridis.
     */
    const char *colormap SCORECAM_DEFAULT(NULL);
    /**
     * Bytes from one row of the result to the next; 0 for rows without gaps.
     */
    uint64_t row_stride SCORECAM_DEFAULT(0);
} scorecam_overlay_options;

/**
 * A box.
 */
typedef struct scorecam_box {
    /**
     * Left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
     */
    double rect[4];
    /**
     * The share of the map that lies in the box, 0 to 1; not read where a box is given.
     */
    double energy;
} scorecam_box;

/**
 * How a map becomes boxes. Begin with `SCORECAM_BOX_OPTIONS_INIT`: the largest area of at least 0.15.
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
     * A pixel belongs to an area from this share of the map's greatest value on, 0 to 1: 0.15 in Grad-CAM, 0.2 in CAM.
     */
    double threshold SCORECAM_DEFAULT(0.15);
} scorecam_box_options;

/**
 * How a map lies on a region. All numbers are finite.
 */
typedef struct scorecam_evidence {
    /**
     * `sizeof(scorecam_evidence)`.
     */
    uint32_t struct_size SCORECAM_DEFAULT(SCORECAM_SIZE_OF(scorecam_evidence));
    /**
     * 1 as a rule; 0 for a map without a positive value, of which `energy` and `lift` are 0.
     */
    uint32_t has_energy SCORECAM_DEFAULT(0);
    /**
     * The share of the map's positive values that lies on the region, 0 to 1.
     */
    double energy SCORECAM_DEFAULT(0.0);
    /**
     * The region's share of the model's input, above 0, at most 1: the energy of a map that knows nothing.
     */
    double share SCORECAM_DEFAULT(0.0);
    /**
     * The energy by that share: 1 for a map that knows nothing.
     */
    double lift SCORECAM_DEFAULT(0.0);
    /**
     * The share on the region of as many of the greatest pixels as it has, 0 to 1.
     */
    double rank_accuracy SCORECAM_DEFAULT(0.0);
    /**
     * The probability that a pixel on the region is above one beside it, 0 to 1; 0.5 where the region is all.
     */
    double roc_area SCORECAM_DEFAULT(0.0);
    /**
     * 1 when the map's greatest pixel, or one of several, lies on the region, else 0.
     */
    uint64_t pointing SCORECAM_DEFAULT(0);
} scorecam_evidence;

/**
 * A part of the photo: boxes or a mask. Begin with `SCORECAM_REGION_INIT`.
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
     * Boxes in pixels of the photo, whose union it is; they may reach out of it. NULL with a mask.
     */
    const struct scorecam_box *boxes SCORECAM_DEFAULT(NULL);
    /**
     * How many there are; 0 with a mask.
     */
    uint64_t box_count SCORECAM_DEFAULT(0);
    /**
     * A photo of the size of the one that was explained, white on the part: above half of the brightest value. NULL with
     * boxes.
     */
    const struct scorecam_image *mask SCORECAM_DEFAULT(NULL);
} scorecam_region;

/**
 * Receives a line of the log.
 */
typedef void (*scorecam_log)(void *user_data, uint32_t level, const char *target, const char *text);

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Makes a host. Plugins that are not loaded by path are looked for, when a backend or method is not known or
 * no backend of a plugin loaded by path is ready for a model's file, in the folders of `SCORECAM_PLUGIN_PATH`,
 * in those of this library and the program, in `scorecam/` below them, and in `../lib/scorecam` where such a
 * folder is called `bin`.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_create(struct scorecam_host **out);

/**
 * Frees a host; NULL is right. Models and explanations made with it live on.
 */
scorecam_status scorecam_host_free(struct scorecam_host *host);

/**
 * Loads the plugin in a file, or every plugin in a folder. A file is not opened again when it is loaded already. Where no
 * backend is chosen by id, backends loaded so go before those that a search finds. Libraries stay loaded until the process
 * ends. `SCORECAM_ERR_IO`: no such file, or a folder without plugins. `SCORECAM_ERR_PLUGIN`: a file is no plugin, or of
 * another version, or the program is linked statically (`-static`) and can open none.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_load_plugin(const struct scorecam_host *host,
                                          const char *path);

/**
 * Adds a plugin whose table lies in the program itself: backends and methods of an application. The table and all that it
 * leads to must stay valid until the process ends. `SCORECAM_ERR_PLUGIN`: it is of another version, or an id is taken.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_add_plugin(const struct scorecam_host *host,
                                         const scorecam_plugin_table *plugin);

/**
 * A method's options, with their ranges and defaults, and its presets. Plugins are looked for where the method is not known
 * yet. What `out` leads to is valid until the host is freed. `SCORECAM_ERR_NOT_FOUND`: no method has this id.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_method(const scorecam_method_description **out,
                                     const struct scorecam_host *host,
                                     const char *id);

/**
 * How many backends and methods the host has, built-in ones included.
 */
SCORECAM_MUST_USE scorecam_status scorecam_host_plugin_count(uint64_t *out, const struct scorecam_host *host);

/**
 * Describes backend or method `index`, in the order of loading; an index keeps its meaning. Set `out` to
 * `SCORECAM_PLUGIN_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_host_plugin(struct scorecam_plugin_info *out,
                                     const struct scorecam_host *host,
                                     uint64_t index);

/**
 * Loads a model. `path` is the model's file or its manifest (`.toml`); a manifest of the model's name beside
 * it is read, too. `options` may be NULL. `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_NOT_FOUND`: no such
 * backend or layer. `SCORECAM_ERR_MODEL`: the file is wrong. With `options.data` the model is there and `path` is its name
 * alone, such as "net.onnx", whose ending says the format.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_load(struct scorecam_model **out,
                                    const struct scorecam_host *host,
                                    const char *path,
                                    const struct scorecam_model_options *options);

/**
 * Makes a model of an application's own engine: `backend` holds its functions, and `user_data` is what they
 * get as `model`. `load` is not called and may be NULL; the table itself is copied. Of `options`, which may be NULL, the
 * manifest counts: the layer, the labels, the input's preprocessing and the output's activation. The functions and
 * `user_data` must stay valid until the model is released. The functions may be called from any thread, and
 * from several at once when several threads use the model. `release`, unless NULL, is called with `user_data`
 * when the model has been freed and its last call has ended; when this function fails it is not called.
 * `SCORECAM_ERR_PLUGIN`: the table is of another size or lacks a function, or the description is wrong.
 * `SCORECAM_ERR_NOT_FOUND`: the model has no layer of the manifest's name.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_from_backend(struct scorecam_model **out,
                                            const struct scorecam_host *host,
                                            const scorecam_backend *backend,
                                            void *user_data,
                                            const struct scorecam_model_options *options);

/**
 * Frees a model; NULL is right. Calls of other threads that use it go on; it goes with the last of them.
 */
scorecam_status scorecam_model_free(struct scorecam_model *model);

/**
 * What the model takes and gives. Set `out` to `SCORECAM_MODEL_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_describe(struct scorecam_model_info *out,
                                        const struct scorecam_model *model);

/**
 * Describes layer `index`, in the order in which layers run. Set `out` to `SCORECAM_LAYER_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_layer(struct scorecam_layer_info *out,
                                     const struct scorecam_model *model,
                                     uint64_t index);

/**
 * The class that a text names: a number, or a label, or one of a label's comma-separated names.
 * `SCORECAM_ERR_NOT_FOUND`: no label is like it.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_find_class(uint64_t *out,
                                          const struct scorecam_model *model,
                                          const char *text);

/**
 * The label of a class, valid until the model is freed; NULL where the model has no labels.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: the model has no such class.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_model_label(const char **out,
                                     const struct scorecam_model *model,
                                     uint64_t class_index);

/**
 * Explains what the model sees in an image; blocks until done. `options` may be NULL: Score-CAM of the class
 * with the highest score.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is wrong. `SCORECAM_ERR_NOT_FOUND`: no such
 * method, preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback asked to stop.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explain(struct scorecam_explanation **out,
                                 const struct scorecam_model *model,
                                 const struct scorecam_image *image,
                                 const struct scorecam_explain_options *options);

/**
 * Frees an explanation; NULL is right.
 */
scorecam_status scorecam_explanation_free(struct scorecam_explanation *explanation);

/**
 * What there is to read. Set `out` to `SCORECAM_EXPLANATION_INFO_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_describe(struct scorecam_explanation_info *out,
                                              const struct scorecam_explanation *explanation);

/**
 * The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite. `SCORECAM_ERR_DEADLINE`:
 * there are no maps, since the time limit passed before.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_map(const float **data,
                                         uint64_t *height,
                                         uint64_t *width,
                                         const struct scorecam_explanation *explanation,
                                         uint64_t index);

/**
 * The standard error of each value of the map of target `index`, of the map's size and in its units, none below 0.
 * `SCORECAM_ERR_UNSUPPORTED`: the method estimates none; "rise" does. `SCORECAM_ERR_DEADLINE`: there are no maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_errors(const float **data,
                                            uint64_t *height,
                                            uint64_t *width,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index);

/**
 * Target `index`: what was asked, its class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_target(struct scorecam_target *out,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index);

/**
 * The saliency map of target `index` at the size of the photo: `height` rows of `width` values into `out`, which holds `count`
 * floats. It is bilinear between the map's values, and 0 where the model did not see the photo. After a photo its upright
 * size is the only one, see `scorecam_explanation_placement`; after a tensor any size is right, and the input is taken to have
 * shown all. `SCORECAM_ERR_BUFFER_TOO_SMALL`: the message says how many floats `out` needs, and nothing was written.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_photo_map(float *out,
                                               uint64_t count,
                                               const struct scorecam_explanation *explanation,
                                               uint64_t index,
                                               uint64_t height,
                                               uint64_t width);

/**
 * Which part of the photo the model saw, and where in its input. Set `out` to `SCORECAM_PLACEMENT_INIT` first.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_placement(struct scorecam_placement *out,
                                               const struct scorecam_explanation *explanation);

/**
 * Warning `index`, one line: something that was taken for granted and may be wrong.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_warning(const char **out,
                                             const struct scorecam_explanation *explanation,
                                             uint64_t index);

/**
 * Number `index` that the method reports, and its name, such as the "estimated-error" of "score-cam-adaptive":
 * how far a map is from the exact one, relative to its norm, as far as the method can tell. Which numbers there
 * are, and in which order, is the method's affair: look for the name.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_measure(const char **name,
                                             double *value,
                                             const struct scorecam_explanation *explanation,
                                             uint64_t index);

/**
 * Explains `count` images, `options->jobs` of them at work at once: their masks share batches of the model, so that all are
 * explained in less time than one after the other. Equal calls make equal batches. Each result goes to `found` as soon as it
 * is there, and an image that fails does not keep the others. `options->progress` receives the passes of all images together,
 * and `options->user_data`; `found` receives `user_data`. The call fails where the options are wrong, and with
 * `SCORECAM_ERR_CANCELLED` where a callback ended it.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explain_many(const struct scorecam_model *model,
                                      const struct scorecam_image *const *images,
                                      uint64_t count,
                                      const struct scorecam_explain_options *options,
                                      scorecam_found found,
                                      void *user_data);

/**
 * The scores of all classes in one pass, without a map: probabilities from 0 to 1 into `scores`, and the model's raw outputs
 * into `outputs`. Each has room for `capacity` numbers, and either may be NULL. `*count` becomes the number of classes, also
 * with `SCORECAM_ERR_BUFFER_TOO_SMALL`, when nothing else was written. `SCORECAM_ERR_INVALID_ARGUMENT`: the model gives no
 * class scores.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_classify(double *scores,
                                  float *outputs,
                                  uint64_t capacity,
                                  uint64_t *count,
                                  const struct scorecam_model *model,
                                  const struct scorecam_image *image);

/**
 * Draws a map over its photo, as 8-bit red, green and blue, at the photo's upright size: an orientation of
 * 5 to 8 swaps width and height. `photo` is the photo that was explained; after a tensor, any photo, of
 * which the input is taken to have shown all. `options` may be NULL. `SCORECAM_ERR_BUFFER_TOO_SMALL`: the
 * message says how many bytes `out` needs, and nothing was written. `SCORECAM_ERR_DEADLINE`: there are no maps, since
 * the time limit passed before.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_overlay(uint8_t *out,
                                             size_t out_size,
                                             const struct scorecam_explanation *explanation,
                                             const struct scorecam_image *photo,
                                             const struct scorecam_overlay_options *options);

/**
 * The boxes around the great values of the map of target `index`, in pixels of the photo, with the model's crop or letterbox
 * undone. At most `capacity` are written into `boxes`, the largest area first; `*count` becomes the number that there are, 0
 * for a map that is flat or lies in the padding. `boxes` may be NULL, for the number alone; so may `options`. `SCORECAM_ERR_DEADLINE`: there are no
 * maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_boxes(struct scorecam_box *boxes,
                                           uint64_t capacity,
                                           uint64_t *count,
                                           const struct scorecam_explanation *explanation,
                                           uint64_t index,
                                           const struct scorecam_box_options *options);

/**
 * How the map of target `index` lies on a part of the photo: an application that must rest on that part compares `energy` or
 * `lift` with a limit. Set `out` to `SCORECAM_EVIDENCE_INIT` first. After a tensor boxes are in pixels of the input, and a mask of
 * any size is right. `SCORECAM_ERR_INVALID_ARGUMENT`: the model sees nothing of the region. `SCORECAM_ERR_DEADLINE`: there are
 * no maps.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_explanation_region(struct scorecam_evidence *out,
                                            const struct scorecam_explanation *explanation,
                                            uint64_t index,
                                            const struct scorecam_region *region);

/**
 * The library's version, as in "1.0.0".
 */
const char *scorecam_version(void);

/**
 * The version of the plugin ABI that this library speaks: `SCORECAM_ABI_VERSION` of its own header.
 */
uint32_t scorecam_abi_version(void);

/**
 * Sends what the library and its plugins log, up to `level` (`SCORECAM_LOG_*`), to `log`: a level, the part that logs and one
 * line of text, both valid during the call only. `log` may be called from any thread, several at once, until the process ends,
 * and must return. Plugins keep the level that holds when they are loaded, so call this before the first host is made.
 * `SCORECAM_ERR_INVALID_ARGUMENT`: the log goes somewhere already.
 */
SCORECAM_MUST_USE
scorecam_status scorecam_log_to(scorecam_log log,
                                uint32_t level,
                                void *user_data);

/**
 * Why this thread's last failed call failed: one line of UTF-8 that names the thing, the value and what to
 * do; empty when none failed. Valid until this thread's next call. A call that succeeds leaves the message
 * as it is, so it may be read after cleaning up.
 */
const char *scorecam_last_error(void);

/**
 * The name of a status, as in "SCORECAM_ERR_NOT_FOUND"; "unknown status" for numbers that are none.
 */
const char *scorecam_status_name(scorecam_status status);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#endif  /* SCORECAM_H */
