//! The last step of a method: ReLU, resizing and normalization, in the order set by the options.
//!
//! The options of this step have the same names and meanings in every method that uses it.
//!
//! ```
//! use scorecam_core::methods::{finish::Finish, map::Map};
//! use scorecam_core::Upsample;
//! # use scorecam_core::{Abilities, MethodInfo};
//! # let info = MethodInfo {
//! #     id: "m".into(), version: "1".into(), summary: String::new(), options: Finish::specs(Upsample::Nearest),
//! #     presets: vec![], needs: Abilities::NONE, needs_layer: true,
//! # };
//! # let options = info.resolve(None, &[])?;
//! // A method's options hold those of `Finish::specs`.
//! let map = Map { size: (1, 2), values: vec![-1.0, 3.0] };
//! let map = Finish::read(&options)?.apply(map, (1, 4))?;
//! assert_eq!(map.values, [0.0, 0.0, 1.0, 1.0]);
//! # Ok::<(), scorecam_core::Error>(())
//! ```

use super::choices::{choice, number, pick, pick_upsample, spec, upsample};
use super::map::Map;
use crate::{Error, OptionKind, OptionSpec, Options, Result, Upsample, Upsampler};

/// How a combined map becomes the saliency map.
pub struct Finish {
    post_relu: bool,
    norm: Norm,
    eps: f64,
    output: Output,
    resize: Upsample,
    order: Order,
}

/// How a map is brought to [0, 1].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Norm {
    MinMax,
    Max,
    None,
}

/// The size of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// The input's.
    Input,
    /// That of the combined map.
    Layer,
    /// This height and width.
    Size(usize, usize),
}

/// Whether the result is normalized before or after it is resized.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    ResizeNorm,
    NormResize,
    NormResizeNorm,
}

const NORM: &[(&str, Norm)] = &[("minmax", Norm::MinMax), ("max", Norm::Max), ("none", Norm::None)];
const ORDER: &[(&str, Order)] = &[
    ("resize-norm", Order::ResizeNorm),
    ("norm-resize", Order::NormResize),
    ("norm-resize-norm", Order::NormResizeNorm),
];

impl Finish {
    /// The options of this step; `resize` is the default of the one of that name.
    pub fn specs(resize: Upsample) -> Vec<OptionSpec> {
        vec![
            spec("post_relu", OptionKind::Flag, "true", "rectify the combined map"),
            spec(
                "final",
                choice(NORM),
                "minmax",
                "how the map is scaled to 0..1: by minimum and maximum, by maximum, or not at all",
            ),
            spec("final_eps", number(0.0, 1.0), "0", "added to the divisor of final"),
            spec(
                "output",
                OptionKind::Text,
                "input",
                "size of the map: input, layer (that of the combined maps), or HEIGHTxWIDTH",
            ),
            spec("resize", upsample(), resize.name(), "how the map is resized to output"),
            spec(
                "order",
                choice(ORDER),
                "resize-norm",
                "whether the map is resized before or after it is normalized",
            ),
        ]
    }

    /// Reads what [`Self::specs`] describes.
    pub fn read(options: &Options) -> Result<Self> {
        Ok(Self {
            post_relu: options.parse("post_relu")?,
            norm: pick(options, "final", NORM)?,
            eps: options.parse("final_eps")?,
            output: output(options.text("output")?)?,
            resize: pick_upsample(options, "resize")?,
            order: pick(options, "order", ORDER)?,
        })
    }

    /// Turns the combined map into the saliency map, of the input's size (height, width) unless the options say otherwise.
    pub fn apply(&self, map: Map, input_size: (usize, usize)) -> Result<Map> {
        Ok(self.run(map, None, input_size)?.0)
    }

    /// The same with the standard error of each value: resized as the map is, which is at least the error of what is
    /// interpolated, and divided as it is. Extremes by which the map is normalized are taken as exact.
    pub fn apply_with_errors(&self, map: Map, errors: Map, input_size: (usize, usize)) -> Result<(Map, Map)> {
        let (map, errors) = self.run(map, Some(errors), input_size)?;
        errors.map(|errors| (map, errors)).ok_or_else(|| Error::internal("the errors of a map are lost"))
    }

    fn run(
        &self,
        mut map: Map,
        errors: Option<Map>,
        input_size: (usize, usize),
    ) -> Result<(Map, Option<Map>)> {
        if self.post_relu {
            rectify(&mut map);
        }
        let size = match self.output {
            Output::Input => input_size,
            Output::Layer => map.size,
            Output::Size(h, w) => (h, w),
        };
        let both = (map, errors);
        Ok(match self.order {
            Order::ResizeNorm => self.normalise(self.resize(both, size)?),
            Order::NormResize => self.resize(self.normalise(both), size)?,
            Order::NormResizeNorm => {
                let mut both = self.resize(self.normalise(both), size)?;
                rectify(&mut both.0);
                self.normalise(both)
            }
        })
    }

    fn resize(&self, (map, errors): (Map, Option<Map>), size: (usize, usize)) -> Result<(Map, Option<Map>)> {
        if map.size == size {
            return Ok((map, errors));
        }
        let upsampler = Upsampler::new(self.resize, map.size, size)?;
        let resized = |map: Map| Ok(Map { size, values: upsampler.resize(&map.values)? });
        let mut errors = errors.map(resized).transpose()?;
        // A bicubic resize has weights below 0.
        errors.iter_mut().flat_map(|errors| &mut errors.values).for_each(|v| *v = v.abs());
        Ok((resized(map)?, errors))
    }

    /// Brings a map to [0, 1]; one without range becomes zeros rather than rounding blown up.
    fn normalise(&self, (mut map, mut errors): (Map, Option<Map>)) -> (Map, Option<Map>) {
        let min = map.values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = map.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (offset, divisor) = match self.norm {
            Norm::None => return (map, errors),
            Norm::MinMax if max - min <= ROUNDING * max.abs().max(min.abs()) => {
                [Some(&mut map), errors.as_mut()].into_iter().flatten().for_each(|map| map.values.fill(0.0));
                return (map, errors);
            }
            Norm::MinMax => (min, max - min + self.eps),
            Norm::Max => (0.0, max + self.eps),
        };
        let divisor = if divisor == 0.0 { 1.0 } else { divisor };
        map.values.iter_mut().for_each(|v| *v = (*v - offset) / divisor);
        errors.iter_mut().flat_map(|errors| &mut errors.values).for_each(|v| *v /= divisor.abs());
        (map, errors)
    }
}

/// A range this far below the values themselves is rounding, not evidence.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

fn rectify(map: &mut Map) {
    map.values.iter_mut().for_each(|v| *v = v.max(0.0));
}

/// The largest side that a map may be asked for.
const LARGEST_SIDE: usize = 1 << 15;

fn output(text: &str) -> Result<Output> {
    let sides = text.split_once('x').and_then(|(h, w)| Some((h.parse().ok()?, w.parse().ok()?)));
    match (text, sides) {
        ("input", _) => Ok(Output::Input),
        ("layer", _) => Ok(Output::Layer),
        (_, Some((h, w))) if (1..=LARGEST_SIDE).contains(&h) && (1..=LARGEST_SIDE).contains(&w) => {
            Ok(Output::Size(h, w))
        }
        _ => Err(Error::invalid(format!(
            "option output is {text:?}; it must be input, layer or HEIGHTxWIDTH with sides of 1 to {LARGEST_SIDE}"
        ))),
    }
}
