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
 * A mask of the image's size from the ranks of pixels: 0 where the rank is below `count`, 1 elsewhere.
 */
typedef struct scorecam_cut {
    /**
     * The index of the rank map.
     */
    uint32_t map;
    /**
     * The number of pixels that the mask removes.
     */
    uint32_t count;
} scorecam_cut;

/**
 * A request to run masked images. Image m is `U(mask m) * image + (1 - U(mask m)) * fill`, where U upsamples to the
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
     * Preprocessed images, [I, C, H, W], and the other inputs, whose rows correspond to the images.
     */
    const scorecam_inputs *inputs;
    /**
     * The fill where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
     */
    scorecam_tensor fill;
    /**
     * Small masks, [M, h, w]. With `cuts`: rank maps [R, H, W] of the images' size, whose values are integers from 0
     * to H W - 1.
     */
    scorecam_tensor masks;
    /**
     * The M masks if they are cuts of rank maps, which need no upsampling; else NULL.
     */
    const struct scorecam_cut *cuts;
    /**
     * The number of cuts; 0 if `masks` holds small masks.
     */
    uint64_t cut_count;
    /**
     * For each mask the index of its image; NULL if there is one image.
     */
    const uint32_t *image_of_mask;
    /**
     * Images per forward pass: 1 to 4096, or the model's fixed batch size. Unless the model fixes it, it never exceeds
     * the number of masks.
     */
    uint64_t batch_size;
    /**
     * Passed to `each`.
     */
    void *context;
    /**
     * To be called after every batch with the number of its masks and the wanted tensors, in that order: a row per
     * mask, or the whole of an output that is not per image. They need not stay valid after it returns. Every mask
     * must occur once, in order, or the host rejects the run. Any status other than `SCORECAM_OK` must end the run and
     * be returned. [thread of the call]
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
     * 1 if `run` also accepts cuts of rank maps; with 0 it never receives any.
     */
    uint32_t cuts;
    /**
     * Runs masked images, batch by batch, and passes the `wanted` tensors to `request->each`. [any thread, several at
     * once]
     */
    scorecam_status (*run)(void *model,
                           const struct scorecam_masked_request *request,
                           const char *const *wanted,
                           uint64_t wanted_count,
                           scorecam_message *why);
} scorecam_masked;

#endif  /* SCORECAM_MASKED_H */
