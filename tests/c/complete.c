/*
 * A C11 program that uses what is beside a plain explain call: complete MODEL, a toy model whose plugin is in the folders
 * that are searched. Each check that fails ends it with a line.
 */
#include "scorecam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 48
#define IMAGES 5
#define CLASSES 10

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s; last error: %s\n", what, scorecam_last_error());
        exit(1);
    }
}

static void demand(scorecam_status status, const char *what)
{
    check(status == SCORECAM_OK, what);
}

static int lines;

static void log_line(void *user_data, uint32_t level, const char *target, const char *text)
{
    check(user_data == &lines && level >= SCORECAM_LOG_ERROR && target[0] != '\0' && text[0] != '\0', "a line of the log");
    lines++;
}

static unsigned char pixels[IMAGES][SIDE * SIDE * 3];

static scorecam_image photo(int which)
{
    scorecam_image image = SCORECAM_IMAGE_INIT;
    image.data = pixels[which];
    image.data_size = sizeof pixels[which];
    image.width = image.height = SIDE;
    return image;
}

typedef struct results {
    int seen[IMAGES + 1];
    int failed;
    float maps[IMAGES][32 * 32];
} results;

static int32_t found(uint64_t index, scorecam_explanation *explanation, scorecam_status status, const char *error,
                     void *user_data)
{
    results *all = user_data;
    const float *map;
    uint64_t height, width;
    all->seen[index]++;
    if (status != SCORECAM_OK) {
        check(explanation == NULL && strstr(error, "65535") != NULL, "the reason is the image's own");
        all->failed++;
        return 0;
    }
    demand(scorecam_explanation_map(&map, &height, &width, explanation, 0), "read a map");
    check(height == 32 && width == 32, "the size of the model's input");
    memcpy(all->maps[index], map, sizeof all->maps[index]);
    demand(scorecam_explanation_free(explanation), "free an explanation");
    return 0;
}

static int32_t stop(uint64_t index, scorecam_explanation *explanation, scorecam_status status, const char *error,
                    void *user_data)
{
    (void)index;
    (void)status;
    (void)error;
    (void)user_data;
    scorecam_explanation_free(explanation);
    return 1;
}

/* A method's options, as a program with a window would list them. */
static void list_options(const scorecam_host *host)
{
    const scorecam_method_description *method;
    uint64_t i;
    int passes = 0;
    demand(scorecam_host_method(&method, host, "score-cam-adaptive"), "describe a method");
    for (i = 0; i < method->option_count; i++) {
        const scorecam_option_spec *option = &method->options[i];
        check(option->help[0] != '\0' && option->default_value != NULL, "an option is described");
        passes |= strcmp(option->name, "passes") == 0 && option->kind == SCORECAM_OPTION_INTEGER && option->min == 0.0;
    }
    check(passes && method->preset_count > 0, "passes is a whole number, and there are presets");
    check(scorecam_host_method(&method, host, "none") == SCORECAM_ERR_NOT_FOUND, "no such method");
}

static void read_file(const char *path, void **data, size_t *size)
{
    FILE *file = fopen(path, "rb");
    check(file != NULL && fseek(file, 0, SEEK_END) == 0, "open the model");
    *size = (size_t)ftell(file);
    rewind(file);
    *data = malloc(*size);
    check(*data != NULL && fread(*data, 1, *size, file) == *size, "read the model");
    fclose(file);
}

/* The model and its manifest from memory. */
static scorecam_model *load(const scorecam_host *host, const char *path)
{
    scorecam_model_options options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    scorecam_model *model;
    const char *label;
    void *data;
    size_t size;
    read_file(path, &data, &size);
    options.data = data;
    options.data_size = size;
    options.manifest = "[model]\nlabels = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\"]\n"
                       "[input]\nfit = \"crop\"\n";
    demand(scorecam_model_load(&model, host, "net.toy", &options), "load a model from memory");
    free(data);
    demand(scorecam_model_describe(&info, model), "describe the model");
    check(info.output_kind == SCORECAM_MODEL_CLASSES && info.class_count == CLASSES && info.height == 32, "what it is");
    check(strcmp(info.backend, "toy") == 0 && strcmp(info.name, "net.toy") == 0 && info.layer != NULL, "its names");
    demand(scorecam_model_label(&label, model, CLASSES - 1), "a label");
    check(strcmp(label, "j") == 0, "the label of the manifest");
    check(scorecam_model_label(&label, model, CLASSES) == SCORECAM_ERR_INVALID_ARGUMENT, "there is no class 10");
    return model;
}

