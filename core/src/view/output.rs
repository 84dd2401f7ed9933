//! [`OutputView`]: the conversion between a model's raw output and class scores [N, classes].
//!
//! A classifier's output has one axis of classes besides the batch, with axes of length 1 anywhere. Without such an
//! axis the model has one value per image: a binary logit, a probability or a regression. Such a value becomes two
//! columns, the evidence against and for it (class 0 and class 1), so that methods explain each side like a class.

use crate::{Error, OutputActivation, Result, Tensor, element_count};

/// The column for the value; column 0 is against it.
const OWN_SIDE: usize = 1;

/// What an output looks like, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Scores of classes, of so many where that is known.
    Classes(Option<usize>),
    /// One value an image.
    OneValue,
    /// Something else, in words that follow "looks like".
    Other(&'static str),
}

impl Looks {
    /// Of an output whose axes, without the batch, are `axes`. A free axis may have any length.
    pub fn of(axes: &[Option<usize>]) -> Self {
        let long: Vec<Option<usize>> = axes.iter().copied().filter(|&n| n != Some(1)).collect();
        let known = long.iter().flatten().count();
        match (long.as_slice(), known) {
            ([], _) => Self::OneValue,
            ([classes], _) => Self::Classes(*classes),
            // The one known axis holds the classes; the others may turn out to be 1.
            (axes, 1) => Self::Classes(axes.iter().copied().flatten().next()),
            ([_, _, _], _) => Self::Other("a score per pixel, as from segmentation networks"),
            ([_, _], _) => Self::Other("a list of vectors, as from detectors and feature extractors"),
            _ => Self::Other("no scores of classes"),
        }
    }
}

/// An output to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its axes, the batch first; `None` where they are not known.
    pub shape: Option<Vec<Option<usize>>>,
    /// Its element type ("f32"), and whether it can hold scores.
    pub element: (&'a str, bool),
}

/// The index of the output to explain: the one with this `name`, the only one, or the only one that looks like class
/// scores. The error lists all outputs.
pub fn choose_output(outputs: &[Candidate<'_>], name: Option<&str>) -> Result<usize> {
    let listed = || outputs.iter().map(Candidate::describe).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        return outputs.iter().position(|o| o.name == name).ok_or_else(|| {
            Error::not_found(format!("output {name:?} is not in the model; outputs: {}", listed()))
        });
    }
    let scores: Vec<usize> = (0..outputs.len()).filter(|&i| outputs[i].may_be_scores()).collect();
    match (outputs.len(), scores.as_slice()) {
        (0, _) => Err(Error::model("the model has no output")),
        (1, _) => Ok(0),
        (_, [only]) => Ok(*only),
        (_, []) => Err(Error::unsupported(format!(
            "none of the model's outputs looks like class scores [N, classes]: {}",
            listed()
        ))),
        _ => Err(Error::invalid(format!(
            "several of the model's outputs may be class scores: {}; name one with output.name in a manifest",
            listed()
        ))),
    }
}

impl Candidate<'_> {
    fn may_be_scores(&self) -> bool {
        let looks = self.shape.as_deref().map(|shape| Looks::of(shape.get(1..).unwrap_or(&[])));
        self.element.1 && !matches!(looks, Some(Looks::Other(_)))
    }

    fn describe(&self) -> String {
        let shape = self.shape.as_deref().map_or("of unknown shape".into(), written);
        format!("{} ({} {shape})", self.name, self.element.0)
    }
}

/// A shape as `[N, 3, ?]`: a free batch is N, another free axis `?`.
pub fn written(shape: &[Option<usize>]) -> String {
    let axis = |(i, length): (usize, &Option<usize>)| match (length, i) {
        (Some(length), _) => length.to_string(),
        (None, 0) => "N".into(),
        (None, _) => "?".into(),
    };
    format!("[{}]", shape.iter().enumerate().map(axis).collect::<Vec<_>>().join(", "))
}

