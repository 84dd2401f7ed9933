#include "explainer.h"

#include <string.h>

/* A copy of a photo, with the request for it. */
typedef struct {
    scorecam_image photo;
    guint8 *pixels;
    ExplainerChoices choices;
} Job;

struct _Explainer {
    scorecam_model *model;
    scorecam_explanation *current;

    GThread *thread;
    GMutex lock;
    GCond changed;
    /* The lock protects everything below. A running job stays here until it is done: one at a time. */
    Job *job;
    gboolean busy;
    /* Why explanations are given up. Each is for its own callers: a new size, which resets, must not wake
     * what a flush or the end has put to rest. */
    gboolean resetting;
    gboolean paused;
    gboolean ended;
    gboolean stopping;
    scorecam_explanation *finished;
    GError *failure;
};

ExplainerChoices explainer_choices_copy(const ExplainerChoices *choices)
{
    ExplainerChoices copy = *choices;

    copy.model = g_strdup(choices->model);
    copy.plugin = g_strdup(choices->plugin);
    copy.layer = g_strdup(choices->layer);
    copy.class_name = g_strdup(choices->class_name);
    copy.method = g_strdup(choices->method);
    copy.preset = g_strdup(choices->preset);
    copy.options = g_strdup(choices->options);
    copy.colormap = g_strdup(choices->colormap);
    return copy;
}

void explainer_choices_clear(ExplainerChoices *choices)
{
    g_clear_pointer(&choices->model, g_free);
    g_clear_pointer(&choices->plugin, g_free);
    g_clear_pointer(&choices->layer, g_free);
    g_clear_pointer(&choices->class_name, g_free);
    g_clear_pointer(&choices->method, g_free);
    g_clear_pointer(&choices->preset, g_free);
    g_clear_pointer(&choices->options, g_free);
    g_clear_pointer(&choices->colormap, g_free);
}

/* Sets `error` to scorecam's message, unless the call succeeded. */
static gboolean went_well(int32_t status, GError **error)
{
    if (status != SCORECAM_OK) {
        g_set_error_literal(error, EXPLAINER_ERROR, status, scorecam_last_error());
    }
    return status == SCORECAM_OK;
}

/* Whether the running explanation is obsolete; call it with the lock held. */
static gboolean given_up(const Explainer *explainer)
{
    return explainer->resetting || explainer->paused || explainer->ended;
}

/* Called for each pass; cancels an obsolete explanation. */
static int32_t on_progress(uint64_t passes, uint64_t expected, void *user_data)
{
    Explainer *explainer = user_data;
    gboolean cancel;

    (void)passes;
    (void)expected;
    g_mutex_lock(&explainer->lock);
    cancel = given_up(explainer);
    g_mutex_unlock(&explainer->lock);
    return cancel;
}

/* Splits "select=std,select_count=16" into pairs; modifies `text`, which holds their strings. */
static gboolean read_options(gchar *text, GArray *pairs, GError **error)
{
    gchar *rest = text, *part;

    while (rest != NULL && *rest != '\0') {
        scorecam_option pair = { NULL, NULL };
        gchar *sign;

        part = rest;
        rest = strchr(part, ',');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        sign = strchr(part, '=');
        if (sign == NULL) {
            g_set_error(error, EXPLAINER_ERROR, SCORECAM_ERR_INVALID_ARGUMENT,
                        "option \"%s\" is not of the form name=value", part);
            return FALSE;
        }
        *sign = '\0';
        pair.name = part;
        pair.value = sign + 1;
        g_array_append_val(pairs, pair);
    }
    return TRUE;
}

