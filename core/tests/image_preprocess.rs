//! From a photo to the model's input: numbers, channel order, placement, and what is refused.

use proptest::prelude::*;
use scorecam_core::image::{Color, Filter, Fit, Photo, Placement, Preprocess, Rect};

fn plain(size: (usize, usize)) -> Preprocess {
    Preprocess { size, scale: 1.0, ..Preprocess::default() }
}

fn photo(size: (usize, usize)) -> Photo {
    let pixels = (0..size.0 * size.1 * 3).map(|i| (i * 37 % 256) as u8).collect();
    Photo::from_rgb8(size, pixels).unwrap()
}

fn check(preprocess: Preprocess, pixel: [u8; 3], expected: &[f32]) {
    let photo = Photo::from_rgb8((1, 1), pixel.to_vec()).unwrap();
    let input = preprocess.apply(&photo).unwrap().input;
    assert_eq!(input.shape(), [1, expected.len(), 1, 1]);
    assert_eq!(input.data(), expected, "{preprocess:?}");
}

#[test]
fn channels_get_scale_mean_and_deviation_in_the_models_order() {
    let one = plain((1, 1));
    check(one.clone(), [10, 20, 30], &[10.0, 20.0, 30.0]);
    check(Preprocess { color: Color::Bgr, ..one.clone() }, [10, 20, 30], &[30.0, 20.0, 10.0]);
    check(Preprocess { color: Color::Gray, ..one.clone() }, [10, 20, 30], &[18.0]);
    check(Preprocess { color: Color::Gray, ..one.clone() }, [255, 255, 255], &[255.0]);
    let caffe = Preprocess { color: Color::Bgr, mean: vec![1.0, 2.0, 3.0], ..one.clone() };
    check(caffe, [10, 20, 30], &[29.0, 18.0, 7.0]);
    let lite = Preprocess { mean: vec![127.0], std: vec![128.0], ..one.clone() };
    check(lite, [127, 255, 0], &[0.0, 1.0, -127.0 / 128.0]);
    let unit = Preprocess { scale: 1.0 / 255.0, mean: vec![0.5], std: vec![0.5, 0.25, -1.0], ..one };
    check(unit, [255, 255, 255], &[1.0, 2.0, -0.5]);
}

fn check_placement(fit: Fit, photo_size: (usize, usize), size: (usize, usize), expected: [[f64; 4]; 2]) {
    let placement = Preprocess { fit, ..plain(size) }.apply(&photo(photo_size)).unwrap().placement;
    let numbers = |r: Rect| [r.x, r.y, r.width, r.height];
    assert_eq!(
        [placement.photo_part(), placement.input_part()].map(numbers),
        expected,
        "{fit:?} {photo_size:?}"
    );
    assert_eq!((placement.photo_size(), placement.input_size()), (photo_size, size));
}

#[test]
fn placement_says_what_the_model_saw() {
    let crop = Fit::Crop { fraction: 0.5 };
    check_placement(Fit::Squash, (30, 40), (8, 16), [[0., 0., 40., 30.], [0., 0., 16., 8.]]);
    // 40x30 becomes 64x48; of it 24x24 at (20, 12).
    check_placement(crop, (30, 40), (24, 24), [[12.5, 7.5, 15., 15.], [0., 0., 24., 24.]]);
    check_placement(crop, (40, 30), (24, 24), [[7.5, 12.5, 15., 15.], [0., 0., 24., 24.]]);
    // 40x40 covers 16x32 as 32x32.
    check_placement(crop, (40, 40), (8, 16), [[10., 15., 20., 10.], [0., 0., 16., 8.]]);
    check_placement(Fit::LETTERBOX, (30, 40), (20, 20), [[0., 0., 40., 30.], [0., 2., 20., 15.]]);
    check_placement(Fit::LETTERBOX, (40, 30), (20, 20), [[0., 0., 30., 40.], [2., 0., 15., 20.]]);
    check_placement(Fit::LETTERBOX, (1, 65535), (9, 9), [[0., 0., 65535., 1.], [0., 4., 9., 1.]]);
}

#[test]
fn points_travel_between_photo_and_input() {
    let letterbox = Preprocess { fit: Fit::LETTERBOX, ..plain((20, 20)) };
    let placement = letterbox.apply(&photo((30, 40))).unwrap().placement;
    for (input, in_photo) in
        [((0.0, 2.0), (0.0, 0.0)), ((20.0, 17.0), (40.0, 30.0)), ((10.0, 1.0), (20.0, -2.0))]
    {
        assert_eq!((placement.to_photo(input), placement.to_input(in_photo)), (in_photo, input));
    }
    assert_eq!(Placement::whole((4, 8), (2, 2)).to_input((8.0, 1.0)), (2.0, 0.5));
}

