//! Maps are equal by every bit, whichever server answers, and whatever servers do.

use std::time::{Duration, Instant};

use scorecam::ErrorKind;
use scorecam_tests::refused;

use crate::server::{Fault, FaultServer, toy};
use crate::{Toy, explain, host, load};

/// Four images in a request, so that a map takes dozens of them.
const SMALL: &str = "layers = [\"features\"]\nhead = \"m-head\"\n[limits]\nimages = 4\nrequest_seconds = 1.0\n\
                     connect_seconds = 1.0\ntotal_seconds = 20.0\n";

#[test]
fn maps_are_those_of_the_model_itself() {
    let host = host();
    let toy_model = Toy::new(&host);
    let (a, b) = (
        FaultServer::new(toy(&toy_model.model), Fault::Nothing),
        FaultServer::new(toy(&toy_model.model), Fault::Nothing),
    );
    for scheme in ["grpc", "http"] {
        for servers in [&[&a][..], &[&a, &b]] {
            let model = load(&host, &toy_model.file(scheme, servers, SMALL)).expect("the served model loads");
            for method in ["score-cam", "score-cam-adaptive", "recipro-cam", "rise"] {
                let expected = explain(&host, &toy_model.model, method).expect("the toy model is explained");
                let found =
                    explain(&host, &model, method).unwrap_or_else(|e| panic!("{scheme}, {method}: {e}"));
                assert_eq!(found.maps, expected.maps, "{scheme}, {method}, {} servers", servers.len());
            }
        }
    }
    assert!(a.most_under_way() > 1 && b.requests() > 10, "{} under way", a.most_under_way());
}

#[test]
fn a_server_with_a_fault_costs_its_own_requests_only() {
    let host = host();
    let toy_model = Toy::new(&host);
    let expected = explain(&host, &toy_model.model, "score-cam").expect("the toy model is explained").maps;
    let well = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    let ill = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    for scheme in ["grpc", "http"] {
        for fault in [
            Fault::Late(Duration::from_secs(10)),
            Fault::Garbage,
            Fault::Short,
            Fault::OtherShape,
            Fault::Drops(10),
            Fault::Drops(1),
            Fault::Busy(3),
            Fault::DeadFrom(0),
        ] {
            ill.set(Fault::Nothing);
            let model = load(&host, &toy_model.file(scheme, &[&ill, &well], SMALL)).expect("the model loads");
            ill.set(fault);
            let begun = Instant::now();
            let found =
                explain(&host, &model, "score-cam").unwrap_or_else(|e| panic!("{scheme}, {fault:?}: {e}"));
            assert_eq!(found.maps, expected, "{scheme}, {fault:?}");
            let seconds = begun.elapsed().as_secs_f64();
            println!("{scheme}, {fault:?}: {seconds:.2} s");
            // A server that answers after ten seconds, or never, may hold up a request for a moment.
            assert!(seconds < 5.0, "{scheme}, {fault:?}: {seconds} s");
        }
    }
}

#[test]
fn a_server_without_binary_tensors_gets_json_and_the_user_a_remark() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Json);
    let model = load(&host, &toy_model.file("http", &[&server], SMALL)).expect("the model loads");
    for method in ["score-cam", "recipro-cam"] {
        let expected = explain(&host, &toy_model.model, method).expect("the toy model is explained");
        let found = explain(&host, &model, method).unwrap_or_else(|e| panic!("{method}: {e}"));
        assert_eq!(found.maps, expected.maps, "{method}");
        assert!(
            found.warnings.iter().any(|w| w.contains("does not support binary tensors")),
            "{:?}",
            found.warnings
        );
    }
}

