/*
 * Structs of every size that a caller can claim, in both directions. Each lies before a guard page, so that
 * a byte read or written behind `struct_size` ends the program.
 */
#include "misuse.h"

/* The most bytes that a struct may claim. */
#define MOST 4096

/* One struct: its value in the caller's version, and a call that reads it or fills it. */
typedef struct subject {
    const char *name;
    size_t size;
    const void *value;
    int32_t (*call)(world *w, void *given);
    /* What eight bytes give: the size and one number, all else 0. */
    int32_t eight;
} subject;

static int32_t read_model_options(world *w, void *given)
{
    scorecam_model *model = NULL;
    int32_t status = scorecam_model_load(&model, w->host, w->model_path, given);
    scorecam_model_free(model);
    return status;
}

static int32_t read_image(world *w, void *given)
{
    scorecam_explanation *explanation = NULL;
    int32_t status = scorecam_explain(&explanation, w->model, given, NULL);
    scorecam_explanation_free(explanation);
    return status;
}

static int32_t read_reference(world *w, void *given)
{
    scorecam_explanation *explanation = NULL;
    scorecam_explain_options options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    int32_t status;
    options.reference = given;
    status = scorecam_explain(&explanation, w->model, &w->photo, &options);
    scorecam_explanation_free(explanation);
    return status;
}

static int32_t read_photo(world *w, void *given)
{
    return scorecam_explanation_overlay(w->drawn, sizeof w->drawn, w->explanation, given, NULL);
}

static int32_t read_explain_options(world *w, void *given)
{
    scorecam_explanation *explanation = NULL;
    int32_t status = scorecam_explain(&explanation, w->model, &w->photo, given);
    scorecam_explanation_free(explanation);
    return status;
}

static int32_t read_overlay_options(world *w, void *given)
{
    return scorecam_explanation_overlay(w->drawn, sizeof w->drawn, w->explanation, &w->photo, given);
}

static int32_t read_box_options(world *w, void *given)
{
    uint64_t count;
    return scorecam_explanation_boxes(NULL, 0, &count, w->explanation, 0, given);
}

static int32_t read_region(world *w, void *given)
{
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    return scorecam_explanation_region(&evidence, w->explanation, 0, given);
}

static int32_t read_mask(world *w, void *given)
{
    scorecam_region region = SCORECAM_REGION_INIT;
    region.mask = given;
    return read_region(w, &region);
}

static int32_t fill_plugin_info(world *w, void *given)
{
    return scorecam_host_plugin(given, w->host, 0);
}

static int32_t fill_layer_info(world *w, void *given)
{
    return scorecam_model_layer(given, w->model, 0);
}

static int32_t fill_model_info(world *w, void *given)
{
    return scorecam_model_describe(given, w->model);
}

static int32_t fill_explanation_info(world *w, void *given)
{
    return scorecam_explanation_describe(given, w->explanation);
}

static int32_t fill_placement(world *w, void *given)
{
    return scorecam_explanation_placement(given, w->explanation);
}

static int32_t fill_evidence(world *w, void *given)
{
    static const scorecam_box left = {{0, 0, SIDE / 2, SIDE}, 0};
    static const scorecam_region region = {sizeof region, 0, &left, 1, NULL};
    return scorecam_explanation_region(given, w->explanation, 0, &region);
}

static int32_t fill_target(world *w, void *given)
{
    return scorecam_explanation_target(given, w->explanation, 0);
}

/* `value`, claiming `size`, with `tail` in the last byte that it claims beyond what there is of it. */
static void *claim(const subject *s, uint32_t size, char tail)
{
    size_t there = size < 4 ? 4 : size > MOST ? MOST : size;
    char *memory = guarded(there);
    memset(memory, 0, there);
    memcpy(memory, s->value, s->size < there ? s->size : there);
    memcpy(memory, &size, sizeof size);
    if (there > s->size) {
        memory[there - 1] = tail;
    }
    return memory;
}

/* Whether a struct of some version can have this size: all hold a pointer or a number of 8 bytes. */
static int ends(uint32_t size)
{
    return size % 8 == 0;
}

static void sizes(world *w, const subject *s, int fills)
{
    static const uint32_t wrong[] = {0, 1, 7, MOST + 1, UINT32_MAX};
    uint32_t size;
    size_t i;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect(SCORECAM_ERR_INVALID_ARGUMENT, s->call(w, claim(s, wrong[i], 0)), "struct_size", s->name);
    }
    expect(s->eight, s->call(w, claim(s, 8, 0)), NULL, s->name);
    expect(SCORECAM_OK, s->call(w, claim(s, (uint32_t)s->size, 0)), NULL, s->name);
    for (size = (uint32_t)s->size + 1; size < s->size + 20; size++) {
        if (ends(size)) {
            expect(SCORECAM_OK, s->call(w, claim(s, size, 0)), NULL, s->name);
        } else {
            expect(SCORECAM_ERR_INVALID_ARGUMENT, s->call(w, claim(s, size, 0)), "multiple of 8", s->name);
        }
    }
    expect(SCORECAM_OK, s->call(w, claim(s, MOST, 0)), NULL, s->name);
    expect(fills ? SCORECAM_OK : SCORECAM_ERR_INVALID_ARGUMENT, s->call(w, claim(s, MOST, 1)), "byte 4095",
           s->name);
    /* At every size nothing behind it may be read; what a cut leaves may be wrong. */
    for (size = 9; size < s->size; size++) {
        int32_t status = s->call(w, claim(s, size, 0));
        demand((ends(size) && status == SCORECAM_OK) || status == SCORECAM_ERR_INVALID_ARGUMENT, s->name);
    }
}

