/*
 * Explains the photos of a folder, two at a time, within a time limit: explain_folder MODEL FOLDER [SECONDS]
 *
 * Photos are the files *.ppm: 8-bit P6. Prints the three likeliest classes of each photo, each with the position of
 * its strongest evidence, or a message if its passes took longer than SECONDS. Build against an installed scorecam:
 *     cc explain_folder.c $(pkg-config --cflags --libs scorecam) -o explain_folder
 */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scorecam.h"

/* Photos in memory. */
enum { AT_ONCE = 16 };

/* Reads an 8-bit P6 PPM, whose data the caller must free; returns no data for other files. */
static scorecam_image read_photo(const char *path)
{
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    FILE *file = fopen(path, "rb");
    void *pixels = NULL;

    if (file != NULL && fscanf(file, "P6 %5" SCNu64 " %5" SCNu64 " 255", &photo.width, &photo.height) == 2
        && fgetc(file) != EOF && (pixels = malloc(3 * photo.width * photo.height)) != NULL) {
        photo.data_size = fread(pixels, 1, 3 * photo.width * photo.height, file);
    }
    if (file != NULL) {
        fclose(file);
    }
    photo.data = pixels;
    return photo;
}

/* Prints the result of photo `index`. */
static int32_t print(uint64_t index, scorecam_explanation *found, scorecam_status status, const char *error, void *paths)
{
    const char *path = ((char **)paths)[index];
    scorecam_target target = SCORECAM_TARGET_INIT;
    const float *map;
    uint64_t i, at, best, height, width;

    if (status != SCORECAM_OK) {
        fprintf(stderr, "%s: %s\n", path, error);
        return 0;
    }
    for (i = 0; i < 3 && scorecam_explanation_target(&target, found, i) == SCORECAM_OK; i++) {
        printf("%s: %.3f %s", path, target.score, target.label == NULL ? target.text : target.label);
        if (scorecam_explanation_map(&map, &height, &width, found, i) != SCORECAM_OK) {
            printf("; %s\n", scorecam_last_error());
            continue;
        }
        for (at = best = 0; at < height * width; at++) {
            best = map[at] > map[best] ? at : best;
        }
        printf(" at %" PRIu64 ",%" PRIu64 " of %" PRIu64 "x%" PRIu64 "\n", best % width, best / width, width, height);
    }
    return scorecam_explanation_free(found);
}

int main(int argc, char **argv)
{
    scorecam_image photos[AT_ONCE];
    const scorecam_image *images[AT_ONCE];
    scorecam_host *host = NULL;
    scorecam_model *model = NULL;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    char pattern[4096];
    glob_t paths;
    size_t first, i, count;
    int failed;

    if (argc < 3 || snprintf(pattern, sizeof pattern, "%s/*.ppm", argv[2]) < 0 || glob(pattern, 0, NULL, &paths) != 0) {
        fprintf(stderr, "usage: explain_folder MODEL FOLDER [SECONDS], where FOLDER holds photos *.ppm\n");
        return 2;
    }
    options.top_k = 3;
    options.jobs = 2;
    options.time_limit = argc > 3 ? atof(argv[3]) : 0.0;
    failed = scorecam_host_create(&host) || scorecam_model_load(&model, host, argv[1], NULL);
    for (first = 0; first < paths.gl_pathc && !failed; first += count) {
        for (count = 0; count < AT_ONCE && first + count < paths.gl_pathc; count++) {
            photos[count] = read_photo(paths.gl_pathv[first + count]);
            images[count] = &photos[count];
        }
        failed = scorecam_explain_many(model, images, count, &options, print, paths.gl_pathv + first);
        for (i = 0; i < count; i++) {
            free((void *)photos[i].data);
        }
    }
    if (failed) {
        fprintf(stderr, "%s\n", scorecam_last_error());
    }
    globfree(&paths);
    scorecam_model_free(model);
    scorecam_host_free(host);
    return failed;
}
