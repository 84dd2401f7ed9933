//! Noisy linear imputation without the noise: removed pixels as the weighted means of their neighbors, all at once
//! (Rong et al., 2022).
//!
//! Per channel that is one linear system over the removed pixels, a Laplacian of eight neighbors. It is symmetric, and
//! positive definite as soon as one pixel remains, so conjugate gradients solve it; symmetric over-relaxation
//! preconditions them, which takes 50 to 200 steps at 224 x 224 pixels and no memory beside the vectors.

use crate::tensor::{gathered, room_for};
use crate::{Result, Tensor, TensorView};

/// Column, row and weight of each neighbor; the first four come earlier in reading order, the others mirror them.
const NEIGHBORS: [(isize, isize, f64); 8] = [
    (-1, 0, SIDE),
    (0, -1, SIDE),
    (-1, -1, CORNER),
    (1, -1, CORNER),
    (1, 0, SIDE),
    (0, 1, SIDE),
    (1, 1, CORNER),
    (-1, 1, CORNER),
];
const SIDE: f64 = 1.0 / 6.0;
const CORNER: f64 = 1.0 / 12.0;
const EARLIER: usize = 4;

/// The residual at which the solution counts as found, relative to the right side.
const PRECISION: f64 = 1e-12;
const MAX_STEPS: usize = 20_000;

/// An image [1, C, H, W] whose `removed` pixels (H * W) are the means of their eight neighbors, weighted 1/6 at sides and
/// 1/12 at corners; of neighbors outside the image the weight is left out. Where every pixel is removed nothing determines
/// the image, and the solution of the least norm is taken, zeros. An error where sizes differ, a value is not finite or
/// memory is short.
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
    for plane in out.data_mut().chunks_exact_mut(removed.len().max(1)) {
        let solution = system.solve(plane)?;
        system.pixels.iter().zip(solution).for_each(|(&pixel, value)| plane[pixel] = value as f32);
    }
    Ok(out)
}

/// The linear system of the removed pixels. Vectors have one more element, a zero that stands for known neighbors.
struct System {
    pixels: Vec<usize>,
    /// For each removed pixel the numbers of its removed neighbors, else the number of the zero.
    neighbors: Vec<[u32; 8]>,
    /// For each removed pixel the known neighbors.
    known: Vec<(usize, usize, f64)>,
    /// The weights of all neighbors inside the image.
    diagonal: Vec<f64>,
    /// The relaxation over the diagonal.
    relaxed: Vec<f64>,
}

impl System {
    fn new(removed: &[bool], width: usize) -> Result<Self> {
        let n = removed.iter().filter(|&&removed| removed).count();
        let pixels = gathered(&[n], (0..removed.len()).filter(|&pixel| removed[pixel]))?;
        let mut numbers = gathered(&[removed.len()], removed.iter().map(|_| n as u32))?;
        (0..).zip(&pixels).for_each(|(number, &pixel)| numbers[pixel] = number);
        let mut system = Self {
            pixels,
            neighbors: gathered(&[n], std::iter::repeat_n([n as u32; 8], n))?,
            known: Vec::new(),
            diagonal: gathered(&[n], std::iter::repeat_n(0.0, n))?,
            relaxed: room_for(&[n])?,
        };
        for i in 0..n {
            system.connect(i, &numbers, width);
        }
        let relaxation = over_relaxation(n);
        system.relaxed.extend(system.diagonal.iter().map(|diagonal| relaxation / diagonal));
        Ok(system)
    }

    fn connect(&mut self, i: usize, numbers: &[u32], width: usize) {
        let pixel = self.pixels[i];
        let (y, x, height) = (pixel / width, pixel % width, numbers.len() / width);
        for (slot, (dx, dy, weight)) in NEIGHBORS.into_iter().enumerate() {
            let at = (x.checked_add_signed(dx), y.checked_add_signed(dy));
            let (Some(x), Some(y)) = at else { continue };
            if x >= width || y >= height {
                continue;
            }
            let other = y * width + x;
            self.diagonal[i] += weight;
            match numbers[other] {
                number if number as usize == self.pixels.len() => self.known.push((i, other, weight)),
                number => self.neighbors[i][slot] = number,
            }
        }
    }

    /// Conjugate gradients, from zero.
    fn solve(&self, plane: &[f32]) -> Result<Vec<f64>> {
        let n = self.pixels.len();
        let mut residual = vec![0.0; n + 1];
        self.known.iter().for_each(|&(i, other, weight)| residual[i] += weight * f64::from(plane[other]));
        let (mut solution, mut product) = (vec![0.0; n], vec![0.0; n + 1]);
        let mut scaled = vec![0.0; n + 1];
        let limit = PRECISION * PRECISION * dot(&residual, &residual);
        self.precondition(&residual, &mut scaled);
        let (mut direction, mut slope) = (scaled.clone(), dot(&residual, &scaled));
        for _ in 0..MAX_STEPS {
            if dot(&residual, &residual) <= limit {
                return Ok(solution);
            }
            self.multiply(&direction, &mut product);
            let step = slope / dot(&direction, &product);
            solution.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
            residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= step * p);
            self.precondition(&residual, &mut scaled);
            let next = dot(&residual, &scaled);
            direction.iter_mut().zip(&scaled).for_each(|(d, s)| *d = s + next / slope * *d);
            slope = next;
        }
        bail!(internal, "the imputation of {n} pixels did not converge in {MAX_STEPS} steps; report this")
    }

    fn multiply(&self, x: &[f64], out: &mut [f64]) {
        for (i, neighbors) in self.neighbors.iter().enumerate() {
            let around = weighted(x, &neighbors[..EARLIER]) + weighted(x, &neighbors[EARLIER..]);
            out[i] = self.diagonal[i] * x[i] - around;
        }
    }

    /// Solves (D/w + L) D^-1 (D/w + L^T) z = r, up to a factor that conjugate gradients do not see.
    fn precondition(&self, residual: &[f64], z: &mut [f64]) {
        let n = self.pixels.len();
        z[..n].fill(0.0);
        for i in 0..n {
            let earlier = weighted(z, &self.neighbors[i][..EARLIER]);
            z[i] = (residual[i] + earlier) * self.relaxed[i];
        }
        for i in (0..n).rev() {
            let later = weighted(z, &self.neighbors[i][EARLIER..]);
            z[i] += later * self.relaxed[i];
        }
    }
}

/// Two sides and two corners.
fn weighted(x: &[f64], half: &[u32]) -> f64 {
    SIDE * (x[half[0] as usize] + x[half[1] as usize]) + CORNER * (x[half[2] as usize] + x[half[3] as usize])
}

/// The relaxation for `n` pixels: of the form that is best for a square of theirs, with a constant that was measured on
/// maps of 224 x 224 pixels. It decides the number of steps and nothing else.
fn over_relaxation(n: usize) -> f64 {
    2.0 / (1.0 + 12.0 / (2.0 + (n as f64).sqrt()))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
