/* Strings, arrays, numbers and images that are wrong; what may be read ends at a guard page. */
#include "misuse.h"

#include <math.h>

#define WRONG SCORECAM_ERR_INVALID_ARGUMENT

static int32_t explain(world *w, const scorecam_image *image, const scorecam_explain_options *options)
{
    scorecam_explanation *explanation = NULL;
    int32_t status = scorecam_explain(&explanation, w->model, image, options);
    demand((explanation != NULL) == (status == SCORECAM_OK), "a result comes with success only");
    scorecam_explanation_free(explanation);
    return status;
}

/* A string as long as the limit without its NUL; the byte behind it cannot be read. */
static const char *endless(void)
{
    char *text = guarded(SCORECAM_MAX_STRING);
    memset(text, 'a', SCORECAM_MAX_STRING);
    return text;
}

static void strings(world *w)
{
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_overlay_options overlay = SCORECAM_OVERLAY_OPTIONS_INIT;
    scorecam_model_options loading = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_model *model = NULL;
    const char *bad[2];
    const char *words[2] = {"does not end within 4096", "not UTF-8"};
    scorecam_option option;
    uint64_t n;
    size_t i;
    bad[0] = endless();
    bad[1] = "gr\xfcn";
    for (i = 0; i < 2; i++) {
        const char **texts[] = {&options.method, &options.preset, &options.layer};
        const char **loads[] = {&loading.backend, &loading.layer, &loading.device};
        size_t t;
        expect(WRONG, scorecam_host_load_plugin(w->host, bad[i]), words[i], "load_plugin.path");
        expect(WRONG, scorecam_model_load(&model, w->host, bad[i], NULL), words[i], "model_load.path");
        expect(WRONG, scorecam_model_find_class(&n, w->model, bad[i]), words[i], "model_class.text");
        for (t = 0; t < 3; t++) {
            *texts[t] = bad[i];
            expect(WRONG, explain(w, &w->photo, &options), words[i], "a string of scorecam_explain_options");
            *texts[t] = NULL;
            *loads[t] = bad[i];
            expect(WRONG, scorecam_model_load(&model, w->host, w->model_path, &loading), words[i],
                   "a string of scorecam_model_options");
            *loads[t] = NULL;
        }
        overlay.colormap = bad[i];
        expect(WRONG, scorecam_explanation_overlay(w->drawn, sizeof w->drawn, w->explanation, &w->photo, &overlay),
               words[i], "options.colormap");
        option.name = bad[i];
        option.value = "1";
        options.options = &option;
        options.option_count = 1;
        expect(WRONG, explain(w, &w->photo, &options), words[i], "an option's name");
        option.name = "batch";
        option.value = bad[i];
        expect(WRONG, explain(w, &w->photo, &options), words[i], "an option's value");
        options.option_count = 0;
    }
    expect(SCORECAM_ERR_IO, scorecam_host_load_plugin(w->host, path_in(w, "none.so")), "none.so", "no such plugin");
    expect(SCORECAM_ERR_PLUGIN, scorecam_host_load_plugin(w->host, write_file(w, "text.so", "no plugin")), "text.so",
           "a text as plugin");
    expect(SCORECAM_ERR_IO, scorecam_model_load(&model, w->host, path_in(w, "none.toy"), NULL), "none.toy",
           "no such model");
    expect(SCORECAM_ERR_MODEL, scorecam_model_load(&model, w->host, write_file(w, "bad.toy", "classes = x"), NULL),
           "bad.toy", "a broken model");
    expect(SCORECAM_ERR_NOT_FOUND, scorecam_model_find_class(&n, w->model, "no such label"), "no such label", "a label");
    demand(model == NULL, "no model was made");
}

