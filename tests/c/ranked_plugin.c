/*
 * A backend for .toy files that says of its readiness what it was compiled with, to be built several times:
 *
 *   RANKED_ID       its id, a string
 *   RANKED_RANK     the rank that it claims
 *   RANKED_TEXT     what it writes into the text: the device, or why it is not ready
 *   RANKED_STATUS   what assess returns
 *   RANKED_ENDLESS  defined: the text has no end
 *   RANKED_FAILS    a string, defined when its load fails: why
 *
 * Its models take any file and have four classes that see the mean of the image.
 */
#include "scorecam_plugin.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, MAP = 8, MAPS = 2, CLASSES = 4 };

static int32_t assess(const char *device, uint32_t *rank, scorecam_message *text)
{
    if (device != NULL && strcmp(device, "cpu") == 0 && RANKED_RANK >= SCORECAM_READY_ACCELERATOR) {
        strcpy(text->text, "it needs a card");
        return SCORECAM_ERR_UNSUPPORTED;
    }
    *rank = RANKED_RANK;
    strncpy(text->text, RANKED_TEXT, sizeof text->text - 1);
#ifdef RANKED_ENDLESS
    memset(text->text, 'x', sizeof text->text);
#endif
    return RANKED_STATUS;
}

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    static int some;
    *model = &some;
#ifdef RANKED_FAILS
    strcpy(why->text, RANKED_FAILS);
    return SCORECAM_ERR_MODEL;
#endif
    if (config->setting_count > 0) {
        strcpy(why->text, "this backend has no settings");
        return SCORECAM_ERR_INVALID_ARGUMENT;
    }
    return SCORECAM_OK;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    static const scorecam_input_info inputs[] = {{"input", {4, 0, {0, 3, SIDE, SIDE}}, SCORECAM_F32, 1}};
    static const scorecam_output_info outputs[] = {
        {"scores", {2, 0, {0, CLASSES}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
    static const scorecam_layer layers[] = {
        {"features", "Relu", {3, 0, {MAPS, MAP, MAP}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};
    static const scorecam_model_description description = {
        sizeof description, 0, inputs, 1, outputs, 1, 0, NULL, layers, 1, 0, 0, 4};
    (void)model;
    (void)why;
    *out = &description;
    return SCORECAM_OK;
}

static int32_t forward(void *model, const scorecam_inputs *inputs, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    const float *batch = inputs->images.data;
    const size_t n = (size_t)inputs->images.shape.sizes[0], pixels = 3 * SIDE * SIDE, cells = MAPS * MAP * MAP;
    scorecam_tensor *tensors = calloc(1, (size_t)(wanted_count + 1) * sizeof *tensors + n * (CLASSES + cells) * sizeof(float));
    float *scores = (float *)(tensors + wanted_count + 1), *maps = scores + n * CLASSES;
    size_t i, j;
    (void)model;
    (void)why;
    if (tensors == NULL) {
        abort();
    }
    for (i = 0; i < n; i++) {
        for (j = 0; j < pixels; j++) {
            scores[i * CLASSES + j % CLASSES] += batch[i * pixels + j] / 1024.0f;
        }
        for (j = 0; j < cells; j++) {
            maps[i * cells + j] = (float)(j % 7);
        }
    }
    for (i = 0; i < wanted_count; i++) {
        tensors[i] = strcmp(wanted[i], "scores") == 0
                         ? (scorecam_tensor){scores, SCORECAM_CPU, SCORECAM_F32, 0, {2, 0, {n, CLASSES}}}
                         : (scorecam_tensor){maps, SCORECAM_CPU, SCORECAM_F32, 0, {4, 0, {n, MAPS, MAP, MAP}}};
    }
    *out = (scorecam_outputs){tensors, wanted_count, tensors, free};
    return SCORECAM_OK;
}

static const scorecam_descriptor *descriptor(uint32_t index)
{
    static const scorecam_descriptor about = {
        sizeof about, SCORECAM_KIND_BACKEND, RANKED_ID, "1.0.0", "says how ready it is", "toy", 0, 0};
    return index == 0 ? &about : NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    static const scorecam_backend backend = {sizeof backend, 0, load, NULL, describe, forward, NULL};
    static const scorecam_readiness readiness = {sizeof readiness, 0, assess};
    if (index == 0 && strcmp(id, "scorecam.readiness/1") == 0) {
        return &readiness;
    }
    return index == 0 && strcmp(id, "scorecam.backend/1") == 0 ? &backend : NULL;
}

extern const scorecam_plugin_table scorecam_plugin_entry;
const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, NULL, descriptor, get_interface};
