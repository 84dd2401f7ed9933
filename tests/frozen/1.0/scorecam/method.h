/*
 * `scorecam.method/1`: an explanation algorithm.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/method.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_METHOD_H
#define SCORECAM_METHOD_H

#include <stdint.h>
#include "core.h"

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
 * In `needs` of a method: it looks at no target layer. Then no layer is looked for in the model, and its studies have no
 * activations.
 */
#define SCORECAM_NEEDS_NO_LAYER 65536

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
    const scorecam_option *values;
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
     * The abilities without which it cannot work, a sum of `SCORECAM_ABILITY_*`, and `SCORECAM_NEEDS_NO_LAYER`.
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
 * Small masks and how they cover the study's input. The image of pass m is `U(mask m) * input + (1 - U(mask m)) * fill`,
 * U being the upsampling to the input's size.
 */
typedef struct scorecam_masks {
    /**
     * `sizeof(scorecam_masks)`.
     */
    uint32_t struct_size;
    /**
     * One of `SCORECAM_UPSAMPLE_*`.
     */
    uint32_t upsample;
    /**
     * The masks, [M, h, w].
     */
    scorecam_tensor masks;
    /**
     * What shows where a mask is 0, [1, C, H, W]; `data` is NULL for zeros.
     */
    scorecam_tensor fill;
} scorecam_masks;

/**
 * One image under explanation: all that a method is given, and its way to the model. Every pass is counted and
 * reported, cut into batches that the model takes, and may be cancelled: then a function returns
 * `SCORECAM_ERR_CANCELLED`, and the method should end with that. Each function puts its result into tensor 0 of `outputs`.
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
     * The preprocessed input, [1, C, H, W].
     */
    scorecam_tensor input;
    /**
     * An image to compare with, of the input's shape; `data` is NULL when there is none.
     */
    scorecam_tensor reference;
    /**
     * Activations of the target layer, [1, K, h, w]; `data` is NULL where the method needs no layer.
     */
    scorecam_tensor activations;
    /**
     * The target layer's name; empty where the method needs none.
     */
    const char *layer;
    /**
     * The class scores of the input, one number a class.
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
     * Images in a pass of a batch, 1 to 4096.
     */
    uint64_t batch_size;
    /**
     * Passed to every function below.
     */
    void *context;
    /**
     * Says how many passes will be made, for progress reports. [any thread of the method]
     */
    scorecam_status (*expect_passes)(void *context, uint64_t passes, scorecam_message *why);
    /**
     * The class scores [M, classes] of the input under each of M masks. [any thread of the method]
     */
    scorecam_status (*masked_scores)(void *context,
                                     const struct scorecam_masks *masks,
                                     scorecam_outputs *outputs,
                                     scorecam_message *why);
    /**
     * The class scores [N, classes] of images [N, C, H, W]. [any thread of the method]
     */
    scorecam_status (*image_scores)(void *context,
                                    const scorecam_tensor *images,
                                    scorecam_outputs *outputs,
                                    scorecam_message *why);
    /**
     * The class scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's.
     * [any thread of the method]
     */
    scorecam_status (*scores_from_layer)(void *context,
                                         const scorecam_tensor *activations,
                                         scorecam_outputs *outputs,
                                         scorecam_message *why);
    /**
     * The derivatives [1, K, h, w] of a class's score with respect to the target layer's activations on the input.
     * [any thread of the method]
     */
    scorecam_status (*gradients)(void *context,
                                 uint64_t class_index,
                                 scorecam_outputs *outputs,
                                 scorecam_message *why);
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
    scorecam_tensor maps;
    /**
     * The standard error of each value of the maps, of their shape, finite and at least 0; `data` is NULL where the method
     * estimates none.
     */
    scorecam_tensor errors;
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
     * Frees everything above; may be NULL. [any thread]
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
     * Describes the method; the result stays valid for the life of the process. [any thread]
     */
    scorecam_status (*describe)(const struct scorecam_method_description **description, scorecam_message *why);
    /**
     * Explains the study's targets. `options` holds a checked value for every option of the
     * method. [any thread, several at once]
     */
    scorecam_status (*explain)(const struct scorecam_study *study,
                               const scorecam_option *options,
                               uint64_t option_count,
                               struct scorecam_method_result *result,
                               scorecam_message *why);
} scorecam_method;

#endif  /* SCORECAM_METHOD_H */
