"""An explain call's arguments, for the native side."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import _images

WORDS = re.compile(r"(class|not|contrast|sum|mean|like|region|box|candidate):|(boxes|value(:up|:down)?)$")


def request(target: Any, layer: Any, options: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The dict of `_native.Wanted`."""
    top, ask = targets(target)
    arguments = {plain(name): name for name in ("target", "layer", *given)}
    for name in options:
        if plain(name) in arguments:
            raise TypeError(f"there is no argument or option {name!r}; its name is {arguments[plain(name)]!r}")
    reference = given.pop("reference")
    detections = given.pop("detections")
    return {
        **given,
        "top": top,
        "ask": ask,
        "layer": layers(layer),
        "options": [(name, word(value)) for name, value in options.items()],
        "reference": None if reference is None else _images.image(reference),
        "detections": None if detections is None else kept(detections),
    }


def plain(name: str) -> str:
    """A name without what others write it with: batchSize, batchsize, batch_size."""
    return name.replace("_", "").lower()


def targets(target: Any) -> tuple[int, list[str]]:
    """The number of top classes, or the targets as text."""
    if target is None:
        return 1, []
    if isinstance(target, str) and target.startswith("top:"):
        return top(target[4:]), []
    return 1, asked(target)


def top(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f"target 'top:{text}' has no number of classes; give top:1 or more")
    return int(text)


def asked(target: Any) -> list[str]:
    """A target, or several, as text."""
    if isinstance(target, str):
        return [target if WORDS.match(target) else f"class:{target}"]
    if isinstance(target, bool):
        raise TypeError(f"target {target} is no class; give a number, a label or words such as 'box:0'")
    try:
        number = operator.index(target)
    except TypeError:
        if isinstance(target, Iterable):
            several = [words for one in target for words in asked(one)]
            if several:
                return several
            raise ValueError("no target was given; leave target out for the best class") from None
        raise TypeError(
            f"target of type {type(target).__name__} is none; give a number, a label or words such as 'box:0'"
        ) from None
    if number < 0:
        raise ValueError(f"class {number} does not exist; count from 0")
    return [f"class:{number}"]


def layers(layer: Any) -> str | None:
    """The name of a layer, or of several separated by commas."""
    if layer is None:
        return None
    if isinstance(layer, str):
        return layer
    if isinstance(getattr(layer, "name", None), str):
        return str(layer.name)
    if isinstance(layer, Iterable):
        return ",".join(name for one in layer if (name := layers(one)))
    raise TypeError(f"layer of type {type(layer).__name__} is none; give its name, or several")


def word(value: Any) -> str:
    """An option's value as the library's text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def kept(detections: Mapping[str, Any]) -> tuple[float, float, int]:
    """The selection of detections."""
    known = {"score": 0.25, "overlap": 0.45, "most": 100}
    unknown = [name for name in detections if name not in known]
    if unknown:
        raise LookupError(f"detections has no {unknown[0]!r}; it has {', '.join(known)}")
    every = {**known, **detections}
    return float(every["score"]), float(every["overlap"]), int(every["most"])


def manifest(given: Any) -> tuple[str, str] | None:
    """A manifest's text, and the base folder of its paths."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        return toml(given), os.getcwd()
    path = _images.existing(given)
    with open(path, encoding="utf-8") as file:
        return file.read(), os.path.dirname(path)


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A dict of dicts as TOML."""
    tables = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    lines = [f"[{'.'.join(key(part) for part in path)}]"] if path else []
    lines += [f"{key(name)} = {value(one)}" for name, one in table.items() if name not in tables and one is not None]
    return "\n".join(lines + [toml(one, (*path, name)) for name, one in tables.items()]) + "\n"


def key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def value(one: Any) -> str:
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, (str, os.PathLike)):
        return json.dumps(os.fspath(one), ensure_ascii=False)
    if isinstance(one, int):
        return str(one)
    if isinstance(one, float):
        return repr(one)
    if isinstance(one, Iterable):
        return f"[{', '.join(value(item) for item in one)}]"
    try:
        return value(one.item())
    except AttributeError:
        raise TypeError(f"a manifest holds no {type(one).__name__}; give numbers, texts and lists") from None