static void arrays(world *w)
{
    static const uint64_t counts[] = {1, 2, UINT64_MAX / 16, UINT64_MAX};
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_model_options loading = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_option *none = guarded(0), nameless = {NULL, "1"}, valueless = {"layer", NULL};
    uint64_t classes[2] = {0, 1};
    scorecam_model *model = NULL;
    size_t i;
    for (i = 0; i < sizeof counts / sizeof *counts; i++) {
        options.option_count = counts[i];
        expect(WRONG, explain(w, &w->photo, &options), "options.options is NULL", "options NULL");
        options.option_count = 0;
        options.class_count = counts[i];
        expect(WRONG, explain(w, &w->photo, &options), "options.classes is NULL", "classes NULL");
        options.class_count = 0;
        loading.setting_count = counts[i];
        expect(WRONG, scorecam_model_load(&model, w->host, w->model_path, &loading),
               "options.settings is NULL", "settings NULL");
    }
    options.classes = classes;
    options.class_count = UINT64_MAX;
    expect(WRONG, explain(w, &w->photo, &options), "more elements than memory", "2^64 - 1 classes");
    options.classes = (const uint64_t *)(const void *)((const char *)classes + 1);
    options.class_count = 1;
    expect(WRONG, explain(w, &w->photo, &options), "not aligned", "classes at an odd address");
    options.classes = (const uint64_t *)(const void *)none;
    options.class_count = 0;
    options.options = none;
    expect(SCORECAM_OK, explain(w, &w->photo, &options), NULL, "empty arrays are not read");
    options.options = &nameless;
    options.option_count = 1;
    expect(WRONG, explain(w, &w->photo, &options), "a name in options.options is NULL", "an option without name");
    options.options = &valueless;
    expect(WRONG, explain(w, &w->photo, &options), "the value of \"layer\"", "an option without value");
    loading.settings = &nameless;
    loading.setting_count = 1;
    expect(WRONG, scorecam_model_load(&model, w->host, w->model_path, &loading), "is NULL", "a nameless setting");
}

static int32_t cancel(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)passes;
    (void)expected;
    (void)user_data;
    return -1;
}

static int32_t unwanted(uint64_t index, scorecam_explanation *explanation, scorecam_status status, const char *error,
                        void *user_data)
{
    (void)index;
    (void)status;
    (void)error;
    (void)user_data;
    scorecam_explanation_free(explanation);
    return 0;
}

