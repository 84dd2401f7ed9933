"""The names of ImageNet's 1000 classes, one a line in the classifier's order, from the PyPI wheel timm.

    python3 imagenet_classes.py timm-1.0.31-py3-none-any.whl OUT.txt

timm (Apache-2.0) ships the order of the classes as WordNet ids and the words of every WordNet id; this
joins the two. A line reads `tabby, tabby cat`.
"""

import sys
import zipfile

CLASSES = 1000
ORDER = "timm/data/_info/imagenet_synsets.txt"
WORDS = "timm/data/_info/imagenet_synset_to_lemma.txt"


def main(wheel, out):
    with zipfile.ZipFile(wheel) as archive:
        order = archive.read(ORDER).decode().split()
        words = dict(line.split("\t", 1) for line in archive.read(WORDS).decode().splitlines())
    if len(order) != CLASSES:
        raise ValueError(f"{ORDER} lists {len(order)} classes, not {CLASSES}")
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(words[synset] + "\n" for synset in order)


if __name__ == "__main__":
    main(*sys.argv[1:])
