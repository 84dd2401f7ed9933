/*
 * scorecam's plugin ABI: C tables and the numbers in them.
 *
 * Generated from plugins/sdk/src/abi.rs by `cargo xtask headers`; do not edit.
 *
 * A plugin is a shared library with one data symbol, the variable
 *     const scorecam_plugin_table scorecam_plugin_entry;
 * Interface ids, for its get_interface: "scorecam.backend/1" is a scorecam_backend, "scorecam.method/1" a
 * scorecam_method, "scorecam.masked-scores/1" a scorecam_masked_scores, "scorecam.run-from/1" a
 * scorecam_run_from, "scorecam.gradients/1" a scorecam_gradients, "scorecam.readiness/1" a
 * scorecam_readiness, "scorecam.remarks/1" a scorecam_remarks,
 * "scorecam.details/1" a scorecam_details.
 * A struct behind an interface id never changes; a new ability is a new id. Strings are UTF-8, end with NUL,
 * and have at most SCORECAM_MAX_STRING bytes. Whoever made memory frees it: `release` stands next to what it
 * frees. No exception may leave a function; it becomes a status and a message.
 */


#ifndef SCORECAM_PLUGIN_H
#define SCORECAM_PLUGIN_H

#include <stdint.h>

/**
 * The version of this ABI, first field of the entry table.
 */
#define SCORECAM_ABI_VERSION 1

/**
 * The most bytes that a string may have, its NUL included.
 */
#define SCORECAM_MAX_STRING 4096

/**
 * The most axes that a shape may have.
 */
#define SCORECAM_MAX_RANK 4

/**
 * Success.
 */
#define SCORECAM_OK 0

/**
 * An argument is out of range, NULL where it must not be, or contradicts another.
 */
#define SCORECAM_ERR_INVALID_ARGUMENT 1

/**
 * A layer, class, preset, option, backend or method of that name does not exist.
 */
#define SCORECAM_ERR_NOT_FOUND 2

/**
 * The backend or method lacks the ability, or the model has a form that is not handled.
 */
#define SCORECAM_ERR_UNSUPPORTED 3

/**
 * The model's file is wrong, or the runtime failed while it ran the model.
 */
#define SCORECAM_ERR_MODEL 4

/**
 * A library is no plugin, is of another version, or broke its contract.
 */
#define SCORECAM_ERR_PLUGIN 5

/**
 * A file could not be read or written.
 */
#define SCORECAM_ERR_IO 6

/**
 * A callback asked to stop.
 */
#define SCORECAM_ERR_CANCELLED 7

/**
 * A fault of the library itself: a panic that was caught.
 */
#define SCORECAM_ERR_INTERNAL 8

/**
 * A handle was freed, is of another type, or never was one.
 */
#define SCORECAM_ERR_INVALID_HANDLE 9

/**
 * A buffer is too small; the message says what it must hold.
 */
#define SCORECAM_ERR_BUFFER_TOO_SMALL 10

/**
 * `scorecam_descriptor.kind`: a runtime that loads models; interface `scorecam.backend/1`.
 */
#define SCORECAM_KIND_BACKEND 1

/**
 * `scorecam_descriptor.kind`: an explanation algorithm; interface `scorecam.method/1`.
 */
#define SCORECAM_KIND_METHOD 2

/**
 * What a model applies to its scores: not known.
 */
#define SCORECAM_OUTPUT_UNKNOWN 0

/**
 * What a model applies to its scores: nothing, they are logits.
 */
#define SCORECAM_OUTPUT_LOGITS 1

/**
 * What a model applies to its scores: softmax.
 */
#define SCORECAM_OUTPUT_SOFTMAX 2

/**
 * What a model applies to its scores: sigmoid.
 */
#define SCORECAM_OUTPUT_SIGMOID 3

/**
 * What a model applies to its scores: nothing, and they are a single logit in two columns, evidence against it (its
 * negation) and for it. The probability of either is its sigmoid. Only in a study.
 */