static void classify(const scorecam_model *model)
{
    scorecam_image image = photo(0);
    double scores[CLASSES], sum = 0.0;
    float outputs[CLASSES];
    uint64_t count = 0, i;
    check(scorecam_classify(scores, outputs, 9, &count, model, &image) == SCORECAM_ERR_BUFFER_TOO_SMALL, "nine are too few");
    check(count == CLASSES, "how many there are is said");
    demand(scorecam_classify(scores, outputs, CLASSES, &count, model, &image), "classify");
    for (i = 0; i < count; i++) {
        sum += scores[i];
    }
    check(fabs(sum - 1.0) < 1e-6, "probabilities");
}

static void explain_all(const scorecam_model *model)
{
    static results all;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_image images[IMAGES + 1];
    const scorecam_image *pointers[IMAGES + 1];
    int i;
    for (i = 0; i < IMAGES; i++) {
        images[i] = photo(i);
        pointers[i] = &images[i];
    }
    images[IMAGES] = photo(0);
    images[IMAGES].width = 70000;
    pointers[IMAGES] = &images[IMAGES];
    options.jobs = 4;
    demand(scorecam_explain_many(model, pointers, IMAGES + 1, &options, found, &all), "explain many");
    check(all.failed == 1 && all.seen[IMAGES] == 1, "the image that is too wide fails alone");
    for (i = 0; i < IMAGES; i++) {
        scorecam_explanation *alone;
        const float *map;
        uint64_t height, width;
        check(all.seen[i] == 1, "each image has one result");
        demand(scorecam_explain(&alone, model, pointers[i], NULL), "explain one");
        demand(scorecam_explanation_map(&map, &height, &width, alone, 0), "its map");
        check(memcmp(map, all.maps[i], sizeof all.maps[i]) == 0, "the same map as alone");
        scorecam_explanation_free(alone);
    }
    check(scorecam_explain_many(model, pointers, IMAGES, &options, stop, NULL) == SCORECAM_ERR_CANCELLED, "stopped");
}

static void map_of_the_photo(const scorecam_model *model)
{
    static float map[32 * 64];
    scorecam_explanation *explanation;
    scorecam_placement placement = SCORECAM_PLACEMENT_INIT;
    scorecam_image image = photo(0);
    image.height = 32;
    image.width = 64;
    demand(scorecam_explain(&explanation, model, &image, NULL), "explain a wide photo");
    demand(scorecam_explanation_placement(&placement, explanation), "what the model saw");
    check(placement.is_known && placement.photo_width == 64 && placement.photo_height == 32, "the photo's size");
    check(placement.photo_rect[0] > 0.0 && placement.photo_rect[2] < 64.0 && placement.input_rect[2] == 32.0, "a crop");
    demand(scorecam_explanation_photo_map(map, 32 * 64, explanation, 0, 32, 64), "the map of the photo");
    check(map[0] == 0.0f && map[63] == 0.0f, "0 beside the crop");
    check(scorecam_explanation_photo_map(map, 32 * 64 - 1, explanation, 0, 32, 64) == SCORECAM_ERR_BUFFER_TOO_SMALL,
          "one float is lacking");
    check(scorecam_explanation_photo_map(map, 32 * 64, explanation, 0, 16, 64) == SCORECAM_ERR_INVALID_ARGUMENT,
          "the photo has one size");
    scorecam_explanation_free(explanation);
}

