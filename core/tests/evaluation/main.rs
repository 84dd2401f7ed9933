//! Every measure equals that of the independent numpy implementation, `tests/golden/evaluation.py`, on toy maps: flat,
//! negative, with ties, with plateaus, of one pixel.

mod faithfulness;
mod golden;
mod localization;
mod maps;

use golden::{Case, Golden};

#[test]
fn every_measure_equals_the_independent_implementation() {
    let golden = Golden::read();
    let cases = golden.cases();
    assert!(cases.len() > 500, "only {} cases were found", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What is wrong with a case, if anything.
fn difference(case: &Case<'_>) -> Option<String> {
    let found = faithfulness::measured(case)
        .or_else(|| maps::measured(case))
        .or_else(|| localization::measured(case))
        .unwrap_or_else(|| panic!("no measure is called {:?}", case.measure()));
    let (expected, tolerance) = case.expected();
    if found.len() != expected.len() {
        return Some(format!("{}: {} values, not {}", case.text(), found.len(), expected.len()));
    }
    let differs = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        (Some(found), Some(expected)) => {
            let far = (found - expected).abs() / expected.abs().max(1.0);
            far.is_nan() || far > tolerance
        }
        (found, expected) => found.is_some() || expected.is_some(),
    };
    let i = (0..found.len()).find(|&i| differs(found[i], expected[i]))?;
    Some(format!("{}: value {i} is {:?}, not {:?}", case.text(), found[i], expected[i]))
}
