/* Every pointer parameter NULL in turn, and every result that is written in one piece at an odd address. */
#include "misuse.h"

#include "misuse_backend.h"

/* One call with its parameter wrong; `arguments` stand in brackets. */
#define ROW(mistake, function, parameter, expected, word, arguments) \
    row(mistake " " #function "." #parameter, expected, function arguments, word)
#define NULL_ROW(function, parameter, status, word, arguments) \
    ROW("null", function, parameter, SCORECAM_ERR_##status, word, arguments)
#define NULL_IS_RIGHT(function, parameter, arguments) \
    ROW("null", function, parameter, SCORECAM_OK, NULL, arguments)
#define MISALIGNED(function, parameter, arguments) \
    ROW("misaligned", function, parameter, SCORECAM_ERR_INVALID_ARGUMENT, #parameter " is not aligned", arguments)

static void row(const char *what, int32_t expected, int32_t status, const char *word)
{
    expect(expected, status, word, what);
}

static void null_hosts_and_models(world *w)
{
    scorecam_plugin_info plugin = SCORECAM_PLUGIN_INFO_INIT;
    scorecam_layer_info layer = SCORECAM_LAYER_INFO_INIT;
    scorecam_model_info info = SCORECAM_MODEL_INFO_INIT;
    const scorecam_method_description *method;
    scorecam_model *model = NULL;
    scorecam_backend engine = sound_backend();
    const char *label;
    uint64_t n;
    NULL_ROW(scorecam_host_create, out, INVALID_ARGUMENT, "out is NULL", (NULL));
    NULL_IS_RIGHT(scorecam_host_free, host, (NULL));
    NULL_ROW(scorecam_host_load_plugin, host, INVALID_HANDLE, "scorecam_host", (NULL, w->plugin));
    NULL_ROW(scorecam_host_load_plugin, path, INVALID_ARGUMENT, "path is NULL", (w->host, NULL));
    NULL_ROW(scorecam_host_add_plugin, host, INVALID_HANDLE, "scorecam_host", (NULL, NULL));
    NULL_ROW(scorecam_host_add_plugin, plugin, INVALID_ARGUMENT, "plugin is NULL", (w->host, NULL));
    NULL_ROW(scorecam_host_method, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->host, "score-cam"));
    NULL_ROW(scorecam_host_method, host, INVALID_HANDLE, "scorecam_host", (&method, NULL, "score-cam"));
    NULL_ROW(scorecam_host_method, id, INVALID_ARGUMENT, "id is NULL", (&method, w->host, NULL));
    NULL_ROW(scorecam_host_plugin_count, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->host));
    NULL_ROW(scorecam_host_plugin_count, host, INVALID_HANDLE, "scorecam_host", (&n, NULL));
    NULL_ROW(scorecam_host_plugin, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->host, 0));
    NULL_ROW(scorecam_host_plugin, host, INVALID_HANDLE, "scorecam_host", (&plugin, NULL, 0));
    NULL_ROW(scorecam_model_load, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->host, w->model_path, NULL));
    NULL_ROW(scorecam_model_load, host, INVALID_HANDLE, "scorecam_host", (&model, NULL, w->model_path, NULL));
    NULL_ROW(scorecam_model_load, path, INVALID_ARGUMENT, "path is NULL", (&model, w->host, NULL, NULL));
    NULL_IS_RIGHT(scorecam_model_load, options, (&model, w->host, w->model_path, NULL));
    NULL_IS_RIGHT(scorecam_model_free, model, (NULL));
    scorecam_model_free(model);
    NULL_ROW(scorecam_model_from_backend, out, INVALID_ARGUMENT, "out is NULL",
             (NULL, w->host, &engine, NULL, NULL));
    NULL_ROW(scorecam_model_from_backend, host, INVALID_HANDLE, "scorecam_host",
             (&model, NULL, &engine, NULL, NULL));
    NULL_ROW(scorecam_model_from_backend, backend, INVALID_ARGUMENT, "backend is NULL",
             (&model, w->host, NULL, NULL, NULL));
    NULL_IS_RIGHT(scorecam_model_from_backend, user_data, (&model, w->host, &engine, NULL, NULL));
    scorecam_model_free(model);
    NULL_IS_RIGHT(scorecam_model_from_backend, options, (&model, w->host, &engine, w, NULL));
    scorecam_model_free(model);
    NULL_ROW(scorecam_model_describe, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->model));
    NULL_ROW(scorecam_model_describe, model, INVALID_HANDLE, "scorecam_model", (&info, NULL));
    NULL_ROW(scorecam_model_layer, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->model, 0));
    NULL_ROW(scorecam_model_layer, model, INVALID_HANDLE, "scorecam_model", (&layer, NULL, 0));
    NULL_ROW(scorecam_model_find_class, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->model, "3"));
    NULL_ROW(scorecam_model_find_class, model, INVALID_HANDLE, "scorecam_model", (&n, NULL, "3"));
    NULL_ROW(scorecam_model_find_class, text, INVALID_ARGUMENT, "text is NULL", (&n, w->model, NULL));
    NULL_ROW(scorecam_model_label, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->model, 0));
    NULL_ROW(scorecam_model_label, model, INVALID_HANDLE, "scorecam_model", (&label, NULL, 0));
}

