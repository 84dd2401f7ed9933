//! Shared libraries that run models, for Linux on x86-64.

use super::super::pip::{Archive, Package};
use super::{Item, Origin, Product};

const ONNXRUNTIME_WHEEL: Package = Package {
    requirement: "onnxruntime==1.32.0",
    sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
    bytes: 27_773_237,
    archive: Archive::LinuxWheel,
};

pub(super) const ONNXRUNTIME: Item = Item {
    title: "ONNX Runtime 1.32.0",
    elsewhere: Some("set ORT_DYLIB_PATH to its library"),
    products: &[
        Product {
            path: "onnxruntime-1.32.0/libonnxruntime.so.1.32.0",
            origin: Origin::Member {
                of: &ONNXRUNTIME_WHEEL,
                name: "onnxruntime/capi/libonnxruntime.so.1.32.0",
                sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
            },
        },
        Product {
            path: "onnxruntime-1.32.0/LICENSE",
            origin: Origin::Member {
                of: &ONNXRUNTIME_WHEEL,
                name: "onnxruntime/LICENSE",
                sha256: "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
            },
        },
        Product {
            path: "onnxruntime-1.32.0/ThirdPartyNotices.txt",
            origin: Origin::Member {
                of: &ONNXRUNTIME_WHEEL,
                name: "onnxruntime/ThirdPartyNotices.txt",
                sha256: "d8696258afcf9df7827a5e01d6b6d55ee9b461b4e82020f5f48242deb9cc2270",
            },
        },
    ],
};

const TORCH: Package = Package {
    requirement: "torch==2.13.0",
    sha256: "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
    bytes: 526_574_961,
    archive: Archive::LinuxWheel,
};

const CUDA_RUNTIME: Package = Package {
    requirement: "nvidia-cuda-runtime==13.0.96",
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    bytes: 2_243_632,
    archive: Archive::LinuxWheel,
};

const CUPTI: Package = Package {
    requirement: "nvidia-cuda-cupti==13.0.85",
    sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    bytes: 10_715_597,
    archive: Archive::LinuxWheel,
};

/// A folder for compiling and linking against libtorch and for running it on the processor: a tenth of PyTorch,
/// without Python and without anything of CUDA but the two libraries that libtorch_cpu.so is linked to.
/// libtorch.so is empty and needs a libtorch_cuda.so that is not here. Linkers ask for it by name; nothing that
/// they make with `--as-needed` opens it.
pub(super) const LIBTORCH: Item = Item {
    title: "libtorch 2.13.0",
    elsewhere: Some("set LIBTORCH to its folder"),
    products: &[
        Product {
            path: "libtorch-2.13.0/lib/libtorch_cpu.so",
            origin: Origin::Member {
                of: &TORCH,
                name: "torch/lib/libtorch_cpu.so",
                sha256: "096eed6e217377ccda4d50693b680e2771709c01f58fe52717835b017fed9c58",
            },
        },
        Product {
            path: "libtorch-2.13.0/lib/libc10.so",
            origin: Origin::Member {
                of: &TORCH,
                name: "torch/lib/libc10.so",
                sha256: "b83ea50e9171c7e3455c19f9ff2c7d21d457a7b8231e9c4ea1b6e032ae1156d5",
            },
        },
        Product {
            path: "libtorch-2.13.0/lib/libgomp.so.1",
            origin: Origin::Member {
                of: &TORCH,
                name: "torch/lib/libgomp.so.1",
                sha256: "e28fb2896a3d612b46a27d7f8ef840d34c9efbc29b70a044c42095fb94856890",
            },
        },
        Product {
            path: "libtorch-2.13.0/lib/libtorch.so",
            origin: Origin::Member {
                of: &TORCH,
                name: "torch/lib/libtorch.so",
                sha256: "29c72a63050601514ff9af6399bb027ee8b4030b97017579458d16ceac90d999",
            },
        },
        Product {
            path: "libtorch-2.13.0/lib/libcudart.so.13",
            origin: Origin::Member {
                of: &CUDA_RUNTIME,
                name: "nvidia/cu13/lib/libcudart.so.13",
                sha256: "96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0",
            },
        },
        Product {
            path: "libtorch-2.13.0/lib/libcupti.so.13",
            origin: Origin::Member {
                of: &CUPTI,
                name: "nvidia/cu13/lib/libcupti.so.13",
                sha256: "e2f9ed861fe27c492b8bb52b5e3220ef5120f3edcda36312e96b7fd8a186be3e",
            },
        },
        Product {
            path: "libtorch-2.13.0/include",
            origin: Origin::Folder {
                of: &TORCH,
                name: "torch/include",
                sha256: "d81447d8c8e176fd7c0658d3e41e0d012d04accc7567f11a834ad1f235ba1eeb",
            },
        },
        Product { path: "libtorch-2.13.0/build-version", origin: Origin::Written("2.13.0") },
        Product {
            path: "libtorch-2.13.0/licenses/torch",
            origin: Origin::Folder {
                of: &TORCH,
                name: "torch-2.13.0.dist-info/licenses",
                sha256: "3a763a917ba67cdca8dbceda98e9cb11ca787f93c682d1eb18cda6d207266527",
            },
        },
        Product {
            path: "libtorch-2.13.0/licenses/cuda.txt",
            origin: Origin::Member {
                of: &CUDA_RUNTIME,
                name: "nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt",
                sha256: "ad6f5853fba0ca0d159d0f58d49ae49830c2f8c93f7a92648b9ce90adb4c6ccd",
            },
        },
    ],
};
