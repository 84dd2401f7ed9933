//! [`Outputs`]: what a model returns, told from two passes, and which of it holds class scores.

use scorecam_plugin::{
    Candidate, ElementType, Error, MAX_RANK, OutputActivation, OutputInfo, Result, choose_output, written,
};

use crate::shim::{Module, Output, Returned};

/// The outputs of a model that are tensors.
pub(crate) struct Outputs {
    /// As the model's description lists them.
    pub(crate) infos: Vec<OutputInfo>,
    /// For each its place among all that the model returns.
    pub(crate) places: Vec<usize>,
    /// Index of the one that holds class scores, or why none does.
    pub(crate) scores: Result<usize>,
}

impl Outputs {
    /// Those that `found` lists, for a pass of so many images, after a second pass of `images` images gave tensors of the
    /// shapes `second`. Where `images` are more, `None` says that the model takes no more than in the first pass. `named` is
    /// the output to read class scores from.
    pub(crate) fn told(
        module: &Module,
        (found, n): (&[Output], usize),
        (second, images): (&[Vec<usize>], usize),
        named: Option<&str>,
    ) -> Result<Option<Self>> {
        let (mut infos, mut places) = (Vec::new(), Vec::new());
        let mut second = second.iter();
        for (place, output) in found.iter().enumerate() {
            let Returned::Tensor(element, first) = &output.value else { continue };
            let missing = || Error::internal(format!("a pass gave no output {:?}", output.name));
            let second = second.next().ok_or_else(missing)?;
            // The one output, or the one that is named, is to have class scores.
            let is_scores = named.map_or(found.len() == 1, |name| name == output.name);
            let Some((shape, per_image)) = axes((first, n), (second, images), is_scores) else {
                return Ok(None);
            };
            let info = OutputInfo::new(&output.name, shape, OutputActivation::Unknown);
            infos.push(OutputInfo { element: *element, per_image, ..info });
            places.push(place);
        }
        if infos.is_empty() {
            return Err(Error::model(
                "the model returns no tensor; export one that returns its outputs as tensors",
            ));
        }
        let scores = chosen(found, &infos, named)?;
        let (mut infos, places): (Vec<_>, Vec<_>) =
            infos.into_iter().zip(places).filter(|(info, _)| info.shape.len() <= MAX_RANK).unzip();
        for (info, &place) in infos.iter_mut().zip(&places).filter(|(info, _)| is_float(info.element)) {
            info.applied = module.output_activation(place);
        }
        let scores = scores.and_then(|scores| readable(&scores).map(|()| scores));
        let index = |scores: OutputInfo| infos.iter().position(|info| info.name == scores.name);
        let scores = scores.map(|scores| index(scores).unwrap_or(0));
        Ok(Some(Self { infos, places, scores }))
    }

    /// The places of some outputs of the description among all that the model returns.
    pub(crate) fn places_of(&self, outputs: &[usize]) -> Vec<usize> {
        outputs.iter().map(|&output| self.places[output]).collect()
    }

    /// What an explanation is of where nobody says otherwise: class scores, or else all numbers.
    pub(crate) fn usual(&self) -> Vec<usize> {
        match self.scores {
            Ok(scores) => vec![scores],
            Err(_) => (0..self.infos.len()).collect(),
        }
    }
}

/// The output that class scores are read from, or why there is none. An error for a named one that cannot be it.
fn chosen(found: &[Output], infos: &[OutputInfo], named: Option<&str>) -> Result<Result<OutputInfo>> {
    let words = found.iter().map(|output| match &output.value {
        Returned::Tensor(element, _) => element.to_string(),
        Returned::Other(word) => word.clone(),
    });
    let words: Vec<String> = words.collect();
    let info = |output: &Output| infos.iter().find(|info| info.name == output.name);
    let candidate = |(output, word)| {
        let info = info(output);
        let may_be = info.is_some_and(|info| is_float(info.element) && info.per_image);
        Candidate { name: &output.name, shape: info.map(|i| i.shape.clone()), element: (word, may_be) }
    };
    let candidates: Vec<Candidate<'_>> =
        found.iter().zip(words.iter().map(String::as_str)).map(candidate).collect();
    let scores = choose_output(&candidates, named).and_then(|place| {
        let wrong = || {
            let (name, word) = (&found[place].name, &words[place]);
            Error::unsupported(format!(
                "output {name:?} is {word}; class scores must be floating-point numbers"
            ))
        };
        info(&found[place]).filter(|info| is_float(info.element)).cloned().ok_or_else(wrong)
    });
    match named {
        Some(_) => scores.map(Ok),
        None => Ok(scores),
    }
}

/// An error where class scores cannot be read from an output.
fn readable(scores: &OutputInfo) -> Result<()> {
    let why = match scores.shape.len() <= MAX_RANK {
        true if scores.per_image => return Ok(()),
        true => "class scores have one row for each image".to_owned(),
        false => format!("at most {MAX_RANK} axes can be read"),
    };
    let (name, shape) = (&scores.name, written(&scores.shape));
    Err(Error::unsupported(format!("output {name:?} has shape {shape}; {why}")))
}

