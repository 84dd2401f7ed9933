//! `score-cam-adaptive` on a model whose scores are smooth in the image: its budget, its bits, its own estimate of
//! the error, and what it makes of maps and scores that have nothing to tell.

mod model;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Mutex;

use scorecam_core::methods::{AdaptiveScoreCam, ScoreCam};
use scorecam_core::{
    BatchRule, CamMethod, ErrorKind, Explanation, Learned, OutputActivation, Progress, Request, Result,
    Targets, Tensor, explain,
};

use self::model::{Model, Scores, bumps};

/// One explain call.
struct Call<'a> {
    preset: Option<&'a str>,
    /// Options, `key=value` with spaces between them.
    set: &'a str,
    classes: &'a [usize],
    progress: &'a dyn Fn(Progress) -> ControlFlow<()>,
    time_up: &'a dyn Fn() -> bool,
    previous: Option<&'a Learned>,
}

const CALL: Call<'static> = Call {
    preset: None,
    set: "",
    classes: &[1],
    progress: &|_| ControlFlow::Continue(()),
    time_up: &|| false,
    previous: None,
};

impl Call<'_> {
    fn of(&self, method: &dyn CamMethod, model: &Model) -> Result<Explanation> {
        let pairs = self.set.split_whitespace().filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let side = model.side;
        let input = Tensor::new([1, 1, side, side], vec![1.0; side * side])?;
        let request = Request {
            input: input.into(),
            reference: None,
            targets: Targets::Classes(self.classes.to_vec()),
            layer: None,
            options: &method.info().resolve(self.preset, &pairs)?,
            batch_size: None,
            progress: Some(Box::new(self.progress)),
            time_up: Some(Box::new(self.time_up)),
            previous: self.previous.cloned(),
        };
        explain(model, method, request)
    }

    fn adaptive(&self, model: &Model) -> Result<Explanation> {
        self.of(&AdaptiveScoreCam, model)
    }

    fn exact(&self, model: &Model) -> Explanation {
        self.of(&ScoreCam, model).expect("score-cam explains")
    }
}

fn adaptive(model: &Model, set: &str) -> Explanation {
    Call { set, ..CALL }.adaptive(model).unwrap_or_else(|e| panic!("{set}: {e}"))
}

fn estimated(found: &Explanation) -> f64 {
    let measure = found.measures.iter().find(|(name, _)| name == "estimated-error");
    measure.expect("the method measures its error").1
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - ma, f64::from(b) - mb);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    ab / (aa * bb).sqrt()
}

/// Every value is finite, and an error of 0 is only claimed when every mask was scored.
fn assert_honest(found: &Explanation, masks: usize, what: &str) {
    assert!(found.maps.data().iter().all(|v| v.is_finite()), "{what}: a value is not finite");
    let error = estimated(found);
    let all = found.passes > masks;
    assert!(
        error.is_finite() && error >= 0.0 && (error == 0.0) == all,
        "{what}: {error} in {} passes",
        found.passes
    );
}

#[test]
fn exactly_the_passes_of_the_budget_are_made() {
    for (masks, model) in [(300, Model::many as fn() -> Model), (40, Model::large)] {
        for budget in [1, 2, 7, 8, 9, 39, 64, 128] {
            for rule in [BatchRule::Any { preferred: 16 }, BatchRule::Fixed(5), BatchRule::Fixed(16)] {
                let mut model = model();
                model.info.batch = rule;
                let found = adaptive(&model, &format!("passes={budget}"));
                assert_eq!(found.passes, 1 + budget.min(masks), "{rule:?}, {masks} masks");
                assert_honest(&found, masks, &format!("{budget} of {masks} masks"));
                if let BatchRule::Fixed(n) = rule {
                    let batches = model.batches.lock().expect("no test panicked");
                    assert!(batches.iter().all(|&b| b == n), "{rule:?}: {batches:?}");
                }
            }
        }
    }
    assert_eq!(adaptive(&Model::many(), "").passes, 1 + 128, "the default");
}

#[test]
fn a_baseline_costs_its_own_pass() {
    for (baseline, own) in [("none", 0), ("zero", 1), ("input", 0)] {
        let found = adaptive(&Model::many(), &format!("passes=30 baseline={baseline}"));
        assert_eq!(found.passes, 1 + 30 + own, "{baseline}");
    }
}

