/*
 * `scorecam.bake/1`: a backend that writes models.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/bake.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_BAKE_H
#define SCORECAM_BAKE_H

#include <stdint.h>
#include "core.h"

/**
 * `scorecam_bake_request.what`: the model with one more output, `saliency_map` [N, h, w], and an input
 * `saliency_class` with the default -1, the top class.
 */
#define SCORECAM_BAKE_MAP 1

/**
 * `scorecam_bake_request.what`: the model with the layer as one more output.
 */
#define SCORECAM_BAKE_TAP 2

/**
 * `scorecam_bake_request.what`: the part of the model after the layer.
 */
#define SCORECAM_BAKE_HEAD 3

/**
 * `scorecam_bake_request.what`: the model with the masking built in. Instead of the images its inputs are
 * `saliency_image` [1, C, H, W], `saliency_masks` [M, 1, h, w], `saliency_rows` [H, h] and `saliency_columns` [w, W].
 */
#define SCORECAM_BAKE_MASKED 4

/**
 * A request for a model file that is derived from a model's own.
 */
typedef struct scorecam_bake_request {
    /**
     * `sizeof(scorecam_bake_request)`.
     */
    uint32_t struct_size;
    /**
     * One of `SCORECAM_BAKE_*`.
     */
    uint32_t what;
    /**
     * The layer's name.
     */
    const char *layer;
    /**
     * The path where the caller will write the file: its references to other files must be valid from there.
     */
    const char *path;
    /**
     * Rows of the layer's maps; 0 except for `SCORECAM_BAKE_MAP`.
     */
    uint64_t grid_height;
    /**
     * Columns of the layer's maps; 0 except for `SCORECAM_BAKE_MAP`.
     */
    uint64_t grid_width;
    /**
     * For each cell of the grid, row by row, a mask for the layer's raw tensor: [cells, ...], with length 1 for axes
     * along which it is constant; `data` is NULL except for `SCORECAM_BAKE_MAP`.
     */
    scorecam_tensor cells;
    /**
     * Passed to `write`.
     */
    void *context;
    /**
     * Receives the parts of the file, in order. Any status other than `SCORECAM_OK` must end the call and be returned.
     * [thread of the call]
     */
    scorecam_status (*write)(void *context, const uint8_t *data, uint64_t length);
} scorecam_bake_request;

/**
 * `scorecam.bake/1`: the backend derives other models from a model's file.
 */
typedef struct scorecam_bake {
    /**
     * `sizeof(scorecam_bake)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Makes a model file and passes it to `request->write`. [any thread, several at once]
     */
    scorecam_status (*run)(void *model, const struct scorecam_bake_request *request, scorecam_message *why);
} scorecam_bake;

#endif  /* SCORECAM_BAKE_H */
