/*
 * What the programs about threads and memory share: a status is checked, a photo is made.
 *
 * A wrong result ends the process at once, whichever thread finds it, with a line that says what it was.
 */
#ifndef SCORECAM_TESTS_EXPECT_H
#define SCORECAM_TESTS_EXPECT_H

#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PHOTO_WIDTH 64
#define PHOTO_HEIGHT 48
#define PHOTO_BYTES (3 * PHOTO_WIDTH * PHOTO_HEIGHT)

static void fail(const char *what, const char *why)
{
    /* Nothing is cleaned up, because other threads go on until the process has ended. */
    fprintf(stderr, "%s: %s\n", what, why);
    _exit(1);
}

static void expect(int32_t expected, int32_t status, const char *what)
{
    char line[512];
    if (status != expected) {
        snprintf(line, sizeof line, "got %s, not %s; last error: %s", scorecam_status_name(status),
                 scorecam_status_name(expected), scorecam_last_error());
        fail(what, line);
    }
}

static void demand(int32_t status, const char *what)
{
    expect(SCORECAM_OK, status, what);
}

/* A photo of noise, the same in every run. */
static void make_photo(scorecam_image *photo, uint8_t *pixels)
{
    const scorecam_image begin = SCORECAM_IMAGE_INIT;
    uint32_t noise = 1;
    int i;
    for (i = 0; i < PHOTO_BYTES; i++) {
        noise = noise * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(noise >> 24);
    }
    *photo = begin;
    photo->data = pixels;
    photo->data_size = PHOTO_BYTES;
    photo->width = PHOTO_WIDTH;
    photo->height = PHOTO_HEIGHT;
}

#endif