#define SCORECAM_OUTPUT_BINARY 4

/**
 * What a model applies to its scores: they are a single probability in two columns, 1 - p and p. Only in a study.
 */
#define SCORECAM_OUTPUT_PROBABILITY 5

/**
 * What a model applies to its scores: they are a single number in two columns, its negation and itself. Only in a
 * study.
 */
#define SCORECAM_OUTPUT_VALUE 6

/**
 * What a model applies to its output: it is scaled to length 1, an embedding that scores no class.
 */
#define SCORECAM_OUTPUT_UNIT_LENGTH 7

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
 * Mask upsampling: bilinear, half-pixel centres.
 */
#define SCORECAM_UPSAMPLE_HALF_PIXEL 0

/**
 * Mask upsampling: bilinear, corners on corners.
 */
#define SCORECAM_UPSAMPLE_ALIGN_CORNERS 1

/**
 * Mask upsampling: bicubic, a = -0.75, half-pixel centres.
 */
#define SCORECAM_UPSAMPLE_BICUBIC 2

/**
 * Mask upsampling: bilinear, half-pixel, positions mirrored at the edges.
 */
#define SCORECAM_UPSAMPLE_MIRROR 3

/**
 * Mask upsampling: nearest cell.
 */
#define SCORECAM_UPSAMPLE_NEAREST 4

/**
 * Option kinds: `true` or `false`.
 */
#define SCORECAM_OPTION_FLAG 1

/**
 * Option kinds: a whole number from `min` to `max`.
 */
#define SCORECAM_OPTION_INTEGER 2

/**
 * Option kinds: a finite number from `min` to `max`.
 */
#define SCORECAM_OPTION_NUMBER 3

/**
 * Option kinds: one of `choices`.
 */
#define SCORECAM_OPTION_CHOICE 4

/**
 * Option kinds: text, read by the method.
 */
#define SCORECAM_OPTION_TEXT 5

/**
 * What a backend offers or a method needs: class scores are differentiated, `scorecam.gradients/1`.
 */
#define SCORECAM_ABILITY_GRADIENTS 1

/**
 * What a backend offers or a method needs: a model is run from an inner layer, `scorecam.run-from/1`.
 */
#define SCORECAM_ABILITY_RUN_FROM 2

/**
 * What a backend offers: masked images are made by the backend itself, `scorecam.masked-scores/1`.
 */
#define SCORECAM_ABILITY_MASKED_SCORES 4

/**
 * `scorecam_readiness`, the rank: a backend that runs models on the processor.
 */
#define SCORECAM_READY_CPU 100

/**
 * `scorecam_readiness`, the rank: a backend that runs models on a graphics card or its like.
 */
#define SCORECAM_READY_ACCELERATOR 200

/**
 * `scorecam_readiness`, the rank: the most that it may be.
 */
#define SCORECAM_READY_HIGHEST 1000

/**
 * What one item of a plugin is.
 */
typedef struct scorecam_descriptor {
    /**
     * `sizeof(scorecam_descriptor)`.
     */
    uint32_t struct_size;
    /**
     * `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`; hosts pass over kinds that they do not know.
     */
    uint32_t kind;
    /**
     * The id by which users choose it: a-z, 0-9 and hyphens.
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
     * For a backend: file extensions of its models, without dots, separated by spaces. Else NULL.
     */
    const char *extensions;
    /**
     * For a backend: what can be done with its models, a sum of `SCORECAM_ABILITY_*`. A model may lack some of
     * these; one that offers another is refused. Else 0.
     */
    uint32_t abilities;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} scorecam_descriptor;

/**
 * The one data symbol of a plugin: a variable of this type called `scorecam_plugin_entry`.
 */
