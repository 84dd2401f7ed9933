//! `backend = "auto"`: of several backends the best one that works here is taken, and why is told. The others are C
//! plugins that say of themselves what they were compiled with.

use std::path::{Path, PathBuf};
use std::process::Output;

use scorecam::{Host, Model, ModelRequest};
use scorecam_tests::{Language, compiler, golden, library, root, run, scorecam};

/// Builds the backend `id`, which says `text` with `rank` and `status`; `more` are further definitions.
fn ranked(folder: &Path, id: &str, said: (u32, &str, i32), more: &[&str]) -> PathBuf {
    let (rank, text, status) = said;
    let path = folder.join(format!("libscorecam_{}.so", id.replace('-', "_")));
    let mut command = compiler(Language::C, "c11");
    command.args(["-Wshadow", "-Wconversion", "-O1", "-shared", "-fPIC", "-fvisibility=default"]);
    command.arg(format!("-DRANKED_ID=\"{id}\"")).arg(format!("-DRANKED_TEXT=\"{text}\""));
    command.arg(format!("-DRANKED_RANK={rank}")).arg(format!("-DRANKED_STATUS={status}"));
    command.args(more.iter().map(|define| format!("-D{define}")));
    run(command.arg(root().join("tests/c/ranked_plugin.c")).arg("-o").arg(&path));
    path
}

/// A backend that would be the best, but is not ready.
fn not_ready(folder: &Path) -> PathBuf {
    ranked(folder, "unready", (200, "no driver; run 'get driver'", 3), &[])
}

/// The best one, and ready.
fn on_a_card(folder: &Path) -> PathBuf {
    ranked(folder, "card", (200, "a card", 0), &[])
}

/// The best one, ready, and not able to load.
fn that_fails(folder: &Path) -> PathBuf {
    ranked(folder, "failing", (300, "a big card", 0), &["RANKED_FAILS=\"no memory on the card\""])
}

/// A host that loaded these plugins, and toy after them.
fn host_of(plugins: &[&Path]) -> Host {
    let host = Host::new().expect("the built-in methods register");
    let toy = library("scorecam_toy");
    for plugin in plugins.iter().copied().chain([toy.as_path()]) {
        host.load_plugin(plugin).expect("the plugin loads");
    }
    host
}

fn plain() -> ModelRequest {
    ModelRequest { path: golden("toy/plain.toy"), ..Default::default() }
}

fn reason(model: &Model) -> Option<&str> {
    model.backend_choice().map(|choice| choice.reason())
}

#[test]
fn the_best_backend_that_works_is_taken_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (unready, card, failing) = (not_ready(folder), on_a_card(folder), that_fails(folder));
    let equal = ranked(folder, "equal", (100, "the CPU", 0), &[]);
    let check = |plugins: &[&Path], expected: Option<&str>| {
        let model = host_of(plugins).load_model(plain()).expect("it loads");
        assert_eq!(reason(&model), expected);
        let id = expected.map_or("toy", |reason| reason.split([' ', ',']).next().expect("an id"));
        assert_eq!(model.backend_id(), id);
    };
    check(&[], None);
    check(&[&unready], Some("toy, since unready is not ready: no driver; run 'get driver'"));
    check(&[&card], Some("card on a card, before toy"));
    check(&[&failing], Some("toy, since failing failed: no memory on the card"));
    check(&[&equal], Some("equal on the CPU, before toy"));
    check(
        &[&equal, &unready, &card, &failing],
        Some(
            "card on a card, before equal, toy, since failing failed: no memory on the card; \
             unready is not ready: no driver; run 'get driver'",
        ),
    );
}

#[test]
fn a_backend_that_lies_about_itself_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |id: &str, rank: u32, text: &str, more: &[&str], expected: &str| {
        let plugin = ranked(folder.path(), id, (rank, text, 0), more);
        let model = host_of(&[&plugin]).load_model(plain()).expect("toy loads it");
        let expected = format!("toy, since {id} is not ready: backend \"{id}\": {expected}");
        assert!(reason(&model).is_some_and(|r| r.starts_with(&expected)), "{:?}", reason(&model));
    };
    check("binary", 200, "\\xff\\xfe", &[], "what it runs on is not UTF-8");
    check("endless", 200, "", &["RANKED_ENDLESS"], "what it runs on does not end within 1024 bytes");
    check("lines", 200, "a\\nb", &[], "what it runs on has the control character '\\n' in it");
    check("proud", 1001, "a card", &[], "its rank must be at most 1000, got 1001");
}

#[test]
fn an_id_is_obeyed_and_auto_stands_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let card = on_a_card(folder.path());
    let check = |request: Option<&str>, manifest: Option<&str>, expected: (&str, bool)| {
        let backend = manifest.map(|id| format!("backend = {id:?}\n")).unwrap_or_default();
        let path = folder.path().join("model.toml");
        let text = format!("[model]\nfile = {:?}\n{backend}", golden("toy/plain.toy"));
        std::fs::write(&path, text).expect("the folder is writable");
        let request = ModelRequest { path, backend: request.map(str::to_owned), ..Default::default() };
        let model = host_of(&[&card]).load_model(request).expect("it loads");
        assert_eq!((model.backend_id(), model.backend_choice().is_some()), expected);
    };
    check(None, None, ("card", true));
    check(None, Some("auto"), ("card", true));
    check(None, Some("toy"), ("toy", false));
    check(Some("auto"), None, ("card", true));
    check(Some("auto"), Some("toy"), ("card", true));
    check(Some("toy"), Some("auto"), ("toy", false));
    check(Some("card"), Some("toy"), ("card", false));
}

