//! The demo's page: the program's JSON in, one HTML file out.
//!
//! The page stands on its own. It refers to the pictures beside it and to nothing on any network, runs no
//! script, and follows the reader's choice of light or dark. What it looks like is in
//! `templates/demo.html`; every text that comes from outside is escaped there.

use std::fs;
use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome, While};

/// One photo on the page. Files are named relative to the page.
#[derive(Serialize)]
pub(crate) struct Photo {
    pub(crate) subject: String,
    pub(crate) photo: String,
    pub(crate) map: String,
    /// Width × height in pixels.
    pub(crate) map_size: String,
    pub(crate) overlay: String,
    pub(crate) result: Explanation,
}

/// What the reader needs to try a photo of their own.
pub(crate) struct Commands<'a> {
    pub(crate) program: &'a Path,
    /// The model's manifest.
    pub(crate) model: &'a Path,
}

/// The part of `scorecam explain --json` that the page shows, for one photo and one class.
#[derive(Deserialize, Serialize)]
pub(crate) struct Explanation {
    backend: String,
    method: String,
    preset: String,
    layer: String,
    passes: u64,
    seconds: Seconds,
    #[serde(default)]
    warnings: Vec<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize, Serialize)]
struct Seconds {
    decode: f64,
    preprocess: f64,
    forward: f64,
    passes: f64,
    map: f64,
    total: f64,
}

#[derive(Deserialize, Serialize)]
struct Target {
    class: u64,
    label: Option<String>,
    score: f64,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<Explanation>,
}

/// Reads the program's JSON about one photo and one class.
pub(crate) fn read(json: &Path) -> Outcome<Explanation> {
    let text = fs::read_to_string(json).doing(|| format!("read {}", json.display()))?;
    let report: Report = serde_json::from_str(&text).doing(|| format!("understand {}", json.display()))?;
    match <[Explanation; 1]>::try_from(report.results) {
        Ok([result]) if result.targets.len() == 1 => Ok(result),
        _ => Err(Failure::new(format!("{} does not hold one result for one class", json.display()))),
    }
}

/// The page's HTML.
pub(crate) fn render(photos: &[Photo], commands: &Commands<'_>) -> Outcome<String> {
    let mut templates = Environment::new();
    // The name ends in .html, which turns escaping on.
    let added = templates.add_template("demo.html", include_str!("../../templates/demo.html"));
    added.doing(|| "read xtask/templates/demo.html".into())?;
    templates.add_filter("decimals", |value: f64, places: usize| format!("{value:.places$}"));
    let page = templates.get_template("demo.html").doing(|| "find xtask/templates/demo.html".into())?;
    let values = context! {
        photos => Serde(photos),
        program => quoted(commands.program),
        model => quoted(commands.model),
        legend => legend(),
    };
    page.render(values).doing(|| "fill xtask/templates/demo.html".into())
}

/// The map's colours from 0 to 1, as stops of a CSS gradient.
fn legend() -> String {
    let stops = (0..=8).map(|stop| format!("#{:x}", colorous::VIRIDIS.eval_rational(stop, 9)));
    stops.collect::<Vec<_>>().join(", ")
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    if path.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c)) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"results": [{"input": "cat.png", "model": "m.toml", "backend": "onnx-cpu",
        "method": "score-cam", "preset": "official", "layer": "features", "passes": 468,
        "seconds": {"decode": 0.01, "preprocess": 0.002, "forward": 0.02, "passes": 3.1, "map": 0.003,
                    "total": 3.14}, "warnings": ["a < b"],
        "targets": [{"class": 281, "label": "tabby & <cat>", "score": 0.6123, "map": "m.npy"}]}]}"#;

    fn explanation(json: &str) -> Outcome<Explanation> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        fs::write(&path, json).unwrap();
        read(&path)
    }

    fn page() -> String {
        let photo = Photo {
            subject: "A cat".into(),
            photo: "cat.png".into(),
            map: "map.png".into(),
            map_size: "224 × 224".into(),
            overlay: "over.png".into(),
            result: explanation(JSON).unwrap(),
        };
        let commands = Commands { program: Path::new("/t/scorecam"), model: Path::new("/my cache/m.toml") };
        render(&[photo], &commands).unwrap()
    }

    #[test]
    fn the_page_shows_what_the_program_said() {
        let page = page();
        for shown in ["cat.png", "map.png", "over.png", "281", "0.612", "468", "3.14 s", "224 × 224"] {
            assert!(page.contains(shown), "{shown} is not on the page");
        }
    }

    #[test]
    fn the_page_escapes_what_comes_from_outside() {
        let page = page();
        assert!(page.contains("tabby &amp; &lt;cat&gt;") && page.contains("a &lt; b"), "{page}");
    }

    #[test]
    fn the_page_needs_nothing_from_a_network() {
        let page = page();
        for outside in ["http://", "https://", "url(", "<script", "@import"] {
            assert!(!page.contains(outside), "{outside} is on the page");
        }
    }

    #[test]
    fn a_report_of_another_shape_is_refused() {
        let check = |json: &str, expected: &str| {
            let failure = explanation(json).err().unwrap().to_string();
            assert!(failure.contains(expected), "{failure}");
        };
        check(r#"{"results": []}"#, "one result for one class");
        check("{}", "missing field `results`");
        check("", "r.json");
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(Path::new(path)), expected);
        check("/a/b-c.toml", "/a/b-c.toml");
        check("/a b/c", "'/a b/c'");
        check("/it's", r"'/it'\''s'");
    }
}
