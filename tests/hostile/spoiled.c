/*
 * A plugin that breaks the contract, in the one way that the variable SPOIL names; without it, it is sound. It
 * holds the backend "spoiled", whose models are any files *.spoiled, and the method "spoiled".
 *
 * One library for all ways, so that a row of the test costs a process and not a compilation.
 */
#include "scorecam_plugin.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *way(void)
{
    const char *name = getenv("SPOIL");
    return name == NULL ? "" : name;
}

static int is(const char *name)
{
    return strcmp(way(), name) == 0;
}

/* Ends or holds up the process at a place, in the way "WHAT in PLACE". */
static void misbehave(const char *place)
{
    char wanted[64];
    static volatile int *volatile nowhere;
    const char *const whats[] = {"hang", "exit 0", "exit 3", "_exit", "abort", "crash", "overflow"};
    size_t i;
    volatile char deep[4096];

    for (i = 0; i < COUNT(whats); i++) {
        snprintf(wanted, sizeof wanted, "%s in %s", whats[i], place);
        if (is(wanted)) {
            break;
        }
    }
    switch (i) {
    case 0:
        for (;;) {
            sleep(1);
        }
    case 1:
        exit(0);
    case 2:
        exit(3);
    case 3:
        _exit(0);
    case 4:
        abort();
    case 5:
        *nowhere = 1;
        break;
    case 6:
        deep[0] = 1;
        misbehave(place);
        deep[4095] = deep[0];
        break;
    default:
        break;
    }
}

static int32_t fail(scorecam_message *why, int32_t status, const char *text)
{
    strncpy(why->text, text, sizeof why->text - 1);
    return status;
}

/* Longer than any string may be, filled and ended when the library is opened. */
static char endless[8192];

/* ---- the backend ---- */

static scorecam_input_info inputs[] = {{"input", {4, 0, {0, 1, 6, 6}}, SCORECAM_F32, 1}};

static scorecam_output_info outputs[] = {
    {"scores", {2, 0, {0, 4}}, SCORECAM_F32, SCORECAM_OUTPUT_LOGITS, 1, 0},
    {"boxes", {3, 0, {0, 5, 4}}, SCORECAM_F32, SCORECAM_OUTPUT_UNKNOWN, 1, 0},
};

static scorecam_layer layers[] = {
    {"first", "Conv", {3, 0, {2, 3, 3}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0},
    {"maps", "Conv", {3, 0, {2, 3, 3}}, SCORECAM_LAYER_MAPS, 0, 0, 0, 0},
};

static scorecam_model_description description = {
    sizeof(scorecam_model_description), 0, inputs, 1, outputs, 2, 0, NULL, layers, 2, 1, 0, 2};

static const scorecam_device cpu = SCORECAM_CPU;
static const scorecam_data_type f32 = SCORECAM_F32;

/* What is handed out and not yet taken back. */
static int outputs_out, models_out;

typedef struct answer {
    scorecam_tensor tensors[4];
    float *values;
    int alive;
} answer;

static void release_answer(void *owner)
{
    answer *given = owner;
    if (!given->alive) {
        abort();
    }
    /* `given` itself is kept, so that a second release is noticed. */
    given->alive = 0;
    outputs_out--;
    free(given->values);
}

static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why)
{
    FILE *file = fopen(config->path, "r");
    char line[8] = "";
    misbehave("load");
    if (is("load fails without message")) {
        if (file != NULL) {
            fclose(file);
        }
        return SCORECAM_ERR_MODEL;
    }
    if (file == NULL || fgets(line, sizeof line, file) == NULL || strcmp(line, "sound\n") != 0) {
        if (file != NULL) {
            fclose(file);
        }
        return fail(why, SCORECAM_ERR_MODEL, "the first line is not \"sound\"");
    }
    fclose(file);
    if (is("status 999")) {
        return fail(why, 999, "a status that there is not");
    }
    if (is("status -1")) {
        return fail(why, -1, "a negative status");
    }
    if (is("status -1 without message")) {
        return -1;
    }
    if (is("message of two lines")) {
        return fail(why, SCORECAM_ERR_MODEL, "one\ntwo\033[2J");
    }
    if (is("message not UTF-8")) {
        return fail(why, SCORECAM_ERR_MODEL, "bytes \xff\xfe");
    }
    if (is("message without NUL")) {
        memset(why->text, 'm', sizeof why->text);
        return SCORECAM_ERR_MODEL;
    }
    *model = &description;
    models_out++;
    return SCORECAM_OK;
}

