/*
 * What the GStreamer element does beyond drawing: overlay_element TEST PLUGIN MODEL
 *
 * TEST is the name of a function below. MODEL is of the toy's kind; for `flush_gives_up` a slow one, whose
 * explanation would take seconds. Exits with 1 and a line when something is not as it has to be.
 */
#include <gst/check/gstharness.h>
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <gst/gst.h>
#include <stdlib.h>
#include <string.h>

#include "../../examples/gstreamer/explainer.h"

#define SIDE 32
#define FRAME_SIZE (SIDE * SIDE * 3)

static void expect(gboolean right, const char *what)
{
    if (!right) {
        g_printerr("not so: %s\n", what);
        exit(1);
    }
}

/* The element between two pads of the test's, and the bus that hears its messages. */
typedef struct {
    GstElement *element;
    GstHarness *harness;
    GstBus *bus;
} Stage;

/* A ramp, the same at each time. */
static GstBuffer *frame_at(GstClockTime time)
{
    guint8 *pixels = g_malloc(FRAME_SIZE);
    GstBuffer *frame;

    for (gsize i = 0; i < FRAME_SIZE; i++) {
        pixels[i] = (guint8)(i * 7 / 3);
    }
    frame = gst_buffer_new_wrapped(pixels, FRAME_SIZE);
    GST_BUFFER_PTS(frame) = time;
    return frame;
}

/* Explains its first frame alone, until something makes it explain another. */
static Stage raise_stage(const char *plugin, const char *model)
{
    Stage stage;

    stage.element = gst_element_factory_make("scorecamoverlay", NULL);
    expect(stage.element != NULL, "GStreamer finds the element");
    g_object_set(stage.element, "plugin", plugin, "model", model, "every", 0, NULL);
    stage.bus = gst_bus_new();
    gst_element_set_bus(stage.element, stage.bus);
    stage.harness = gst_harness_new_with_element(stage.element, "sink", "src");
    gst_harness_set_src_caps_str(stage.harness, "video/x-raw,format=RGB,width=32,height=32,framerate=1/1");
    return stage;
}

static void strike(Stage *stage)
{
    gst_harness_teardown(stage->harness);
    gst_element_set_bus(stage->element, NULL);
    gst_object_unref(stage->bus);
    gst_object_unref(stage->element);
}

/* How many maps were announced since the last call. */
static guint announced(Stage *stage)
{
    GstMessage *message;
    guint count = 0;

    while ((message = gst_bus_pop_filtered(stage->bus, GST_MESSAGE_ELEMENT)) != NULL) {
        count += gst_message_has_name(message, "scorecam") ? 1 : 0;
        gst_message_unref(message);
    }
    return count;
}

/* Whether the element leaves the pixels of the frame of a time alone. */
static gboolean untouched(Stage *stage, GstClockTime time)
{
    GstBuffer *before = frame_at(time), *after;
    GstMapInfo map;
    gboolean same;

    after = gst_harness_push_and_pull(stage->harness, gst_buffer_ref(before));
    expect(after != NULL, "a frame comes out");
    gst_buffer_map(after, &map, GST_MAP_READ);
    same = map.size == FRAME_SIZE && gst_buffer_memcmp(before, 0, map.data, map.size) == 0;
    gst_buffer_unmap(after, &map);
    gst_buffer_unref(after);
    gst_buffer_unref(before);
    return same;
}

static void end_flush(Stage *stage)
{
    GstSegment segment;

    gst_harness_push_event(stage->harness, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(stage->harness, gst_event_new_segment(&segment));
}

/* A control source that says 0 and then 1 is followed, whatever the property says itself. */
static void opacity_is_controlled(const char *plugin, const char *model)
{
    Stage stage = raise_stage(plugin, model);
    GstControlSource *source = gst_interpolation_control_source_new();

    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), 0, 0.0);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), GST_SECOND, 1.0);
    gst_object_add_control_binding(
        GST_OBJECT(stage.element),
        gst_direct_control_binding_new(GST_OBJECT(stage.element), "opacity", source));
    expect(untouched(&stage, 0), "at opacity 0 a frame is as it was");
    expect(!untouched(&stage, GST_SECOND), "at opacity 1 it is the map");
    gst_object_unref(source);
    strike(&stage);
}

