/*
 * A backend whose models offer gradients and masked images, and break the contract of one of them in the way
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

static const scorecam_input_info inputs[] = {{"input", {4, 0, {0, 1, 6, 6}}, SCORECAM_F32, 1}};
static const scorecam_output_info outputs[] = {{"scores", {2, 0, {0, 4}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0}};
static const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {3, 3, 3}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0}};

static const scorecam_model_description description = {
    sizeof(scorecam_model_description), 0, inputs, 1, outputs, 1, 0, NULL, layers, 1, 0, 0, 2};

static const scorecam_device cpu = SCORECAM_CPU;
static const scorecam_data_type f32 = SCORECAM_F32;

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
    for (i = 0; i < 2; i++) {
        made->tensors[i].data = made->values + 256 * i;
        made->tensors[i].device = cpu;
        made->tensors[i].dtype = f32;
    }
    out->tensors = made->tensors;
    out->count = count;
    out->owner = made;
    out->release = free;
    return made;
}

static int32_t forward(void *model, const scorecam_inputs *in, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    const uint64_t n = in->images.shape.sizes[0];
    uint64_t i;
    answer *made;
    (void)model;
    if (n > 2 || wanted_count > 2) {
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "that many images or tensors were not agreed on");
    }
    made = hand_over(out, wanted_count);
    for (i = 0; i < wanted_count; i++) {
        made->tensors[i].shape = strcmp(wanted[i], "scores") == 0 ? (scorecam_shape){2, 0, {n, 4}}
                                                                  : (scorecam_shape){4, 0, {n, 3, 3, 3}};
    }
    return SCORECAM_OK;
}

static int32_t slopes(void *model, const scorecam_inputs *in, const char *layer,
                      const scorecam_named_tensor *cotangents, uint64_t cotangent_count, scorecam_outputs *out,
                      scorecam_message *why)
{
    answer *made;
    (void)model;
    (void)in;
    (void)layer;
    if (cotangent_count != 1 || strcmp(cotangents[0].name, "scores") != 0) {
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "a cotangent of the scores was agreed on");
    }
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
    } else if (is("gradients on a GPU")) {
        made->tensors[0].device.kind = SCORECAM_DEVICE_CUDA;
    } else if (is("gradients in half precision")) {
        made->tensors[0].dtype.bits = 16;
    } else if (is("gradients NaN")) {
        made->values[4] = NAN;
    }
    return SCORECAM_OK;
}

static int32_t masked(void *model, const scorecam_masked_request *request, const char *const *wanted,
                      uint64_t wanted_count, scorecam_message *why)
{
    const uint64_t count = request->masks.shape.sizes[0];
    const int deaf = is("masks that go on when the run has ended");
    float values[512] = {0};
    scorecam_tensor scores = {values, SCORECAM_CPU, SCORECAM_F32, 0, {2, 0, {0, 4}}};
    uint64_t times = deaf || is("masks twice") ? 2 : 1, i;
    int32_t status = SCORECAM_OK;
    (void)model;
    (void)wanted;
    for (i = 0; i < 512; i++) {
        values[i] = 0.01f * (float)(i % 97);
    }
    scores.shape.sizes[0] = count;
    if (is("masks refused")) {
        return fail(why, SCORECAM_ERR_MODEL, "no masks after all");
    }
    if (is("masks forgotten")) {
        return SCORECAM_OK;
    }
    if (is("masks by billions")) {
        scores.shape.sizes[0] = UINT64_MAX;
    } else if (is("masks with a score less")) {
        scores.shape.sizes[0]--;
    } else if (is("masks with another number of classes")) {
        scores.shape.sizes[1] = 1;
    } else if (is("masks in tensors of no axes")) {
        scores.shape.rank = 0;
    } else if (is("masks without values")) {
        scores.data = NULL;
    } else if (is("masks on a GPU")) {
        scores.device.kind = SCORECAM_DEVICE_CUDA;
    } else if (is("masks NaN")) {
        values[1] = NAN;
    } else if (is("masks with a tensor more")) {
        wanted_count++;
    }
    for (i = 0; i < times && (status == SCORECAM_OK || deaf); i++) {
        status = request->each(request->context, count, is("masks in tensors that are NULL") ? NULL : &scores, wanted_count);
    }
    return deaf ? SCORECAM_OK : status;
}

static const void *model_interface(void *model, const char *id)
{
    static const scorecam_gradients gradients = {sizeof gradients, 0, slopes};
    static const scorecam_masked masks = {sizeof masks, 0, masked};
    (void)model;
    if (strcmp(id, "scorecam.gradients/1") == 0) {
        return &gradients;
    }
    return strcmp(id, "scorecam.masked/1") == 0 ? &masks : NULL;
}

static const scorecam_descriptor *descriptor(uint32_t index)
{
    static const scorecam_descriptor about = {
        sizeof about, SCORECAM_KIND_BACKEND, "spoiled", "1", "offers more than it can do", "spoiled",
        SCORECAM_ABILITY_GRADIENTS | SCORECAM_ABILITY_MASKED, 0};
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
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 1, 0, NULL, descriptor, get_interface};