static void release_model(void *model)
{
    (void)model;
    models_out--;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    misbehave("describe");
    if (is("describe fails")) {
        return fail(why, SCORECAM_ERR_MODEL, "describe says no");
    }
    if (!is("description NULL")) {
        *out = model;
    }
    return SCORECAM_OK;
}

/* Hands over `count` tensors, each 64 values after the last; the list of them may be spoiled. */
static void hand_over(scorecam_outputs *out, const scorecam_shape *shapes, uint64_t count, float *values)
{
    answer *given = calloc(1, sizeof *given);
    uint64_t i;
    for (i = 0; i < count; i++) {
        given->tensors[i].data = values + 64 * i;
        given->tensors[i].device = cpu;
        given->tensors[i].dtype = f32;
        given->tensors[i].shape = shapes[i];
    }
    given->values = values;
    given->alive = 1;
    out->tensors = given->tensors;
    out->count = count;
    out->owner = given;
    out->release = is("release NULL") ? NULL : release_answer;
    outputs_out++;
    if (is("too few tensors")) {
        out->count = count - 1;
    } else if (is("too many tensors")) {
        out->count = count + 1;
    } else if (is("no tensors")) {
        out->count = 0;
    } else if (is("tensors NULL")) {
        out->tensors = NULL;
    } else if (is("tensors without number")) {
        out->count = UINT64_MAX;
    } else if (is("data NULL")) {
        given->tensors[0].data = NULL;
    } else if (is("data not aligned")) {
        given->tensors[0].data = (const char *)values + 1;
    } else if (is("data on a GPU")) {
        given->tensors[0].device.kind = SCORECAM_DEVICE_CUDA;
        given->tensors[0].device.id = 1;
    } else if (is("data on no known device")) {
        given->tensors[0].device.kind = 0;
    } else if (is("data in half precision")) {
        given->tensors[0].dtype.bits = 16;
    } else if (is("data in whole numbers")) {
        given->tensors[0].dtype.code = SCORECAM_TYPE_INT;
    } else if (is("data in vectors")) {
        given->tensors[0].dtype.lanes = 4;
    } else if (is("data of no type")) {
        memset(&given->tensors[0].dtype, 0, sizeof f32);
    }
}

static void spoil_shapes(scorecam_shape *scores, scorecam_shape *maps)
{
    if (is("scores of rank 0")) {
        scores->rank = 0;
    } else if (is("scores of rank 1")) {
        scores->rank = 1;
    } else if (is("scores of rank 9")) {
        scores->rank = 9;
    } else if (is("scores of rank 4 billion")) {
        scores->rank = UINT32_MAX;
    } else if (is("no classes")) {
        scores->sizes[1] = 0;
    } else if (is("one class")) {
        scores->sizes[1] = 1;
    } else if (is("more classes than said")) {
        scores->sizes[1] = 5;
    } else if (is("scores of 2^64 - 1 classes")) {
        scores->sizes[1] = UINT64_MAX;
    } else if (is("scores that overflow")) {
        scores->sizes[0] = scores->sizes[1] = UINT64_C(1) << 32;
    } else if (is("scores of 4 TB")) {
        scores->sizes[1] = UINT64_C(1) << 40;
    } else if (is("scores of more images")) {
        scores->sizes[0] += 1;
    } else if (is("maps of rank 3")) {
        maps->rank = 3;
    } else if (is("maps of another size")) {
        maps->sizes[2] = 2;
    } else if (is("no maps")) {
        maps->sizes[1] = 0;
    } else if (is("maps of one cell")) {
        maps->sizes[2] = maps->sizes[3] = 1;
    } else if (is("maps of more images")) {
        maps->sizes[0] += 1;
    }
}

