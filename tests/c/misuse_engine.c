/* An application's own engine that fails, lies, or is used from several threads: scorecam_model_from_backend. */
#include "misuse.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>

#include "misuse_backend.h"

/* Where in `forward` or `describe` an engine is wrong; 0 for nowhere. */
typedef enum lie {
    SOUND,
    FAILS_SILENTLY,
    FAILS_WITH_ENDLESS_MESSAGE,
    FAILS_WITH_UNKNOWN_STATUS,
    FAILS_WITH_NEGATIVE_STATUS,
    FAILS_WITH_INTERNAL,
    FAILS_AND_RELEASES,
    NO_TENSORS,
    TOO_FEW_TENSORS,
    TOO_MANY_TENSORS,
    NOTHING_WRITTEN,
    NULL_DATA,
    ODD_DATA,
    ODD_TENSORS,
    ON_A_GPU,
    OF_HALVES,
    RANK_0,
    RANK_9,
    RANK_HUGE,
    SIZE_0,
    SIZES_OVERFLOW,
    OTHER_IMAGES,
    OTHER_CLASSES,
    HUGE_SCORES,
    HUGE_MAPS,
    SCORE_NAN,
    MAP_INFINITE,
    ONE_CELL
} lie;

typedef struct engine {
    lie lie;
    int released;
    int forwards;
    int outputs_released;
    const scorecam_model_description *description;
} engine;

/* Options that name a manifest's file. */
static const scorecam_model_options *by_manifest(const char *file)
{
    static scorecam_model_options options = SCORECAM_MODEL_OPTIONS_INIT;
    options.manifest_file = file;
    return &options;
}

static engine *under_test;

static void release(void *model)
{
    ((engine *)model)->released++;
}

static void release_counted(void *owner)
{
    under_test->outputs_released++;
    engine_release_outputs(owner);
}

static int32_t fail(const engine *e, scorecam_message *why)
{
    switch (e->lie) {
    case FAILS_SILENTLY:
        return SCORECAM_ERR_MODEL;
    case FAILS_WITH_ENDLESS_MESSAGE:
        memset(why->text, 'x', sizeof why->text);
        return SCORECAM_ERR_MODEL;
    case FAILS_WITH_UNKNOWN_STATUS:
        strcpy(why->text, "two\nlines\xff");
        return 12345;
    case FAILS_WITH_NEGATIVE_STATUS:
        return INT32_MIN;
    case FAILS_WITH_INTERNAL:
        strcpy(why->text, "the engine broke");
        return SCORECAM_ERR_INTERNAL;
    default:
        return SCORECAM_OK;
    }
}

/* Spoils what a sound `forward` has made. */
static void spoil(const engine *e, engine_outputs *made, scorecam_outputs *outputs)
{
    scorecam_shape *scores = &made->tensors[0].shape, *maps = &made->tensors[1].shape;
    switch (e->lie) {
    case NO_TENSORS: outputs->tensors = NULL; break;
    case TOO_FEW_TENSORS: outputs->count = 0; break;
    case TOO_MANY_TENSORS: outputs->count = UINT64_MAX; break;
    case NULL_DATA: made->tensors[0].data = NULL; break;
    case ODD_DATA: made->tensors[0].data = (const char *)made->data[0] + 1; break;
    case ON_A_GPU: made->tensors[0].device.kind = SCORECAM_DEVICE_CUDA; break;
    case OF_HALVES: made->tensors[1].dtype.bits = 16; break;
    case ODD_TENSORS:
        outputs->tensors = (const scorecam_tensor *)(const void *)((const char *)made->tensors + 1);
        break;
    case RANK_0: scores->rank = 0; break;
    case RANK_9: scores->rank = 9; break;
    case RANK_HUGE: maps->rank = UINT32_MAX; break;
    case SIZE_0: scores->sizes[1] = 0; break;
    case SIZES_OVERFLOW: maps->sizes[2] = maps->sizes[3] = UINT64_MAX / 2; break;
    case OTHER_IMAGES: scores->sizes[0] += 1000000000; break;
    case OTHER_CLASSES: scores->sizes[1] = 1; break;
    case HUGE_SCORES: scores->sizes[1] = (uint64_t)1 << 40; break;
    case HUGE_MAPS: maps->sizes[2] = (uint64_t)1 << 40; break;
    case SCORE_NAN: made->data[0][0] = NAN; break;
    case MAP_INFINITE: made->data[1][3] = -INFINITY; break;
    case ONE_CELL: maps->sizes[1] = 32; maps->sizes[2] = maps->sizes[3] = 1; break;
    default: break;
    }
}