#[test]
fn a_budget_for_every_mask_gives_the_bits_of_score_cam() {
    let check = |model: &Model, set: &str| {
        let (found, exact) = (adaptive(model, set), CALL.exact(model));
        assert_eq!(found.maps.data(), exact.maps.data(), "{set}");
        assert_eq!((estimated(&found), found.passes), (0.0, exact.passes), "{set}");
    };
    check(&Model::many(), "passes=300");
    check(&Model::many(), "passes=301");
    check(&Model::many(), "passes=9223372036854775807");
    check(&Model::large(), "passes=40");
    check(&Model::large(), "");
    check(&Model::many(), "error=1e-12");
    check(&Model::large(), "error=1e-12 passes=40");
}

#[test]
fn equal_inputs_give_equal_bits() {
    for set in ["passes=50", "error=0.2", "passes=3"] {
        let (a, b) = (adaptive(&Model::many(), set), adaptive(&Model::many(), set));
        assert_eq!(
            (a.maps.data(), a.passes, estimated(&a)),
            (b.maps.data(), b.passes, estimated(&b)),
            "{set}"
        );
    }
}

#[test]
fn an_error_target_stops_as_soon_as_it_is_met() {
    let mut before = 0;
    for target in [0.5, 0.2, 0.1, 0.02] {
        let found = adaptive(&Model::many(), &format!("error={target}"));
        assert_honest(&found, 300, &format!("error={target}"));
        assert!(estimated(&found) <= target && found.passes >= before, "{target}: {}", estimated(&found));
        before = found.passes;
    }
    let early = adaptive(&Model::many(), "error=0.5");
    assert!(early.passes < 200, "{} passes for a rough map", early.passes);
}

#[test]
fn of_a_budget_and_an_error_target_the_first_that_is_met_counts() {
    let wanted = adaptive(&Model::many(), "error=0.2");
    let same = adaptive(&Model::many(), &format!("error=0.2 passes={}", wanted.passes + 50));
    assert_eq!((same.passes, same.maps.data()), (wanted.passes, wanted.maps.data()));
    let less = adaptive(&Model::many(), "error=1e-9 passes=50");
    assert!(less.passes == 51 && estimated(&less) > 1e-9, "{} passes", less.passes);
    assert_eq!(adaptive(&Model::many(), "error=0.9 passes=10").passes, 11);
}

#[test]
fn several_targets_share_the_passes_of_one() {
    let model = Model::many();
    let call = Call { set: "passes=75", classes: &[2, 0, 1], ..CALL };
    let (found, exact) = (call.adaptive(&model).expect("three maps"), Call { set: "", ..call }.exact(&model));
    assert_eq!(found.passes, 76);
    assert_honest(&found, 300, "three targets");
    for (i, class) in call.classes.iter().enumerate() {
        let same = correlation(found.maps.item(i), exact.maps.item(i));
        assert!(same > 0.99, "class {class}: {same}");
    }
    let target = Call { set: "error=0.2", classes: &[2, 0, 1], ..CALL };
    assert!(estimated(&target.adaptive(&model).expect("three maps")) <= 0.2);
}

#[test]
fn the_estimate_covers_the_error_and_is_not_far_above() {
    // On such small maps the sum itself is what the estimate is about.
    let raw = "combine=raw post_relu=false final=none output=layer";
    let sum = |maps: &Tensor| maps.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (mut covered, mut cases, mut true_errors, mut estimates) = (0, 0, 0.0, 0.0);
    let steep: Scores = |seen| seen.map(|s| 12.0 * s.sqrt());
    let mixed: Scores = |[a, b, c]| [6.0 * a * b, 8.0 * b - 3.0 * a, 9.0 * c * c];
    let square: Scores = |seen| seen.map(|s| 9.0 * s * s);
    for scores in [square, steep, mixed] {
        let model = Model::many().with(scores);
        for class in 0..3 {
            let call = Call { set: raw, classes: &[class], ..CALL };
            let exact = sum(&call.exact(&model).maps);
            for passes in [32, 64, 128] {
                let set = format!("{raw} passes={passes}");
                let found = Call { set: &set, ..call }.adaptive(&model).expect("a map");
                let apart: Vec<f64> = sum(&found.maps).iter().zip(&exact).map(|(a, b)| a - b).collect();
                let (error, estimate) = (norm(&apart) / norm(&exact), estimated(&found));
                (covered, cases) = (covered + usize::from(error <= estimate), cases + 1);
                (true_errors, estimates) = (true_errors + error, estimates + estimate);
            }
        }
    }
    assert!(10 * covered >= 9 * cases, "{covered} of {cases}");
    assert!(estimates < 10.0 * true_errors, "{estimates} for {true_errors}");
}