static void spoil_values(float *scores, float *maps)
{
    if (is("scores NaN")) {
        scores[1] = NAN;
    } else if (is("scores infinite")) {
        scores[2] = INFINITY;
    } else if (is("scores minus infinite")) {
        scores[0] = -INFINITY;
    } else if (is("maps NaN")) {
        maps[5] = NAN;
    } else if (is("maps infinite")) {
        maps[5] = INFINITY;
    } else if (is("maps of the largest numbers")) {
        maps[4] = 3.4e38f;
        maps[5] = -3.4e38f;
    } else if (is("scores of the largest numbers")) {
        scores[0] = 3.4e38f;
        scores[1] = -3.4e38f;
    }
}

/* The scores, and behind them the maps where these are wanted, too. */
static int32_t forward(void *model, const scorecam_inputs *in, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *out, scorecam_message *why)
{
    static float calls;
    const float *batch = in->images.data;
    const uint64_t n = in->images.shape.sizes[0];
    scorecam_shape shapes[2] = {{2, 0, {0, 4}}, {4, 0, {0, 2, 3, 3}}};
    float *values = calloc(256, sizeof *values);
    uint64_t i;
    (void)model;
    misbehave("forward");
    if (values == NULL || n > 3 || wanted_count < 1 || wanted_count > 2 || strcmp(wanted[0], "scores") != 0) {
        free(values);
        return fail(why, SCORECAM_ERR_INVALID_ARGUMENT, "that many images or tensors were not agreed on");
    }
    if (is("forward fails")) {
        free(values);
        return fail(why, SCORECAM_ERR_MODEL, "forward says no");
    }
    if (is("forward forgets its outputs")) {
        free(values);
        return SCORECAM_OK;
    }
    shapes[0].sizes[0] = shapes[1].sizes[0] = n;
    for (i = 0; i < n * 4; i++) {
        values[i] = 0.25f * (float)(i % 4) * batch[i / 4 * 36 + 8];
    }
    for (i = 0; i < n * 18; i++) {
        values[64 + i] = (float)(i % 18);
    }
    if (is("scores of chance")) {
        /* The same for every call but the first, so that the outcome does not depend on threads. */
        values[0] = calls++ == 0 ? 1 : 2;
    }
    if (is("scores depend on the batch")) {
        values[n * 4 - 1] = (float)n;
    }
    spoil_shapes(&shapes[0], &shapes[1]);
    spoil_values(values, values + 64);
    hand_over(out, shapes, wanted_count, values);
    return SCORECAM_OK;
}

static int32_t slopes(void *model, const scorecam_inputs *in, const char *layer,
                      const scorecam_named_tensor *cotangents, uint64_t cotangent_count, scorecam_outputs *out,
                      scorecam_message *why)
{
    (void)model;
    (void)in;
    (void)layer;
    (void)cotangents;
    (void)cotangent_count;
    (void)out;
    return fail(why, SCORECAM_ERR_UNSUPPORTED, "no gradients after all");
}

static scorecam_gradients gradients = {sizeof(scorecam_gradients), 0, slopes};

static const void *model_interface(void *model, const char *id)
{
    (void)model;
    if (strcmp(id, "scorecam.gradients/1") != 0) {
        return NULL;
    }
    if (is("ability not declared") || is("ability of size 0") || is("ability without function")) {
        return &gradients;
    }
    return is("ability not aligned") ? (const char *)&gradients + 1 : NULL;
}

