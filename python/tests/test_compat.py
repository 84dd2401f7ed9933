"""The modules for other tools: their shapes, and their numbers where the tool is here and has Score-CAM."""

import copy
import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

SHAPE = (3, 24, 24)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(12, 6)

    def forward(self, x, scale=None):
        scores = self.classifier(self.pool(self.features(x)).flatten(1))
        return scores if scale is None else scores * scale


@pytest.fixture
def net():
    return Net().eval()


@pytest.fixture
def images():
    torch.manual_seed(6)
    return torch.rand(2, *SHAPE)


def test_pytorch_grad_cam(net, images):
    theirs = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from scorecam.compat.pytorch_grad_cam import ScoreCAM

    layers = [net.features[4]]
    targets = [ClassifierOutputTarget(1), ClassifierOutputTarget(4)]
    for arguments in ({"targets": targets}, {"targets": None}, {"targets": [lambda output: output[2]] * 2}):
        with theirs.ScoreCAM(net, layers) as expected, ScoreCAM(net, layers) as ours:
            found = ours(images, **arguments)
            assert found.dtype == np.float32 and found.shape == (2, 24, 24)
            assert np.allclose(found, expected(images, **arguments), atol=1e-4)
    two = [net.features[1], net.features[4]]
    assert np.allclose(ScoreCAM(net, two)(images, targets), theirs.ScoreCAM(net, two)(images, targets), atol=1e-4)
    with pytest.raises(ValueError, match="1 targets were given for 2"):
        ScoreCAM(net, layers)(images, targets[:1])
    with pytest.raises(NotImplementedError, match="aug_smooth"):
        ScoreCAM(net, layers)(images, targets, aug_smooth=True)


def test_torchcam(net, images):
    theirs = pytest.importorskip("torchcam.methods")
    from scorecam.compat.torchcam import ScoreCAM

    # Each watches whatever its module runs on, so each has one of its own.
    other = copy.deepcopy(net)
    with theirs.ScoreCAM(other, "features.4", input_shape=SHAPE) as expected, ScoreCAM(net, net.features[4]) as ours:
        assert ours.target_names == ["features.4"]
        for i, target in ((0, 1), (1, 3)):
            image = images[i : i + 1]
            found = ours(target, net(image))
            assert np.allclose(found[0], expected(target, other(image))[0], atol=1e-4)
        net(images)
        several = ours([1, 3])
        assert several[0].shape == (2, 12, 12) and torch.allclose(several[0][1:], found[0], atol=1e-5)
    assert not net._forward_pre_hooks
    with pytest.raises(RuntimeError, match="no input"):
        ScoreCAM(net, "features.4")(0)


def test_captum(net, images):
    theirs = pytest.importorskip("captum.attr")
    from scorecam.compat.captum import LayerScoreCam

    ours = LayerScoreCam(net, net.features[4])
    assert isinstance(ours, theirs.LayerAttribution) and isinstance(ours, theirs.PerturbationAttribution)
    found = ours.attribute(images, target=2)
    expected = theirs.LayerGradCam(net, net.features[4]).attribute(images, target=2)
    assert found.shape == expected.shape == (2, 1, 12, 12)
    other = ours.attribute(images, target=torch.tensor([2, 5]))
    assert torch.allclose(other[:1], found[:1], atol=1e-6) and not torch.allclose(other[1], found[1])
    assert ours.attribute(images, 2, relu_attributions=True).min() >= 0
    scaled = ours.attribute(images, 2, additional_forward_args=(torch.tensor([[1.0], [9.0]]),), perturbations_per_eval=8)
    assert torch.allclose(scaled[0], found[0], atol=1e-6) and not torch.allclose(scaled[1], found[1])
    assert ours.interpolate(found, SHAPE[1:]).shape == (2, 1, 24, 24)
    with torch.no_grad():
        maps = net.features(images)[0]
        masks = nn.functional.interpolate(maps[None], SHAPE[1:], mode="bilinear")[0]
        least, most = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
        alive = (most > least).flatten()
        masked = (masks - least)[alive] / (most - least)[alive]
        weights = net(masked[:, None] * images[:1]).softmax(1)[:, 2]
    assert torch.allclose(found[0, 0], (weights[:, None, None] * maps[alive]).sum(0), atol=1e-5)
    with pytest.raises(NotImplementedError, match="summed"):
        ours.attribute(images, 2, attr_dim_summation=False)


def test_pytorch_cnn_visualizations(net, images):
    pytest.importorskip("PIL")
    from scorecam.compat.pytorch_cnn_visualizations import ScoreCam

    found = ScoreCam(net, target_layer=4).generate_cam(images[:1], 3)
    assert found.shape == (24, 24) and found.dtype == np.float64 and found.max() <= 1
    assert np.allclose(found * 255, np.rint(found * 255))
    assert ScoreCam(net, 4).generate_cam(images[:1]).shape == (24, 24)


def test_saliency(net):
    pytest.importorskip("saliency.core")
    from saliency.core.base import CONVOLUTION_LAYER_VALUES, OUTPUT_LAYER_VALUES, CoreSaliency

    from scorecam.compat.saliency import ScoreCam

    def call(batch, arguments=None, expected_keys=None):
        with torch.no_grad():
            maps = net.features(torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2))))
            values = net.classifier(net.pool(maps).flatten(1)).softmax(1)[:, arguments["class"]]
        every = {CONVOLUTION_LAYER_VALUES: maps.numpy().transpose(0, 2, 3, 1), OUTPUT_LAYER_VALUES: values.numpy()}
        return {key: every[key] for key in expected_keys}

    image = np.random.default_rng(1).random((24, 24, 3), dtype=np.float32)
    ours = ScoreCam()
    assert isinstance(ours, CoreSaliency)
    found = ours.GetMask(image, call, {"class": 2})
    import scorecam

    expected = scorecam.from_torch(net, SHAPE, layer="features.4").explain(image.transpose(2, 0, 1), 2).map
    assert found.shape == (24, 24) and np.allclose(found, expected, atol=1e-5)
    names = list(inspect.signature(CoreSaliency.GetMask).parameters)
    assert list(inspect.signature(ScoreCam.GetMask).parameters)[: len(names)] == names
