/*
 * The plugin ABI of scorecam: C tables and their constants, with one header per object.
 *
 * A plugin is a shared library that exports one data symbol, the variable
 *     const scorecam_plugin_table scorecam_plugin_entry;
 * The interface ids and tables of its get_interface: "scorecam.backend/1" is a scorecam_backend, "scorecam.method/1" a
 * scorecam_method, "scorecam.readiness/1" a scorecam_readiness. Those of a model's get_interface: "scorecam.masked/1"
 * is a scorecam_masked, "scorecam.run-from/1" a scorecam_run_from, "scorecam.gradients/1" a scorecam_gradients,
 * "scorecam.remarks/1" a scorecam_remarks, "scorecam.bake/1" a scorecam_bake, "scorecam.weights/1" a
 * scorecam_weights.
 *
 * The struct of an interface id never changes; a new ability gets a new id. Strings are UTF-8, end with NUL, and have
 * at most SCORECAM_MAX_STRING bytes. The side that allocates memory frees it: each struct has a `release` for its
 * memory. No exception may leave a function: return a status and a message instead.
 *
 * Each function documents the threads that may call it. [any thread]: every thread; with "several at once", calls for
 * the same object may overlap. [thread of the call]: the thread of the current call. [any thread of the method]: also
 * threads that the method starts itself, until its call ends.
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