static scorecam_backend backend = {
    sizeof(scorecam_backend), 0, load, release_model, describe, forward, model_interface};

/* ---- the method ---- */

static const char *words[] = {"few", "many"};

static scorecam_option_spec options[] = {
    {"speed", "how fast", "1", SCORECAM_OPTION_INTEGER, 0, NULL, 0.0, 9.0},
    {"word", "how many", "few", SCORECAM_OPTION_CHOICE, 2, words, 0.0, 0.0},
};

static scorecam_option preset_values[] = {{"speed", "2"}};

static scorecam_preset presets[] = {{"fast", "the fast one", preset_values, 1}, {"same", "the same one", NULL, 0}};

static scorecam_method_description method_description = {
    sizeof(scorecam_method_description), 0, options, 2, presets, 2};

static int32_t describe_method(const scorecam_method_description **out, scorecam_message *why)
{
    if (is("method describe fails")) {
        return fail(why, SCORECAM_ERR_INTERNAL, "describe says no");
    }
    if (!is("method description NULL")) {
        *out = &method_description;
    }
    return SCORECAM_OK;
}

static void spoil_result(scorecam_method_result *result, float *map)
{
    static scorecam_measure measures[] = {{NULL, 1.0}};
    static const char *const warnings[] = {NULL, "one\ntwo", "bytes \xff"};
    if (is("map NaN")) {
        map[7] = NAN;
    } else if (is("map infinite")) {
        map[7] = -INFINITY;
    } else if (is("map NULL")) {
        result->maps.data = NULL;
    } else if (is("map on a GPU")) {
        result->maps.device.kind = SCORECAM_DEVICE_CUDA;
    } else if (is("map of rank 2")) {
        result->maps.shape.rank = 2;
    } else if (is("map of rank 5")) {
        result->maps.shape.rank = 5;
    } else if (is("map for two targets")) {
        result->maps.shape.sizes[0] = 2;
    } else if (is("map without rows")) {
        result->maps.shape.sizes[1] = 0;
    } else if (is("map that overflows")) {
        result->maps.shape.sizes[1] = result->maps.shape.sizes[2] = UINT64_C(1) << 62;
    } else if (is("map of 4 TB")) {
        result->maps.shape.sizes[1] = UINT64_C(1) << 40;
    } else if (is("map of another size")) {
        result->maps.shape.sizes[1] = 3;
    } else if (is("measures NULL")) {
        result->measure_count = 1;
    } else if (is("measure without name")) {
        result->measures = measures;
        result->measure_count = 1;
    } else if (is("measures without number")) {
        result->measures = measures;
        result->measure_count = UINT64_MAX;
    } else if (is("warnings NULL")) {
        result->warning_count = 1;
    } else if (is("warning NULL")) {
        result->warnings = warnings;
        result->warning_count = 1;
    } else if (is("warning of two lines")) {
        result->warnings = warnings + 1;
        result->warning_count = 1;
    } else if (is("warning not UTF-8")) {
        result->warnings = warnings + 2;
        result->warning_count = 1;
    } else if (is("warnings without number")) {
        result->warnings = warnings;
        result->warning_count = UINT64_MAX;
    }
}

static int32_t explain(const scorecam_study *study, const scorecam_option *given, uint64_t given_count,
                       scorecam_method_result *result, scorecam_message *why)
{
    const scorecam_shape image = study->input.shape;
    answer *kept;
    (void)given;
    (void)given_count;
    misbehave("explain");
    if (is("explain fails")) {
        return fail(why, SCORECAM_ERR_UNSUPPORTED, "explain says no");
    }
    if (is("explain forgets its result")) {
        return SCORECAM_OK;
    }
    kept = calloc(1, sizeof *kept);
    kept->values = calloc((size_t)(image.sizes[2] * image.sizes[3] * 2), sizeof(float));
    kept->alive = 1;
    outputs_out++;
    result->maps.data = kept->values;
    result->maps.device = cpu;
    result->maps.dtype = f32;
    result->maps.shape = (scorecam_shape){3, 0, {1, image.sizes[2], image.sizes[3]}};
    result->owner = kept;
    result->release = release_answer;
    spoil_result(result, kept->values);
    return SCORECAM_OK;
}

