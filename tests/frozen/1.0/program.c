/*
 * A program of 1.0: program PLUGIN MODEL. It calls every function of the header of 1.0 and prints what it gets, a
 * line each; the model has an input of one channel and 4 x 4 pixels, and a layer "blocks".
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int32_t status, const char *what)
{
    if (status != SCORECAM_OK) {
        printf("%s: %s: %s\n", what, scorecam_status_name(status), scorecam_last_error());
        exit(1);
    }
}

static int32_t count_calls(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)passes;
    (void)expected;
    ++*(int *)user_data;
    return 0;
}

static int32_t stop(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)expected;
    (void)user_data;
    return passes > 0;
}

/* An engine of the program's own: the score of class c is the input's pixel c; its layer is the input. */
static const scorecam_input_info own_inputs[] = {{"image", {4, 0, {1, 1, 4, 4}}, SCORECAM_F32, 1}};
static const scorecam_output_info own_outputs[] = {{"scores", {2, 0, {1, 3}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
static const scorecam_layer own_layers[] = {{"pixels", "Identity", {3, 0, {1, 4, 4}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};
static const scorecam_model_description own = {
    sizeof(scorecam_model_description), 0, own_inputs, 1, own_outputs, 1, 0, NULL, own_layers, 1, 0, 1, 1};

static int32_t own_describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    (void)model;
    (void)why;
    *out = &own;
    return SCORECAM_OK;
}

static int32_t own_forward(void *model, const scorecam_inputs *inputs, const char *const *wanted,
                           uint64_t wanted_count, scorecam_outputs *out, scorecam_message *why)
{
    static float scores[3], pixels[16];
    static scorecam_tensor made[4];
    static const scorecam_tensor kinds[] = {{scores, SCORECAM_CPU, SCORECAM_F32, 0, {2, 0, {1, 3}}},
                                            {pixels, SCORECAM_CPU, SCORECAM_F32, 0, {4, 0, {1, 1, 4, 4}}}};
    uint64_t i;
    (void)why;
    ++*(int *)model;
    memcpy(scores, inputs->images.data, sizeof scores);
    memcpy(pixels, inputs->images.data, sizeof pixels);
    for (i = 0; i < wanted_count && i < 4; i++) {
        made[i] = kinds[strcmp(wanted[i], "scores") != 0];
    }
    out->tensors = made;
    out->count = wanted_count;
    return SCORECAM_OK;
}

static void own_release(void *model)
{
    printf("own engine: %s\n", *(int *)model > 0 ? "ran, released" : "never ran");
}

static void print_explanation(const scorecam_explanation *found)
{
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    const char *name, *warning = "none";
    const float *map;
    double value;
    uint64_t height, width, i;
    must(scorecam_explanation_describe(&info, found), "describe");
    if (scorecam_explanation_errors(&map, &height, &width, found, 0) != SCORECAM_ERR_UNSUPPORTED) {
        printf("errors that no method here estimates\n");
    }
    must(scorecam_explanation_map(&map, &height, &width, found, 0), "map");
    must(scorecam_explanation_target(&target, found, 0), "target");
    if (info.warning_count > 0) {
        must(scorecam_explanation_warning(&warning, found, 0), "warning");
    }
    for (i = 0; i < info.measure_count; i++) {
        must(scorecam_explanation_measure(&name, &value, found, i), "measure");
        printf("%s is %g\n", name, value);
    }
    printf("%d maps of %dx%d, class %d, output %g, corners %g %g, %d passes, layer %s, warning: %s\n", (int)info.target_count,
           (int)height, (int)width, (int)target.class_index, target.output, (double)map[0],
           (double)map[height * width - 1], (int)info.passes, info.layer, warning);
}

static void explain_by(const scorecam_model *model, const scorecam_image *image, const char *method,
                       const char *preset)
{
    const uint64_t classes[] = {1, 0};
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_explanation *found;
    uint8_t picture[16 * 3];
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    scorecam_overlay_options drawn = SCORECAM_OVERLAY_OPTIONS_INIT;
    int calls = 0;
    options.method = method;
    options.preset = preset;
    options.classes = classes;
    options.class_count = 2;
    options.progress = count_calls;
    options.user_data = &calls;
    must(scorecam_explain(&found, model, image, &options), method);
    print_explanation(found);
    memset(picture, 128, sizeof picture);
    photo.data = picture;
    photo.data_size = sizeof picture;
    photo.width = photo.height = 4;
    drawn.colormap = "gray";
    must(scorecam_explanation_overlay(picture, sizeof picture, found, &photo, &drawn), "overlay");
    printf("progress %s, overlay %s\n", calls > 0 ? "told" : "silent", picture[0] != 128 ? "drawn" : "blank");
    must(scorecam_explanation_free(found), "free");
}


static int32_t collect(uint64_t index, scorecam_explanation *found, scorecam_status status, const char *error,
                       void *user_data)
{
    (void)error;
    must(status, "one of many");
    must(scorecam_explanation_free(found), "free");
    *(int *)user_data = (int)index + 1;
    return 0;
}

int main(int argc, char **argv)
{
    const scorecam_method_description *method;
    scorecam_placement placement = SCORECAM_PLACEMENT_INIT;
    scorecam_box_options great = SCORECAM_BOX_OPTIONS_INIT;
    scorecam_box box = {{0, 0, 2, 4}, 0};
    scorecam_region part = SCORECAM_REGION_INIT;
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    float outputs[16], map[16];
    const scorecam_image *images[1];
    scorecam_host *host;
    scorecam_model *model, *mine;
    scorecam_explanation *found = NULL;
    scorecam_plugin_info info = SCORECAM_PLUGIN_INFO_INIT;
    scorecam_model_options how = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_layer_info layer = SCORECAM_LAYER_INFO_INIT;
    scorecam_image image = SCORECAM_TENSOR_INIT;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_backend engine = {sizeof(scorecam_backend), 0, NULL, own_release, own_describe, own_forward, NULL};
    const float pixels[16] = {1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f};
    scorecam_model_info about = SCORECAM_MODEL_INFO_INIT;
    const char *label;
    uint64_t count, i, class_index;
    int runs = 0;
    int32_t status;
    if (argc != 3 || scorecam_version() == NULL || scorecam_abi_version() != SCORECAM_ABI_VERSION) {
        printf("give PLUGIN MODEL, and a library of ABI %d\n", SCORECAM_ABI_VERSION);
        return 2;
    }
    must(scorecam_host_create(&host), "host");
    must(scorecam_host_load_plugin(host, argv[1]), "plugin");
    must(scorecam_host_plugin_count(&count, host), "plugins");
    for (i = 0; i < count; i++) {
        must(scorecam_host_plugin(&info, host, i), "plugin");
        if (info.path != NULL) {
            printf("%s %s: %s (%s), abilities %u\n", info.id, info.version, info.summary, info.proof,
                   (unsigned)info.abilities);
        }
    }
    how.threads = 1;
    must(scorecam_model_load(&model, host, argv[2], &how), "model");
    must(scorecam_model_describe(&about, model), "describe");
    printf("backend %s, %s\n", about.backend, about.backend_reason == NULL ? "the only one" : about.backend_reason);
    count = about.layer_count;
    must(scorecam_model_layer(&layer, model, count - 1), "layer");
    must(scorecam_model_find_class(&class_index, model, "1"), "class");
    must(scorecam_model_label(&label, model, class_index), "label");
    printf("%d layers, the last %s (%s), class %d, label %s\n", (int)count, layer.name, layer.operation,
           (int)class_index, label == NULL ? "none" : label);
    image.data = pixels;
    image.data_size = sizeof pixels;
    image.width = image.height = 4;
    image.channels = 1;
    images[0] = &image;
    explain_by(model, &image, "score-cam", NULL);
    explain_by(model, &image, "grad-cam", NULL);
    explain_by(model, &image, "frozen-mean", "loud");
    must(scorecam_model_from_backend(&mine, host, &engine, &runs, NULL), "own engine");
    must(scorecam_explain(&found, mine, &image, NULL), "explain by the own engine");
    print_explanation(found);
    must(scorecam_explanation_free(found), "free");
    must(scorecam_model_free(mine), "free");
    options.progress = stop;
    status = scorecam_explain(&found, model, &image, &options);
    printf("stopped: %s\n", scorecam_status_name(status));
    options.method = "none-such";
    status = scorecam_explain(&found, model, &image, &options);
    printf("unknown: %s, %s\n", scorecam_status_name(status),
           strstr(scorecam_last_error(), "none-such") != NULL ? "by its name" : scorecam_last_error());
    must(scorecam_host_method(&method, host, "score-cam"), "method");
    must(scorecam_classify(NULL, outputs, 16, &count, model, &image), "classify");
    must(scorecam_explain(&found, model, &image, NULL), "explain");
    must(scorecam_explanation_placement(&placement, found), "placement");
    must(scorecam_explanation_photo_map(map, 16, found, 0, 4, 4), "photo map");
    part.boxes = &box;
    part.box_count = 1;
    must(scorecam_explanation_region(&evidence, found, 0, &part), "region");
    printf("on the left half %g, lift %g, rank %g, %s\n", evidence.energy, evidence.lift, evidence.rank_accuracy,
           evidence.pointing ? "the greatest, too" : "not the greatest");
    great.areas = SCORECAM_BOXES_ALL;
    great.threshold = 0.5;
    must(scorecam_explanation_boxes(&box, 1, &i, found, 0, &great), "boxes");
    printf("%d boxes, the first %g %g %g %g with %g\n", (int)i, box.rect[0], box.rect[1], box.rect[2], box.rect[3],
           box.energy);
    must(scorecam_explanation_free(found), "free");
    must(scorecam_explain_many(model, images, 1, NULL, collect, &runs), "explain many");
    printf("%d options, %d classes, input %dx%d, map %g, %d of many\n", (int)method->option_count, (int)count,
           (int)placement.input_width, (int)placement.input_height, (double)map[0], runs);
    printf("no table: %s, no log: %s\n", scorecam_status_name(scorecam_host_add_plugin(host, NULL)),
           scorecam_status_name(scorecam_log_to(NULL, SCORECAM_LOG_WARN, NULL)));
    must(scorecam_model_free(model), "free");
    printf("freed twice: %s\n", scorecam_status_name(scorecam_model_free(model)));
    must(scorecam_host_free(host), "free");
    return 0;
}