#[test]
fn letterbox_pads_with_its_gray_level() {
    let fit = Fit::Letterbox { pad: 100 };
    let preprocess = Preprocess { fit, mean: vec![1.0, 2.0, 3.0], ..plain((3, 1)) };
    let white = Photo::from_rgb8((1, 1), vec![255; 3]).unwrap();
    let input = preprocess.apply(&white).unwrap().input;
    assert_eq!(input.data(), [99.0, 254.0, 99.0, 98.0, 253.0, 98.0, 97.0, 252.0, 97.0]);
}

fn check_refused(preprocess: Preprocess, expected: &str) {
    let error = preprocess.check().unwrap_err();
    assert_eq!(preprocess.apply(&photo((1, 1))).unwrap_err(), error);
    assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let one = plain((1, 1));
    let gray = Preprocess { color: Color::Gray, ..one.clone() };
    check_refused(plain((0, 224)), "input size 0x224; each side must be 1 to 16384");
    check_refused(plain((224, usize::MAX)), "each side must be");
    check_refused(Preprocess { std: vec![1.0, 0.0, 1.0], ..one.clone() }, "std of channel 1 is 0");
    check_refused(Preprocess { std: vec![f32::INFINITY], ..one.clone() }, "std has the value inf");
    check_refused(Preprocess { mean: vec![f32::NAN], ..one.clone() }, "mean has the value NaN");
    check_refused(Preprocess { mean: vec![], ..one.clone() }, "mean has 0 numbers; rgb needs 1 or 3");
    check_refused(Preprocess { std: vec![1.0; 3], ..gray }, "std has 3 numbers; gray needs 1");
    check_refused(Preprocess { scale: f32::NAN, ..one.clone() }, "scale NaN");
    check_refused(Preprocess { scale: f32::MAX, ..one.clone() }, "infinite inputs");
    check_refused(Preprocess { std: vec![1e-45], mean: vec![1e9], ..one.clone() }, "infinite inputs");
    for fraction in [0.0, -1.0, 1.01, f64::NAN, 1e-300] {
        check_refused(Preprocess { fit: Fit::Crop { fraction }, ..one.clone() }, "it must be 0.01 to 1");
    }
}

#[test]
fn names_are_read_back_and_unknown_ones_list_the_known() {
    for filter in Filter::ALL {
        assert_eq!(filter.name().parse(), Ok(filter));
    }
    for color in Color::ALL {
        assert_eq!(color.name().parse(), Ok(color));
    }
    for fit in [Fit::Squash, Fit::CROP, Fit::LETTERBOX] {
        assert_eq!(fit.name().parse(), Ok(fit));
    }
    let error = "cubic".parse::<Filter>().unwrap_err().to_string();
    assert_eq!(
        error,
        r#"resize filter "cubic" does not exist; choose one of nearest, bilinear, bicubic, lanczos"#
    );
}

#[test]
fn thin_photos_need_no_more_memory_than_what_is_seen() {
    // Covering 256x256 makes 16 million rows of it, of which the crop sees 224.
    let thin = Photo::from_rgb8((65_535, 1), vec![9; 65_535 * 3]).unwrap();
    for filter in Filter::ALL {
        let crop = Preprocess { fit: Fit::CROP, filter, ..plain((224, 224)) };
        assert!(crop.apply(&thin).unwrap().input.data().iter().all(|&v| v == 9.0), "{filter:?}");
    }
}

proptest! {
    #[test]
    fn a_flat_photo_stays_flat_in_any_fit(
        photo_size in (1usize..70, 1usize..70),
        size in (1usize..40, 1usize..40),
        filter in prop::sample::select(Filter::ALL.to_vec()),
        fit in prop_oneof![
            Just(Fit::Squash),
            (0.01f64..=1.0).prop_map(|fraction| Fit::Crop { fraction }),
            Just(Fit::Letterbox { pad: 255 }),
        ],
    ) {
        let white = Photo::from_rgb8(photo_size, vec![255; photo_size.0 * photo_size.1 * 3]).unwrap();
        let prepared = Preprocess { filter, fit, ..plain(size) }.apply(&white).unwrap();
        prop_assert!(prepared.input.data().iter().all(|&v| v == 255.0));
        let (part, filled) = (prepared.placement.photo_part(), prepared.placement.input_part());
        prop_assert!(part.x >= 0.0 && part.x + part.width <= photo_size.1 as f64 + 1e-9);
        prop_assert!(part.y >= 0.0 && part.y + part.height <= photo_size.0 as f64 + 1e-9);
        prop_assert!(filled.x + filled.width <= size.1 as f64 && filled.y + filled.height <= size.0 as f64);
    }
}
