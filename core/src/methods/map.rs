//! [`Map`]: one map in f64, passed from step to step; and the maps of all targets as one tensor.

use crate::tensor::{gathered, room_for};
use crate::{Result, Study, Tensor};

/// A map of `size` (height, width), row-major.
pub struct Map {
    /// Height and width.
    pub size: (usize, usize),
    /// As many values as the size has cells.
    pub values: Vec<f64>,
}

impl Map {
    /// The sum of `maps`, each times its weight: each of `size.0 * size.1` values. An error where there is no memory.
    pub fn weighted_sum<'a>(
        size: (usize, usize),
        maps: impl Iterator<Item = (&'a [f32], f64)>,
    ) -> Result<Self> {
        let cells = size.0 * size.1;
        let mut values = gathered(&[size.0, size.1], std::iter::repeat_n(0.0, cells))?;
        for (map, weight) in maps {
            values.iter_mut().zip(map).for_each(|(sum, &v)| *sum += weight * f64::from(v));
        }
        Ok(Self { size, values })
    }
}

/// One map for each target of `study`, [targets, H, W]; `explain` makes that of the i-th target, a class.
pub fn of_targets(study: &Study<'_>, mut explain: impl FnMut(usize, usize) -> Result<Map>) -> Result<Tensor> {
    let targets = &study.context.targets;
    let mut data = Vec::new();
    let mut size = (0, 0);
    for (i, &class) in targets.iter().enumerate() {
        let map = explain(i, class)?;
        if i == 0 {
            size = map.size;
            data = room_for(&[targets.len(), size.0, size.1])?;
        }
        data.extend(map.values.iter().map(|&v| v as f32));
    }
    Tensor::new([targets.len(), size.0, size.1], data)
}
