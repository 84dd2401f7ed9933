//! Noisy linear imputation without the noise: removed pixels as the weighted means of their neighbors, all at once
//! (Rong et al., 2022).
//!
//! Per channel that is one linear system over the removed pixels, a Laplacian of eight neighbors. It is symmetric, and
//! positive definite as soon as one pixel remains, so conjugate gradients solve it; symmetric over-relaxation
//! preconditions them, which takes 50 to 200 steps at 224 x 224 pixels and no memory beside the vectors. The channels share
//! the steps.

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

/// Channels that are solved for together: each step waits for the one before it, so that four cost little more than one.
const LANES: usize = 4;
/// A number of each channel.
type Lanes = [f64; LANES];
const ZERO: Lanes = [0.0; LANES];

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
    for planes in out.data_mut().chunks_mut(LANES * removed.len().max(1)) {
        let solution = system.solve(planes, removed.len())?;
        for (lane, plane) in planes.chunks_exact_mut(removed.len().max(1)).enumerate() {
            system
                .pixels
                .iter()
                .zip(&solution)
                .for_each(|(&pixel, values)| plane[pixel] = values[lane] as f32);
        }
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

    /// Conjugate gradients, from zero, for up to [`LANES`] planes of `length` pixels.
    fn solve(&self, planes: &[f32], length: usize) -> Result<Vec<Lanes>> {
        let n = self.pixels.len();
        let mut residual = vec![ZERO; n + 1];
        for (lane, plane) in planes.chunks_exact(length.max(1)).enumerate() {
            let known = self.known.iter();
            known.for_each(|&(i, other, weight)| residual[i][lane] += weight * f64::from(plane[other]));
        }
        let (mut solution, mut product) = (vec![ZERO; n], vec![ZERO; n + 1]);
        let mut scaled = vec![ZERO; n + 1];
        let limit = dot(&residual, &residual).map(|square| PRECISION * PRECISION * square);
        self.precondition(&residual, &mut scaled);
        let (mut direction, mut slope) = (scaled.clone(), dot(&residual, &scaled));
        for _ in 0..MAX_STEPS {
            let left = dot(&residual, &residual);
            // A plane that is done stays as it is, so that it does not depend on the others.
            let is_open: [bool; LANES] = std::array::from_fn(|lane| left[lane] > limit[lane]);
            if !is_open.contains(&true) {
                return Ok(solution);
            }
            let of_open = |a: &Lanes, b: &Lanes| -> Lanes {
                std::array::from_fn(|lane| if is_open[lane] { a[lane] / b[lane] } else { 0.0 })
            };
            self.multiply(&direction, &mut product);
            let step = of_open(&slope, &dot(&direction, &product));
            add_scaled(&mut solution, &step, &direction);
            add_scaled(&mut residual, &step.map(|step| -step), &product);
            self.precondition(&residual, &mut scaled);
            let next = dot(&residual, &scaled);
            let turn = of_open(&next, &slope);
            for (d, s) in direction.iter_mut().zip(&scaled) {
                *d = std::array::from_fn(|lane| s[lane] + turn[lane] * d[lane]);
            }
            slope = next;
        }
        bail!(internal, "the imputation of {n} pixels did not converge in {MAX_STEPS} steps; report this")
    }

    fn multiply(&self, x: &[Lanes], out: &mut [Lanes]) {
        for (i, neighbors) in self.neighbors.iter().enumerate() {
            let (earlier, later) = (weighted(x, &neighbors[..EARLIER]), weighted(x, &neighbors[EARLIER..]));
            let diagonal = self.diagonal[i];
            out[i] = std::array::from_fn(|lane| diagonal * x[i][lane] - (earlier[lane] + later[lane]));
        }
    }

    /// Solves (D/w + L) D^-1 (D/w + L^T) z = r, up to a factor that conjugate gradients do not see.
    fn precondition(&self, residual: &[Lanes], z: &mut [Lanes]) {
        let n = self.pixels.len();
        z[..n].fill(ZERO);
        for i in 0..n {
            let earlier = weighted(z, &self.neighbors[i][..EARLIER]);
            let relaxed = self.relaxed[i];
            z[i] = std::array::from_fn(|lane| (residual[i][lane] + earlier[lane]) * relaxed);
        }
        for i in (0..n).rev() {
            let later = weighted(z, &self.neighbors[i][EARLIER..]);
            let relaxed = self.relaxed[i];
            z[i] = std::array::from_fn(|lane| z[i][lane] + later[lane] * relaxed);
        }
    }
}

/// Two sides and two corners.
fn weighted(x: &[Lanes], half: &[u32]) -> Lanes {
    let [a, b, c, d] = [0, 1, 2, 3].map(|neighbor| &x[half[neighbor] as usize]);
    std::array::from_fn(|lane| SIDE * (a[lane] + b[lane]) + CORNER * (c[lane] + d[lane]))
}

/// The relaxation for `n` pixels: of the form that is best for a square of theirs, with a constant that was measured on
/// maps of 224 x 224 pixels. It decides the number of steps and nothing else.
fn over_relaxation(n: usize) -> f64 {
    2.0 / (1.0 + 12.0 / (2.0 + (n as f64).sqrt()))
}

fn dot(a: &[Lanes], b: &[Lanes]) -> Lanes {
    a.iter().zip(b).fold(ZERO, |sum, (a, b)| std::array::from_fn(|lane| sum[lane] + a[lane] * b[lane]))
}

fn add_scaled(to: &mut [Lanes], factor: &Lanes, of: &[Lanes]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to = std::array::from_fn(|lane| to[lane] + factor[lane] * of[lane]);
    }
}
