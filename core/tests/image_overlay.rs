//! Maps on photos: colors, blending, where the map lands, and what is refused.

use proptest::prelude::*;
use scorecam_core::TensorView;
use scorecam_core::image::{Colormap, Fit, Overlay, Photo, Placement, Preprocess};

/// Shows the map's value itself: nothing of the photo, and gray is the value times 255.
const BARE: Overlay = Overlay { colormap: Colormap::Gray, opacity: 1.0 };

fn flat(size: (usize, usize), level: u8) -> Photo {
    Photo::from_rgb8(size, vec![level; size.0 * size.1 * 3]).unwrap()
}

fn placement(fit: Fit, photo: &Photo, size: (usize, usize)) -> Placement {
    Preprocess { size, fit, ..Preprocess::default() }.apply(photo).unwrap().placement
}

/// The red channel of the overlay of a map of shape `shape`.
fn shown(
    overlay: Overlay,
    photo: &Photo,
    (shape, map): ([usize; 2], &[f32]),
    placement: &Placement,
) -> Vec<u8> {
    let map = TensorView::new(&shape, map).unwrap();
    let picture = overlay.render(photo, map, placement).unwrap();
    assert_eq!(picture.size(), photo.size());
    picture.pixels().iter().copied().step_by(3).collect()
}

#[test]
fn colormaps_have_their_known_colours() {
    let rows = [
        (Colormap::Viridis, [[68, 1, 84], [33, 145, 140], [253, 231, 37]]),
        (Colormap::Inferno, [[0, 0, 4], [188, 55, 84], [252, 255, 164]]),
        (Colormap::Jet, [[0, 0, 128], [130, 255, 126], [128, 0, 0]]),
        (Colormap::Gray, [[0, 0, 0], [128, 128, 128], [255, 255, 255]]),
        (Colormap::Turbo, [[48, 18, 59], [164, 252, 60], [122, 4, 3]]),
    ];
    for (colormap, expected) in rows {
        for (value, expected) in [0.0, 0.5, 1.0].into_iter().zip(expected) {
            let got = colormap.rgb(value);
            let near = got.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 8);
            assert!(near, "{} at {value} is {got:?}, not near {expected:?}", colormap.name());
        }
        assert_eq!([-1.0, f32::NAN, f32::NEG_INFINITY].map(|v| colormap.rgb(v)), [colormap.rgb(0.0); 3]);
        assert_eq!([2.0, f32::INFINITY].map(|v| colormap.rgb(v)), [colormap.rgb(1.0); 2]);
        assert_eq!(colormap.name().parse(), Ok(colormap));
    }
    let turns = [(0.34, [0, 219, 255]), (0.65, [247, 246, 0]), (0.89, [255, 19, 0])];
    for (value, expected) in turns {
        assert_eq!(Colormap::Jet.rgb(value), expected, "jet at {value}");
    }
    let error = "hot".parse::<Colormap>().unwrap_err().to_string();
    assert_eq!(error, r#"colormap "hot" does not exist; choose one of viridis, turbo, jet, inferno, gray"#);
}

#[test]
fn turbo_is_the_published_table() {
    let golden = include_bytes!("golden/turbo.ppm").strip_prefix(b"P6\n256 1\n255\n").unwrap();
    let colors = golden.as_chunks::<3>().0;
    assert_eq!(colors.len(), 256);
    for (i, pair) in colors.windows(2).enumerate() {
        assert_eq!(Colormap::Turbo.rgb(i as f32 / 255.0), pair[0], "entry {i}");
        let middle = Colormap::Turbo.rgb((i as f32 + 0.5) / 255.0);
        let within =
            (0..3).all(|c| (pair[0][c].min(pair[1][c])..=pair[0][c].max(pair[1][c])).contains(&middle[c]));
        assert!(within, "{middle:?} is not between {pair:?}");
    }
    assert_eq!(Colormap::Turbo.rgb(1.0), colors[255]);
}

#[test]
fn opacity_blends_and_its_ends_are_exact() {
    let photo = flat((1, 1), 100);
    let whole = Placement::whole((1, 1), (7, 7));
    for (opacity, value, expected) in
        [(0.0, 1.0, 100), (1.0, 1.0, 255), (1.0, 0.0, 0), (0.5, 1.0, 178), (0.25, 0.0, 75), (1.0, 9.0, 255)]
    {
        let overlay = Overlay { opacity, ..BARE };
        assert_eq!(shown(overlay, &photo, ([1, 1], &[value]), &whole), [expected], "{opacity} {value}");
    }
}

