/*
 * A plugin of a version to come: each of its structs is longer than today's, one of its items is of a kind that
 * nobody knows yet, and so are some of its abilities and interfaces. Compiled with -DNEW_OPTION it has an option of
 * an unknown kind, too, without which its method cannot work.
 */
#include "scorecam_plugin.h"

#include <stdlib.h>
#include <string.h>

/* Each struct with what a later version has put behind it. */
#define LATER(type) struct { type now; uint64_t later[3]; }

static const scorecam_input_info inputs[] = {{"image", {4, 0, {0, 1, 4, 4}}, SCORECAM_F32, 1}};
static const scorecam_output_info outputs[] = {{"scores", {2, 0, {0, 3}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
static const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {2, 2, 2}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};

static const LATER(scorecam_model_description) description = {
    {sizeof description, 0, inputs, 1, outputs, 1, 0, NULL, layers, 1, 0, 0, 1}, {7, 7, 7}};

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    (void)config;
    (void)model;
    (void)why;
    return SCORECAM_OK;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    (void)model;
    (void)why;
    *out = &description.now;
    return SCORECAM_OK;
}

static int32_t forward(void *model, const scorecam_inputs *in, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    static const float scores[] = {1, 2, 3}, maps[] = {0, 1, 2, 3, 3, 2, 1, 0};
    static const scorecam_tensor tensors[] = {{scores, SCORECAM_CPU, SCORECAM_F32, 0, {2, 0, {1, 3}}},
                                              {maps, SCORECAM_CPU, SCORECAM_F32, 0, {4, 0, {1, 2, 2, 2}}}};
    (void)model;
    (void)wanted;
    if (in->images.shape.sizes[0] != 1) {
        strcpy(why->text, "one image at a time was agreed on");
        return SCORECAM_ERR_INVALID_ARGUMENT;
    }
    out->tensors = tensors;
    out->count = wanted_count;
    return SCORECAM_OK;
}

static const LATER(scorecam_backend) backend = {
    {sizeof backend, 0, load, NULL, describe, forward, NULL}, {7, 7, 7}};

#ifdef NEW_OPTION
static const scorecam_option_spec options[] = {{"colour", "which colour", "red", 77, 0, NULL, 0.0, 0.0}};
#define OPTIONS options, 1
#else
#define OPTIONS NULL, 0
#endif

static const LATER(scorecam_method_description) method_description = {
    {sizeof method_description, 0, OPTIONS, NULL, 0}, {7, 7, 7}};

static int32_t describe_method(const scorecam_method_description **out, scorecam_message *why)
{
    (void)why;
    *out = &method_description.now;
    return SCORECAM_OK;
}

static int32_t explain(const scorecam_study *study, const scorecam_option *given, uint64_t given_count,
                       scorecam_method_result *result, scorecam_message *why)
{
    static const float map[16] = {1};
    static const scorecam_tensor maps = {map, SCORECAM_CPU, SCORECAM_F32, 0, {3, 0, {1, 4, 4}}};
    (void)given;
    (void)given_count;
    (void)why;
    result->maps = maps;
    result->maps.shape.sizes[0] = study->target_count;
    return SCORECAM_OK;
}

static const LATER(scorecam_method) method = {{sizeof method, 0, describe_method, explain}, {7, 7, 7}};

static const LATER(scorecam_descriptor) items[] = {
    {{sizeof items[0], 77, "dreams", "9.0", "a kind to come", NULL, 0, 0}, {7, 7, 7}},
    {{sizeof items[0], SCORECAM_KIND_BACKEND, "future", "9.0", "a later backend", "future", 1u << 30, 0}, {7, 7, 7}},
    {{sizeof items[0], SCORECAM_KIND_METHOD, "future", "9.0", "a later method", NULL, 0, 0}, {7, 7, 7}},
};

static const scorecam_descriptor *descriptor(uint32_t index)
{
    return index < 3 ? &items[index].now : NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    if (index == 0) {
        /* A host has no business with a kind that it does not know. */
        abort();
    }
    if (strcmp(id, "scorecam.backend/1") == 0) {
        return index == 1 ? &backend : NULL;
    }
    return index == 2 && strcmp(id, "scorecam.method/1") == 0 ? &method : NULL;
}

typedef LATER(scorecam_plugin_table) later_table;
const later_table scorecam_plugin_entry = {
    {SCORECAM_ABI_VERSION, sizeof(later_table), 3, 0, NULL, descriptor, get_interface}, {7, 7, 7}};