/* Of a photo 64 wide and 32 high the model sees a square of about 28 in the center, since a crop keeps 0.875. */
static void where_the_evidence_lies(const scorecam_model *model)
{
    scorecam_explanation *explanation;
    scorecam_box_options options = SCORECAM_BOX_OPTIONS_INIT;
    scorecam_evidence left = SCORECAM_EVIDENCE_INIT, right = SCORECAM_EVIDENCE_INIT;
    scorecam_region region = SCORECAM_REGION_INIT;
    scorecam_box boxes[8], half;
    scorecam_image image = photo(0);
    uint64_t count, i;
    image.height = 32;
    image.width = 64;
    demand(scorecam_explain(&explanation, model, &image, NULL), "explain a wide photo");
    options.areas = SCORECAM_BOXES_ALL;
    options.threshold = 0.9;
    demand(scorecam_explanation_boxes(boxes, 8, &count, explanation, 0, &options), "find boxes");
    check(count > 0, "a map has a greatest value");
    for (i = 0; i < count && i < 8; i++) {
        const double *rect = boxes[i].rect;
        check(rect[0] >= 17.5 && rect[0] < rect[2] && rect[2] <= 46.5, "columns that the model saw");
        check(rect[1] >= 1.5 && rect[1] < rect[3] && rect[3] <= 30.5, "rows that the model saw");
        check(boxes[i].energy > 0.0 && boxes[i].energy <= 1.0, "a share of the map");
    }
    /* The boxes of a map are a region. */
    region.boxes = boxes;
    region.box_count = count < 8 ? count : 8;
    demand(scorecam_explanation_region(&left, explanation, 0, &region), "the evidence in the boxes");
    check(left.has_energy && left.lift > 1.0 && left.pointing, "more than an uninformative map has");
    memset(&half, 0, sizeof half);
    half.rect[2] = 32.0;
    half.rect[3] = 32.0;
    region.boxes = &half;
    region.box_count = 1;
    demand(scorecam_explanation_region(&left, explanation, 0, &region), "the left half");
    half.rect[0] = 32.0;
    half.rect[2] = 64.0;
    demand(scorecam_explanation_region(&right, explanation, 0, &region), "the right half");
    check(left.share == 0.5 && right.share == 0.5, "the crop is in the center");
    check(left.energy + right.energy > 0.999999 && left.energy + right.energy < 1.000001, "both are the whole map");
    scorecam_explanation_free(explanation);
}

static void in_no_time(const scorecam_model *model)
{
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_image image = photo(0);
    scorecam_explanation *explanation;
    const scorecam_box whole = {{0, 0, SIDE, SIDE}, 0};
    scorecam_region region = SCORECAM_REGION_INIT;
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    static float photo_map[SIDE * SIDE];
    static uint8_t overlay[SIDE * SIDE * 3];
    const float *map;
    uint64_t height, width;
    options.time_limit = 1e-9;
    demand(scorecam_explain(&explanation, model, &image, &options), "explain in no time");
    demand(scorecam_explanation_describe(&info, explanation), "describe it");
    check(!info.has_maps && info.target_count == 1 && info.passes == 1, "scores and no map");
    demand(scorecam_explanation_target(&target, explanation, 0), "read the target");
    check(target.score > 0.0 && target.label != NULL, "its class");
    check(scorecam_explanation_map(&map, &height, &width, explanation, 0) == SCORECAM_ERR_DEADLINE, "no map");
    check(scorecam_explanation_photo_map(photo_map, SIDE * SIDE, explanation, 0, SIDE, SIDE) == SCORECAM_ERR_DEADLINE,
          "no map of the photo");
    check(scorecam_explanation_boxes(NULL, 0, &width, explanation, 0, NULL) == SCORECAM_ERR_DEADLINE, "no boxes");
    region.boxes = &whole;
    region.box_count = 1;
    check(scorecam_explanation_region(&evidence, explanation, 0, &region) == SCORECAM_ERR_DEADLINE, "no evidence");
    check(scorecam_explanation_overlay(overlay, sizeof overlay, explanation, &image, NULL) == SCORECAM_ERR_DEADLINE,
          "no overlay");
    scorecam_explanation_free(explanation);
}

int main(int argc, char **argv)
{
    scorecam_host *host;
    scorecam_model *model;
    size_t which, i;
    check(argc == 2, "usage: complete MODEL");
    for (which = 0; which < IMAGES; which++) {
        for (i = 0; i < sizeof pixels[which]; i++) {
            pixels[which][i] = (unsigned char)((i + 97 * which) * i % 251);
        }
    }
    check(SCORECAM_VERSION_MAJOR >= 1, "a version that the preprocessor knows");
    demand(scorecam_log_to(log_line, SCORECAM_LOG_TRACE, &lines), "hear the log");
    check(scorecam_log_to(log_line, SCORECAM_LOG_TRACE, &lines) == SCORECAM_ERR_INVALID_ARGUMENT, "one log is enough");
    demand(scorecam_host_create(&host), "make a host");
    list_options(host);
    model = load(host, argv[1]);
    classify(model);
    explain_all(model);
    map_of_the_photo(model);
    where_the_evidence_lies(model);
    in_no_time(model);
    check(lines > 0, "something was logged");
    scorecam_model_free(model);
    scorecam_host_free(host);
    puts("complete");
    return 0;
}
