/*
 * A GStreamer element that draws a model's saliency maps over a video:
 *     gst-launch-1.0 v4l2src ! videoconvert ! scorecamoverlay model=squeezenet1_1.toml async=true \
 *         ! videoconvert ! autovideosink
 *
 * It explains each frame by Recipro-CAM, which costs about half as much as the model, if the model can run from its
 * layer. Use a more expensive method only for every `every`-th frame; its map is blended over all frames until the
 * next. By default the stream waits for each map, so a file's result is reproducible; with async=true, maps are made
 * on another thread while a camera's frames continue. The element announces each new map by an element message
 * "scorecam" with class, label, score and passes (gst-launch-1.0 -m prints it). `gst-inspect-1.0 scorecamoverlay`
 * lists the properties. Build it in the repository's root, after `cargo build --release`:
 *     cc -shared -fPIC -Iinclude examples/gstreamer/scorecamoverlay.c examples/gstreamer/explainer.c \
 *         $(pkg-config --cflags --libs gstreamer-video-1.0) -Ltarget/release -lscorecam -o libgstscorecam.so
 *     GST_PLUGIN_PATH=. LD_LIBRARY_PATH=target/release gst-inspect-1.0 scorecamoverlay
 * or against an installed scorecam, with examples/gstreamer/CMakeLists.txt. A backend beside libscorecam or in
 * SCORECAM_PLUGIN_PATH is found automatically; for any other, set its file as `plugin`.
 */
#include <gst/gst.h>
#include <gst/video/gstvideofilter.h>
#include <gst/video/video.h>

#include "explainer.h"

#define SCORECAM_TYPE_OVERLAY (scorecam_overlay_element_get_type())
G_DECLARE_FINAL_TYPE(ScorecamOverlay, scorecam_overlay_element, SCORECAM, OVERLAY, GstVideoFilter)

/* The properties. */
typedef struct {
    ExplainerChoices choices;
    guint every;
    gboolean async;
} Settings;

struct _ScorecamOverlay {
    GstVideoFilter parent;

    /* Protected by the object's lock, because any thread may set properties. */
    Settings settings;

    /* The stream's own: between start and stop, on its thread. The explainer is put there and taken away
     * under the object's lock, since flushes and changes of state reach for it from their threads. */
    Explainer *explainer;
    guint64 frames_since_refresh;
    guint8 *picture;
};

G_DEFINE_TYPE(ScorecamOverlay, scorecam_overlay_element, GST_TYPE_VIDEO_FILTER)

enum {
    PROP_MODEL = 1,
    PROP_PLUGIN,
    PROP_LAYER,
    PROP_CLASS,
    PROP_METHOD,
    PROP_PRESET,
    PROP_OPTIONS,
    PROP_COLORMAP,
    PROP_OPACITY,
    PROP_THREADS,
    PROP_EVERY,
    PROP_ASYNC
};

#define FORMATS "{ RGB, BGR, RGBx, BGRx, RGBA, BGRA }"
#define DEFAULT_EVERY 1
#define DEFAULT_OPACITY 0.5

/* The storage of a text property; NULL for the others. */
static gchar **text_of(ScorecamOverlay *self, guint property)
{
    switch (property) {
    case PROP_MODEL:
        return &self->settings.choices.model;
    case PROP_PLUGIN:
        return &self->settings.choices.plugin;
    case PROP_LAYER:
        return &self->settings.choices.layer;
    case PROP_CLASS:
        return &self->settings.choices.class_name;
    case PROP_METHOD:
        return &self->settings.choices.method;
    case PROP_PRESET:
        return &self->settings.choices.preset;
    case PROP_OPTIONS:
        return &self->settings.choices.options;
    case PROP_COLORMAP:
        return &self->settings.choices.colormap;
    default:
        return NULL;
    }
}

