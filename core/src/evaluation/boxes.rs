//! Boxes of a map, and their overlap with ground-truth boxes.

use crate::evaluation::SaliencyMap;
use crate::image::Placement;

/// A box in pixels, half-open: pixel (x, y) lies inside if its center (x + 0.5, y + 0.5) does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// The left edge.
    pub x0: f64,
    /// The upper edge.
    pub y0: f64,
    /// The right edge.
    pub x1: f64,
    /// The lower edge.
    pub y1: f64,
}

impl From<[f64; 4]> for BoundingBox {
    /// From x0, y0, x1, y1.
    fn from([x0, y0, x1, y1]: [f64; 4]) -> Self {
        Self { x0, y0, x1, y1 }
    }
}

impl From<BoundingBox> for [f64; 4] {
    fn from(bounds: BoundingBox) -> Self {
        [bounds.x0, bounds.y0, bounds.x1, bounds.y1]
    }
}

impl BoundingBox {
    /// The area in pixels; 0 for a box with swapped edges.
    pub fn area(&self) -> f64 {
        (self.x1 - self.x0).max(0.0) * (self.y1 - self.y0).max(0.0)
    }

    /// Whether a point (x, y) lies inside; points on the right and lower edges do not.
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        self.x0 <= x && x < self.x1 && self.y0 <= y && y < self.y1
    }

    /// Intersection over union, 0..1; 0 if the union is empty.
    pub fn iou(&self, other: &Self) -> f64 {
        let both = Self {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        let both = both.area();
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }

    /// Converts a box from the model's input to the photo, clipped to the photo; empty if it lies in the padding.
    pub fn to_photo(&self, placement: &Placement) -> Self {
        self.carried(|point| placement.to_photo(point), placement.photo_size())
    }

    /// Converts a box from the photo to the model's input, clipped to the input; empty if it was cropped away.
    pub fn to_input(&self, placement: &Placement) -> Self {
        self.carried(|point| placement.to_input(point), placement.input_size())
    }

    fn carried(&self, carry: impl Fn((f64, f64)) -> (f64, f64), (height, width): (usize, usize)) -> Self {
        let ((x0, y0), (x1, y1)) = (carry((self.x0, self.y0)), carry((self.x1, self.y1)));
        Self { x0: x0.max(0.0), y0: y0.max(0.0), x1: x1.min(width as f64), y1: y1.min(height as f64) }
    }
}

/// The greatest IoU of any found box with any ground-truth box, 0..1; 0 if there are none of either.
pub fn best_iou(found: &[BoundingBox], truth: &[BoundingBox]) -> f64 {
    found.iter().flat_map(|a| truth.iter().map(|b| a.iou(b))).fold(0.0, f64::max)
}

/// The comparison of a pixel with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Above {
    /// At least the threshold.
    #[default]
    AtLeast,
    /// More than the threshold.
    Strictly,
    /// `floor(255 m) > int(threshold * max)`, the maximum being of `floor(255 m)`: for maps of 0..1, as in
    /// clovaai/wsolevaluation.
    Quantized,
}

named!(Above of "comparison": AtLeast = "at-least", Strictly = "strictly", Quantized = "quantized");

/// The connected areas that become boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Areas {
    /// The one with the most pixels; of equally large ones, the first in reading order.
    #[default]
    Largest,
    /// All, the largest first.
    All,
}

named!(Areas of "areas": Largest = "largest", All = "all");

/// The options that turn a map into boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxOptions {
    /// The share of the map's maximum above which a pixel counts: 0.15 in Grad-CAM, 0.2 in CAM.
    pub threshold: f64,
    /// The comparison of a pixel with it.
    pub above: Above,
    /// The connected areas that become boxes.
    pub areas: Areas,
}

impl Default for BoxOptions {
    fn default() -> Self {
        Self { threshold: 0.15, above: Above::AtLeast, areas: Areas::Largest }
    }
}

/// The boxes around the 8-connected areas of a map's highest pixels (Zhou et al., 2016). Empty without a positive
/// value. Normalize a map that has negative values first: thresholds are shares of the maximum.
pub fn boxes(map: &SaliencyMap, options: BoxOptions) -> Vec<BoundingBox> {
    let mut areas = areas(&above(map, options), map.size().1);
    // A stable sort: equal areas stay in the order of their first pixels.
    areas.sort_by_key(|area| std::cmp::Reverse(area.pixels));
    if options.areas == Areas::Largest {
        areas.truncate(1);
    }
    areas.iter().map(|area| area.bounds()).collect()
}

fn above(map: &SaliencyMap, options: BoxOptions) -> Vec<bool> {
    let (values, max) = (map.values(), map.max());
    let limit = options.threshold * max;
    match options.above {
        Above::Quantized => {
            let limit = (options.threshold * (255.0 * max).floor()).trunc();
            values.iter().map(|v| (255.0 * v).floor() > limit).collect()
        }
        _ if max <= 0.0 => vec![false; values.len()],
        Above::AtLeast => values.iter().map(|&v| v >= limit).collect(),
        Above::Strictly => values.iter().map(|&v| v > limit).collect(),
    }
}

/// A connected area: its pixels, and its first and last row and column.
struct Area {
    pixels: usize,
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Area {
    fn bounds(&self) -> BoundingBox {
        let [x0, y0] = [self.columns.0, self.rows.0].map(|first| first as f64);
        let [x1, y1] = [self.columns.1, self.rows.1].map(|last| (last + 1) as f64);
        BoundingBox { x0, y0, x1, y1 }
    }
}

/// The 8-connected areas, in the order of their first pixels.
fn areas(above: &[bool], width: usize) -> Vec<Area> {
    let (mut left, mut found) = (above.to_vec(), Vec::new());
    for first in 0..left.len() {
        if std::mem::take(&mut left[first]) {
            found.push(flood(&mut left, width, first));
        }
    }
    found
}

/// The area of a pixel; what belongs to it is taken out of `left`.
fn flood(left: &mut [bool], width: usize, first: usize) -> Area {
    let height = left.len() / width;
    let (y, x) = (first / width, first % width);
    let mut area = Area { pixels: 0, rows: (y, y), columns: (x, x) };
    let mut waiting = vec![(y, x)];
    while let Some((y, x)) = waiting.pop() {
        area.pixels += 1;
        area.rows = (area.rows.0.min(y), area.rows.1.max(y));
        area.columns = (area.columns.0.min(x), area.columns.1.max(x));
        for y in y.saturating_sub(1)..(y + 2).min(height) {
            for x in x.saturating_sub(1)..(x + 2).min(width) {
                if std::mem::take(&mut left[y * width + x]) {
                    waiting.push((y, x));
                }
            }
        }
    }
    area
}