fn is_float(element: ElementType) -> bool {
    [ElementType::F32.code, ElementType::new(4, 16).code].contains(&element.code)
}

/// The axes of an output that had the shape `one` for `n` images and `two` for `images`, and whether it has a row for each
/// image. What differs is free; so is the length of what has no rows, such as a list of detections of all images.
///
/// `None` where the model takes no more than `n` images: it gives no more rows than that, or longer ones.
fn axes(
    (one, n): (&[usize], usize),
    (two, images): (&[usize], usize),
    is_scores: bool,
) -> Option<(Vec<Option<usize>>, bool)> {
    let fixed = n == images;
    let has_rows = two.first() == Some(&images);
    let with = |batch: Option<usize>, one: &[usize], two: &[usize]| [vec![batch], common(one, two)].concat();
    let behind = |shape: &'_ [usize]| shape.get(1..).unwrap_or(&[]).to_vec();
    match one {
        [rows, item @ ..] if *rows == n && has_rows && one.len() == two.len() => {
            Some((with(fixed.then_some(n), item, &two[1..]), true))
        }
        // Of one image an output may lack the axis of the batch.
        _ if n == 1 && !fixed && has_rows && one.len() + 1 == two.len() => {
            Some((with(None, one, &two[1..]), true))
        }
        [] | [_] if n == 1 && fixed && is_scores && one == two && !one.contains(&0) => {
            Some((with(Some(1), one, two), true))
        }
        [1, item @ ..] if !fixed && item != behind(two) => None,
        _ if !fixed && (is_scores || one.len() != two.len()) => None,
        _ => Some((with(None, &behind(one), &behind(two)), false)),
    }
}

/// The lengths of axes in two tensors, where these agree and are not 0.
fn common(one: &[usize], two: &[usize]) -> Vec<Option<usize>> {
    let length = |(i, &length): (usize, &usize)| Some(length).filter(|n| *n > 0 && one.get(i) == Some(n));
    two.iter().enumerate().map(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        one: &[usize],
        n: usize,
        (two, images): (&[usize], usize),
        is_scores: bool,
    ) -> Option<(String, bool)> {
        axes((one, n), (two, images), is_scores).map(|(axes, per_image)| (written(&axes), per_image))
    }

    #[test]
    fn two_passes_tell_rows_from_lists() {
        for (one, two, expected) in [
            (&[1, 5][..], &[2, 5][..], Some(("[N, 5]", true))),
            (&[1, 7, 4], &[2, 9, 4], Some(("[N, ?, 4]", true))),
            (&[1, 0, 4], &[2, 0, 4], Some(("[N, ?, 4]", true))),
            // Without the axis of a batch of one.
            (&[], &[2], Some(("[N]", true))),
            (&[5], &[2, 5], Some(("[N, 5]", true))),
            // Lists of all images together.
            (&[3, 4], &[8, 4], Some(("[N, 4]", false))),
            (&[0, 4], &[0, 4], Some(("[N, 4]", false))),
            (&[1, 4], &[7, 4], Some(("[N, 4]", false))),
            (&[3], &[3], Some(("[N]", false))),
            (&[], &[], Some(("[N]", false))),
            // A reshape to one row for whatever is given.
            (&[1, 5], &[1, 10], None),
            (&[3, 4], &[3, 4, 1], None),
        ] {
            let expected = expected.map(|(axes, per_image)| (axes.to_owned(), per_image));
            assert_eq!(told(one, 1, (two, 2), false), expected, "{one:?} {two:?}");
        }
        for (one, two) in [(&[1, 5][..], &[1, 5][..]), (&[3, 6], &[9, 6])] {
            assert_eq!(told(one, 1, (two, 2), true), None, "class scores have rows");
        }
    }

    #[test]
    fn a_fixed_batch_is_the_first_axis() {
        let check = |one: &[usize], two: &[usize], n, is_scores, axes: &str, per_image| {
            let expected = Some((axes.to_owned(), per_image));
            assert_eq!(told(one, n, (two, n), is_scores), expected, "{one:?} {two:?}");
        };
        check(&[2, 5], &[2, 5], 2, false, "[2, 5]", true);
        check(&[2, 5, 4], &[2, 6, 4], 2, false, "[2, ?, 4]", true);
        check(&[7, 4], &[9, 4], 2, false, "[N, 4]", false);
        check(&[1, 5], &[1, 5], 1, false, "[1, 5]", true);
        // Class scores of one image may lack the axis of the batch; others may be lists.
        check(&[5], &[5], 1, true, "[1, 5]", true);
        check(&[], &[], 1, true, "[1]", true);
        check(&[5], &[5], 1, false, "[N]", false);
        check(&[5], &[6], 1, true, "[N]", false);
    }
}
