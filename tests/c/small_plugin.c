/* The smallest plugin: one backend, PLUGIN_ID, that loads nothing. To be built many times, with other ids. */
#include "scorecam_plugin.h"

#include <stddef.h>
#include <string.h>

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    (void)config;
    (void)model;
    strcpy(why->text, PLUGIN_ID " loads no models");
    return SCORECAM_ERR_UNSUPPORTED;
}

static int32_t describe(void *model, const scorecam_model_description **description, scorecam_message *why)
{
    (void)model;
    (void)description;
    (void)why;
    return SCORECAM_ERR_UNSUPPORTED;
}

static int32_t forward(void *model, const scorecam_inputs *inputs, const char *const *wanted,
                       uint64_t wanted_count, scorecam_outputs *outputs, scorecam_message *why)
{
    (void)model;
    (void)inputs;
    (void)wanted;
    (void)wanted_count;
    (void)outputs;
    (void)why;
    return SCORECAM_ERR_UNSUPPORTED;
}

static const scorecam_backend backend = {sizeof(scorecam_backend), 0, load, NULL, describe, forward, NULL};

static const scorecam_descriptor about = {
    sizeof(scorecam_descriptor), SCORECAM_KIND_BACKEND, PLUGIN_ID, "1.0.0", "loads nothing", PLUGIN_ID, 0, 0};

static const scorecam_descriptor *descriptor(uint32_t index)
{
    return index == 0 ? &about : NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    return index == 0 && strcmp(id, "scorecam.backend/1") == 0 ? &backend : NULL;
}

const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, NULL, descriptor, get_interface};
