//! Where in a layer's tensor a patch of the image shows: how a layer of unknown meaning is read.
//!
//! The model runs on an image and on the same image with one patch changed, for several patches. In a tensor of maps, the
//! cells that change most lie where the patch lies; deep in a network they are not the only ones, but they lie
//! elsewhere for each patch. For each form that a tensor of some shape may have, [`Change::agreement`] compares how the change is
//! spread over the cells with how the patches are: their correlation is near 1 for the right form and near 0 for a wrong
//! one, whose cells do not follow the patches.

use super::form::{Channels, Form, Order, Tokens};

/// A rectangle of the image, in parts of its height and width: top, bottom, left, right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Patch(pub(super) [f64; 4]);

/// How many patches are tried.
pub(super) const PATCHES: usize = 3;

/// The least agreement that makes a form certain.
const CERTAIN: f64 = 0.5;
/// The same for maps whose proportions are not about those of the image, as pixels of patches by patches have them.
const CERTAIN_IF_ODD: f64 = 0.8;
/// How far proportions may be from those of the image to be about the same.
const USUAL: f64 = 2.0;
/// How much of the best form's agreement any other may have.
const DISTINCT: f64 = 0.8;
/// The most tokens that belong to no cell which are looked for: a class token, a distillation token, registers.
const MOST_BEFORE: usize = 8;
/// How many of them go with a grid of few cells.
const FEW_BEFORE: usize = 2;
/// From how many cells on a grid may go with registers.
const MANY_CELLS: usize = 36;
/// The fewest rows and columns of a grid of tokens that is told from chance.
const LEAST_SIDE: usize = 3;
/// How much better than the usual forms a rare one must agree to be compared with them.
const RARE: f64 = 1.15;
/// The proportions of square cells, up to rounding.
const SQUARE: f64 = 1.01;
/// How far the proportions of a map may be from those of the image.
const PROPORTIONS: f64 = 4.0;

/// The change of one raw tensor by each patch, summed over its first or its last axis.
pub(super) struct Change {
    shape: Vec<usize>,
    /// For each patch the change of [b, c] or [b] of a tensor [a, b, c] or [a, b].
    first: Vec<Vec<f64>>,
    /// For each patch the change of [a, b] or [a].
    last: Vec<Vec<f64>>,
}

impl Change {
    /// None yet of a tensor whose axes, without the batch, are `shape`: two or three of them.
    pub(super) fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), first: Vec::new(), last: Vec::new() }
    }

    /// The tensor's axes behind the batch.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Adds what the next patch makes of a tensor that was `before`.
    pub(super) fn add(&mut self, before: &[f32], after: &[f32]) {
        let last = self.shape.last().copied().unwrap_or(1).max(1);
        let rest = before.len() / self.shape.first().copied().unwrap_or(1).max(1);
        let mut by_first = vec![0.0; rest];
        let mut by_last = vec![0.0; before.len() / last];
        for (i, (a, b)) in before.iter().zip(after).enumerate() {
            let change = (f64::from(*a) - f64::from(*b)).powi(2);
            by_first[i % rest.max(1)] += change;
            by_last[i / last] += change;
        }
        self.first.push(by_first);
        self.last.push(by_last);
    }

    /// The form whose cells follow the patches, where exactly one does. `image` is (height, width).
    pub(super) fn form(&self, patches: &[Patch], image: (usize, usize)) -> Option<Form> {
        let ranked = |forms: Vec<Form>| {
            let mut ranked: Vec<(f64, Form)> =
                forms.into_iter().map(|form| (self.agreement(&form, patches), form)).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            ranked
        };
        let mut forms = ranked(self.usual(image));
        // A token behind the cells is rare, and a grid that is one token off agrees almost as well.
        let behind = ranked(self.with_tokens_behind(image));
        if behind.first().is_some_and(|rare| forms.first().is_none_or(|usual| rare.0 > RARE * usual.0)) {
            forms.splice(0..0, behind);
        }
        let (best, form) = *forms.first()?;
        let next = forms[1..].iter().fold(0.0f64, |most, (next, _)| most.max(*next));
        let is_odd = form.view(&self.shape).is_some_and(|view| {
            let [_, height, width] = view.shape();
            !is_like(USUAL, (height, width), image)
        });
        let certain = if is_odd { CERTAIN_IF_ODD } else { CERTAIN };
        (best >= certain && next <= DISTINCT * best).then_some(form)
    }

    /// The usual forms of a tensor of this shape, in which no token stands behind the cells.
    fn usual(&self, image: (usize, usize)) -> Vec<Form> {
        let both = [Channels::First, Channels::Last];
        let forms = both.into_iter().flat_map(|channels| match (self.shape.len(), channels) {
            (3, _) => self.maps(channels, image),
            (_, Channels::First) => self.grids(1, channels, image),
            (_, Channels::Last) => self.grids(0, channels, image),
        });
        forms.collect()
    }

    /// The forms of a token tensor of this shape with a token or two behind the cells.
    fn with_tokens_behind(&self, image: (usize, usize)) -> Vec<Form> {
        let [first, last] = self.shape[..] else { return Vec::new() };
        let both = [(first, Channels::Last), (last, Channels::First)];
        let forms = both.into_iter().flat_map(|(count, channels)| {
            let cells = (1..=FEW_BEFORE).filter_map(move |behind| count.checked_sub(behind));
            cells.flat_map(move |cells| grids(cells, 0, SQUARE, image, channels))
        });
        forms.collect()
    }

    /// Maps with rows and columns of their own, in either order, where these have proportions like the image's.
    fn maps(&self, channels: Channels, image: (usize, usize)) -> Vec<Form> {
        let forms = [Order::Rows, Order::Columns].map(|order| Form { channels, order, tokens: None });
        let is_likely = |form: &Form| {
            form.view(&self.shape).is_some_and(|view| {
                let [_, height, width] = view.shape();
                is_like(PROPORTIONS, (height, width), image)
            })
        };
        forms.into_iter().filter(is_likely).collect()
    }

    /// The grids that fill the axis `tokens`.
    fn grids(&self, tokens: usize, channels: Channels, image: (usize, usize)) -> Vec<Form> {
        let count = self.shape[tokens];
        let is_likely = |before: &usize| *before <= FEW_BEFORE || count - before >= MANY_CELLS;
        (0..=MOST_BEFORE.min(count))
            .filter(is_likely)
            // Tokens of no cell go with square cells; without them strides may differ.
            .flat_map(|before| {
                let proportions = if before == 0 { 2.0 } else { SQUARE };
                grids(count - before, before, proportions, image, channels)
            })
            .collect()
    }

    /// How well the cells of `form` follow the patches, at most 1; the lesser of rows and columns.
    fn agreement(&self, form: &Form, patches: &[Patch]) -> f64 {
        let Some(view) = form.view(&self.shape) else { return 0.0 };
        let [channels, height, width] = view.shape();
        let sums = if form.channels == Channels::First { &self.first } else { &self.last };
        // The place of a cell among sums over channels.
        let place = |y, x| match form.channels {
            Channels::First => view.place(0, y, x),
            Channels::Last => view.place(0, y, x) / channels,
        };
        let mut found = [Vec::new(), Vec::new()];
        let mut wanted = [Vec::new(), Vec::new()];
        for (sums, Patch([top, bottom, left, right])) in sums.iter().zip(patches) {
            let row = |y| (0..width).map(|x| sums[place(y, x)]).sum();
            let column = |x| (0..height).map(|y| sums[place(y, x)]).sum();
            found[0].push((0..height).map(row).collect());
            found[1].push((0..width).map(column).collect());
            wanted[0].push(shares(height, *top, *bottom));
            wanted[1].push(shares(width, *left, *right));
        }
        let [rows, columns] = [0, 1].map(|axis| correlation(&found[axis], &wanted[axis]));
        rows.min(columns)
    }
}