static void numbers(world *w)
{
    const scorecam_image *photo = &w->photo;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    uint64_t classes[2] = {1, UINT64_MAX};
    scorecam_plugin_info plugin = SCORECAM_PLUGIN_INFO_INIT;
    scorecam_layer_info layer = SCORECAM_LAYER_INFO_INIT;
    scorecam_target target = SCORECAM_TARGET_INIT;
    const char *text = "";
    const float *map;
    double measured;
    uint64_t n;
    scorecam_explanation *late;
    options.jobs = 65;
    expect(WRONG, explain(w, &w->photo, &options), "options.jobs", "65 images at work at once");
    options.jobs = 0;
    options.augment = 2;
    expect(WRONG, explain(w, &w->photo, &options), "options.augment", "mirrored twice");
    options.augment = 0;
    options.fuse = "sum";
    expect(WRONG, explain(w, &w->photo, &options), "mean, max or product", "a way to fuse that there is not");
    options.fuse = NULL;
    options.previous = (const scorecam_explanation *)w->model;
    expect(SCORECAM_ERR_INVALID_HANDLE, explain(w, &w->photo, &options), "scorecam_explanation", "a model before a frame");
    expect(SCORECAM_OK, scorecam_explain(&late, w->model, &w->photo, NULL), NULL, "the frame before");
    options.previous = late;
    expect(SCORECAM_OK, explain(w, &w->photo, &options), NULL, "the next frame");
    expect(WRONG, scorecam_explain_many(w->model, &photo, 1, &options, unwanted, NULL), "options.previous",
           "one frame before many");
    scorecam_explanation_free(late);
    options.previous = NULL;
    options.time_limit = -1.0;
    expect(WRONG, explain(w, &w->photo, &options), "options.time_limit", "less than no time");
    options.time_limit = 1e-9;
    expect(SCORECAM_OK, scorecam_explain(&late, w->model, &w->photo, &options), NULL, "hardly any time");
    expect(SCORECAM_ERR_DEADLINE, scorecam_explanation_map(&map, &n, &n, late, 0), "time limit", "a map that never was");
    expect(SCORECAM_ERR_DEADLINE, scorecam_explanation_errors(&map, &n, &n, late, 0), "time limit", "errors of no map");
    scorecam_explanation_free(late);
    options.time_limit = NAN;
    expect(WRONG, explain(w, &w->photo, &options), "options.time_limit", "not a number");
    options.time_limit = 0.0;
    options.classes = classes;
    options.class_count = 2;
    expect(WRONG, explain(w, &w->photo, &options), "18446744073709551615", "a class that there is not");
    options.top_k = 1;
    expect(WRONG, explain(w, &w->photo, &options), "top_k", "classes and top_k");
    options.class_count = 0;
    options.top_k = UINT64_MAX;
    expect(WRONG, explain(w, &w->photo, &options), "top ", "2^64 - 1 classes");
    options.top_k = 0;
    options.batch_size = UINT64_MAX;
    expect(WRONG, explain(w, &w->photo, &options), "must be at most 4096", "2^64 - 1 images in a pass");
    options.batch_size = 4096;
    expect(SCORECAM_OK, explain(w, &w->photo, &options), NULL, "a batch of all masks");
    options.batch_size = 0;
    options.progress = cancel;
    expect(SCORECAM_ERR_CANCELLED, explain(w, &w->photo, &options), "cancelled", "cancel");
    options.progress = NULL;
    options.method = "no-cam";
    expect(SCORECAM_ERR_NOT_FOUND, explain(w, &w->photo, &options), "no-cam", "no such method");
    options.method = "grad-cam";
    expect(SCORECAM_ERR_UNSUPPORTED, explain(w, &w->photo, &options), "gradients", "a model without gradients");
    options.method = NULL;
    options.layer = "no-layer";
    expect(SCORECAM_ERR_NOT_FOUND, explain(w, &w->photo, &options), "no-layer", "no such layer");
    for (n = 1000000; n != 0; n = n == UINT64_MAX ? 0 : UINT64_MAX) {
        const float *data = NULL;
        uint64_t height, width;
        expect(WRONG, scorecam_host_plugin(&plugin, w->host, n), "out of range", "a plugin's index");
        expect(WRONG, scorecam_model_layer(&layer, w->model, n), "out of range", "a layer's index");
        expect(WRONG, scorecam_explanation_target(&target, w->explanation, n), "out of range", "a target's index");
        expect(WRONG, scorecam_explanation_map(&data, &height, &width, w->explanation, n), "out of range",
               "a map's index");
        expect(WRONG, scorecam_explanation_errors(&data, &height, &width, w->explanation, n), "out of range",
               "the index of errors");
        expect(WRONG, scorecam_explanation_warning(&text, w->explanation, n), "out of range", "a warning's index");
        expect(WRONG, scorecam_explanation_measure(&text, &measured, w->explanation, n), "out of range",
               "a measure's index");
        expect(WRONG, scorecam_model_label(&text, w->model, n), "out of range", "a label of no class");
        demand(data == NULL, "a failed call writes no map");
    }
    expect(SCORECAM_OK, scorecam_explanation_map(&map, &n, &n, w->explanation, 0), NULL, "one place for both sizes");
    expect(SCORECAM_ERR_UNSUPPORTED, scorecam_explanation_errors(&map, &n, &n, w->explanation, 0),
           "no standard errors; the method rise does", "errors of score-cam");
}

/* One field of an image changed, and the word that the message must have. */
typedef struct field {
    size_t offset;
    size_t size;
    uint64_t value;
    const char *word;
} field;

#define FIELD(name, value, word) \
    {offsetof(scorecam_image, name), sizeof(((scorecam_image *)0)->name), value, word}

static void images(world *w, const scorecam_image *sound, const field *fields, size_t count)
{
    size_t i;
    expect(SCORECAM_OK, explain(w, sound, NULL), NULL, "a sound image");
    for (i = 0; i < count; i++) {
        const field *f = &fields[i];
        scorecam_image image = *sound;
        uint32_t narrow = (uint32_t)f->value;
        memcpy((char *)&image + f->offset, f->size == 4 ? (void *)&narrow : (void *)&f->value, f->size);
        expect(WRONG, explain(w, &image, NULL), f->word, "an image with a wrong field");
        expect(WRONG, scorecam_explanation_overlay(w->drawn, sizeof w->drawn, w->explanation, &image, NULL), NULL,
               "an overlay over it");
    }
}

