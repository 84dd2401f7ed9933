//! [`GroupCam`]: Group-CAM (Zhang et al., 2021, arXiv 2103.13859) without gradients. Channels with similar maps are
//! summed into a few groups, which Score-CAM scores: an explanation with about 32 passes.
//!
//! The authors weight channels by their gradients before they group them; here a group is the plain sum of its
//! channels. Maps are similar if they have the same shape, regardless of their strength: k-means on maps of length 1.
//! It starts from the strongest map and, repeatedly, the map farthest from all starts so far, so that it depends only
//! on the maps.

use std::sync::LazyLock;

use super::Setup;
use super::masks::{Maps, selected_maps};
use super::options::{self, ScoreCamOptions};
use super::weights::score_all;
use crate::methods::choices::{self, choice, pick, spec};
use crate::tensor::gathered;
use crate::{Abilities, CamMethod, MethodInfo, OptionKind, Options, Result, Study, Work};

/// Score-CAM of groups of channels.
#[derive(Debug, Clone, Copy)]
pub struct GroupCam;

/// Which channels make a group.
#[derive(Clone, Copy, PartialEq)]
enum Grouping {
    Alike,
    Order,
}

const GROUPING: &[(&str, Grouping)] = &[("alike", Grouping::Alike), ("order", Grouping::Order)];

/// Rounds of k-means at most.
const ROUNDS: usize = 50;
/// Maps of length 1 that are nearer than this, squared, are the same one.
const SAME: f64 = 1e-12;
/// Squared distances that differ by less are equal, and the first one counts. Sparse maps are often equally far from others, and
/// rounding, which differs from runtime to runtime, must not choose.
const TIE: f64 = 1e-6;

const PRESETS: &[(&str, &str, &str)] = &[
    ("standard", "channels with similar maps (the default)", ""),
    (
        "neighbors",
        "neighboring channels, the grouping of the authors' code without clustering",
        "grouping=order",
    ),
];

/// The defaults in which Group-CAM differs from Score-CAM.
const DEFAULTS: [(&str, &str); 4] =
    [("fill", "blur"), ("baseline", "fill"), ("weight_norm", "relu"), ("pre_relu", "true")];

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut specs = vec![
        spec("groups", OptionKind::Integer { min: 1, max: 4096 }, "32", "maximum number of groups"),
        spec(
            "grouping",
            choice(GROUPING),
            "alike",
            "channels that form a group: those with similar maps, or neighbors",
        ),
    ];
    let with_own = |specs, &(name, default): &(&str, &str)| choices::with_default(specs, name, default);
    specs.extend(DEFAULTS.iter().fold(options::specs(), with_own));
    MethodInfo {
        id: "group-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "score-cam of channels in groups, over the blurred image; about 32 passes".into(),
        options: specs,
        presets: choices::presets(PRESETS),
        needs: Abilities::NONE,
        needs_layer: true,
    }
});

impl CamMethod for GroupCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        ScoreCamOptions::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let groups: usize = options.parse("groups")?;
            let mut options_of_groups = ScoreCamOptions::read(options)?;
            // Channels are summed as they are, and the sums rectified.
            let rectifies = std::mem::replace(&mut options_of_groups.pre_relu, false);
            let channels = selected_maps(study, &options_of_groups)?;
            let labels = match pick(options, "grouping", GROUPING)? {
                Grouping::Alike => alike(&channels, groups)?,
                Grouping::Order => neighbors(channels.count(), groups),
            };
            let mut maps = summed(&channels, &labels)?;
            if rectifies {
                maps.values.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            let setup = Setup::of(study, options_of_groups, maps)?;
            let mut output = setup.output(&score_all(&setup).await?)?;
            output.measures[0] = ("groups".into(), setup.maps.count() as f64);
            output.measures.insert(0, ("channels".into(), channels.count() as f64));
            Ok(output)
        })
    }
}

/// The group of each channel: as many neighbors in each as there must be, the last has the rest.
fn neighbors(count: usize, groups: usize) -> Vec<usize> {
    let size = count.div_ceil(groups).max(1);
    (0..count).map(|channel| channel / size).collect()
}

