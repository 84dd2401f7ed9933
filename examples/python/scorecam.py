"""scorecam from Python, by ctypes: nothing to install but libscorecam and a plugin.

    import scorecam
    model = scorecam.Host(["libscorecam_onnx_cpu.so"]).load_model("squeezenet1_1.toml")
    explanation = model.explain(scorecam.Photo(rgb_bytes, width, height), classes=[285])
    heat = explanation.map(0)                # memoryview [h, w] of floats; numpy.asarray(heat) copies nothing
    for index, target in enumerate(model.explain(photo, targets=["boxes"]).targets):    # of a detector
        print(target.text, target.label, target.box, target.box_score)

The library is found by the variable SCORECAM_LIBRARY, else as the system finds libscorecam.so.1. A Photo
takes bytes, or anything with a buffer of [h, w, channels] or [h, w], such as a numpy array. OpenCV's images
are blue first: Photo(cv2.imread("cat.jpg"), format="BGR").
While a call runs, other Python threads run too, and several may use one model. The definitions below repeat
scorecam.h; header_check.py proves that they still do.
"""

import collections
import contextlib
import ctypes
import os
import signal
import threading
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_float, c_int32, c_size_t,
                    c_uint8, c_uint32, c_uint64, c_void_p)

CONSTANTS = {
    "SCORECAM_OK": 0, "SCORECAM_ERR_CANCELLED": 7, "SCORECAM_MAX_RANK": 8, "SCORECAM_NO_CLASS": 2**64 - 1,
    "SCORECAM_IMAGE_PHOTO": 0, "SCORECAM_IMAGE_TENSOR": 1,
    "SCORECAM_SAMPLES_U8": 0, "SCORECAM_SAMPLES_F32": 2,
    "SCORECAM_LAYOUT_HWC": 0, "SCORECAM_LAYOUT_CHW": 1,
    "SCORECAM_PIXELS_RGB": 0, "SCORECAM_PIXELS_BGR": 1, "SCORECAM_PIXELS_RGBA": 2, "SCORECAM_PIXELS_BGRA": 3,
    "SCORECAM_PIXELS_GRAY": 4, "SCORECAM_PIXELS_GRAY_ALPHA": 5,
    "SCORECAM_BOXES_LARGEST": 0, "SCORECAM_BOXES_ALL": 1,
}
CHANNELS = {"RGB": 3, "BGR": 3, "RGBA": 4, "BGRA": 4, "GRAY": 1, "GRAY_ALPHA": 2}


class Handle(Structure):
    """An opaque object of the library."""


class scorecam_host(Handle):
    pass


class scorecam_model(Handle):
    pass


class scorecam_explanation(Handle):
    pass


class Sized(Structure):
    """A struct that starts with its size, like all structs of the library."""

    def __init__(self, **fields):
        super().__init__(struct_size=ctypes.sizeof(self), **fields)


