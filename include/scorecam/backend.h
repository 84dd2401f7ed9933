/*
 * `scorecam.backend/1`: a runtime that loads models and runs them.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/backend.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_BACKEND_H
#define SCORECAM_BACKEND_H

#include <stdint.h>
#include "core.h"

/**
 * Axes of a layer after the batch: unknown; the host finds out by trial passes when it loads the model.
 */
#define SCORECAM_LAYER_UNKNOWN 0

/**
 * Axes of a layer after the batch: maps [K, h, w].
 */
#define SCORECAM_LAYER_MAPS 1

/**
 * Axes of a layer after the batch: maps [h, w, K].
 */
#define SCORECAM_LAYER_CHANNELS_LAST 2

/**
 * Axes of a layer after the batch: not maps of the image, such as attention scores.
 */
#define SCORECAM_LAYER_NO_MAP 3

/**
 * `scorecam_random_weights.draw`: normal, with the mean and deviation of the trained tensor.
 */
#define SCORECAM_WEIGHTS_MATCHED 1

/**
 * `scorecam_random_weights.draw`: the trained values of the tensor, shuffled.
 */
#define SCORECAM_WEIGHTS_PERMUTED 2

/**
 * `scorecam_random_weights.draw`: the usual initialization before training, uniform within 1 / sqrt(fan in) of 0.
 */
#define SCORECAM_WEIGHTS_INITIAL 3

/**
 * Random weights instead of trained ones.
 */
typedef struct scorecam_random_weights {
    /**
     * `sizeof(scorecam_random_weights)`.
     */
    uint32_t struct_size;
    /**
     * One of `SCORECAM_WEIGHTS_*`.
     */
    uint32_t draw;
    /**
     * The seed; a layer must get the same weights whichever other layers are random.
     */
    uint64_t seed;
    /**
     * The first random layer, by its index in `scorecam_weights`.
     */
    uint64_t first_layer;
    /**
     * The number of random layers from that one on; at least 1.
     */
    uint64_t layer_count;
} scorecam_random_weights;

/**
 * The arguments for loading a model.
 */
typedef struct scorecam_model_config {
    /**
     * `sizeof(scorecam_model_config)`.
     */
    uint32_t struct_size;
    /**
     * Threads for the runtime; 0 for all cores.
     */
    uint32_t threads;
    /**
     * The model's file.
     */
    const char *path;
    /**
     * The name of the image input; NULL for the only one.
     */
    const char *input;
    /**
     * The name of the output with class scores; NULL for the one that looks like class scores.
     */
    const char *output;
    /**
     * A hint: the layer to explain, or several separated by commas; NULL for the default layer.
     */
    const char *layer;
    /**
     * The device, such as "cpu" or "cuda:0"; NULL for the backend's default.
     */
    const char *device;
    /**
     * The input height for a model of variable input size; 0 if unknown.
     */
    uint64_t input_height;
    /**
     * The input width for a model of variable input size; 0 if unknown.
     */
    uint64_t input_width;
    /**
     * 1 if the model itself takes [N, H, W, C] (the backend then transposes), 2 if it takes [N, C, H, W], 0 to infer
     * the order from its shape.
     */
    uint32_t channels_last;
    /**
     * The number of settings.
     */
    uint32_t setting_count;
    /**
     * Settings of the backend; an unknown one must be an error.
     */
    const scorecam_option *settings;
    /**
     * Random weights instead of trained ones; NULL for the trained ones. Always NULL for a backend whose models do not
     * offer "scorecam.weights/1".
     */
    const struct scorecam_random_weights *random_weights;
} scorecam_model_config;

/**
 * An input of a model.
 */
typedef struct scorecam_input_info {
    /**
     * The name in the model.
     */
    const char *name;
    /**
     * The shape; for the image [N, C, H, W], whatever the model's own order.
     */
    scorecam_shape shape;
    /**
     * The model's own element type. Tensors are passed in f32, and the backend converts them. Bytes (u8) mean that the
     * model takes raw pixel values, 0 to 255.
     */
    scorecam_data_type dtype;
    /**
     * 1 if it has a row per image, so that its first axis is the batch, else 0. Ignored for the image input.
     */
    uint32_t per_image;
} scorecam_input_info;

/**
 * An output of a model.
 */