/// The sum of the channels of each group that has any, in the order of the groups.
fn summed(channels: &Maps, labels: &[usize]) -> Result<Maps> {
    let cells = channels.size.0 * channels.size.1;
    let count = labels.iter().max().map_or(0, |last| last + 1);
    let mut sums = gathered(&[count, cells], std::iter::repeat_n(0.0f64, count * cells))?;
    for (map, &label) in channels.iter().zip(labels) {
        sums[label * cells..][..cells].iter_mut().zip(map).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    let there = (0..count).filter(|label| labels.contains(label));
    let values: Vec<f32> =
        there.flat_map(|label| &sums[label * cells..][..cells]).map(|&v| v as f32).collect();
    Ok(Maps { size: channels.size, values })
}

/// The group of each channel by k-means on maps of length 1.
fn alike(channels: &Maps, groups: usize) -> Result<Vec<usize>> {
    let cells = channels.size.0 * channels.size.1;
    let values = channels.values.iter().map(|&v| f64::from(v));
    let mut points = gathered(&[channels.count(), cells], values)?;
    let mut strongest = (0, 0.0);
    for (i, point) in points.chunks_exact_mut(cells).enumerate() {
        let length = point.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length > strongest.1 {
            strongest = (i, length);
        }
        point.iter_mut().for_each(|v| *v /= if length > 0.0 { length } else { 1.0 });
    }
    let points: Vec<&[f64]> = points.chunks_exact(cells).collect();
    let mut centers = starts(&points, strongest.0, groups);
    let mut labels = vec![usize::MAX; points.len()];
    for _ in 0..ROUNDS {
        let found: Vec<usize> = points.iter().map(|point| nearest(point, &centers)).collect();
        if found == labels {
            break;
        }
        labels = found;
        for (label, center) in centers.iter_mut().enumerate() {
            let own = || points.iter().zip(&labels).filter(|(_, l)| **l == label).map(|(point, _)| point);
            let count = own().count() as f64;
            // A group that nobody is nearest to stays where it is.
            if count > 0.0 {
                center.fill(0.0);
                own().for_each(|point| center.iter_mut().zip(*point).for_each(|(sum, v)| *sum += v / count));
            }
        }
    }
    Ok(labels)
}

/// Where k-means starts: `first`, then the point that is farthest from all so far, until none is left that differs.
fn starts(points: &[&[f64]], first: usize, groups: usize) -> Vec<Vec<f64>> {
    let mut left = vec![f64::INFINITY; points.len()];
    let (mut chosen, mut next) = (Vec::new(), first);
    while chosen.len() < groups && left.get(next).is_some_and(|&distance| distance > SAME) {
        chosen.push(points[next].to_vec());
        for (distance, point) in left.iter_mut().zip(points) {
            *distance = distance.min(apart(point, points[next]));
        }
        let farther = |best: usize, i: usize| if left[i] > left[best] + TIE { i } else { best };
        next = (0..points.len()).fold(0, farther);
    }
    chosen
}

/// The squared distance of two maps.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The center that a point is nearest to, the first of several.
fn nearest(point: &[f64], centers: &[Vec<f64>]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (i, center) in centers.iter().enumerate() {
        let distance = apart(point, center);
        if distance < best.1 - TIE {
            best = (i, distance);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(rows: &[[f32; 2]]) -> Maps {
        Maps { size: (1, 2), values: rows.concat() }
    }

    #[test]
    fn channels_of_one_shape_are_one_group_however_strong_they_are() {
        let channels = maps(&[[1.0, 0.0], [0.0, 5.0], [7.0, 0.1], [0.1, 1.0], [2.0, 0.0]]);
        let labels = alike(&channels, 2).expect("memory");
        assert_eq!(labels, [0, 1, 0, 1, 0]);
        assert_eq!(summed(&channels, &labels).expect("memory").values, [10.0, 0.1, 0.1, 6.0]);
        let all = alike(&channels, 9).expect("memory");
        assert_eq!(all[0], all[4], "equal maps share a group, however many there may be");
    }

    #[test]
    fn any_number_of_groups_and_channels_will_do() {
        let zeros = maps(&[[0.0; 2]; 3]);
        assert_eq!(summed(&zeros, &alike(&zeros, 4).expect("memory")).expect("memory").count(), 1);
        assert_eq!(alike(&maps(&[[0.0, 1.0]]), 1).expect("memory"), [0]);
        assert_eq!(neighbors(5, 2), [0, 0, 0, 1, 1]);
        assert_eq!(neighbors(2, 4), [0, 1]);
    }
}