static int32_t ignore(uint64_t index, scorecam_explanation *explanation, scorecam_status status, const char *error,
                      void *user_data)
{
    (void)index;
    (void)error;
    (void)user_data;
    demand(status == SCORECAM_OK, "an explanation");
    scorecam_explanation_free(explanation);
    return 0;
}

static void null_located(const scorecam_explanation *explanation)
{
    const scorecam_box_options options = SCORECAM_BOX_OPTIONS_INIT;
    const scorecam_box left = {{0, 0, SIDE / 2, SIDE}, 0};
    scorecam_region region = SCORECAM_REGION_INIT;
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    scorecam_box boxes[4];
    uint64_t n = 77;
    region.boxes = &left;
    region.box_count = 1;
    memset(boxes, 0x5a, sizeof boxes);
    NULL_ROW(scorecam_explanation_boxes, count, INVALID_ARGUMENT, "count is NULL",
             (boxes, 4, NULL, explanation, 0, &options));
    NULL_ROW(scorecam_explanation_boxes, explanation, INVALID_HANDLE, "scorecam_explanation",
             (boxes, 4, &n, NULL, 0, &options));
    demand(n == 77 && memcmp(&boxes[0], &boxes[1], sizeof *boxes) == 0, "a failed call writes nothing");
    NULL_IS_RIGHT(scorecam_explanation_boxes, boxes, (NULL, 4, &n, explanation, 0, &options));
    demand(n == 1, "the number alone");
    NULL_IS_RIGHT(scorecam_explanation_boxes, options, (boxes, 4, &n, explanation, 0, NULL));
    NULL_ROW(scorecam_explanation_region, out, INVALID_ARGUMENT, "out is NULL", (NULL, explanation, 0, &region));
    NULL_ROW(scorecam_explanation_region, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&evidence, NULL, 0, &region));
    NULL_ROW(scorecam_explanation_region, region, INVALID_ARGUMENT, "region is NULL", (&evidence, explanation, 0, NULL));
    demand(evidence.share == 0.0, "a failed call writes nothing");
}