#[test]
fn a_frame_begins_with_what_the_one_before_told() {
    let raw = "combine=raw post_relu=false final=none output=layer";
    let sum = |maps: &Tensor| maps.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    // The true error and the estimated one.
    let errors = |model: &Model, previous: Option<&Learned>| {
        let set = format!("{raw} passes=40");
        let call = Call { set: &set, previous, ..CALL };
        let found = call.adaptive(model).expect("a map");
        let exact = sum(&Call { set: raw, ..call }.exact(model).maps);
        let apart: Vec<f64> = sum(&found.maps).iter().zip(&exact).map(|(a, b)| a - b).collect();
        (norm(&apart) / norm(&exact), estimated(&found))
    };
    let learned = adaptive(&Model::many(), &format!("{raw} error=0.01")).learned.expect("it learns");
    let bent: Scores = |seen| seen.map(|s| 11.0 * s.powf(1.8));
    for (model, what) in [(Model::many(), "the same"), (Model::many().with(bent), "much the same")] {
        let (cold, warm) = (errors(&model, None), errors(&model, Some(&learned)));
        assert!(warm.0 < cold.0 && warm.1 < cold.1 && warm.0 <= warm.1, "{what}: {warm:?}, {cold:?}");
    }
    // After a cut it is seen that what was learned says little.
    let other: Scores = |[a, b, c]| [9.0 * b * c - 4.0 * a, 8.0 * b - 3.0 * a, 9.0 * c * c];
    let (error, estimate) = errors(&Model::many().with(other), Some(&learned));
    assert!(error <= estimate, "{error} {estimate}");
    // Of a layer with another number of channels nothing is taken over.
    let large = Model::large();
    let maps = |previous| Call { set: "passes=30", previous, ..CALL }.adaptive(&large).expect("a map").maps;
    assert_eq!(maps(Some(&learned)), maps(None));
}

#[test]
fn the_first_eight_targets_steer() {
    let wide: Vec<usize> = (0..12).collect();
    let of = |classes: &[usize]| {
        let call = Call { set: "passes=40", classes, ..CALL };
        call.adaptive(&Model::many().with_classes(12)).expect("maps")
    };
    let (eight, twelve) = (of(&wide[..8]), of(&wide));
    for i in 0..8 {
        assert_eq!(eight.maps.item(i), twelve.maps.item(i), "target {i}");
    }
}

#[test]
fn a_quarter_of_the_passes_gives_nearly_the_exact_map() {
    let model = Model::many();
    let exact = CALL.exact(&model);
    let top = Call { set: "select=std select_count=75", ..CALL }.exact(&model);
    let found = adaptive(&model, "passes=75");
    let [found, top] = [&found, &top].map(|map| correlation(map.maps.data(), exact.maps.data()));
    assert!(found > 0.99 && found > top, "{found}, and {top} of the channels with the greatest deviation");
    let rough = adaptive(&model, "passes=25");
    assert!(correlation(rough.maps.data(), exact.maps.data()) < found, "more passes tell more");
}

