/*
 * `scorecam.readiness/1`: whether a backend can work on this machine.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/readiness.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_READINESS_H
#define SCORECAM_READINESS_H

#include <stdint.h>
#include "core.h"

/**
 * `scorecam_readiness`, the rank: a backend that runs models on the processor.
 */
#define SCORECAM_READY_CPU 100

/**
 * `scorecam_readiness`, the rank: a backend that runs models on a graphics card or its like.
 */
#define SCORECAM_READY_ACCELERATOR 200

/**
 * `scorecam_readiness`, the rank: the most that it may be.
 */
#define SCORECAM_READY_HIGHEST 1000

/**
 * `scorecam.readiness/1`: whether a backend can work on this machine. The plugin's own `get_interface` answers to
 * this id, for the backend's index; where it answers NULL, the backend is taken to be ready, by a processor's rank.
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
     * Called before any model is loaded, to choose among the backends that load such files. Takes
     * milliseconds and starts no engine. `device` is what was asked for, as in "cpu" or "cuda:0", or NULL. When the
     * backend can work, sets `*rank`, which is `SCORECAM_READY_CPU` before (the highest is preferred), writes
     * into `text`, in one line, what it would run on ("the CPU"), and returns `SCORECAM_OK`. When it cannot,
     * returns another status and writes why not, and which command gets what is missing. [any thread]
     */
    scorecam_status (*assess)(const char *device, uint32_t *rank, scorecam_message *text);
} scorecam_readiness;

#endif  /* SCORECAM_READINESS_H */
