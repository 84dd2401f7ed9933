"""Transformers and detectors: the maps of the tools that users come from, on networks of random weights."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

import scorecam  # noqa: E402

SHAPE, PATCH, WIDTH, CLASSES = (3, 32, 32), 4, 24, 7
GRID = SHAPE[1] // PATCH


class Block(nn.Module):
    """Attention and a perceptron, each behind its norm, as vision transformers have them."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 3, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x):
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.perceptron(self.norm2(x))


class Transformer(nn.Module):
    """A vision transformer, whose class token alone is read."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.patch = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(0.3 * torch.randn(1, 1 + GRID * GRID, WIDTH))
        self.blocks = nn.Sequential(Block(), Block(), Block())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.places
        return self.head(self.norm(self.blocks(tokens)[:, 0]))


class Detector(nn.Module):
    """A detector of one box per cell, which returns what torchvision's do: for each image a dict of boxes, labels, scores."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(12)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 20, 3, stride=2, padding=1), nn.BatchNorm2d(20), nn.ReLU(),
        )  # fmt: skip
        self.sides, self.classes = nn.Conv2d(20, 4, 3, padding=1), nn.Conv2d(20, CLASSES, 3, padding=1)
        ys, xs = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
        self.register_buffer("centers", (torch.stack([xs, ys], -1).reshape(-1, 2) + 0.5) * SHAPE[1] / GRID)

    def rows(self, x):
        """Boxes [N, cells, 4] and probabilities [N, cells, classes]."""
        maps = self.backbone(x)
        sides = self.sides(maps).flatten(2).transpose(1, 2).exp().clamp(1, 12)
        boxes = torch.cat([self.centers - sides[..., :2], self.centers + sides[..., 2:]], -1)
        return boxes, self.classes(maps).flatten(2).transpose(1, 2).mul(3).sigmoid()

    def forward(self, x):
        boxes, probabilities = self.rows(x)
        scores, labels = probabilities.max(-1)
        return [dict(boxes=b, labels=l, scores=s) for b, l, s in zip(boxes, labels, scores)]


class BestOfEach(nn.Module):
    """A detector's greatest score of each class, as those who have a tool for classifiers wrap one."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, x):
        return self.detector.rows(x)[1].amax(1).logit()


@pytest.fixture
def images():
    torch.manual_seed(13)
    return torch.rand(2, *SHAPE)


@pytest.fixture
def vit():
    return Transformer().eval()


@pytest.fixture
def detector():
    return Detector().eval()


def as_maps(tokens):
    """What users of pytorch-grad-cam give as reshape_transform."""
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), WIDTH, GRID, GRID)


def test_a_transformers_default_layer_is_the_last_whose_tokens_reach_the_scores(vit, images):
    model = scorecam.from_torch(vit, SHAPE)
    assert model.layer == "blocks.2.norm1"
    assert np.ptp(model.explain(images[0], method="auto").map) > 0.5
    # Where the mean of all tokens is read, all layers are.
    averaged = copy.deepcopy(vit)
    averaged.forward = lambda x: averaged.head(averaged.norm(averaged.blocks(averaged.patch(x).flatten(2).transpose(1, 2))).mean(1))
    assert scorecam.from_torch(averaged, SHAPE).layer == "norm"


@pytest.mark.parametrize("layer", ["blocks.2.norm1", "blocks.1"])
def test_a_transformer_by_pytorch_grad_cam(vit, images, layer):
    theirs = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from scorecam.compat.pytorch_grad_cam import ScoreCAM

    layers, targets = [vit.get_submodule(layer)], [ClassifierOutputTarget(2), ClassifierOutputTarget(5)]
    expected = theirs.ScoreCAM(vit, layers, reshape_transform=as_maps)(images, targets)
    assert np.allclose(ScoreCAM(vit, layers, reshape_transform=as_maps)(images, targets), expected, atol=1e-4)
    model = scorecam.from_torch(vit, SHAPE, layer=layer)
    found = model.explain(images[0], 2, preset="pytorch-grad-cam")
    assert np.allclose(found.map, expected[0], atol=1e-4) and np.ptp(expected[0]) > 0.5


def test_a_transformer_by_torch_cam(vit, images):
    theirs = pytest.importorskip("torchcam.methods")
    # That tool takes layers of maps alone, which a transformer has before its blocks.
    other = copy.deepcopy(vit)
    with theirs.ScoreCAM(other, "patch", input_shape=SHAPE) as cam:
        expected = cam(3, other(images[:1]))[0][0].numpy()
    found = scorecam.from_torch(vit, SHAPE, layer="patch").explain(images[0], 3, preset="torchcam").map
    assert found.shape == expected.shape == (GRID, GRID) and np.allclose(found, expected, atol=1e-4)


def test_a_detector_by_pytorch_grad_cam(detector, images):
    theirs = pytest.importorskip("pytorch_grad_cam")
    pytest.importorskip("torchvision")
    from pytorch_grad_cam.utils.model_targets import FasterRCNNBoxScoreTarget

    from scorecam.compat.pytorch_grad_cam import ScoreCAM

    with torch.no_grad():
        best = [(one, one["scores"].topk(3).indices) for one in detector(images)]
    targets = [
        FasterRCNNBoxScoreTarget([int(label) for label in one["labels"][rows]], one["boxes"][rows].numpy())
        for one, rows in best
    ]
    layers = [detector.backbone]
    expected = theirs.ScoreCAM(detector, layers)(images, targets)
    found = ScoreCAM(detector, layers)(images, targets)
    assert np.allclose(found, expected, atol=1e-4) and np.ptp(expected) > 0.5


def test_a_detector_by_torch_cam(detector, images):
    theirs = pytest.importorskip("torchcam.methods")
    wrapped = BestOfEach(detector)
    other = copy.deepcopy(wrapped)
    with theirs.ScoreCAM(other, "detector.backbone", input_shape=SHAPE) as cam:
        expected = cam(4, other(images[:1]))[0][0].numpy()
    model = scorecam.from_torch(wrapped, SHAPE, layer=detector.backbone)
    found = model.explain(images[0], 4, preset="torchcam").map
    assert found.shape == expected.shape == (GRID, GRID) and np.allclose(found, expected, atol=1e-4)


def test_a_box_of_a_detector_is_a_target(detector, images):
    class Rows(nn.Module):
        """One tensor [N, 4 + classes, cells], as YOLOv8 has it."""

        def __init__(self):
            super().__init__()
            self.detector = detector

        def forward(self, x):
            boxes, probabilities = self.detector.rows(x)
            sides = boxes[..., 2:] - boxes[..., :2]
            return torch.cat([boxes[..., :2] + sides / 2, sides, probabilities], -1).transpose(1, 2)

    manifest = {"output": {"kind": "detections", "format": "yolov8"}}
    model = scorecam.from_torch(Rows(), SHAPE, layer=detector.backbone, manifest=manifest)
    found = model.explain(images[0], "box:0")
    with torch.no_grad():
        one = detector(images[:1])[0]
    best = int(one["scores"].argmax())
    assert found.target.index == int(one["labels"][best])
    assert np.allclose(list(found.target.box), one["boxes"][best].numpy().clip(0, 32), atol=1e-3)
    assert found.map.shape == SHAPE[1:] and found.map.max() == 1