typedef struct scorecam_plugin_table {
    /**
     * `SCORECAM_ABI_VERSION`; read before anything else.
     */
    uint32_t abi_version;
    /**
     * `sizeof(scorecam_plugin_table)`.
     */
    uint32_t struct_size;
    /**
     * How many backends and methods the plugin holds.
     */
    uint32_t count;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Describes item `index` (0 to `count` - 1). The result stays valid for the life of the process.
     */
    const struct scorecam_descriptor *(*descriptor)(uint32_t index);
    /**
     * The table of item `index` behind an interface id, or NULL. It stays valid for the life of the process.
     */
    const void *(*get_interface)(uint32_t index, const char *id);
} scorecam_plugin_table;

/**
 * A name and a value, both text.
 */
typedef struct scorecam_option {
    /**
     * The option's name.
     */
    const char *name;
    /**
     * Its value, as a user writes it.
     */
    const char *value;
} scorecam_option;

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
     * Name of the output that holds class scores; NULL for the first.
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
    const struct scorecam_option *settings;
} scorecam_model_config;

/**
 * Where a function writes, in one line ending with NUL, why it failed. The caller owns it.
 */
typedef struct scorecam_message {
    /**
     * The text; empty when nothing was written.
     */
    char text[1024];
} scorecam_message;

/**
 * A shape: `rank` sizes, the outermost axis first. A size of 0 in a description means that it is free.
 */
typedef struct scorecam_shape {
    /**
     * The number of axes, at most `SCORECAM_MAX_RANK`.
     */
    uint32_t rank;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * The length of each axis; unused ones are 0.
     */
    uint64_t sizes[4];
} scorecam_shape;

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
     * Shape of its raw tensor without the batch axis: [K, h, w] for a layer of maps, unless `scorecam.details/1` or trial
     * passes say otherwise.
     */
    struct scorecam_shape shape;
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
     * One of `SCORECAM_OUTPUT_*`.
     */
    uint32_t output_activation;
    /**
     * Name of the image input.
     */
    const char *input_name;
    /**
     * Its shape, [N, C, H, W].
     */
    struct scorecam_shape input_shape;
    /**
     * Name of the output that holds class scores.
     */
    const char *output_name;
    /**
     * Its shape, the batch first: [N, classes], with axes of length 1 anywhere, or `[N]` for one value an image.
     */
    struct scorecam_shape output_shape;
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
 * A dense f32 tensor, row-major, that somebody else owns. `data` may be NULL only where that is said.
 */
typedef struct scorecam_tensor {
    /**
     * As many values as the product of the shape's sizes.
     */
    const float *data;
    /**
     * The shape; no size is 0 or free.
     */
    struct scorecam_shape shape;
} scorecam_tensor;

/**
 * Tensors that a callee made. The caller calls `release(owner)` once when it has read them, if the call
 * succeeded and `release` is not NULL.
 */
typedef struct scorecam_outputs {
    /**
     * The tensors, valid until released.
     */
    const struct scorecam_tensor *tensors;
    /**
     * How many there are.
     */
    uint64_t count;
    /**
     * Passed to `release`.
     */
    void *owner;
    /**
     * Frees `tensors` and all they point to; may be NULL. Called from any thread.
     */
    void (*release)(void *owner);
} scorecam_outputs;

/**
 * `scorecam.backend/1`: a runtime that loads models and runs them forward.
 *
 * A model is called from several threads at once. `load` may be NULL in a table that an application hands
 * over together with a model of its own.
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
     * Loads a model; on success `*model` is what the other functions take.
     */
    int32_t (*load)(const struct scorecam_model_config *config, void **model, struct scorecam_message *why);
    /**
     * Frees a model; nobody else uses it any more. May be NULL when there is nothing to free.
     */
    void (*release)(void *model);
    /**
     * Describes a model; the result stays valid and unchanged until `release`.
     */
    int32_t (*describe)(void *model,
                        const struct scorecam_model_description **description,
                        struct scorecam_message *why);
    /**
     * Runs `batch` [N, C, H, W]. Tensor 0 of `outputs` is the model's output, of the described shape, tensor 1 + i the
     * activations of layer `taps[i]`, of the layer's shape behind N. A tap may be a name that the description does not list, since
     * users and methods choose it: to be refused by `SCORECAM_ERR_NOT_FOUND`, with a text that is shown to them.
     */
    int32_t (*forward)(void *model,
                       const struct scorecam_tensor *batch,
                       const char *const *taps,
                       uint64_t tap_count,
                       struct scorecam_outputs *outputs,
                       struct scorecam_message *why);
    /**
     * The table of a further ability of this model (`scorecam.masked-scores/1`, ...), or NULL. May itself be
     * NULL. The result stays valid until `release`. The descriptor's `abilities` must name it, too.
     */
    const void *(*get_interface)(void *model, const char *id);
} scorecam_backend;

