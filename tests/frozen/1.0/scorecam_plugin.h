/*
 * scorecam's plugin ABI: C tables and the numbers in them, a header for each object.
 *
 * A plugin is a shared library with one data symbol, the variable
 *     const scorecam_plugin_table scorecam_plugin_entry;
 * Interface ids and their tables, for its get_interface: "scorecam.backend/1" is a scorecam_backend,
 * "scorecam.method/1" a scorecam_method, "scorecam.readiness/1" a scorecam_readiness; and for that of a model:
 * "scorecam.masked/1" a scorecam_masked, "scorecam.run-from/1" a scorecam_run_from, "scorecam.gradients/1" a
 * scorecam_gradients, "scorecam.remarks/1" a scorecam_remarks, "scorecam.bake/1" a scorecam_bake,
 * "scorecam.weights/1" a scorecam_weights.
 *
 * A struct behind an interface id never changes; a new ability is a new id. Strings are UTF-8, end with NUL,
 * and have at most SCORECAM_MAX_STRING bytes. Whoever made memory frees it: `release` stands next to what it
 * frees. No exception may leave a function; it becomes a status and a message.
 *
 * Each function says which threads may call it. [any thread]: any one, and those of "several at once" while
 * others are in a call for the same object. [thread of the call]: the one that made the call under way. [any
 * thread of the method]: those that a method starts itself, too, as long as its call lasts.
 */

#ifndef SCORECAM_PLUGIN_H
#define SCORECAM_PLUGIN_H

#include "scorecam/core.h"

#include "scorecam/backend.h"
#include "scorecam/bake.h"
#include "scorecam/gradients.h"
#include "scorecam/masked.h"
#include "scorecam/method.h"
#include "scorecam/readiness.h"
#include "scorecam/remarks.h"
#include "scorecam/run_from.h"
#include "scorecam/weights.h"

#endif
