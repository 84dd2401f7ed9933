/*
 * Makes a plugin that loads the plugins LOADS and LOADS_ITSELF, by a host of its own, while it is opened itself;
 * linked with spoiled.c, which has the tables.
 */
#include "scorecam.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void load_others(void)
{
    const char *const files[] = {getenv("LOADS"), getenv("LOADS_ITSELF")};
    scorecam_host *host = NULL;
    int loaded = 0;

    if (scorecam_host_create(&host) == SCORECAM_OK) {
        for (int i = 0; i < 2; i++) {
            if (scorecam_host_load_plugin(host, files[i]) == SCORECAM_OK) {
                loaded++;
            } else {
                printf("%s\n", scorecam_last_error());
            }
        }
    }
    printf("loaded %d plugins\n", loaded);
    fflush(stdout);
    scorecam_host_free(host);
}
