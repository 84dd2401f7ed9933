"""The architectures of the zoo, and the layers that practitioners explain in each.

A layer is written `PATH MEANING`. PATH is the dotted path of a PyTorch module whose output counts; `-1` in it is
the last child, `@features` is the result of `forward_features`, `PATH>` is what the module takes in, and
`PATH[1]` is the second of its outputs. MEANING is how the tensor holds its maps:

    maps        [N, C, H, W], the default
    last        [N, H, W, C]
    tokens:P    [N, P + H * W, C], where the first P tokens (class, distillation, registers) are no places

The first layer of a list is the one that practitioners would name first; each of the others is one that they
also use and that shows the same evidence: the last block, its first norm, the norm behind it.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatch


@dataclass(frozen=True)
class Architecture:
    """One row of the zoo: `model` of the library `source`, made with `options`, for images of `size`."""

    family: str
    model: str
    layers: tuple
    source: str = "timm"
    size: int = 224
    options: dict = field(default_factory=dict)
    traced: bool = False  # also judged as a TorchScript trace

    @property
    def name(self):
        return self.model if self.source == "timm" else f"{self.source}_{self.model}"


def select(pattern):
    """The architectures whose name or family matches a pattern of the shell."""
    chosen = [one for one in ALL if fnmatch(one.name, pattern) or fnmatch(one.family, pattern)]
    return chosen or [one for one in ALL if pattern in one.name]


def rows(family, layers, *models, **common):
    """Rows that share a family and their layers. A model is its name, or (name, differences)."""
    made = []
    for model in models:
        name, own = model if isinstance(model, tuple) else (model, {})
        made.append(Architecture(family, name, tuple(layers), **{**common, **own}))
    return made


def tokens(prefix, *paths):
    return [f"{path} tokens:{prefix}" for path in paths]


def vit(prefix):
    return tokens(prefix, "norm", "blocks.-1", "blocks.-1.norm1", "@features")


TRACED = {"traced": True}
SHALLOW = {"options": {"depth": 4}}  # four of twelve blocks: a third of the file
STAGES = ["stages.-1", "@features"]
TORCHVISION = {"source": "torchvision"}

ALL = [
    *rows("ViT", vit(1), ("vit_tiny_patch16_224", TRACED), ("eva02_tiny_patch14_224", TRACED), "convit_tiny",
          "vit_tiny_r_s16_p8_224", ("beit_base_patch16_224", SHALLOW), ("flexivit_small", {"size": 240})),
    *rows("ViT", vit(5), ("vit_small_patch14_reg4_dinov2", {"traced": True, "options": {"img_size": 224}})),
    *rows("ViT", vit(2), ("deit_tiny_distilled_patch16_224", TRACED)),
    *rows("ViT", vit(0), "vit_relpos_small_patch16_224", ("vit_base_patch16_siglip_224", SHALLOW)),
    *rows("ViT", tokens(1, "encoder.ln", "encoder.layers.-1", "encoder.layers.-1.ln_1"),
          ("vit_b_32", TRACED), **TORCHVISION),
    *rows("ViT", tokens(1, "norm", "@features") + tokens(0, "blocks.-1", "blocks.-1.norm1"),
          ("cait_xxs24_224", TRACED)),
    *rows("ViT", tokens(1, "norm", "@features", "cls_attn_blocks.-1") + tokens(0, "blocks.-1"),
          ("xcit_nano_12_p16_224", TRACED)),
    *rows("ViT", tokens(1, "norm.-1", "norm.0"), "crossvit_tiny_240", size=240),
    *rows("ViT", tokens(1, "norm", "blocks.-1[1]", "@features"), "tnt_s_patch16_224"),
    *rows("ViT", tokens(1, "norm", "@features") + ["network.-1 last"], "volo_d1_224"),
    *rows("ViT", ["neck", "blocks.-1 last", "@features"], ("samvit_base_patch16_224", SHALLOW)),
    *rows("Swin", ["norm last", "layers.-1 last", "layers.-1.blocks.-1.norm1 last"],
          ("swin_tiny_patch4_window7_224", TRACED)),
    *rows("Swin", ["norm last", "layers.-1 last"], "swinv2_tiny_window8_256", size=256),
    *rows("Swin", ["permute", "norm last", "features.-1 last"], ("swin_t", TRACED), **TORCHVISION),
    *rows("windows", ["blocks.-1"], ("maxvit_t", TRACED), **TORCHVISION),
    *rows("windows", ["norm", *STAGES], ("maxvit_rmlp_pico_rw_256", {"size": 256}), "coatnet_nano_rw_224"),
    *rows("windows", ["norm_pre", *STAGES], ("davit_tiny", TRACED), ("tiny_vit_5m_224", TRACED), "gcvit_xxtiny"),
    *rows("windows", ["norm last", "levels.-1", "@features"], "nest_tiny"),
    *rows("pyramid", STAGES + tokens(0, "stages.-1.norm"), ("pvt_v2_b0", TRACED)),
    *rows("pyramid", tokens(0, "norm", "blocks.-1.-1", "@features"), "twins_pcpvt_small", ("twins_svt_small", TRACED)),
    *rows("pyramid", tokens(0, "norm", *STAGES), ("levit_128s", TRACED), ("efficientformer_l1", TRACED)),
    *rows("pyramid", tokens(1, "norm4", "serial_blocks4.-1", "@features"), ("coat_lite_tiny", TRACED)),
    *rows("pyramid", ["norm", *STAGES], "efficientformerv2_s0", "swiftformer_xs", "nextvit_small", "poolformerv2_s12"),
    *rows("pyramid", ["norm", "stage3", "@features"], "visformer_tiny"),
    *rows("pyramid", tokens(0, "blocks.-1", "blocks.-1.norm1", "@features"), ("hiera_tiny_224", TRACED)),
    *rows("pyramid", tokens(0, "norm", "stages.-1[0]", "@features"), "mvitv2_tiny"),
    *rows("pyramid", ["transformers.-1[0]"], "pit_ti_224"),
    *rows("MLP", tokens(0, "norm", "blocks.-1", "blocks.-1.norm1", "@features"), ("mixer_s32_224", TRACED),
          "resmlp_12_224", ("gmlp_s16_224", TRACED)),
    *rows("MLP", ["norm last", "stages.-1 last", "@features last"], "sequencer2d_s"),
    *rows("MLP", ["blocks.-1", "@features"], ("convmixer_1024_20_ks9_p14", TRACED)),
    *rows("hybrid", ["final_conv", *STAGES], ("mobilevit_s", TRACED), "mobilevitv2_050", "fastvit_t8",
          "edgenext_xx_small", "botnet26t_256", "halonet26t", "gcresnet33ts", size=256),
    *rows("hybrid", ["head.in_conv", *STAGES], ("caformer_s18", TRACED), "efficientvit_b0", "efficientvit_m0",
          "repvit_m0_9", "shvit_s1"),
    *rows("hybrid", ["norm", "layers.-1", "@features"], "focalnet_tiny_srf"),
    *rows("hybrid", ["stages.-1 last", "@features last"], "mambaout_femto"),
    *rows("CNN", ["layer4"], ("resnet18", TRACED), "resnet50", "resnext50_32x4d", **TORCHVISION),
    *rows("CNN", ["layer4", "@features"], "resnest14d", "skresnet18", "res2net50_26w_4s"),
    *rows("CNN", ["final_conv", *STAGES], "resnet50_clip", ("regnety_002", TRACED), "repvgg_a0", "mobileone_s0",
          "cspresnet50", "darknet53", "ese_vovnet19b_dw", "hgnetv2_b0"),
    *rows("CNN", ["norm_pre", *STAGES], ("convnext_atto", TRACED), "convnextv2_atto", "inception_next_atto",
          "rdnet_tiny"),
    *rows("CNN", ["norm", *STAGES], ("starnet_s1", TRACED)),
    *rows("CNN", ["final_act", "final_conv", *STAGES], "nf_resnet26"),
    *rows("CNN", ["features.denseblock4", "features.norm5", "features", "relu(features)"],
          ("densenet121", TRACED), **TORCHVISION),
    *rows("CNN", ["features.-1", "features.-2"], ("vgg11_bn", TRACED), ("mobilenet_v2", TRACED),
          "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", **TORCHVISION),
    *rows("CNN", ["features", "classifier.2"], ("squeezenet1_1", TRACED), **TORCHVISION),
    *rows("CNN", ["Mixed_7c"], ("inception_v3", {"size": 299}), **TORCHVISION),
    *rows("CNN", ["inception5b"], ("googlenet", TRACED), **TORCHVISION),
    *rows("CNN", ["layers"], "mnasnet0_5", **TORCHVISION),
    *rows("CNN", ["conv5"], ("shufflenet_v2_x0_5", TRACED), **TORCHVISION),
    *rows("CNN", ["features", "@features"], "dpn48b", ("rexnet_100", TRACED)),
    *rows("CNN", ["final_layer", "@features"], "hrnet_w18_small"),
    *rows("CNN", ["blocks.-1", "@features"], ("ghostnet_100", TRACED), "repghostnet_050", "mobilenetv4_conv_small",
          "lcnet_050", "hardcorenas_a"),
    *rows("CNN", ["bn2", "blocks.-1", "@features"], "tf_efficientnetv2_b0", "semnasnet_075"),
    *rows("CNN", ["level5", "@features"], "dla34"),
    *rows("CNN", ["head", "features", "@features"], "selecsls42"),
    *rows("CNN", ["act", "blocks.-1", "@features"], "xception41", size=299),
]
