//! Shared libraries that run models on an NVIDIA GPU, for Linux on x86-64: ONNX Runtime's CUDA build, and what that
//! asks of CUDA 13 and cuDNN 9.
//!
//! One item a package, so that a download which breaks off costs that package and no other. The libraries of
//! NVIDIA lie in one folder, since each looks for the others beside itself. The versions are those of CUDA 13.0 and
//! those that PyTorch 2.13 is built with: what one process holds of both is then the same, and a driver for any
//! CUDA 13 will do. Left out is what a classifier never asks for: cuFFT and its compiler serve the operators
//! Rfft and Irfft alone, and ONNX Runtime opens cuFFT when it meets one of them.

use super::super::pip::{Archive, Package};
use super::{Item, Origin, Product};

/// A file of a wheel that keeps its name: `member!(&PACKAGE, "FOLDER IN THE WHEEL/" => "FOLDER IN THE CACHE/", "NAME",
/// "SHA-256")`.
macro_rules! member {
    ($of:expr, $folder:literal => $place:literal, $name:literal, $sha256:literal) => {
        Product {
            path: concat!($place, $name),
            origin: Origin::Member { of: $of, name: concat!($folder, $name), sha256: $sha256 },
        }
    };
}

const ONNXRUNTIME_GPU_WHEEL: Package = Package {
    requirement: "onnxruntime-gpu==1.31.1",
    sha256: "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
    bytes: 255_560_985,
    archive: Archive::LinuxWheel,
};

/// The library finds its providers beside itself. That of TensorRT is small; TensorRT is the user's own.
pub(super) const ONNXRUNTIME_GPU: Item = Item {
    title: "ONNX Runtime 1.31.1 for CUDA",
    elsewhere: Some("name its library in the setting `runtime` of onnx-cuda"),
    products: &[
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/capi/" => "onnxruntime-gpu-1.31.1/",
            "libonnxruntime.so.1.31.1",
            "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303"
        ),
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/capi/" => "onnxruntime-gpu-1.31.1/",
            "libonnxruntime_providers_shared.so",
            "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d"
        ),
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/capi/" => "onnxruntime-gpu-1.31.1/",
            "libonnxruntime_providers_cuda.so",
            "d5290158115fa5569a3fe8f1f4037ee9b0e86658a96e52f852bbb7039aa88137"
        ),
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/capi/" => "onnxruntime-gpu-1.31.1/",
            "libonnxruntime_providers_tensorrt.so",
            "1882ee49fdb0e6fc2d272b00cfaf9a3310bf8580a34385c0eec4d82014ea172e"
        ),
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/" => "onnxruntime-gpu-1.31.1/",
            "LICENSE",
            "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c"
        ),
        member!(
            &ONNXRUNTIME_GPU_WHEEL, "onnxruntime/" => "onnxruntime-gpu-1.31.1/",
            "ThirdPartyNotices.txt",
            "143764b952fdb1a7c69ce653bfba74a7744d6a8a573bfb73e235fba356c83de3"
        ),
    ],
};

/// What to do with one's own CUDA where nothing is pinned.
const OWN_CUDA: Option<&str> = Some("name its folder in the setting `cuda` of onnx-cuda");

const CUDA_RUNTIME: Package = Package {
    requirement: "nvidia-cuda-runtime==13.0.96",
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    bytes: 2_243_632,
    archive: Archive::LinuxWheel,
};

pub(super) const CUDA_RUNTIME_LIBRARY: Item = Item {
    title: "CUDA runtime 13.0.96",
    elsewhere: OWN_CUDA,
    products: &[
        member!(
            &CUDA_RUNTIME, "nvidia/cu13/lib/" => "cuda-13/",
            "libcudart.so.13",
            "96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0"
        ),
        // The licence of CUDA, which covers all packages here but cuDNN.
        Product {
            path: "cuda-13/licenses/cuda.txt",
            origin: Origin::Member {
                of: &CUDA_RUNTIME,
                name: "nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt",
                sha256: "ad6f5853fba0ca0d159d0f58d49ae49830c2f8c93f7a92648b9ce90adb4c6ccd",
            },
        },
    ],
};

const CUBLAS_WHEEL: Package = Package {
    requirement: "nvidia-cublas==13.1.1.3",
    sha256: "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436",
    bytes: 423_138_758,
    archive: Archive::LinuxWheel,
};

