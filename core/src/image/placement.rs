//! Which part of a photo a model saw, and where in its input.

/// A rectangle in pixels; it reaches from (x, y) to (x + width, y + height), fractions included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// From the left edge to the right one.
    pub width: f64,
    /// From the upper edge to the lower one.
    pub height: f64,
}

impl Rect {
    /// All of a picture of `size` (height, width).
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

/// The rectangle of the photo and the rectangle of the model's input that show the same scene.
///
/// A squashed photo fills its input and is seen whole; of a cropped one the model sees the centre; a
/// letterboxed one is whole but fills only a part of the input. A map of the input, at its resolution or a
/// layer's, is laid over the photo by this and nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    photo_size: (usize, usize),
    photo_part: Rect,
    input_size: (usize, usize),
    input_part: Rect,
}

impl Placement {
    /// All of a photo of `photo` (height, width) fills all of an input of `input` (height, width): what a
    /// caller who resized the photo without this library most likely did. Sides of 0 count as 1.
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

    /// Where a point (x, y) of the input lies in the photo; outside it for a point of the padding.
    pub fn to_photo(&self, point: (f64, f64)) -> (f64, f64) {
        self.input_part.carry(point, &self.photo_part)
    }

    /// Where a point (x, y) of the photo lies in the input; outside it for what was cropped away.
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