static void set_property(GObject *object, guint property, const GValue *value, GParamSpec *spec)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(object);
    gchar **text = text_of(self, property);

    GST_OBJECT_LOCK(self);
    if (text != NULL) {
        g_free(*text);
        *text = g_value_dup_string(value);
    } else if (property == PROP_OPACITY) {
        self->settings.choices.opacity = g_value_get_double(value);
    } else if (property == PROP_THREADS) {
        self->settings.choices.threads = g_value_get_uint(value);
    } else if (property == PROP_EVERY) {
        self->settings.every = g_value_get_uint(value);
    } else if (property == PROP_ASYNC) {
        self->settings.async = g_value_get_boolean(value);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint property, GValue *value, GParamSpec *spec)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(object);
    gchar **text = text_of(self, property);

    GST_OBJECT_LOCK(self);
    if (text != NULL) {
        g_value_set_string(value, *text);
    } else if (property == PROP_OPACITY) {
        g_value_set_double(value, self->settings.choices.opacity);
    } else if (property == PROP_THREADS) {
        g_value_set_uint(value, self->settings.choices.threads);
    } else if (property == PROP_EVERY) {
        g_value_set_uint(value, self->settings.every);
    } else if (property == PROP_ASYNC) {
        g_value_set_boolean(value, self->settings.async);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

/* A copy of the properties, for one frame or one start; clear its choices after use. */
static Settings snapshot(ScorecamOverlay *self)
{
    Settings settings;

    GST_OBJECT_LOCK(self);
    settings = self->settings;
    settings.choices = explainer_choices_copy(&self->settings.choices);
    GST_OBJECT_UNLOCK(self);
    return settings;
}

static gboolean start(GstBaseTransform *transform)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(transform);
    GError *error = NULL;
    Settings settings = snapshot(self);
    Explainer *explainer = explainer_new(&settings.choices, &error);

    GST_OBJECT_LOCK(self);
    self->explainer = explainer;
    GST_OBJECT_UNLOCK(self);
    self->frames_since_refresh = 0;
    explainer_choices_clear(&settings.choices);
    if (explainer == NULL) {
        GST_ELEMENT_ERROR(self, LIBRARY, INIT, ("%s", error->message), (NULL));
        g_error_free(error);
        return FALSE;
    }
    return TRUE;
}

static gboolean stop(GstBaseTransform *transform)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(transform);
    Explainer *explainer;

    GST_OBJECT_LOCK(self);
    explainer = g_steal_pointer(&self->explainer);
    GST_OBJECT_UNLOCK(self);
    g_clear_pointer(&explainer, explainer_free);
    g_clear_pointer(&self->picture, g_free);
    return TRUE;
}

/* Call it from any thread; `what` returns at once. */
static void tell_explainer(ScorecamOverlay *self, void (*what)(Explainer *))
{
    GST_OBJECT_LOCK(self);
    if (self->explainer != NULL) {
        what(self->explainer);
    }
    GST_OBJECT_UNLOCK(self);
}

/* An explanation takes seconds, so cancel it before waiting for the stream's thread. */
static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(element);

    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
        tell_explainer(self, explainer_end);
    }
    return GST_ELEMENT_CLASS(scorecam_overlay_element_parent_class)->change_state(element, transition);
}

/* A flushing seek also waits for the stream's thread, and continues with another part of the video. */
static gboolean sink_event(GstBaseTransform *transform, GstEvent *event)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(transform);

    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) {
        tell_explainer(self, explainer_pause);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP && self->explainer != NULL) {
        /* Serialized with the stream, so the explainer stays; it waits for its thread, so hold no lock. */
        explainer_resume(self->explainer);
    }
    return GST_BASE_TRANSFORM_CLASS(scorecam_overlay_element_parent_class)->sink_event(transform, event);
}

/* Properties that follow a control source get the frame's values. */
static void before_transform(GstBaseTransform *transform, GstBuffer *buffer)
{
    GstClockTime time =
        gst_segment_to_stream_time(&transform->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));

    if (GST_CLOCK_TIME_IS_VALID(time)) {
        gst_object_sync_values(GST_OBJECT(transform), time);
    }
}

/* A map belongs to frames of one size and format; the picture is where RGB is drawn for other formats. */
static gboolean set_info(GstVideoFilter *filter, GstCaps *in_caps, GstVideoInfo *in, GstCaps *out_caps,
                         GstVideoInfo *out)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(filter);

    (void)in_caps;
    (void)out_caps;
    (void)out;
    explainer_reset(self->explainer);
    g_clear_pointer(&self->picture, g_free);
    if (GST_VIDEO_INFO_FORMAT(in) != GST_VIDEO_FORMAT_RGB) {
        self->picture = g_malloc((gsize)GST_VIDEO_INFO_WIDTH(in) * (gsize)GST_VIDEO_INFO_HEIGHT(in) * 3);
    }
    return TRUE;
}

static uint32_t pixels_of(GstVideoFormat format)
{
    switch (format) {
    case GST_VIDEO_FORMAT_BGR:
        return SCORECAM_PIXELS_BGR;
    case GST_VIDEO_FORMAT_RGBx:
    case GST_VIDEO_FORMAT_RGBA:
        return SCORECAM_PIXELS_RGBA;
    case GST_VIDEO_FORMAT_BGRx:
    case GST_VIDEO_FORMAT_BGRA:
        return SCORECAM_PIXELS_BGRA;
    default:
        return SCORECAM_PIXELS_RGB;
    }
}

/* The bytes of a frame's only plane, up to the last row's last pixel. */
static gsize plane_size(GstVideoFrame *frame)
{
    gsize stride = (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);
    gsize row = (gsize)GST_VIDEO_FRAME_WIDTH(frame) * (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, 0);

    return stride * ((gsize)GST_VIDEO_FRAME_HEIGHT(frame) - 1) + row;
}

