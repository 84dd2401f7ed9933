//! RISE and occlusion on a model that has no layer: what they find of one whose score is a sum of pixels, where they stop,
//! and that batches do not change a map.

use std::cell::Cell;

use scorecam_core::methods::{Occlusion, Rise, ScoreCam};
use scorecam_core::{
    Abilities, BatchRule, CamMethod, Error, Explanation, Forward, InputInfo, OutputActivation, OutputInfo,
    Request, Result, Targets, Tensor, TensorView, TimeUp, ViewInfo, ViewedModel, explain,
};

const SIDE: usize = 12;

/// Images of 1 x 12 x 12 pixels. The score of class 0 is the sum of the pixels in a square, that of class 1 of all others.
struct Square(ViewInfo);

impl Square {
    fn new(batch: BatchRule) -> Self {
        let shape = |sizes: &[usize]| [vec![None], sizes.iter().map(|&n| Some(n)).collect()].concat();
        Self(ViewInfo {
            input: InputInfo::image("input", shape(&[1, SIDE, SIDE])),
            scores: Ok(OutputInfo::new("scores", shape(&[2]), OutputActivation::None)),
            outputs: Vec::new(),
            layers: Vec::new(),
            default_layer: None,
            batch,
            abilities: Abilities::NONE,
        })
    }
}

/// Whether a pixel lies in the square.
fn is_inside(pixel: usize) -> bool {
    (3..7).contains(&(pixel / SIDE)) && (6..10).contains(&(pixel % SIDE))
}

impl ViewedModel for Square {
    fn info(&self) -> &ViewInfo {
        &self.0
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        if let [tap, ..] = taps {
            return Err(Error::not_found(format!("there is no layer {tap:?}")));
        }
        let sums = |image: &[f32]| {
            let sum = |inside| {
                let part = image.iter().enumerate().filter(|(pixel, _)| is_inside(*pixel) == inside);
                part.map(|(_, v)| v).sum::<f32>()
            };
            [sum(true), sum(false)]
        };
        let scores = (0..batch.shape()[0]).flat_map(|i| sums(batch.item(i))).collect();
        Ok(Forward { scores: Tensor::new([batch.shape()[0], 2], scores)?, activations: Vec::new() })
    }
}

fn explained(
    method: &dyn CamMethod,
    batch: BatchRule,
    set: &[(&str, &str)],
    time_up: Option<Box<TimeUp<'_>>>,
) -> Result<Explanation> {
    let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let input = Tensor::new([1, 1, SIDE, SIDE], vec![1.0; SIDE * SIDE])?;
    let request = Request {
        input: input.into(),
        reference: None,
        targets: Targets::Classes(vec![0, 1]),
        layer: Some("of another method"),
        options: &method.info().resolve(None, &set)?,
        batch_size: None,
        progress: None,
        time_up,
        previous: None,
    };
    explain(&Square::new(batch), method, request)
}

const ANY: BatchRule = BatchRule::Any { preferred: 7 };
const LINEAR: [(&str, &str); 3] = [("score", "logit"), ("final", "none"), ("post_relu", "false")];

fn measure(found: &Explanation, name: &str) -> f64 {
    found.measures.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, value)| *value)
}

#[test]
fn occlusion_gives_each_pixel_the_mean_fall_of_the_patches_that_hide_it() {
    let set = [&LINEAR[..], &[("patch", "4"), ("stride", "3")]].concat();
    let found = explained(&Occlusion, ANY, &set, None).expect("two maps");
    let starts = [0, 3, 6, 9];
    assert_eq!((found.passes, found.layer.as_str(), measure(&found, "patches")), (17, "", 16.0));
    for pixel in 0..SIDE * SIDE {
        let (y, x) = (pixel / SIDE, pixel % SIDE);
        let hides = |start: usize, at: usize| (start..start + 4).contains(&at);
        let patches: Vec<(usize, usize)> = starts
            .iter()
            .flat_map(|&top| starts.map(|left| (top, left)))
            .filter(|&(top, left)| hides(top, y) && hides(left, x))
            .collect();
        let fall = |&(top, left): &(usize, usize)| {
            let hidden = (0..SIDE * SIDE).filter(|p| hides(top, p / SIDE) && hides(left, p % SIDE));
            hidden.filter(|&p| is_inside(p)).count() as f32
        };
        let expected = patches.iter().map(fall).sum::<f32>() / patches.len() as f32;
        assert!((found.maps.item(0)[pixel] - expected).abs() < 1e-5, "pixel {pixel}");
    }
}

