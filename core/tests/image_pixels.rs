//! What callers hand in: every format, layout, stride and orientation, and what is refused.

use proptest::prelude::*;
use scorecam_core::image::{Photo, PixelBuffer, PixelFormat, PixelLayout, Samples};

use PixelFormat::{Bgr, Bgra, Gray, GrayAlpha, Rgb, Rgba};

const PLANAR: PixelLayout = PixelLayout::Planar;

fn packed(data: &[u8], size: (usize, usize), format: PixelFormat) -> PixelBuffer<'_> {
    PixelBuffer::packed(Samples::U8(data), size, format)
}

fn check(buffer: PixelBuffer<'_>, size: (usize, usize), expected: &[u8]) {
    let photo = Photo::from_pixels(&buffer).unwrap();
    assert_eq!((photo.size(), photo.pixels()), (size, expected), "{buffer:?}");
}

fn check_refused(buffer: PixelBuffer<'_>, expected: &str) {
    let error = Photo::from_pixels(&buffer).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    assert!(!error.contains('\n') && !error.ends_with('.'), "{error:?}");
}

#[test]
fn every_format_becomes_rgb() {
    check(packed(&[7, 9], (1, 2), Gray), (1, 2), &[7, 7, 7, 9, 9, 9]);
    check(packed(&[7, 0, 9, 255], (2, 1), GrayAlpha), (2, 1), &[7, 7, 7, 9, 9, 9]);
    check(packed(&[1, 2, 3, 4, 5, 6], (1, 2), Rgb), (1, 2), &[1, 2, 3, 4, 5, 6]);
    check(packed(&[1, 2, 3, 4, 5, 6], (1, 2), Bgr), (1, 2), &[3, 2, 1, 6, 5, 4]);
    check(packed(&[1, 2, 3, 0, 4, 5, 6, 128], (1, 2), Rgba), (1, 2), &[1, 2, 3, 4, 5, 6]);
    check(packed(&[1, 2, 3, 0, 4, 5, 6, 128], (1, 2), Bgra), (1, 2), &[3, 2, 1, 6, 5, 4]);
}

#[test]
fn planes_are_read_like_interleaved_pixels() {
    let planes = [1, 4, 2, 5, 3, 6, 90, 91];
    let planar = |format| PixelBuffer { layout: PLANAR, ..packed(&planes, (1, 2), format) };
    check(planar(Rgb), (1, 2), &[1, 2, 3, 4, 5, 6]);
    check(planar(Bgr), (1, 2), &[3, 2, 1, 6, 5, 4]);
    check(planar(Rgba), (1, 2), &[1, 2, 3, 4, 5, 6]);
    check(planar(Gray), (1, 2), &[1, 1, 1, 4, 4, 4]);
    // Gaps after each row and each plane.
    let gaps = [1, 0, 2, 0, 9, 3, 0, 4, 0, 9, 5, 0, 6];
    let strided = PixelBuffer { row_stride: 2, plane_stride: 5, ..packed(&gaps, (2, 1), Rgb) };
    check(PixelBuffer { layout: PLANAR, ..strided }, (2, 1), &[1, 3, 5, 2, 4, 6]);
    // Channels that alternate row by row: the planes interlock.
    let rows = [1, 2, 3, 4, 5, 6];
    let by_line = PixelBuffer { row_stride: 3, plane_stride: 1, ..packed(&rows, (2, 1), Rgb) };
    check(PixelBuffer { layout: PLANAR, ..by_line }, (2, 1), &[1, 2, 3, 4, 5, 6]);
}

#[test]
fn row_gaps_are_skipped_and_the_last_row_needs_none() {
    let data = [1, 2, 3, 99, 4, 5, 6];
    check(PixelBuffer { row_stride: 4, ..packed(&data, (2, 1), Rgb) }, (2, 1), &[1, 2, 3, 4, 5, 6]);
    let words = [0u16, 99, 65535];
    let buffer = PixelBuffer::packed(Samples::U16(&words), (2, 1), Gray);
    check(PixelBuffer { row_stride: 4, ..buffer }, (2, 1), &[0, 0, 0, 255, 255, 255]);
}

#[test]
fn sixteen_bits_and_floats_become_the_nearest_level() {
    let words = [0u16, 128, 129, 257, 65406, 65407, 65535];
    let expected = [0, 0, 1, 1, 254, 255, 255].map(|v| [v; 3]);
    check(PixelBuffer::packed(Samples::U16(&words), (1, 7), Gray), (1, 7), expected.as_flattened());
    let floats = [0.0f32, -0.0, 0.25, 0.5, 1.0, 1.001, -0.001];
    let expected = [0, 0, 64, 128, 255, 255, 0].map(|v| [v; 3]);
    check(PixelBuffer::packed(Samples::F32(&floats), (1, 7), Gray), (1, 7), expected.as_flattened());
}

#[test]
fn all_eight_orientations_are_turned_upright() {
    // a b c
    // d e f
    let pixels = |text: &[u8]| text.iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>();
    let rows: [(u8, (usize, usize), &[u8]); 8] = [
        (1, (2, 3), b"abcdef"),
        (2, (2, 3), b"cbafed"),
        (3, (2, 3), b"fedcba"),
        (4, (2, 3), b"defabc"),
        (5, (3, 2), b"adbecf"),
        (6, (3, 2), b"daebfc"),
        (7, (3, 2), b"fcebda"),
        (8, (3, 2), b"cfbead"),
    ];
    for (orientation, size, expected) in rows {
        let buffer = PixelBuffer { orientation, ..packed(b"abcdef", (2, 3), Gray) };
        check(buffer, size, &pixels(expected));
        check(PixelBuffer { orientation, ..packed(b"a", (1, 1), Gray) }, (1, 1), b"aaa");
    }
}

