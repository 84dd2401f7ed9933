"""Makes the pictures that core/tests/image_golden.rs compares with, by Pillow alone.

    python make_resize_goldens.py [chelsea.png]

resize/NAME.ppm                    a source
resize/NAME-FILTER-WxH.ppm         Image.resize of it
fit/NAME-FIT-FILTER-WxH.ppm        the input of a model of that size: torchvision's Resize and CenterCrop
                                   (crop75: floor(size / 0.75)), and the detectors' letterbox with grey 114
fit/NAME-gray-FILTER-WxH.pgm       convert("L"), then Image.resize

The photo is 64x48 pixels of scikit-image's chelsea.png (CC0); with its path given, it is cut anew. The
others are synthetic. Made with Pillow 13.0.0; it needs nothing else.
"""

import random
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = {
    "chelsea": [(75, 53), (33, 21), (64, 13), (7, 48), (1, 1)],
    "noise": [(61, 40), (13, 9), (5, 50)],
    "stripe": [(3, 20), (9, 64)],
    "dot": [(1, 1), (5, 3)],
}
FITS = {"chelsea": [(24, 24), (31, 20), (15, 29)], "noise": [(16, 16), (40, 40)], "stripe": [(8, 8)]}


def sources(photo):
    """The chelsea crop, hard black and white noise, a line one pixel wide, and a single pixel."""
    rng = random.Random(7)
    if photo:
        chelsea = Image.open(photo).convert("RGB").crop((150, 80, 214, 128))
    else:
        chelsea = Image.open(HERE / "resize" / "chelsea.ppm")
    noise = Image.frombytes("RGB", (37, 23), bytes(rng.choice((0, 255)) for _ in range(37 * 23 * 3)))
    stripe = Image.frombytes("RGB", (1, 40), bytes(rng.randrange(256) for _ in range(120)))
    dot = Image.new("RGB", (1, 1), (200, 3, 77))
    return {"chelsea": chelsea, "noise": noise, "stripe": stripe, "dot": dot}


def crop(image, size, fraction, resample):
    """torchvision's Resize(floor(size / fraction)), CenterCrop(size), for any size by covering it."""
    (w, h), (width, height) = image.size, size
    cover_w, cover_h = int(width / fraction), int(height / fraction)
    if cover_h * w >= cover_w * h:
        whole = (int(cover_h * w / h), cover_h)
    else:
        whole = (cover_w, int(cover_w * h / w))
    left = int(round((whole[0] - width) / 2.0))
    top = int(round((whole[1] - height) / 2.0))
    return image.resize(whole, resample).crop((left, top, left + width, top + height))


def letterbox(image, size, resample):
    """The YOLO family's: scaled to fit, centred by round(pad - 0.1), grey 114 around."""
    (w, h), (width, height) = image.size, size
    ratio = min(height / h, width / w)
    fitted = (max(1, int(round(w * ratio))), max(1, int(round(h * ratio))))
    left = int(round((width - fitted[0]) / 2 - 0.1))
    top = int(round((height - fitted[1]) / 2 - 0.1))
    out = Image.new("RGB", size, (114, 114, 114))
    out.paste(image.resize(fitted, resample), (left, top))
    return out


def main():
    pictures = sources(sys.argv[1] if len(sys.argv) > 1 else None)
    for folder in ("resize", "fit"):
        (HERE / folder).mkdir(exist_ok=True)
    for name, image in pictures.items():
        image.save(HERE / "resize" / f"{name}.ppm")
        for filter_name, resample in FILTERS.items():
            for width, height in SIZES[name]:
                path = HERE / "resize" / f"{name}-{filter_name}-{width}x{height}.ppm"
                image.resize((width, height), resample).save(path)
            for size in FITS.get(name, []):
                tail = f"{filter_name}-{size[0]}x{size[1]}"
                crop(image, size, 0.75, resample).save(HERE / "fit" / f"{name}-crop75-{tail}.ppm")
                crop(image, size, 1.0, resample).save(HERE / "fit" / f"{name}-crop100-{tail}.ppm")
                letterbox(image, size, resample).save(HERE / "fit" / f"{name}-letterbox-{tail}.ppm")
                image.convert("L").resize(size, resample).save(HERE / "fit" / f"{name}-gray-{tail}.pgm")


if __name__ == "__main__":
    main()
