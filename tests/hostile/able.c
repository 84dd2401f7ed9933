/*
 * A backend whose models offer gradients and masked scores, and break the contract of one of them in the way
 * that the variable SPOIL names; with "gradients sound" and "masks sound" they keep it.
 */
#include "scorecam_plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int is(const char *name)
{
    const char *way = getenv("SPOIL");
    return way != NULL && strcmp(way, name) == 0;
}

static int32_t fail(scorecam_message *why, int32_t status, const char *text)
{
    strncpy(why->text, text, sizeof why->text - 1);
    return status;
}

static const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {3, 3, 3, 0}}}};

static const scorecam_model_description description = {
    sizeof(scorecam_model_description), SCORECAM_OUTPUT_LOGITS,
    "input", {4, 0, {0, 1, 6, 6}}, "scores", {2, 0, {0, 4, 0, 0}}, layers, 1, 0, 0, 2};

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    static int some;
    (void)config;
    (void)why;
    *model = &some;
    return SCORECAM_OK;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    (void)model;
    (void)why;
    *out = &description;
    return SCORECAM_OK;
}

/* Outputs that are one allocation: two tensors, then their values, of which the first tensor has 256. */
typedef struct answer {
    scorecam_tensor tensors[2];
    float values[512];
} answer;

static answer *hand_over(scorecam_outputs *out, uint64_t count)
{
    answer *made = calloc(1, sizeof *made);
    size_t i;
    if (made == NULL) {
        abort();
    }
    for (i = 0; i < 512; i++) {
        made->values[i] = 0.01f * (float)(i % 97);
    }
    made->tensors[0].data = made->values;
    made->tensors[1].data = made->values + 256;
    out->tensors = made->tensors;
    out->count = count;
    out->owner = made;
    out->release = free;
    return made;
}

static int32_t forward(void *model, const scorecam_tensor *batch, const char *const *taps, uint64_t tap_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    const uint64_t n = batch->shape.sizes[0];
    answer *made;
    (void)model;
    (void)taps;
    if (n > 2 || tap_count > 1) {
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "that many images or taps were not agreed on");
    }
    made = hand_over(out, 1 + tap_count);
    made->tensors[0].shape = (scorecam_shape){2, 0, {n, 4, 0, 0}};
    made->tensors[1].shape = (scorecam_shape){4, 0, {n, 3, 3, 3}};
    return SCORECAM_OK;
}

static int32_t slopes(void *model, const scorecam_tensor *batch, const char *layer, uint64_t class_index,
                      scorecam_outputs *out, scorecam_message *why)
{
    answer *made;
    (void)model;
    (void)batch;
    (void)layer;
    (void)class_index;
    if (is("gradients refused")) {
        return fail(why, SCORECAM_ERR_UNSUPPORTED, "no gradients after all");
    }
    if (is("gradients of a status that is none")) {
        return fail(why, 77, "an odd end");
    }
    if (is("gradients forgotten")) {
        return SCORECAM_OK;
    }
    made = hand_over(out, 1);
    made->tensors[0].shape = (scorecam_shape){4, 0, {1, 3, 3, 3}};
    if (is("gradients of another size")) {
        made->tensors[0].shape.sizes[2] = 2;
    } else if (is("gradients of fewer axes")) {
        made->tensors[0].shape.rank = 3;
    } else if (is("gradients without values")) {
        made->tensors[0].data = NULL;
    } else if (is("gradients NaN")) {
        made->values[4] = NAN;
    }
    return SCORECAM_OK;
}

static int32_t masked(void *model, const scorecam_masked_request *request, scorecam_outputs *out,
                      scorecam_message *why)
{
    const uint64_t count = request->masks.shape.sizes[0];
    const int deaf = is("masks that go on when told to end");
    uint64_t told = count;
    int32_t status = SCORECAM_OK;
    answer *made;
    (void)model;
    if (deaf || is("masks reported twice")) {
        told = 2 * count;
    } else if (is("masks reported by billions")) {
        told = UINT64_MAX;
    }
    if (is("masks refused")) {
        return fail(why, SCORECAM_ERR_MODEL, "no masks after all");
    }
    if (!is("masks never reported")) {
        status = request->on_batch(request->context, told);
    }
    if (status != SCORECAM_OK && !deaf) {
        return status;
    }
    if (is("masks forgotten")) {
        return SCORECAM_OK;
    }
    made = hand_over(out, 1);
    made->tensors[0].shape = (scorecam_shape){2, 0, {count, 4, 0, 0}};
    if (is("masks with a score less")) {
        made->tensors[0].shape.sizes[0]--;
    } else if (is("masks with another number of classes")) {
        made->tensors[0].shape.sizes[1] = 1;
    } else if (is("masks NaN")) {
        made->values[1] = NAN;
    }
    return SCORECAM_OK;
}

static const void *model_interface(void *model, const char *id)
{
    static const scorecam_gradients gradients = {sizeof gradients, 0, slopes};
    static const scorecam_masked_scores masks = {sizeof masks, 0, masked};
    (void)model;
    if (strcmp(id, "scorecam.gradients/1") == 0) {
        return &gradients;
    }
    return strcmp(id, "scorecam.masked-scores/1") == 0 ? &masks : NULL;
}

static const scorecam_descriptor *descriptor(uint32_t index)
{
    static const scorecam_descriptor about = {
        sizeof about, SCORECAM_KIND_BACKEND, "spoiled", "1", "offers more than it can do", "spoiled",
        SCORECAM_ABILITY_GRADIENTS | SCORECAM_ABILITY_MASKED_SCORES, 0};
    (void)index;
    return &about;
}

static const void *get_interface(uint32_t index, const char *id)
{
    static const scorecam_backend backend = {
        sizeof backend, 0, load, NULL, describe, forward, model_interface};
    (void)index;
    return strcmp(id, "scorecam.backend/1") == 0 ? &backend : NULL;
}

extern const scorecam_plugin_table scorecam_plugin_entry;
const scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, descriptor, get_interface};
