/*
 * `scorecam.run-from/1`: an ability of a model that runs from an inner layer.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/run_from.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_RUN_FROM_H
#define SCORECAM_RUN_FROM_H

#include <stdint.h>
#include "backend.h"

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
     * Replaces the layer's activations with `activations`, which have the layer's shape after N, and returns the
     * `wanted` tensors. `inputs` holds the image to explain, [1, C, H, W]: paths that bypass the layer keep the values
     * of its own forward pass. [any thread, several at once]
     */
    scorecam_status (*run)(void *model,
                           const scorecam_inputs *inputs,
                           const char *layer,
                           const scorecam_tensor *activations,
                           const char *const *wanted,
                           uint64_t wanted_count,
                           scorecam_outputs *outputs,
                           scorecam_message *why);
} scorecam_run_from;

#endif  /* SCORECAM_RUN_FROM_H */
