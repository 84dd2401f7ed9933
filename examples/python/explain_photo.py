"""Explains a photo: python3 explain_photo.py PLUGIN MODEL PHOTO.ppm OVERLAY.ppm [CLASS]

PHOTO and OVERLAY are P6 PPMs of 8 bits; CLASS is a number or a label, else the class with the highest score.
From the repository's folder, after `cargo build --release`:
    SCORECAM_LIBRARY=target/release/libscorecam.so python3 examples/python/explain_photo.py \\
        target/release/libscorecam_onnx_cpu.so squeezenet1_1.toml cat.ppm overlay.ppm "Egyptian cat"
An installed library is found by the system, or by SCORECAM_LIBRARY; its plugins lie in lib/scorecam beside it.
"""

import sys

import scorecam


def read_ppm(path):
    with open(path, "rb") as file:
        magic, width, height, most = file.read().split(maxsplit=4)[:4]
        if magic != b"P6" or most != b"255":
            raise ValueError(f"{path} is no P6 PPM of 8 bits")
        size = 3 * int(width) * int(height)
        file.seek(-size, 2)
        return scorecam.Photo(file.read(size), int(width), int(height))


def main(plugin, model_path, photo_path, overlay_path, class_name=None):
    model = scorecam.Host([plugin]).load_model(model_path)
    photo = read_ppm(photo_path)
    classes = [] if class_name is None else [model.class_index(class_name)]
    explanation = model.explain(photo, classes)

    target = explanation.target()
    heat = explanation.map()
    height, width = heat.shape
    row, column = max(((y, x) for y in range(height) for x in range(width)), key=lambda at: heat[at])
    print(f"class {target.class_index} ({target.label or 'no label'}), score {target.score:.3f}; layer {explanation.layer}, "
          f"{explanation.passes} passes; most of it at row {row}, column {column} of {height}x{width}")
    with open(overlay_path, "wb") as file:
        file.write(b"P6\n%d %d\n255\n" % (photo.width, photo.height) + explanation.overlay(photo))


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (scorecam.Error, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
