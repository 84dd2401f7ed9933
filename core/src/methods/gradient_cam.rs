//! Methods that weight activation maps by the gradient of the class score.
//!
//! | method | weight of cell i of map k, with g = ds/dA | source |
//! |---|---|---|
//! | `grad-cam` | mean of g over the map | Selvaraju et al., 2017, arXiv 1610.02391, equations 1 and 2 |
//! | `xgrad-cam` | sum of g A over the map, divided by the map's sum | Fu et al., 2020, arXiv 2008.02312, equation 11 |
//! | `grad-cam-plus-plus` | sum over the map of alpha ReLU(g) | Chattopadhay et al., 2018, arXiv 1710.11063, equations 5 and 19 |
//! | `layer-cam` | ReLU(g) of the cell | Jiang et al., 2021, TIP 30, equation 5 |
//! | `hires-cam` | g of the cell | Draelos and Carin, 2020, arXiv 2011.08891, equation 4 |
//!
//! The map is the ReLU of the weighted sum. One gradient pass serves one target; activations come from the pipeline's
//! first pass. The first two need only a number per map, which [`super::slopes`] can also compute without gradients.
//! Implementations differ in the resizing and normalization of the coarse map, so most options are those of
//! [`super::finish`].

use std::sync::LazyLock;

use super::choices::{self, choice, pick, spec};
use super::finish::Finish;
use super::map::{self, Map};
use super::principal::{Reduce, common};
use super::slopes::{Direction, Slopes};
use crate::{
    Abilities, CamMethod, MethodInfo, MethodOutput, OptionSpec, Options, OutputActivation, Result, Study,
    Upsample, Work,
};

/// What each implementation of Grad-CAM computes, as differences from the authors' code.
const GRAD_CAM: &[(&str, &str, &str)] = &[
    ("official", "the authors' code (the default)", ""),
    ("paper", "only the paper's equations 1 and 2: the coarse map, unscaled", "final=none output=layer"),
    ("pytorch-grad-cam", "grad-cam 1.5", "resize=half-pixel final_eps=1e-7 order=norm-resize-norm"),
    ("torchcam", "torch-cam 0.5", "final_eps=1e-8 output=layer"),
    ("tf-keras-vis", "tf-keras-vis 0.8", "final_eps=1e-7"),
    ("keras-io", "the example on keras.io", "final=max output=layer"),
    (
        "captum",
        "captum's LayerGradCam: evidence against the class stays",
        "post_relu=false final=none output=layer",
    ),
];

/// The same for its relatives, as differences from the papers.
const RELATIVES: &[(&str, &str, &str)] = &[
    ("paper", "the paper's equations, resized to the input (the default)", ""),
    ("pytorch-grad-cam", "grad-cam 1.5", "final_eps=1e-7 order=norm-resize-norm"),
    ("torchcam", "torch-cam 0.5", "final_eps=1e-8 output=layer"),
];

/// Grad-CAM++, where torch-cam reads equation 19 otherwise.
const PLUS_PLUS: &[(&str, &str, &str)] =
    &[RELATIVES[0], RELATIVES[1], ("torchcam", "torch-cam 0.5", "alpha=cubes final_eps=1e-8 output=layer")];

/// The second term of the divisor of alpha in Grad-CAM++.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Alpha {
    /// The map's sum times the cube of the cell's gradient.
    Sum,
    /// The sum over the map of activation times cube of the gradient.
    Cubes,
}

const ALPHA: &[(&str, Alpha)] = &[("sum", Alpha::Sum), ("cubes", Alpha::Cubes)];

/// A method that weights activation maps by gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientCam {
    /// `grad-cam`.
    GradCam,
    /// `xgrad-cam`.
    XGradCam,
    /// `grad-cam-plus-plus`.
    GradCamPlusPlus,
    /// `layer-cam`.
    LayerCam,
    /// `hires-cam`.
    HiResCam,
}

