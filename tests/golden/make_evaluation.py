"""Makes `evaluation.json`: toy maps, regions and images, and every measure of `evaluation.py` on them. Needs numpy alone.

A case names its measure, its arguments (maps, regions and images by name) and what is `expected`: a number, null, or
lists of them. `tolerance` is the greatest difference allowed, relative above 1; 0 for boxes, ranks and counts.
"""

import json
from pathlib import Path

import numpy as np

import evaluation as e

HERE = Path(__file__).parent
REAL, SINGLE = 1e-11, 1e-6  # of f64, and of results that are f32


def rounded(values, parts=256):
    return np.rint(np.asarray(values) * parts) / parts


def bump(size, y, x, width):
    at = np.mgrid[:size[0], :size[1]]
    return np.exp(-((at[0] - y) ** 2 + (at[1] - x) ** 2) / (2 * width**2))


def make_maps():
    rng = np.random.default_rng(7)
    shapes = np.zeros((12, 14))
    shapes[1:4, 1:5], shapes[4:6, 5:7], shapes[8:11, 9:13], shapes[10, 0], shapes[2, 10:12] = 0.75, 1, 0.75, 0.5, 0.125
    smooth = bump((32, 40), 9, 12, 5) + 0.6 * bump((32, 40), 22, 30, 4)
    large = bump((50, 52), 20, 18, 9) + 0.5 * bump((50, 52), 35, 40, 6)
    single = rng.normal(size=(9, 11)).astype(np.float32)
    return {
        "zeros": np.zeros((9, 11)),
        "even": np.full((9, 11), 0.25),
        "negative": rounded(-rng.random((9, 11)) - 0.25),
        "signed": rounded(rng.normal(size=(9, 11))),
        "single": single.astype(np.float64),
        "rectified": rounded(np.maximum(rng.normal(size=(12, 14)), 0), 8),
        "plateaus": rounded(np.add.outer(np.arange(12) // 4, np.arange(14) // 5), 1) / 4,
        "shapes": shapes,
        "pixel": np.array([[0.5]]),
        "row": rounded(rng.random((1, 17))),
        "smooth": rounded(smooth),
        "noise": rounded(rng.random((32, 40))),
        "large": rounded(large),
        "shifted": rounded(np.roll(large, 3, 1) + 0.05 * rng.random((50, 52))),
        "edges": rounded(np.abs(np.diff(large, axis=0, prepend=0)) * 4),
    }


def make_regions():
    rng = np.random.default_rng(8)
    boxes = {
        "part": [(9, 11), [[2, 1, 7, 5.5]]],
        "two": [(12, 14), [[1, 1, 5.25, 4.75], [4, 3, 13.5, 11]]],
        "sliver": [(12, 14), [[3.6, 2, 4.4, 9]]],
        "outside": [(12, 14), [[-5, -5, 2, 3]]],
        "object": [(32, 40), [[6, 3, 20, 16.5]]],
        "all": [(9, 11), [[0, 0, 11, 9]]],
    }
    regions = {name: {"size": list(size), "boxes": found} for name, (size, found) in boxes.items()}
    regions["mask"] = {"size": [12, 14], "mask": (rng.random((12, 14)) < 0.3).astype(int).ravel().tolist()}
    return regions


MAPS, REGIONS = make_maps(), make_regions()
IMAGES = {
    "small": rounded(np.random.default_rng(9).normal(size=(1, 2, 12, 14)), 64),
    "wide": rounded(np.random.default_rng(10).normal(size=(1, 3, 9, 11)), 64),
}


def region(name):
    known = REGIONS[name]
    if "mask" in known:
        return np.array(known["mask"], bool).reshape(known["size"])
    return e.region_of_boxes(known["boxes"], known["size"])


def faithfulness(add):
    for preset, words in e.PROTOCOLS.items():
        add("protocol", list(words.values()), 0, preset=preset)
        for name in ["rectified", "signed", "zeros", "row"]:
            add("mask", e.mask(MAPS[name], words["mask"], words["ties"]), preset=preset, map=name)
            add("counts", e.counts(MAPS[name].shape, words["points"]), 0, preset=preset, map=name)
        for y, o in [(0.8, 0.6), (0.6, 0.8), (0.0, 0.0), (0.0, 0.3), (-1.5, -2.0), (1.0, 0.5), (12.5, -3.0)]:
            add("drop", e.drop(y, o, words["drop"]), preset=preset, scores=[y, o])
        for mode in ["deletion", "insertion"]:
            add("fill", e.fill(IMAGES["small"], words[mode])[..., ::3, ::2], SINGLE, preset=preset, image="small",
                mode=mode)
            for name in ["rectified", "plateaus", "shapes"]:
                add("curve", curve(IMAGES["small"], MAPS[name], words, mode), SINGLE, preset=preset, image="small",
                    map=name, mode=mode)
    for text in ["top:0.3", "binary:0.5", "binary:1", "top:0"]:
        add("mask", e.mask(MAPS["plateaus"], text, "last"), map="plateaus", set=[["mask", text], ["ties", "last"]])
    for text in ["mean", "-1.5"]:
        add("fill", e.fill(IMAGES["wide"], text)[..., ::3, ::2], SINGLE, image="wide", mode="deletion",
            set=[["deletion", text]])
    for text in ["floor:7", "ceil:1000", "rows:5", "floor:1000"]:
        add("counts", e.counts((9, 11), text), 0, map="zeros", set=[["points", text]])
    for ties in ["first", "last"]:
        for name in ["zeros", "signed", "rectified", "plateaus"]:
            add("ranks", e.ranks(MAPS[name], ties), 0, map=name, set=[["ties", ties]])
    for y, o in [(0.25, 0.75), (0.75, 0.25), (1.0, 1.0), (0.5, 1.25), (-0.5, 0.5)]:
        add("gain", e.gain(y, o), scores=[y, o])
        add("increase", y < o, 0, scores=[y, o])
    for pairs in [[], [[0.1, 0.2], [0.3, 0.3], [0.5, 0.4], [0.0, 0.9]]]:
        add("win", e.win(pairs), pairs=pairs)


def toy_score(x, kind):
    """Class 0 of three linear classes on squashed pixels: enough to tell images apart."""
    pixels = x.ravel() / (1 + np.abs(x.ravel()))
    logits = [sum(v * ((i * (3 + k) % 7) - 3) for i, v in enumerate(pixels)) / 16 for k in range(3)]
    return logits[0] if kind == "logit" else float(np.exp(logits[0]) / np.exp(logits).sum())


def curve(x, m, words, mode):
    """All scores, and the area."""
    base, ranks = e.fill(x, words[mode]), e.ranks(m, words["ties"])
    at = e.counts(m.shape, words["points"])
    before, after = (x, base) if mode == "deletion" else (base, x)
    scores = [toy_score(np.where(ranks < count, after, before), words["score"]) for count in at]
    return [*scores[:: max(1, len(scores) // 5)], e.area(at, scores, words["area"])]


def road(add):
    for name in ["smooth", "shapes", "plateaus", "zeros"]:
        removed = e.road_removed(MAPS[name], range(10, 100, 10))
        add("road_removed", [r.sum() for r in removed] + [(r * np.arange(r.size).reshape(r.shape)).sum() for r in removed],
            0, map=name)
    for name, image in [("plateaus", "small"), ("shapes", "small"), ("signed", "wide"), ("single", "wide")]:
        images = e.road_images(IMAGES[image], MAPS[name], range(10, 100, 10), 0.01, 5)
        add("road_images", [i[..., ::4, ::5] for i in images], SINGLE, map=name, image=image, seed=5)
        scores = [toy_score(i, "softmax") for i in images]
        add("road", e.road_score(toy_score(IMAGES[image], "softmax"), scores), SINGLE, map=name, image=image, seed=5)
    add("imputed", e.impute(IMAGES["small"], region("mask")), SINGLE, image="small", region="mask")


def alone(add):
    for name, m in MAPS.items():
        add("complexity", e.normalized(m).mean(), map=name)
        add("entropy", e.entropy(m), map=name)
        add("gini", e.gini(m), map=name)
        others = [m[::-1], 0.5 * m, m + 0.125]
        add("max_sensitivity", e.max_sensitivity(m, others), map=name)
    add("max_sensitivity_of_none", None, map="signed")
    for a, b in [("signed", "negative"), ("signed", "signed"), ("signed", "even"), ("zeros", "zeros"), ("smooth", "noise")]:
        add("coherency", (1 + e.pearson(MAPS[a], MAPS[b])) / 2, map=a, other=b)
    for parts in [[0.9, 0.3, 0.2], [0.0, 0.3, 0.2], [0.9, 1.0, 0.2], [0.5, 0.5, 1.5], [1.0, 0.0, 0.0]]:
        add("adcc", e.adcc(*parts), parts=parts)


def localization(add):
    for name, m in MAPS.items():
        for part, known in REGIONS.items():
            if list(m.shape) != known["size"]:
                continue
            r, where = region(part), {"map": name, "region": part}
            add("energy", e.energy(m, r), **where)
            add("lift", e.lift(m, r), **where)
            for among, tolerance in [("any", 0), ("first", 0), ("any", 2), ("first", 15), ("first", 2.5)]:
                add("pointing", e.pointing(m, r, among, tolerance), 0, among=among, beyond=tolerance, **where)
            add("rank_accuracy", e.top_k(m, r, r.sum()), **where)
            for k in [0, 10, 1000]:
                add("top_k", e.top_k(m, r, k), k=k, **where)
            add("roc_area", e.roc_area(m, r), **where)
            add("loc", e.loc(m, r, 0.25), **where)
    for name, m in MAPS.items():
        for above in ["at-least", "strictly", "quantized"]:
            for areas in ["largest", "all"]:
                for t in [0.15, 0.5]:
                    add("boxes", e.boxes(m, t, above, areas), 0, map=name, threshold=t, above=above, areas=areas)


def sets(add):
    truth = {"smooth": [[6, 3, 19, 16]], "noise": [[0, 0, 40, 32], [5, 5, 9, 9]], "shapes": [[1, 1, 7, 6]],
             "rectified": [[2, 2, 10, 9]], "zeros": [[0, 0, 4, 4]], "large": [[6, 8, 31, 33]]}
    maps = [MAPS[name] for name in truth]
    for areas in ["largest", "all"]:
        at = [e.max_box_accuracy(maps, truth.values(), least, areas) for least in (0.3, 0.5, 0.7)]
        add("box_accuracy", [*at, np.mean([share for share, _ in at])], areas=areas, truth=truth)
    chosen = [("smooth", "object"), ("shapes", "two"), ("plateaus", "mask"), ("zeros", "part"), ("rectified", "mask")]
    add("pixel_precision", e.pixel_precision([MAPS[m] for m, _ in chosen], [region(r) for _, r in chosen]), pairs=chosen)
    add("pixel_precision", None, pairs=[("shapes", "sliver")])
    for a, b in [([0, 0, 4, 4], [2, 2, 6, 6]), ([0, 0, 4, 4], [4, 0, 8, 4]), ([0.5, 1, 2, 3], [0, 0, 9, 9]),
                 ([3, 3, 3, 3], [3, 3, 3, 3]), ([5, 5, 2, 2], [0, 0, 9, 9])]:
        add("iou", e.iou(a, b), boxes=[a, b])
    letterbox = {"photo": [448, 896], "photo_part": [0, 0, 896, 448], "input": [224, 224], "input_part": [0, 56, 224, 112]}
    crop = {"photo": [448, 896], "photo_part": [224, 0, 448, 448], "input": [224, 224], "input_part": [0, 0, 224, 224]}
    for box in [[10, 20, 100, 200], [0, 0, 224, 224], [50, 30, 60, 500], [-20, 3, 700, 400]]:
        for fit, placed in [("pad", letterbox), ("crop", crop)]:
            add("to_photo", e.carried(box, placed["input_part"], placed["photo_part"], placed["photo"]), box=box, fit=fit)
            add("to_input", e.carried(box, placed["photo_part"], placed["input_part"], placed["input"]), box=box, fit=fit)
    for a, b in [("large", "shifted"), ("large", "edges"), ("large", "large"), ("smooth", "noise"), ("signed", "even"),
                 ("rectified", "plateaus"), ("row", "row"), ("zeros", "zeros"), ("negative", "single")]:
        add("similarity", e.similarity(MAPS[a], MAPS[b]), map=a, other=b)
    values = rounded(np.random.default_rng(11).random((2, 14))).tolist()
    for number, seed in [(14, 0), (14, 3), (2, 0), (1, 0), (0, 0)]:
        one, two = values[0][:number], values[1][:number]
        add("bootstrap", e.bootstrap(one, 500, 0.9, seed), values=one, seed=seed)
        add("difference", e.bootstrap(np.subtract(one, two), 500, 0.9, seed), pairs=list(zip(one, two)), seed=seed)
    for p in [0, 10, 33.3, 50, 97.5, 100]:
        add("percentile", np.percentile(values[0], p), values=values[0], at=p)


def plain(value):
    """As JSON has it; seventeen digits are more than the tolerances need."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return int(value) if value == int(value) else float(f"{value:.14g}")
    return int(value) if isinstance(value, np.integer) else value


def main():
    cases = []

    def add(measure, expected, tolerance=REAL, **arguments):
        if tolerance == SINGLE:
            expected = np.round(np.concatenate([np.ravel(part) for part in expected]), 9)
        cases.append({"measure": measure, **arguments, "expected": expected, "tolerance": tolerance})

    for group in [faithfulness, road, alone, localization, sets]:
        group(add)
    maps = {name: {"size": m.shape, **numbers(m)} for name, m in MAPS.items()}
    images = {name: {"shape": x.shape, **numbers(x)} for name, x in IMAGES.items()}
    named = lambda rows: ",\n".join(f"{json.dumps(name)}:{line(row)}" for name, row in rows.items())
    (HERE / "evaluation.json").write_text(
        f'{{"maps":{{\n{named(maps)}}},\n"regions":{{\n{named(REGIONS)}}},\n"images":{{\n{named(images)}}},\n"cases":[\n'
        + ",\n".join(line({key: plain(value) for key, value in case.items()}) for case in cases) + "]}\n")


def numbers(array):
    """All values as whole numbers over `parts`, or as they are."""
    values, parts = array.ravel(), 256
    return {"parts": parts, "values": plain(values * parts)} if (values * parts % 1 == 0).all() else \
        {"parts": 1, "values": values.tolist()}


def line(row):
    return json.dumps(row, separators=(",", ":"))


if __name__ == "__main__":
    main()
