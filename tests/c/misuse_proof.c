/*
 * Faults on purpose, so that the tests can prove that each tool is on and finds them: PROGRAM overflow, leak,
 * arithmetic, or a string without an end, over whose last byte the library itself reads. The library is called as well, so that it is this very combination that is proved.
 */
#include "scorecam.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a compiler cannot see through. */
static volatile int one = 1;
static char *volatile hidden;

static int overflow(void)
{
    char first, behind;
    hidden = malloc(8);
    if (hidden == NULL) {
        return 1;
    }
    memset(hidden, one, 8);
    first = *(volatile char *)hidden;
    behind = ((volatile char *)hidden)[8 * one];
    free(hidden);
    printf("%d %d\n", first, behind);
    return 0;
}

static int leak(void)
{
    char *volatile memory = malloc(1234);
    if (memory == NULL) {
        return 1;
    }
    memory[0] = (char)one;
    memory = NULL;
    return 0;
}

static int arithmetic(void)
{
    volatile int sum = INT_MAX + one;
    printf("%d\n", sum);
    return 0;
}

/* A path of eight bytes and no NUL. The library cannot know, and reads on. */
static int endless(const scorecam_host *host)
{
    char *path = malloc(8);
    int32_t status;
    if (path == NULL) {
        return 1;
    }
    memset(path, 'a', 8);
    status = scorecam_host_load_plugin(host, path);
    free(path);
    return status == SCORECAM_OK;
}

int main(int argc, char **argv)
{
    const char *fault = argc == 2 ? argv[1] : "";
    scorecam_host *host = NULL;
    if (scorecam_host_create(&host) != SCORECAM_OK) {
        fprintf(stderr, "%s\n", scorecam_last_error());
        return 1;
    }
    if (strcmp(fault, "endless") == 0) {
        return endless(host);
    }
    if (scorecam_host_free(host) != SCORECAM_OK) {
        fprintf(stderr, "%s\n", scorecam_last_error());
        return 1;
    }
    if (strcmp(fault, "none") == 0) {
        return 0;
    }
    return strcmp(fault, "overflow") == 0 ? overflow()
           : strcmp(fault, "leak") == 0   ? leak()
           : strcmp(fault, "arithmetic") == 0 ? arithmetic()
                                              : 2;
}