static int32_t forward(void *model, const scorecam_inputs *inputs, const char *const *wanted, uint64_t wanted_count,
                       scorecam_outputs *outputs, scorecam_message *why)
{
    engine *e = model;
    int32_t status = fail(e, why);
    if (status != SCORECAM_OK || e->lie == NOTHING_WRITTEN) {
        return status;
    }
    status = engine_forward(model, inputs, wanted, wanted_count, outputs, why);
    if (status == SCORECAM_OK) {
        e->forwards++;
        outputs->release = release_counted;
        spoil(e, outputs->owner, outputs);
    }
    if (e->lie == FAILS_AND_RELEASES) {
        engine_release_outputs(outputs->owner);
        return SCORECAM_ERR_MODEL;
    }
    return status;
}

static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why)
{
    const engine *e = model;
    int32_t status = fail(e, why);
    if (status == SCORECAM_OK) {
        *out = e->description;
    }
    return status;
}

static scorecam_backend table_of(void)
{
    scorecam_backend table = sound_backend();
    table.describe = describe;
    table.forward = forward;
    table.release = release;
    return table;
}

static const scorecam_model_description *sound_description(void)
{
    const scorecam_model_description *sound;
    scorecam_message why;
    engine_describe(NULL, &sound, &why);
    return sound;
}

/* A photo of the engine's own size. */
static scorecam_image small_photo(void)
{
    static uint8_t pixels[ENGINE_SIDE * ENGINE_SIDE];
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    size_t i;
    for (i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * 71 % 256);
    }
    photo.data = pixels;
    photo.data_size = sizeof pixels;
    photo.width = photo.height = ENGINE_SIDE;
    photo.format = SCORECAM_PIXELS_GRAY;
    return photo;
}

static void tables(world *w)
{
    engine e = {SOUND, 0, 0, 0, sound_description()};
    scorecam_backend *table = guarded(sizeof *table);
    scorecam_model *model = NULL;
    uint32_t sizes[] = {0, 1, 7, 8, sizeof *table - 1};
    size_t i;
    under_test = &e;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        /* Only the bytes that the table claims, and its size, can be read; it is aligned all the same. */
        size_t there = sizes[i] < 8 ? 8 : (sizes[i] + 7) / 8 * 8;
        scorecam_backend *cut = guarded(there);
        memset(cut, 0, there);
        memcpy(cut, &sizes[i], sizeof sizes[i]);
        demand(scorecam_model_from_backend(&model, w->host, cut, &e, NULL) == SCORECAM_ERR_PLUGIN, "a cut table");
    }
    *table = table_of();
    expect(SCORECAM_ERR_INVALID_ARGUMENT,
           scorecam_model_from_backend(&model, w->host, (void *)((char *)table - 1), &e, NULL), "not aligned",
           "a table at an odd address");
    table->describe = NULL;
    expect(SCORECAM_ERR_PLUGIN, scorecam_model_from_backend(&model, w->host, table, &e, NULL), "describe",
           "no describe");
    *table = table_of();
    table->forward = NULL;
    expect(SCORECAM_ERR_PLUGIN, scorecam_model_from_backend(&model, w->host, table, &e, NULL), "forward",
           "no forward");
    *table = table_of();
    expect(SCORECAM_ERR_INVALID_ARGUMENT, scorecam_model_from_backend(NULL, w->host, table, &e, NULL), "out",
           "no place");
    expect(SCORECAM_ERR_IO, scorecam_model_from_backend(&model, w->host, table, &e, by_manifest(path_in(w, "none.toml"))),
           "none.toml", "no such manifest");
    expect(SCORECAM_ERR_NOT_FOUND,
           scorecam_model_from_backend(&model, w->host, table, &e,
                                       by_manifest(write_file(w, "layer.toml", "[model]\nlayer = \"none\"\n"))),
           "none", "a manifest with a layer that there is not");
    demand(e.released == 0 && model == NULL, "release is not called when the call fails");
    expect(SCORECAM_OK, scorecam_model_from_backend(&model, w->host, table, &e, NULL), NULL, "a sound engine");
    memset(table, 0xff, sizeof *table);
    demand(e.released == 0, "release waits for the model");
    expect(SCORECAM_OK, scorecam_model_free(model), NULL, "free it; its table was copied");
    demand(e.released == 1, "release is called once");
    expect(SCORECAM_ERR_INVALID_HANDLE, scorecam_model_free(model), NULL, "free it again");
    demand(e.released == 1, "and never again");
}