static void photos(world *w)
{
    static const field fields[] = {
        FIELD(kind, 2, "image.kind"), FIELD(kind, UINT32_MAX, "image.kind"), FIELD(data, 0, "image.data is NULL"),
        FIELD(data_size, 0, "image.data_size"), FIELD(data_size, SIDE * SIDE * 3 - 1, "needs"),
        FIELD(data_size, UINT64_MAX, "more elements"),
        FIELD(width, 0, "each side"), FIELD(width, 65536, "each side"), FIELD(width, UINT64_MAX, "each side"),
        FIELD(width, 65535, "needs"), FIELD(height, 0, "each side"), FIELD(height, 65536, "each side"),
        FIELD(height, 65535, "needs"), FIELD(height, SIDE + 1, "needs"), FIELD(width, SIDE + 1, "needs"),
        FIELD(row_stride, SIDE * 3 - 1, "row stride"), FIELD(row_stride, SIDE * 3 + 1, "needs"),
        FIELD(row_stride, UINT64_MAX, "needs"), FIELD(row_stride, UINT64_MAX / SIDE, "needs"),
        FIELD(row_stride, (uint64_t)1 << 63, "needs"),
        FIELD(format, 6, "image.format"), FIELD(format, SCORECAM_PIXELS_RGBA, "needs"),
        FIELD(sample_type, 3, "image.sample_type"), FIELD(sample_type, SCORECAM_SAMPLES_U16, "needs"),
        FIELD(sample_type, SCORECAM_SAMPLES_F32, "needs"), FIELD(layout, 2, "image.layout"),
        FIELD(orientation, 9, "orientation"), FIELD(orientation, 256, "orientation"),
        FIELD(orientation, UINT32_MAX, "orientation"), FIELD(reserved, 1, "image.reserved"),
    };
    static const field planes[] = {
        FIELD(plane_stride, 1, "plane stride"), FIELD(plane_stride, UINT64_MAX, "needs"),
        FIELD(plane_stride, SIDE * SIDE + 1, "needs"), FIELD(row_stride, (uint64_t)1 << 60, "needs"),
    };
    scorecam_image photo = w->photo;
    uint8_t *pixels = guarded(sizeof w->pixels);
    float *samples = guarded(sizeof(float) * sizeof w->pixels);
    size_t i;
    memcpy(pixels, w->pixels, sizeof w->pixels);
    photo.data = pixels;
    images(w, &photo, fields, sizeof fields / sizeof *fields);
    for (i = 1; i <= 8; i++) {
        photo.orientation = (uint32_t)i;
        expect(SCORECAM_OK, explain(w, &photo, NULL), NULL, "every orientation reads what is there");
    }
    photo.orientation = 1;
    photo.layout = SCORECAM_LAYOUT_CHW;
    images(w, &photo, planes, sizeof planes / sizeof *planes);
    for (i = 0; i < sizeof w->pixels; i++) {
        samples[i] = (float)w->pixels[i] / 255.0f;
    }
    photo.data = samples;
    photo.data_size = sizeof(float) * sizeof w->pixels;
    photo.sample_type = SCORECAM_SAMPLES_F32;
    expect(SCORECAM_OK, explain(w, &photo, NULL), NULL, "f32 samples");
    samples[7] = NAN;
    expect(WRONG, explain(w, &photo, NULL), "NaN", "a sample that is not a number");
    samples[7] = 255.0f;
    expect(WRONG, explain(w, &photo, NULL), "255", "a sample of 255");
    photo.data = (const char *)samples - 1;
    expect(WRONG, explain(w, &photo, NULL), "not aligned", "samples at an odd address");
}

static void tensors(world *w)
{
    static const field fields[] = {
        FIELD(channels, 0, "no size may be 0"), FIELD(channels, 4, "needs"), FIELD(channels, UINT32_MAX, "needs"),
        FIELD(width, 0, "no size may be 0"), FIELD(width, UINT64_MAX, "more elements"),
        FIELD(height, (uint64_t)1 << 40, "needs"), FIELD(data_size, 3, "image.data_size"),
        FIELD(data_size, SIDE * SIDE * 3 * 4 - 1, "needs"), FIELD(data, 0, "image.data is NULL"),
        FIELD(row_stride, 128, "SCORECAM_TENSOR_INIT"), FIELD(layout, 0, "SCORECAM_TENSOR_INIT"),
        FIELD(sample_type, 0, "SCORECAM_TENSOR_INIT"), FIELD(orientation, 2, "SCORECAM_TENSOR_INIT"),
        FIELD(reserved, UINT32_MAX, "image.reserved"), FIELD(channels, 1, NULL),
    };
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_image tensor = SCORECAM_TENSOR_INIT;
    float *values = guarded(SIDE * SIDE * 3 * sizeof(float));
    size_t i;
    for (i = 0; i < SIDE * SIDE * 3; i++) {
        values[i] = (float)(i % 17) / 17.0f;
    }
    tensor.data = values;
    tensor.data_size = SIDE * SIDE * 3 * sizeof(float);
    tensor.width = tensor.height = SIDE;
    images(w, &tensor, fields, sizeof fields / sizeof *fields);
    options.reference = &tensor;
    tensor.channels = 1;
    expect(WRONG, explain(w, &w->photo, &options), "reference", "a reference of another shape");
    tensor.channels = 3;
    values[5] = NAN;
    expect(WRONG, explain(w, &tensor, NULL), "not finite", "a tensor with NaN");
    expect(WRONG, explain(w, &w->photo, &options), "not finite", "a reference with NaN");
    values[5] = INFINITY;
    expect(WRONG, explain(w, &tensor, NULL), "not finite", "a tensor with infinity");
}

