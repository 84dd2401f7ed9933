//! Grad-CAM (Selvaraju et al., 2017, arXiv 1610.02391): activation maps weighted by how steeply the class
//! score rises with them.
//!
//! The weight of a map is the mean over its cells of the derivative of the class score (the paper's equation
//! 1); the map is the ReLU of the weighted sum (equation 2). One gradient pass serves one target; activations
//! come from the pass that the pipeline has made already. What implementations differ in is only how the
//! coarse map is resized and normalised, so the options are those of [`super::finish`].

use std::sync::LazyLock;

use super::choices;
use super::finish::Finish;
use super::map::{self, Map};
use crate::{
    Abilities, CamMethod, MethodInfo, MethodOutput, Options, OutputActivation, Result, Study, Tensor,
    Upsample, Work,
};

/// What each implementation computes, as differences from the authors' code.
const PRESETS: &[(&str, &str, &str)] = &[
    ("official", "the authors' code (the default)", ""),
    ("paper", "the paper's equations 1 and 2 alone: the coarse map, as it is", "final=none output=layer"),
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

/// The method for backends that have gradients.
#[derive(Debug, Clone, Copy)]
pub struct GradCam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| MethodInfo {
    id: "grad-cam".into(),
    version: env!("CARGO_PKG_VERSION").into(),
    summary: "activation maps weighted by the mean gradient of the class score".into(),
    // The authors resize with image.scale of Torch 7, which puts corners on corners.
    options: Finish::specs(Upsample::AlignCorners),
    presets: choices::presets(PRESETS),
    needs: Abilities { gradients: true, ..Abilities::NONE },
    needs_layer: true,
});

impl CamMethod for GradCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let finish = Finish::read(options)?;
            let context = &study.context;
            let [_, channels, height, width] =
                context.activations.view().dims("the tensor of activations")?;
            let [_, _, input_height, input_width] = context.input.view().dims("the input")?;
            study.expect_passes(context.targets.len())?;
            let mut weights = Vec::new();
            for &class in &context.targets {
                weights.push(channel_weights(&study.gradients(class).await?, height * width));
            }
            let maps = map::of_targets(study, |target, _| {
                let maps = context.activations.data().chunks_exact(height * width);
                let sum = Map::weighted_sum((height, width), maps.zip(weights[target].iter().copied()))?;
                finish.apply(sum, (input_height, input_width))
            })?;
            Ok(MethodOutput {
                maps,
                errors: None,
                measures: vec![("channels".into(), channels as f64)],
                warnings: warning(context.output_activation).into_iter().collect(),
            })
        })
    }
}

/// The mean of each channel's gradient; `cells` of them lie side by side.
fn channel_weights(gradients: &Tensor, cells: usize) -> Vec<f64> {
    let mean = |channel: &[f32]| channel.iter().map(|&g| f64::from(g)).sum::<f64>() / cells as f64;
    gradients.data().chunks_exact(cells).map(mean).collect()
}

/// The paper differentiates the score before the softmax; a model that ends in one has no such score.
fn warning(applied: OutputActivation) -> Option<String> {
    let name = match applied {
        OutputActivation::Softmax => "softmax",
        OutputActivation::Sigmoid | OutputActivation::Probability => "sigmoid",
        _ => return None,
    };
    Some(format!(
        "the model applies {name} itself, so its probability is differentiated, which vanishes where the model is \
         sure; grad-cam means the score before {name}"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        BatchRule, Error, ErrorKind, Explanation, Forward, InputInfo, LayerInfo, OutputInfo, Request, Result,
        Targets, TensorView, ViewInfo, ViewedModel, explain,
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
            let method = GradCam;
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
        let line = "method \"grad-cam\" needs gradients, which the model's backend does not offer for it";
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