class scorecam_option(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class scorecam_shape(Structure):
    _fields_ = [("rank", c_uint32), ("reserved", c_uint32), ("sizes", c_uint64 * 8)]


class scorecam_image(Sized):
    _fields_ = [("struct_size", c_uint32), ("kind", c_uint32), ("data", c_void_p), ("data_size", c_uint64),
                ("width", c_uint64), ("height", c_uint64), ("row_stride", c_uint64),
                ("plane_stride", c_uint64), ("format", c_uint32), ("sample_type", c_uint32),
                ("layout", c_uint32), ("orientation", c_uint32), ("channels", c_uint32),
                ("reserved", c_uint32)]


scorecam_progress = CFUNCTYPE(c_int32, c_uint64, c_uint64, c_void_p)


class scorecam_explain_options(Sized):
    _fields_ = [("struct_size", c_uint32), ("jobs", c_uint32), ("method", c_char_p), ("preset", c_char_p),
                ("options", POINTER(scorecam_option)), ("option_count", c_uint64),
                ("classes", POINTER(c_uint64)), ("class_count", c_uint64), ("top_k", c_uint64),
                ("layer", c_char_p), ("fuse", c_char_p), ("augment", c_uint64), ("batch_size", c_uint64),
                ("reference", POINTER(scorecam_image)), ("previous", POINTER(scorecam_explanation)),
                ("progress", scorecam_progress), ("user_data", c_void_p), ("targets", POINTER(c_char_p)),
                ("target_count", c_uint64), ("min_score", c_double), ("time_limit", c_double)]


class scorecam_target(Sized):
    _fields_ = [("struct_size", c_uint32), ("has_box", c_uint32), ("class_index", c_uint64),
                ("score", c_double), ("output", c_double), ("label", c_char_p), ("text", c_char_p),
                ("rect", c_double * 4), ("box_score", c_double)]


class scorecam_model_options(Sized):
    _fields_ = [("struct_size", c_uint32), ("threads", c_uint32), ("backend", c_char_p), ("layer", c_char_p),
                ("device", c_char_p), ("settings", POINTER(scorecam_option)), ("setting_count", c_uint64),
                ("manifest", c_char_p), ("manifest_file", c_char_p), ("data", c_void_p), ("data_size", c_uint64)]


class scorecam_model_info(Sized):
    _fields_ = [("struct_size", c_uint32), ("output_kind", c_uint32), ("class_count", c_uint64),
                ("channels", c_uint64), ("height", c_uint64), ("width", c_uint64), ("layer_count", c_uint64),
                ("name", c_char_p), ("backend", c_char_p), ("backend_reason", c_char_p), ("layer", c_char_p)]


class scorecam_explanation_info(Sized):
    _fields_ = [("struct_size", c_uint32), ("has_maps", c_uint32), ("target_count", c_uint64),
                ("passes", c_uint64), ("warning_count", c_uint64), ("measure_count", c_uint64),
                ("layer", c_char_p)]


class scorecam_layer_info(Sized):
    _fields_ = [("struct_size", c_uint32), ("is_default", c_uint32), ("name", c_char_p),
                ("operation", c_char_p), ("shape", scorecam_shape)]


class scorecam_overlay_options(Sized):
    _fields_ = [("struct_size", c_uint32), ("opacity", c_float), ("target", c_uint64), ("colormap", c_char_p),
                ("row_stride", c_uint64)]


class scorecam_box_options(Sized):
    _fields_ = [("struct_size", c_uint32), ("areas", c_uint32), ("threshold", c_double)]


class scorecam_box(Structure):
    _fields_ = [("rect", c_double * 4), ("energy", c_double)]


class scorecam_region(Sized):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("boxes", POINTER(scorecam_box)),
                ("box_count", c_uint64), ("mask", POINTER(scorecam_image))]


class scorecam_evidence(Sized):
    _fields_ = [("struct_size", c_uint32), ("has_energy", c_uint32), ("energy", c_double), ("share", c_double),
                ("lift", c_double), ("rank_accuracy", c_double), ("roc_area", c_double), ("pointing", c_uint64)]


_host, _model, _explanation = POINTER(scorecam_host), POINTER(scorecam_model), POINTER(scorecam_explanation)
_count = POINTER(c_uint64)

# What is called: the result, then the parameters.
FUNCTIONS = {
    "scorecam_host_create": (c_int32, POINTER(_host)),
    "scorecam_host_free": (c_int32, _host),
    "scorecam_host_load_plugin": (c_int32, _host, c_char_p),
    "scorecam_model_load": (c_int32, POINTER(_model), _host, c_char_p, POINTER(scorecam_model_options)),
    "scorecam_model_free": (c_int32, _model),
    "scorecam_model_describe": (c_int32, POINTER(scorecam_model_info), _model),
    "scorecam_model_layer": (c_int32, POINTER(scorecam_layer_info), _model, c_uint64),
    "scorecam_model_find_class": (c_int32, _count, _model, c_char_p),
    "scorecam_explain": (c_int32, POINTER(_explanation), _model, POINTER(scorecam_image),
                         POINTER(scorecam_explain_options)),
    "scorecam_explanation_free": (c_int32, _explanation),
    "scorecam_explanation_describe": (c_int32, POINTER(scorecam_explanation_info), _explanation),
    "scorecam_explanation_map": (c_int32, POINTER(POINTER(c_float)), _count, _count, _explanation, c_uint64),
    "scorecam_explanation_target": (c_int32, POINTER(scorecam_target), _explanation, c_uint64),
    "scorecam_explanation_warning": (c_int32, POINTER(c_char_p), _explanation, c_uint64),
    "scorecam_explanation_measure": (c_int32, POINTER(c_char_p), POINTER(c_double), _explanation, c_uint64),
    "scorecam_explanation_overlay": (c_int32, POINTER(c_uint8), c_size_t, _explanation, POINTER(scorecam_image),
                         POINTER(scorecam_overlay_options)),
    "scorecam_explanation_boxes": (c_int32, POINTER(scorecam_box), c_uint64, _count, _explanation, c_uint64,
                                   POINTER(scorecam_box_options)),
    "scorecam_explanation_region": (c_int32, POINTER(scorecam_evidence), _explanation, c_uint64,
                                    POINTER(scorecam_region)),
    "scorecam_version": (c_char_p,),
    "scorecam_last_error": (c_char_p,),
    "scorecam_status_name": (c_char_p, c_int32),
}


