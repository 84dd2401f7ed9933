//! Saliency maps as .npy files, and how far one is from another.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use xtask::failure::{Failure, Outcome, While};

use super::report::Distance;

/// The values of a map of f32, row by row, and its size.
pub(crate) struct Map {
    shape: Vec<u64>,
    values: Vec<f64>,
}

impl Map {
    pub(crate) fn read(place: &Path) -> Outcome<Map> {
        let what = || format!("read {}", place.display());
        let npy = npyz::NpyFile::new(BufReader::new(File::open(place).doing(what)?)).doing(what)?;
        let shape = npy.shape().to_vec();
        let values = npy.into_vec::<f32>().doing(what)?.into_iter().map(f64::from).collect();
        Ok(Map { shape, values })
    }

    /// How far this map is from an exact one of the same size.
    pub(crate) fn distance_from(&self, exact: &Map) -> Outcome<Distance> {
        if self.shape != exact.shape {
            return Err(Failure::new(format!(
                "a map of {:?} can't be compared with one of {:?}",
                self.shape, exact.shape
            )));
        }
        let pairs = || self.values.iter().zip(&exact.values);
        let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let squares = |differences: &mut dyn Iterator<Item = f64>| differences.map(|d| d * d).sum::<f64>();
        let apart = squares(&mut pairs().map(|(a, b)| a - b)).sqrt();
        let length = squares(&mut exact.values.iter().copied()).sqrt();
        let (own, other) = (mean(&self.values), mean(&exact.values));
        let together: f64 = pairs().map(|(a, b)| (a - own) * (b - other)).sum();
        let spread = squares(&mut self.values.iter().map(|a| a - own)).sqrt()
            * squares(&mut exact.values.iter().map(|b| b - other)).sqrt();
        Ok(Distance { largest, relative: apart / length, correlation: together / spread })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[f64]) -> Map {
        Map { shape: vec![values.len() as u64], values: values.to_vec() }
    }

    #[test]
    fn distances_are_zero_between_equals_and_scale_with_the_difference() {
        let check = |ours: &[f64], exact: &[f64], largest: f64, relative: f64, correlation: f64| {
            let found = map(ours).distance_from(&map(exact)).unwrap();
            for (value, expected) in
                [(found.largest, largest), (found.relative, relative), (found.correlation, correlation)]
            {
                assert!((value - expected).abs() < 1e-12, "{found:?} of {ours:?}, {exact:?}");
            }
        };
        check(&[0.0, 1.0, 0.5], &[0.0, 1.0, 0.5], 0.0, 0.0, 1.0);
        check(&[1.0, 0.0], &[0.0, 1.0], 1.0, 2f64.sqrt(), -1.0);
        check(&[0.0, 0.5, 1.0], &[0.0, 1.0, 2.0], 1.0, 0.5, 1.0);
    }

    #[test]
    fn maps_of_two_sizes_are_distinguished() {
        let failure = map(&[1.0]).distance_from(&map(&[1.0, 2.0])).unwrap_err().to_string();
        assert!(failure.contains("[1]") && failure.contains("[2]"), "{failure}");
    }
}