#[test]
fn the_map_is_interpolated_between_pixel_centres() {
    type Row = (usize, [usize; 2], &'static [f32], &'static [u8]);
    let rows: [Row; 5] = [
        (4, [1, 2], &[0.0, 1.0], &[0, 64, 191, 255]),
        (2, [1, 2], &[0.0, 1.0], &[0, 255]),
        (1, [1, 2], &[0.0, 1.0], &[128]),
        (3, [2, 1], &[0.0, 1.0], &[128, 128, 128]),
        (2, [1, 6], &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0], &[0, 255]),
    ];
    for (width, shape, map, expected) in rows {
        let whole = Placement::whole((1, width), (5, 5));
        let got = shown(BARE, &flat((1, width), 9), (shape, map), &whole);
        let near = got.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near && got.len() == expected.len(), "{got:?}, not {expected:?}");
    }
}

#[test]
fn a_map_lands_where_the_model_looked() {
    // The crop sees columns 2 to 5 of eight; around it the photo stays.
    let photo = flat((4, 8), 9);
    let crop = placement(Fit::Crop { fraction: 1.0 }, &photo, (4, 4));
    let row = [9, 9, 0, 0, 255, 255, 9, 9];
    let got = shown(BARE, &photo, ([1, 4], &[0.0, 0.0, 1.0, 1.0]), &crop);
    assert_eq!(got, [row; 4].as_flattened());
    // Only rows 2 to 5 of the input's eight show the photo; the padding's 1s stay out of sight.
    let boxed = placement(Fit::LETTERBOX, &photo, (8, 8));
    let got = shown(BARE, &photo, ([8, 1], &[1.0, 1.0, 0.0, 0.2, 0.4, 0.6, 1.0, 1.0]), &boxed);
    let expected = [0, 51, 102, 153].map(|v: u8| [v; 8]);
    let near = got.iter().zip(expected.as_flattened()).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(near, "{got:?}");
}

#[test]
fn a_crop_that_falls_between_pixels_leaves_the_photo() {
    let photo = flat((2, 2), 9);
    let crop = placement(Fit::Crop { fraction: 0.01 }, &photo, (4, 4));
    assert_eq!(shown(BARE, &photo, ([1, 1], &[1.0]), &crop), [9; 4]);
}

#[test]
fn a_map_alone_is_painted_cell_by_cell() {
    let map = [0.0, 0.5, 1.0, -3.0, 7.0, f32::INFINITY];
    let picture = Colormap::Jet.paint(TensorView::new(&[2, 3], &map).unwrap()).unwrap();
    assert_eq!(picture.size(), (2, 3));
    let jet = |v| Colormap::Jet.rgb(v);
    let expected = [jet(0.0), jet(0.5), jet(1.0), jet(0.0), jet(1.0), jet(1.0)];
    let near = picture.pixels().iter().zip(expected.as_flattened()).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(near, "{:?}", picture.pixels());
}

fn check_refused(overlay: Overlay, (shape, map): (&[usize], &[f32]), placement: &Placement, expected: &str) {
    let map = TensorView::new(shape, map).unwrap();
    let error = overlay.render(&flat((2, 3), 0), map, placement).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn what_makes_no_picture_is_refused() {
    let whole = Placement::whole((2, 3), (5, 5));
    for opacity in [-0.1, 1.1, f32::NAN] {
        check_refused(Overlay { opacity, ..BARE }, (&[1, 1], &[0.0]), &whole, "is not within 0..1");
    }
    check_refused(BARE, (&[0, 4], &[]), &whole, "the saliency map is empty, 0x4");
    check_refused(BARE, (&[1], &[0.0]), &whole, "the saliency map has shape [1]; 2 axes");
    check_refused(BARE, (&[2, 2], &[0.0, 0.0, 0.0, f32::NAN]), &whole, "has NaN at row 1, column 1");
    let other = Placement::whole((3, 2), (5, 5));
    check_refused(BARE, (&[1, 1], &[0.0]), &other, "the map is of a photo of 2x3 pixels, this one has 3x2");
    let nan = [f32::NAN];
    assert!(Colormap::Jet.paint(TensorView::new(&[1, 1], &nan).unwrap()).is_err());
}

proptest! {
    #[test]
    fn a_flat_map_colours_all_that_was_seen(
        photo_size in (1usize..40, 1usize..40),
        shape in (1usize..20, 1usize..20),
        size in (1usize..30, 1usize..30),
        fit in prop::sample::select(vec![Fit::Squash, Fit::CROP, Fit::LETTERBOX]),
    ) {
        let photo = flat(photo_size, 0);
        let placement = placement(fit, &photo, size);
        let map = vec![1.0; shape.0 * shape.1];
        let got = shown(BARE, &photo, ([shape.0, shape.1], &map), &placement);
        let part = placement.photo_part();
        let inside = |at: usize, start: f64, length: f64| {
            let centre = at as f64 + 0.5;
            centre >= start && centre < start + length
        };
        for (i, &level) in got.iter().enumerate() {
            let (y, x) = (i / photo_size.1, i % photo_size.1);
            let seen = inside(x, part.x, part.width) && inside(y, part.y, part.height);
            prop_assert_eq!(level, if seen { 255 } else { 0 });
        }
    }
}