/// The grids of so many cells behind `before` tokens, row by row and column by column.
fn grids(
    cells: usize,
    before: usize,
    proportions: f64,
    image: (usize, usize),
    channels: Channels,
) -> Vec<Form> {
    (LEAST_SIDE..=cells / LEAST_SIDE)
        .filter(|height| cells.is_multiple_of(*height))
        .map(|height| (height, cells / height))
        .filter(|grid| is_like(proportions, *grid, image))
        .flat_map(|(height, width)| {
            let tokens = Some(Tokens { before, height, width });
            [Order::Rows, Order::Columns].map(|order| Form { channels, order, tokens })
        })
        .collect()
}

/// Whether a grid's proportions are those of the image, up to a factor.
fn is_like(factor: f64, grid: (usize, usize), image: (usize, usize)) -> bool {
    let proportion = (grid.0 * image.1) as f64 / (grid.1 * image.0) as f64;
    proportion <= factor && proportion >= 1.0 / factor
}

/// How much of each of `n` cells lies between `from` and `to`.
fn shares(n: usize, from: f64, to: f64) -> Vec<f64> {
    let edge = |i: usize| i as f64 / n as f64;
    (0..n).map(|i| (to.min(edge(i + 1)) - from.max(edge(i))).max(0.0)).collect()
}

/// The correlation of two families of distributions, of which only what differs from the family's mean counts.
fn correlation(found: &[Vec<f64>], wanted: &[Vec<f64>]) -> f64 {
    let (found, wanted) = (deviations(found), deviations(wanted));
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let size = (product(&found, &found) * product(&wanted, &wanted)).sqrt();
    if size > 0.0 && size.is_finite() { product(&found, &wanted) / size } else { 0.0 }
}

fn deviations(family: &[Vec<f64>]) -> Vec<f64> {
    let distribution = |values: &Vec<f64>| -> Vec<f64> {
        let sum: f64 = values.iter().sum();
        values.iter().map(|v| if sum > 0.0 { v / sum } else { 0.0 }).collect()
    };
    let all: Vec<Vec<f64>> = family.iter().map(distribution).collect();
    let mean = |i: usize| all.iter().map(|d| d[i]).sum::<f64>() / all.len() as f64;
    all.iter().flat_map(|d| d.iter().enumerate().map(|(i, v)| v - mean(i))).collect()
}
