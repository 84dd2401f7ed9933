"""Every public name has a docstring, and the examples in it run; the stubs fit."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import scorecam

from conftest import ROOT

MODULES = [m.name for m in pkgutil.iter_modules(scorecam.__path__, "scorecam.") if not m.name.endswith(("_native", "__main__"))]


@pytest.mark.parametrize("name", ["scorecam", *MODULES])
def test_examples_run(name):
    module = importlib.import_module(name)
    done = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.failed == 0


def page():
    path = ROOT / "docs/python.md"
    return path if path.is_file() else pytest.skip("the page is in the checkout")


def test_examples_of_the_page_run():
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    done = doctest.testfile(str(page()), module_relative=False, optionflags=options)
    assert done.attempted > 15 and done.failed == 0


def test_the_page_names_every_public_name():
    text = page().read_text(encoding="utf-8")
    for name in scorecam.__all__:
        assert name in text, name
        one = getattr(scorecam, name)
        if name in ("Model", "Explanation", "Measurement", "Target", "Layer", "Picture", "Measure"):
            for member in (*vars(one), *getattr(one, "__annotations__", {})):
                is_shown = member.startswith("_") or member in ("summary", "higher_is_better", "needs")
                assert is_shown or f"{member}" in text, f"{name}.{member}"


def test_every_public_name_is_described():
    for name in scorecam.__all__:
        one = getattr(scorecam, name)
        assert inspect.getdoc(one), name
        for member, value in vars(one).items() if inspect.isclass(one) else []:
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_every_argument_is_described():
    functions = [scorecam.load_model, scorecam.from_bytes, scorecam.from_callable, scorecam.from_torch, scorecam.evaluate]
    functions += [scorecam.from_keras, scorecam.from_jax, scorecam.Model.explain, scorecam.Model.explain_many, scorecam.Explanation.overlay]
    for function in functions:
        text = inspect.getdoc(function)
        for argument in inspect.signature(function).parameters:
            assert argument == "self" or argument in text, f"{function.__name__}({argument})"


def test_types_are_sound(tmp_path):
    pytest.importorskip("mypy")
    user = tmp_path / "user.py"
    user.write_text(
        "import scorecam\n"
        "model = scorecam.load_model('net.onnx', threads=2)\n"
        "found = model.explain('cat.jpg', progress=lambda now: print(now.passes))\n"
        "found.overlay().save('map.png')\n"
        "reveal_type(found.map)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(user)], capture_output=True, text=True
    )
    assert done.returncode == 0 and "32Bit" in done.stdout, done.stdout + done.stderr