/// Whether a tensor of shape `is` is of a shape with axes of any length, `None`.
pub fn fits(shape: &[Option<usize>], is: &[usize]) -> bool {
    shape.len() == is.len() && shape.iter().zip(is).all(|(axis, is)| axis.is_none_or(|axis| axis == *is))
}

/// How a raw output becomes class scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutputView {
    /// How many columns the scores have, where that is known.
    pub(super) classes: Option<usize>,
    /// What is applied to the columns: never [`OutputActivation::Unknown`] for one value.
    pub(super) applied: OutputActivation,
    one_value: bool,
}

impl OutputView {
    /// Of an output of `shape`, batch first; `is_regression` where the caller says that its value is no score.
    pub(super) fn new(
        (name, shape): (&str, &[Option<usize>]),
        applied: OutputActivation,
        is_regression: IsRegression,
    ) -> Result<Self> {
        let axes = shape.get(1..).unwrap_or(&[]);
        if applied == OutputActivation::UnitLength {
            return Err(refused((name, shape), AN_EMBEDDING));
        }
        match (Looks::of(axes), is_regression) {
            (Looks::Other(looks), _) => Err(refused((name, shape), looks)),
            (Looks::Classes(_), IsRegression::Yes) => Err(Error::invalid(format!(
                "output.kind is \"value\", but output {name:?} has shape {}; a value has one element per image",
                written(shape)
            ))),
            (Looks::Classes(classes), IsRegression::No) => Ok(Self { classes, applied, one_value: false }),
            (Looks::OneValue, IsRegression::Yes) => Ok(Self::one_value(OutputActivation::Value)),
            (Looks::OneValue, IsRegression::No) => match applied {
                OutputActivation::Softmax => Err(Error::unsupported(format!(
                    "output {name:?} is a softmax of one value, which is always 1; export the value before it"
                ))),
                OutputActivation::Sigmoid => Ok(Self::one_value(OutputActivation::Probability)),
                _ => Ok(Self::one_value(OutputActivation::Binary)),
            },
        }
    }

    fn one_value(applied: OutputActivation) -> Self {
        Self { classes: Some(2), applied, one_value: true }
    }

    /// Sets what the values of outputs `rows`, one an image, say is applied; an error where they score no classes.
    pub(super) fn learn(&mut self, port: (&str, &[Option<usize>]), rows: &[&[f32]]) -> Result<()> {
        self.applied = applied_by_values(rows);
        match self.applied {
            OutputActivation::UnitLength => Err(refused(port, AN_EMBEDDING)),
            _ => Ok(()),
        }
    }

    /// The class scores [N, classes] of a raw output [N, ...].
    pub(super) fn scores(&self, raw: Tensor) -> Result<Tensor> {
        let shape = raw.shape().to_vec();
        let n = shape.first().copied().unwrap_or(0);
        let columns = element_count(shape.get(1..).unwrap_or(&[]))?;
        let long = shape.iter().skip(1).filter(|&&length| length != 1).count();
        if self.one_value && columns == 1 {
            let both = raw.data().iter().flat_map(|&value| [self.other_side(value), value]);
            return Tensor::new([n, 2], both.collect());
        }
        match !self.one_value && long <= 1 && self.classes.is_none_or(|classes| classes == columns) {
            true => raw.reshape([n, columns]),
            false => Err(Error::model(format!(
                "the model's output has shape {shape:?}, which holds no {} scores for each image",
                self.classes.map_or("class".into(), |n| n.to_string())
            ))),
        }
    }

    /// The evidence against a value.
    fn other_side(&self, value: f32) -> f32 {
        match self.applied {
            OutputActivation::Probability => 1.0 - value,
            _ => -value,
        }
    }

    /// The element of the raw output that a class stands for, and the factor of its derivative.
    pub(super) fn raw_class(&self, class: usize) -> (usize, f32) {
        if self.one_value { (0, if class == OWN_SIDE { 1.0 } else { -1.0 }) } else { (class, 1.0) }
    }
}

