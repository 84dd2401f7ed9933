//! Noisy linear imputation without the noise: removed pixels as the weighted means of their neighbors, all at once
//! (Rong et al., 2022).

use super::laplace::{LANES, System};
use crate::{Result, Tensor, TensorView};

/// An image [1, C, H, W] whose `removed` pixels (H * W) are the means of their eight neighbors, weighted 1/6 at sides and
/// 1/12 at corners; neighbors outside the image have no weight. If every pixel is removed, the result is the solution
/// of minimum norm, zeros. An error if sizes differ, a value is not finite or memory is short.
pub fn imputed(image: TensorView<'_>, removed: &[bool]) -> Result<Tensor> {
    let [n, _, height, width] = image.dims("the image")?;
    ensure!(
        n == 1 && height.checked_mul(width) == Some(removed.len()),
        invalid,
        "an image of shape {:?} cannot be imputed at {} pixels; give one image and a value for each of its pixels",
        image.shape(),
        removed.len()
    );
    ensure!(
        image.data().iter().all(|v| v.is_finite()),
        invalid,
        "an image with values that are not finite cannot be imputed; check how it was preprocessed"
    );
    let system = System::new(removed, width)?;
    let mut out = image.try_to_tensor()?;
    let planes = out.data_mut().chunks_mut(LANES * removed.len().max(1));
    planes.into_iter().try_for_each(|planes| system.solve(planes))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draws;

    /// Draws `share` of the pixels as removed, some alone and some in blocks, and checks that each one is the mean of its neighbors.
    fn check(seed: usize, (height, width): (usize, usize), share: f64) {
        let draws = Draws::new(3).of(seed);
        let value = |i: usize| (10.0 * draws.uniform(i) - 3.0) as f32;
        let image = Tensor::new([1, 5, height, width], (0..5 * height * width).map(value).collect());
        let image = image.expect("an image");
        let block = 1 + seed % 9;
        let cell = |i: usize| i / width / block * width + i % width / block;
        let removed: Vec<bool> =
            (0..height * width).map(|i| draws.of(1).uniform(cell(i)) < share && i > 0).collect();
        let found = imputed(image.view(), &removed).expect("an image");
        for (plane, given) in found.data().chunks(height * width).zip(image.data().chunks(height * width)) {
            for i in 0..height * width {
                let expected = if removed[i] {
                    mean_of_neighbors(plane, (i / width, i % width), width)
                } else {
                    given[i]
                };
                assert!((plane[i] - expected).abs() < 1e-5, "{height} x {width}, {share}: pixel {i}");
            }
        }
    }

    fn mean_of_neighbors(plane: &[f32], (y, x): (usize, usize), width: usize) -> f32 {
        let height = plane.len() / width;
        let (mut sum, mut weights) = (0.0, 0.0);
        for y2 in y.saturating_sub(1)..(y + 2).min(height) {
            for x2 in x.saturating_sub(1)..(x + 2).min(width) {
                let weight = [0.0, 1.0 / 6.0, 1.0 / 12.0][y.abs_diff(y2) + x.abs_diff(x2)];
                sum += weight * plane[y2 * width + x2];
                weights += weight;
            }
        }
        sum / weights
    }

    #[test]
    fn removed_pixels_are_means_of_their_neighbors() {
        for (seed, size) in
            [(1, 2), (1, 9), (7, 1), (5, 5), (17, 33), (64, 64), (31, 100)].into_iter().enumerate()
        {
            for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
                check(seed, size, share);
            }
        }
    }

    #[test]
    fn where_every_pixel_is_removed_the_image_is_zero() {
        for size in [1, 2, 9] {
            let image = Tensor::new([1, 1, size, size], vec![2.5; size * size]).expect("an image");
            let found = imputed(image.view(), &vec![true; size * size]).expect("an image");
            assert!(found.data().iter().all(|&v| v == 0.0));
        }
    }
}