impl GradientCam {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::GradCam, Self::XGradCam, Self::GradCamPlusPlus, Self::LayerCam, Self::HiResCam];

    /// The direction whose slope weights a whole map, where nothing else is needed.
    fn direction(self) -> Option<Direction> {
        match self {
            Self::GradCam => Some(Direction::Constant),
            Self::XGradCam => Some(Direction::Itself),
            _ => None,
        }
    }

    fn describe(self) -> MethodInfo {
        let (id, summary, presets) = match self {
            Self::GradCam => {
                ("grad-cam", "activation maps weighted by the mean gradient of the class score", GRAD_CAM)
            }
            Self::XGradCam => {
                ("xgrad-cam", "activation maps weighted by their part in the class score", RELATIVES)
            }
            Self::GradCamPlusPlus => (
                "grad-cam-plus-plus",
                "activation maps weighted by the positive gradients of the class score",
                PLUS_PLUS,
            ),
            Self::LayerCam => {
                ("layer-cam", "each activation weighted by its own positive gradient", RELATIVES)
            }
            Self::HiResCam => ("hires-cam", "each activation weighted by its own gradient", RELATIVES),
        };
        let needs = match self.direction() {
            Some(_) => Abilities { slopes: true, ..Abilities::NONE },
            None => Abilities { gradients: true, ..Abilities::NONE },
        };
        MethodInfo {
            id: id.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: summary.into(),
            options: self.specs(),
            presets: choices::presets(presets),
            needs,
            needs_layer: true,
        }
    }

    fn specs(self) -> Vec<OptionSpec> {
        let mut specs = self.own_specs();
        specs.push(Reduce::spec());
        specs
    }

    fn own_specs(self) -> Vec<OptionSpec> {
        match self {
            // The authors of Grad-CAM resize with image.scale of Torch 7, which puts corners on corners.
            Self::GradCam => Finish::specs(Upsample::AlignCorners),
            Self::GradCamPlusPlus => {
                let alpha = spec(
                    "alpha",
                    choice(ALPHA),
                    "sum",
                    "the divisor of alpha: with the map's sum times the gradient's cube, or the sum of their products",
                );
                std::iter::once(alpha).chain(Finish::specs(Upsample::HalfPixel)).collect()
            }
            _ => Finish::specs(Upsample::HalfPixel),
        }
    }

    /// Weights of all cells of all maps, or of whole maps, for a target's gradients.
    fn weigh(self, options: &Options, (maps, gradients): (&[f32], &[f32]), cells: usize) -> Result<Weights> {
        let own = |rectify: bool| {
            let weight = |&g: &f32| f64::from(g).max(if rectify { 0.0 } else { f64::NEG_INFINITY });
            Weights::Cells(gradients.iter().map(weight).collect())
        };
        Ok(match self {
            Self::HiResCam => own(false),
            Self::LayerCam => own(true),
            _ => {
                let alpha = pick(options, "alpha", ALPHA)?;
                let pairs = maps.chunks_exact(cells).zip(gradients.chunks_exact(cells));
                Weights::Maps(pairs.map(|(map, gradients)| plus_plus(map, gradients, alpha)).collect())
            }
        })
    }
}

/// The weight of one map in Grad-CAM++.
fn plus_plus(map: &[f32], gradients: &[f32], alpha: Alpha) -> f64 {
    let cells = || map.iter().zip(gradients).map(|(&a, &g)| (f64::from(a), f64::from(g)));
    let sum: f64 = match alpha {
        Alpha::Sum => cells().map(|(a, _)| a).sum(),
        Alpha::Cubes => cells().map(|(a, g)| a * g.powi(3)).sum(),
    };
    let weight = |(_, g): (f64, f64)| {
        let second = if alpha == Alpha::Sum { sum * g.powi(3) } else { sum };
        let divisor = 2.0 * g * g + second;
        // Where nothing is left to divide by, the cell has no part.
        if g == 0.0 || divisor == 0.0 { 0.0 } else { g * g / divisor * g.max(0.0) }
    };
    cells().map(weight).sum()
}

/// What activations are multiplied by before they are summed.
enum Weights {
    /// A number for each map.
    Maps(Vec<f64>),
    /// A number for each cell of each map.
    Cells(Vec<f64>),
}

impl Weights {
    /// One map of `maps`, of `size` each.
    fn combined(&self, reduce: Reduce, size: (usize, usize), maps: &[f32]) -> Result<Map> {
        let cells = size.0 * size.1;
        match (self, reduce) {
            (Self::Maps(weights), _) => {
                reduce.apply(size, maps.chunks_exact(cells).zip(weights.iter().copied()))
            }
            (Self::Cells(weights), Reduce::Principal) => {
                let products = |(map, weights): (&'_ [f32], &'_ [f64])| {
                    products(map, weights).collect::<Vec<_>>().into_iter()
                };
                common(size, maps.chunks_exact(cells).zip(weights.chunks_exact(cells)).map(products))
            }
            (Self::Cells(weights), Reduce::Sum) => {
                let mut sum = Map::weighted_sum(size, std::iter::empty())?;
                for (map, weights) in maps.chunks_exact(cells).zip(weights.chunks_exact(cells)) {
                    sum.values
                        .iter_mut()
                        .zip(products(map, weights))
                        .for_each(|(sum, product)| *sum += product);
                }
                Ok(sum)
            }
        }
    }
}