#[test]
fn every_preset_gives_a_map() {
    let method = AdaptiveScoreCam;
    let of_score_cam = ScoreCam.info().presets.clone();
    assert_eq!(method.info().presets, of_score_cam);
    for preset in &of_score_cam {
        let call = Call { preset: Some(&preset.name), set: "passes=60", ..CALL };
        let result = call.adaptive(&Model::many());
        if preset.values.iter().any(|(name, value)| name == "reduce" && value == "max") {
            let error = result.expect_err("no estimate of a maximum");
            let text = "an estimate from fewer passes is possible only for a sum; use reduce=sum, method score-cam, or \
                        passes of at least 300";
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidArgument, text));
            for set in ["passes=300", "error=0.1"] {
                let call = Call { set, ..call };
                let found = call.adaptive(&Model::many()).expect("all are scored");
                assert_eq!(found.maps, Call { set: "", ..call }.exact(&Model::many()).maps, "{set}");
            }
            continue;
        }
        let found = result.unwrap_or_else(|e| panic!("{}: {e}", preset.name));
        let masks = match preset.name.as_str() {
            "xdeep" => 0,
            "faster-score-cam" | "cskip" => 10,
            // Draws and strengths of each mask.
            "ss-cam" => 35 * 300,
            "is-cam" => 10 * 300,
            _ => 300,
        };
        assert_honest(&found, masks, &preset.name);
        let exact = Call { set: "", ..call }.exact(&Model::many());
        let same = correlation(found.maps.data(), exact.maps.data());
        assert!(same > 0.98, "{}: {same}", preset.name);
    }
}

#[test]
fn wrong_options_are_named() {
    let check = |option: &str, value: &str, takes: &str| {
        let error = Call { set: &format!("{option}={value}"), ..CALL }.adaptive(&Model::many());
        let error = error.expect_err(value);
        let text = format!("option {option} is {value:?}; it must be {takes}");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidArgument, text));
    };
    for value in ["-3", "1.5", "x", "none", ""] {
        check("passes", value, "a whole number of at least 0");
    }
    for value in ["-1", "NaN", "inf", "2", "x", "auto", ""] {
        check("error", value, "a finite number from 0 to 1");
    }
}

#[test]
fn maps_with_nothing_to_tell_get_the_exact_map() {
    let check = |maps: &Tensor, (set, more): (&str, &str), masks: usize| {
        let model = Model::new(maps.clone());
        let what = format!("{set} {more}, {masks} masks");
        let found = adaptive(&model, &format!("{set} {more}"));
        assert_honest(&found, masks, &what);
        assert_eq!(found.maps, Call { set: more, ..CALL }.exact(&model).maps, "{what}");
    };
    let tensor = |count: usize, value: &dyn Fn(usize) -> f32| {
        let values = (0..count * 49).map(value).collect();
        Tensor::new([count, 7, 7], values).expect("as many values as cells")
    };
    let one = bumps(1, 7, 7).into_data();
    let flat = tensor(50, &|_| 0.5);
    let equal = tensor(50, &|i| one[i % 49]);
    for set in ["passes=8", "passes=100", "error=0.1", "passes=1 error=1"] {
        for more in ["", "weight_norm=softmax"] {
            check(&flat, (set, more), 0);
            check(&flat, (set, &format!("{more} flat=keep")), 1);
            check(&equal, (set, more), 1);
            check(&bumps(1, 7, 7), (set, more), 1);
            check(&bumps(1, 1, 2), (set, &format!("{more} flat=keep")), 1);
        }
    }
}

#[test]
fn maps_of_few_kinds_do_not_upset_it() {
    let tensor = |value: &dyn Fn(usize, usize) -> f32| {
        let values = (0..60 * 49).map(|i| value(i / 49, i % 49)).collect();
        Tensor::new([60, 7, 7], values).expect("as many values as cells")
    };
    let one = bumps(1, 7, 7).into_data();
    // A mask each, but of one shape: flat ones of many heights, equal ones but for one unit in the last place of one
    // cell, and one that differs among those.
    let flat = tensor(&|map, _| 0.01 * (map + 1) as f32);
    let nearly = tensor(&|map, cell| if map % 49 == cell { one[cell].next_up() } else { one[cell] });
    let outlier = tensor(&|map, cell| match (map, map % 49 == cell) {
        (0, _) => one[48 - cell],
        (_, true) => one[cell].next_up(),
        _ => one[cell],
    });
    for set in ["passes=8", "passes=30", "passes=59", "error=0.3"] {
        for maps in [bumps(60, 1, 30), bumps(60, 30, 1), bumps(60, 15, 29)] {
            assert_honest(&adaptive(&Model::new(maps), set), 60, set);
        }
        for (maps, more) in [(&flat, "norm=range flat=keep"), (&nearly, ""), (&outlier, "")] {
            let model = Model::new(maps.clone());
            let masks = Call { set: more, ..CALL }.exact(&model).passes - 1;
            assert_honest(&adaptive(&model, &format!("{set} {more}")), masks, &format!("{set} {more}"));
        }
    }
}

