//! Samples of more than 8 bits, and their values of black and white.
//!
//! Cameras and microscopes store 10, 12 or 14 bits unscaled in 16-bit files, and most files do not record that. Read as
//! 16 bits, such a photo is nearly black, and its map would explain another picture. A range corrects this, and a photo
//! that uses only the lowest values gets a warning that names the range.

use std::str::FromStr;

/// The sample values of black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    low: f32,
    high: f32,
}

impl FromStr for Range {
    type Err = String;

    /// `LOW..HIGH`, such as `0..4095`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = text.split_once("..").and_then(|(low, high)| {
            let (low, high) = (low.trim().parse::<f32>().ok()?, high.trim().parse::<f32>().ok()?);
            (low.is_finite() && high.is_finite() && low < high).then_some(Self { low, high })
        });
        bounds.ok_or_else(|| "give two numbers, the lower one first, such as 0..4095".into())
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

impl Range {
    /// A sample's position in the range, 0 to 1.
    fn share(self, sample: f32) -> f32 {
        ((sample - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Maps 16-bit samples to 256 levels, spread over 0 to 65535.
    pub(super) fn spread_u16(self, samples: &mut [u16]) {
        for sample in samples {
            *sample = (self.share(f32::from(*sample)) * 255.0).round() as u16 * 257;
        }
    }

    /// Maps f32 samples to 0 to 1; NaN stays.
    pub(super) fn spread_f32(self, samples: &mut [f32]) {
        samples.iter_mut().for_each(|sample| *sample = self.share(*sample));
    }
}

/// The warning for a 16-bit photo that uses only the lowest values, alpha excluded; none for a black one.
pub(super) fn narrow_warning(brightest: u16) -> Option<String> {
    let bits = [8, 10, 12].into_iter().find(|bits| u32::from(brightest) < 1 << bits)?;
    let white = (1 << bits) - 1;
    (brightest > 0).then(|| {
        format!(
            "no sample of this 16-bit photo exceeds {white}, so it is nearly black; if it holds {bits}-bit data, \
             give --range 0..{white}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_in_order() {
        for text in ["0..4095", " 16 .. 235.5", "-1..1"] {
            assert!(text.parse::<Range>().is_ok(), "{text}");
        }
        for text in ["", "4095", "0..", "..1", "1..1", "2..1", "0..inf", "NaN..1", "0...5..1"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        assert_eq!("0..4095".parse::<Range>().expect("a range").to_string(), "0..4095");
    }

    #[test]
    fn a_range_reaches_from_black_to_white() {
        let range: Range = "100..4095".parse().expect("a range");
        let mut samples = [0, 100, 4095, 65535, 2098];
        range.spread_u16(&mut samples);
        assert_eq!(samples, [0, 0, 65535, 65535, 128 * 257]);
        let mut samples = [50.0, 4095.0, 5000.0];
        range.spread_f32(&mut samples);
        assert_eq!(samples, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_photo_of_few_values_is_warned_of() {
        let check = |brightest: u16, expected: Option<&str>| {
            let found = narrow_warning(brightest);
            assert_eq!(found.is_some(), expected.is_some(), "{brightest}: {found:?}");
            assert!(found.unwrap_or_default().ends_with(expected.unwrap_or_default()), "{brightest}");
        };
        check(0, None);
        check(255, Some("--range 0..255"));
        check(1000, Some("--range 0..1023"));
        check(4095, Some("--range 0..4095"));
        check(4096, None);
        check(65535, None);
    }
}