static void null_explanations(world *w)
{
    scorecam_explanation *explanation = NULL;
    scorecam_target target = SCORECAM_TARGET_INIT;
    const float *data;
    const char *text;
    const scorecam_image *image = &w->photo;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;
    scorecam_placement placement = SCORECAM_PLACEMENT_INIT;
    double scores[64];
    float outputs[64];
    double measured = 77.0;
    uint64_t n, m;
    size_t size = sizeof w->drawn;
    NULL_ROW(scorecam_explain, out, INVALID_ARGUMENT, "out is NULL", (NULL, w->model, &w->photo, NULL));
    NULL_ROW(scorecam_explain, model, INVALID_HANDLE, "scorecam_model", (&explanation, NULL, &w->photo, NULL));
    NULL_ROW(scorecam_explain, image, INVALID_ARGUMENT, "image is NULL", (&explanation, w->model, NULL, NULL));
    demand(explanation == NULL, "a failed call writes no result");
    NULL_IS_RIGHT(scorecam_explain, options, (&explanation, w->model, &w->photo, NULL));
    NULL_IS_RIGHT(scorecam_explanation_free, explanation, (NULL));
    NULL_ROW(scorecam_explain_many, model, INVALID_HANDLE, "scorecam_model", (NULL, &image, 1, NULL, ignore, NULL));
    NULL_ROW(scorecam_explain_many, images, INVALID_ARGUMENT, "images is NULL",
             (w->model, NULL, 1, NULL, ignore, NULL));
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain_many(w->model, &image, 1, NULL, NULL, NULL), "found is NULL",
           "no callback");
    NULL_IS_RIGHT(scorecam_explain_many, options, (w->model, &image, 1, NULL, ignore, NULL));
    NULL_IS_RIGHT(scorecam_explain_many, user_data, (w->model, &image, 1, NULL, ignore, NULL));
    NULL_ROW(scorecam_classify, count, INVALID_ARGUMENT, "count is NULL",
             (scores, outputs, 64, NULL, w->model, &w->photo));
    NULL_ROW(scorecam_classify, model, INVALID_HANDLE, "scorecam_model", (scores, outputs, 64, &n, NULL, &w->photo));
    NULL_ROW(scorecam_classify, image, INVALID_ARGUMENT, "image is NULL", (scores, outputs, 64, &n, w->model, NULL));
    NULL_IS_RIGHT(scorecam_classify, scores, (NULL, outputs, 64, &n, w->model, &w->photo));
    NULL_IS_RIGHT(scorecam_classify, outputs, (scores, NULL, 64, &n, w->model, &w->photo));
    NULL_ROW(scorecam_explanation_describe, out, INVALID_ARGUMENT, "out is NULL", (NULL, explanation));
    NULL_ROW(scorecam_explanation_describe, explanation, INVALID_HANDLE, "scorecam_explanation", (&info, NULL));
    NULL_ROW(scorecam_explanation_placement, out, INVALID_ARGUMENT, "out is NULL", (NULL, explanation));
    NULL_ROW(scorecam_explanation_placement, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&placement, NULL));
    NULL_ROW(scorecam_explanation_photo_map, out, INVALID_ARGUMENT, "out is NULL", (NULL, 64, explanation, 0, 4, 4));
    NULL_ROW(scorecam_explanation_photo_map, explanation, INVALID_HANDLE, "scorecam_explanation",
             (outputs, 64, NULL, 0, 4, 4));
    n = m = 77;
    data = NULL;
    NULL_ROW(scorecam_explanation_map, data, INVALID_ARGUMENT, "data is NULL", (NULL, &n, &m, explanation, 0));
    NULL_ROW(scorecam_explanation_map, height, INVALID_ARGUMENT, "height is NULL",
             (&data, NULL, &m, explanation, 0));
    NULL_ROW(scorecam_explanation_map, width, INVALID_ARGUMENT, "width is NULL",
             (&data, &n, NULL, explanation, 0));
    NULL_ROW(scorecam_explanation_map, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&data, &n, &m, NULL, 0));
    NULL_ROW(scorecam_explanation_errors, data, INVALID_ARGUMENT, "data is NULL", (NULL, &n, &m, explanation, 0));
    NULL_ROW(scorecam_explanation_errors, height, INVALID_ARGUMENT, "height is NULL",
             (&data, NULL, &m, explanation, 0));
    NULL_ROW(scorecam_explanation_errors, width, INVALID_ARGUMENT, "width is NULL",
             (&data, &n, NULL, explanation, 0));
    NULL_ROW(scorecam_explanation_errors, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&data, &n, &m, NULL, 0));
    demand(n == 77 && m == 77 && data == NULL, "a failed call writes nothing");
    NULL_ROW(scorecam_explanation_target, out, INVALID_ARGUMENT, "out is NULL", (NULL, explanation, 0));
    NULL_ROW(scorecam_explanation_target, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&target, NULL, 0));
    NULL_ROW(scorecam_explanation_warning, out, INVALID_ARGUMENT, "out is NULL", (NULL, explanation, 0));
    NULL_ROW(scorecam_explanation_warning, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&text, NULL, 0));
    text = NULL;
    NULL_ROW(scorecam_explanation_measure, name, INVALID_ARGUMENT, "name is NULL",
             (NULL, &measured, explanation, 0));
    NULL_ROW(scorecam_explanation_measure, value, INVALID_ARGUMENT, "value is NULL",
             (&text, NULL, explanation, 0));
    NULL_ROW(scorecam_explanation_measure, explanation, INVALID_HANDLE, "scorecam_explanation",
             (&text, &measured, NULL, 0));
    demand(text == NULL && measured == 77.0, "a failed call writes nothing");
    NULL_ROW(scorecam_explanation_overlay, out, INVALID_ARGUMENT, "out is NULL", (NULL, size, explanation, &w->photo, NULL));
    NULL_ROW(scorecam_explanation_overlay, explanation, INVALID_HANDLE, "scorecam_explanation",
             (w->drawn, size, NULL, &w->photo, NULL));
    NULL_ROW(scorecam_explanation_overlay, photo, INVALID_ARGUMENT, "photo is NULL",
             (w->drawn, size, explanation, NULL, NULL));
    NULL_IS_RIGHT(scorecam_explanation_overlay, options, (w->drawn, size, explanation, &w->photo, NULL));
    null_located(explanation);
    scorecam_explanation_free(explanation);
}

