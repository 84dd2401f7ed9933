/*
 * `scorecam.remarks/1`: a model's remarks on how it runs.
 *
 * Part of scorecam_plugin.h. Generated from plugins/sdk/src/abi/remarks.rs by `cargo xtask headers`; do not edit.
 */

#ifndef SCORECAM_REMARKS_H
#define SCORECAM_REMARKS_H

#include <stdint.h>
#include "core.h"

/**
 * `scorecam.remarks/1`: a model's remarks on how it runs, which every explanation lists among its warnings.
 */
typedef struct scorecam_remarks {
    /**
     * `sizeof(scorecam_remarks)`.
     */
    uint32_t struct_size;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Writes remark `index` in one line to `text` and returns `SCORECAM_OK`; returns `SCORECAM_ERR_NOT_FOUND` after
     * the last one. Called once per index after loading, for at most 16 remarks. [any thread]
     */
    scorecam_status (*remark)(void *model, uint64_t index, scorecam_message *text);
} scorecam_remarks;

#endif  /* SCORECAM_REMARKS_H */
