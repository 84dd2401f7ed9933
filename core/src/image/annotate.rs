//! Boxes and labels on a picture: the target of a map.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};

use super::{Photo, Rect};

/// The size of a letter in pixels; letters are square.
const LETTER: usize = 8;
/// Sides of a picture in one pixel of a line or a letter.
const FINE: usize = 250;

impl Photo {
    /// The picture with `rect`, in its own pixels, outlined in white on black, and `words` at its upper left corner.
    /// Parts outside the picture are not drawn; letters that the built-in font (Latin) lacks become question marks.
    ///
    /// ```
    /// use scorecam_core::image::{Photo, Rect};
    ///
    /// let gray = Photo::from_rgb8((40, 40), vec![128; 40 * 40 * 3])?;
    /// let marked = gray.boxed(&Rect { x: 10.0, y: 20.0, width: 20.0, height: 10.0 }, "cat");
    /// assert_ne!(marked.pixels()[(20 * 40 + 10) * 3], 128);
    /// # Ok::<(), scorecam_core::Error>(())
    /// ```
    pub fn boxed(mut self, rect: &Rect, words: &str) -> Self {
        let fine = (self.width().min(self.height()) / FINE).max(1);
        let [left, top] = [rect.x, rect.y].map(|at| at.round() as isize);
        let [right, bottom] = [rect.x + rect.width, rect.y + rect.height].map(|at| at.round() as isize);
        let line = fine as isize;
        for (grown, color) in [(2 * line, 0), (line, 255), (0, 0)] {
            self.frame([left - grown, top - grown, right + grown, bottom + grown], line, color);
        }
        self.write(words, (left - 2 * line, top - 2 * line), fine);
        self
    }

    /// The picture with a region's border in white, and `words` in its upper left corner; `inside` receives x and y of
    /// a pixel's center.
    pub fn outlined(mut self, inside: impl Fn((f64, f64)) -> bool, words: &str) -> Self {
        let fine = (self.width().min(self.height()) / FINE).max(1);
        let (height, width) = self.size();
        let at = |x: usize, y: usize| inside((x as f64 + 0.5, y as f64 + 0.5));
        for y in 0..height {
            for x in 0..width {
                let own = at(x, y);
                let ends = |x: usize, y: usize| x < width && y < height && at(x, y) != own;
                if ends(x + fine, y) || ends(x, y + fine) {
                    self.pixels[(y * width + x) * 3..][..3].fill(255);
                }
            }
        }
        self.write(words, (0, 0), fine);
        self
    }

    /// Draws the sides of a rectangle `[left, top, right, bottom]`, inward from its edges.
    fn frame(&mut self, [left, top, right, bottom]: [isize; 4], line: isize, color: u8) {
        self.fill([left, top, right, top + line], color);
        self.fill([left, bottom - line, right, bottom], color);
        self.fill([left, top, left + line, bottom], color);
        self.fill([right - line, top, right, bottom], color);
    }

    fn fill(&mut self, [left, top, right, bottom]: [isize; 4], color: u8) {
        let (height, width) = self.size();
        let within = |at: isize, side: usize| at.clamp(0, side as isize) as usize;
        let (left, right) = (within(left, width), within(right, width));
        for y in within(top, height)..within(bottom, height) {
            if left < right {
                self.pixels[(y * width + left) * 3..(y * width + right) * 3].fill(color);
            }
        }
    }

    /// White words on black, above `at` where there is room, else below it.
    fn write(&mut self, words: &str, (left, bottom): (isize, isize), fine: usize) {
        if words.is_empty() {
            return;
        }
        let (step, border) = ((LETTER * fine) as isize, fine as isize);
        let height = step + 2 * border;
        let top = if bottom >= height { bottom - height } else { bottom.max(0) };
        let room = (self.width() as isize / step).max(1) as usize;
        let words: Vec<char> = words.chars().take(room).collect();
        let width = words.len() as isize * step + 2 * border;
        let left = left.min(self.width() as isize - width).max(0);
        self.fill([left, top, left + width, top + height], 0);
        for (i, letter) in (0..).zip(words) {
            let known = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter));
            for (row, bits) in (0..).zip(known.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()) {
                for column in (0..LETTER as isize).filter(|column| bits >> column & 1 == 1) {
                    let (x, y) = (left + border + i * step + column * border, top + border + row * border);
                    self.fill([x, y, x + border, y + border], 255);
                }
            }
        }
    }
}
