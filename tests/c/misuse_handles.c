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
static scorecam_target target = SCORECAM_TARGET_INIT;
static scorecam_backend engine;

TAKER(host_free, scorecam_host_free(handle))
TAKER(load_plugin, scorecam_load_plugin(handle, w->plugin))
TAKER(plugin_count, scorecam_plugin_count(&number, handle))
TAKER(plugin_get, scorecam_plugin_get(&plugin_info, handle, 0))
TAKER(model_load, scorecam_model_load(&a_model, handle, w->model_path, NULL))
TAKER(from_backend, scorecam_model_from_backend(&a_model, handle, &engine, NULL, NULL))
TAKER(model_free, scorecam_model_free(handle))
TAKER(backend_of, scorecam_model_backend(&text, handle))
TAKER(backend_reason, scorecam_model_backend_reason(&text, handle))
TAKER(layer_count, scorecam_model_layer_count(&number, handle))
TAKER(layer, scorecam_model_layer(&layer_info, handle, 0))
TAKER(class_of, scorecam_model_class(&number, handle, "1"))
TAKER(label, scorecam_model_label(&text, handle, 0))
TAKER(explain, scorecam_explain(&an_explanation, handle, &w->photo, NULL))
TAKER(explanation_free, scorecam_explanation_free(handle))
TAKER(count, scorecam_explanation_count(&number, handle))
TAKER(map, scorecam_explanation_map(&values, &number, &number, handle, 0))
TAKER(target_of, scorecam_explanation_target(&target, handle, 0))
TAKER(passes, scorecam_explanation_passes(&number, handle))
TAKER(layer_of, scorecam_explanation_layer(&text, handle))
TAKER(warning_count, scorecam_explanation_warning_count(&number, handle))
TAKER(warning, scorecam_explanation_warning(&text, handle, 0))
TAKER(measure_count, scorecam_explanation_measure_count(&number, handle))
TAKER(measure, scorecam_explanation_measure(&text, &measured, handle, 0))
TAKER(overlay, scorecam_overlay(w->drawn, sizeof w->drawn, handle, &w->photo, NULL))

static const taker HOST[] = {
    {"scorecam_host_free.host", host_free},
    {"scorecam_load_plugin.host", load_plugin},
    {"scorecam_plugin_count.host", plugin_count},
    {"scorecam_plugin_get.host", plugin_get},
    {"scorecam_model_load.host", model_load},
    {"scorecam_model_from_backend.host", from_backend},
    {NULL, NULL},
};
static const taker MODEL[] = {
    {"scorecam_model_free.model", model_free},
    {"scorecam_model_backend.model", backend_of},
    {"scorecam_model_backend_reason.model", backend_reason},
    {"scorecam_model_layer_count.model", layer_count},
    {"scorecam_model_layer.model", layer},
    {"scorecam_model_class.model", class_of},
    {"scorecam_model_label.model", label},
    {"scorecam_explain.model", explain},
    {NULL, NULL},
};
static const taker EXPLANATION[] = {
    {"scorecam_explanation_free.explanation", explanation_free},
    {"scorecam_explanation_count.explanation", count},
    {"scorecam_explanation_map.explanation", map},
    {"scorecam_explanation_target.explanation", target_of},
    {"scorecam_explanation_passes.explanation", passes},
    {"scorecam_explanation_layer.explanation", layer_of},
    {"scorecam_explanation_warning_count.explanation", warning_count},
    {"scorecam_explanation_warning.explanation", warning},
    {"scorecam_explanation_measure_count.explanation", measure_count},
    {"scorecam_explanation_measure.explanation", measure},
    {"scorecam_overlay.explanation", overlay},
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
