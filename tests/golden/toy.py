"""The toy network in numpy: the twin of the Rust plugin, equal to it up to the rounding of the last sums.

A `.toy` file is TOML; see the plugin's documentation for its keys. Weights come from an integer hash of the
seed and are multiples of 1/256 (1/64 in the head), so both sides hold the same numbers. The convolutions add
in float32 in one fixed order, tap by tap, exactly as the plugin does; the head adds in float64.
"""

import tomllib

import numpy as np

CONV1, BIAS1, CONV2, BIAS2, HEAD, HEAD_BIAS = range(1, 7)  # the streams of the hash


class Toy:
    """A toy model: `taps` gives the activations of its layers, `forward` the scores."""

    def __init__(self, path):
        with open(path, "rb") as file:
            keys = tomllib.load(file)
        self.channels, self.size = keys["channels"], tuple(keys["size"])
        self.maps, self.classes = keys["maps"], keys["classes"]
        self.cells = tuple(keys["map_size"])
        self.ending = keys.get("ending", "logits")
        self.patch = tuple(n // m for n, m in zip(self.size, self.cells))
        self.links = min(4, self.maps)
        self._make_weights(keys["seed"])
        self._shape_maps(keys)

    def _make_weights(self, seed):
        taps = self.channels * self.patch[0] * self.patch[1]
        self.conv1 = hashed(seed, CONV1, (self.maps, taps)) / np.float32(256)
        self.bias1 = hashed(seed, BIAS1, (self.maps,)) / np.float32(256)
        self.conv2 = hashed(seed, CONV2, (self.maps, self.links, 3, 3)) / np.float32(256)
        self.bias2 = hashed(seed, BIAS2, (self.maps,)) / np.float32(256)
        self.head = hashed(seed, HEAD, (self.classes, self.maps)) / np.float32(64)
        self.head_bias = hashed(seed, HEAD_BIAS, (self.classes,)) / np.float32(64)

    def _shape_maps(self, keys):
        """The last maps are flat, those before them constant, and those before them copies of the first."""
        flat, constant = keys.get("flat_maps", 0), keys.get("constant_maps", 0)
        copies = keys.get("duplicate_maps", 0)
        own = self.maps - flat - constant - copies
        self.source = np.arange(self.maps)
        for i in range(copies):
            copy, of, scale = own + i, i % own, np.float32((2.0, 0.5)[i % 2])
            self.source[copy] = of
            self.conv2[copy], self.bias2[copy] = self.conv2[of] * scale, self.bias2[of] * scale
        self.conv2[own + copies :] = 0
        self.bias2[own + copies : own + copies + constant] = 0.75
        self.bias2[self.maps - flat :] = -0.5

    def taps(self, batch):
        """Activations by layer name for a batch [N, C, H, W], each [N, K, h, w]."""
        conv1 = self._conv1(np.asarray(batch, np.float32))
        relu1 = np.maximum(conv1, 0)
        conv2 = self._conv2(relu1)
        return {"conv1": conv1, "relu1": relu1, "conv2": conv2, "features": np.maximum(conv2, 0)}

    def forward(self, batch):
        """Scores [N, classes] of a batch [N, C, H, W]."""
        features = self.taps(batch)["features"].astype(np.float64)
        return self._end(self._head(features).astype(np.float32)).astype(np.float32)

    def scores_from(self, layer, activations):
        """Scores [N, classes] in float64 when `activations` [N, K, h, w] stand in place of those of `layer`."""
        steps = {"relu1": lambda v: np.maximum(v, 0), "conv2": self._conv2, "features": lambda v: np.maximum(v, 0)}
        layers = ["conv1", *steps]
        for step in layers[layers.index(layer) + 1 :]:
            activations = steps[step](activations)
        return self._end(self._head(activations))

    def _head(self, features):
        pooled = features.sum((2, 3)) / (self.cells[0] * self.cells[1])
        return pooled @ self.head.T.astype(np.float64) + self.head_bias

    def _end(self, logits):
        values = logits.astype(np.float64)
        if self.ending == "softmax":
            powers = np.exp(values - values.max(1, keepdims=True))
            return powers / powers.sum(1, keepdims=True)
        return 1 / (1 + np.exp(-values)) if self.ending == "sigmoid" else values

    def _conv1(self, batch):
        """A convolution whose stride is its kernel: each cell sees its own patch."""
        (h, w), (p, q), n = self.cells, self.patch, len(batch)
        patches = batch.reshape(n, self.channels, h, p, w, q).transpose(1, 3, 5, 0, 2, 4)
        result = np.broadcast_to(self.bias1[:, None, None], (n, self.maps, h, w)).copy()
        for tap, patch in enumerate(patches.reshape(-1, n, h, w)):
            result += self.conv1[None, :, tap, None, None] * patch[:, None]
        return result

    def _conv2(self, maps):
        """3x3, padded by zeros; map k sees the maps of `links` indices from its source's on, cyclically."""
        h, w = self.cells
        padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
        result = np.broadcast_to(self.bias2[:, None, None], maps.shape).astype(maps.dtype)
        for link in range(self.links):
            seen = padded[:, (self.source + link) % self.maps]
            for y in range(3):
                for x in range(3):
                    weight = self.conv2[None, :, link, y, x, None, None]
                    result += weight * seen[:, :, y : y + h, x : x + w]
        return result


def hashed(seed, stream, shape):
    """Integers -128..=127 as float32: the top byte of a 64-bit mix of seed, stream and index."""
    with np.errstate(over="ignore"):
        z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x94D049BB133111EB)
        z += np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(stream) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(56)).astype(np.float32) - 128).reshape(shape)