/// What a vector of length 1 looks like.
const AN_EMBEDDING: &str = "an embedding, since it is scaled to length 1";

fn refused((name, shape): (&str, &[Option<usize>]), looks: &str) -> Error {
    Error::unsupported(format!(
        "output {name:?} has shape {}, which looks like {looks}; it must be class scores [N, classes] or one value \
         per image: if another output has them, name it with output.name in a manifest",
        written(shape)
    ))
}

/// Whether a model's one value is a number of its own rather than the score of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsRegression {
    /// It is a logit or a probability.
    #[default]
    No,
    /// It is a number, such as an age.
    Yes,
}

/// How many values must lie between 0 and 1 before they are taken for sigmoids.
const ENOUGH_VALUES: usize = 12;

/// What the values of outputs, one row [classes] an image, say of what was applied to them.
fn applied_by_values(rows: &[&[f32]]) -> OutputActivation {
    let differ = rows.iter().any(|row| row != &rows[0]);
    let values = || rows.iter().copied().flatten();
    let are_probabilities = rows.iter().all(|row| crate::scores::sum_to_one(row));
    if differ && !are_probabilities && rows.iter().all(|row| is_of_length_1(row)) {
        return OutputActivation::UnitLength;
    }
    let count = values().count();
    let is_probability = |v: &f32| (0.0..=1.0).contains(v);
    if count == 0 || !values().all(is_probability) {
        return OutputActivation::Unknown;
    }
    if are_probabilities {
        return OutputActivation::Softmax;
    }
    if count >= ENOUGH_VALUES && differ { OutputActivation::Sigmoid } else { OutputActivation::Unknown }
}

