"""The measures of `scorecam_core::evaluation` in numpy, float64: the meaning of each, written to be checked by eye.

Maps are [H, W]; images [1, C, H, W]; regions boolean [H, W]; boxes (x0, y0, x1, y1), half-open. `None` where a measure has
no value. Slow on purpose: dense systems, pixel by pixel, pair by pair.
"""

import math

import numpy as np

from splitmix import draws, normal, uniform

PAPER = {"score": "softmax", "mask": "top:0.5", "drop": "relative", "points": "floor:100", "deletion": "zero",
         "insertion": "zero", "ties": "first", "area": "fraction"}
SOFT = {**PAPER, "mask": "soft"}
PROTOCOLS = {
    "paper": PAPER,
    "grad-cam++": SOFT,
    "rise": {**SOFT, "points": "rows:8", "insertion": "blur", "ties": "last", "area": "uniform"},
    "torchcam": {**SOFT, "drop": "relative:1e-7", "points": "ceil:20"},
    "pytorch-grad-cam": {**SOFT, "score": "logit", "drop": "absolute"},
    "openvino-xai": {**SOFT, "points": "floor:30", "area": "uniform"},
    "xplique": {**SOFT, "score": "logit", "drop": "relative:1e-8", "points": "floor:10", "ties": "last",
                "area": "uniform"},
}


def word_and_number(text, default=None):
    word, _, number = text.partition(":")
    return word, float(number) if number else default


# Masks and fills


def normalized(m):
    span = m.max() - m.min()
    return (m - m.min()) / span if span else np.zeros(m.shape)


def ranking(m, ties):
    """Pixels by falling value."""
    sign = 1 if ties == "first" else -1
    return sorted(range(m.size), key=lambda i: (-m.flat[i], sign * i))


def ranks(m, ties):
    out = np.zeros(m.size, int)
    out[ranking(m, ties)] = np.arange(m.size)
    return out.reshape(m.shape)


def mask(m, text, ties):
    word, share = word_and_number(text, 0.5)
    m = normalized(m)
    if word == "soft":
        return m
    kept = (ranks(m, ties) < np.rint(share * m.size)) & (m > 0)
    return np.where(kept, 1.0 if word == "binary" else m, 0.0)


