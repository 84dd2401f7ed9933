"""The inputs, and how rows and numbers are written."""

import dataclasses
import json

import numpy as np

SIDE = 32


def picture(seed):
    """[3, SIDE, SIDE] of six colored spots on a dark noise, 0 to 1, in multiples of 1/255 as photos have them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = random.uniform(0, 0.15, (3, SIDE, SIDE))
    for _ in range(6):
        center, width, color = random.uniform(3, SIDE - 3, 2), random.uniform(6, 25), random.uniform(0, 0.9, (3, 1, 1))
        image += color * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / width)
    return (np.round(np.clip(image, 0, 1) * 255) / 255).astype(np.float32)


def manifest(output):
    """The [output] table of a manifest: what differs from the defaults."""
    lines = ["[output]"]
    for field in dataclasses.fields(output):
        value = getattr(output, field.name)
        if value != field.default:
            lines.append(f"{field.name} = {json.dumps(value)}")
    return "\n".join([*lines, ""]) if len(lines) > 1 else ""


def files_of(words):
    """The files that the words of a target name, by what they are."""
    word, _, rest = words.partition(":")
    file = rest.split(":")[0]
    if "." not in file or word not in ("like", "region"):
        return {}
    return {"reference" if word == "like" else "mask": file}


class Values:
    """One `.npy` of f32 values, to which arrays are added one after another."""

    def __init__(self, file):
        self.file, self.parts, self.count = file, [], 0

    def add(self, array, stride=1):
        """Adds every `stride`-th row and column, and says where they lie."""
        row = {"offset": self.count, "shape": list(array.shape), "stride": stride}
        part = array[..., ::stride, ::stride] if stride > 1 else array
        self.parts.append(part.astype(np.float32).ravel())
        self.count += self.parts[-1].size
        return row

    def save(self):
        np.save(self.file, np.concatenate(self.parts))


def write_index(index, file):
    """JSON with one row a line."""
    fields = []
    for key, value in index.items():
        rows = isinstance(value, list)
        text = "[\n" + ",\n".join("  " + json.dumps(row) for row in value) + "\n ]" if rows else json.dumps(value)
        fields.append(f" {json.dumps(key)}: {text}")
    file.write_text("{\n" + ",\n".join(fields) + "\n}\n")