static int32_t draw(world *w, size_t size, const scorecam_overlay_options *options)
{
    return scorecam_explanation_overlay(w->drawn, size, w->explanation, &w->photo, options);
}

static void overlays(world *w)
{
    scorecam_overlay_options options = SCORECAM_OVERLAY_OPTIONS_INIT;
    scorecam_image tensor = SCORECAM_TENSOR_INIT;
    float values[SIDE * SIDE * 3] = {0};
    static const float shares[] = {-0.01f, 1.01f, NAN, INFINITY, -INFINITY};
    size_t i;
    uint8_t *exact = guarded(sizeof w->drawn);
    expect(SCORECAM_OK, scorecam_explanation_overlay(exact, sizeof w->drawn, w->explanation, &w->photo, &options), NULL,
           "a buffer of just the size");
    memset(w->drawn, 0x5a, sizeof w->drawn);
    expect(SCORECAM_ERR_BUFFER_TOO_SMALL, draw(w, sizeof w->drawn - 1, &options), "3072", "a byte too little");
    expect(SCORECAM_ERR_BUFFER_TOO_SMALL, draw(w, 0, NULL), "needs 3072", "no room at all");
    options.row_stride = SIDE * 3 + 1;
    expect(SCORECAM_ERR_BUFFER_TOO_SMALL, draw(w, sizeof w->drawn, &options), "needs", "gaps that were forgotten");
    options.row_stride = UINT64_MAX;
    expect(SCORECAM_ERR_BUFFER_TOO_SMALL, draw(w, sizeof w->drawn, &options), "needs", "a stride over all memory");
    options.row_stride = SIDE * 3 - 1;
    expect(WRONG, draw(w, sizeof w->drawn, &options), "row_stride", "a stride that is too small");
    options.row_stride = 0;
    options.target = UINT64_MAX;
    expect(WRONG, draw(w, sizeof w->drawn, &options), "out of range", "a target that there is not");
    options.target = 0;
    options.colormap = "rainbow";
    demand(draw(w, sizeof w->drawn, &options) != SCORECAM_OK && strstr(scorecam_last_error(), "rainbow") != NULL,
           "no such colormap");
    options.colormap = NULL;
    for (i = 0; i < sizeof shares / sizeof *shares; i++) {
        options.opacity = shares[i];
        expect(WRONG, draw(w, sizeof w->drawn, &options), "opacity", "an opacity that is none");
    }
    tensor.data = values;
    tensor.data_size = sizeof values;
    tensor.width = tensor.height = SIDE;
    expect(WRONG, scorecam_explanation_overlay(w->drawn, sizeof w->drawn, w->explanation, &tensor, NULL), "photo is a tensor",
           "an overlay over a tensor");
    for (i = 0; i < sizeof w->drawn; i++) {
        demand(w->drawn[i] == 0x5a, "a failed call draws nothing");
    }
}

static int32_t measure(world *w, const scorecam_region *region)
{
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    int32_t status = scorecam_explanation_region(&evidence, w->explanation, 0, region);
    demand(status == SCORECAM_OK || evidence.share == 0.0, "a failed call writes nothing");
    return status;
}