typedef struct scorecam_output_info {
    /**
     * The name in the model.
     */
    const char *name;
    /**
     * The shape; if it is per image, with the batch first.
     */
    scorecam_shape shape;
    /**
     * The model's own element type. Tensors are always returned in f32.
     */
    scorecam_data_type dtype;
    /**
     * The activation that the model applies: one of `SCORECAM_OUTPUT_*`.
     */
    uint32_t activation;
    /**
     * 1 if it has a row per image, so that its first axis is the batch. 0 if not, such as the detections of all images
     * in one list; class scores are then not read from it.
     */
    uint32_t per_image;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_output_info;

/**
 * A layer whose tensor can be returned.
 */
typedef struct scorecam_layer {
    /**
     * The name of the layer.
     */
    const char *name;
    /**
     * Its operation, as the model names it.
     */
    const char *operation;
    /**
     * The shape of its raw tensor without the batch axis.
     */
    scorecam_shape shape;
    /**
     * The meaning of these axes: one of `SCORECAM_LAYER_*`.
     */
    uint32_t meaning;
    /**
     * The default layer is the one with the highest preference that is known to hold maps. 0 for a layer that is never
     * chosen automatically, unless it is `default_layer`.
     */
    uint32_t preference;
    /**
     * 1 + the index of an earlier layer whose axes after the batch have the same meaning, though the last may have
     * another length; 0 if there is none. Trial passes examine one layer of such a family.
     */
    uint64_t like;
    /**
     * 1 if the part of the model after the layer depends only on the mean of each map, so that `run_from` accepts
     * means [N, K, 1, 1] as well as maps [N, K, h, w]: a classifier that starts with global average pooling. Else 0.
     */
    uint32_t pooled;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_layer;

/**
 * The inputs, outputs and layers of a model.
 */
typedef struct scorecam_model_description {
    /**
     * `sizeof(scorecam_model_description)`.
     */
    uint32_t struct_size;
    /**
     * The index of the image input.
     */
    uint32_t image_input;
    /**
     * The inputs.
     */
    const struct scorecam_input_info *inputs;
    /**
     * The number of inputs, at least 1.
     */
    uint64_t input_count;
    /**
     * The outputs.
     */
    const struct scorecam_output_info *outputs;
    /**
     * The number of outputs, at least 1.
     */
    uint64_t output_count;
    /**
     * The index of the output with class scores: [N, classes], with axes of length 1 anywhere, or `[N]` for one value
     * per image. -1 if there is none.
     */
    int64_t score_output;
    /**
     * The reason in one line if there is none; else NULL.
     */
    const char *why_no_scores;
    /**
     * The layers in execution order.
     */
    const struct scorecam_layer *layers;
    /**
     * The number of layers.
     */
    uint64_t layer_count;
    /**
     * The index of the last layer with spatial extent before the classifier; -1 if there is none.
     */
    int64_t default_layer;
    /**
     * The batch size if the model fixes it, at most 4096; else 0.
     */
    uint64_t fixed_batch;
    /**
     * The batch size at which the model runs fastest: 1 to 4096.
     */
    uint64_t preferred_batch;
} scorecam_model_description;

/**
 * The inputs of a call.
 */
typedef struct scorecam_inputs {
    /**
     * `sizeof(scorecam_inputs)`.
     */
    uint32_t struct_size;
    /**
     * The number of `others`.
     */
    uint32_t other_count;
    /**
     * The images, [N, C, H, W].
     */
    scorecam_tensor images;
    /**
     * Inputs other than the image, which override those given at load for this call. One that is per image has a row
     * per image.
     */
    const scorecam_named_tensor *others;
    /**
     * Passed to `is_cancelled`.
     */
    void *context;
    /**
     * Returns 1 to cancel the call, else 0. A cancelled call should return `SCORECAM_ERR_CANCELLED` soon. NULL if the
     * call cannot be cancelled. [thread of the call]
     */
    int32_t (*is_cancelled)(void *context);
} scorecam_inputs;

/**
 * `scorecam.backend/1`: a runtime that loads models and runs them.
 *
 * Several threads may call a model concurrently. `load` may be NULL in a table that an application passes together
 * with its own model.
 *
 * `wanted` names both outputs and layers. Tensor i of the result is the raw tensor `wanted[i]`, with the batch first
 * except for outputs that are not per image. A name may occur twice, and a name of both an output and a layer means
 * the output. A name may be missing from the description, because users and methods choose layers: return
 * `SCORECAM_ERR_NOT_FOUND` with a message for the user.
 */
typedef struct scorecam_backend {
    /**
     * `sizeof(scorecam_backend)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Loads a model; on success `*model` is the argument for the other functions. [any thread]
     */
    scorecam_status (*load)(const struct scorecam_model_config *config, void **model, scorecam_message *why);
    /**
     * Frees a model that is no longer in use. May be NULL if there is nothing to free. [any thread]
     */
    void (*release)(void *model);
    /**
     * Describes a model; the result must stay valid and unchanged until `release`. [any thread]
     */
    scorecam_status (*describe)(void *model,
                                const struct scorecam_model_description **description,
                                scorecam_message *why);
    /**
     * Runs a batch of images and returns the `wanted` tensors. [any thread, several at once]
     */
    scorecam_status (*forward)(void *model,
                               const struct scorecam_inputs *inputs,
                               const char *const *wanted,
                               uint64_t wanted_count,
                               scorecam_outputs *outputs,
                               scorecam_message *why);
    /**
     * The table of an additional ability of this model (`scorecam.masked/1`, ...), or NULL. The function itself may be
     * NULL. The result must stay valid until `release`. The descriptor's `abilities` must include the ability. [any
     * thread]
     */
    const void *(*get_interface)(void *model, const char *id);
} scorecam_backend;

#endif  /* SCORECAM_BACKEND_H */
