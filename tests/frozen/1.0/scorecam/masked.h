/*
 * `scorecam.masked/1`: an ability of a model whose backend makes masked images itself.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/masked.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_MASKED_H
#define SCORECAM_MASKED_H

#include <stdint.h>
#include "backend.h"

/**
 * A mask of the image's size by the rank of each pixel: 0 on the `count` pixels that come first, 1 on all others.
 */
typedef struct scorecam_cut {
    /**
     * Which of the rank maps.
     */
    uint32_t map;
    /**
     * How many pixels the mask takes away.
     */
    uint32_t count;
} scorecam_cut;

/**
 * Masked images to run. Image of pass m: `U(mask m) * image + (1 - U(mask m)) * fill`, U being the upsampling to the
 * image's size.
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
     * Preprocessed images, [I, C, H, W], and the other inputs, whose rows are those of the images.
     */
    const scorecam_inputs *inputs;
    /**
     * What shows where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
     */
    scorecam_tensor fill;
    /**
     * Small masks, [M, h, w]. With `cuts`: rank maps [R, H, W] of the images' size, whose values are whole numbers from 0 to
     * H W - 1.
     */
    scorecam_tensor masks;
    /**
     * The M masks, where they are cuts of rank maps, which need no upsampling; else NULL.
     */
    const struct scorecam_cut *cuts;
    /**
     * How many cuts there are; 0 where `masks` holds small masks.
     */
    uint64_t cut_count;
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
     * Passed to `each`.
     */
    void *context;
    /**
     * To be called after every batch with the number of its masks and the tensors that are wanted, in that order: a row for
     * each of the masks, or an output that is not per image whole. They need not stay valid after it has returned. All masks
     * come in their order, in the end each once, or the run is refused. Any status but `SCORECAM_OK` must end the run and be
     * returned. [thread of the call]
     */
    scorecam_status (*each)(void *context,
                            uint64_t mask_count,
                            const scorecam_tensor *tensors,
                            uint64_t tensor_count);
} scorecam_masked_request;

/**
 * `scorecam.masked/1`: the backend makes masked images itself.
 */
typedef struct scorecam_masked {
    /**
     * `sizeof(scorecam_masked)`.
     */
    uint32_t struct_size;
    /**
     * 1 where `run` takes cuts of rank maps, too; with 0 it never gets any.
     */
    uint32_t cuts;
    /**
     * Runs masked images, batch by batch, and hands the tensors that are `wanted` to `request->each`.
     * [any thread, several at once]
     */
    scorecam_status (*run)(void *model,
                           const struct scorecam_masked_request *request,
                           const char *const *wanted,
                           uint64_t wanted_count,
                           scorecam_message *why);
} scorecam_masked;

#endif  /* SCORECAM_MASKED_H */