static void boxes(world *w)
{
    static const double shares[] = {-0.01, 1.01, NAN, INFINITY, -INFINITY};
    scorecam_box_options options = SCORECAM_BOX_OPTIONS_INIT;
    scorecam_box *none = guarded(0), *one = guarded(sizeof *one);
    uint64_t count = 0;
    size_t i;
    options.areas = SCORECAM_BOXES_ALL;
    options.threshold = 0.9;
    expect(SCORECAM_OK, scorecam_explanation_boxes(none, 0, &count, w->explanation, 0, &options), NULL, "room for no box");
    demand(count > 0, "the boxes are counted all the same");
    expect(SCORECAM_OK, scorecam_explanation_boxes(one, 1, &count, w->explanation, 0, &options), NULL, "room for a box");
    demand(one->rect[0] < one->rect[2] && one->rect[3] <= SIDE && one->energy > 0.0, "the largest area's box");
    expect(WRONG, scorecam_explanation_boxes(one, 1, &count, w->explanation, 1, &options), "out of range",
           "a target that there is not");
    options.areas = 2;
    expect(WRONG, scorecam_explanation_boxes(one, 1, &count, w->explanation, 0, &options), "areas is 2", "no such areas");
    options.areas = SCORECAM_BOXES_LARGEST;
    for (i = 0; i < sizeof shares / sizeof *shares; i++) {
        options.threshold = shares[i];
        expect(WRONG, scorecam_explanation_boxes(one, 1, &count, w->explanation, 0, &options), "threshold",
               "a threshold that is none");
    }
}

static void regions(world *w)
{
    static const scorecam_box wrong[] = {{{9, 1, 9, 8}, 0},        {{1, 8, 9, 1}, 0},        {{NAN, 1, 9, 8}, 0},
                                         {{1, 1, INFINITY, 8}, 0}, {{40, 40, 50, 50}, 0}};
    static const scorecam_box most = {{-1e300, -5, 1e300, 1e9}, NAN};
    scorecam_region region = SCORECAM_REGION_INIT;
    scorecam_image mask = w->photo, tensor = SCORECAM_TENSOR_INIT;
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    static const uint8_t black[SIDE * SIDE * 3];
    size_t i;
    expect(WRONG, measure(w, &region), "or neither", "no region");
    region.boxes = &most;
    region.box_count = 1;
    expect(SCORECAM_OK, scorecam_explanation_region(&evidence, w->explanation, 0, &region), NULL, "all and more");
    demand(evidence.has_energy == 1 && evidence.energy == 1.0 && evidence.share == 1.0 && evidence.lift == 1.0
               && evidence.roc_area == 0.5 && evidence.pointing == 1 && evidence.rank_accuracy == 1.0,
           "all of the map lies there");
    region.mask = &mask;
    expect(WRONG, measure(w, &region), "boxes and a mask", "two regions");
    region.mask = NULL;
    region.reserved = 1;
    expect(WRONG, measure(w, &region), "reserved", "a reserved field");
    region.reserved = 0;
    expect(WRONG, scorecam_explanation_region(&evidence, w->explanation, 7, &region), "out of range", "target 7");
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        region.boxes = &wrong[i];
        expect(WRONG, measure(w, &region), "region.boxes", "a box that is none, or beside the photo");
    }
    region.boxes = (const scorecam_box *)(const void *)((const char *)wrong + 1);
    expect(WRONG, measure(w, &region), "not aligned", "boxes at an odd address");
    region.boxes = NULL;
    expect(WRONG, measure(w, &region), "region.boxes is NULL", "no boxes");
    region.boxes = wrong;
    region.box_count = UINT64_MAX;
    expect(WRONG, measure(w, &region), "memory", "boxes over all memory");
    region.boxes = NULL;
    region.box_count = 0;
    region.mask = &mask;
    mask.data = black;
    expect(WRONG, measure(w, &region), "lies outside", "a black mask");
    mask.width = SIDE / 2;
    expect(WRONG, measure(w, &region), "the mask has 16x32 pixels", "a mask of another size");
    mask.width = 0;
    expect(WRONG, measure(w, &region), "region.mask", "a mask of no size");
    region.mask = &tensor;
    tensor.data = black;
    tensor.data_size = sizeof black;
    tensor.width = tensor.height = 4;
    expect(WRONG, measure(w, &region), "tensor", "a tensor for a mask");
}

int main(int argc, char **argv)
{
    world w;
    world_begin(&w, argc, argv);
    strings(&w);
    arrays(&w);
    numbers(&w);
    photos(&w);
    tensors(&w);
    overlays(&w);
    boxes(&w);
    regions(&w);
    world_end(&w);
    return 0;
}