static scorecam_image photo_of(GstVideoFrame *frame)
{
    scorecam_image photo = SCORECAM_IMAGE_INIT;

    photo.data = GST_VIDEO_FRAME_PLANE_DATA(frame, 0);
    photo.data_size = plane_size(frame);
    photo.width = (uint64_t)GST_VIDEO_FRAME_WIDTH(frame);
    photo.height = (uint64_t)GST_VIDEO_FRAME_HEIGHT(frame);
    photo.row_stride = (uint64_t)GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);
    photo.format = pixels_of(GST_VIDEO_FRAME_FORMAT(frame));
    return photo;
}

/* Copies the drawn RGB into a frame with another channel order; alpha and padding are kept. */
static void pack(const guint8 *picture, GstVideoFrame *out)
{
    gsize step = (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(out, 0);
    gint width = GST_VIDEO_FRAME_WIDTH(out), height = GST_VIDEO_FRAME_HEIGHT(out);

    for (gint colour = 0; colour < 3; colour++) {
        for (gint y = 0; y < height; y++) {
            const guint8 *from = picture + (gsize)y * (gsize)width * 3 + colour;
            guint8 *to = (guint8 *)GST_VIDEO_FRAME_COMP_DATA(out, colour)
                         + (gsize)y * (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(out, 0);

            for (gint x = 0; x < width; x++) {
                to[(gsize)x * step] = from[3 * x];
            }
        }
    }
}

static void announce(ScorecamOverlay *self, const ExplainerReport *report, GstVideoFrame *frame)
{
    GstStructure *told = gst_structure_new(
        "scorecam", "class", G_TYPE_UINT64, report->class_index, "label", G_TYPE_STRING, report->label,
        "score", G_TYPE_DOUBLE, report->score, "passes", G_TYPE_UINT64, report->passes, "timestamp",
        G_TYPE_UINT64, (guint64)GST_BUFFER_PTS(frame->buffer), NULL);

    gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), told));
}

/* Updates the map if it is older than requested; FALSE and `error` on failure. */
static gboolean refresh(ScorecamOverlay *self, GstVideoFrame *frame, const scorecam_image *photo,
                        const Settings *settings, GError **error)
{
    ExplainerReport report = { 0, 0.0, 0, NULL };
    GError *failure = NULL;
    gboolean old = settings->every != 0 && self->frames_since_refresh >= settings->every;
    gboolean due = old || !explainer_ready(self->explainer), renewed = FALSE;

    if (settings->async) {
        renewed = explainer_collect(self->explainer, &report, &failure);
        if (due && failure == NULL) {
            explainer_request(self->explainer, photo, &settings->choices);
        }
    } else if (due) {
        renewed = explainer_refresh(self->explainer, photo, &settings->choices, &report, &failure);
    }
    if (renewed) {
        self->frames_since_refresh = 0;
        announce(self, &report, frame);
        g_free(report.label);
    }
    self->frames_since_refresh++;
    if (failure != NULL) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    return TRUE;
}