/// Whether values are scaled to length 1, and not because one of them is all that there is.
fn is_of_length_1(row: &[f32]) -> bool {
    let squares = || row.iter().map(|&v| f64::from(v).powi(2));
    (squares().sum::<f64>() - 1.0).abs() < 1e-3 && squares().all(|square| square < 0.98)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_for_what_they_are() {
        let some = |axes: &[usize]| axes.iter().map(|&n| (n > 0).then_some(n)).collect::<Vec<_>>();
        for (axes, expected) in [
            (&[][..], Looks::OneValue),
            (&[1], Looks::OneValue),
            (&[1, 1, 1], Looks::OneValue),
            (&[5], Looks::Classes(Some(5))),
            (&[5, 1], Looks::Classes(Some(5))),
            (&[1, 1, 5], Looks::Classes(Some(5))),
            (&[0], Looks::Classes(None)),
            (&[5, 0, 0], Looks::Classes(Some(5))),
        ] {
            assert_eq!(Looks::of(&some(axes)), expected, "{axes:?}");
        }
        for axes in [&[5, 32, 32][..], &[9, 64], &[2, 3, 4, 5]] {
            assert!(matches!(Looks::of(&some(axes)), Looks::Other(_)), "{axes:?}");
        }
    }

    #[test]
    fn an_output_is_chosen_only_where_no_other_looks_like_it() {
        let of = |name: &'static str, shape: &[usize], element: (&'static str, bool)| Candidate {
            name,
            shape: Some(std::iter::once(None).chain(shape.iter().map(|&n| Some(n))).collect()),
            element,
        };
        let (label, scores) = (of("label", &[], ("i64", false)), of("p", &[5], ("f32", true)));
        let (embedding, boxes) = (of("f", &[8], ("f32", true)), of("boxes", &[9, 64], ("f32", true)));
        let check = |outputs: &[&Candidate<'_>], name: Option<&str>, expected: Result<usize, &str>| {
            let outputs: Vec<_> = outputs.iter().map(|&o| o.clone()).collect();
            match (choose_output(&outputs, name), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        };
        check(&[&label, &scores], None, Ok(1));
        check(&[&boxes, &scores], None, Ok(1));
        check(&[&boxes], None, Ok(0));
        check(&[&embedding, &scores], Some("p"), Ok(1));
        check(&[&embedding, &scores], None, Err("f (f32 [N, 8]), p (f32 [N, 5]); name one with output.name"));
        check(&[&label, &boxes], None, Err("none of the model's outputs looks like class scores"));
        check(&[&scores], Some("q"), Err("output \"q\" is not in the model; outputs: p (f32 [N, 5])"));
        check(&[], None, Err("the model has no output"));
    }

    #[test]
    fn one_value_has_two_sides() {
        let view =
            |applied, kind| OutputView::new(("y", &[None, Some(1)]), applied, kind).expect("one value");
        let check = |view: OutputView, value: f32, expected: [f32; 2]| {
            let raw = Tensor::new([1, 1], vec![value]).expect("a tensor");
            assert_eq!(view.scores(raw).expect("scores").data(), expected, "{view:?}");
        };
        check(view(OutputActivation::None, IsRegression::No), -2.5, [2.5, -2.5]);
        check(view(OutputActivation::Unknown, IsRegression::No), -2.5, [2.5, -2.5]);
        check(view(OutputActivation::Sigmoid, IsRegression::No), 0.25, [0.75, 0.25]);
        check(view(OutputActivation::None, IsRegression::Yes), 40.0, [-40.0, 40.0]);
        let logit = view(OutputActivation::None, IsRegression::No);
        assert_eq!(
            (logit.applied, logit.raw_class(0), logit.raw_class(1)),
            (OutputActivation::Binary, (0, -1.0), (0, 1.0))
        );
    }

    #[test]
    fn outputs_that_hold_no_scores_are_refused_by_what_they_look_like() {
        let check = |shape: &[usize], applied, kind, expected: &str| {
            let shape: Vec<_> = std::iter::once(None).chain(shape.iter().map(|&n| Some(n))).collect();
            let error = OutputView::new(("y", &shape), applied, kind).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            &[5, 32, 32],
            OutputActivation::Unknown,
            IsRegression::No,
            "[N, 5, 32, 32], which looks like a score per pixel",
        );
        check(&[9, 64], OutputActivation::Unknown, IsRegression::No, "looks like a list of vectors");
        check(&[8], OutputActivation::UnitLength, IsRegression::No, "looks like an embedding");
        check(&[1], OutputActivation::Softmax, IsRegression::No, "a softmax of one value, which is always 1");
        check(&[5], OutputActivation::Unknown, IsRegression::Yes, "output.kind is \"value\"");
    }

    #[test]
    fn values_tell_probabilities_from_logits() {
        let check = |rows: &[&[f32]], expected| assert_eq!(applied_by_values(rows), expected, "{rows:?}");
        check(&[&[0.2, 0.8], &[0.5, 0.5]], OutputActivation::Softmax);
        check(&[&[0.2, 0.8], &[0.5, 0.6]], OutputActivation::Unknown);
        check(&[&[0.2, 0.8, 0.9, 0.1, 0.0, 1.0], &[0.5, 0.5, 0.4, 0.3, 0.2, 0.1]], OutputActivation::Sigmoid);
        check(&[&[0.2, 0.8, 0.9, 0.1, 0.0, 1.1], &[0.5, 0.5, 0.4, 0.3, 0.2, 0.1]], OutputActivation::Unknown);
        check(&[], OutputActivation::Unknown);
        check(&[&[0.6, -0.8], &[0.8, 0.6]], OutputActivation::UnitLength);
        check(&[&[0.6, 0.8, 0.0], &[0.0, 0.8, 0.6]], OutputActivation::UnitLength);
        check(&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]], OutputActivation::Softmax);
        check(&[&[0.6, -0.8], &[0.6, -0.8]], OutputActivation::Unknown);
    }
}