static scorecam_method method = {sizeof(scorecam_method), 0, describe_method, explain};

/* ---- the tables ---- */

static scorecam_descriptor items[] = {
    {sizeof(scorecam_descriptor), SCORECAM_KIND_BACKEND, "spoiled", "1.0", "spoiled on purpose", "spoiled", 0, 0},
    {sizeof(scorecam_descriptor), SCORECAM_KIND_METHOD, "spoiled", "1.0", "spoiled on purpose", NULL, 0, 0},
};

static const scorecam_descriptor *descriptor(uint32_t index)
{
    misbehave("descriptor");
    return is("descriptor NULL") || index >= COUNT(items) ? NULL : &items[index];
}

static int32_t assess(const char *device, uint32_t *rank, scorecam_message *text)
{
    const char *said = "this machine";
    (void)device;
    misbehave("assess");
    if (is("readiness refused")) {
        said = "no such\nmachine\033[2J";
    } else if (is("readiness not UTF-8")) {
        said = "\xff\xfe";
    } else if (is("readiness in two lines")) {
        said = "this\nmachine";
    }
    strncpy(text->text, said, sizeof text->text - 1);
    if (is("readiness without end")) {
        memset(text->text, 'x', sizeof text->text);
    }
    *rank = is("readiness of rank 4 billion") ? UINT32_MAX : SCORECAM_READY_CPU;
    if (is("readiness of a status that is none")) {
        return 77;
    }
    return is("readiness refused") ? SCORECAM_ERR_UNSUPPORTED : SCORECAM_OK;
}

static scorecam_readiness readiness = {sizeof(scorecam_readiness), 0, assess};

static const void *get_interface(uint32_t index, const char *id)
{
    misbehave("get_interface");
    if (is("interface NULL")) {
        return NULL;
    }
    if (is("interface not aligned")) {
        return (const char *)&backend + 2;
    }
    if (index == 0 && strcmp(id, "scorecam.backend/1") == 0) {
        return &backend;
    }
    if (index == 0 && strcmp(id, "scorecam.readiness/1") == 0) {
        return &readiness;
    }
    if (index == 1 && is("two of one id")) {
        return &backend;
    }
    return index == 1 && strcmp(id, "scorecam.method/1") == 0 ? &method : NULL;
}

static void open_plugin(const scorecam_services *services)
{
    misbehave("open");
    if (is("a log of odd lines")) {
        services->log(services->context, 77, NULL, NULL);
        services->log(services->context, SCORECAM_LOG_WARN, "\xff", "one\ntwo\033[2J");
        services->log(services->context, SCORECAM_LOG_ERROR, endless, endless);
    }
}

/* Not const here, so that it can be spoiled; a host sees no difference. */
scorecam_plugin_table scorecam_plugin_entry = {
    SCORECAM_ABI_VERSION, sizeof(scorecam_plugin_table), 2, 0, open_plugin, descriptor, get_interface};

/* A way that changes a number or a pointer: `size` bytes at `place` become those at `value`. */
typedef struct change {
    const char *name;
    void *place;
    size_t size;
    uint64_t value;
} change;

#define SET(name, place, value) {name, &(place), sizeof(place), (uint64_t)(value)}

