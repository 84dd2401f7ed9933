/*
 * What does not fit into memory is refused, not died of. The address space is limited for it, so this runs
 * neither under a sanitizer nor under valgrind, which need theirs.
 */
#include "misuse.h"

#include <sys/resource.h>

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
    scorecam_explanation *explanation = NULL;
    struct rlimit limit;
    world w;
    world_begin(&w, argc, argv);
    demand(zeros != MAP_FAILED, "a gibibyte of zeros");
    demand(getrlimit(RLIMIT_AS, &limit) == 0, "the limit");
    limit.rlim_cur = in_use() + ((rlim_t)256 << 20);
    demand(setrlimit(RLIMIT_AS, &limit) == 0, "a limit");
    photo.data = tensor.data = zeros;
    photo.data_size = tensor.data_size = size;
    photo.width = photo.height = 16384;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &photo, NULL), "memory",
           "a photo of 768 MiB");
    expect(SCORECAM_ERR_INVALID_ARGUMENT,
           scorecam_overlay(w.drawn, sizeof w.drawn, w.explanation, &photo, NULL), "memory", "an overlay over it");
    tensor.channels = 1;
    tensor.width = tensor.height = 16384;
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_explain(&explanation, w.model, &tensor, NULL), "memory",
           "a tensor of 1 GiB");
    world_end(&w);
    return 0;
}