/// Each activation times its weight.
fn products(map: &[f32], weights: &[f64]) -> impl Iterator<Item = f64> {
    map.iter().zip(weights).map(|(&a, w)| f64::from(a) * w)
}

static INFOS: LazyLock<[MethodInfo; 5]> = LazyLock::new(|| GradientCam::ALL.map(GradientCam::describe));

impl CamMethod for GradientCam {
    fn info(&self) -> &MethodInfo {
        &INFOS[*self as usize]
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let (reduce, finish) = (Reduce::read(options)?, Finish::read(options)?);
            let context = &study.context;
            let [channels, height, width] = context.layer_shape()?;
            let input_size = context.input_size()?;
            let (size, activations) = ((height, width), context.activations.data());
            let mut warnings = Vec::from_iter(warning(context.output_activation));
            let mut weights = Vec::new();
            match self.direction() {
                Some(direction) => {
                    let slopes = Slopes::find(study, direction).await?;
                    warnings.extend(slopes.warning());
                    let divisors = direction.divisors(activations, height * width);
                    weights.extend(slopes.of_targets.iter().map(|of_maps| {
                        Weights::Maps(of_maps.iter().zip(&divisors).map(|(slope, by)| slope / by).collect())
                    }));
                }
                None => {
                    study.expect_passes(context.targets.len())?;
                    for &class in &context.targets {
                        let gradients = study.gradients(class).await?;
                        weights.push(self.weigh(options, (activations, gradients.data()), height * width)?);
                    }
                }
            }
            let maps = map::of_targets(study, |target, _| {
                finish.apply(weights[target].combined(reduce, size, activations)?, input_size)
            })?;
            Ok(MethodOutput {
                maps,
                errors: None,
                measures: vec![("channels".into(), channels as f64)],
                warnings,
            })
        })
    }
}