static void spoil_tables(void)
{
    const change changes[] = {
        SET("version 0", scorecam_plugin_entry.abi_version, 0),
        SET("version 1", scorecam_plugin_entry.abi_version, 1),
        SET("version 4 billion", scorecam_plugin_entry.abi_version, UINT32_MAX),
        SET("table size 0", scorecam_plugin_entry.struct_size, 0),
        SET("table size 8", scorecam_plugin_entry.struct_size, 8),
        SET("table size 4 billion", scorecam_plugin_entry.struct_size, UINT32_MAX),
        SET("no items", scorecam_plugin_entry.count, 0),
        SET("one item too many", scorecam_plugin_entry.count, 3),
        SET("4 billion items", scorecam_plugin_entry.count, UINT32_MAX),
        SET("table without open", scorecam_plugin_entry.open, 0),
        SET("table without descriptor", scorecam_plugin_entry.descriptor, 0),
        SET("table without get_interface", scorecam_plugin_entry.get_interface, 0),
        SET("descriptor size 0", items[0].struct_size, 0),
        SET("descriptor size 4 billion", items[0].struct_size, UINT32_MAX),
        SET("unknown kind", items[0].kind, 77),
        SET("id NULL", items[0].id, 0),
        SET("id empty", items[0].id, (uintptr_t)""),
        SET("id with blanks", items[0].id, (uintptr_t)"Not an id"),
        SET("id without end", items[0].id, (uintptr_t)endless),
        SET("id not UTF-8", items[0].id, (uintptr_t)"\xff\xfe"),
        SET("id with line break", items[0].id, (uintptr_t)"a\nb"),
        SET("id of a built-in", items[1].id, (uintptr_t)"score-cam"),
        SET("two of one id", items[1].kind, SCORECAM_KIND_BACKEND),
        SET("two presets of one name", presets[1].name, (uintptr_t)"fast"),
        SET("version NULL", items[0].version, 0),
        SET("version with line break", items[0].version, (uintptr_t)"1\n2"),
        SET("summary NULL", items[0].summary, 0),
        SET("summary with escapes", items[0].summary, (uintptr_t)"\033[2Jgone"),
        SET("summary without end", items[0].summary, (uintptr_t)endless),
        SET("extensions not UTF-8", items[0].extensions, (uintptr_t)"\xc3("),
        SET("extensions NULL", items[0].extensions, 0),
        SET("unknown abilities", items[0].abilities, 1u << 31),
        SET("backend size 8", backend.struct_size, 8),
        SET("backend without load", backend.load, 0),
        SET("backend without describe", backend.describe, 0),
        SET("backend without forward", backend.forward, 0),
        SET("backend without release", backend.release, 0),
        SET("backend without get_interface", backend.get_interface, 0),
        SET("readiness of size 8", readiness.struct_size, 8),
        SET("readiness without assess", readiness.assess, 0),
        SET("ability of size 0", gradients.struct_size, 0),
        SET("ability without function", gradients.run, 0),
        SET("description size 4", description.struct_size, 4),
        SET("unknown output activation", outputs[0].activation, 9),
        SET("input name NULL", inputs[0].name, 0),
        SET("input name without end", inputs[0].name, (uintptr_t)endless),
        SET("input of rank 0", inputs[0].shape.rank, 0),
        SET("input of rank 5", inputs[0].shape.rank, 5),
        SET("input of rank 2", inputs[0].shape.rank, 2),
        SET("input of 2^62 rows", inputs[0].shape.sizes[2], UINT64_C(1) << 62),
        SET("output name NULL", outputs[0].name, 0),
        SET("output of rank 9", outputs[0].shape.rank, 9),
        SET("scores that are not per image", outputs[0].per_image, 0),
        SET("inputs NULL", description.inputs, 0),
        SET("no inputs", description.input_count, 0),
        SET("inputs without number", description.input_count, UINT64_MAX),
        SET("an image input that there is not", description.image_input, 1),
        SET("outputs NULL", description.outputs, 0),
        SET("no outputs", description.output_count, 0),
        SET("outputs without number", description.output_count, UINT64_MAX),
        SET("scores from output 2", description.score_output, 2),
        SET("scores from no output", description.score_output, -1),
        SET("scores from boxes", description.score_output, 1),
        SET("why there are no scores in two lines", description.why_no_scores, (uintptr_t)"be\ncause"),
        SET("second output without name", outputs[1].name, 0),
        SET("layer of an unknown meaning", layers[1].meaning, 9),
        SET("layer like a later one", layers[1].like, 3),
        SET("layer like none that there is", layers[0].like, UINT64_MAX),
        SET("layers NULL", description.layers, 0),
        SET("layers without number", description.layer_count, UINT64_MAX),
        SET("no layers", description.layer_count, 0),
        SET("default layer 7", description.default_layer, 7),
        SET("default layer -1", description.default_layer, -1),
        SET("default layer of the least number", description.default_layer, INT64_MIN),
        SET("layer name NULL", layers[1].name, 0),
        SET("layer name with line break", layers[1].name, (uintptr_t)"maps\nmore"),
        SET("layer operation NULL", layers[1].operation, 0),
        SET("layer of rank 9", layers[1].shape.rank, 9),
        SET("two layers of one name", layers[0].name, (uintptr_t)"maps"),
        SET("fixed batch of 2^63", description.fixed_batch, UINT64_C(1) << 63),
        SET("preferred batch of 2^63", description.preferred_batch, UINT64_C(1) << 63),
        SET("preferred batch of 0", description.preferred_batch, 0),
        SET("method size 0", method.struct_size, 0),
        SET("method without describe", method.describe, 0),
        SET("method without explain", method.explain, 0),
        SET("method description size 0", method_description.struct_size, 0),
        SET("unknown needs", method_description.needs, 1u << 31),
        SET("options NULL", method_description.options, 0),
        SET("options without number", method_description.option_count, UINT64_MAX),
        SET("presets NULL", method_description.presets, 0),
        SET("presets without number", method_description.preset_count, UINT64_MAX),
        SET("option name NULL", options[0].name, 0),
        SET("option help NULL", options[0].help, 0),
        SET("option help with line break", options[0].help, (uintptr_t)"how\nfast"),
        SET("option default NULL", options[0].default_value, 0),
        SET("option default out of range", options[0].default_value, (uintptr_t)"10"),
        SET("option default with escapes", options[0].default_value, (uintptr_t)"\033[2J"),
        SET("option kind 9", options[0].kind, 9),
        SET("choices NULL", options[1].choices, 0),
        SET("4 billion choices", options[1].choice_count, UINT32_MAX),
        SET("choice NULL", words[1], 0),
        SET("two options of one name", options[1].name, (uintptr_t)"speed"),
        SET("preset name NULL", presets[0].name, 0),
        SET("preset values NULL", presets[0].values, 0),
        SET("preset values without number", presets[0].value_count, UINT64_MAX),
        SET("preset of an unknown option", preset_values[0].name, (uintptr_t)"colour"),
        SET("preset value out of range", preset_values[0].value, (uintptr_t)"77"),
        SET("preset value NULL", preset_values[0].value, 0),
        SET("preset value with escapes", preset_values[0].value, (uintptr_t)"\033[2J"),
        SET("preset option with escapes", preset_values[0].name, (uintptr_t)"\033[2J"),
    };
    size_t i;
    for (i = 0; i < COUNT(changes); i++) {
        if (is(changes[i].name)) {
            /* The least bytes of the value: every machine that this runs on is little-endian. */
            memcpy(changes[i].place, &changes[i].value, changes[i].size);
        }
    }
}

__attribute__((constructor)) static void opened(void)
{
    memset(endless, 'a', sizeof endless - 1);
    misbehave("a constructor");
    spoil_tables();
}

/* Says when something that was handed out was never released: whoever ends in order must have done it. */
__attribute__((destructor)) static void closed(void)
{
    if (getenv("SPOIL_COUNT") != NULL) {
        printf("not released: %d outputs, %d models\n", outputs_out, models_out);
    }
}
