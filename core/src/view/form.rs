//! [`Meaning`]: the layout of an image's activation maps in a layer's raw tensor.
//!
//! Every layout of networks (channels first or last, tokens before or after their channels, cells row by row or column
//! by column) is an offset and three strides in memory. A [`Form`] names it for users, and a [`MapView`] reads maps
//! from a raw tensor and writes them back, for any form.

use std::fmt;
use std::str::FromStr;

use crate::tensor::room_for;
use crate::{Error, Result, Tensor, TensorView};

/// The meaning of the axes of a layer's tensor, after the batch axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Meaning {
    /// Unknown; trial passes determine it when the model is loaded or the layer is named.
    #[default]
    Unknown,
    /// Not a map of the image, such as attention scores.
    NoMap,
    /// Activation maps.
    Map(Form),
}

/// The layout of activation maps in a raw tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The position of the channel axis.
    pub channels: Channels,
    /// The order of cells.
    pub order: Order,
    /// The grid, if one axis holds all cells; `None` if rows and columns are separate axes.
    pub tokens: Option<Tokens>,
}

/// The position of the channel axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Before the cells: [K, h, w] or [K, T].
    First,
    /// After the cells: [h, w, K] or [T, K].
    Last,
}

/// The order of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Row by row.
    Rows,
    /// Column by column.
    Columns,
}

/// The cells of a token axis: the tokens of a grid, after `before` tokens without a cell (class token, registers).
/// Tokens after the grid have no cell either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens before the first cell.
    pub before: usize,
    /// Rows of the grid.
    pub height: usize,
    /// Columns of the grid.
    pub width: usize,
}

impl Form {
    /// [K, h, w].
    pub const MAPS: Self = Self { channels: Channels::First, order: Order::Rows, tokens: None };
    /// [h, w, K].
    pub const CHANNELS_LAST: Self = Self { channels: Channels::Last, ..Self::MAPS };

    /// Tokens [T, K]: `before` tokens without a cell, then a grid, row by row.
    pub fn tokens(before: usize, height: usize, width: usize) -> Self {
        Self { tokens: Some(Tokens { before, height, width }), ..Self::CHANNELS_LAST }
    }

    /// Channels, rows and columns of the maps in a tensor whose axes, without the batch, are `raw`; a variable axis
    /// stays variable. `None` if the form does not fit.
    pub fn map_shape(&self, raw: &[Option<usize>]) -> Option<[Option<usize>; 3]> {
        let (k, cells) = match (self.channels, raw) {
            (Channels::First, [k, cells @ ..]) | (Channels::Last, [cells @ .., k]) => (*k, cells),
            _ => return None,
        };
        match (self.tokens, cells, self.order) {
            (None, &[h, w], Order::Rows) | (None, &[w, h], Order::Columns) => Some([k, h, w]),
            (Some(tokens), &[t], _) => {
                t.is_none_or(|t| tokens.count() <= t).then_some([k, Some(tokens.height), Some(tokens.width)])
            }
            _ => None,
        }
    }

    /// The view of maps in a tensor whose axes, without the batch, are `raw`; `None` if the form does not fit.
    pub fn view(&self, raw: &[usize]) -> Option<MapView> {
        let free: Vec<Option<usize>> = raw.iter().copied().map(Some).collect();
        let [Some(k), Some(h), Some(w)] = self.map_shape(&free)? else { return None };
        let item: usize = raw.iter().product();
        let cells = item / k.max(1);
        let (channel, cell) = match self.channels {
            Channels::First => (cells, 1),
            Channels::Last => (1, k),
        };
        let (row, column) = match self.order {
            Order::Rows => (w * cell, cell),
            Order::Columns => (cell, h * cell),
        };
        let offset = self.tokens.map_or(0, |tokens| tokens.before * cell);
        Some(MapView { shape: [k, h, w], offset, strides: [channel, row, column], item })
    }
}

impl Tokens {
    fn count(&self) -> usize {
        self.before.saturating_add(self.height.saturating_mul(self.width))
    }
}

/// Where the value of each channel and cell lies among the raw values of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapView {
    /// [K, h, w]
    shape: [usize; 3],
    offset: usize,
    strides: [usize; 3],
    /// Raw values of one image.
    item: usize,
}

impl MapView {
    /// Channels, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Whether raw tensor and maps are the same values in the same order.
    pub fn is_plain(&self) -> bool {
        let [k, h, w] = self.shape;
        self.offset == 0 && self.strides == [h * w, w, 1] && self.item == k * h * w
    }

    /// The places of all values of one image, in the order [K, h, w].
    fn places(&self) -> impl Iterator<Item = usize> {
        let ([k, h, w], [sk, sy, sx], offset) = (self.shape, self.strides, self.offset);
        (0..k).flat_map(move |c| {
            (0..h).flat_map(move |y| (0..w).map(move |x| offset + c * sk + y * sy + x * sx))
        })
    }

    /// The place of cell (`y`, `x`) of channel `c` in the raw values of one image.
    pub(super) fn place(&self, c: usize, y: usize, x: usize) -> usize {
        self.offset + c * self.strides[0] + y * self.strides[1] + x * self.strides[2]
    }

    /// The maps [N, K, h, w] of a raw tensor [N, ...].
    pub fn maps(&self, raw: Tensor) -> Result<Tensor> {
        let n = raw.shape().first().copied().unwrap_or(0);
        let [k, h, w] = self.shape;
        if self.is_plain() {
            return raw.reshape([n, k, h, w]);
        }
        let mut maps = room_for(&[n, k, h, w])?;
        for item in raw.data().chunks_exact(self.item.max(1)) {
            maps.extend(self.places().map(|place| item[place]));
        }
        Tensor::new([n, k, h, w], maps)
    }

