"""PyTorch modules in memory: the same numbers as without us, and nothing left behind."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

import scorecam  # noqa: E402

SHAPE = (3, 24, 24)


def network():
    """A small network with a residual path, work in place and a module that runs twice."""
    torch.manual_seed(3)

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)
            self.norm = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(x + self.norm(self.conv(self.relu(x))))

    stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 6)]
    module = nn.Sequential(stem, Block(8), *head)
    with torch.no_grad():
        module(torch.randn(32, *SHAPE))
    return module.eval()


@pytest.fixture
def module():
    return network()


@pytest.fixture
def image():
    torch.manual_seed(4)
    return torch.rand(SHAPE)


def hooks(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_layers_are_the_modules_own(module):
    model = scorecam.from_torch(module, SHAPE)
    layers = {layer.name: layer for layer in model.layers}
    assert layers["1"].operator == "Block" and layers["1"].shape == (8, 12, 12) and layers["1"].maps
    assert model.layer == "1" and model.input_shape == (None, 3, 24, 24) and model.classes == 6
    assert model.abilities == ("run-from", "gradients")


def test_score_cam_is_that_of_the_formula(module, image):
    found = scorecam.from_torch(module, SHAPE, layer="1").explain(image, 2, flat="keep")
    with torch.no_grad():
        maps = nn.Sequential(*list(module)[:2])(image[None])
        masks = torch.nn.functional.interpolate(maps, SHAPE[1:], mode="bilinear")[0]
        least, most = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
        scaled = (masks - least) / (most - least).clamp_min(1e-12)
        weights = module(scaled[:, None] * image[None]).softmax(1)[:, 2]
        expected = (weights[:, None, None] * masks).sum(0).relu()
        expected = (expected - expected.min()) / (expected.max() - expected.min())
    assert np.allclose(found.map, expected.numpy(), atol=1e-5)
    scores = module(image[None]).softmax(1)[0]
    assert found.target.score == pytest.approx(scores[2].item(), abs=1e-6)


def test_gradients_are_autograds_own(module, image):
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    found = scorecam.from_torch(module, SHAPE, layer="1").explain(image, 1, "grad-cam", output="layer", final="none")
    taken = {}

    def keep(_, __, output):
        taken["maps"] = output.detach().requires_grad_(True)
        return taken["maps"].clone()

    handle = module[1].register_forward_hook(keep)
    module(image[None])[0, 1].backward()
    handle.remove()
    maps, slopes = taken["maps"][0].detach(), taken["maps"].grad[0]
    expected = (slopes.mean((1, 2))[:, None, None] * maps).sum(0).relu()
    assert np.allclose(found.map, expected.numpy(), atol=1e-6)


def test_a_run_from_a_layer_meets_what_its_image_gives(module, image):
    model = scorecam.from_torch(module, SHAPE, layer="0")
    engine_scores = model.explain(image, 0, "ablation-cam", layer="0")
    assert engine_scores.map.shape == SHAPE[1:] and engine_scores.passes + engine_scores.measures["head-passes"] >= 8


def test_a_module_is_left_as_it_was(module, image):
    module.train()
    module[1].norm.eval()
    modes = [part.training for part in module.modules()]
    state = copy.deepcopy(module.state_dict())
    model = scorecam.from_torch(module, SHAPE)
    before = hooks(module)
    for method in ("score-cam", "grad-cam", "recipro-cam", "layer-cam"):
        model.explain(image, 0, method)
    assert [part.training for part in module.modules()] == modes
    assert hooks(module) == before == 0
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    module.eval()
    assert np.array_equal(model.explain(image, 0).map, scorecam.from_torch(module, SHAPE).explain(image, 0).map)


def test_nothing_of_a_module_outlives_its_model(image):
    module = network()
    model = scorecam.from_torch(module, SHAPE)
    model.explain(image)
    gone = weakref.ref(module)
    del model, module
    gc.collect()
    assert gone() is None


def test_a_failing_pass_leaves_no_hook(module, image):
    model = scorecam.from_torch(module, SHAPE)

    def fail(*_):
        raise ArithmeticError("in the module")

    handle = module[5].register_forward_pre_hook(fail)
    with pytest.raises(ArithmeticError, match="in the module"):
        model.explain(image)
    handle.remove()
    assert hooks(module) == 0


def test_layers_are_named_or_given(module, image):
    by_name = scorecam.from_torch(module, SHAPE, layer="0.2").explain(image)
    given = scorecam.from_torch(module, SHAPE, layer=module[0][2]).explain(image)
    assert given.layer == "0.2" and np.array_equal(given.map, by_name.map)
    inner = scorecam.from_torch(module, SHAPE).explain(image, layer="0.0")
    assert inner.layer == "0.0"


def test_values_are_taken_before_work_in_place(module, image):
    model = scorecam.from_torch(module, SHAPE)
    rectified = model.explain(image, 0, layer="0.1").map
    assert not np.array_equal(model.explain(image, 0, layer="0.0").map, rectified)


def test_double_and_half_precision_are_kept(image):
    double = network().double()
    found = scorecam.from_torch(double, SHAPE).explain(image, 0)
    assert np.allclose(found.map, scorecam.from_torch(network(), SHAPE).explain(image, 0).map, atol=1e-4)
    half = network().bfloat16()
    found = scorecam.from_torch(half, SHAPE).explain(image.bfloat16(), 0)
    assert found.map.dtype == np.float32 and next(half.parameters()).dtype == torch.bfloat16


def test_several_outputs_and_dicts(module, image):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            scores = self.inner(x)
            return {"logits": scores, "aux": x} if self.as_dict else (scores, x)

    two = Two().eval()
    two.as_dict = False
    plain = scorecam.from_torch(module, SHAPE).explain(image, 1).map
    chosen = scorecam.from_torch(two, SHAPE, manifest={"output": {"name": "output0"}})
    assert np.allclose(chosen.explain(image, 1).map, plain, atol=1e-6)
    two.as_dict = True
    with pytest.raises(TypeError, match="dict with 'logits', 'aux'"):
        scorecam.from_torch(two, SHAPE)
    picked = scorecam.from_torch(two, SHAPE, output=lambda found: found["logits"])
    assert np.allclose(picked.explain(image, 1).map, plain, atol=1e-6)


@pytest.mark.parametrize("method", ["score-cam", "rise", "occlusion"])
def test_masks_made_on_the_device_are_the_same(module, image, monkeypatch, method):
    options = {"score-cam": {"fill": "blur"}, "rise": {"passes": 40}, "occlusion": {}}[method]
    plain = scorecam.from_torch(module, SHAPE)
    monkeypatch.setattr("scorecam._torch.makes_masks", lambda device: True)
    own = scorecam.from_torch(module, SHAPE)
    assert "masked" in own.abilities and "masked" not in plain.abilities
    found, expected = own.explain(image, 1, method, **options), plain.explain(image, 1, method, **options)
    assert np.allclose(found.map, expected.map, atol=1e-4) and found.passes == expected.passes
    images = [image, image.flip(2), image.roll(3, 1)]
    for one, other in zip(own.explain_many(images, 1, method), plain.explain_many(images, 1, method)):
        assert np.allclose(one.map, other.map, atol=1e-4)
    measured = [scorecam.evaluate(one, image, expected, insertion="blur") for one in (own, plain)]
    for name, value in measured[0]["map"].values.items():
        assert value == pytest.approx(measured[1]["map"][name], abs=1e-4), name


def test_further_arguments_are_repeated(module, image):
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x, shift, factor):
            return self.inner(x + shift) * factor

    found = scorecam.from_torch(Shifted(), SHAPE, arguments=(torch.full((1, 3, 1, 1), 0.25), 2.0)).explain(image, 1)
    expected = scorecam.from_torch(module, SHAPE).explain(image + 0.25, 1)
    assert found.target.output == pytest.approx(2 * expected.target.output, rel=1e-5) and found.map.shape == SHAPE[1:]
    with pytest.raises(TypeError, match="shift"):
        scorecam.from_torch(Shifted(), SHAPE)


def test_threads_share_a_module(module, image):
    models = [scorecam.from_torch(module, SHAPE), scorecam.from_torch(module, SHAPE)]
    expected, found = models[0].explain(image, 0).map, [None] * 4
    module.train()

    def explain(i):
        found[i] = models[i % 2].explain(image, 0).map

    threads = [threading.Thread(target=explain, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(np.array_equal(each, expected) for each in found) and module.training


def test_tokens_of_a_transformer_are_found():
    torch.manual_seed(1)

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 32, 4, stride=4)
            self.token = nn.Parameter(torch.zeros(1, 1, 32))
            self.block = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
            self.head = nn.Linear(32, 5)

        def forward(self, x):
            tokens = self.patch(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
            read = self.block(tokens)
            return self.head(read[:, 0] if self.reads_class_token else read[:, 1:].mean(1))

    tiny = Tiny()
    tiny.reads_class_token = False
    model = scorecam.from_torch(tiny, (3, 32, 32))
    layer = next(layer for layer in model.layers if layer.name == "block")
    assert layer.shape == (32, 8, 8) and layer.maps and model.layer == "block"
    assert model.explain(torch.rand(3, 32, 32)).map.shape == (32, 32)
    # Behind the block the scores read the class token alone, so nothing there tells where anything is.
    tiny.reads_class_token = True
    assert scorecam.from_torch(tiny, (3, 32, 32)).layer == "patch"


def test_images_of_torch_are_images(module, image):
    model = scorecam.from_torch(module, SHAPE)
    expected = model.explain(image.numpy(), 0).map
    for form in (image, image[None], image.double(), image.clone().requires_grad_(True)):
        assert np.array_equal(model.explain(form, torch.tensor(0)).map, expected)
    photo = (torch.rand(3, 40, 40) * 255).byte()
    assert model.explain(photo).overlay().size == (40, 40)


@pytest.mark.parametrize(
    ("kind", "words", "arguments"),
    [
        (LookupError, "'no.such' is no submodule", {"layer": "no.such"}),
        (LookupError, "'5' gave no tensor", {"layer": "5"}),
        (LookupError, "no part of Sequential", {"layer": nn.ReLU()}),
        (ValueError, "input_shape", {"input_shape": None}),
        (ValueError, "input_shape is [3, 24]", {"input_shape": (3, 24)}),
        (ValueError, "example has shape [24, 24]", {"example": torch.zeros(24, 24)}),
        (ValueError, "for 1 image", {"output": lambda found: found.mean()}),
        (TypeError, "NoneType", {"output": lambda found: None}),
        (ValueError, "2 names", {"labels": ["a", "b"]}),
    ],
)
def test_wrong_arguments_are_named(module, kind, words, arguments):
    with pytest.raises(kind) as raised:
        scorecam.from_torch(module, **{"input_shape": SHAPE, **arguments})
    assert words in str(raised.value) and "\n" not in str(raised.value) and hooks(module) == 0


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="from_callable"):
        scorecam.from_torch(lambda x: x, SHAPE)
