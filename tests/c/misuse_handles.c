/* Handles that were freed, freed twice, are of another type, or never were handles, for every function. */
#include "misuse.h"

#include "misuse_backend.h"

/* One function that takes the handle, called with all else right. */
typedef struct taker {
    const char *parameter;
    int32_t (*call)(world *w, void *handle);
} taker;

/* Defines a taker's call: the world is `w`, the handle is `handle`. */
#define TAKER(name, expression) \
    static int32_t name(world *w, void *handle) \
    { \
        (void)w; \
        return expression; \
    }

static uint64_t number;
static double measured;
static const char *text;
static const float *values;
static scorecam_model *a_model;
static scorecam_explanation *an_explanation;
static scorecam_plugin_info plugin_info = SCORECAM_PLUGIN_INFO_INIT;
static scorecam_layer_info layer_info = SCORECAM_LAYER_INFO_INIT;
static scorecam_model_info model_info_out = SCORECAM_MODEL_INFO_INIT;
static scorecam_explanation_info explanation_info_out = SCORECAM_EXPLANATION_INFO_INIT;
static scorecam_placement placement = SCORECAM_PLACEMENT_INIT;
static const scorecam_method_description *a_method;
static float pixels[16];
static scorecam_target target = SCORECAM_TARGET_INIT;
static scorecam_backend engine;
static const scorecam_box whole = {{0, 0, SIDE, SIDE}, 0};
static const scorecam_region region = {sizeof region, 0, &whole, 1, NULL};
static scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;

TAKER(host_free, scorecam_host_free(handle))
TAKER(load_plugin, scorecam_host_load_plugin(handle, w->plugin))
TAKER(plugin_count, scorecam_host_plugin_count(&number, handle))
TAKER(plugin_get, scorecam_host_plugin(&plugin_info, handle, 0))
TAKER(model_load, scorecam_model_load(&a_model, handle, w->model_path, NULL))
TAKER(from_backend, scorecam_model_from_backend(&a_model, handle, &engine, NULL, NULL))
TAKER(add_plugin, scorecam_host_add_plugin(handle, NULL))
TAKER(method_of, scorecam_host_method(&a_method, handle, "score-cam"))
TAKER(model_free, scorecam_model_free(handle))
TAKER(model_info, scorecam_model_describe(&model_info_out, handle))
TAKER(layer, scorecam_model_layer(&layer_info, handle, 0))
TAKER(class_of, scorecam_model_find_class(&number, handle, "1"))
TAKER(label, scorecam_model_label(&text, handle, 0))
TAKER(explain, scorecam_explain(&an_explanation, handle, &w->photo, NULL))
TAKER(many, scorecam_explain_many(handle, NULL, 0, NULL, NULL, NULL))
TAKER(classify, scorecam_classify(NULL, NULL, 0, &number, handle, &w->photo))
TAKER(explanation_free, scorecam_explanation_free(handle))
TAKER(explanation_info, scorecam_explanation_describe(&explanation_info_out, handle))
TAKER(placement_of, scorecam_explanation_placement(&placement, handle))
TAKER(photo_map, scorecam_explanation_photo_map(pixels, 16, handle, 0, 4, 4))
TAKER(map, scorecam_explanation_map(&values, &number, &number, handle, 0))
TAKER(errors_of, scorecam_explanation_errors(&values, &number, &number, handle, 0))
TAKER(target_of, scorecam_explanation_target(&target, handle, 0))
TAKER(warning, scorecam_explanation_warning(&text, handle, 0))
TAKER(measure, scorecam_explanation_measure(&text, &measured, handle, 0))
TAKER(overlay, scorecam_explanation_overlay(w->drawn, sizeof w->drawn, handle, &w->photo, NULL))
TAKER(boxes_of, scorecam_explanation_boxes(NULL, 0, &number, handle, 0, NULL))
TAKER(region_of, scorecam_explanation_region(&evidence, handle, 0, &region))

static const taker HOST[] = {
    {"scorecam_host_free.host", host_free},
    {"scorecam_host_load_plugin.host", load_plugin},
    {"scorecam_host_add_plugin.host", add_plugin},
    {"scorecam_host_method.host", method_of},
    {"scorecam_host_plugin_count.host", plugin_count},
    {"scorecam_host_plugin.host", plugin_get},
    {"scorecam_model_load.host", model_load},
    {"scorecam_model_from_backend.host", from_backend},
    {NULL, NULL},
};
static const taker MODEL[] = {
    {"scorecam_model_free.model", model_free},
    {"scorecam_model_describe.model", model_info},
    {"scorecam_model_layer.model", layer},
    {"scorecam_model_find_class.model", class_of},
    {"scorecam_model_label.model", label},
    {"scorecam_explain.model", explain},
    {"scorecam_explain_many.model", many},
    {"scorecam_classify.model", classify},
    {NULL, NULL},
};
static const taker EXPLANATION[] = {
    {"scorecam_explanation_free.explanation", explanation_free},
    {"scorecam_explanation_describe.explanation", explanation_info},
    {"scorecam_explanation_placement.explanation", placement_of},
    {"scorecam_explanation_photo_map.explanation", photo_map},
    {"scorecam_explanation_map.explanation", map},
    {"scorecam_explanation_errors.explanation", errors_of},
    {"scorecam_explanation_target.explanation", target_of},
    {"scorecam_explanation_warning.explanation", warning},
    {"scorecam_explanation_measure.explanation", measure},
    {"scorecam_explanation_overlay.explanation", overlay},
    {"scorecam_explanation_boxes.explanation", boxes_of},
    {"scorecam_explanation_region.explanation", region_of},
    {NULL, NULL},
};

