//! The part of a photo that a model saw, and its place in the input.

/// A rectangle in pixels, from (x, y) to (x + width, y + height); fractions are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

impl Rect {
    /// The whole of a picture of `size` (height, width).
    fn whole(size: (usize, usize)) -> Self {
        Self { x: 0.0, y: 0.0, width: size.1 as f64, height: size.0 as f64 }
    }

    /// What lies at `p` of this rectangle is at the result of `other`.
    fn carry(&self, (x, y): (f64, f64), other: &Rect) -> (f64, f64) {
        (
            other.x + (x - self.x) / self.width * other.width,
            other.y + (y - self.y) / self.height * other.height,
        )
    }
}

/// Corresponding rectangles of the photo and of the model's input.
///
/// A squashed photo fills the input and is seen completely; of a cropped photo the model sees the center; a letterboxed
/// photo is seen completely but fills only a part of the input. This is all that is needed to draw a map of the input,
/// at its resolution or a layer's, over the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    photo_size: (usize, usize),
    photo_part: Rect,
    input_size: (usize, usize),
    input_part: Rect,
}

impl Placement {
    /// The whole photo of size `photo` (height, width) fills the whole input of size `input` (height, width): the
    /// likely choice of a caller who resized the photo without this library. Sides of 0 count as 1.
    pub fn whole(photo: (usize, usize), input: (usize, usize)) -> Self {
        let [photo, input] = [photo, input].map(|(height, width)| (height.max(1), width.max(1)));
        let (photo_part, input_part) = (Rect::whole(photo), Rect::whole(input));
        Self { photo_size: photo, photo_part, input_size: input, input_part }
    }

    /// Height and width of the photo.
    pub fn photo_size(&self) -> (usize, usize) {
        self.photo_size
    }

    /// The part of the photo that the model saw, in pixels of the photo.
    pub fn photo_part(&self) -> Rect {
        self.photo_part
    }

    /// Height and width of the model's input.
    pub fn input_size(&self) -> (usize, usize) {
        self.input_size
    }

    /// The part of the model's input that shows the photo, in pixels of the input; the rest is padding.
    pub fn input_part(&self) -> Rect {
        self.input_part
    }

    /// The position in the photo of a point (x, y) of the input; outside the photo for a point in the padding.
    pub fn to_photo(&self, point: (f64, f64)) -> (f64, f64) {
        self.input_part.carry(point, &self.photo_part)
    }

    /// The position in the input of a point (x, y) of the photo; outside the input for points that were cropped.
    pub fn to_input(&self, point: (f64, f64)) -> (f64, f64) {
        self.photo_part.carry(point, &self.input_part)
    }

    /// The model saw `part` of the photo, in all of its input.
    pub(super) fn cropped(photo: (usize, usize), part: Rect, input: (usize, usize)) -> Self {
        Self { photo_part: part, ..Self::whole(photo, input) }
    }

    /// The model saw all of the photo, in `part` of its input.
    pub(super) fn padded(photo: (usize, usize), input: (usize, usize), part: Rect) -> Self {
        Self { input_part: part, ..Self::whole(photo, input) }
    }
}