static void described(world *w, const scorecam_model_description *description, const char *word)
{
    engine e = {SOUND, 0, 0, 0, NULL};
    scorecam_backend table = table_of();
    scorecam_model *model = NULL;
    e.description = description;
    expect(SCORECAM_ERR_PLUGIN, scorecam_model_from_backend(&model, w->host, &table, &e, NULL), word,
           "a wrong description");
    demand(e.released == 0 && model == NULL, "a refused engine stays with its owner");
}

static void descriptions(world *w)
{
    static char endless[SCORECAM_MAX_STRING + 1];
    const scorecam_model_description sound = *sound_description();
    scorecam_model_description d;
    scorecam_input_info input = sound.inputs[0];
    scorecam_output_info output = sound.outputs[0];
    scorecam_layer layer = sound.layers[0];
    uint32_t *cut = guarded(8);
    union {
        scorecam_model_description whole;
        char bytes[sizeof(scorecam_model_description) + 8];
    } odd;
    memset(endless, 'n', sizeof endless);
    described(w, NULL, "NULL");
    memset(&odd, 0, sizeof odd);
    memcpy(odd.bytes + 4, &sound, sizeof sound);
    described(w, (const void *)(odd.bytes + 4), "not aligned");
    cut[0] = 8;
    cut[1] = 0;
    described(w, (const void *)cut, "struct_size 8");
#define SPOILED(statement, word) (d = sound, statement, described(w, &d, word))
    SPOILED(d.struct_size = 0, "struct_size 0");
    SPOILED(d.inputs = NULL, "NULL");
    SPOILED(d.outputs = (const void *)((const char *)sound.outputs + 1), "not aligned");
    SPOILED(d.input_count = UINT64_MAX, "inputs");
    SPOILED(d.output_count = 0, "output 0 of 0");
    SPOILED(d.image_input = 1, "image input");
    SPOILED(d.score_output = 1, "output 1 of 1");
#define SPOILED_PORT(statement, word) \
    (d = sound, input = sound.inputs[0], output = sound.outputs[0], d.inputs = &input, d.outputs = &output, \
     statement, described(w, &d, word))
    SPOILED_PORT(output.activation = 8, "activation 8");
    SPOILED_PORT(output.per_image = 0, "not per image");
    SPOILED_PORT(input.name = NULL, "input");
    SPOILED_PORT(output.name = endless, "does not end");
    SPOILED_PORT(input.name = "\xc3(", "UTF-8");
    SPOILED_PORT(input.shape.rank = 0, "rank 0");
    SPOILED_PORT(output.shape.rank = 9, "rank 9");
    SPOILED(d.layers = NULL, "NULL");
    SPOILED(d.layers = (const void *)((const char *)sound.layers + 1), "not aligned");
    SPOILED(d.layer_count = UINT64_MAX, "layers");
    SPOILED(d.default_layer = 1, "default layer");
    SPOILED(d.default_layer = INT64_MAX, "default layer");
    d = sound;
    d.layers = &layer;
    layer.name = NULL;
    described(w, &d, "name");
    layer = sound.layers[0];
    layer.operation = NULL;
    described(w, &d, "operation");
    layer = sound.layers[0];
    layer.shape.rank = UINT32_MAX;
    described(w, &d, "rank");
    layer = sound.layers[0];
    layer.meaning = 4;
    described(w, &d, "meaning 4");
    layer = sound.layers[0];
    layer.like = 2;
    described(w, &d, "not an earlier one");
}

