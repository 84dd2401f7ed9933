//! That neither explaining with libtorch nor failing leaks. The file holds one test and no second: memory is a
//! process's, and tests that load models beside it would be measured, too.

use scorecam::{ExplainOptions, Host, Model, ModelRequest, Result, Tensor};
use scorecam_tests::{explained, golden, torch_host, torch_model};

fn explain_zeros(host: &Host, model: &Model, method: &str, layer: &str) -> Result<()> {
    let input = Tensor::zeros([1, 3, 16, 16])?;
    let options =
        ExplainOptions { method: method.into(), layer: Some(layer.to_owned()), ..ExplainOptions::default() };
    explained(host, model, &options, &input).map(drop)
}

/// Memory of this process, in kB, where the system reports it.
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

#[test]
fn a_thousand_explanations_and_failures_leave_memory_flat() {
    let host = torch_host();
    let small = |name: &str| golden("torch").join(name);
    let load = || {
        host.load_model(ModelRequest { path: small("inplace.pt"), threads: Some(1), ..Default::default() })
    };
    let model = load().expect("loads");
    let narrow = Tensor::zeros([1, 3, 16, 8]).expect("a tensor");
    let once = |i: usize| {
        explain_zeros(&host, &model, "score-cam", "norm").expect("a map");
        explain_zeros(&host, &model, "grad-cam", "norm").expect("a map");
        assert!(model.backend().forward(narrow.view(), &[]).is_err());
        assert!(explain_zeros(&host, &model, "score-cam", "nothing").is_err());
        if i.is_multiple_of(10) {
            assert!(load().is_ok() && torch_model(&host, &small("tuple.pt"), [16, 16], Some("2")).is_err());
            assert!(torch_model(&host, &small("mlp.pt"), [5, 5], None).is_err());
        }
    };
    // The allocator and libtorch's own caches fill up first.
    (0..200).for_each(once);
    let Some(mut before) = resident() else { return };
    // A cache that fills late grows once, a leak each time.
    let growths = [(); 4].map(|()| {
        (0..250).for_each(once);
        let after = resident().expect("reported before");
        after - std::mem::replace(&mut before, after)
    });
    assert!(growths.iter().min() < Some(&512), "kB that each 250 explanations took: {growths:?}");
}
