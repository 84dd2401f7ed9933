/*
 * What the misuse programs share: a world that works (host, model, photo, explanation), memory that ends
 * where a guard page begins, and `expect`, which checks a status and its message.
 *
 * Each program is run as PROGRAM PLUGIN MODEL FOLDER with the toy plugin, a toy model and a folder to write
 * to. It makes every mistake of its theme, prints a line for each and ends with 0 when each was answered as
 * the header says. The lines "status NAME" and "null FUNCTION.PARAMETER" (or "misaligned", "handle") are
 * read by the test, which compares them with the header, so that no status and no parameter is left out.
 */
#ifndef SCORECAM_TESTS_MISUSE_H
#define SCORECAM_TESTS_MISUSE_H

#define _DEFAULT_SOURCE
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIDE 32

typedef struct world {
    const char *plugin;
    const char *model_path;
    const char *folder;
    scorecam_host *host;
    scorecam_model *model;
    scorecam_explanation *explanation;
    scorecam_image photo;
    uint8_t pixels[SIDE * SIDE * 3];
    uint8_t drawn[SIDE * SIDE * 3];
} world;

/* Ends the program unless `status` is `expected` and, where it is a failure, the message has `word`. */
static inline void expect(int32_t expected, int32_t status, const char *word, const char *what)
{
    const char *message = scorecam_last_error();
    int told = expected == SCORECAM_OK || word == NULL || strstr(message, word) != NULL;
    if (status != expected || !told || (expected != SCORECAM_OK && message[0] == '\0')
        || strchr(message, '\n') != NULL) {
        fprintf(stderr, "%s: got %s, not %s with \"%s\"; the message is: %s\n", what,
                scorecam_status_name(status), scorecam_status_name(expected), word == NULL ? "" : word,
                message);
        exit(1);
    }
    printf("status %s\n%s%s%s\n", scorecam_status_name(status), what, expected == SCORECAM_OK ? "" : ": ",
           expected == SCORECAM_OK ? "" : message);
}

/* Ends the program unless `true_now`. */
static inline void demand(int true_now, const char *what)
{
    if (!true_now) {
        fprintf(stderr, "not so: %s; the last message is: %s\n", what, scorecam_last_error());
        exit(1);
    }
}

/* The last `size` bytes before a page that can be neither read nor written; freed when the program ends. */
static inline void *guarded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (size + page - 1) / page * page;
    char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + whole, page, PROT_NONE) != 0) {
        perror("a guard page");
        exit(1);
    }
    return memory + whole - size;
}

static inline const char *path_in(const world *w, const char *name)
{
    static char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", w->folder, name) >= (int)sizeof path) {
        fprintf(stderr, "%s is too long\n", w->folder);
        exit(1);
    }
    return path;
}

/* Writes a text file into the folder and returns its path, which the next call overwrites. */
static inline const char *write_file(const world *w, const char *name, const char *text)
{
    const char *path = path_in(w, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    return path;
}

static inline void world_begin(world *w, int argc, char **argv)
{
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    size_t i;
    if (argc != 4) {
        fprintf(stderr, "usage: %s PLUGIN MODEL FOLDER\n", argv[0]);
        exit(2);
    }
    memset(w, 0, sizeof *w);
    w->plugin = argv[1];
    w->model_path = argv[2];
    w->folder = argv[3];
    for (i = 0; i < sizeof w->pixels; i++) {
        w->pixels[i] = (uint8_t)(i * 37 % 251);
    }
    w->photo = photo;
    w->photo.data = w->pixels;
    w->photo.data_size = sizeof w->pixels;
    w->photo.width = SIDE;
    w->photo.height = SIDE;
    expect(SCORECAM_OK, scorecam_host_create(&w->host), NULL, "make a host");
    expect(SCORECAM_OK, scorecam_host_load_plugin(w->host, w->plugin), NULL, "load the plugin");
    expect(SCORECAM_OK, scorecam_model_load(&w->model, w->host, w->model_path, NULL), NULL, "load the model");
    expect(SCORECAM_OK, scorecam_explain(&w->explanation, w->model, &w->photo, NULL), NULL, "explain");
}

/* After all the mistakes the world must still work as on its first day. */
static inline void world_end(world *w)
{
    scorecam_explanation *again = NULL;
    const float *first, *second;
    uint64_t height, width;
    expect(SCORECAM_OK, scorecam_explain(&again, w->model, &w->photo, NULL), NULL, "explain once more");
    expect(SCORECAM_OK, scorecam_explanation_map(&first, &height, &width, w->explanation, 0), NULL, "a map");
    expect(SCORECAM_OK, scorecam_explanation_map(&second, &height, &width, again, 0), NULL, "the other map");
    demand(memcmp(first, second, (size_t)(height * width) * sizeof *first) == 0, "both maps are equal");
    expect(SCORECAM_OK, scorecam_explanation_free(again), NULL, "free an explanation");
    expect(SCORECAM_OK, scorecam_explanation_free(w->explanation), NULL, "free the explanation");
    expect(SCORECAM_OK, scorecam_model_free(w->model), NULL, "free the model");
    expect(SCORECAM_OK, scorecam_host_free(w->host), NULL, "free the host");
    puts("done");
}

#endif