/* Odd, but not wrong by itself: the call must end with a status, whichever. */
static void odd_descriptions(world *w)
{
    const scorecam_model_description sound = *sound_description();
    scorecam_image photo = small_photo();
    int i;
    for (i = 0; i < 9; i++) {
        scorecam_model_description d = sound;
        scorecam_input_info input = sound.inputs[0];
        engine e = {SOUND, 0, 0, 0, NULL};
        scorecam_backend table = table_of();
        scorecam_model *model = NULL;
        scorecam_explanation *explanation = NULL;
        int32_t status;
        e.description = &d;
        under_test = &e;
        d.inputs = &input;
        switch (i) {
        case 0: d.fixed_batch = UINT64_MAX; break;
        case 1: d.preferred_batch = UINT64_MAX; break;
        case 2: d.preferred_batch = 0; break;
        case 3: input.shape.sizes[2] = UINT64_MAX; break;
        case 4: input.shape.sizes[1] = 65536; break;
        case 5: d.default_layer = INT64_MIN; break;
        case 6: d.layer_count = 0; d.default_layer = -1; break;
        case 7: input.shape.sizes[2] = input.shape.sizes[3] = 65535; break;
        default: input.shape.rank = 1; break;
        }
        status = scorecam_model_from_backend(&model, w->host, &table, &e, NULL);
        if (status == SCORECAM_OK) {
            status = scorecam_explain(&explanation, model, &photo, NULL);
            printf("odd description %d: %s: %s\n", i, scorecam_status_name(status),
                   status == SCORECAM_OK ? "" : scorecam_last_error());
            demand((explanation != NULL) == (status == SCORECAM_OK), "a result comes with success only");
            demand(status != SCORECAM_ERR_INTERNAL, "no fault of the library");
            scorecam_explanation_free(explanation);
            expect(SCORECAM_OK, scorecam_model_free(model), NULL, "free an odd engine");
        }
        demand(e.outputs_released == e.forwards, "all outputs were released");
        demand(e.released == (model != NULL), "released once, if taken");
    }
}

/* A lie and how it is answered. */
typedef struct answer {
    lie lie;
    int32_t status;
    const char *word;
} answer;

static void lies(world *w)
{
    static const answer answers[] = {
        {FAILS_SILENTLY, SCORECAM_ERR_MODEL, "no message"},
        {FAILS_WITH_ENDLESS_MESSAGE, SCORECAM_ERR_MODEL, "xxxxxxxx"},
        {FAILS_WITH_UNKNOWN_STATUS, SCORECAM_ERR_PLUGIN, "two"},
        {FAILS_WITH_NEGATIVE_STATUS, SCORECAM_ERR_PLUGIN, "no message"},
        {FAILS_WITH_INTERNAL, SCORECAM_ERR_INTERNAL, "the engine broke"},
        {FAILS_AND_RELEASES, SCORECAM_ERR_MODEL, "no message"},
        {NO_TENSORS, SCORECAM_ERR_PLUGIN, "NULL"},
        {TOO_FEW_TENSORS, SCORECAM_ERR_PLUGIN, "0 tensors"},
        {TOO_MANY_TENSORS, SCORECAM_ERR_PLUGIN, "tensors instead of 2"},
        {NOTHING_WRITTEN, SCORECAM_ERR_PLUGIN, "0 tensors"},
        {NULL_DATA, SCORECAM_ERR_PLUGIN, "NULL"},
        {ODD_DATA, SCORECAM_ERR_PLUGIN, "aligned"},
        {ODD_TENSORS, SCORECAM_ERR_PLUGIN, "aligned"},
        {ON_A_GPU, SCORECAM_ERR_PLUGIN, "f32 on cuda:0; it must be f32 on the CPU"},
        {OF_HALVES, SCORECAM_ERR_PLUGIN, "f16 on the CPU; it must be f32"},
        {RANK_0, SCORECAM_ERR_PLUGIN, "rank 0"},
        {RANK_9, SCORECAM_ERR_PLUGIN, "rank 9"},
        {RANK_HUGE, SCORECAM_ERR_PLUGIN, "rank 4294967295"},
        {SIZE_0, SCORECAM_ERR_PLUGIN, "[1, 0]"},
        {SIZES_OVERFLOW, SCORECAM_ERR_PLUGIN, "it must be"},
        {OTHER_IMAGES, SCORECAM_ERR_PLUGIN, "1000000001"},
        {OTHER_CLASSES, SCORECAM_ERR_PLUGIN, "[1, 1]"},
        {HUGE_SCORES, SCORECAM_ERR_PLUGIN, "1099511627776"},
        {HUGE_MAPS, SCORECAM_ERR_PLUGIN, "1099511627776"},
        {SCORE_NAN, SCORECAM_ERR_MODEL, "NaN"},
        {MAP_INFINITE, SCORECAM_ERR_MODEL, "inf"},
        {ONE_CELL, SCORECAM_ERR_PLUGIN, "[1, 32, 1, 1]"},
    };
    scorecam_image photo = small_photo();
    size_t i;
    for (i = 0; i < sizeof answers / sizeof *answers; i++) {
        engine e = {SOUND, 0, 0, 0, sound_description()};
        scorecam_backend table = table_of();
        scorecam_model *model = NULL;
        scorecam_explanation *explanation = NULL;
        under_test = &e;
        if (i < 5) {
            e.lie = answers[i].lie;
            expect(answers[i].status, scorecam_model_from_backend(&model, w->host, &table, &e, NULL),
                   answers[i].word, "describe fails");
            demand(model == NULL && e.released == 0, "no model of an engine that cannot be described");
            e.lie = SOUND;
        }
        expect(SCORECAM_OK, scorecam_model_from_backend(&model, w->host, &table, &e, NULL), NULL, "an engine");
        e.lie = answers[i].lie;
        expect(answers[i].status, scorecam_explain(&explanation, model, &photo, NULL), answers[i].word,
               "an engine that lies");
        demand(explanation == NULL, "no explanation of a lie");
        demand(e.lie == FAILS_AND_RELEASES || e.outputs_released == e.forwards, "outputs are released once");
        e.lie = SOUND;
        expect(SCORECAM_OK, scorecam_explain(&explanation, model, &photo, NULL), NULL, "the truth again");
        expect(SCORECAM_OK, scorecam_model_free(model), NULL, "free the model before its explanation");
        demand(e.released == 1, "released once");
        expect(SCORECAM_OK, scorecam_explanation_free(explanation), NULL, "free the explanation");
    }
}

