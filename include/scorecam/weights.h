/*
 * `scorecam.weights/1`: a model whose trained weights can be replaced by random ones.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/weights.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_WEIGHTS_H
#define SCORECAM_WEIGHTS_H

#include <stdint.h>
#include "core.h"

/**
 * `scorecam.weights/1`: the model lists its layers with weights, and its backend can load it with random weights in
 * some of them, see `scorecam_model_config.random_weights`.
 */
typedef struct scorecam_weights {
    /**
     * `sizeof(scorecam_weights)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Writes the name of layer `index`, in execution order, in one line to `text`, and returns `SCORECAM_OK`; returns
     * `SCORECAM_ERR_NOT_FOUND` after the last one. If the weights of the model cannot be replaced, returns another
     * status and writes the reason to `text`. [any thread, several at once]
     */
    scorecam_status (*name)(void *model, uint64_t index, scorecam_message *text);
} scorecam_weights;

#endif  /* SCORECAM_WEIGHTS_H */
