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
 * The axes of a layer behind the batch: not known; trial passes find out when the model is loaded.
 */
#define SCORECAM_LAYER_UNKNOWN 0

/**
 * The axes of a layer behind the batch: maps [K, h, w].
 */
#define SCORECAM_LAYER_MAPS 1

/**
 * The axes of a layer behind the batch: maps [h, w, K].
 */
#define SCORECAM_LAYER_CHANNELS_LAST 2

/**
 * The axes of a layer behind the batch: no map of the image, such as attention scores.
 */
#define SCORECAM_LAYER_NO_MAP 3

/**
 * `scorecam_random_weights.draw`: normal, with mean and deviation of the trained tensor.
 */
#define SCORECAM_WEIGHTS_MATCHED 1

/**
 * `scorecam_random_weights.draw`: the trained values of the tensor, shuffled.
 */
#define SCORECAM_WEIGHTS_PERMUTED 2

/**
 * `scorecam_random_weights.draw`: as layers are initialized before training, uniform within 1 / sqrt(fan in) of 0.
 */
#define SCORECAM_WEIGHTS_INITIAL 3

/**
 * Random weights in place of trained ones.
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
     * What all draws are made from; a layer must draw the same whichever others do.
     */
    uint64_t seed;
    /**
     * The first layer that draws, by its index in `scorecam_weights`.
     */
    uint64_t first_layer;
    /**
     * How many layers draw, from that one on; at least 1.
     */
    uint64_t layer_count;
} scorecam_random_weights;

/**
 * What a backend needs to load a model.
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
     * Name of the image input; NULL for the only one.
     */
    const char *input;
    /**
     * Name of the output that class scores are read from; NULL for the one that looks like class scores.
     */
    const char *output;
    /**
     * The layer that will be explained, as a hint; NULL for the default one.
     */
    const char *layer;
    /**
     * The device, as in "cpu" or "cuda:0"; NULL for the backend's default.
     */
    const char *device;
    /**
     * Height at which a model of free input size is to run; 0 when not known.
     */
    uint64_t input_height;
    /**
     * Width at which a model of free input size is to run; 0 when not known.
     */
    uint64_t input_width;
    /**
     * 1 when the model itself wants [N, H, W, C]: the backend transposes. 2 when it wants [N, C, H, W], 0 when its
     * shape must tell.
     */
    uint32_t channels_last;
    /**
     * How many settings follow.
     */
    uint32_t setting_count;
    /**
     * Settings of the backend itself; an unknown one is an error.
     */
    const scorecam_option *settings;
    /**
     * Random weights in place of trained ones; NULL for the trained ones. Never given to a backend whose models do not
     * answer to "scorecam.weights/1".
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
     * Its shape; that of an image [N, C, H, W], whatever the model's own order.
     */
    scorecam_shape shape;
    /**
     * The model's own element type. Tensors are given in f32, and the backend converts them. Bytes (u8) say that the
     * model takes pixels as they are, 0 to 255.
     */
    scorecam_data_type dtype;
    /**
     * 1 when it has a row for each image, so that its first axis is the batch. Else 0. Not read for the image.
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
     * Its shape; where it is per image the batch first.
     */
    scorecam_shape shape;
    /**
     * The model's own element type. Tensors are returned in f32, whichever it is.
     */
    scorecam_data_type dtype;
    /**
     * What the model applies to the values: one of `SCORECAM_OUTPUT_*`.
     */
    uint32_t activation;
    /**
     * 1 when it has a row for each image, so that its first axis is the batch. 0 when it has not, such as detections of all
     * images in one list; class scores are not read from it.
     */
    uint32_t per_image;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_output_info;

/**
 * A layer that can be tapped.
 */
