"""Makes the photos that cli/tests/cli/photos.rs reads, in formats that the image crate does not write.

    python make.py

All show one gradient of 24x16 pixels. Made with Pillow 13.0.0, pillow-jxl-plugin 1.3.8, pillow-heif 1.8.1 and
tifffile 2026.3.3.
"""

from pathlib import Path

import numpy
import pillow_heif
import pillow_jxl  # noqa: F401, registers itself
import tifffile
from PIL import Image

HERE = Path(__file__).parent


def main():
    pillow_heif.register_heif_opener()
    y, x = numpy.mgrid[0:16, 0:24]
    pixels = numpy.stack([x * 10, y * 15, (x + y) * 6], axis=-1).astype("uint8")
    photo = Image.fromarray(pixels)
    photo.save(HERE / "gradient.png")
    photo.save(HERE / "baseline.jpg", quality=95, subsampling=0)
    photo.save(HERE / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    photo.save(HERE / "restarts.jpg", quality=95, subsampling=0, restart_marker_rows=1)
    # Two whole photos in one file, as cameras save a preview.
    photo.save(HERE / "mpf.jpg", format="MPO", save_all=True, append_images=[photo], quality=95, subsampling=0)
    photo.save(HERE / "lossless.jxl", lossless=True)
    photo.save(HERE / "lossy.jxl", quality=95)
    photo.save(HERE / "photo.heic")
    photo.save(HERE / "photo.avif")
    tifffile.imwrite(HERE / "big.tif", pixels, bigtiff=True, photometric="rgb")
    tifffile.imwrite(HERE / "jpeg.tif", pixels, compression="jpeg", photometric="rgb")
    tifffile.imwrite(HERE / "twelve-bits.tif", pixels.astype("uint16") * 16, photometric="rgb")


if __name__ == "__main__":
    main()