#[test]
fn a_turned_photo_larger_than_a_block_is_whole() {
    let (height, width) = (130, 71);
    let data: Vec<u8> = (0..height * width).map(|i| (i * 7 % 251) as u8).collect();
    let turned = PixelBuffer { orientation: 6, ..packed(&data, (height, width), Gray) };
    let expected: Vec<u8> =
        (0..height * width).flat_map(|i| [data[(height - 1 - i % height) * width + i / height]; 3]).collect();
    check(turned, (width, height), &expected);
}

#[test]
fn sizes_and_strides_that_lead_out_of_the_data_are_refused() {
    let data = [0; 12];
    let whole = packed(&data, (2, 2), Rgb);
    check_refused(packed(&data, (0, 4), Rgb), "photo of 4x0 pixels; each side must be 1 to 65535");
    check_refused(packed(&data, (1, 65536), Rgb), "photo of 65536x1 pixels");
    check_refused(packed(&data, (30000, 20000), Rgb), "has 600000000 pixels; at most 536870912 are allowed");
    check_refused(packed(&data, (20000, 20000), Rgb), "needs 1200000000 bytes; the buffer has 12 bytes");
    check_refused(packed(&data[..11], (2, 2), Rgb), "needs 12 bytes; the buffer has 11 bytes");
    check_refused(packed(&[], (1, 1), Gray), "needs 1 bytes; the buffer has 0 bytes");
    check_refused(PixelBuffer { row_stride: 7, ..whole }, "needs 13 bytes; the buffer has 12 bytes");
    check_refused(PixelBuffer { row_stride: 5, ..whole }, "row stride of 5 bytes is less than a row's 6");
    check_refused(PixelBuffer { row_stride: usize::MAX, ..whole }, "needs more than memory can hold");
    check_refused(
        PixelBuffer { row_stride: usize::MAX / 3 + 7, layout: PLANAR, ..whole },
        "more than memory",
    );
    let plane = |plane_stride| PixelBuffer { layout: PLANAR, plane_stride, ..whole };
    check_refused(plane(usize::MAX), "needs more than memory can hold");
    check_refused(plane(usize::MAX / 2), "needs more than memory can hold");
    check_refused(plane(1), "plane stride of 1 bytes is less than a row's 2 bytes");
    check_refused(plane(5), "needs 14 bytes; the buffer has 12 bytes");
    check_refused(PixelBuffer { orientation: 0, ..whole }, "orientation 0");
    check_refused(PixelBuffer { orientation: 9, ..whole }, "give 1 (upright) to 8");
    let words = PixelBuffer { row_stride: 13, ..PixelBuffer::packed(Samples::U16(&[0; 12]), (2, 2), Rgb) };
    check_refused(words, "row stride of 13 bytes is not a multiple of a sample's 2 bytes");
}

#[test]
fn a_float_that_is_no_brightness_is_refused_by_its_place() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 128.0, -1.0] {
        let mut data = [0.5; 18];
        data[3 * 3 + 2 * 3 + 1] = bad;
        let buffer = PixelBuffer::packed(Samples::F32(&data), (2, 3), Rgb);
        for orientation in 1..=8 {
            check_refused(PixelBuffer { orientation, ..buffer }, &format!("sample {bad} at x 2, y 1 is not"));
        }
        let mut planes = [0.5; 18];
        planes[6 + 3 + 2] = bad;
        let buffer = PixelBuffer::packed(Samples::F32(&planes), (2, 3), Rgb);
        check_refused(PixelBuffer { layout: PLANAR, ..buffer }, "at x 2, y 1 is not within 0..1");
    }
}

#[test]
fn a_ready_photo_is_taken_over_only_at_its_length() {
    assert_eq!(Photo::from_rgb8((2, 1), vec![1; 6]).unwrap().into_pixels(), [1; 6]);
    let error = Photo::from_rgb8((2, 2), vec![1; 6]).unwrap_err();
    assert_eq!(error.to_string(), "photo of 2x2 pixels needs 12 bytes of RGB; the buffer has 6 bytes");
}

/// Sizes near the data's, near the limits and absurd ones.
fn any_length() -> impl Strategy<Value = usize> {
    let huge = (0usize..9).prop_map(|n| usize::MAX - n);
    prop_oneof![5 => 0usize..9, 1 => Just(65_535), 1 => huge, 1 => any::<usize>()]
}

proptest! {
    #[test]
    fn no_size_or_stride_panics(
        size in (any_length(), any_length()),
        strides in (any_length(), any_length()),
        format in prop::sample::select(vec![Gray, GrayAlpha, Rgb, Bgr, Rgba, Bgra]),
        orientation in 0u8..10,
        kind in 0usize..6,
        length in 0usize..200,
    ) {
        let (bytes, words, floats) = (vec![3u8; length], vec![4u16; length], vec![0.5f32; length]);
        let data = [Samples::U8(&bytes), Samples::U16(&words), Samples::F32(&floats)][kind % 3];
        let layout = if kind < 3 { PixelLayout::Interleaved } else { PLANAR };
        let (row_stride, plane_stride) = strides;
        let packed = PixelBuffer::packed(data, size, format);
        let buffer = PixelBuffer { layout, row_stride, plane_stride, orientation, ..packed };
        match Photo::from_pixels(&buffer) {
            Ok(photo) => prop_assert_eq!(photo.pixels().len(), 3 * size.0 * size.1),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}