def rise_taps(taps=11, sigma=5.0):
    """A unit pulse under a Gaussian that is cut at four sigma and reflected at the pulse's borders."""
    bell = np.exp(-0.5 * (np.arange(-int(4 * sigma), int(4 * sigma) + 1) / sigma) ** 2)
    bell /= bell.sum()
    pulse = np.zeros(taps)
    pulse[taps // 2] = 1
    return np.array([(np.pad(pulse, 20, "symmetric")[i:i + 41] * bell).sum() for i in range(taps)])


def fill(x, text):
    if text == "zero":
        return np.zeros(x.shape)
    if text == "mean":
        return np.broadcast_to(x.mean((2, 3), keepdims=True), x.shape)
    if text != "blur":
        return np.full(x.shape, float(text))
    taps, out = rise_taps(), np.zeros(x.shape)
    padded = np.pad(x, ((0, 0), (0, 0), (5, 5), (5, 5)))
    for i in range(11):
        for j in range(11):
            out += taps[i] * taps[j] * padded[:, :, i:i + x.shape[2], j:j + x.shape[3]]
    return out


# Faithfulness


def counts(size, text):
    word, number = word_and_number(text)
    n, number = size[0] * size[1], int(number)
    if word == "floor":
        return [i * n // number for i in range(number + 1)]
    step = math.ceil(n / number) if word == "ceil" else number * size[1]
    return [*range(0, n, step), n]


def area(at, scores, rule):
    x = np.linspace(0, 1, len(at)) if rule == "uniform" else np.array(at) / at[-1]
    return sum((b - a) * (s + t) / 2 for a, b, s, t in zip(x, x[1:], scores, scores[1:]))


def drop(y, o, text):
    word, eps = word_and_number(text, 0.0)
    if word == "absolute":
        return max(0.0, y - o)
    if y < 0:
        return None
    return max(0.0, y - o) / (y + eps) if y + eps > 0 else 0.0


def gain(y, o):
    if not (0 <= y <= 1 and 0 <= o <= 1):
        return None
    return max(0.0, o - y) / (1 - y) if y < 1 else 0.0


def win(pairs):
    return [np.mean([a < b for a, b in pairs]), np.mean([a == b for a, b in pairs])] if len(pairs) else [None, None]


# ROAD


def impute(x, removed):
    """One dense system of all pixels: known ones are themselves, removed ones the weighted mean of their neighbors."""
    h, w = removed.shape
    if removed.all():
        return np.zeros(x.shape)
    a, known = np.zeros((h * w, h * w)), (~removed).ravel()
    for y in range(h):
        for z in range(w):
            i = y * w + z
            a[i, i] = 1
            if known[i]:
                continue
            near = [(y + dy, z + dz, (1 / 6, 1 / 12)[abs(dy * dz)])
                    for dy in (-1, 0, 1) for dz in (-1, 0, 1) if dy or dz]
            near = [(v, u, weight) for v, u, weight in near if 0 <= v < h and 0 <= u < w]
            total = sum(weight for _, _, weight in near)
            for v, u, weight in near:
                a[i, v * w + u] -= weight / total
    out = np.linalg.solve(a, np.where(known, x[0].reshape(len(x[0]), -1), 0).T)
    return out.T.reshape(x.shape)


def road_removed(m, percentiles):
    m = normalized(m)
    return [values >= np.percentile(values, p) for values in (m, 1 - m) for p in percentiles]


def road_images(x, m, percentiles, noise, seed):
    images = []
    for i, removed in enumerate(road_removed(m, percentiles)):
        image = impute(x, removed)
        added = normal(draws(seed, i + 1)[i], x.shape[1] * removed.sum()).reshape(x.shape[1], -1)
        image[0][:, removed] += noise * added
        images.append(image)
    return images


def road_score(y, scores):
    most, least = np.split(np.array(scores) - y, 2)
    return [(least.mean() - most.mean()) / 2, most.mean(), least.mean()]


# The map alone


def entropy(m):
    p = np.abs(m) / np.abs(m).sum() if m.any() else None
    return None if p is None else -(p * np.log(p + 1e-12)).sum()


def gini(m):
    """Half the mean difference of two pixels over the mean."""
    a = np.abs(m).ravel() + 1e-7
    return np.abs(a[:, None] - a[None]).mean() / (2 * a.mean())


def pearson(a, b):
    a, b = np.ravel(a), np.ravel(b)
    return np.corrcoef(a, b)[0, 1] if np.ptp(a) and np.ptp(b) else 0.0


def adcc(coherency, complexity, drop):
    parts = np.array([coherency, 1 - complexity, 1 - drop])
    return 0.0 if (parts <= 0).any() else 1 / np.mean(1 / parts)


def max_sensitivity(m, others):
    far = [np.linalg.norm(other - m) for other in others]
    return max(far) / (np.linalg.norm(m) or 1.0) if far else None


# Localization


def region_of_boxes(boxes, size):
    y, x = np.mgrid[:size[0], :size[1]] + 0.5
    return np.any([(x >= x0) & (x < x1) & (y >= y0) & (y < y1) for x0, y0, x1, y1 in boxes], 0)


def energy(m, region):
    positive = np.where(m > 0, m, 0)
    return positive[region].sum() / positive.sum() if positive.any() else None


def lift(m, region):
    found = energy(m, region)
    return found / region.mean() if found is not None and region.any() else None


def pointing(m, region, among, tolerance):
    if not region.any():
        return None
    greatest = np.argwhere(m == m.max())[:1 if among == "first" else None]
    inside = np.argwhere(region)
    far = [np.sqrt(((inside - at) ** 2).sum(1)).min() for at in greatest]
    return any(d == 0 or d < tolerance for d in far)


def top_k(m, region, k):
    found = [region.flat[i] for i in ranking(m, "first")[:k]]
    return np.mean(found) if region.any() and k else None


def roc_area(m, region):
    above = m[region][:, None] - m[~region][None]
    return np.mean((above > 0) + 0.5 * (above == 0)) if above.size else None


def loc(m, region, threshold):
    above = normalized(m) > threshold
    whole = region.sum() + (above & ~region).sum()
    return (above & region).sum() / whole if whole else None


def boxes(m, threshold, above, areas):
    if above == "quantized":
        m = np.floor(255 * m)
        left = m > int(threshold * m.max())
    elif m.max() <= 0:
        left = np.zeros(m.shape, bool)
    else:
        left = m >= threshold * m.max() if above == "at-least" else m > threshold * m.max()
    found = []
    while left.any():
        part = np.zeros(left.shape, bool)
        part[tuple(np.argwhere(left)[0])] = True
        while True:                                     # grow by one pixel in all eight directions
            padded = np.pad(part, 1)
            grown = left & np.any([padded[y:y + part.shape[0], x:x + part.shape[1]]
                                   for y in range(3) for x in range(3)], 0)
            if (grown == part).all():
                break
            part = grown
        ys, xs = np.nonzero(part)
        found.append((part.sum(), [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]))
        left &= ~part
    found.sort(key=lambda one: -one[0])
    return [[int(v) for v in box] for _, box in found][:1 if areas == "largest" else None]


def iou(a, b):
    sides = lambda box: max(0, box[2] - box[0]) * max(0, box[3] - box[1])
    both = sides([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])])
    union = sides(a) + sides(b) - both
    return both / union if union else 0.0


