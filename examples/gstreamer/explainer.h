/*
 * The element's interface to scorecam: a model, the current explanation, and a thread that makes the next one while
 * frames continue. It is independent of GStreamer.
 */
#ifndef SCORECAM_EXPLAINER_H
#define SCORECAM_EXPLAINER_H

#include <glib.h>

#include "scorecam.h"

G_BEGIN_DECLS

/* A user's settings; NULL and 0 for the model's defaults. The struct owns the strings. */
typedef struct {
    gchar *model;
    gchar *plugin;
    gchar *layer;
    gchar *class_name;
    gchar *method;
    gchar *preset;
    gchar *options;
    gchar *colormap;
    gdouble opacity;
    guint threads;
} ExplainerChoices;

/* A deep copy, and its end. */
ExplainerChoices explainer_choices_copy(const ExplainerChoices *choices);
void explainer_choices_clear(ExplainerChoices *choices);

/* The report of an explanation. */
typedef struct {
    guint64 class_index;
    gdouble score;
    guint64 passes;
    gchar *label;
} ExplainerReport;

typedef struct _Explainer Explainer;

#define EXPLAINER_ERROR (g_quark_from_static_string("scorecam"))

/* Loads plugin and model; on failure returns NULL, with scorecam's message in `error`. */
Explainer *explainer_new(const ExplainerChoices *choices, GError **error);
void explainer_free(Explainer *explainer);

/* Discards the current and the pending explanation, for frames of another size. */
void explainer_reset(Explainer *explainer);

/* Cancels the pending explanation, and all others until explainer_resume; call it from another thread than the one
 * that waits. */
void explainer_pause(Explainer *explainer);

/* Like explainer_reset, and allows explanations again. */
void explainer_resume(Explainer *explainer);

/* Like explainer_pause, but final: only explainer_free may be called afterwards. */
void explainer_end(Explainer *explainer);

/* Explains a photo and waits for the result, which becomes the current explanation. */
gboolean explainer_refresh(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices,
                           ExplainerReport *report, GError **error);

/* Copies a photo for the thread to explain; does nothing while an explanation is pending. */
void explainer_request(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices);

/* Takes the thread's result: TRUE and a report for a new explanation; FALSE and `error` if it failed, only FALSE if
 * there is nothing new. */
gboolean explainer_collect(Explainer *explainer, ExplainerReport *report, GError **error);

/* Whether there is a current explanation. */
gboolean explainer_ready(const Explainer *explainer);

/* Draws the current explanation over a photo of the explained size, as packed or strided RGB. */
gboolean explainer_draw(const Explainer *explainer, const scorecam_image *photo,
                        const ExplainerChoices *choices, guint8 *out, gsize out_size, gsize row_stride,
                        GError **error);

G_END_DECLS

#endif
