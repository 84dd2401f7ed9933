/*
 * A C11 program that explains in children of fork, as docs/linux.md allows it: fork PLUGIN MODEL
 *
 * The parent makes a host and loads the plugin, which starts no thread, and forks twice. Each child loads the model,
 * explains, tells the parent about its map and leaves by _exit. Then the parent explains, too: all maps are equal.
 */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <sys/wait.h>

#define CHILDREN 2

static int threads_of_this_process(void)
{
    char line[256];
    int count = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        fail("threads", "/proc/self/status can't be read");
    }
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "Threads: %d", &count) != 1) {
    }
    fclose(status);
    return count;
}

/* Explains with a model of its own and returns a number made of the map's bits. */
static uint64_t explain(const scorecam_host *host, const char *path)
{
    static uint8_t pixels[PHOTO_BYTES];
    scorecam_image photo;
    scorecam_model_options options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_explain_options few = SCORECAM_EXPLAIN_OPTIONS_INIT;
    const scorecam_option passes[2] = {{"select", "std"}, {"select_count", "4"}};
    scorecam_model *model = NULL;
    scorecam_explanation *explanation = NULL;
    const float *map = NULL;
    uint64_t height = 0, width = 0, sum = 14695981039346656037u;
    size_t i;
    make_photo(&photo, pixels);
    /* Threads of the runtime, where it has any. */
    options.threads = 2;
    few.options = passes;
    few.option_count = 2;
    demand(scorecam_model_load(&model, host, path, &options), "load the model");
    demand(scorecam_explain(&explanation, model, &photo, &few), "explain");
    demand(scorecam_explanation_map(&map, &height, &width, explanation, 0), "read the map");
    for (i = 0; i < (size_t)(height * width) * sizeof *map; i++) {
        sum = (sum ^ ((const uint8_t *)map)[i]) * 1099511628211u;
    }
    demand(scorecam_explanation_free(explanation), "free the explanation");
    demand(scorecam_model_free(model), "free the model");
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t maps[CHILDREN], own;
    int ends[2], i, status = 0;
    scorecam_host *host = NULL;
    if (argc != 3 || pipe(ends) != 0) {
        fail("usage", "fork PLUGIN MODEL");
    }
    demand(scorecam_host_create(&host), "make a host");
    demand(scorecam_host_load_plugin(host, argv[1]), "load the plugin");
    if (threads_of_this_process() != 1) {
        fail("threads", "a host or a plugin has started a thread");
    }
    for (i = 0; i < CHILDREN; i++) {
        const pid_t child = fork();
        if (child == 0) {
            const uint64_t sum = explain(host, argv[2]);
            _exit(write(ends[1], &sum, sizeof sum) == (ssize_t)sizeof sum ? 0 : 1);
        }
        if (child < 0) {
            fail("fork", "it failed");
        }
    }
    for (i = 0; i < CHILDREN; i++) {
        if (wait(&status) < 0 || status != 0) {
            fail("child", "it did not end with 0");
        }
        if (read(ends[0], &maps[i], sizeof maps[i]) != (ssize_t)sizeof maps[i]) {
            fail("child", "it said nothing");
        }
    }
    own = explain(host, argv[2]);
    for (i = 0; i < CHILDREN; i++) {
        if (maps[i] != own) {
            fail("maps", "a child's differs from its parent's");
        }
    }
    demand(scorecam_host_free(host), "free the host");
    printf("%d children, equal maps\n", CHILDREN);
    return 0;
}