typedef struct scorecam_layer {
    /**
     * The name to give as target layer.
     */
    const char *name;
    /**
     * What it does, in the model's own words.
     */
    const char *operation;
    /**
     * Shape of its raw tensor without the batch axis.
     */
    scorecam_shape shape;
    /**
     * What these axes are: one of `SCORECAM_LAYER_*`.
     */
    uint32_t meaning;
    /**
     * When no layer is named, the one of the highest preference that is known to hold maps is explained. 0 for one that
     * is never taken unasked, unless it is the description's default.
     */
    uint32_t preference;
    /**
     * 1 + the index of an earlier layer whose axes behind the batch mean the same, though the last may have another
     * length; 0 when there is none. Trial passes look at one of such a family.
     */
    uint64_t like;
    /**
     * 1 where all that lies behind the layer reads the mean of each map alone, so that `run_from` takes means [N, K, 1, 1]
     * as well as maps [N, K, h, w]: a classifier that begins with global average pooling. Else 0.
     */
    uint32_t pooled;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_layer;

/**
 * What a model takes and gives.
 */
typedef struct scorecam_model_description {
    /**
     * `sizeof(scorecam_model_description)`.
     */
    uint32_t struct_size;
    /**
     * Index of the image input.
     */
    uint32_t image_input;
    /**
     * The inputs.
     */
    const struct scorecam_input_info *inputs;
    /**
     * How many there are, at least 1.
     */
    uint64_t input_count;
    /**
     * The outputs.
     */
    const struct scorecam_output_info *outputs;
    /**
     * How many there are, at least 1.
     */
    uint64_t output_count;
    /**
     * Index of the output that class scores are read from: [N, classes], with axes of length 1 anywhere, or `[N]` for one
     * value an image. -1 when there is none.
     */
    int64_t score_output;
    /**
     * Why there is none, in one line; NULL when there is one.
     */
    const char *why_no_scores;
    /**
     * The layers, in the order in which they run.
     */
    const struct scorecam_layer *layers;
    /**
     * How many layers there are.
     */
    uint64_t layer_count;
    /**
     * Index of the last layer with spatial extent before the classifier; -1 when there is none.
     */
    int64_t default_layer;
    /**
     * Images in every pass when the model fixes their number, at most 4096; else 0.
     */
    uint64_t fixed_batch;
    /**
     * Images in a pass at which the model runs fastest: 1 to 4096.
     */
    uint64_t preferred_batch;
} scorecam_model_description;

/**
 * What goes into a call.
 */
typedef struct scorecam_inputs {
    /**
     * `sizeof(scorecam_inputs)`.
     */
    uint32_t struct_size;
    /**
     * How many `others` there are.
     */
    uint32_t other_count;
    /**
     * The images, [N, C, H, W].
     */
    scorecam_tensor images;
    /**
     * Inputs beside the image, for this call in place of what was given when the model was loaded. One that is per image
     * has a row for each image.
     */
    const scorecam_named_tensor *others;
    /**
     * Passed to `is_cancelled`.
     */
    void *context;
    /**
     * Whether the caller wants the call to end: 1 or 0. Then it should return `SCORECAM_ERR_CANCELLED` soon. NULL when
     * nobody can want that. [thread of the call]
     */
    int32_t (*is_cancelled)(void *context);
} scorecam_inputs;

/**
 * `scorecam.backend/1`: a runtime that loads models and runs them forward.
 *
 * A model is called from several threads at once. `load` may be NULL in a table that an application hands
 * over together with a model of its own.
 *
 * `wanted` names outputs and layers alike. Tensor i of what a function returns is `wanted[i]`, raw, the batch first but for
 * outputs that are not per image; a name may be asked for twice, and one that is both an output and a layer is the output.
 * It may be one that the description does not list, since users and methods choose layers: to be refused by
 * `SCORECAM_ERR_NOT_FOUND`, with a text that is shown to them.
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
     * Loads a model; on success `*model` is what the other functions take. [any thread]
     */
    scorecam_status (*load)(const struct scorecam_model_config *config, void **model, scorecam_message *why);
    /**
     * Frees a model; nobody else uses it any more. May be NULL when there is nothing to free. [any thread]
     */
    void (*release)(void *model);
    /**
     * Describes a model; the result stays valid and unchanged until `release`. [any thread]
     */
    scorecam_status (*describe)(void *model,
                                const struct scorecam_model_description **description,
                                scorecam_message *why);
    /**
     * Runs a batch of images and returns the tensors that are `wanted`. [any thread, several at once]
     */
    scorecam_status (*forward)(void *model,
                               const struct scorecam_inputs *inputs,
                               const char *const *wanted,
                               uint64_t wanted_count,
                               scorecam_outputs *outputs,
                               scorecam_message *why);
    /**
     * The table of a further ability of this model (`scorecam.masked/1`, ...), or NULL. May itself be NULL. The result
     * stays valid until `release`. The descriptor's `abilities` must name it, too. [any thread]
     */
    const void *(*get_interface)(void *model, const char *id);
} scorecam_backend;

#endif  /* SCORECAM_BACKEND_H */
