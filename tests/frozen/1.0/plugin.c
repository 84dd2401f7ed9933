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

static const scorecam_input_info inputs[] = {{"image", {4, 0, {0, 1, 4, 4}}, SCORECAM_F32, 1}};
static const scorecam_output_info outputs[] = {{"scores", {2, 0, {0, 2}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
static const scorecam_layer layers[] = {{"blocks", "Mean", {3, 0, {2, 2, 2}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};

static const scorecam_model_description description = {
    sizeof(scorecam_model_description), 0, inputs, 1, outputs, 1, 0, NULL, layers, 1, 0, 0, 4};

static const scorecam_services *host;

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

static const scorecam_device cpu = SCORECAM_CPU;
static const scorecam_data_type f32 = SCORECAM_F32;

/* Hands over `count` tensors, whose values lie behind them, all in one piece of memory. */
static scorecam_tensor *room(scorecam_outputs *out, uint64_t count, uint64_t values)
{
    scorecam_tensor *tensors = calloc(1, (count + 1) * sizeof *tensors + values * sizeof(float));
    uint64_t i;
    if (tensors == NULL) {
        return NULL;
    }
    for (i = 0; i < count; i++) {
        tensors[i].data = (float *)(tensors + count + 1);
        tensors[i].device = cpu;
        tensors[i].dtype = f32;
    }
    out->tensors = tensors;
    out->count = count;
    out->owner = tensors;
    out->release = free;
    return tensors;
}

static void run(const float *images, uint64_t n, float *scores, float *blocks)
{
    uint64_t image, cell;
    for (image = 0; image < n; image++) {
        for (cell = 0; cell < 4; cell++) {
            const float *p = images + image * 16 + cell / 2 * 8 + cell % 2 * 2;
            const float mean = (p[0] + p[1] + p[4] + p[5]) / 4.0f;
            scores[image * 2] += mean;
            scores[image * 2 + 1] += cell == 0 ? 6.0f * mean : 0.0f;
            blocks[image * 8 + cell] = mean;
            blocks[image * 8 + 4 + cell] = 2.0f * mean;
        }
    }
}

static int32_t forward(void *model, const scorecam_inputs *in, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    const uint64_t n = in->images.shape.sizes[0];
    scorecam_tensor *tensors;
    float *scores;
    uint64_t i;
    (void)model;
    for (i = 0; i < wanted_count; i++) {
        if (strcmp(wanted[i], "scores") != 0 && strcmp(wanted[i], "blocks") != 0) {
            return fail(why, SCORECAM_ERR_NOT_FOUND, "the only layer is blocks");
        }
    }
    if (in->is_cancelled != NULL && in->is_cancelled(in->context) != 0) {
        return fail(why, SCORECAM_ERR_CANCELLED, "the caller had enough");
    }
    tensors = room(out, wanted_count, n * 10);
    if (tensors == NULL) {
        return fail(why, SCORECAM_ERR_MODEL, "no memory");
    }
    scores = (float *)(tensors + wanted_count + 1);
    run(in->images.data, n, scores, scores + n * 2);
    for (i = 0; i < wanted_count; i++) {
        const int is_layer = strcmp(wanted[i], "blocks") == 0;
        tensors[i].data = is_layer ? scores + n * 2 : scores;
        tensors[i].shape = is_layer ? (scorecam_shape){4, 0, {n, 2, 2, 2}} : (scorecam_shape){2, 0, {n, 2}};
    }
    return SCORECAM_OK;
}

static int32_t slopes(void *model, const scorecam_inputs *in, const char *layer,
                      const scorecam_named_tensor *cotangents, uint64_t cotangent_count, scorecam_outputs *out,
                      scorecam_message *why)
{
    const uint64_t n = in->images.shape.sizes[0];
    const float *weights = cotangent_count == 1 ? cotangents[0].tensor.data : NULL;
    scorecam_tensor *tensors = room(out, 1, n * 8);
    float *values;
    uint64_t i;
    (void)model;
    (void)layer;
    if (tensors == NULL || weights == NULL || strcmp(cotangents[0].name, "scores") != 0) {
        return fail(why, SCORECAM_ERR_MODEL, "no memory, or no cotangent of the scores");
    }
    values = (float *)(tensors + 2);
    tensors[0].shape = (scorecam_shape){4, 0, {n, 2, 2, 2}};
    for (i = 0; i < n * 8; i++) {
        values[i] = i % 8 < 4 ? weights[i / 8 * 2] : (i % 8 == 4 ? 3.0f * weights[i / 8 * 2 + 1] : 0.0f);
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
    const float *activations = study->activations.data;
    scorecam_outputs again = {NULL, 0, NULL, NULL};
    float *map, gain = 1.0f;
    uint64_t i, k, y, x;
    int32_t status;
    for (i = 0; i < given_count; i++) {
        gain = strcmp(given[i].name, "gain") == 0 ? strtof(given[i].value, NULL) : gain;
    }
    status = study->expect_passes(study->context, 1, why);
    if (status == SCORECAM_OK) {
        status = study->image_scores(study->context, &study->input, &again, why);
    }
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
            map[i] += gain * activations[(k * cells[2] + y) * cells[3] + x] / (float)cells[1];
        }
    }
    if (host != NULL && host->log != NULL) {
        host->log(host->context, SCORECAM_LOG_DEBUG, "frozen", "a map was made");
    }
    result->maps.data = map;
    result->maps.device = cpu;
    result->maps.dtype = f32;
    result->maps.shape = (scorecam_shape){3, 0, {study->target_count, height, width}};
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

static void open_plugin(const scorecam_services *services)
{
    host = services;
}

const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 2, 0, open_plugin, descriptor, get_interface};
