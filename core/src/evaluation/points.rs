//! [`CurvePoints`]: which images the curves of several maps need scored, and the curves that their scores make.

use std::collections::BTreeMap;

use super::{Curve, Protocol};
use crate::{Cut, Error, Result};

/// Which way a curve goes. The number is that of the image of its masks: the input, or the base of insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the image to a base.
    Deletion = 0,
    /// From a base to the image.
    Insertion = 1,
}

/// The images of the curves of several maps of one photo. Both ends of each curve are the photo, whose score is known, and a
/// base, which is scored once for all maps, and once for both ways where both have the same.
pub(super) struct CurvePoints {
    counts: Vec<usize>,
    /// All pixels.
    all: usize,
    /// What is scored: the way, the map, the pixels changed.
    scored: Vec<(Way, usize, usize)>,
    /// The way whose base is that of both.
    shared: Option<Way>,
}

impl CurvePoints {
    /// Those of `maps` maps of `size` (height, width), each by all `ways`.
    pub(super) fn new(protocol: &Protocol, ways: &[Way], maps: usize, size: (usize, usize)) -> Result<Self> {
        let counts = protocol.points.counts(size)?;
        let all = size.0 * size.1;
        let shared = (protocol.deletion == protocol.insertion).then(|| ways[0]);
        let bases = ways.iter().filter(|way| shared.is_none_or(|shared| shared == **way));
        let mut scored: Vec<_> = bases.map(|&way| (way, 0, Self::base(way, all))).collect();
        let mut inner: Vec<usize> = counts.iter().copied().filter(|count| (1..all).contains(count)).collect();
        inner.dedup();
        for map in 0..maps {
            for &way in ways {
                scored.extend(inner.iter().map(|&count| (way, map, count)));
            }
        }
        Ok(Self { counts, all, scored, shared })
    }

    /// How many pixels have changed where the image is a base.
    fn base(way: Way, all: usize) -> usize {
        if way == Way::Deletion { all } else { 0 }
    }

    /// For each image that is scored the cut of its map.
    pub(super) fn cuts(&self) -> Vec<Cut> {
        self.scored.iter().map(|&(_, map, count)| Cut { map: map as u32, count: count as u32 }).collect()
    }

    /// For each image that is scored which image its mask covers.
    pub(super) fn image_of_mask(&self) -> Vec<u32> {
        self.scored.iter().map(|&(way, ..)| way as u32).collect()
    }

    /// The score of each image that is scored.
    pub(super) fn known(&self, scores: Vec<f64>) -> BTreeMap<(Way, usize, usize), f64> {
        self.scored.iter().copied().zip(scores).collect()
    }

    /// The curve of a map, where the photo's own score is `unchanged`.
    pub(super) fn curve(
        &self,
        known: &BTreeMap<(Way, usize, usize), f64>,
        (way, map): (Way, usize),
        unchanged: f64,
    ) -> Result<Curve> {
        let base = Self::base(way, self.all);
        let score = |&count: &usize| match count {
            count if count == base => {
                let way = self.shared.unwrap_or(way);
                known.get(&(way, 0, Self::base(way, self.all))).copied()
            }
            count if count == self.all - base => Some(unchanged),
            count => known.get(&(way, map, count)).copied(),
        };
        let scores = self.counts.iter().map(score).collect::<Option<Vec<f64>>>();
        Curve::new(
            self.counts.clone(),
            scores.ok_or_else(|| Error::internal("a point of a curve was not scored"))?,
        )
    }
}
