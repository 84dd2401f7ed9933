//! Eigen-CAM (Muhammad and Yeasin, 2020, arXiv 2008.00299) and KPCA-CAM (Karmani et al., 2024, arXiv 2410.00267): the
//! common pattern of most activation maps, whatever the class. No pass is needed besides the first.
//!
//! With X the activations as [cells, K], Eigen-CAM is the projection X v of the cells on the first right singular vector v of
//! X, which is the first left one times its singular value; KPCA-CAM is the first component of a kernel's principal component
//! analysis of the cells. The sign of both is arbitrary. Here the map correlates positively with the sum of all
//! channels.

use std::sync::LazyLock;

use nalgebra::{DMatrix, DVector};

use super::choices::{self, choice, number, pick, spec};
use super::finish::Finish;
use super::map::{self, Map};
use super::principal::{channels, principal};
use crate::{
    Abilities, CamMethod, MethodInfo, MethodOutput, OptionKind, Options, Result, Study, Tensor, Upsample,
    Work,
};

/// The projection of the cells on the first singular vector.
#[derive(Debug, Clone, Copy)]
pub struct EigenCam;

/// The same by a kernel.
#[derive(Debug, Clone, Copy)]
pub struct KpcaCam;

const EIGEN_PRESETS: &[(&str, &str, &str)] = &[
    ("standard", "each channel centered on its mean (the default)", ""),
    (
        "paper",
        "the paper's equation: channels unchanged; the coarse map",
        "center=false final=none output=layer",
    ),
    (
        "pytorch-grad-cam",
        "grad-cam 1.5, except for the sign, which is arbitrary there",
        "resize=half-pixel final_eps=1e-7 order=norm-resize-norm",
    ),
];

const KPCA_PRESETS: &[(&str, &str, &str)] = &[
    ("standard", "the sigmoid kernel (the default)", ""),
    (
        "pytorch-grad-cam",
        "grad-cam 1.5, except for the sign, which is arbitrary there",
        "resize=half-pixel final_eps=1e-7 order=norm-resize-norm",
    ),
];

/// What a kernel compares two cells by.
#[derive(Clone, Copy)]
enum Kernel {
    Linear,
    Polynomial,
    Rbf,
    Sigmoid,
    Cosine,
}

const KERNEL: &[(&str, Kernel)] = &[
    ("linear", Kernel::Linear),
    ("poly", Kernel::Polynomial),
    ("rbf", Kernel::Rbf),
    ("sigmoid", Kernel::Sigmoid),
    ("cosine", Kernel::Cosine),
];

/// The most cells that are compared with each other: a matrix of 128 MiB.
const MOST_CELLS: usize = 4096;

static EIGEN_INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![spec("center", OptionKind::Flag, "true", "center each channel on its mean")];
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "eigen-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "first principal component of the activation maps; the same for every class".into(),
        options,
        presets: choices::presets(EIGEN_PRESETS),
        needs: Abilities::NONE,
        needs_layer: true,
    }
});

static KPCA_INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![
        spec(
            "kernel",
            choice(KERNEL),
            "sigmoid",
            "the kernel that compares two cells, as in scikit-learn's KernelPCA",
        ),
        spec("gamma", number(0.0, 1e6), "0", "factor within poly, rbf and sigmoid; 0 means 1 / channels"),
    ];
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "kpca-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "first kernel principal component of the activation maps; the same for every class".into(),
        options,
        presets: choices::presets(KPCA_PRESETS),
        needs: Abilities::NONE,
        needs_layer: true,
    }
});

impl CamMethod for EigenCam {
    fn info(&self) -> &MethodInfo {
        &EIGEN_INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            study.expect_passes(0)?;
            let (channels, size) = channels(study, options.parse("center")?)?;
            let component = principal(&channels.column_sum(), |v| &channels * channels.tr_mul(v));
            output(study, options, Map { size, values: component.data.into() })
        })
    }
}

impl CamMethod for KpcaCam {
    fn info(&self) -> &MethodInfo {
        &KPCA_INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            study.expect_passes(0)?;
            let (channels, size) = channels(study, true)?;
            let cells = channels.nrows();
            ensure!(
                cells <= MOST_CELLS,
                invalid,
                "layer {:?} has {cells} cells; kpca-cam compares at most {MOST_CELLS}: choose a later layer, or eigen-cam",
                study.context.layer
            );
            let kernel = kernel(&channels, pick(options, "kernel", KERNEL)?, options.parse("gamma")?);
            let component = principal(&channels.column_sum(), |v| &kernel * v);
            output(study, options, Map { size, values: component.data.into() })
        })
    }
}

/// How alike any two cells are, [cells, cells], about the mean of what the kernel compares.
fn kernel(channels: &DMatrix<f64>, kernel: Kernel, gamma: f64) -> DMatrix<f64> {
    let gamma = if gamma > 0.0 { gamma } else { 1.0 / channels.ncols() as f64 };
    let mut matrix = channels * channels.transpose();
    let squares = matrix.diagonal();
    let alike = |i: usize, j: usize, product: f64| match kernel {
        Kernel::Linear => product,
        Kernel::Polynomial => (gamma * product + 1.0).powi(3),
        Kernel::Rbf => (-gamma * (squares[i] + squares[j] - 2.0 * product).max(0.0)).exp(),
        Kernel::Sigmoid => (gamma * product + 1.0).tanh(),
        Kernel::Cosine if squares[i] * squares[j] > 0.0 => product / (squares[i] * squares[j]).sqrt(),
        Kernel::Cosine => 0.0,
    };
    for (j, mut column) in matrix.column_iter_mut().enumerate() {
        column.iter_mut().enumerate().for_each(|(i, v)| *v = alike(i, j, *v));
    }
    let means: DVector<f64> = matrix.column_mean();
    let mean = means.mean();
    for (j, mut column) in matrix.column_iter_mut().enumerate() {
        column.iter_mut().zip(means.iter()).for_each(|(v, row)| *v += mean - row - means[j]);
    }
    matrix
}

/// The one map of all targets.
pub(super) fn output(study: &Study<'_>, options: &Options, map: Map) -> Result<MethodOutput> {
    let (height, width) = study.context.input_size()?;
    let one = Finish::read(options)?.apply(map, (height, width))?;
    let maps: Tensor = map::of_targets(study, |_, _| Ok(Map { size: one.size, values: one.values.clone() }))?;
    let warnings = match study.context.targets.len() {
        1 => Vec::new(),
        _ => vec!["the method does not depend on the class: the map is the same for every target".into()],
    };
    let channels = study.context.activations.shape()[1];
    Ok(MethodOutput { maps, errors: None, measures: vec![("channels".into(), channels as f64)], warnings })
}