/**
 * A request for the scores of masked images. Image of pass m:
 * `U(mask m) * image + (1 - U(mask m)) * fill`, U being the upsampling to the image's size.
 */
typedef struct scorecam_masked_request {
    /**
     * `sizeof(scorecam_masked_request)`.
     */
    uint32_t struct_size;
    /**
     * One of `SCORECAM_UPSAMPLE_*`.
     */
    uint32_t upsample;
    /**
     * Preprocessed images, [I, C, H, W].
     */
    struct scorecam_tensor images;
    /**
     * What shows where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
     */
    struct scorecam_tensor fill;
    /**
     * Small masks, [M, h, w].
     */
    struct scorecam_tensor masks;
    /**
     * For each mask the index of its image; NULL when there is one image.
     */
    const uint32_t *image_of_mask;
    /**
     * Images in a pass: 1 to 4096, and as many as the model fixes where it does. A backend is never asked for more
     * than there are masks, except where the model fixes them.
     */
    uint64_t batch_size;
    /**
     * Passed to `on_batch`.
     */
    void *context;
    /**
     * To be called after each batch, on the thread of the call, with the masks scored in it: all masks in the end, or
     * the run is refused. Any status but `SCORECAM_OK` must end the run and be returned.
     */
    int32_t (*on_batch)(void *context, uint64_t masks);
} scorecam_masked_request;

/**
 * `scorecam.masked-scores/1`: the backend makes masked images itself.
 */
typedef struct scorecam_masked_scores {
    /**
     * `sizeof(scorecam_masked_scores)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Tensor 0 of `outputs` is the model's output for the M masks, as of `forward`.
     */
    int32_t (*run)(void *model,
                   const struct scorecam_masked_request *request,
                   struct scorecam_outputs *outputs,
                   struct scorecam_message *why);
} scorecam_masked_scores;

/**
 * `scorecam.run-from/1`: the backend runs a model from an inner layer.
 */
typedef struct scorecam_run_from {
    /**
     * `sizeof(scorecam_run_from)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Puts `activations`, of the layer's shape behind N, in place of the layer's own. Tensor 0 of `outputs` is the
     * model's output, as of `forward`.
     */
    int32_t (*run)(void *model,
                   const char *layer,
                   const struct scorecam_tensor *activations,
                   struct scorecam_outputs *outputs,
                   struct scorecam_message *why);
} scorecam_run_from;

/**
 * `scorecam.gradients/1`: the backend differentiates class scores.
 */
typedef struct scorecam_gradients {
    /**
     * `sizeof(scorecam_gradients)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Tensor 0 of `outputs` is the derivative of the model's own output for a class, as `forward` gives it, with respect
     * to the layer's activations on `batch` [N, C, H, W], and of their shape. Of one value an image the class is 0.
     */
    int32_t (*run)(void *model,
                   const struct scorecam_tensor *batch,
                   const char *layer,
                   uint64_t class_index,
                   struct scorecam_outputs *outputs,
                   struct scorecam_message *why);
} scorecam_gradients;

