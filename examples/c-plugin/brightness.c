/*
 * Template of a plugin in C: backend "brightness", whose network is simple enough to check by eye.
 *
 * Build and use it. If the headers are not in a standard location, add $(pkg-config --cflags scorecam).
 *     cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden brightness.c -o brightness.so
 *     echo 4 > four.bright
 *     scorecam explain cat.jpg --model four.bright --overlay cat.png --plugin ./brightness.so
 *
 * A model is a file `name.bright` that contains the number of classes, 1 to 8. The "network" divides an image of
 * 3 x 64 x 64 into a grid of 8 x 8 cells. Its one layer, "cells", holds the mean of each color in each cell. The
 * picture's columns are divided among the classes, from left to right, and a class's score is the brightness of its
 * columns. To add your own runtime, change load(), release(), describe() and forward(); the rest stays the same.
 * Several threads may call all functions concurrently.
 */
#include "scorecam_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, SIDE = 64, GRID = 8, CELL = SIDE / GRID, CELLS = CHANNELS * GRID * GRID };

/* A loaded model. Nothing in it changes after load(), so threads may share it without a lock. */
typedef struct model {
    size_t classes;
    scorecam_input_info image;
    scorecam_output_info scores;
    scorecam_layer cells;
    scorecam_model_description description;
} model;

/* Writes an error message, and returns the status. */
static scorecam_status fail(scorecam_message *why, scorecam_status status, const char *what, const char *subject)
{
    snprintf(why->text, sizeof why->text, "%s: %s", subject, what);
    return status;
}

static scorecam_shape shape_of(uint32_t rank, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    scorecam_shape shape = { 0, 0, { 0 } };
    shape.rank = rank;
    shape.sizes[0] = a;
    shape.sizes[1] = b;
    shape.sizes[2] = c;
    shape.sizes[3] = d;
    return shape;
}

/* A tensor of 32-bit floating-point numbers in main memory. */
static scorecam_tensor tensor_of(const float *values, scorecam_shape shape)
{
    scorecam_tensor tensor = { 0, SCORECAM_CPU, SCORECAM_F32, 0, { 0, 0, { 0 } } };
    tensor.data = values;
    tensor.shape = shape;
    return tensor;
}

static model *new_model(size_t classes)
{
    static const scorecam_data_type f32 = SCORECAM_F32;
    model *made = calloc(1, sizeof *made);
    scorecam_model_description *d;
    if (made == NULL) {
        return NULL;
    }
    made->classes = classes;
    made->image.name = "image";
    made->image.shape = shape_of(4, 0, CHANNELS, SIDE, SIDE); /* 0 is an axis of free length: here the batch */
    made->image.dtype = f32;
    made->scores.name = "scores";
    made->scores.shape = shape_of(2, 0, classes, 0, 0);
    made->scores.dtype = f32;
    made->scores.activation = SCORECAM_OUTPUT_LOGITS;
    made->scores.per_image = 1;
    made->cells.name = "cells";
    made->cells.operation = "MeanPool";
    made->cells.shape = shape_of(3, CHANNELS, GRID, GRID, 0);
    made->cells.meaning = SCORECAM_LAYER_MAPS;
    d = &made->description;
    d->struct_size = sizeof *d;
    d->inputs = &made->image;
    d->input_count = 1;
    d->outputs = &made->scores;
    d->output_count = 1; /* score_output is 0: class scores are read from it */
    d->layers = &made->cells;
    d->layer_count = 1;
    d->default_layer = 0;
    d->preferred_batch = 16;
    return made;
}

static scorecam_status load(const scorecam_model_config *config, void **out, scorecam_message *why)
{
    int classes = 0;
    char rest = 0;
    FILE *file;
    /* Unknown settings must not be ignored silently. */
    if (config->setting_count > 0) {
        return fail(why, SCORECAM_ERR_NOT_FOUND, "unknown setting; there are none", config->settings[0].name);
    }
    file = fopen(config->path, "rb");
    if (file == NULL) {
        return fail(why, SCORECAM_ERR_IO, "the file cannot be read", config->path);
    }
    if (fscanf(file, "%d %c", &classes, &rest) != 1 || classes < 1 || classes > GRID) {
        fclose(file);
        return fail(why, SCORECAM_ERR_MODEL, "it holds no number of classes from 1 to 8", config->path);
    }
    fclose(file);
    *out = new_model((size_t)classes);
    return *out != NULL ? SCORECAM_OK : fail(why, SCORECAM_ERR_INTERNAL, "memory ran out", config->path);
}

static void release(void *loaded)
{
    free(loaded);
}

