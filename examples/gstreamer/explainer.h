/*
 * Everything that the element asks of scorecam: a model, the explanation in force, and a thread that makes
 * the next one while frames go on. It knows nothing of GStreamer, and the element little of scorecam.
 */
#ifndef SCORECAM_EXPLAINER_H
#define SCORECAM_EXPLAINER_H

#include <glib.h>

#include "scorecam.h"

G_BEGIN_DECLS

/* What a user chose; NULL and 0 for what was left to the model. The strings belong to the struct. */
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

/* What is told of an explanation. */
typedef struct {
    guint64 class_index;
    gdouble score;
    guint64 passes;
    gchar *label;
} ExplainerReport;

typedef struct _Explainer Explainer;

#define EXPLAINER_ERROR (g_quark_from_static_string("scorecam"))

/* Loads plugin and model; NULL, and scorecam's own line in `error`, when that fails. */
Explainer *explainer_new(const ExplainerChoices *choices, GError **error);
void explainer_free(Explainer *explainer);

/* Forgets the explanation in force and the one under way, as frames of another size need it. */
void explainer_reset(Explainer *explainer);

/* Gives up the explanation under way, and every one until explainer_resume; for another thread than the one
 * that waits for it. */
void explainer_pause(Explainer *explainer);

/* Forgets what explainer_reset forgets, and lets explanations go again. */
void explainer_resume(Explainer *explainer);

/* As explainer_pause, but nothing takes it back: only explainer_free is left to call. */
void explainer_end(Explainer *explainer);

/* Explains a photo and waits for the result, which is in force from then on. */
gboolean explainer_refresh(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices,
                           ExplainerReport *report, GError **error);

/* Copies a photo for the thread to explain; does nothing while one is under way. */
void explainer_request(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices);

/* Takes what the thread has finished: TRUE and a report for a new explanation; FALSE and `error` when it
 * failed, FALSE alone when there is nothing new. */
gboolean explainer_collect(Explainer *explainer, ExplainerReport *report, GError **error);

/* Whether an explanation is in force. */
gboolean explainer_ready(const Explainer *explainer);

/* Draws the explanation in force over a photo of the size that was explained, as packed or strided RGB. */
gboolean explainer_draw(const Explainer *explainer, const scorecam_image *photo,
                        const ExplainerChoices *choices, guint8 *out, gsize out_size, gsize row_stride,
                        GError **error);

G_END_DECLS

#endif
