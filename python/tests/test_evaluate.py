"""Measures of given maps."""

import numpy as np
import pytest

import scorecam


def test_a_map_on_the_object_is_better_than_one_beside_it(channels, spot):
    on, beside = np.zeros((16, 16), np.float32), np.zeros((16, 16), np.float32)
    on[4:7, 9:12], beside[12:15, 1:4] = 1.0, 1.0
    found = scorecam.evaluate(
        channels, spot, {"on": on, "beside": beside}, target=1, boxes=[(9, 4, 12, 7)], points="floor:16", mask_="top:0.1"
    )
    good, bad = found["on"], found["beside"]
    assert good["energy"] == pytest.approx(1) and bad["energy"] == 0
    assert good["pointing"] == 1 and bad["pointing"] == 0 and good["iou"] == pytest.approx(1)
    assert good["insertion"] > bad["insertion"] and good["deletion"] < bad["deletion"] and good["drop"] < bad["drop"]
    counts, scores = good.deletion
    assert len(counts) == len(scores) == 17 and counts[-1] == 256 and good.passes > 0 and 0 < good.score < 1
    assert good.insertion[1][0] == pytest.approx(1 / 3, abs=1e-6)


def test_explanations_bring_their_target_and_method(channels, spot):
    found = scorecam.evaluate(channels, spot, channels.explain(spot, 2), measures=["sensitivity", "adcc", "gini"])
    assert set(found["map"].values) == {"sensitivity", "adcc", "gini"}
    assert found["map"].deletion is None
    plain = scorecam.evaluate(channels, spot, channels.explain(spot, 2).map, measures=["sensitivity", "gini"])
    assert set(plain["map"].values) == {"gini"}


def test_masks_and_smaller_maps(model, pixels, photo):
    mask = np.zeros(pixels.shape, np.uint8)
    mask[:20] = 255
    small = model.explain(photo, combine="raw", output="layer")
    found = scorecam.evaluate(model, photo, small, mask=mask, measures=["energy", "lift"], protocol="rise")
    assert 0 < found["map"]["energy"] < 1


def test_measures_are_listed():
    listed = {measure.name: measure for measure in scorecam.measures()}
    assert listed["drop"].higher_is_better is False and listed["iou"].needs == "truth"


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (ValueError, "no map", {"maps": {}}),
        (ValueError, "[16]", {"maps": np.zeros(16, np.float32)}),
        (LookupError, "no-such", {"measures": ["no-such"]}),
        (ValueError, "no-such", {"protocol": "no-such"}),
        (LookupError, "speed", {"speed": 1}),
        (ValueError, "2 targets", {"target": [0, 1]}),
        (ValueError, "lies outside", {"boxes": [(40, 40, 41, 41)]}),
        (ValueError, "nan", {"maps": np.full((16, 16), np.nan, np.float32)}),
    ],
)
def test_wrong_arguments_are_named(channels, spot, kind, words, arguments):
    with pytest.raises(kind) as raised:
        scorecam.evaluate(channels, spot, **{"maps": np.eye(16, dtype=np.float32), **arguments})
    assert words in str(raised.value).lower() or words in str(raised.value)