static gboolean draw(ScorecamOverlay *self, const scorecam_image *photo, const ExplainerChoices *choices,
                     GstVideoFrame *out, GError **error)
{
    gsize packed = (gsize)photo->width * (gsize)photo->height * 3;

    if (!explainer_ready(self->explainer)) {
        return TRUE;
    }
    if (self->picture == NULL) {
        return explainer_draw(self->explainer, photo, choices, GST_VIDEO_FRAME_PLANE_DATA(out, 0),
                              plane_size(out), (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(out, 0), error);
    }
    if (!explainer_draw(self->explainer, photo, choices, self->picture, packed, 0, error)) {
        return FALSE;
    }
    pack(self->picture, out);
    return TRUE;
}

static GstFlowReturn transform_frame(GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
    ScorecamOverlay *self = SCORECAM_OVERLAY(filter);
    scorecam_image photo = photo_of(in);
    GstFlowReturn flow = GST_FLOW_OK;
    GError *error = NULL;
    Settings settings = snapshot(self);

    gst_video_frame_copy(out, in);
    if (!refresh(self, in, &photo, &settings, &error)
        || !draw(self, &photo, &settings.choices, out, &error)) {
        if (g_error_matches(error, EXPLAINER_ERROR, SCORECAM_ERR_CANCELLED)) {
            flow = GST_FLOW_FLUSHING;
        } else {
            GST_ELEMENT_ERROR(self, LIBRARY, FAILED, ("%s", error->message), (NULL));
            flow = GST_FLOW_ERROR;
        }
        g_error_free(error);
    }
    explainer_choices_clear(&settings.choices);
    return flow;
}

static void finalize(GObject *object)
{
    explainer_choices_clear(&SCORECAM_OVERLAY(object)->settings.choices);
    G_OBJECT_CLASS(scorecam_overlay_element_parent_class)->finalize(object);
}

static void scorecam_overlay_element_init(ScorecamOverlay *self)
{
    self->settings.choices.opacity = DEFAULT_OPACITY;
    self->settings.every = DEFAULT_EVERY;
}

static void install_texts(GObjectClass *object_class)
{
    static const struct {
        guint id;
        const gchar *name;
        const gchar *blurb;
        GParamFlags mutable_in;
    } texts[] = {
        { PROP_MODEL, "model", "The model's file, or its manifest", GST_PARAM_MUTABLE_READY },
        { PROP_PLUGIN, "plugin", "A backend's or method's plugin file; none to find it by itself",
          GST_PARAM_MUTABLE_READY },
        { PROP_LAYER, "layer", "The layer to explain; none for the model's default",
          GST_PARAM_MUTABLE_PLAYING },
        { PROP_CLASS, "class", "The class to explain, by number or label; none for the highest score",
          GST_PARAM_MUTABLE_PLAYING },
        { PROP_METHOD, "method", "The method; none for auto, or for score-cam where there are options", GST_PARAM_MUTABLE_PLAYING },
        { PROP_PRESET, "preset", "A preset of the method; none for its defaults", GST_PARAM_MUTABLE_PLAYING },
        { PROP_OPTIONS, "options", "Options of the method, as in select=std,select_count=32",
          GST_PARAM_MUTABLE_PLAYING },
        { PROP_COLORMAP, "colormap", "viridis, turbo, jet, inferno or gray; none for viridis",
          GST_PARAM_MUTABLE_PLAYING },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | texts[i].mutable_in;

        g_object_class_install_property(
            object_class, texts[i].id,
            g_param_spec_string(texts[i].name, texts[i].name, texts[i].blurb, NULL, flags));
    }
}

static void install_numbers(GObjectClass *object_class)
{
    GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    GParamFlags playing = flags | GST_PARAM_MUTABLE_PLAYING;

    g_object_class_install_property(
        object_class, PROP_OPACITY,
        g_param_spec_double("opacity", "opacity", "The map's share: 0 (the frame alone) to 1 (the map alone)",
                            0.0, 1.0, DEFAULT_OPACITY, playing | GST_PARAM_CONTROLLABLE));
    g_object_class_install_property(
        object_class, PROP_THREADS,
        g_param_spec_uint("threads", "threads", "Threads of the engine; 0 for all cores", 0, 1024, 0,
                          flags | GST_PARAM_MUTABLE_READY));
    g_object_class_install_property(
        object_class, PROP_EVERY,
        g_param_spec_uint("every", "every",
                          "Explain again after so many frames; 0 to explain the first alone", 0, G_MAXUINT,
                          DEFAULT_EVERY, playing));
    g_object_class_install_property(
        object_class, PROP_ASYNC,
        g_param_spec_boolean("async", "async",
                             "Explain on a thread of its own and let frames go on meanwhile", FALSE,
                             playing));
}

static void scorecam_overlay_element_class_init(ScorecamOverlayClass *element)
{
    GObjectClass *object_class = G_OBJECT_CLASS(element);
    GstElementClass *element_class = GST_ELEMENT_CLASS(element);
    GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(element);
    GstCaps *caps = gst_caps_from_string(GST_VIDEO_CAPS_MAKE(FORMATS));

    object_class->set_property = set_property;
    object_class->get_property = get_property;
    object_class->finalize = finalize;
    install_texts(object_class);
    install_numbers(object_class);

    gst_element_class_set_static_metadata(element_class, "Score-CAM overlay", "Filter/Effect/Video",
                                          "Shows where in the picture a classifier sees its evidence",
                                          "scorecam");
    gst_element_class_add_pad_template(element_class,
                                       gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
    gst_element_class_add_pad_template(element_class,
                                       gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
    gst_caps_unref(caps);
    element_class->change_state = change_state;
    transform_class->start = start;
    transform_class->stop = stop;
    transform_class->sink_event = sink_event;
    transform_class->before_transform = before_transform;
    GST_VIDEO_FILTER_CLASS(element)->set_info = set_info;
    GST_VIDEO_FILTER_CLASS(element)->transform_frame = transform_frame;
}

static gboolean plugin_init(GstPlugin *plugin)
{
    return gst_element_register(plugin, "scorecamoverlay", GST_RANK_NONE, SCORECAM_TYPE_OVERLAY);
}

#define PACKAGE "scorecam"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, scorecam, "Explains what classifiers see in video",
                  plugin_init, "1.0.0", "MIT/X11", PACKAGE, PACKAGE)
