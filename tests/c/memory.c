/*
 * A C11 program that explains until leaks would show: memory BACKEND MODEL COUNT
 *
 * Each of COUNT rounds makes a host, loads the plugin and the model, explains, draws, makes every kind of
 * mistake and frees it all; each tenth one does so on a thread of its own. Printed is the memory of the
 * process, in kB, before those rounds but after a fifth as many others, in which caches fill, and at the end.
 */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <pthread.h>

static struct {
    const char *backend, *model;
    scorecam_image photo;
    uint8_t pixels[PHOTO_BYTES];
} world;

static int32_t cancel(uint64_t passes, uint64_t expected, void *user_data)
{
    (void)passes;
    (void)expected;
    (void)user_data;
    return 1;
}

static void make_mistakes(const scorecam_host *host, const scorecam_model *model,
                          const scorecam_explain_options *options)
{
    scorecam_explain_options wrong = *options;
    scorecam_explanation *none = NULL;
    scorecam_model *no_model = NULL;
    scorecam_model_options model_options = SCORECAM_MODEL_OPTIONS_INIT;
    const uint64_t no_class = 1 << 20;
    expect(SCORECAM_ERR_IO, scorecam_host_load_plugin(host, "nothing.so"), "load nothing");
    expect(SCORECAM_ERR_PLUGIN, scorecam_host_load_plugin(host, world.model), "load a model as a plugin");
    expect(SCORECAM_ERR_IO, scorecam_model_load(&no_model, host, "nothing.toy", NULL), "load no model");
    model_options.layer = "nothing";
    expect(SCORECAM_ERR_NOT_FOUND, scorecam_model_load(&no_model, host, world.model, &model_options),
           "load with no such layer");
    wrong.progress = cancel;
    expect(SCORECAM_ERR_CANCELLED, scorecam_explain(&none, model, &world.photo, &wrong), "cancel");
    wrong = *options;
    wrong.preset = "nothing";
    expect(SCORECAM_ERR_NOT_FOUND, scorecam_explain(&none, model, &world.photo, &wrong), "preset");
    wrong = *options;
    wrong.classes = &no_class;
    wrong.class_count = 1;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&none, model, &world.photo, &wrong), "class");
    if (none != NULL || no_model != NULL) {
        fail("mistakes", "a failed call wrote a result");
    }
}

static void *one_round(void *argument)
{
    const scorecam_option few_passes[2] = {{"select", "std"}, {"select_count", "3"}};
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_model_options model_options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explanation *explanation = NULL;
    scorecam_plugin_info info = SCORECAM_PLUGIN_INFO_INIT;
    uint8_t overlay[PHOTO_BYTES];
    options.options = few_passes;
    options.option_count = 2;
    options.top_k = 2;
    model_options.threads = 1;
    demand(scorecam_host_create(&host), "create a host");
    demand(scorecam_host_load_plugin(host, world.backend), world.backend);
    demand(scorecam_host_plugin(&info, host, 2), "describe the backend");
    demand(scorecam_model_load(&model, host, world.model, &model_options), world.model);
    demand(scorecam_explain(&explanation, model, &world.photo, &options), "explain");
    demand(scorecam_explanation_overlay(overlay, sizeof overlay, explanation, &world.photo, NULL), "draw");
    make_mistakes(host, model, &options);
    demand(scorecam_host_free(host), "free the host");
    demand(scorecam_model_free(model), "free the model");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_explain(&explanation, model, &world.photo, &options),
           "explain with a freed model");
    demand(scorecam_explanation_free(explanation), "free the explanation");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_explanation_free(explanation), "free it again");
    return argument;
}

static void many_rounds(unsigned long count)
{
    unsigned long i;
    for (i = 0; i < count; i++) {
        pthread_t thread;
        if (i % 10 == 9) {
            pthread_create(&thread, NULL, one_round, NULL);
            pthread_join(thread, NULL);
        } else {
            one_round(NULL);
        }
    }
}

/* Memory that the process has in use, in kB. */
static long resident(void)
{
    long all = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &all, &pages) != 2) {
        fail("/proc/self/statm", "it can't be read; this test needs Linux");
    }
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
    unsigned long count;
    long before;
    if (argc != 4) {
        fprintf(stderr, "usage: %s BACKEND MODEL COUNT\n", argv[0]);
        return 2;
    }
    world.backend = argv[1];
    world.model = argv[2];
    count = strtoul(argv[3], NULL, 10);
    make_photo(&world.photo, world.pixels);
    many_rounds(count / 5);
    before = resident();
    many_rounds(count);
    printf("%ld %ld\n", before, resident());
    return 0;
}
