/*
 * `scorecam.readiness/1`: the readiness of a backend on this machine.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/readiness.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_READINESS_H
#define SCORECAM_READINESS_H

#include <stdint.h>
#include "core.h"

/**
 * `scorecam_readiness`, the rank: a backend that runs models on the CPU.
 */
#define SCORECAM_READY_CPU 100

/**
 * `scorecam_readiness`, the rank: a backend that runs models on a GPU or another accelerator.
 */
#define SCORECAM_READY_ACCELERATOR 200

/**
 * `scorecam_readiness`, the rank: the maximum.
 */
#define SCORECAM_READY_HIGHEST 1000

/**
 * `scorecam.readiness/1`: the readiness of a backend on this machine. Queried through the plugin's `get_interface`
 * with the backend's index; if that returns NULL, the backend counts as ready, with the rank of a CPU.
 */
typedef struct scorecam_readiness {
    /**
     * `sizeof(scorecam_readiness)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Called before a model is loaded, to choose among the backends that load its type of file. Must take only
     * milliseconds and start no engine. `device` is the requested device, such as "cpu" or "cuda:0", or NULL. If the
     * backend is ready, sets `*rank` (the initial value is `SCORECAM_READY_CPU`; the highest rank is preferred),
     * writes the device in one line to `text` ("the CPU"), and returns `SCORECAM_OK`. Otherwise returns another status
     * and writes the reason, with the command that installs the missing part. [any thread]
     */
    scorecam_status (*assess)(const char *device, uint32_t *rank, scorecam_message *text);
} scorecam_readiness;

#endif  /* SCORECAM_READINESS_H */