#[test]
fn scores_with_nothing_to_tell_do_not_upset_it() {
    let equal: Scores = |_| [0.5, 0.25, 0.125];
    let zeros: Scores = |_| [0.0; 3];
    let impossible: Scores = |seen| [1e4, -1e4 * (1.0 + seen[1]), 0.0];
    let huge: Scores = |seen| seen.map(|s| 1e30 * (s - 0.3));
    let tiny: Scores = |seen| seen.map(|s| 1e-30 * s);
    let negative: Scores = |seen| seen.map(|s| -1.0 - s);
    let steep: Scores = |seen| [0.0, if seen[1] > 0.4 { 80.0 } else { -80.0 }, 0.0];
    // Probabilities whose squares no number holds.
    let far: Scores = |seen| [400.0, seen[1], 0.0];
    for scores in [equal, zeros, impossible, huge, tiny, negative, steep, far] {
        for set in [
            "",
            "weight_norm=relu",
            "weight_norm=softmax",
            "baseline=input",
            "baseline=input weight_norm=relu",
        ] {
            for score in ["softmax", "logit", "sigmoid"] {
                for budget in ["passes=1", "passes=8", "passes=40", "error=0.3"] {
                    let set = format!("{budget} score={score} {set}");
                    for applied in [OutputActivation::None, OutputActivation::Softmax] {
                        let mut model = Model::new(bumps(60, 7, 7)).with(scores);
                        model.info.scores.as_mut().expect("scores").applied = applied;
                        let found = Call { set: &set, ..CALL }.adaptive(&model);
                        assert_honest(&found.unwrap_or_else(|e| panic!("{set}: {e}")), 60, &set);
                    }
                }
            }
        }
    }
}

#[test]
fn at_a_deadline_the_map_is_that_of_the_passes_that_were_made() {
    let model = Model::many();
    let passes = Cell::new(0);
    let progress = |now: Progress| {
        passes.set(now.passes);
        ControlFlow::Continue(())
    };
    // One pass for the class scores and 40 masks, eight at a time: the next ones are not begun.
    let (time_up, late) = (|| passes.get() >= 41, "passes=200");
    let call = Call { set: late, progress: &progress, time_up: &time_up, ..CALL };
    let found = call.adaptive(&model).expect("a map");
    let enough = adaptive(&model, "passes=40");
    assert_eq!((found.late.as_deref(), found.passes), (None, 41));
    // The same masks are scored, but the kernel is fitted now and then only: the maps are close, and each says its error.
    assert!(correlation(found.maps.data(), enough.maps.data()) > 0.99);
    assert!(estimated(&found) > 0.0 && estimated(&found) < 1.0, "{}", estimated(&found));
}

#[test]
fn before_anything_is_known_a_deadline_leaves_the_scores() {
    for method in [&AdaptiveScoreCam as &dyn CamMethod, &ScoreCam] {
        let call = Call { set: "", time_up: &|| true, ..CALL };
        let found = call.of(method, &Model::many()).expect("scores without a map");
        let known = CALL.of(method, &Model::many()).expect("a map");
        let why = found.late.expect("a reason");
        assert!(why.starts_with("the time limit expired after 1 of "), "{why}");
        assert_eq!((found.maps.shape()[0], found.passes), (0, 1));
        assert_eq!(found.targets, known.targets);
    }
}

#[test]
fn a_caller_can_cancel_in_the_middle() {
    let most = Mutex::new(0);
    let progress = |now: Progress| {
        let mut most = most.lock().expect("no test panicked");
        *most = now.passes;
        if now.passes > 30 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let call = Call { set: "passes=100", progress: &progress, ..CALL };
    let error = call.adaptive(&Model::many()).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(*most.lock().expect("no test panicked") < 50, "it went on");
}