pub(super) const CUBLAS: Item = Item {
    title: "cuBLAS 13.1.1.3",
    elsewhere: OWN_CUDA,
    products: &[
        member!(
            &CUBLAS_WHEEL, "nvidia/cu13/lib/" => "cuda-13/",
            "libcublas.so.13",
            "25cde432108543626df85d887c730bf2cab96803ca16f9654e4abc8d2b45833e"
        ),
        member!(
            &CUBLAS_WHEEL, "nvidia/cu13/lib/" => "cuda-13/",
            "libcublasLt.so.13",
            "1489aeb75d55ee55782798343ac66f57771d561cc1fe1e0491568deefa0e6515"
        ),
    ],
};

const CURAND_WHEEL: Package = Package {
    requirement: "nvidia-curand==10.4.0.35",
    sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
    bytes: 59_544_258,
    archive: Archive::LinuxWheel,
};

pub(super) const CURAND: Item = Item {
    title: "cuRAND 10.4.0.35",
    elsewhere: OWN_CUDA,
    products: &[member!(
        &CURAND_WHEEL, "nvidia/cu13/lib/" => "cuda-13/",
        "libcurand.so.10",
        "b53732a66b302b11926e00f762e2c2ba67058347ff93cf4ae709de45e93e06da"
    )],
};

const NVRTC_WHEEL: Package = Package {
    requirement: "nvidia-cuda-nvrtc==13.0.88",
    sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
    bytes: 90_215_200,
    archive: Archive::LinuxWheel,
};

/// A compiler for the GPU, which cuDNN opens where it makes a kernel for the case at hand.
pub(super) const NVRTC: Item = Item {
    title: "NVRTC 13.0.88",
    elsewhere: OWN_CUDA,
    products: &[
        member!(
            &NVRTC_WHEEL, "nvidia/cu13/lib/" => "cuda-13/",
            "libnvrtc.so.13",
            "a49e67e8e74590f1e98de55c39c6287efd3f59e3c3797464d7bbe0fe01349b11"
        ),
        member!(
            &NVRTC_WHEEL, "nvidia/cu13/lib/" => "cuda-13/",
            "libnvrtc-builtins.so.13.0",
            "91dcd944d01da9c0f08fff5d779db136a47f6d62bdb63bae900d2f481e92c3a2"
        ),
    ],
};

const CUDNN_WHEEL: Package = Package {
    requirement: "nvidia-cudnn-cu13==9.20.0.48",
    sha256: "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304",
    bytes: 366_173_588,
    archive: Archive::LinuxWheel,
};

/// No library of ONNX Runtime is linked to it: ONNX Runtime opens libcudnn.so.9, and that opens the others.
pub(super) const CUDNN: Item = Item {
    title: "cuDNN 9.20.0.48",
    elsewhere: OWN_CUDA,
    products: &[
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn.so.9",
            "b88025af76979b3f1af208790195093684fe01cb8d190528856058f988016660"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_adv.so.9",
            "7702094a50dbea5b8244df01af8e9d3565309d3996bbc8ca96b6c7a207d2d6bd"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_cnn.so.9",
            "e830c5cba875ebeb8ed3cfde5cc038a2703692ce714a8a4ff28666ac8e2c5732"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_engines_precompiled.so.9",
            "e5133109f710c215d72fdc8f1d9be187f4760f5f32e57cc8c57515ea9e91455e"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_engines_runtime_compiled.so.9",
            "28db2a6f433a184e264d927b183c47ecaf72dc65ed58245a6d2380f980e29cd3"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_graph.so.9",
            "35c099d318433a88d292775676a51a07d2dd152c3ae799b1c21a75b40f78e456"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_heuristic.so.9",
            "a41eb9baa9ccc9e2d6c9f2ca226021b54c8ee2df4abf3a91e41687847b481228"
        ),
        member!(
            &CUDNN_WHEEL, "nvidia/cudnn/lib/" => "cuda-13/",
            "libcudnn_ops.so.9",
            "705d3dcf9b209fdbeeecd8aaec5fcd0f6f55de5661e1c1388b5a4b8fd29db7c3"
        ),
        Product {
            path: "cuda-13/licenses/cudnn.txt",
            origin: Origin::Member {
                of: &CUDNN_WHEEL,
                name: "nvidia_cudnn_cu13-9.20.0.48.dist-info/licenses/License.txt",
                sha256: "49cf79bdb35734b52fe6203013b3bd759f81e998cd32aa2c65c51db9a88c61d2",
            },
        },
    ],
};
