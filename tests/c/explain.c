/*
 * A C11 program that explains a photo: explain PLUGIN MODEL PHOTO.ppm CLASS OUT [METHOD NAME VALUE]
 *
 * PHOTO is a P6 PPM of 8 bits. OUT gets the map as raw f32, in the machine's byte order. NAME is an option of
 * METHOD. The layers, the target and what the method measured are printed. Before it ends it makes the
 * mistakes that the API promises to survive.
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void demand(int32_t status, const char *what)
{
    if (status != SCORECAM_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, scorecam_status_name(status), scorecam_last_error());
        exit(1);
    }
}

static void expect(int32_t expected, int32_t status, const char *what)
{
    if (status != expected) {
        fprintf(stderr, "%s: got %s, not %s\n", what, scorecam_status_name(status),
                scorecam_status_name(expected));
        exit(1);
    }
}

static unsigned char *read_ppm(const char *path, scorecam_image *image)
{
    unsigned long width = 0, height = 0;
    size_t size;
    unsigned char *pixels;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fscanf(file, "P6 %lu %lu 255", &width, &height) != 2 || fgetc(file) == EOF) {
        fprintf(stderr, "%s is no P6 PPM of 8 bits\n", path);
        exit(1);
    }
    size = 3u * (size_t)width * (size_t)height;
    pixels = malloc(size);
    if (pixels == NULL || fread(pixels, 1, size, file) != size) {
        fprintf(stderr, "%s is cut short\n", path);
        exit(1);
    }
    fclose(file);
    image->data = pixels;
    image->data_size = size;
    image->width = width;
    image->height = height;
    return pixels;
}

static void print_layers(const scorecam_model *model)
{
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    uint64_t i;
    demand(scorecam_model_describe(&info, model), "describe the model");
    for (i = 0; i < info.layer_count; i++) {
        scorecam_layer_info layer = SCORECAM_LAYER_INFO_INIT;
        uint32_t axis;
        demand(scorecam_model_layer(&layer, model, i), "read a layer");
        printf("layer %s %s [", layer.name, layer.operation);
        for (axis = 0; axis < layer.shape.rank; axis++) {
            printf(axis == 0 ? "%llu" : ", %llu", (unsigned long long)layer.shape.sizes[axis]);
        }
        printf("]%s\n", layer.is_default ? " default" : "");
    }
}

static void write_map(const scorecam_explanation *explanation, const char *path)
{
    const float *map;
    uint64_t height, width;
    FILE *file = fopen(path, "wb");
    demand(scorecam_explanation_map(&map, &height, &width, explanation, 0), "read the map");
    if (file == NULL || fwrite(map, sizeof *map, (size_t)(height * width), file) != height * width
        || fclose(file) != 0) {
        fprintf(stderr, "%s can't be written\n", path);
        exit(1);
    }
    printf("map %llux%llu\n", (unsigned long long)height, (unsigned long long)width);
}

static void print_target(const scorecam_explanation *explanation)
{
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    uint64_t i;
    demand(scorecam_explanation_target(&target, explanation, 0), "read the target");
    demand(scorecam_explanation_describe(&info, explanation), "describe the explanation");
    printf("class %llu score %.6f layer %s passes %llu\n", (unsigned long long)target.class_index,
           target.score, info.layer, (unsigned long long)info.passes);
    for (i = 0; i < info.warning_count; i++) {
        const char *warning;
        demand(scorecam_explanation_warning(&warning, explanation, i), "read a warning");
        printf("warning %s\n", warning);
    }
}

/* Each in so many digits that reading them gives the same number. */
static void print_measures(const scorecam_explanation *explanation)
{
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    uint64_t i;
    demand(scorecam_explanation_describe(&info, explanation), "describe the explanation");
    for (i = 0; i < info.measure_count; i++) {
        const char *name;
        double value;
        demand(scorecam_explanation_measure(&name, &value, explanation, i), "read a measure");
        printf("measure %s %.17g\n", name, value);
    }
}

static void draw(const scorecam_explanation *explanation, const scorecam_image *photo)
{
    scorecam_overlay_options options = SCORECAM_OVERLAY_OPTIONS_INIT;
    size_t size = (size_t)photo->data_size;
    uint8_t *picture = malloc(size);
    if (picture == NULL) {
        exit(1);
    }
    options.colormap = "turbo";
    expect(SCORECAM_ERR_BUFFER_TOO_SMALL, scorecam_explanation_overlay(picture, size - 1, explanation, photo, &options),
           "an overlay into too little memory");
    demand(scorecam_explanation_overlay(picture, size, explanation, photo, &options), "draw");
    options.opacity = 0.0f;
    demand(scorecam_explanation_overlay(picture, size, explanation, photo, &options), "draw nothing");
    if (memcmp(picture, photo->data, size) != 0) {
        fprintf(stderr, "an overlay of opacity 0 is not the photo\n");
        exit(1);
    }
    free(picture);
}

static int32_t count_calls(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)passes;
    (void)expected;
    ++*(int *)user_data;
    return 0;
}

static int32_t cancel(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)expected;
    (void)user_data;
    return passes > 1;
}

int main(int argc, char **argv)
{
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explanation *explanation = NULL, *none = NULL;
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_option option;
    unsigned char *pixels;
    uint64_t class_index, local = 0;
    int calls = 0;

    if (argc != 6 && argc != 9) {
        fprintf(stderr, "usage: %s PLUGIN MODEL PHOTO.ppm CLASS OUT [METHOD NAME VALUE]\n", argv[0]);
        return 2;
    }
    pixels = read_ppm(argv[3], &photo);
    demand(scorecam_host_create(&host), "create a host");
    demand(scorecam_host_load_plugin(host, argv[1]), "load the plugin");
    demand(scorecam_model_load(&model, host, argv[2], NULL), "load the model");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_host_free((scorecam_host *)(void *)model), "free as a host");
    demand(scorecam_host_free(host), "free the host before its model");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_host_free(host), "free the host again");
    print_layers(model);

    demand(scorecam_model_find_class(&class_index, model, argv[4]), "read the class");
    options.classes = &class_index;
    options.class_count = 1;
    if (argc == 9) {
        option.name = argv[7];
        option.value = argv[8];
        options.method = argv[6];
        options.options = &option;
        options.option_count = 1;
    }
    options.progress = cancel;
    expect(SCORECAM_ERR_CANCELLED, scorecam_explain(&none, model, &photo, &options), "cancel");
    options.progress = count_calls;
    options.user_data = &calls;
    demand(scorecam_explain(&explanation, model, &photo, &options), "explain");
    if (calls == 0 || none != NULL) {
        fprintf(stderr, "%d calls of the callback; a cancelled call wrote %p\n", calls, (void *)none);
        return 1;
    }
    demand(scorecam_model_free(model), "free the model before its explanation");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_explain(&none, model, &photo, &options), "use a freed model");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_model_free((scorecam_model *)(void *)&local), "free a local");
    expect(SCORECAM_OK, scorecam_model_free(NULL), "free NULL");

    print_target(explanation);
    print_measures(explanation);
    write_map(explanation, argv[5]);
    draw(explanation, &photo);
    demand(scorecam_explanation_free(explanation), "free the explanation");
    free(pixels);
    return 0;
}
