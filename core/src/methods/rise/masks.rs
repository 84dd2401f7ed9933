//! [`RandomMasks`]: grids of random cells, enlarged and shifted by up to a cell.

use crate::methods::choices::{choice, number, pick, pick_upsample, spec, upsample};
use crate::noise::Draws;
use crate::{OptionKind, OptionSpec, Options, Result, Upsampler};

/// How large a grid becomes before the mask is cut out of it.
#[derive(Clone, Copy, PartialEq)]
enum Grid {
    /// One cell more than the grid has, cells being whole pixels: the authors of RISE.
    Stretched,
    /// The input with the longest cell as a margin: Microsoft's D-RISE.
    Padded,
}

const GRID: &[(&str, Grid)] = &[("stretched", Grid::Stretched), ("padded", Grid::Padded)];

/// The masks of a seed. Mask `i` takes its numbers from draw `i` of the seed ([`Draws::of`]): the shift down, the shift to the
/// right, then the cells row by row, each 1 where its number is below the probability.
pub(super) struct RandomMasks {
    pub(super) probability: f64,
    draws: Draws,
    cells: usize,
    size: (usize, usize),
    /// How many shifts there are, down and to the right.
    shifts: (usize, usize),
    upsampler: Upsampler,
}

impl RandomMasks {
    /// The options that say how masks are drawn.
    pub(super) fn specs() -> Vec<OptionSpec> {
        vec![
            spec(
                "cells",
                OptionKind::Integer { min: 1, max: 1024 },
                "8",
                "cells along each side of a mask's grid",
            ),
            spec("probability", number(0.001, 0.999), "0.1", "probability that a cell keeps the image"),
            spec("upsample", upsample(), "mirror", "how to enlarge the grid"),
            spec(
                "grid",
                choice(GRID),
                "stretched",
                "size of the enlarged grid before it is shifted: one cell more, or the input with a margin of one cell",
            ),
        ]
    }

    /// Masks for inputs of `size` (height, width).
    pub(super) fn read(options: &Options, size: (usize, usize)) -> Result<Self> {
        let cells: usize = options.parse("cells")?;
        let longest = (size.0 / cells).max(size.1 / cells);
        let enlarged = |side: usize| match pick(options, "grid", GRID) {
            Ok(Grid::Stretched) => Ok(((cells + 1) * side.div_ceil(cells), side.div_ceil(cells))),
            Ok(Grid::Padded) => Ok((side + longest, longest + 1)),
            Err(wrong) => Err(wrong),
        };
        let ((height, down), (width, right)) = (enlarged(size.0)?, enlarged(size.1)?);
        Ok(Self {
            probability: options.parse("probability")?,
            draws: Draws::new(options.parse("seed")?),
            cells,
            size,
            shifts: (down, right),
            upsampler: Upsampler::new(pick_upsample(options, "upsample")?, (cells, cells), (height, width))?,
        })
    }

    /// Writes mask `i`, [H, W].
    pub(super) fn write(&self, i: usize, mask: &mut [f32]) -> Result<()> {
        let draws = self.draws.of(i);
        let (down, right) = (draws.below(0, self.shifts.0), draws.below(1, self.shifts.1));
        let cell = |c: usize| if draws.uniform(2 + c) < self.probability { 1.0 } else { 0.0 };
        let grid: Vec<f32> = (0..self.cells * self.cells).map(cell).collect();
        let (height, width) = self.size;
        self.upsampler.rows(&grid, &mut Vec::new(), |y, row| {
            if let Some(y) = y.checked_sub(down).filter(|&y| y < height) {
                mask[y * width..][..width].copy_from_slice(&row[right..][..width]);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CamMethod;
    use crate::methods::Rise;

    fn masks(set: &[(&str, &str)], size: (usize, usize)) -> RandomMasks {
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let options = Rise.info().resolve(None, &set).expect("values in range");
        RandomMasks::read(&options, size).expect("masks")
    }

    #[test]
    fn masks_let_through_their_share_of_every_pixel() {
        let check = |set: &[(&str, &str)], size: (usize, usize), probability: f64| {
            let masks = masks(set, size);
            let (mut sums, mut mask) = (vec![0.0; size.0 * size.1], vec![0.0; size.0 * size.1]);
            let count = 4000;
            for i in 0..count {
                masks.write(i, &mut mask).expect("a mask");
                assert!(mask.iter().all(|v| (0.0..=1.0).contains(v)), "{set:?}");
                sums.iter_mut()
                    .zip(&mask)
                    .for_each(|(sum, &v)| *sum += f64::from(v) / f64::from(count as u32));
            }
            let far = sums.iter().map(|v| (v - probability).abs()).fold(0.0, f64::max);
            assert!(far < 0.04, "{set:?}: {far}");
        };
        check(&[], (20, 33), 0.1);
        check(&[("cells", "3"), ("probability", "0.5")], (10, 10), 0.5);
        check(&[("cells", "40"), ("probability", "0.5")], (10, 17), 0.5);
        let nearest = [("cells", "4"), ("probability", "0.7"), ("upsample", "nearest"), ("grid", "padded")];
        check(&nearest, (16, 21), 0.7);
    }

    #[test]
    fn a_mask_depends_on_its_seed_and_number_alone() {
        let size = (8, 8);
        let mask = |seed: &str, i: usize| {
            let mut mask = vec![0.0; 64];
            masks(&[("seed", seed)], size).write(i, &mut mask).expect("a mask");
            mask
        };
        assert_eq!(mask("3", 700), mask("3", 700));
        assert!(mask("3", 700) != mask("4", 700) && mask("3", 701) != mask("3", 700));
    }
}