def _load_library():
    library = ctypes.CDLL(os.environ.get("SCORECAM_LIBRARY", "libscorecam.so.1"))
    for name, (result, *parameters) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library


_library = None


def _call(name, *arguments):
    """Calls a function of the library, which is opened on the first call, and raises its errors."""
    global _library
    if _library is None:
        _library = _load_library()
    result = getattr(_library, name)(*arguments)
    if FUNCTIONS[name][0] is c_int32 and result != CONSTANTS["SCORECAM_OK"]:
        name, line = _library.scorecam_status_name(result), _library.scorecam_last_error()
        raise Error(result, name.decode(), line.decode())
    return result


def _number(name, *arguments):
    out = c_uint64()
    _call(name, byref(out), *arguments)
    return out.value


def _described(struct, name, handle):
    out = struct()
    _call(name, byref(out), handle)
    return out


def _text(name, *arguments):
    out = c_char_p()
    _call(name, byref(out), *arguments)
    return out.value.decode()


def _bytes(text):
    return None if text is None else os.fsencode(text)


def _options(values):
    pairs = [scorecam_option(str(k).encode(), str(v).encode()) for k, v in (values or {}).items()]
    return (scorecam_option * len(pairs))(*pairs), len(pairs)


class Error(Exception):
    """An error of the library: `status` is the number, `status_name` its name, the text the library's message."""

    def __init__(self, status, status_name, line):
        super().__init__(line)
        self.status, self.status_name = status, status_name


# What was explained. `text` is what was asked ("class:285", "box:0"). `class_index` and `label` are those of the class
# that it is about, or None. `score` is a class's probability, `output` its raw output; of another target both are its
# number. `box` is left, top, right and bottom in pixels of the photo, and `box_score` how sure the detector is, 0 to 1;
# both None where the target is about no box.
Target = collections.namedtuple("Target", "text class_index label score output box box_score")


# A box of a map: left, top, right and bottom in pixels of the photo, and the share of the map in it.
Box = collections.namedtuple("Box", "rect energy")

# How a map lies on a part of the photo: the share of the map there (None for a map without a positive value), the part's share of
# the image, the one by the other, and what scorecam_evidence says of the rest.
Evidence = collections.namedtuple("Evidence", "energy share lift rank_accuracy roc_area pointing")


class Photo:
    """A copy of 8-bit pixels. Sizes may be omitted if the buffer has them.

    `format` is one of CHANNELS: "RGB" if nothing is said, "BGR" for what OpenCV reads.
    """

    def __init__(self, pixels, width=None, height=None, format="RGB"):
        view = memoryview(pixels)
        if width is None or height is None:
            if view.ndim < 2:
                raise ValueError("the buffer has no height and width; give both")
            height, width = view.shape[:2]
        if view.itemsize != 1 or view.nbytes != width * height * CHANNELS[format]:
            raise ValueError(f"{view.nbytes} bytes are no {width}x{height} pixels of 8-bit {format}")
        self.width, self.height, self._pixels = width, height, view.tobytes()
        self._struct = scorecam_image(
            data=ctypes.cast(c_char_p(self._pixels), c_void_p), data_size=view.nbytes,
            width=width, height=height, format=CONSTANTS["SCORECAM_PIXELS_" + format], orientation=1)


class Tensor:
    """A model's input: a buffer of 32-bit floats [C, H, W], used unchanged."""

    def __init__(self, values):
        view = memoryview(values)
        if view.format != "f" or view.ndim != 3:
            raise ValueError("a tensor is a buffer of 32-bit floats [C, H, W]")
        channels, height, width = view.shape
        self._values = view.tobytes()
        self._struct = scorecam_image(
            kind=CONSTANTS["SCORECAM_IMAGE_TENSOR"], data=ctypes.cast(c_char_p(self._values), c_void_p),
            data_size=view.nbytes, width=width, height=height, channels=channels, orientation=1,
            sample_type=CONSTANTS["SCORECAM_SAMPLES_F32"], layout=CONSTANTS["SCORECAM_LAYOUT_CHW"])


