/* The least that a plugin is: a table without a backend or method in it. */
#include <scorecam_plugin.h>

#include <stddef.h>

static const scorecam_descriptor *descriptor(uint32_t index)
{
    (void)index;
    return NULL;
}

static const void *get_interface(uint32_t index, const char *id)
{
    (void)index;
    (void)id;
    return NULL;
}

extern const scorecam_plugin_table scorecam_plugin_entry;
const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 0, 0, descriptor, get_interface,
};
