/*
 * A program of a version to come: future_program PLUGIN MODEL TABLE. Its structs are longer than the library's; what
 * is behind the end that the library knows may be 0 and nothing else. TABLE is a plugin whose table is asked for
 * interfaces and items that it does not have.
 */
#include "scorecam.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(int truth, const char *what)
{
    if (!truth) {
        printf("wrong: %s: %s\n", what, scorecam_last_error());
        failures++;
    }
}

/* Each struct with a field that a later header has put behind it. */
typedef struct later_model_options { scorecam_model_options now; uint64_t later; } later_model_options;
typedef struct later_explain_options { scorecam_explain_options now; uint64_t later; } later_explain_options;
typedef struct later_image { scorecam_image now; uint64_t later; } later_image;
typedef struct later_target { scorecam_target now; uint64_t later; } later_target;
typedef struct later_layer { scorecam_layer_info now; uint64_t later; } later_layer;
typedef struct later_plugin { scorecam_plugin_info now; uint64_t later; } later_plugin;
typedef struct later_overlay { scorecam_overlay_options now; uint64_t later; } later_overlay;

static void check_refused(int32_t status, const char *name)
{
    const char *const said = scorecam_last_error();
    expect(status == SCORECAM_ERR_INVALID_ARGUMENT, name);
    expect(strstr(said, name) != NULL, "the struct is named");
    expect(strstr(said, "that this version does not know; set it to 0 or use a newer library") != NULL, "what to do");
}

static void check_table(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const scorecam_plugin_table *table = library == NULL ? NULL : dlsym(library, "scorecam_plugin_entry");
    if (table == NULL) {
        printf("wrong: %s\n", dlerror());
        failures++;
        return;
    }
    expect(table->get_interface(0, "scorecam.backend/1") != NULL, "a known interface");
    expect(table->get_interface(0, "scorecam.backend/2") == NULL, "a later version of it");
    expect(table->get_interface(0, "") == NULL, "an empty interface id");
    expect(table->get_interface(table->count, "scorecam.backend/1") == NULL, "an item that there is not");
    expect(table->descriptor(table->count) == NULL, "its descriptor");
}

int main(int argc, char **argv)
{
    const float pixels[16] = {1, 2, 3};
    uint8_t picture[48] = {0};
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explanation *found = NULL, *none = NULL;
    later_model_options how = {SCORECAM_MODEL_OPTIONS_INIT, 0};
    later_explain_options options = {SCORECAM_EXPLAIN_OPTIONS_INIT, 0};
    later_image image = {SCORECAM_TENSOR_INIT, 0}, photo = {SCORECAM_IMAGE_INIT, 0};
    later_target target = {SCORECAM_TARGET_INIT, 7};
    later_layer layer = {SCORECAM_LAYER_INFO_INIT, 7};
    later_plugin plugin = {SCORECAM_PLUGIN_INFO_INIT, 7};
    later_overlay drawn = {SCORECAM_OVERLAY_OPTIONS_INIT, 0};
    if (argc != 4) {
        return 2;
    }
    how.now.struct_size = sizeof how;
    options.now.struct_size = sizeof options;
    image.now.struct_size = sizeof image;
    photo.now.struct_size = sizeof photo;
    target.now.struct_size = sizeof target;
    layer.now.struct_size = sizeof layer;
    plugin.now.struct_size = sizeof plugin;
    drawn.now.struct_size = sizeof drawn;
    image.now.data = pixels;
    image.now.data_size = sizeof pixels;
    image.now.width = image.now.height = photo.now.width = photo.now.height = 4;
    image.now.channels = 1;
    photo.now.data = picture;
    photo.now.data_size = sizeof picture;

    expect(scorecam_host_create(&host) == SCORECAM_OK, "a host");
    expect(scorecam_host_load_plugin(host, argv[1]) == SCORECAM_OK, "the plugin");
    expect(scorecam_host_plugin(&plugin.now, host, 0) == SCORECAM_OK && plugin.later == 0, "a longer plugin info");
    how.later = 1;
    check_refused(scorecam_model_load(&model, host, argv[2], &how.now), "scorecam_model_options");
    how.later = 0;
    expect(scorecam_model_load(&model, host, argv[2], &how.now) == SCORECAM_OK, "longer model options");
    expect(scorecam_model_layer(&layer.now, model, 0) == SCORECAM_OK && layer.later == 0, "a longer layer info");
    options.later = 1;
    check_refused(scorecam_explain(&none, model, &image.now, &options.now), "scorecam_explain_options");
    options.later = 0;
    image.later = UINT64_C(1) << 63;
    check_refused(scorecam_explain(&none, model, &image.now, &options.now), "scorecam_image");
    image.later = 0;
    expect(scorecam_explain(&found, model, &image.now, &options.now) == SCORECAM_OK, "longer explain options");
    expect(scorecam_explanation_target(&target.now, found, 0) == SCORECAM_OK && target.later == 0, "a longer target");
    drawn.later = 1;
    check_refused(scorecam_explanation_overlay(picture, sizeof picture, found, &photo.now, &drawn.now),
                  "scorecam_overlay_options");
    drawn.later = 0;
    expect(scorecam_explanation_overlay(picture, sizeof picture, found, &photo.now, &drawn.now) == SCORECAM_OK, "longer options");
    scorecam_explanation_free(found);
    scorecam_model_free(model);
    scorecam_host_free(host);
    check_table(argv[3]);
    printf("%d wrong\n", failures);
    return failures != 0;
}