/**
 * `scorecam.readiness/1`: whether a backend can work on this machine. The plugin's own `get_interface` answers to
 * this id, for the backend's index; where it answers NULL, the backend is taken to be ready, by a processor's rank.
 */
typedef struct scorecam_readiness {
    /**
     * `sizeof(scorecam_readiness)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Called before any model is loaded, to choose among the backends that load such files; from any thread. Takes
     * milliseconds and starts no engine. `device` is what was asked for, as in "cpu" or "cuda:0", or NULL. When the
     * backend can work, sets `*rank`, which is `SCORECAM_READY_CPU` before (the highest is preferred), writes
     * into `text`, in one line, what it would run on ("the CPU"), and returns `SCORECAM_OK`. When it cannot,
     * returns another status and writes why not, and which command gets what is missing.
     */
    int32_t (*assess)(const char *device, uint32_t *rank, struct scorecam_message *text);
} scorecam_readiness;

/**
 * `scorecam.remarks/1`: a model has something to say of how it runs, for every explanation's warnings.
 */
typedef struct scorecam_remarks {
    /**
     * `sizeof(scorecam_remarks)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Writes remark `index`, in one line, into `text` and returns `SCORECAM_OK`; `SCORECAM_ERR_NOT_FOUND` behind the
     * last one. Asked once, when a model has been loaded, for at most 16.
     */
    int32_t (*remark)(void *model, uint64_t index, struct scorecam_message *text);
} scorecam_remarks;

/**
 * What is known of a layer beyond its shape.
 */
typedef struct scorecam_layer_hint {
    /**
     * One of `SCORECAM_LAYER_*`.
     */
    uint32_t meaning;
    /**
     * When no layer is named, the one of the highest preference that is known to hold maps is explained. 0 for one that
     * is never taken unasked.
     */
    uint32_t preference;
    /**
     * 1 + the index of an earlier layer whose axes behind the batch mean the same, though the last may have another
     * length; 0 when there is none. Trial passes look at one of such a family.
     */
    uint64_t like;
} scorecam_layer_hint;

/**
 * `scorecam.details/1`: what a model knows of its layers and its input. Without it, layers of three axes are taken for [K, h, w] unless
 * trial passes show another form, and only the description's default layer is taken unasked.
 */
typedef struct scorecam_details {
    /**
     * `sizeof(scorecam_details)`.
     */
    uint32_t struct_size;
    /**
     * 1 when the model takes pixels as they are, 0 to 255 in 8 bits. Else 0.
     */
    uint32_t takes_bytes;
    /**
     * Writes what is known of layer `index` of the description. Asked once for each layer, when a model has been loaded.
     */
    int32_t (*hint)(void *model,
                    uint64_t index,
                    struct scorecam_layer_hint *hint,
                    struct scorecam_message *why);
} scorecam_details;

/**
 * One option of a method.
 */
typedef struct scorecam_option_spec {
    /**
     * The name.
     */
    const char *name;
    /**
     * One line on what it decides.
     */
    const char *help;
    /**
     * The value when none is given.
     */
    const char *default_value;
    /**
     * One of `SCORECAM_OPTION_*`.
     */
    uint32_t kind;
    /**
     * How many choices there are, for `SCORECAM_OPTION_CHOICE`.
     */
    uint32_t choice_count;
    /**
     * The choices.
     */
    const char *const *choices;
    /**
     * The least value of a number.
     */
    double min;
    /**
     * The greatest value of a number.
     */
    double max;
} scorecam_option_spec;

/**
 * A named set of option values.
 */
typedef struct scorecam_preset {
    /**
     * The name.
     */
    const char *name;
    /**
     * One line on what it reproduces.
     */
    const char *summary;
    /**
     * Values that differ from the defaults.
     */
    const struct scorecam_option *values;
    /**
     * How many there are.
     */
    uint64_t value_count;
} scorecam_preset;

/**
 * How a method can be set, and what it needs.
 */