class Owner:
    """Frees its handle when it is collected."""

    _free = None

    def __init__(self, handle):
        self._handle = handle

    def __del__(self):
        if getattr(self, "_handle", None):
            _call(self._free, self._handle)

    def __copy__(self):
        raise TypeError(f"a {type(self).__name__} owns its handle and is not copied")

    def __deepcopy__(self, memo):
        self.__copy__()


class Host(Owner):
    """Backends and methods: the built-in ones, and those of the given plugins."""

    _free = "scorecam_host_free"

    def __init__(self, plugins=()):
        super().__init__(_host())
        _call("scorecam_host_create", byref(self._handle))
        for plugin in plugins:
            _call("scorecam_host_load_plugin", self._handle, _bytes(plugin))

    def load_model(self, path, *, backend=None, layer=None, device=None, threads=0, settings=None):
        """A model from its file or its manifest."""
        pairs, count = _options(settings)
        options = scorecam_model_options(threads=threads, backend=_bytes(backend), layer=_bytes(layer),
                                         device=_bytes(device), settings=pairs, setting_count=count)
        handle = _model()
        _call("scorecam_model_load", byref(handle), self._handle, _bytes(path), byref(options))
        return Model(handle)


class Model(Owner):
    """A loaded model. Several threads may use it concurrently."""

    _free = "scorecam_model_free"

    def layers(self):
        """Name, operation and shape without the batch axis of each layer, in execution order."""
        found = []
        for index in range(self._info.layer_count):
            info = scorecam_layer_info()
            _call("scorecam_model_layer", byref(info), self._handle, index)
            shape = tuple(info.shape.sizes[:info.shape.rank])
            found.append((info.name.decode(), info.operation.decode(), shape))
        return found

    @property
    def backend(self):
        """The id of its backend."""
        return self._info.backend.decode()

    @property
    def backend_reason(self):
        """The reason for this backend, or None if there was no choice."""
        reason = self._info.backend_reason
        return None if reason is None else reason.decode()

    @property
    def _info(self):
        return _described(scorecam_model_info, "scorecam_model_describe", self._handle)

    def class_index(self, text):
        """The class of a number or a label."""
        return _number("scorecam_model_find_class", self._handle, str(text).encode())

    def explain(self, image, classes=(), *, targets=(), top_k=0, layer=None, method=None, preset=None, options=None,
                batch_size=0, min_score=0.0, time_limit=0.0, fuse=None, augment=False, previous=None, progress=None):
        """Saliency maps of `classes`, of `targets`, or of the `top_k` classes with the highest scores (one, if nothing
        is said; of a detector its boxes).

        `targets` are those of docs/targets.md, in words: "boxes", "contrast:tabby-lynx". `min_score` is the least score
        of a detection that counts, 0 to 1; at 0 it is 0.25. `options` are the method's ({"select": "std"}). `layer` may be
        several with commas between, whose maps `fuse` ("mean", "max", "product") makes one; with `augment` the mirrored image
        is explained, too. `previous` is the explanation of a video's frame before. `time_limit` is in seconds, 0 for none.
        `progress(passes, expected)` may return something true to cancel, which raises an Error; what it raises itself ends the
        call, too, and is raised again. So does Ctrl-C, with the batch that is under way.
        """
        raised = []

        def on_progress(passes, expected, _):
            try:
                return 1 if interrupted or progress and progress(passes, expected) else 0
            except BaseException as error:  # ctypes would print it and go on
                raised.append(error)
                return 1

        pairs, count = _options(options)
        wanted = scorecam_explain_options(
            method=_bytes(method), preset=_bytes(preset), options=pairs, option_count=count,
            classes=(c_uint64 * len(classes))(*classes), class_count=len(classes), top_k=top_k,
            layer=_bytes(layer), batch_size=batch_size, min_score=min_score,
            time_limit=time_limit, fuse=_bytes(fuse), augment=bool(augment),
            previous=previous and previous._handle,
            targets=(c_char_p * len(targets))(*map(_bytes, targets)), target_count=len(targets),
            progress=scorecam_progress(on_progress))
        handle = _explanation()
        with _interrupts() as interrupted:
            try:
                _call("scorecam_explain", byref(handle), self._handle, byref(image._struct), byref(wanted))
            except Error:
                if raised:
                    raise raised[0]
                if not interrupted:
                    raise
            if interrupted:
                raise KeyboardInterrupt
        return Explanation(handle)


