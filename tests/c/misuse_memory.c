/*
 * What does not fit into memory is refused, not died of. The address space is limited for it, so this runs
 * neither under a sanitizer nor under valgrind, which need theirs.
 */
#include "misuse.h"

#include <sys/resource.h>

#define CLASSES ((uint64_t)1 << 20)

/* Address space in use, in bytes. */
static size_t in_use(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    demand(file != NULL && fscanf(file, "%lu", &pages) == 1, "the size of this process");
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    /* Readable zeros that take no memory. */
    const size_t size = (size_t)1 << 30;
    void *zeros = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    scorecam_image photo = SCORECAM_IMAGE_INIT, tensor = SCORECAM_TENSOR_INIT;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_option output = {"output", "32768x32768"};
    scorecam_explanation *explanation = NULL;
    uint64_t *classes = calloc(CLASSES, sizeof *classes);
    struct rlimit limit;
    world w;
    world_begin(&w, argc, argv);
    demand(zeros != MAP_FAILED && classes != NULL, "a gibibyte of zeros, and 8 MiB");
    demand(getrlimit(RLIMIT_AS, &limit) == 0, "the limit");
    limit.rlim_cur = in_use() + ((rlim_t)256 << 20);
    demand(setrlimit(RLIMIT_AS, &limit) == 0, "a limit");
    photo.data = tensor.data = zeros;
    photo.data_size = tensor.data_size = size;
    photo.width = photo.height = 16384;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &photo, NULL), "memory",
           "a photo of 768 MiB");
    expect(SCORECAM_ERR_INVALID_ARGUMENT,
           scorecam_explanation_overlay(w.drawn, sizeof w.drawn, w.explanation, &photo, NULL), "memory", "an overlay over it");
    tensor.channels = 1;
    tensor.width = tensor.height = 16384;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &tensor, NULL), "memory",
           "a tensor of 1 GiB");
    options.options = &output;
    options.option_count = 1;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &w.photo, &options), "memory",
           "a map of 8 GiB");
    output.value = "3000x3000";
    options.top_k = 10;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &w.photo, &options), "memory",
           "ten maps of 34 MiB each");
    options.top_k = 0;
    options.option_count = 0;
    options.classes = classes;
    options.class_count = CLASSES;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &w.photo, &options), "twice",
           "a million times the same class");
    free(classes);
    world_end(&w);
    return 0;
}