    /// Writes maps [N, K, h, w] into a raw tensor [N, ...]; values that belong to no cell stay.
    pub fn put_back(&self, maps: TensorView<'_>, raw: &mut Tensor) {
        let length: usize = self.shape.iter().product();
        let items = raw.data_mut().chunks_exact_mut(self.item.max(1));
        for (item, maps) in items.zip(maps.data().chunks_exact(length.max(1))) {
            self.places().zip(maps).for_each(|(place, &value)| item[place] = value);
        }
    }

    /// Whether each raw value belongs to a cell.
    pub fn is_whole(&self) -> bool {
        self.item == self.shape.iter().product()
    }
}

/// The words of `--layer-grid` and of `model.layer_grid` in a manifest.
impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "layer grid {text:?} is unknown; give nchw, nhwc, ncwh, nwhc, or tokens=BEFORE+ROWSxCOLUMNS, such \
                 as tokens=1+14x14, followed by :channels-first or :columns-first if that applies"
            ))
        };
        let Some(grid) = text.strip_prefix("tokens=") else {
            return match text {
                "nchw" => Ok(Self::MAPS),
                "nhwc" => Ok(Self::CHANNELS_LAST),
                "ncwh" => Ok(Self { order: Order::Columns, ..Self::MAPS }),
                "nwhc" => Ok(Self { order: Order::Columns, ..Self::CHANNELS_LAST }),
                _ => Err(wrong()),
            };
        };
        let mut parts = grid.split(':');
        let grid = parts.next().unwrap_or_default();
        let (before, grid) = grid.split_once('+').unwrap_or(("0", grid));
        let (height, width) = grid.split_once('x').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let mut form = Self::tokens(number(before)?, number(height)?, number(width)?);
        if form.tokens.is_some_and(|t| t.height == 0 || t.width == 0) {
            return Err(wrong());
        }
        for part in parts {
            match part {
                "channels-first" => form.channels = Channels::First,
                "columns-first" => form.order = Order::Columns,
                _ => return Err(wrong()),
            }
        }
        Ok(form)
    }
}

/// The words that [`Form::from_str`] takes.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Tokens { before, height, width }) = self.tokens else {
            return f.write_str(match (self.channels, self.order) {
                (Channels::First, Order::Rows) => "nchw",
                (Channels::Last, Order::Rows) => "nhwc",
                (Channels::First, Order::Columns) => "ncwh",
                (Channels::Last, Order::Columns) => "nwhc",
            });
        };
        write!(f, "tokens={before}+{height}x{width}")?;
        if self.channels == Channels::First {
            f.write_str(":channels-first")?;
        }
        if self.order == Order::Columns {
            f.write_str(":columns-first")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images whose raw values are their places.
    fn raw(shape: &[usize]) -> Tensor {
        let length: usize = shape.iter().product();
        let shape = [&[2], shape].concat();
        Tensor::new(shape, (0..2 * length).map(|i| i as f32).collect()).expect("a tensor")
    }

    #[test]
    fn maps_are_read_from_every_form_and_put_back() {
        let check = |form: &str, shape: &[usize], maps: [usize; 3], second_cell: f32, second_row: f32| {
            let form: Form = form.parse().expect(form);
            let view = form.view(shape).expect("it fits");
            assert_eq!(view.shape(), maps);
            let found = view.maps(raw(shape)).expect("maps");
            assert_eq!((found.data()[1], found.data()[maps[2]]), (second_cell, second_row), "{form}");
            let mut back = raw(shape);
            let negated: Vec<f32> = found.data().iter().map(|v| -v).collect();
            view.put_back(TensorView::new(found.shape(), &negated).expect("maps"), &mut back);
            assert_eq!(view.maps(back).expect("maps").data(), negated);
        };
        check("nchw", &[2, 3, 4], [2, 3, 4], 1.0, 4.0);
        check("nhwc", &[3, 4, 2], [2, 3, 4], 2.0, 8.0);
        check("ncwh", &[2, 4, 3], [2, 3, 4], 3.0, 1.0);
        check("nwhc", &[4, 3, 2], [2, 3, 4], 6.0, 2.0);
        check("tokens=1+2x3", &[7, 5], [5, 2, 3], 10.0, 20.0);
        check("tokens=2x3", &[9, 5], [5, 2, 3], 5.0, 15.0);
        check("tokens=1+2x3:channels-first", &[5, 7], [5, 2, 3], 2.0, 4.0);
        check("tokens=1+2x3:columns-first", &[7, 5], [5, 2, 3], 15.0, 10.0);
    }

    #[test]
    fn a_form_that_does_not_fit_has_no_view() {
        for (form, shape) in
            [("tokens=1+14x14", &[196, 8][..]), ("nchw", &[197, 8]), ("tokens=2x2", &[2, 2, 3])]
        {
            assert_eq!(form.parse::<Form>().expect(form).view(shape), None, "{form}");
        }
    }

    #[test]
    fn forms_are_written_as_they_are_read() {
        for text in
            ["nchw", "nhwc", "ncwh", "nwhc", "tokens=1+14x14", "tokens=0+7x7:channels-first:columns-first"]
        {
            assert_eq!(text.parse::<Form>().expect(text).to_string(), text);
        }
        for text in ["", "chw", "tokens", "tokens=14", "tokens=0x7", "tokens=1+2x2:x", "tokens=-1+2x2"] {
            let error = text.parse::<Form>().expect_err(text).to_string();
            assert!(error.contains("tokens=1+14x14"), "{error}");
        }
    }
}
