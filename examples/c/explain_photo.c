/*
 * Explains a photo and draws the map over it, in plain C11:
 *     explain_photo PLUGIN MODEL PHOTO.ppm OVERLAY.ppm [CLASS [LAYER]]
 *
 * PLUGIN is the backend's file (libscorecam_onnx_cpu.so), MODEL a model or its manifest. PHOTO and OVERLAY are 8-bit
 * P6 PPM files. CLASS is a number or a label; "top", the default, is the class with the highest score. LAYER is one
 * of the model's layers. Build and run, from the repository's folder:
 *     cargo build --release
 *     cc -std=c11 -Iinclude examples/c/explain_photo.c -Ltarget/release -lscorecam -o explain_photo
 *     export LD_LIBRARY_PATH=target/release
 *     ./explain_photo target/release/libscorecam_onnx_cpu.so model.toml cat.ppm overlay.ppm
 * or against an installed scorecam, with examples/c/CMakeLists.txt.
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The photo, the overlay of its size, and everything that is freed at the end. */
typedef struct {
    scorecam_image photo;
    uint8_t *pixels;
    uint8_t *overlay;
    scorecam_host *host;
    scorecam_model *model;
    scorecam_explanation *explanation;
} work;

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, scorecam_last_error());
    return 1;
}

static int failed_file(const char *path, const char *what)
{
    fprintf(stderr, "%s %s\n", path, what);
    return 1;
}

/* Reads an 8-bit P6 PPM without comments in its header. */
static int read_ppm(work *w, const char *path)
{
    unsigned width = 0, height = 0, most = 0;
    size_t size;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return failed_file(path, "can't be opened");
    }
    if (fscanf(file, "P6 %u %u %u", &width, &height, &most) != 3 || fgetc(file) == EOF || most != 255
        || width == 0 || height == 0 || width > 65535 || height > 65535) {
        fclose(file);
        return failed_file(path, "is no P6 PPM of 8 bits");
    }
    size = (size_t)width * height * 3;
    w->pixels = malloc(size);
    w->overlay = malloc(size);
    if (w->pixels == NULL || w->overlay == NULL || fread(w->pixels, 1, size, file) != size) {
        fclose(file);
        return failed_file(path, "is cut short, or too large for the memory");
    }
    fclose(file);
    w->photo.data = w->pixels;
    w->photo.data_size = size;
    w->photo.width = width;
    w->photo.height = height;
    return 0;
}

static int write_ppm(const work *w, const char *path)
{
    FILE *file = fopen(path, "wb");
    int written;

    if (file == NULL) {
        return failed_file(path, "can't be written");
    }
    written = fprintf(file, "P6\n%u %u\n255\n", (unsigned)w->photo.width, (unsigned)w->photo.height) > 0
              && fwrite(w->overlay, 1, w->photo.data_size, file) == w->photo.data_size;
    if (fclose(file) != 0 || !written) {
        return failed_file(path, "can't be written");
    }
    return 0;
}

/* Explains the photo; `class_name` NULL takes the class with the highest score, `layer` NULL the default. */
static int explain(work *w, const char *class_name, const char *layer)
{
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    uint64_t class_index;

    options.layer = layer;
    if (class_name != NULL) {
        if (scorecam_model_find_class(&class_index, w->model, class_name) != SCORECAM_OK) {
            return failed("find the class");
        }
        options.classes = &class_index;
        options.class_count = 1;
    }
    if (scorecam_explain(&w->explanation, w->model, &w->photo, &options) != SCORECAM_OK) {
        return failed("explain");
    }
    if (scorecam_explanation_overlay(w->overlay, w->photo.data_size, w->explanation, &w->photo, NULL) != SCORECAM_OK) {
        return failed("draw the overlay");
    }
    return 0;
}

static int report(const scorecam_explanation *explanation)
{
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;

    if (scorecam_explanation_target(&target, explanation, 0) != SCORECAM_OK
        || scorecam_explanation_describe(&info, explanation) != SCORECAM_OK) {
        return failed("read the explanation");
    }
    printf("class %llu (%s), score %.3f; layer %s, %llu passes\n", (unsigned long long)target.class_index,
           target.label == NULL ? "no label" : target.label, target.score, info.layer,
           (unsigned long long)info.passes);
    return 0;
}

static int run(work *w, int argc, char **argv)
{
    const char *class_name = argc > 5 && strcmp(argv[5], "top") != 0 ? argv[5] : NULL;

    if (read_ppm(w, argv[3]) != 0) {
        return 1;
    }
    if (scorecam_host_create(&w->host) != SCORECAM_OK
        || scorecam_host_load_plugin(w->host, argv[1]) != SCORECAM_OK) {
        return failed("load the plugin");
    }
    if (scorecam_model_load(&w->model, w->host, argv[2], NULL) != SCORECAM_OK) {
        return failed("load the model");
    }
    if (explain(w, class_name, argc > 6 ? argv[6] : NULL) != 0 || write_ppm(w, argv[4]) != 0) {
        return 1;
    }
    return report(w->explanation);
}

int main(int argc, char **argv)
{
    work w = { SCORECAM_IMAGE_INIT, NULL, NULL, NULL, NULL, NULL };
    int status;

    if (argc < 5 || argc > 7) {
        fprintf(stderr, "usage: %s PLUGIN MODEL PHOTO.ppm OVERLAY.ppm [CLASS [LAYER]]\n", argv[0]);
        return 2;
    }
    status = run(&w, argc, argv);
    scorecam_explanation_free(w.explanation);
    scorecam_model_free(w.model);
    scorecam_host_free(w.host);
    free(w.overlay);
    free(w.pixels);
    return status;
}