static void misaligned(world *w)
{
    union {
        uint64_t number;
        char bytes[2 * sizeof(uint64_t)];
    } memory;
    void *odd = memory.bytes + 1;
    scorecam_backend engine = sound_backend();
    const float *data;
    const char *text;
    double measured;
    uint64_t n;
    memset(&memory, 0x5a, sizeof memory);
    MISALIGNED(scorecam_host_create, out, (odd));
    MISALIGNED(scorecam_host_plugin_count, out, (odd, w->host));
    MISALIGNED(scorecam_model_load, out, (odd, w->host, w->model_path, NULL));
    MISALIGNED(scorecam_model_from_backend, out, (odd, w->host, &engine, NULL, NULL));
    MISALIGNED(scorecam_host_method, out, (odd, w->host, "score-cam"));
    MISALIGNED(scorecam_model_find_class, out, (odd, w->model, "3"));
    MISALIGNED(scorecam_model_label, out, (odd, w->model, 0));
    MISALIGNED(scorecam_explain, out, (odd, w->model, &w->photo, NULL));
    MISALIGNED(scorecam_classify, count, (NULL, NULL, 0, odd, w->model, &w->photo));
    MISALIGNED(scorecam_classify, scores, (odd, NULL, 64, &n, w->model, &w->photo));
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_classify(NULL, odd, 64, &n, w->model, &w->photo), "not aligned",
           "outputs at an odd address");
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explanation_photo_map(odd, 64, w->explanation, 0, 4, 4),
           "not aligned", "a map at an odd address");
    MISALIGNED(scorecam_explanation_map, data, (odd, &n, &n, w->explanation, 0));
    MISALIGNED(scorecam_explanation_map, height, (&data, odd, &n, w->explanation, 0));
    MISALIGNED(scorecam_explanation_map, width, (&data, &n, odd, w->explanation, 0));
    MISALIGNED(scorecam_explanation_errors, data, (odd, &n, &n, w->explanation, 0));
    MISALIGNED(scorecam_explanation_errors, height, (&data, odd, &n, w->explanation, 0));
    MISALIGNED(scorecam_explanation_errors, width, (&data, &n, odd, w->explanation, 0));
    MISALIGNED(scorecam_explanation_warning, out, (odd, w->explanation, 0));
    MISALIGNED(scorecam_explanation_measure, name, (odd, &measured, w->explanation, 0));
    MISALIGNED(scorecam_explanation_measure, value, (&text, odd, w->explanation, 0));
    MISALIGNED(scorecam_explanation_boxes, count, (NULL, 0, odd, w->explanation, 0, NULL));
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explanation_boxes(odd, 1, &n, w->explanation, 0, NULL),
           "boxes is not aligned", "boxes at an odd address");
    memset(&engine, 0, sizeof engine);
    demand(memory.bytes[0] == 0x5a && memory.bytes[8] == 0x5a, "nothing was written to an odd address");
}

/* What takes no pointer can hardly be misused; it is called all the same, and with numbers that are none. */
static void no_pointers(void)
{
    demand(strcmp(scorecam_version(), "") != 0, "a version");
    demand(scorecam_abi_version() == SCORECAM_ABI_VERSION, "the header's ABI version");
    demand(scorecam_last_error() != NULL, "a message");
    demand(strcmp(scorecam_status_name(INT32_MIN), "unknown status") == 0, "no name for no status");
    demand(strcmp(scorecam_status_name(INT32_MAX), "unknown status") == 0, "no name for no status");
    demand(scorecam_log_to(NULL, SCORECAM_LOG_WARN, NULL) == SCORECAM_ERR_INVALID_ARGUMENT, "a log is needed");
    puts("null scorecam_log_to.user_data\nnull scorecam_version\nnull scorecam_abi_version\nnull scorecam_last_error\nnull scorecam_status_name");
}

int main(int argc, char **argv)
{
    world w;
    world_begin(&w, argc, argv);
    null_hosts_and_models(&w);
    null_explanations(&w);
    misaligned(&w);
    no_pointers();
    world_end(&w);
    return 0;
}
