"""Every form of image gives the same map, and what is none is refused in one line."""

import numpy as np
import pytest

import scorecam


class Dlpack:
    """An array that shows itself by DLPack alone."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **arguments):
        return self._array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def test_forms_of_one_photo_give_one_map(model, photo, pixels):
    image = pytest.importorskip("PIL.Image")
    expected = model.explain(photo).map
    forms = {
        "path": str(photo),
        "pil": image.open(photo),
        "pixels": pixels,
        "with alpha": np.dstack([pixels, np.full(pixels.shape[:2], 200, np.uint8)]),
        "planes": np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        "view": np.asfortranarray(pixels),
        "16 bits": pixels.astype(np.uint16) * 257,
        "dlpack": Dlpack(pixels),
    }
    for name, form in forms.items():
        assert np.array_equal(model.explain(form).map, expected), name


def test_forms_of_one_tensor_give_one_map(channels, spot):
    expected = channels.explain(spot).map
    forms = [spot[None], spot.astype(np.float64), spot.astype(np.float16), Dlpack(spot), np.asfortranarray(spot)]
    for form in forms:
        assert np.array_equal(channels.explain(form).map, expected)


def test_a_photo_is_turned_as_its_camera_was_held(model, pixels, tmp_path):
    image = pytest.importorskip("PIL.Image")
    turned = image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    expected = model.explain(pixels).map
    for form in (tmp_path / "turned.png", image.open(tmp_path / "turned.png")):
        assert np.array_equal(model.explain(form).map, expected)


@pytest.mark.parametrize(
    ("form", "kind", "words"),
    [
        ("missing.png", FileNotFoundError, "missing.png"),
        (np.zeros((3, 32, 32), np.int64), ValueError, "int64"),
        (np.zeros((32, 32, 7), np.uint8), ValueError, "[32, 32, 7]"),
        (np.zeros((2, 3, 32, 32), np.float32), ValueError, "explain_many"),
        (np.zeros((32, 32), np.float32), ValueError, "[32, 32]"),
        (np.zeros((3, 31, 32), np.float32), ValueError, "31"),
        (np.full((3, 32, 32), np.nan, np.float32), ValueError, "NaN"),
        (np.zeros((0, 32, 3), np.uint8), ValueError, "32x0"),
        (object(), TypeError, "object is no image"),
        (None, TypeError, "NoneType is no image"),
    ],
)
def test_what_is_no_image_is_refused(model, form, kind, words):
    with pytest.raises(kind) as raised:
        model.explain(form)
    assert words.lower() in str(raised.value).lower() and "\n" not in str(raised.value)


def test_a_file_that_is_no_photo_is_named(model, tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("no photo")
    with pytest.raises(OSError, match="letter.png"):
        model.explain(path)


def test_a_picture_is_written_and_read_again(pixels, tmp_path):
    picture = scorecam.Picture(pixels)
    picture.save(tmp_path / "a.png")
    image = pytest.importorskip("PIL.Image")
    assert np.array_equal(np.asarray(image.open(tmp_path / "a.png")), pixels)
    assert np.array_equal(np.asarray(picture), pixels) and np.array_equal(np.asarray(picture.to_pil()), pixels)
    assert picture.size == (56, 40) and repr(picture) == "Picture(56 x 40)"
    with pytest.raises(ValueError, match="png or jpg"):
        picture.save(tmp_path / "a.docx")