/* What comes after a seek is another part of the video, and gets a map of its own. */
static void flush_forgets_the_map(const char *plugin, const char *model)
{
    Stage stage = raise_stage(plugin, model);

    untouched(&stage, 0);
    expect(announced(&stage) == 1, "the first frame is explained");
    untouched(&stage, GST_SECOND);
    expect(announced(&stage) == 0, "the second has the map of the first");
    gst_harness_push_event(stage.harness, gst_event_new_flush_start());
    end_flush(&stage);
    untouched(&stage, 2 * GST_SECOND);
    expect(announced(&stage) == 1, "the first after a flush is explained");
    strike(&stage);
}

static gpointer push_first(gpointer harness)
{
    return GINT_TO_POINTER(gst_harness_push(harness, frame_at(0)));
}

/* A seek does not wait for an explanation that nobody will see. */
static void flush_gives_up(const char *plugin, const char *model)
{
    Stage stage = raise_stage(plugin, model);
    GThread *stream = g_thread_new("stream", push_first, stage.harness);

    g_usleep(G_USEC_PER_SEC / 2);
    gst_harness_push_event(stage.harness, gst_event_new_flush_start());
    expect(GPOINTER_TO_INT(g_thread_join(stream)) == GST_FLOW_FLUSHING, "the frame's way ends by the flush");
    expect(announced(&stage) == 0, "its explanation was given up");
    end_flush(&stage);
    strike(&stage);
}

/* The stream's thread, on its way to a new size, does not bring back to life what the end has put to rest. */
static void end_is_final(const char *plugin, const char *model)
{
    guint8 pixels[FRAME_SIZE] = { 0 };
    scorecam_image photo = SCORECAM_IMAGE_INIT;
    ExplainerChoices choices = { 0 };
    ExplainerReport report = { 0, 0.0, 0, NULL };
    GError *error = NULL;
    Explainer *explainer;

    choices.plugin = (gchar *)plugin;
    choices.model = (gchar *)model;
    photo.data = pixels;
    photo.data_size = sizeof pixels;
    photo.width = photo.height = SIDE;
    explainer = explainer_new(&choices, &error);
    expect(explainer != NULL, "the model is loaded");
    expect(explainer_refresh(explainer, &photo, &choices, &report, &error), "a photo is explained");
    g_free(report.label);
    explainer_pause(explainer);
    explainer_reset(explainer);
    expect(!explainer_refresh(explainer, &photo, &choices, &report, &error)
               && g_error_matches(error, EXPLAINER_ERROR, SCORECAM_ERR_CANCELLED),
           "none is while paused");
    g_clear_error(&error);
    explainer_resume(explainer);
    expect(explainer_refresh(explainer, &photo, &choices, &report, &error), "one is when that is over");
    g_free(report.label);
    explainer_end(explainer);
    explainer_reset(explainer);
    explainer_resume(explainer);
    expect(!explainer_refresh(explainer, &photo, &choices, &report, &error)
               && g_error_matches(error, EXPLAINER_ERROR, SCORECAM_ERR_CANCELLED),
           "none is after the end");
    g_clear_error(&error);
    explainer_free(explainer);
}

static const struct {
    const char *name;
    void (*run)(const char *plugin, const char *model);
} tests[] = {
    { "opacity_is_controlled", opacity_is_controlled },
    { "flush_forgets_the_map", flush_forgets_the_map },
    { "flush_gives_up", flush_gives_up },
    { "end_is_final", end_is_final },
};

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    expect(argc == 4, "the arguments are TEST PLUGIN MODEL");
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        if (strcmp(tests[i].name, argv[1]) == 0) {
            tests[i].run(argv[2], argv[3]);
            gst_deinit();
            return 0;
        }
    }
    expect(FALSE, "TEST is one of the tests");
    return 1;
}
