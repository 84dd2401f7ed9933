//! What is wrong is said in one line, within the time limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scorecam::{ErrorKind, ModelRequest};
use scorecam_tests::refused;

use crate::server::{Fault, FaultServer, toy};
use crate::{Toy, explain, host, load};

const LIMITS: &str = "[limits]\nconnect_seconds = 1.0\nrequest_seconds = 0.5\ntotal_seconds = 2.0\n";

#[test]
fn a_model_that_cannot_be_had_is_refused_when_it_is_loaded() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    let here = |scheme: &str| format!("{scheme}://{}", server.address);
    for scheme in ["grpc", "http"] {
        let check = |endpoint: &str, lines: &str, layer: &str, kind: ErrorKind, words: &[&str]| {
            let path = toy_model.file_of(&[endpoint.to_owned()], lines);
            let begun = Instant::now();
            let request = ModelRequest { path, layer: Some(layer.into()), ..Default::default() };
            refused(host.load_model(request), kind, words);
            assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        };
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let nobody = format!("{scheme}://{free}");
        check(&nobody, LIMITS, "features", ErrorKind::Model, &[&nobody, "refused"]);
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let deaf = format!("{scheme}://{}", deaf.local_addr().expect("an address"));
        check(&deaf, LIMITS, "features", ErrorKind::Model, &[&deaf]);
        let missing = format!("head = \"nope\"\n{LIMITS}");
        check(
            &here(scheme),
            &missing,
            "features",
            ErrorKind::Model,
            &["Model nope not found", &here(scheme)],
        );
        check(
            &here(scheme),
            LIMITS,
            "conv1",
            ErrorKind::NotFound,
            &["\"conv1\"", "scorecam bake", "--tap conv1"],
        );
        let secure = here(&if scheme == "grpc" { "grpcs".into() } else { format!("{scheme}s") });
        check(&secure, LIMITS, "features", ErrorKind::Model, &[&secure, "TLS"]);
        server.set(Fault::Token("abc"));
        check(&here(scheme), LIMITS, "features", ErrorKind::Model, &["no token, no answer", "token_from"]);
        let unset = format!("token_from = \"SCORECAM_TOKEN_NOT_SET\"\n{LIMITS}");
        check(
            &here(scheme),
            &unset,
            "features",
            ErrorKind::InvalidArgument,
            &["SCORECAM_TOKEN_NOT_SET holds no token"],
        );
        server.set(Fault::Nothing);
    }
}

#[test]
fn a_reply_that_is_not_right_is_an_error_within_the_time_limit() {
    let host = host();
    let toy_model = Toy::new(&host);
    let server = FaultServer::new(toy(&toy_model.model), Fault::Nothing);
    for scheme in ["grpc", "http"] {
        let model = load(&host, &toy_model.file(scheme, &[&server], LIMITS)).expect("the model loads");
        for (fault, words) in [
            (Fault::Short, &["came with", "bytes, which is not what shape"][..]),
            (Fault::OtherShape, &["came with shape"]),
            (Fault::Garbage, &["127.0.0.1"]),
            (Fault::Drops(1), &["not answered within 2 s"]),
            (Fault::Busy(1), &["not answered within 2 s", "busy, as the test wants"]),
            (Fault::DeadFrom(0), &["not answered within 2 s", "no answer within 0.5 s"]),
        ] {
            server.set(fault);
            let begun = Instant::now();
            refused(explain(&host, &model, "score-cam"), ErrorKind::Model, words);
            assert!(begun.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", begun.elapsed());
        }
        server.set(Fault::Nothing);
        explain(&host, &model, "score-cam").expect("the server is well again");
    }
}

#[test]
fn servers_of_different_models_are_refused() {
    let host = host();
    let toy_model = Toy::new(&host);
    let other = toy_model.folder.path().join("other.toy");
    std::fs::write(&other, crate::TOY.replace("classes = 10", "classes = 11")).expect("written");
    let request = ModelRequest { path: other, layer: Some("features".into()), ..Default::default() };
    let other = Arc::new(host.load_model(request).expect("the other model loads"));
    let (a, b) = (
        FaultServer::new(toy(&toy_model.model), Fault::Nothing),
        FaultServer::new(toy(&other), Fault::Nothing),
    );
    let words = ["describe model \"m\" differently"];
    refused(load(&host, &toy_model.file("grpc", &[&a, &b], "")), ErrorKind::Model, &words);
}

/// A certificate of this test's own is trusted when the file names it, and not otherwise.
#[test]
fn a_server_proves_who_it_is() {
    let host = host();
    let toy_model = Toy::new(&host);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(toy_model.folder.path().join("ca.pem"), made.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate with its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = FaultServer::with_tls(toy(&toy_model.model), Fault::Nothing, Some(tls));
    let expected = explain(&host, &toy_model.model, "score-cam").expect("the toy model is explained").maps;
    for scheme in ["grpcs", "https"] {
        let endpoint = [format!("{scheme}://localhost:{}", server.address.port())];
        let path = toy_model.file_of(&endpoint, &format!("[tls]\nca = \"ca.pem\"\n{LIMITS}"));
        let model = load(&host, &path).expect("a server whose certificate is known");
        assert_eq!(explain(&host, &model, "score-cam").expect("a map").maps, expected);
        let stranger = toy_model.file_of(&endpoint, LIMITS);
        refused(
            load(&host, &stranger),
            ErrorKind::Model,
            &[&endpoint[0], "certificate is not trusted", "tls.ca"],
        );
        let elsewhere = [format!("{scheme}://127.0.0.1:{}", server.address.port())];
        let path = toy_model.file_of(&elsewhere, &format!("[tls]\nca = \"ca.pem\"\n{LIMITS}"));
        refused(load(&host, &path), ErrorKind::Model, &["certificate is not trusted"]);
    }
}