/// Scores of masks that the server made differ by rounding; what travels is an image per request and not per mask.
#[test]
fn a_model_that_masks_by_itself_gives_the_map_for_fewer_bytes() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    let lines = "layers = [\"features\"]\n";
    let expected = explain(&host, &toy_model.model, "score-cam").expect("the toy model is explained");
    for scheme in ["grpc", "http"] {
        let mut bytes = Vec::new();
        for lines in [lines, &format!("{lines}masked = \"m-masked\"\n")] {
            let model = load(&host, &toy_model.file(scheme, &[&server], lines)).expect("the model loads");
            let before = server.bytes();
            let found = explain(&host, &model, "score-cam").unwrap_or_else(|e| panic!("{scheme}: {e}"));
            bytes.push(server.bytes() - before);
            let off = found.maps.data().iter().zip(expected.maps.data()).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) <= 1e-5, "{scheme}");
        }
        println!("{scheme}: {} bytes of images, {} of masks", bytes[0], bytes[1]);
        assert!(bytes[1] * 5 < bytes[0], "{bytes:?}");
    }
    let wrong = toy_model.file("grpc", &[&server], "masked = \"m-head\"\n");
    refused(load(&host, &wrong), ErrorKind::Model, &["m-head", "saliency_masks", "bake --masked"]);
}

#[test]
fn one_server_that_loses_requests_now_and_then_is_enough() {
    let host = host();
    let toy_model = Toy::new(&host);
    let expected = explain(&host, &toy_model.model, "score-cam").expect("the toy model is explained").maps;
    let server = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    for scheme in ["grpc", "http"] {
        let model = load(&host, &toy_model.file(scheme, &[&server], SMALL)).expect("the model loads");
        for fault in [Fault::Drops(10), Fault::Busy(4)] {
            server.set(fault);
            let found =
                explain(&host, &model, "score-cam").unwrap_or_else(|e| panic!("{scheme}, {fault:?}: {e}"));
            assert_eq!(found.maps, expected, "{scheme}, {fault:?}");
        }
        server.set(Fault::Nothing);
    }
}

#[test]
fn a_server_that_is_gone_in_the_middle_and_one_that_comes_back_change_nothing() {
    let host = host();
    let toy_model = Toy::new(&host);
    let expected = explain(&host, &toy_model.model, "score-cam").expect("the toy model is explained").maps;
    let stays = FaultServer::new(toy(&toy_model.model), Fault::Late(Duration::from_millis(5)));
    let goes = FaultServer::new(toy(&toy_model.model), Fault::Late(Duration::from_millis(5)));
    let model = load(&host, &toy_model.file("grpc", &[&goes, &stays], SMALL)).expect("the model loads");
    let found = std::thread::scope(|scope| {
        let work = scope.spawn(|| explain(&host, &model, "score-cam"));
        while goes.requests() < 5 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(goes);
        work.join().expect("no panic")
    });
    assert_eq!(found.expect("a map").maps, expected);
    assert_eq!(explain(&host, &model, "score-cam").expect("a map").maps, expected);
}

#[test]
fn a_call_that_is_cancelled_ends_at_once() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    let model =
        load(&host, &toy_model.file("grpc", &[&server], "[limits]\nimages = 4\n")).expect("the model loads");
    server.set(Fault::DeadFrom(0));
    let begun = Instant::now();
    let cancelled = || begun.elapsed() > Duration::from_millis(200);
    let inputs = crate::image([1, 3, 32, 32]);
    let inputs = scorecam_core::Inputs { cancelled: &cancelled, ..scorecam_core::Inputs::of(inputs.view()) };
    refused(model.engine().forward(&inputs, &["scores"]), ErrorKind::Cancelled, &[]);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Of this process, which holds the server, too.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux says what a process holds");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn memory_stays_flat_over_ten_thousand_requests() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Drops(100));
    for scheme in ["grpc", "http"] {
        let path = toy_model.file(scheme, &[&server], "layers = [\"features\"]\n[limits]\nimages = 1\n");
        let model = load(&host, &path).expect("the model loads");
        let images = crate::image([100, 3, 32, 32]);
        let inputs = scorecam_core::Inputs::of(images.view());
        let mut after = Vec::new();
        for call in 1..=100 {
            let found = model.engine().forward(&inputs, &["scores", "features"]).expect("a hundred answers");
            assert_eq!(found[1].shape(), [100, 96, 8, 8]);
            if call % 20 == 0 {
                after.push(resident_bytes() >> 10);
            }
        }
        println!(
            "{scheme}: {after:?} KiB after each 2,000 requests, at most {} at a time",
            server.most_under_way()
        );
        assert!(after[4] < after[0] + (4 << 10), "{scheme}: {after:?}");
    }
    assert!(server.requests() >= 20_000);
}
