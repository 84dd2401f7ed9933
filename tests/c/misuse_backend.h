/*
 * An engine of the application, for scorecam_model_from_backend: 2 maps of 4x4 cells and 3 classes from an
 * image of 3x8x8, with switches for every lie that a table can tell.
 */
#ifndef SCORECAM_TESTS_MISUSE_BACKEND_H
#define SCORECAM_TESTS_MISUSE_BACKEND_H

#include "scorecam.h"

#include <stdlib.h>
#include <string.h>

#define ENGINE_CLASSES 3
#define ENGINE_SIDE 8

/* What `forward` makes, freed by `engine_release_outputs`. */
typedef struct engine_outputs {
    scorecam_tensor tensors[2];
    float *data[2];
} engine_outputs;

static inline void engine_release_outputs(void *owner)
{
    engine_outputs *made = owner;
    free(made->data[0]);
    free(made->data[1]);
    free(made);
}

static inline int32_t engine_describe(void *model, const scorecam_model_description **out,
                                      scorecam_message *why)
{
    static const scorecam_input_info inputs[] = {
        {"input", {4, 0, {0, 3, ENGINE_SIDE, ENGINE_SIDE}}, SCORECAM_F32, 1}};
    static const scorecam_output_info outputs[] = {
        {"scores", {2, 0, {0, ENGINE_CLASSES}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
    static const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {2, 4, 4}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};
    static const scorecam_model_description description = {
        sizeof(scorecam_model_description), 0, inputs, 1, outputs, 1, 0, NULL, layers, 1, 0, 0, 2};
    (void)model;
    (void)why;
    *out = &description;
    return SCORECAM_OK;
}

/* Score c of an image is its mean times c + 1; both maps are the image at half its size, one turned round. */
static inline int32_t engine_forward(void *model, const scorecam_inputs *inputs, const char *const *wanted,
                                     uint64_t wanted_count, scorecam_outputs *outputs, scorecam_message *why)
{
    static const scorecam_tensor kind = {NULL, SCORECAM_CPU, SCORECAM_F32, 0, {0, 0, {0}}};
    const float *pixels = inputs->images.data;
    uint64_t images = inputs->images.shape.sizes[0], n, i;
    engine_outputs *made = calloc(1, sizeof *made);
    (void)model;
    (void)why;
    /* The scores come first, whoever asks. */
    if (made == NULL || wanted_count < 1 || wanted_count > 2 || strcmp(wanted[0], "scores") != 0) {
        free(made);
        return SCORECAM_ERR_INTERNAL;
    }
    made->data[0] = calloc(images * ENGINE_CLASSES, sizeof(float));
    made->data[1] = calloc(images * 32, sizeof(float));
    if (made->data[0] == NULL || made->data[1] == NULL) {
        engine_release_outputs(made);
        return SCORECAM_ERR_INTERNAL;
    }
    for (n = 0; n < images; n++) {
        const float *image = pixels + n * 3 * ENGINE_SIDE * ENGINE_SIDE;
        for (i = 0; i < ENGINE_SIDE * ENGINE_SIDE; i++) {
            made->data[0][n * ENGINE_CLASSES + i % ENGINE_CLASSES] += image[i] * (float)(1 + i % ENGINE_CLASSES);
        }
        for (i = 0; i < 16; i++) {
            float cell = image[i / 4 * 16 + i % 4 * 2];
            made->data[1][n * 32 + i] = cell;
            made->data[1][n * 32 + 31 - i] = cell;
        }
    }
    made->tensors[0] = made->tensors[1] = kind;
    made->tensors[0].data = made->data[0];
    made->tensors[0].shape.rank = 2;
    made->tensors[0].shape.sizes[0] = images;
    made->tensors[0].shape.sizes[1] = ENGINE_CLASSES;
    made->tensors[1].data = made->data[1];
    made->tensors[1].shape.rank = 4;
    made->tensors[1].shape.sizes[0] = images;
    made->tensors[1].shape.sizes[1] = 2;
    made->tensors[1].shape.sizes[2] = 4;
    made->tensors[1].shape.sizes[3] = 4;
    outputs->tensors = made->tensors;
    outputs->count = wanted_count;
    outputs->owner = made;
    outputs->release = engine_release_outputs;
    return SCORECAM_OK;
}

static inline scorecam_backend sound_backend(void)
{
    scorecam_backend table;
    memset(&table, 0, sizeof table);
    table.struct_size = (uint32_t)sizeof table;
    table.describe = engine_describe;
    table.forward = engine_forward;
    return table;
}

#endif