#[test]
fn the_device_that_is_asked_for_decides_who_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let (card, equal) = (on_a_card(folder.path()), ranked(folder.path(), "equal", (100, "the CPU", 0), &[]));
    let request = ModelRequest { device: Some("cpu".into()), ..plain() };
    let model = host_of(&[&equal, &card]).load_model(request).expect("it loads");
    assert_eq!(
        reason(&model),
        Some("equal on the CPU, before toy, since card is not ready: it needs a card")
    );
}

#[test]
fn what_the_caller_asks_wrongly_is_not_hidden_by_another_backend() {
    let folder = tempfile::tempdir().expect("a folder");
    let (unready, card) = (not_ready(folder.path()), on_a_card(folder.path()));
    let request = ModelRequest { settings: [("runtime".into(), "x".into())].into(), ..plain() };
    let error = |plugins: &[&Path], request: &ModelRequest| {
        host_of(plugins).load_model(request.clone()).err().expect("it is refused").to_string()
    };
    let reported = error(&[&card, &unready], &request);
    assert!(
        reported.starts_with("this backend has no settings; the backend is card on a card, before toy"),
        "{reported}"
    );
    let broken = folder.path().join("broken.toy");
    std::fs::write(&broken, "maps = \"many\"").expect("the folder is writable");
    let request = ModelRequest { path: broken, ..Default::default() };
    assert_eq!(error(&[&unready], &request), error(&[], &request), "a broken file is told once");
}

#[test]
fn no_backend_may_be_called_auto() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = ranked(folder.path(), "auto", (200, "a card", 0), &[]);
    let error = Host::new().expect("a host").load_plugin(&plugin).expect_err("refused");
    assert!(error.to_string().ends_with("its id \"auto\" is reserved; choose another"));
}

/// Runs the program, which finds the plugins of a folder and, beside itself, those of this build.
fn program(found: &Path, arguments: &[&str]) -> Output {
    let mut command = scorecam();
    command.env("SCORECAM_PLUGIN_PATH", found).args(arguments).output().expect("the program runs")
}

/// Explains by the program: its backend, its reason, and what it said on stderr.
fn explained(found: &Path, arguments: &[&str]) -> (String, Option<String>, String) {
    let [input, model] =
        ["toy/input-3x32x32.npy", "toy/plain.toy"].map(|name| golden(name).display().to_string());
    let fixed = ["explain", &input, "--model", &model, "--json", "-"];
    let output = program(found, &[&fixed, arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let first = &json["results"][0];
    let text = |name: &str| first[name].as_str().map(str::to_owned);
    (text("backend").expect("a backend"), text("backend_reason"), errors)
}

#[test]
fn the_program_notes_what_was_passed_over_when_it_was_asked_or_when_a_load_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    not_ready(folder.path());
    let note = "note: the backend is toy, since unready is not ready: no driver; run 'get driver'\n";
    let because = note.strip_prefix("note: the backend is ").map(|r| r.trim_end().to_owned());
    let check = |arguments: &[&str], backend: &str, reason: Option<String>, reported: &str| {
        assert_eq!(
            explained(folder.path(), arguments),
            (backend.to_owned(), reason, reported.to_owned()),
            "{arguments:?}"
        );
    };
    check(&["--backend", "auto"], "toy", because.clone(), note);
    check(&[], "toy", because, "");
    check(&["--backend", "toy"], "toy", None, "");
    that_fails(folder.path());
    let (backend, reason, reported) = explained(folder.path(), &[]);
    let reason = reason.expect("there were several");
    assert_eq!(reported, format!("note: the backend is {reason}\n"));
    assert!(backend == "toy" && reason.contains("failing failed: no memory on the card"), "{reason}");
}

#[test]
fn plugins_that_are_named_go_before_those_that_are_found() {
    let (named, found) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    on_a_card(found.path());
    let check = |plugin: &Path, backend: &str| {
        let plugin = plugin.display().to_string();
        let arguments = ["--backend", "auto", "--plugin", &plugin];
        assert_eq!(explained(found.path(), &arguments).0, backend, "{plugin}");
    };
    assert_eq!(explained(found.path(), &[]).0, "card");
    check(&library("scorecam_toy"), "toy");
    // None of the named ones is ready, so that the folders are searched.
    check(&not_ready(named.path()), "card");
}

#[test]
fn the_list_of_plugins_says_who_is_ready_and_who_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    not_ready(folder.path());
    on_a_card(folder.path());
    let output = program(folder.path(), &["plugins"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let squeezed: Vec<String> =
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "backends on this machine:",
        "card ready on a card",
        "unready not ready no driver; run 'get driver'",
        "toy ready",
        "backends that --backend auto chooses, by file type:",
        ".toy card, else toy",
    ] {
        assert!(squeezed.iter().any(|l| l == line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn check_tells_an_answer_from_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |plugin: PathBuf, expected: &str| {
        let output = program(folder.path(), &["check", &plugin.display().to_string()]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let row = text.lines().find(|l| l.starts_with("readiness ")).expect("a row");
        assert!(row.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(expected), "{row}");
    };
    check(on_a_card(folder.path()), "readiness ok card: ready on a card");
    check(not_ready(folder.path()), "readiness ok unready: not ready here: no driver");
    check(
        ranked(folder.path(), "proud", (1001, "a card", 0), &[]),
        "readiness failed backend \"proud\": its rank must be at most 1000, got 1001",
    );
    check(library("scorecam_toy"), "readiness ok toy: ready");
}