static scorecam_explanation *explain(Explainer *explainer, const scorecam_image *photo,
                                     const ExplainerChoices *choices, GError **error)
{
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_explanation *explanation = NULL;
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(scorecam_option));
    gchar *text = g_strdup(choices->options);
    uint64_t class_index = 0;
    gboolean right = read_options(text, pairs, error);

    options.method = choices->method;
    if (choices->method == NULL && choices->preset == NULL && choices->options == NULL) {
        options.method = "auto";
    }
    options.preset = choices->preset;
    options.layer = choices->layer;
    options.options = (const scorecam_option *)(void *)pairs->data;
    options.option_count = pairs->len;
    options.progress = on_progress;
    options.user_data = explainer;
    if (right && choices->class_name != NULL && *choices->class_name != '\0') {
        right = went_well(scorecam_model_find_class(&class_index, explainer->model, choices->class_name), error);
        options.classes = &class_index;
        options.class_count = 1;
    }
    if (right) {
        went_well(scorecam_explain(&explanation, explainer->model, photo, &options), error);
    }
    g_free(text);
    g_array_free(pairs, TRUE);
    return explanation;
}

static void job_free(Job *job)
{
    explainer_choices_clear(&job->choices);
    g_free(job->pixels);
    g_free(job);
}

/* The thread: explains photos until it is stopped. */
static gpointer work(gpointer data)
{
    Explainer *explainer = data;

    g_mutex_lock(&explainer->lock);
    for (;;) {
        scorecam_explanation *explanation;
        GError *failure = NULL;
        Job *job;

        while (explainer->job == NULL && !explainer->stopping) {
            g_cond_wait(&explainer->changed, &explainer->lock);
        }
        if (explainer->stopping) {
            break;
        }
        job = g_steal_pointer(&explainer->job);
        explainer->busy = TRUE;
        g_mutex_unlock(&explainer->lock);

        explanation = explain(explainer, &job->photo, &job->choices, &failure);
        job_free(job);

        g_mutex_lock(&explainer->lock);
        explainer->busy = FALSE;
        if (given_up(explainer)) {
            scorecam_explanation_free(explanation);
            g_clear_error(&failure);
        } else {
            explainer->finished = explanation;
            explainer->failure = failure;
        }
        g_cond_broadcast(&explainer->changed);
    }
    g_mutex_unlock(&explainer->lock);
    return NULL;
}

static scorecam_model *load_model(const ExplainerChoices *choices, GError **error)
{
    scorecam_model_options options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_model *model = NULL;
    scorecam_host *host = NULL;
    gboolean right = went_well(scorecam_host_create(&host), error);

    options.layer = choices->layer;
    options.threads = choices->threads;
    if (right && choices->plugin != NULL) {
        right = went_well(scorecam_host_load_plugin(host, choices->plugin), error);
    }
    if (right) {
        went_well(scorecam_model_load(&model, host, choices->model, &options), error);
    }
    scorecam_host_free(host);
    return model;
}

Explainer *explainer_new(const ExplainerChoices *choices, GError **error)
{
    Explainer *explainer;
    scorecam_model *model;

    if (choices->model == NULL) {
        g_set_error_literal(error, EXPLAINER_ERROR, SCORECAM_ERR_INVALID_ARGUMENT,
                            "no model; set the property model to a model's file or its manifest");
        return NULL;
    }
    model = load_model(choices, error);
    if (model == NULL) {
        return NULL;
    }
    explainer = g_new0(Explainer, 1);
    explainer->model = model;
    g_mutex_init(&explainer->lock);
    g_cond_init(&explainer->changed);
    return explainer;
}

/* Ends the thread's job and discards all results; call it with the lock held. */
static void forget(Explainer *explainer)
{
    explainer->resetting = TRUE;
    g_clear_pointer(&explainer->job, job_free);
    while (explainer->busy) {
        g_cond_wait(&explainer->changed, &explainer->lock);
    }
    explainer->resetting = FALSE;
    g_clear_error(&explainer->failure);
    g_clear_pointer(&explainer->finished, scorecam_explanation_free);
    g_clear_pointer(&explainer->current, scorecam_explanation_free);
}

void explainer_reset(Explainer *explainer)
{
    g_mutex_lock(&explainer->lock);
    forget(explainer);
    g_mutex_unlock(&explainer->lock);
}