@contextlib.contextmanager
def _interrupts():
    """A list that Ctrl-C adds to, in place of an exception: one that is raised as a callback begins would be lost."""
    found = []
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return
    signal.signal(signal.SIGINT, lambda number, frame: found.append(number))
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Explanation(Owner):
    """The result of an explanation: maps and their data."""

    _free = "scorecam_explanation_free"

    def __len__(self):
        return self._info.target_count

    @property
    def _info(self):
        return _described(scorecam_explanation_info, "scorecam_explanation_describe", self._handle)

    def map(self, index=0):
        """The saliency map of a target, a copy: a memoryview [h, w] of floats."""
        data, height, width = POINTER(c_float)(), c_uint64(), c_uint64()
        _call("scorecam_explanation_map", byref(data), byref(height), byref(width), self._handle, index)
        values = ctypes.string_at(data, height.value * width.value * ctypes.sizeof(c_float))
        return memoryview(values).cast("f", [height.value, width.value])

    def target(self, index=0):
        """The Target of map `index`."""
        found = scorecam_target()
        _call("scorecam_explanation_target", byref(found), self._handle, index)
        is_class, is_box = found.class_index != CONSTANTS["SCORECAM_NO_CLASS"], bool(found.has_box)
        return Target(
            text=found.text.decode(), class_index=found.class_index if is_class else None,
            label=None if found.label is None else found.label.decode(), score=found.score, output=found.output,
            box=tuple(found.rect) if is_box else None, box_score=found.box_score if is_box else None)

    @property
    def targets(self):
        """All targets, in the order of the maps."""
        return [self.target(index) for index in range(len(self))]

    @property
    def passes(self):
        return self._info.passes

    @property
    def layer(self):
        return self._info.layer.decode()

    @property
    def warnings(self):
        count = self._info.warning_count
        return [_text("scorecam_explanation_warning", self._handle, i) for i in range(count)]

    @property
    def measures(self):
        """Numbers that the method reports of its work, by name, such as the "estimated-error" of
        "score-cam-adaptive"."""
        found = {}
        for index in range(self._info.measure_count):
            name, value = c_char_p(), c_double()
            _call("scorecam_explanation_measure", byref(name), byref(value), self._handle, index)
            found[name.value.decode()] = value.value
        return found

    def boxes(self, index=0, *, threshold=0.15, all_areas=False):
        """The boxes around the map's values of at least `threshold` of its greatest, the largest area first: one, or with
        `all_areas` one around each connected area."""
        options = scorecam_box_options(threshold=threshold, areas=CONSTANTS["SCORECAM_BOXES_ALL" if all_areas else
                                                                            "SCORECAM_BOXES_LARGEST"])
        count = c_uint64()
        _call("scorecam_explanation_boxes", None, 0, byref(count), self._handle, index, byref(options))
        found = (scorecam_box * count.value)()
        _call("scorecam_explanation_boxes", found, len(found), byref(count), self._handle, index, byref(options))
        return [Box(tuple(box.rect), box.energy) for box in found]

    def region(self, *boxes, index=0, mask=None):
        """How the map lies on a part of the photo, an Evidence: boxes of (left, top, right, bottom) in its pixels, or a `mask`,
        a Photo of its size that is white on the part."""
        given = (scorecam_box * len(boxes))(*[scorecam_box(rect=(c_double * 4)(*rect)) for rect in boxes])
        region, found = scorecam_region(boxes=given if boxes else None, box_count=len(boxes)), scorecam_evidence()
        if mask is not None:
            region.mask = ctypes.pointer(mask._struct)
        _call("scorecam_explanation_region", byref(found), self._handle, index, byref(region))
        energy, lift = (found.energy, found.lift) if found.has_energy else (None, None)
        return Evidence(energy, found.share, lift, found.rank_accuracy, found.roc_area, bool(found.pointing))

    def overlay(self, photo, *, target=0, opacity=0.5, colormap=None):
        """A target's map over its photo, as packed 8-bit RGB of the photo's size."""
        options = scorecam_overlay_options(opacity=opacity, target=target, colormap=_bytes(colormap))
        out = (c_uint8 * (3 * photo.width * photo.height))()
        _call("scorecam_explanation_overlay", out, len(out), self._handle, byref(photo._struct), byref(options))
        return bytes(out)


def version():
    """The library's version."""
    return _call("scorecam_version").decode()
