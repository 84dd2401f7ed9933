//! A photo's file: decoded within limits, set upright, made into a model's input.

use std::io::Cursor;

use scorecam::Reader;
use scorecam_core::image::{Color, Filter, Fit, Preprocess};

use crate::check_refusal;

/// The limit is far below the program's, so that what is allocated beyond it shows as memory: the fuzzer runs
/// with a limit on single allocations that a decoder of photos this large does not need.
const MAX_PIXELS: usize = 1 << 18;

/// What is accepted has the pixels that its size says, within the limit, and makes a finite input.
pub fn check(bytes: &[u8]) -> bool {
    let photo = match Reader::with_max_pixels(MAX_PIXELS).read_photo(Cursor::new(bytes)) {
        Ok(image) => image.into_photo().expect("a photo"),
        Err(error) => return check_refusal(&error),
    };
    let (height, width) = photo.size();
    assert!(height > 0 && width > 0 && height * width <= MAX_PIXELS, "{height} x {width}");
    assert_eq!(photo.pixels().len(), height * width * 3);
    let plans = [
        (Fit::Squash, Color::Rgb, Filter::Bilinear),
        (Fit::CROP, Color::Bgr, Filter::Bicubic),
        (Fit::LETTERBOX, Color::Gray, Filter::Lanczos),
    ];
    let (fit, color, filter) = plans[bytes.len() % plans.len()];
    let plan = Preprocess { size: (8, 12), fit, color, filter, ..Preprocess::default() };
    let prepared = plan.apply(&photo).expect("a photo within the limits becomes an input");
    assert_eq!(prepared.input.shape(), [1, color.channels(), 8, 12]);
    assert!(prepared.input.data().iter().all(|v| (0.0..=1.0).contains(v)), "pixels were 0 to 255");
    let part = prepared.placement.photo_part();
    let inside = |start: f64, length: f64, all: usize| start >= 0.0 && start + length <= all as f64 + 1e-6;
    assert!(inside(part.x, part.width, width) && inside(part.y, part.height, height), "{part:?}");
    true
}
