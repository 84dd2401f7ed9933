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
 * Option kinds: an integer from `min` to `max`.
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
 * Option kinds: text that the method parses.
 */
#define SCORECAM_OPTION_TEXT 5

/**
 * In `needs` of a method: it needs no target layer. The host then does not look for a layer, and its studies have no
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
     * A description in one line.
     */
    const char *help;
    /**
     * The default value.
     */
    const char *default_value;
    /**
     * One of `SCORECAM_OPTION_*`.
     */
    uint32_t kind;
    /**
     * The number of choices, for `SCORECAM_OPTION_CHOICE`.
     */
    uint32_t choice_count;
    /**
     * The choices.
     */
    const char *const *choices;
    /**
     * The minimum of a number.
     */
    double min;
    /**
     * The maximum of a number.
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
     * A description in one line.
     */
    const char *summary;
    /**
     * Values that differ from the defaults.
     */
    const scorecam_option *values;
    /**
     * The number of values.
     */
    uint64_t value_count;
} scorecam_preset;

/**
 * The options, presets and needs of a method.
 */
typedef struct scorecam_method_description {
    /**
     * `sizeof(scorecam_method_description)`.
     */
    uint32_t struct_size;
    /**
     * The abilities that the method requires, a sum of `SCORECAM_ABILITY_*`, plus `SCORECAM_NEEDS_NO_LAYER`.
     */
    uint32_t needs;
    /**
     * The options.
     */
    const struct scorecam_option_spec *options;
    /**
     * The number of options.
     */
    uint64_t option_count;
    /**
     * The presets.
     */
    const struct scorecam_preset *presets;
    /**
     * The number of presets.
     */
    uint64_t preset_count;
} scorecam_method_description;

/**
 * Small masks for the study's input. Image m is `U(mask m) * input + (1 - U(mask m)) * fill`, where U upsamples to the
 * input's size.
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
     * The fill where a mask is 0, [1, C, H, W]; `data` is NULL for zeros.
     */
    scorecam_tensor fill;
} scorecam_masks;

/**
 * One image to explain: the inputs of a method, and its access to the model. The host counts and reports every pass,
 * cuts passes into batches that the model accepts, and may cancel them: a function then returns
 * `SCORECAM_ERR_CANCELLED`, which the method should return. Each function puts its result into tensor 0 of `outputs`.
 */
typedef struct scorecam_study {
    /**
     * `sizeof(scorecam_study)`.
     */
    uint32_t struct_size;
    /**
     * The activation that the model applies to its scores: one of `SCORECAM_OUTPUT_*`, never unknown.
     */
    uint32_t output_activation;
    /**
     * The preprocessed input, [1, C, H, W].
     */
    scorecam_tensor input;
    /**
     * The reference image, of the input's shape; `data` is NULL if there is none.
     */
    scorecam_tensor reference;
    /**
     * Activations of the target layer, [1, K, h, w]; `data` is NULL if the method needs no layer.
     */
    scorecam_tensor activations;
    /**
     * The target layer's name; empty if the method needs none.
     */
    const char *layer;
    /**
     * The class scores of the input, one number per class.
     */
    const float *scores;
    /**
     * The number of classes.
     */
    uint64_t class_count;
    /**
     * The classes to explain, each below `class_count`.
     */
    const uint64_t *targets;
    /**
     * The number of targets, at least 1.
     */
    uint64_t target_count;
    /**
     * Images per batch, 1 to 4096.
     */
    uint64_t batch_size;
    /**
     * Passed to every function below.
     */
    void *context;
    /**
     * Announces the number of passes, for progress reports. [any thread of the method]
     */
    scorecam_status (*expect_passes)(void *context, uint64_t passes, scorecam_message *why);
    /**
     * Computes the class scores [M, classes] of the input under each of M masks. [any thread of the method]
     */
    scorecam_status (*masked_scores)(void *context,
                                     const struct scorecam_masks *masks,
                                     scorecam_outputs *outputs,
                                     scorecam_message *why);
    /**
     * Computes the class scores [N, classes] of images [N, C, H, W]. [any thread of the method]
     */
    scorecam_status (*image_scores)(void *context,
                                    const scorecam_tensor *images,
                                    scorecam_outputs *outputs,
                                    scorecam_message *why);
    /**
     * Computes the class scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's. [any
     * thread of the method]
     */
    scorecam_status (*scores_from_layer)(void *context,
                                         const scorecam_tensor *activations,
                                         scorecam_outputs *outputs,
                                         scorecam_message *why);
    /**
     * Computes the derivatives [1, K, h, w] of a class score with respect to the target layer's activations on the
     * input. [any thread of the method]
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
 * The result of a method. After reading it, the caller calls `release(owner)` once if the call succeeded and `release`
 * is not NULL.
 */
typedef struct scorecam_method_result {
    /**
     * Saliency maps, [targets, H, W], all values finite.
     */
    scorecam_tensor maps;
    /**
     * The standard error of each value in the maps, in their shape, finite and at least 0; `data` is NULL if the
     * method estimates none.
     */
    scorecam_tensor errors;
    /**
     * Numbers to report; may be NULL if there are none.
     */
    const struct scorecam_measure *measures;
    /**
     * The number of measures.
     */
    uint64_t measure_count;
    /**
     * Warnings for the user, one line each; may be NULL if there are none.
     */
    const char *const *warnings;
    /**
     * The number of warnings.
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
 * `scorecam.method/1`: an explanation algorithm. Several threads may call it concurrently, and each call usually has
 * its own thread.
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
     * Describes the method; the result must stay valid for the life of the process. [any thread]
     */
    scorecam_status (*describe)(const struct scorecam_method_description **description, scorecam_message *why);
    /**
     * Explains the study's targets. `options` holds a validated value for every option of the method. [any thread,
     * several at once]
     */
    scorecam_status (*explain)(const struct scorecam_study *study,
                               const scorecam_option *options,
                               uint64_t option_count,
                               struct scorecam_method_result *result,
                               scorecam_message *why);
} scorecam_method;

#endif  /* SCORECAM_METHOD_H */