/* Handles of one type that are none, ended by NULL. */
typedef struct wrong {
    void *handles[16];
    const char *word;
} wrong;

static void refuse(world *w, const taker *takers, const wrong *wrong)
{
    for (; takers->parameter != NULL; takers++) {
        size_t i;
        printf("handle %s\n", takers->parameter);
        for (i = 0; wrong->handles[i] != NULL; i++) {
            expect(SCORECAM_ERR_INVALID_HANDLE, takers->call(w, wrong->handles[i]), wrong->word,
                   takers->parameter);
        }
    }
}

/* A thousand numbers from a generator of which nobody could guess a handle. */
static void refuse_random(world *w, const taker *takers)
{
    uint64_t random = 88172645463325252u;
    for (; takers->parameter != NULL; takers++) {
        int i;
        for (i = 0; i < 1000; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            demand(takers->call(w, (void *)(uintptr_t)(random | 1)) == SCORECAM_ERR_INVALID_HANDLE,
                   takers->parameter);
        }
    }
}

/* A freed handle, both of the other types, and addresses and numbers that never were one. */
static wrong wrong_for(void *freed, void *other, void *another, const char *word)
{
    static int in_data;
    static void *on_heap;
    int on_stack;
    wrong made;
    void *handles[] = {freed,
                       other,
                       another,
                       &on_stack,
                       &in_data,
                       NULL,
                       (void *)(uintptr_t)1,
                       (void *)(uintptr_t)0xdeadbeef,
                       (void *)UINTPTR_MAX,
                       (void *)((uintptr_t)freed ^ (uintptr_t)1),
                       (void *)((uintptr_t)freed + ((uintptr_t)1 << 33)),
                       (void *)((uintptr_t)freed | (uintptr_t)0xffffffff)};
    size_t i;
    if (on_heap == NULL) {
        on_heap = malloc(64);
        demand(on_heap != NULL, "64 bytes");
    }
    handles[5] = on_heap;
    memset(&made, 0, sizeof made);
    made.word = word;
    for (i = 0; i < sizeof handles / sizeof *handles; i++) {
        made.handles[i] = handles[i];
    }
    return made;
}

int main(int argc, char **argv)
{
    world w;
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explanation *explanation = NULL;
    wrong hosts, models, explanations;
    int i;
    engine = sound_backend();
    world_begin(&w, argc, argv);
    expect(SCORECAM_OK, scorecam_host_create(&host), NULL, "another host");
    expect(SCORECAM_OK, scorecam_model_load(&model, w.host, w.model_path, NULL), NULL, "another model");
    expect(SCORECAM_OK, scorecam_explain(&explanation, model, &w.photo, NULL), NULL, "another explanation");
    expect(SCORECAM_OK, scorecam_host_free(host), NULL, "free it");
    expect(SCORECAM_OK, scorecam_model_free(model), NULL, "free it");
    expect(SCORECAM_OK, scorecam_explanation_free(explanation), NULL, "free it");
    /* The slots are taken again, so that a freed handle meets a living object of its own type. */
    for (i = 0; i < 3; i++) {
        expect(SCORECAM_OK, scorecam_explain(&an_explanation, w.model, &w.photo, NULL), NULL, "take its slot");
        demand((void *)an_explanation != (void *)host && (void *)an_explanation != (void *)model
                   && an_explanation != explanation,
               "a handle is never given twice");
        expect(SCORECAM_OK, scorecam_explanation_free(an_explanation), NULL, "free it");
    }
    an_explanation = NULL;
    hosts = wrong_for(host, w.model, w.explanation, "scorecam_host");
    models = wrong_for(model, w.explanation, w.host, "scorecam_model");
    explanations = wrong_for(explanation, w.host, w.model, "scorecam_explanation");
    refuse(&w, HOST, &hosts);
    refuse(&w, MODEL, &models);
    refuse(&w, EXPLANATION, &explanations);
    refuse_random(&w, HOST);
    refuse_random(&w, MODEL);
    refuse_random(&w, EXPLANATION);
    demand(a_model == NULL && an_explanation == NULL, "no result was written");
    free(hosts.handles[5]);
    world_end(&w);
    return 0;
}
