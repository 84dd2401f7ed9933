//! RISE's standard error covers its true error, measured against the map of 50,000 masks on toy networks:
//! `cargo test -p scorecam-tests --test rise_error -- --ignored`. `tests/golden/rise_error.py` measures real networks.
#![allow(clippy::print_stdout, reason = "a long measurement tells what it found")]

use scorecam::{ExplainOptions, Explanation, Host, Model};
use scorecam_tests::{explained, golden, read_npy, toy_host};

fn explain(
    host: &Host,
    model: &Model,
    (input, passes, seed): (&str, usize, usize),
    center: bool,
) -> Explanation {
    let set = [
        ("passes", passes.to_string()),
        ("seed", seed.to_string()),
        ("center", center.to_string()),
        ("probability", "0.5".into()),
        ("final", "none".into()),
        ("post_relu", "false".into()),
    ];
    let options = ExplainOptions {
        method: "rise".into(),
        set: set.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..ExplainOptions::default()
    };
    explained(host, model, &options, &read_npy(&golden(input))).expect("a map")
}

/// The share of pixels within two standard errors of the map of many masks, over maps of 1000 masks from 20 seeds.
fn covered(name: &str, input: &str, center: bool) -> f64 {
    let host = toy_host();
    let model = host.load_model(golden(name)).expect("the model loads");
    let truth = explain(&host, &model, (input, 50_000, 0), center);
    let share = |seed: usize| {
        let found = explain(&host, &model, (input, 1000, seed), center);
        let errors = found.errors.expect("errors");
        let pairs = found.maps.data().iter().zip(truth.maps.data()).zip(errors.data());
        let inside = pairs.filter(|((value, truth), error)| (*value - *truth).abs() <= 2.0 * **error).count();
        inside as f64 / errors.data().len() as f64
    };
    (1..=20).map(share).sum::<f64>() / 20.0
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn two_standard_errors_cover_the_true_error_in_nine_pixels_of_ten() {
    for (name, input) in [
        ("toy/plain.toy", "toy/input-3x32x32.npy"),
        ("toy/wide.toy", "toy/input-3x24x40.npy"),
        ("toy/softmax.toy", "toy/input-3x32x32.npy"),
        ("toy/grey.toy", "toy/input-1x28x28.npy"),
    ] {
        for center in [false, true] {
            let share = covered(name, input, center);
            println!("{name}, center={center}: {share:.3} of the pixels");
            assert!(share >= 0.9, "{name}, center={center}: {share}");
        }
    }
}
