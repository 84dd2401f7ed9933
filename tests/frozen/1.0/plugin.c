/*
 * A plugin of 1.0: the backend "frozen", whose models are files *.frozen of one line, and the method "frozen-mean".
 *
 * The model: input [N, 1, 4, 4]; layer "blocks" [N, 2, 2, 2] holds the mean of each 2 x 2 block, and its double for
 * the second map; class 0 scores the sum of the first map, class 1 three times the first cell of the second.
 */
#include "scorecam_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t fail(scorecam_message *why, int32_t status, const char *text)
{
    strncpy(why->text, text, sizeof why->text - 1);
    return status;
}

static const scorecam_layer layers[] = {{"blocks", "Mean", {3, 0, {2, 2, 2, 0}}}};

static const scorecam_model_description description = {
    sizeof(scorecam_model_description), SCORECAM_OUTPUT_LOGITS,
    "image", {4, 0, {0, 1, 4, 4}}, "scores", {2, 0, {0, 2, 0, 0}}, layers, 1, 0, 0, 4};

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    char line[8] = "";
    FILE *file = fopen(config->path, "r");
    if (file != NULL) {
        if (fgets(line, sizeof line, file) == NULL) {
            line[0] = 0;
        }
        fclose(file);
    }
    if (strcmp(line, "frozen\n") != 0) {
        return fail(why, SCORECAM_ERR_MODEL, "the first line is not \"frozen\"");
    }
    if (config->struct_size < sizeof *config || config->setting_count != 0) {
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "it has no settings");
    }
    *model = malloc(1);
    return *model == NULL ? fail(why, SCORECAM_ERR_MODEL, "no memory") : SCORECAM_OK;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    (void)model;
    (void)why;
    *out = &description;
    return SCORECAM_OK;
}

/* Hands over one or two tensors whose values lie behind them, all in one piece of memory. */
static float *room(scorecam_outputs *out, uint64_t count, const scorecam_shape *shapes, const uint64_t *lengths)
{
    uint64_t total = lengths[0] + (count > 1 ? lengths[1] : 0);
    scorecam_tensor *tensors = calloc(1, 2 * sizeof *tensors + total * sizeof(float));
    float *values;
    if (tensors == NULL) {
        return NULL;
    }
    values = (float *)(tensors + 2);
    tensors[0].data = values;
    tensors[0].shape = shapes[0];
    if (count > 1) {
        tensors[1].data = values + lengths[0];
        tensors[1].shape = shapes[1];
    }
    out->tensors = tensors;
    out->count = count;
    out->owner = tensors;
    out->release = free;
    return values;
}

static int32_t forward(void *model, const scorecam_tensor *batch, const char *const *taps, uint64_t tap_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    const uint64_t n = batch->shape.sizes[0];
    const scorecam_shape shapes[] = {{2, 0, {n, 2, 0, 0}}, {4, 0, {n, 2, 2, 2}}};
    const uint64_t lengths[] = {n * 2, n * 8};
    float *scores;
    uint64_t image, cell;
    (void)model;
    if (tap_count > 1 || (tap_count == 1 && strcmp(taps[0], "blocks") != 0)) {
        return fail(why, SCORECAM_ERR_NOT_FOUND, "the only layer is blocks");
    }
    scores = room(out, 1 + tap_count, shapes, lengths);
    if (scores == NULL) {
        return fail(why, SCORECAM_ERR_MODEL, "no memory");
    }
    for (image = 0; image < n; image++) {
        for (cell = 0; cell < 4; cell++) {
            const float *p = batch->data + image * 16 + cell / 2 * 8 + cell % 2 * 2;
            const float mean = (p[0] + p[1] + p[4] + p[5]) / 4.0f;
            scores[image * 2] += mean;
            scores[image * 2 + 1] += cell == 0 ? 6.0f * mean : 0.0f;
            if (tap_count == 1) {
                scores[n * 2 + image * 8 + cell] = mean;
                scores[n * 2 + image * 8 + 4 + cell] = 2.0f * mean;
            }
        }
    }
    return SCORECAM_OK;
}

