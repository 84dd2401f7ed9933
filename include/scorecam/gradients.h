/*
 * `scorecam.gradients/1`: an ability of a model that can be differentiated.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/gradients.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_GRADIENTS_H
#define SCORECAM_GRADIENTS_H

#include <stdint.h>
#include "backend.h"

/**
 * `scorecam.gradients/1`: the backend differentiates outputs.
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
     * Computes a vector-Jacobian product: tensor 0 of `outputs` is the derivative of the sum of each cotangent times
     * its output, with respect to the layer's activations, in their shape. A cotangent has the shape of its output.
     * [any thread, several at once]
     */
    scorecam_status (*run)(void *model,
                           const scorecam_inputs *inputs,
                           const char *layer,
                           const scorecam_named_tensor *cotangents,
                           uint64_t cotangent_count,
                           scorecam_outputs *outputs,
                           scorecam_message *why);
} scorecam_gradients;

#endif  /* SCORECAM_GRADIENTS_H */