/// The paper differentiates the score before the softmax; a model that ends in one has no such score.
fn warning(applied: OutputActivation) -> Option<String> {
    let name = match applied {
        OutputActivation::Softmax => "softmax",
        OutputActivation::Sigmoid | OutputActivation::Probability => "sigmoid",
        _ => return None,
    };
    Some(format!(
        "the model applies {name} itself, so its probability is differentiated, whose gradient vanishes for \
         confident predictions; the method is defined with the score before {name}"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        BatchRule, Error, ErrorKind, Explanation, Forward, InputInfo, LayerInfo, OutputInfo, Request, Result,
        Targets, Tensor, TensorView, ViewInfo, ViewedModel, explain,
    };

    /// Two maps of 1 x 2 cells, whose gradients by class are given.
    struct Model {
        info: ViewInfo,
        gradients: Vec<Tensor>,
        /// The batch size of each gradient pass.
        calls: Mutex<Vec<usize>>,
    }

    const ACTIVATIONS: [f32; 4] = [1.0, 2.0, 4.0, 0.0];

    impl Model {
        fn new(gradients: &[&[f32]], batch: BatchRule) -> Self {
            let axis = |sizes: &[usize]| sizes.iter().map(|&n| Some(n)).collect::<Vec<_>>();
            let shape = |sizes: &[usize]| [vec![None], axis(sizes)].concat();
            let layer = LayerInfo::maps("maps", "Conv", axis(&[2, 1, 2]));
            let info = ViewInfo {
                input: InputInfo::image("input", shape(&[1, 1, 2])),
                scores: Ok(OutputInfo::new("scores", shape(&[gradients.len()]), OutputActivation::None)),
                outputs: Vec::new(),
                layers: vec![layer],
                default_layer: Some(0),
                batch,
                abilities: Abilities { gradients: true, ..Abilities::NONE },
            };
            let tensor = |g: &&[f32]| Tensor::new([1, g.len() / 2, 1, 2], g.to_vec()).expect("a tensor");
            Self { info, gradients: gradients.iter().map(tensor).collect(), calls: Mutex::default() }
        }

        fn explain(&self, set: &[(&str, &str)], targets: Targets) -> Result<Explanation> {
            let method = GradientCam::GradCam;
            let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let input = Tensor::zeros([1, 1, 1, 2])?;
            let request = Request {
                input: input.into(),
                reference: None,
                targets,
                layer: None,
                options: &method.info().resolve(None, &set)?,
                batch_size: None,
                progress: None,
                time_up: None,
                previous: None,
            };
            explain(self, &method, request)
        }
    }

    impl ViewedModel for Model {
        fn info(&self) -> &ViewInfo {
            &self.info
        }

        fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
            let n = batch.shape()[0];
            let maps = Tensor::new([n, 2, 1, 2], ACTIVATIONS.repeat(n))?;
            let scores = Tensor::zeros([n, self.gradients.len()])?;
            Ok(Forward { scores, activations: taps.iter().map(|_| maps.clone()).collect() })
        }

        fn gradients(&self, batch: TensorView<'_>, _: &str, class: usize) -> Result<Tensor> {
            let n = batch.shape()[0];
            self.calls.lock().map_err(|_| Error::internal("a test panicked"))?.push(n);
            let one = &self.gradients[class];
            Tensor::new([&[n], &one.shape()[1..]].concat(), one.data().repeat(n))
        }
    }

    const ANY: BatchRule = BatchRule::Any { preferred: 4 };

    #[test]
    fn the_map_is_the_rectified_sum_of_maps_by_their_mean_gradients() {
        let check = |set: &[(&str, &str)], expected: [f32; 2]| {
            // Means 2 and -0.25: 2 * [1, 2] - 0.25 * [4, 0] = [1, 4].
            let model = Model::new(&[&[1.0, 3.0, -0.5, 0.0]], ANY);
            let found = model.explain(set, Targets::Top(1)).expect("a map");
            assert_eq!((found.maps.shape(), found.maps.data()), (&[1, 1, 2][..], &expected[..]), "{set:?}");
        };
        check(&[("final", "none")], [1.0, 4.0]);
        check(&[("final", "max")], [0.25, 1.0]);
        check(&[], [0.0, 1.0]);
        let against = Model::new(&[&[-1.0, -1.0, 0.0, 0.0]], ANY);
        let map =
            |set: &[(&str, &str)]| against.explain(set, Targets::Top(1)).expect("a map").maps.into_data();
        assert_eq!(map(&[]), [0.0, 0.0], "no channel speaks for the class");
        assert_eq!(map(&[("post_relu", "false"), ("final", "none")]), [-1.0, -2.0]);
    }

    #[test]
    fn targets_share_the_forward_pass_and_cost_one_gradient_pass_each() {
        let model = Model::new(&[&[1.0; 4], &[2.0; 4], &[0.0, 0.0, 1.0, 1.0]], ANY);
        let found = model.explain(&[], Targets::Classes(vec![2, 0])).expect("two maps");
        assert_eq!((found.maps.shape(), found.passes), (&[2, 1, 2][..], 3));
        assert_eq!(found.maps.data(), [1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_fixed_batch_is_filled_up() {
        let model = Model::new(&[&[1.0, 3.0, -0.5, 0.0]], BatchRule::Fixed(4));
        let found = model.explain(&[], Targets::Top(1)).expect("a map");
        assert_eq!((found.maps.data(), found.passes), (&[0.0, 1.0][..], 2));
        assert_eq!(*model.calls.lock().expect("no test panicked"), [4]);
    }

    #[test]
    fn wrong_gradients_are_refused() {
        let check = |gradients: &[f32], expected: &str| {
            let error = Model::new(&[gradients], ANY).explain(&[], Targets::Top(1)).expect_err(expected);
            assert_eq!(error.kind(), ErrorKind::Model);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(&[1.0, 1.0], "gradients of shape [1, 1, 1, 2] for activations of shape [1, 2, 1, 2]");
        check(&[1.0, f32::NAN, 0.0, 0.0], "the gradients of layer \"maps\": value NaN at index 1");
    }

    #[test]
    fn a_model_without_gradients_is_refused_before_the_first_pass() {
        let mut model = Model::new(&[&[1.0; 4]], ANY);
        model.info.abilities = Abilities::NONE;
        let error = model.explain(&[], Targets::Top(1)).expect_err("no gradients");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let line = "method \"grad-cam\" needs gradients or run-from, which the model's backend does not offer for it";
        assert_eq!(error.to_string(), line);
    }

    #[test]
    fn a_model_that_ends_in_softmax_is_reported() {
        let mut model = Model::new(&[&[1.0; 4]], ANY);
        model.info.scores.as_mut().expect("scores").applied = OutputActivation::Softmax;
        let warnings = model.explain(&[], Targets::Top(1)).expect("a map").warnings;
        assert!(warnings.iter().any(|w| w.contains("before softmax")), "{warnings:?}");
    }
}
