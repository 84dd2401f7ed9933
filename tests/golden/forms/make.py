"""Makes the models of all forms, their inputs and golden maps: `python make.py`. Needs numpy, onnx, onnxruntime, pillow.

Writes `models/`, `cases.json` and `maps.npy`; the README beside this file says what a row holds. All weights come from
fixed seeds. The models are made by hand, of a few kB each; none is anybody's network.
"""

import elements
import exports
import families
import graphs
import scores
import tokens
from table import Golden, Table


def main():
    table = Table()
    add_transformers(table)
    scores.add(table)
    graphs.add(table)
    elements.add(table)
    exports.add(table)
    families.add(table)
    table.save()
    names = [row["name"] for row in table.rows]
    assert len(set(names)) == len(names), "two rows have one name"
    print(len(table.rows), "rows")


def add_transformers(table):
    class_token = tokens.vit(100)
    table.explained("vit", class_token, "b1.ln1", "tokens=1+4x4")
    table.explained("vit@named", class_token, "norm", "tokens=1+4x4", named=True)
    table.explained("vit@said", class_token, "b0.out", "tokens=1+4x4", named=True, layer_grid="tokens=1+4x4")
    table.refused("vit@contradicted", class_token, "does not fit", ask="b0.out", layer_grid="tokens=1+5x5")
    table.explained("vit_distilled", tokens.vit(101, before=2), "b1.ln1", "tokens=2+4x4")
    table.explained("vit_registers", tokens.vit(102, before=5, grid=(8, 8)), "b1.ln1", "tokens=5+8x8")
    table.explained("vit_no_class_token", tokens.vit(103, before=0, pool="mean"), "norm", "tokens=0+4x4")
    mean = tokens.vit(104, pool="mean")
    table.explained("vit_mean_of_cells", mean, "norm", "tokens=1+4x4")
    table.explained("vit_mean_of_cells@named", mean, "cells", "tokens=0+4x4", named=True)
    table.explained("vit_by_columns", tokens.vit(105, by_columns=True), "b1.ln1", "tokens=1+4x4:columns-first")
    wide = tokens.vit(106, grid=(4, 8), shape=("N", 3, 32, 64))
    golden = Golden(image=table.other("wide.npy", (3, 32, 64)))
    table.explained("vit_wide", wide, "b1.ln1", "tokens=1+4x8", golden=golden, input="wide.npy")
    tall = tokens.vit(107, before=0, pool="mean", grid=(8, 4), shape=(1, 3, 48, 24))
    golden = Golden(image=table.other("tall.npy", (3, 48, 24)))
    table.explained("vit_tall", tall, "norm", "tokens=0+8x4", golden=golden, input="tall.npy")
    table.explained("channels_before_tokens", tokens.tokens_behind_channels(108), "chan1", "tokens=0+4x4:channels-first")
    table.explained("mixer", tokens.mixer(109), "norm", "tokens=0+4x4")
    table.explained("attention_pooled", tokens.attention_pooled(110), "norm", "tokens=0+4x4")
    table.explained("clip", tokens.clip(111), "back", "tokens=1+4x4")
    table.explained("hybrid", tokens.hybrid(112), "r4")
    table.explained("class_attention", tokens.cait(113), "joined", "tokens=1+4x4")
    table.explained("class_attention@cells", tokens.cait(113), "b1.out", "tokens=0+4x4", named=True)
    table.explained("swin_cells", tokens.swin(114), "norm", "nhwc")
    table.explained("swin_cells@named", tokens.swin(114), "s1.ln1", "nhwc", named=True)
    table.explained("swin_tokens", tokens.swin(115, as_cells=False), "norm", "tokens=0+8x8")
    table.explained("swin_tokens@named", tokens.swin(115, as_cells=False), "s1.cells", "nhwc", named=True)
    table.explained("swin_merged", tokens.merged(116), "norm", "nhwc")
    table.explained("pvt", tokens.pvt(117), "ir")
    table.explained("pvt@tokens", tokens.pvt(117), "tok", "tokens=0+8x8", named=True)


if __name__ == "__main__":
    main()