void explainer_pause(Explainer *explainer)
{
    g_mutex_lock(&explainer->lock);
    explainer->paused = TRUE;
    g_mutex_unlock(&explainer->lock);
}

void explainer_resume(Explainer *explainer)
{
    g_mutex_lock(&explainer->lock);
    forget(explainer);
    explainer->paused = FALSE;
    g_mutex_unlock(&explainer->lock);
}

void explainer_end(Explainer *explainer)
{
    g_mutex_lock(&explainer->lock);
    explainer->ended = TRUE;
    g_mutex_unlock(&explainer->lock);
}

void explainer_free(Explainer *explainer)
{
    explainer_reset(explainer);
    g_mutex_lock(&explainer->lock);
    explainer->stopping = TRUE;
    g_cond_broadcast(&explainer->changed);
    g_mutex_unlock(&explainer->lock);
    if (explainer->thread != NULL) {
        g_thread_join(explainer->thread);
    }
    scorecam_model_free(explainer->model);
    g_cond_clear(&explainer->changed);
    g_mutex_clear(&explainer->lock);
    g_free(explainer);
}

/* Makes an explanation the current one; only the calling thread uses the previous one. */
static gboolean adopt(Explainer *explainer, scorecam_explanation *explanation, ExplainerReport *report,
                      GError **error)
{
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_explanation_info info = SCORECAM_EXPLANATION_INFO_INIT;

    scorecam_explanation_free(explainer->current);
    explainer->current = explanation;
    if (!went_well(scorecam_explanation_target(&target, explanation, 0), error)
        || !went_well(scorecam_explanation_describe(&info, explanation), error)) {
        return FALSE;
    }
    report->passes = info.passes;
    report->class_index = target.class_index;
    report->score = target.score;
    report->label = g_strdup(target.label);
    return TRUE;
}

gboolean explainer_refresh(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices,
                           ExplainerReport *report, GError **error)
{
    scorecam_explanation *explanation = explain(explainer, photo, choices, error);

    return explanation != NULL && adopt(explainer, explanation, report, error);
}

void explainer_request(Explainer *explainer, const scorecam_image *photo, const ExplainerChoices *choices)
{
    g_mutex_lock(&explainer->lock);
    if (!given_up(explainer) && !explainer->busy && explainer->job == NULL && explainer->finished == NULL
        && explainer->failure == NULL) {
        Job *job = g_new0(Job, 1);

        job->pixels = g_memdup2(photo->data, photo->data_size);
        job->photo = *photo;
        job->photo.data = job->pixels;
        job->choices = explainer_choices_copy(choices);
        explainer->job = job;
        if (explainer->thread == NULL) {
            explainer->thread = g_thread_new("scorecam", work, explainer);
        }
        g_cond_broadcast(&explainer->changed);
    }
    g_mutex_unlock(&explainer->lock);
}

gboolean explainer_collect(Explainer *explainer, ExplainerReport *report, GError **error)
{
    scorecam_explanation *finished;
    GError *failure;

    g_mutex_lock(&explainer->lock);
    finished = g_steal_pointer(&explainer->finished);
    failure = g_steal_pointer(&explainer->failure);
    g_mutex_unlock(&explainer->lock);
    if (failure != NULL) {
        g_propagate_error(error, failure);
    }
    return finished != NULL && adopt(explainer, finished, report, error);
}

gboolean explainer_ready(const Explainer *explainer)
{
    return explainer->current != NULL;
}

gboolean explainer_draw(const Explainer *explainer, const scorecam_image *photo,
                        const ExplainerChoices *choices, guint8 *out, gsize out_size, gsize row_stride,
                        GError **error)
{
    scorecam_overlay_options options = SCORECAM_OVERLAY_OPTIONS_INIT;

    options.opacity = (float)choices->opacity;
    options.colormap = choices->colormap;
    options.row_stride = row_stride;
    return went_well(scorecam_explanation_overlay(out, out_size, explainer->current, photo, &options), error);
}
