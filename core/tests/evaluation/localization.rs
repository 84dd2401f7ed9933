//! Regions, boxes and accuracies.

use scorecam_core::evaluation::{
    BoundingBox, BoxAccuracy, BoxOptions, Localization, PixelPrecision, Pointing, boxes,
};
use scorecam_core::image::{Fit, Photo, Placement, Preprocess};

use crate::golden::{self, Case};

/// The values of a case of this group.
pub(crate) fn measured(case: &Case<'_>) -> Option<Vec<Option<f64>>> {
    let box_of = |name| golden::boxes(case.argument(name))[0];
    Some(match case.measure() {
        "boxes" => found_boxes(case),
        "iou" => {
            let pair = golden::boxes(case.argument("boxes"));
            vec![Some(pair[0].iou(&pair[1]))]
        }
        "to_photo" => edges(&[box_of("box").to_photo(&placement(case))]),
        "to_input" => edges(&[box_of("box").to_input(&placement(case))]),
        "box_accuracy" => box_accuracy(case),
        "pixel_precision" => vec![pixel_precision(case)],
        _ if !case.argument("region").is_null() => vec![in_region(case)?],
        _ => return None,
    })
}

fn in_region(case: &Case<'_>) -> Option<Option<f64>> {
    let (map, region) = (case.map("map"), case.region());
    let localization = Localization::new(&map, &region).expect("one size");
    Some(match case.measure() {
        "energy" => localization.energy(),
        "lift" => localization.lift(),
        "pointing" => {
            let among = case.text_of("among").parse().expect("a choice");
            localization.pointing(Pointing { among, tolerance: case.number("beyond") }).map(f64::from)
        }
        "rank_accuracy" => localization.rank_accuracy(),
        "top_k" => localization.top_k(case.number("k") as usize),
        "roc_area" => localization.roc_area(),
        "loc" => localization.loc(0.25),
        _ => return None,
    })
}

fn edges(boxes: &[BoundingBox]) -> Vec<Option<f64>> {
    boxes.iter().flat_map(|&bounds| <[f64; 4]>::from(bounds)).map(Some).collect()
}

fn found_boxes(case: &Case<'_>) -> Vec<Option<f64>> {
    let options = BoxOptions {
        threshold: case.number("threshold"),
        above: case.text_of("above").parse().expect("a choice"),
        areas: case.text_of("areas").parse().expect("a choice"),
    };
    edges(&boxes(&case.map("map"), options))
}

/// How a photo of 896 x 448 pixels lies in an input of 224 x 224.
fn placement(case: &Case<'_>) -> Placement {
    let fit =
        if case.text_of("fit") == "pad" { Fit::Letterbox { pad: 0 } } else { Fit::Crop { fraction: 1.0 } };
    let photo = Photo::from_rgb8((448, 896), vec![0; 448 * 896 * 3]).expect("a photo");
    Preprocess { fit, ..Preprocess::default() }.apply(&photo).expect("an input").placement
}

fn box_accuracy(case: &Case<'_>) -> Vec<Option<f64>> {
    let mut accuracy = BoxAccuracy::new(case.text_of("areas").parse().expect("a choice"));
    for (name, truth) in case.argument("truth").as_object().expect("boxes by map") {
        accuracy.add(&case.map_called(name), &golden::boxes(truth));
    }
    let at = [0.3, 0.5, 0.7].map(|iou| accuracy.at(iou).expect("images"));
    at.iter().flat_map(|&(share, threshold)| [share, threshold]).map(Some).chain([accuracy.v2()]).collect()
}

fn pixel_precision(case: &Case<'_>) -> Option<f64> {
    let mut precision = PixelPrecision::default();
    for pair in case.argument("pairs").as_array().expect("pairs") {
        let [map, region] = [0, 1].map(|i| pair[i].as_str().expect("a name"));
        precision.add(&case.map_called(map), &case.region_called(region)).expect("one size");
    }
    precision.value()
}