def best_iou(found, truth):
    return max((iou(a, b) for a in found for b in truth), default=0.0)


def carried(box, start, goal, size):
    """A box of rectangle `start` (x, y, width, height) in rectangle `goal`, cut to a picture of `size`."""
    sx, sy = goal[2] / start[2], goal[3] / start[3]
    x0, x1 = [goal[0] + (x - start[0]) * sx for x in box[::2]]
    y0, y1 = [goal[1] + (y - start[1]) * sy for y in box[1::2]]
    return [max(0, x0), max(0, y0), min(size[1], x1), min(size[0], y1)]


def max_box_accuracy(maps, truths, least, areas):
    maps = [normalized(m) for m in maps]
    fits = lambda t: np.mean([best_iou(boxes(m, t, "strictly", areas), b) >= least for m, b in zip(maps, truths)])
    shares = [fits(i * 0.01) for i in range(100)]
    return [max(shares), int(np.argmax(shares)) * 0.01]


def pixel_precision(maps, regions):
    values = np.concatenate([normalized(m).ravel() for m in maps])
    truth = np.concatenate([r.ravel() for r in regions])
    if not truth.any():
        return None
    total, before = 0.0, 0.0
    for threshold in [1.0, *(i * 0.001 for i in reversed(range(1000)))]:
        found = values >= threshold
        recall = (found & truth).sum() / truth.sum()
        total += (recall - before) * (truth[found].mean() if found.any() else 0)
        before = recall
    return total


# Similarity


def average_ranks(values):
    flat = np.ravel(values)
    return (flat[None] < flat[:, None]).sum(1) + ((flat[None] == flat[:, None]).sum(1) + 1) / 2


def ssim(a, b):
    if min(a.shape) < 7:
        return None
    a, b = (np.lib.stride_tricks.sliding_window_view(m, (7, 7)).reshape(-1, 49) for m in (a, b))
    ma, mb = a.mean(1), b.mean(1)
    va, vb = a.var(1, ddof=1), b.var(1, ddof=1)
    cov = ((a - ma[:, None]) * (b - mb[:, None])).sum(1) / 48
    c1, c2 = 0.01**2, 0.03**2
    return np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))


def hog(m):
    rows, columns = m.shape[0] // 16, m.shape[1] // 16
    if min(rows, columns) < 3:
        return None
    dy, dx = np.zeros(m.shape), np.zeros(m.shape)
    dy[1:-1], dx[:, 1:-1] = m[2:] - m[:-2], m[:, 2:] - m[:, :-2]
    angle = np.rad2deg(np.arctan2(dy, dx)) % 180
    cells = np.zeros((rows, columns, 9))
    for bin in range(9):
        here = (angle >= 20 * bin) & ((angle < 20 * (bin + 1)) | (bin == 8))
        strength = np.where(here, np.hypot(dx, dy), 0)[:rows * 16, :columns * 16]
        cells[:, :, bin] = strength.reshape(rows, 16, columns, 16).mean((1, 3))
    unit = lambda v: v / np.sqrt((v**2).sum() + 1e-5**2)
    blocks = [cells[y:y + 3, x:x + 3].ravel() for y in range(rows - 2) for x in range(columns - 2)]
    return np.concatenate([unit(np.minimum(unit(block), 0.2)) for block in blocks])


def similarity(a, b):
    a, b = normalized(a), normalized(b)
    h = None if hog(a) is None else pearson(hog(a), hog(b))
    return [pearson(average_ranks(a), average_ranks(b)), pearson(a, b), ssim(a, b), h]


# Sets of images


def bootstrap(values, resamples, level, seed):
    """Mean, low end, high end."""
    values = np.array(values)
    if len(values) < 2:
        return [values[0] if len(values) else None, None, None]
    n = len(values)
    means = [values[(uniform(s, n) * n).astype(int)].mean() for s in draws(seed, resamples)]
    return [values.mean(), *np.percentile(means, [50 * (1 - level), 100 - 50 * (1 - level)])]