#[test]
fn rise_finds_the_pixels_that_count_within_its_standard_error() {
    let set =
        [&LINEAR[..], &[("passes", "3000"), ("cells", "6"), ("probability", "0.5"), ("center", "true")]];
    let found = explained(&Rise, ANY, &set.concat(), None).expect("two maps");
    assert_eq!((found.passes, measure(&found, "masks")), (3001, 3000.0));
    for (target, inside, times) in [(0, true, 2.0), (1, false, 1.0)] {
        let of = |wanted: bool| {
            let map = found.maps.item(target).iter().enumerate();
            map.filter(move |(pixel, _)| is_inside(*pixel) == wanted).map(|(_, v)| *v)
        };
        let mean = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
        assert!(mean(of(inside).collect()) > times * mean(of(!inside).collect()), "target {target}");
    }
    let (error, mean) = (measure(&found, "standard-error"), measure(&found, "mean-standard-error"));
    assert!(0.0 < mean && mean <= error && error < 0.5, "{mean} and {error}");
}

#[test]
fn neither_batches_nor_their_size_change_a_map() {
    for set in [&[("passes", "600"), ("error", "0.02")][..], &[("passes", "90")]] {
        let whole = explained(&Rise, ANY, set, None).expect("maps");
        for batch in [BatchRule::Any { preferred: 1 }, BatchRule::Any { preferred: 500 }, BatchRule::Fixed(4)]
        {
            let found = explained(&Rise, batch, set, None).expect("maps");
            assert_eq!(
                (found.maps, found.measures),
                (whole.maps.clone(), whole.measures.clone()),
                "{batch:?}"
            );
        }
    }
}

#[test]
fn rise_stops_when_the_error_is_small_enough() {
    let found = |error: &str| {
        let set = [
            &LINEAR[..],
            &[("passes", "20000"), ("probability", "0.5"), ("center", "true"), ("error", error)],
        ];
        explained(&Rise, ANY, &set.concat(), None).expect("maps")
    };
    let (coarse, fine) = (found("0.3"), found("0.1"));
    assert!(coarse.passes < fine.passes && fine.passes < 20_000, "{} and {}", coarse.passes, fine.passes);
    let range = |map: &[f32]| {
        map.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b))
            - map.iter().fold(f32::INFINITY, |a, &b| a.min(b))
    };
    let narrowest = range(fine.maps.item(0)).min(range(fine.maps.item(1)));
    assert!(
        measure(&fine, "standard-error")
            <= 0.1 * f64::from(range(fine.maps.item(0)).max(range(fine.maps.item(1))))
    );
    assert!(narrowest > 0.0);
}

#[test]
fn rise_ends_in_time_with_the_masks_that_are_scored() {
    let asked = Cell::new(0);
    let late = |after: usize| -> Option<Box<TimeUp<'_>>> {
        asked.set(0);
        let asked = &asked;
        Some(Box::new(move || {
            asked.set(asked.get() + 1);
            asked.get() > after
        }))
    };
    let found = explained(&Rise, ANY, &[("passes", "500")], late(12)).expect("maps");
    let masks = measure(&found, "masks");
    assert!(found.late.is_none() && masks > 1.0 && masks < 500.0, "{masks}");
    let exact = explained(&Rise, ANY, &[("passes", &masks.to_string())], None).expect("maps");
    assert_eq!(found.maps, exact.maps, "the map of the first masks");
    let none = explained(&Rise, ANY, &[("passes", "500")], late(0)).expect("targets");
    assert!(none.late.is_some() && none.maps.shape()[0] == 0);
}

#[test]
fn a_method_that_needs_a_layer_is_refused_where_there_is_none() {
    let error = explained(&ScoreCam, ANY, &[], None).expect_err("no layer");
    assert_eq!(error.to_string(), "there is no layer \"of another method\"");
}

#[test]
fn a_map_of_zeros_has_a_reason_that_names_no_layer() {
    let set = [("patch", "12"), ("stride", "12")];
    let found = explained(&Occlusion, ANY, &set, None).expect("maps of one patch");
    let warned = found.warnings.iter().any(|w| w.contains("0 everywhere") && !w.contains("layer"));
    assert!(warned, "{:?}", found.warnings);
    let error = explained(&Occlusion, ANY, &[("patch", "13")], None).expect_err("no such patch");
    assert!(error.to_string().contains("option patch is 13; the input has 12x12 pixels"), "{error}");
}
