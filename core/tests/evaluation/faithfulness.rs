//! Protocols, masks, drops, curves and ROAD.

use scorecam_core::evaluation::{Curve, Fill, Road, gain, imputed, increase, win};
use scorecam_core::{ClassScore, OutputActivation, Tensor, class_score};

use crate::golden::Case;

/// The values of a case of this group.
pub(crate) fn measured(case: &Case<'_>) -> Option<Vec<Option<f64>>> {
    let protocol = case.protocol();
    let scores = || case.pairs("scores")[0];
    let values = match case.measure() {
        "protocol" => return Some(protocol_words(case)),
        "mask" => protocol.mask.of(&case.map("map"), protocol.ties).values().to_vec(),
        "counts" => plain(protocol.points.counts(case.map("map").size()).expect("counts")),
        "ranks" => case.map("map").ranks(protocol.ties).into_iter().map(f64::from).collect(),
        "fill" => every(fill(case).of(case.image().view()).expect("a base"), 3, 2),
        "curve" => curve(case),
        "drop" => return Some(vec![protocol.drop.of(scores().0, scores().1)]),
        "gain" => return Some(vec![gain(scores().0, scores().1)]),
        "increase" => vec![f64::from(increase(scores().0, scores().1))],
        "win" => match win(&case.pairs("pairs")) {
            Some(win) => vec![win.wins, win.ties],
            None => return Some(vec![None; 2]),
        },
        "road_removed" => road_removed(case),
        "road_images" => road_images(case).into_iter().flat_map(|image| every(image, 4, 5)).collect(),
        "road" => road(case),
        "imputed" => {
            let image = imputed(case.image().view(), case.region().inside()).expect("an image");
            image.data().iter().map(|&v| f64::from(v)).collect()
        }
        _ => return None,
    };
    Some(values.into_iter().map(Some).collect())
}

/// Words cannot be compared as numbers: no value where all are as expected.
fn protocol_words(case: &Case<'_>) -> Vec<Option<f64>> {
    let words = case.protocol().words().map(|(_, value)| value);
    let expected = case.argument("expected").as_array().expect("words");
    let differ =
        words.iter().zip(expected).filter(|(word, expected)| Some(word.as_str()) != expected.as_str());
    differ.map(|(word, expected)| panic!("{}: {word}, not {expected}", case.text())).collect()
}

fn plain(counts: Vec<usize>) -> Vec<f64> {
    counts.into_iter().map(|count| count as f64).collect()
}

fn fill(case: &Case<'_>) -> Fill {
    let protocol = case.protocol();
    if case.text_of("mode") == "deletion" { protocol.deletion } else { protocol.insertion }
}

/// Every so many rows and columns of an image.
fn every(image: Tensor, rows: usize, columns: usize) -> Vec<f64> {
    let [_, _, height, width] = image.view().dims("the image").expect("four axes");
    let planes = image.data().chunks_exact(height * width);
    let lines = planes.flat_map(|plane| plane.chunks_exact(width).step_by(rows));
    lines.flat_map(|line| line.iter().step_by(columns).map(|&v| f64::from(v))).collect()
}

/// The twin of `toy_score` in `make_evaluation.py`.
fn toy_score(image: &Tensor, kind: ClassScore) -> f64 {
    let pixels = image.data().iter().map(|&v| f64::from(v) / (1.0 + f64::from(v).abs()));
    let mut logits = [0.0f64; 3];
    for (i, v) in pixels.enumerate() {
        for (k, logit) in logits.iter_mut().enumerate() {
            *logit += v * ((i * (3 + k) % 7) as f64 - 3.0) / 16.0;
        }
    }
    class_score(kind, OutputActivation::None, &logits.map(|v| v as f32), 0)
}

fn curve(case: &Case<'_>) -> Vec<f64> {
    let (protocol, map, image) = (case.protocol(), case.map("map"), case.image());
    let base = fill(case).of(image.view()).expect("a base");
    let (before, after) = if case.text_of("mode") == "deletion" { (&image, &base) } else { (&base, &image) };
    let ranks = map.ranks(protocol.ties);
    let counts = protocol.points.counts(map.size()).expect("counts");
    let score = |&count: &usize| {
        let values = before.data().iter().zip(after.data()).zip(ranks.iter().cycle());
        let changed =
            values.map(|((&before, &after), &rank)| if (rank as usize) < count { after } else { before });
        toy_score(&Tensor::new(image.shape(), changed.collect()).expect("an image"), protocol.score)
    };
    let scores: Vec<f64> = counts.iter().map(score).collect();
    let mut values: Vec<f64> = scores.iter().copied().step_by((scores.len() / 5).max(1)).collect();
    values.push(Curve::new(counts, scores).expect("a curve").area(protocol.area));
    values
}

/// How many pixels are removed from each image, then the sums of their numbers.
fn road_removed(case: &Case<'_>) -> Vec<f64> {
    let removed = Road::default().removed(&case.map("map"));
    let pixels = |removed: &Vec<bool>| (0..removed.len()).filter(|&i| removed[i]).collect::<Vec<_>>();
    let pixels: Vec<Vec<usize>> = removed.iter().map(pixels).collect();
    plain(pixels.iter().map(Vec::len).chain(pixels.iter().map(|pixels| pixels.iter().sum())).collect())
}

fn road_options(case: &Case<'_>) -> Road {
    Road { seed: case.number("seed") as u64, ..Road::default() }
}

fn road_images(case: &Case<'_>) -> Vec<Tensor> {
    let (road, image) = (road_options(case), case.image());
    let removed = road.removed(&case.map("map"));
    (0..).zip(&removed).map(|(i, removed)| road.image(image.view(), removed, i).expect("an image")).collect()
}

fn road(case: &Case<'_>) -> Vec<f64> {
    let score = |image: &Tensor| toy_score(image, ClassScore::Softmax);
    let scores: Vec<f64> = road_images(case).iter().map(score).collect();
    let found = road_options(case)
        .score(score(&case.image()), &scores)
        .expect("as many scores")
        .expect("percentiles");
    vec![found.combined, found.most_first, found.least_first]
}