/* A struct that is filled gets its fields, zeros where it is newer, and not a byte behind its size. */
static void filled(world *w, const subject *s)
{
    unsigned char whole[MOST], part[MOST + 16];
    uint32_t full = (uint32_t)s->size, size;
    memset(whole, 0, sizeof whole);
    memcpy(whole, &full, sizeof full);
    demand(s->call(w, whole) == SCORECAM_OK, s->name);
    for (size = 8; size <= s->size + 24; size++) {
        size_t i;
        memset(part, 0xa5, sizeof part);
        memcpy(part, &size, sizeof size);
        demand(s->call(w, part) == (ends(size) ? SCORECAM_OK : SCORECAM_ERR_INVALID_ARGUMENT), s->name);
        demand(memcmp(part, &size, sizeof size) == 0, "struct_size stays");
        for (i = sizeof size; i < sizeof part; i++) {
            unsigned char wanted = !ends(size) || i >= size ? 0xa5 : i >= s->size ? 0 : whole[i];
            demand(part[i] == wanted, s->name);
        }
    }
    printf("filled %s\n", s->name);
}

int main(int argc, char **argv)
{
    scorecam_model_options model_options = SCORECAM_MODEL_OPTIONS_INIT;
    scorecam_explain_options explain_options = SCORECAM_EXPLAIN_OPTIONS_INIT;
    scorecam_overlay_options overlay_options = SCORECAM_OVERLAY_OPTIONS_INIT;
    scorecam_plugin_info plugin_info = SCORECAM_PLUGIN_INFO_INIT;
    scorecam_layer_info layer_info = SCORECAM_LAYER_INFO_INIT;
    scorecam_target target = SCORECAM_TARGET_INIT;
    scorecam_model_info model_info = SCORECAM_MODEL_INFO_INIT;
    scorecam_explanation_info explanation_info = SCORECAM_EXPLANATION_INFO_INIT;
    scorecam_placement placement = SCORECAM_PLACEMENT_INIT;
    scorecam_box_options box_options = SCORECAM_BOX_OPTIONS_INIT;
    scorecam_evidence evidence = SCORECAM_EVIDENCE_INIT;
    scorecam_region region = SCORECAM_REGION_INIT;
    const scorecam_box box = {{1, 1, 9, 9}, 0};
    world w;
    size_t i;
    world_begin(&w, argc, argv);
    region.boxes = &box;
    region.box_count = 1;
    {
        const subject read[] = {
            {"in scorecam_model_options", sizeof model_options, &model_options, read_model_options, SCORECAM_OK},
            {"in scorecam_image", sizeof w.photo, &w.photo, read_image, SCORECAM_ERR_INVALID_ARGUMENT},
            {"in scorecam_image (reference)", sizeof w.photo, &w.photo, read_reference,
             SCORECAM_ERR_INVALID_ARGUMENT},
            {"in scorecam_image (overlay)", sizeof w.photo, &w.photo, read_photo, SCORECAM_ERR_INVALID_ARGUMENT},
            {"in scorecam_explain_options", sizeof explain_options, &explain_options, read_explain_options,
             SCORECAM_OK},
            {"in scorecam_overlay_options", sizeof overlay_options, &overlay_options, read_overlay_options,
             SCORECAM_OK},
            {"in scorecam_box_options", sizeof box_options, &box_options, read_box_options, SCORECAM_OK},
            {"in scorecam_region", sizeof region, &region, read_region, SCORECAM_ERR_INVALID_ARGUMENT},
            {"in scorecam_image (mask)", sizeof w.photo, &w.photo, read_mask, SCORECAM_ERR_INVALID_ARGUMENT},
        };
        const subject fill[] = {
            {"out scorecam_plugin_info", sizeof plugin_info, &plugin_info, fill_plugin_info, SCORECAM_OK},
            {"out scorecam_layer_info", sizeof layer_info, &layer_info, fill_layer_info, SCORECAM_OK},
            {"out scorecam_target", sizeof target, &target, fill_target, SCORECAM_OK},
            {"out scorecam_model_info", sizeof model_info, &model_info, fill_model_info, SCORECAM_OK},
            {"out scorecam_explanation_info", sizeof explanation_info, &explanation_info, fill_explanation_info,
             SCORECAM_OK},
            {"out scorecam_placement", sizeof placement, &placement, fill_placement, SCORECAM_OK},
            {"out scorecam_evidence", sizeof evidence, &evidence, fill_evidence, SCORECAM_OK},
        };
        for (i = 0; i < sizeof read / sizeof *read; i++) {
            sizes(&w, &read[i], 0);
        }
        for (i = 0; i < sizeof fill / sizeof *fill; i++) {
            sizes(&w, &fill[i], 1);
            filled(&w, &fill[i]);
        }
    }
    world_end(&w);
    return 0;
}