static int32_t slopes(void *model, const scorecam_tensor *batch, const char *layer, uint64_t class_index,
                      scorecam_outputs *out, scorecam_message *why)
{
    const uint64_t n = batch->shape.sizes[0];
    const scorecam_shape shapes[] = {{4, 0, {n, 2, 2, 2}}};
    const uint64_t lengths[] = {n * 8};
    float *values = room(out, 1, shapes, lengths);
    uint64_t i;
    (void)model;
    (void)layer;
    if (values == NULL) {
        return fail(why, SCORECAM_ERR_MODEL, "no memory");
    }
    for (i = 0; i < n * 8; i++) {
        values[i] = class_index == 0 ? (i % 8 < 4 ? 1.0f : 0.0f) : (i % 8 == 4 ? 3.0f : 0.0f);
    }
    return SCORECAM_OK;
}

static const scorecam_gradients gradients = {sizeof(scorecam_gradients), 0, slopes};

static const void *model_interface(void *model, const char *id)
{
    (void)model;
    return strcmp(id, "scorecam.gradients/1") == 0 ? &gradients : NULL;
}

static const scorecam_backend backend = {
    sizeof(scorecam_backend), 0, load, free, describe, forward, model_interface};

/* ---- the method: each pixel is the mean of the maps' cells over it, times "gain" ---- */

static const char *const curves[] = {"plain", "squared"};
static const scorecam_option_spec options[] = {
    {"gain", "what the map is multiplied with", "1", SCORECAM_OPTION_NUMBER, 0, NULL, 0.0, 100.0},
    {"curve", "what becomes of each value", "plain", SCORECAM_OPTION_CHOICE, 2, curves, 0.0, 0.0},
};
static const scorecam_option loud[] = {{"gain", "10"}};
static const scorecam_preset presets[] = {{"loud", "ten times as much", loud, 1}};
static const scorecam_method_description method_description = {
    sizeof(scorecam_method_description), 0, options, 2, presets, 1};

static int32_t describe_method(const scorecam_method_description **out, scorecam_message *why)
{
    (void)why;
    *out = &method_description;
    return SCORECAM_OK;
}

static int32_t explain(const scorecam_study *study, const scorecam_option *given, uint64_t given_count,
                       scorecam_method_result *result, scorecam_message *why)
{
    static const scorecam_measure measures[] = {{"again", 1.0}};
    static const char *const warnings[] = {"a method of 1.0"};
    const uint64_t height = study->input.shape.sizes[2], width = study->input.shape.sizes[3];
    const uint64_t *cells = study->activations.shape.sizes;
    scorecam_outputs again = {NULL, 0, NULL, NULL};
    float *map, gain = 1.0f;
    uint64_t i, k, y, x;
    int32_t status;
    for (i = 0; i < given_count; i++) {
        gain = strcmp(given[i].name, "gain") == 0 ? strtof(given[i].value, NULL) : gain;
    }
    study->expect_passes(study->context, 1);
    status = study->backend->forward(study->model, &study->input, NULL, 0, &again, why);
    if (status != SCORECAM_OK) {
        return status;
    }
    if (again.release != NULL) {
        again.release(again.owner);
    }
    map = calloc(study->target_count * height * width, sizeof *map);
    if (map == NULL) {
        return fail(why, SCORECAM_ERR_INTERNAL, "no memory");
    }
    for (i = 0; i < study->target_count * height * width; i++) {
        y = i / width % height * cells[2] / height;
        x = i % width * cells[3] / width;
        for (k = 0; k < cells[1]; k++) {
            map[i] += gain * study->activations.data[(k * cells[2] + y) * cells[3] + x] / (float)cells[1];
        }
    }
    result->maps.data = map;
    result->maps.shape = (scorecam_shape){3, 0, {study->target_count, height, width, 0}};
    result->measures = measures;
    result->measure_count = 1;
    result->warnings = warnings;
    result->warning_count = 1;
    result->owner = map;
    result->release = free;
    return SCORECAM_OK;
}

static const scorecam_method method = {sizeof(scorecam_method), 0, describe_method, explain};

static const scorecam_descriptor items[] = {
    {sizeof(scorecam_descriptor), SCORECAM_KIND_BACKEND, "frozen", "1.0.0", "a backend of 1.0", "frozen",
     SCORECAM_ABILITY_GRADIENTS, 0},
    {sizeof(scorecam_descriptor), SCORECAM_KIND_METHOD, "frozen-mean", "1.0.0", "a method of 1.0", NULL, 0, 0},
};

static const scorecam_descriptor *descriptor(uint32_t index)
{
    return index < 2 ? &items[index] : NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    if (index == 0 && strcmp(id, "scorecam.backend/1") == 0) {
        return &backend;
    }
    return index == 1 && strcmp(id, "scorecam.method/1") == 0 ? &method : NULL;
}

const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 2, 0, descriptor, get_interface};