static scorecam_status describe(void *loaded, const scorecam_model_description **description, scorecam_message *why)
{
    (void)why;
    *description = &((const model *)loaded)->description;
    return SCORECAM_OK;
}

/* The layer "cells": the mean of each cell of an image [C, SIDE, SIDE], as [C, GRID, GRID]. */
static void mean_of_cells(const float *image, float *cells)
{
    size_t i;
    memset(cells, 0, CELLS * sizeof *cells);
    for (i = 0; i < (size_t)CHANNELS * SIDE * SIDE; i++) {
        size_t x = i % SIDE, y = i / SIDE % SIDE, channel = i / ((size_t)SIDE * SIDE);
        cells[(channel * GRID + y / CELL) * GRID + x / CELL] += image[i] / (float)(CELL * CELL);
    }
}

/* Scores [classes] of one image's cells: the mean over the columns of each class. */
static void score(const float *cells, size_t classes, float *scores)
{
    float counts[GRID] = { 0 };
    size_t i;
    memset(scores, 0, classes * sizeof *scores);
    for (i = 0; i < CELLS; i++) {
        size_t class_index = i % GRID * classes / GRID;
        scores[class_index] += cells[i];
        counts[class_index] += 1.0f;
    }
    for (i = 0; i < classes; i++) {
        scores[i] /= counts[i];
    }
}

/* The result of a pass in one block: the tensors, then their values. */
static scorecam_status run(const model *loaded, const scorecam_tensor *batch, const char *const *wanted,
                           uint64_t wanted_count, scorecam_outputs *outputs)
{
    const float *pixels = batch->data;
    const size_t images = (size_t)batch->shape.sizes[0], tensors = (size_t)wanted_count + 1;
    const size_t values = images * (loaded->classes + CELLS);
    scorecam_tensor *made = malloc(tensors * sizeof *made + values * sizeof(float));
    float *scores, *cells;
    size_t i;
    if (made == NULL) {
        return SCORECAM_ERR_INTERNAL;
    }
    scores = (float *)(void *)(made + tensors);
    cells = scores + images * loaded->classes;
    for (i = 0; i < images; i++) {
        mean_of_cells(pixels + i * CHANNELS * SIDE * SIDE, cells + i * CELLS);
        score(cells + i * CELLS, loaded->classes, scores + i * loaded->classes);
    }
    for (i = 0; i < wanted_count; i++) {
        made[i] = strcmp(wanted[i], "scores") == 0
                      ? tensor_of(scores, shape_of(2, images, loaded->classes, 0, 0))
                      : tensor_of(cells, shape_of(4, images, CHANNELS, GRID, GRID));
    }
    outputs->tensors = made;
    outputs->count = wanted_count;
    outputs->owner = made;
    outputs->release = free;
    return SCORECAM_OK;
}

static scorecam_status forward(void *loaded, const scorecam_inputs *inputs, const char *const *wanted,
                               uint64_t wanted_count, scorecam_outputs *outputs, scorecam_message *why)
{
    const scorecam_tensor *batch = &inputs->images;
    const uint64_t *sizes = batch->shape.sizes;
    scorecam_status status;
    uint64_t i;

    /* Shapes and names come from the caller, so validate them before indexing. */
    if (batch->shape.rank != 4 || sizes[1] != CHANNELS || sizes[2] != SIDE || sizes[3] != SIDE) {
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "the model takes [any, 3, 64, 64]", "the batch");
    }
    for (i = 0; i < wanted_count; i++) {
        if (strcmp(wanted[i], "scores") != 0 && strcmp(wanted[i], "cells") != 0) {
            return fail(why, SCORECAM_ERR_NOT_FOUND, "no such layer; there is cells", wanted[i]);
        }
    }
    status = run(loaded, batch, wanted, wanted_count, outputs);
    return status == SCORECAM_OK ? status : fail(why, status, "memory ran out", "the batch");
}

static const scorecam_descriptor *descriptor(uint32_t index)
{
    static const scorecam_descriptor brightness = {
        sizeof brightness, SCORECAM_KIND_BACKEND, "brightness", "0.1.0",
        "scores how bright the columns of a picture are", "bright", 0, 0,
    };
    return index == 0 ? &brightness : NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    static const scorecam_backend backend = { sizeof backend, 0, load, release, describe, forward, NULL };
    return index == 0 && strcmp(id, "scorecam.backend/1") == 0 ? &backend : NULL;
}

/* This makes the library a plugin. */
#if defined(_WIN32)
__declspec(dllexport)
#elif defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const scorecam_plugin_table scorecam_plugin_entry;
const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, NULL, descriptor, get_interface,
};