/* One of several threads with one model: its maps must be those of the first. */
typedef struct worker {
    const scorecam_model *model;
    float map[ENGINE_SIDE * ENGINE_SIDE];
    int failed;
} worker;

static void *work(void *argument)
{
    worker *me = argument;
    scorecam_image photo = small_photo();
    int i;
    for (i = 0; i < 8; i++) {
        scorecam_explanation *explanation = NULL;
        const float *map;
        uint64_t height = 0, width = 0;
        if (scorecam_explain(&explanation, me->model, &photo, NULL) != SCORECAM_OK
            || scorecam_explanation_map(&map, &height, &width, explanation, 0) != SCORECAM_OK
            || height != ENGINE_SIDE || width != ENGINE_SIDE) {
            me->failed = 1;
            return NULL;
        }
        memcpy(me->map, map, sizeof me->map);
        me->failed |= scorecam_explanation_free(explanation) != SCORECAM_OK;
        /* A failure on this thread, whose message no other thread may get. */
        me->failed |= scorecam_explanation_free(explanation) != SCORECAM_ERR_INVALID_HANDLE;
    }
    return NULL;
}

static void threads(world *w)
{
    scorecam_backend table = sound_backend();
    scorecam_model *model = NULL;
    pthread_t running[4];
    static worker workers[4];
    pthread_attr_t small;
    int i;
    table.release = NULL;
    expect(SCORECAM_OK, scorecam_model_from_backend(&model, w->host, &table, NULL, NULL), NULL,
           "an engine without release");
    demand(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 512 * 1024) == 0, "small stacks");
    for (i = 0; i < 4; i++) {
        workers[i].model = model;
        demand(pthread_create(&running[i], &small, work, &workers[i]) == 0, "a thread");
    }
    for (i = 0; i < 4; i++) {
        demand(pthread_join(running[i], NULL) == 0 && !workers[i].failed, "a thread explains");
        demand(memcmp(workers[0].map, workers[i].map, sizeof workers[i].map) == 0, "all maps are equal");
    }
    pthread_attr_destroy(&small);
    expect(SCORECAM_OK, scorecam_model_free(model), NULL, "free an engine without release");
}

int main(int argc, char **argv)
{
    world w;
    world_begin(&w, argc, argv);
    tables(&w);
    descriptions(&w);
    odd_descriptions(&w);
    lies(&w);
    threads(&w);
    world_end(&w);
    return 0;
}