typedef struct scorecam_method_description {
    /**
     * `sizeof(scorecam_method_description)`.
     */
    uint32_t struct_size;
    /**
     * The abilities without which it cannot work, a sum of `SCORECAM_ABILITY_*`.
     */
    uint32_t needs;
    /**
     * The options.
     */
    const struct scorecam_option_spec *options;
    /**
     * How many there are.
     */
    uint64_t option_count;
    /**
     * The presets.
     */
    const struct scorecam_preset *presets;
    /**
     * How many there are.
     */
    uint64_t preset_count;
} scorecam_method_description;

/**
 * One image under explanation: what a method is given.
 */
typedef struct scorecam_study {
    /**
     * `sizeof(scorecam_study)`.
     */
    uint32_t struct_size;
    /**
     * What the model applies to its scores: one of `SCORECAM_OUTPUT_*`, never unknown.
     */
    uint32_t output_activation;
    /**
     * The way to the model: every pass through this table is counted and reported, and may be cancelled. It
     * offers `scorecam.masked-scores/1` whatever the backend does.
     */
    const struct scorecam_backend *backend;
    /**
     * The model, for the functions of `backend`.
     */
    void *model;
    /**
     * The preprocessed input, [1, C, H, W].
     */
    struct scorecam_tensor input;
    /**
     * An image to compare with, of the input's shape; `data` is NULL when there is none.
     */
    struct scorecam_tensor reference;
    /**
     * Activations of the target layer, [1, K, h, w].
     */
    struct scorecam_tensor activations;
    /**
     * The target layer's name.
     */
    const char *layer;
    /**
     * The model's raw output on the input, one number a class.
     */
    const float *scores;
    /**
     * How many classes there are.
     */
    uint64_t class_count;
    /**
     * The classes to explain, each below `class_count`.
     */
    const uint64_t *targets;
    /**
     * How many there are, at least 1.
     */
    uint64_t target_count;
    /**
     * Images in a pass, 1 to 4096.
     */
    uint64_t batch_size;
    /**
     * Passed to `expect_passes`.
     */
    void *context;
    /**
     * Tells how many passes will be made, for progress reports.
     */
    void (*expect_passes)(void *context, uint64_t passes);
} scorecam_study;

/**
 * A number that a method reports.
 */
typedef struct scorecam_measure {
    /**
     * Its name.
     */
    const char *name;
    /**
     * Its value.
     */
    double value;
} scorecam_measure;

/**
 * What a method returns. The caller calls `release(owner)` once when it has read it, if the call succeeded
 * and `release` is not NULL.
 */
typedef struct scorecam_method_result {
    /**
     * Saliency maps, [targets, H, W], all values finite.
     */
    struct scorecam_tensor maps;
    /**
     * Numbers worth reporting; may be NULL when there are none.
     */
    const struct scorecam_measure *measures;
    /**
     * How many there are.
     */
    uint64_t measure_count;
    /**
     * What the user should know, a line each; may be NULL when there are none.
     */
    const char *const *warnings;
    /**
     * How many there are.
     */
    uint64_t warning_count;
    /**
     * Passed to `release`.
     */
    void *owner;
    /**
     * Frees everything above; may be NULL.
     */
    void (*release)(void *owner);
} scorecam_method_result;

/**
 * `scorecam.method/1`: an explanation algorithm. Called from several threads at once, as a rule on a thread of its own.
 */
typedef struct scorecam_method {
    /**
     * `sizeof(scorecam_method)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Describes the method; the result stays valid for the life of the process.
     */
    int32_t (*describe)(const struct scorecam_method_description **description, struct scorecam_message *why);
    /**
     * Explains the study's targets. `options` holds a checked value for every option of the method.
     */
    int32_t (*explain)(const struct scorecam_study *study,
                       const struct scorecam_option *options,
                       uint64_t option_count,
                       struct scorecam_method_result *result,
                       struct scorecam_message *why);
} scorecam_method;

#endif  /* SCORECAM_PLUGIN_H */
