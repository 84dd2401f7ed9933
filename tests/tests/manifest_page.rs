//! The manifest's page keeps up with the code: it lists exactly the keys that a manifest takes, and its examples parse.

use std::collections::BTreeSet;

use scorecam::Manifest;
use scorecam_tests::root;

/// The sections whose keys are fixed. The keys of `[inputs]` and `[settings]` are names that the model and the backend choose.
const SECTIONS: [&str; 3] = ["model", "input", "output"];
/// A key of no section, whose error lists those that there are.
const UNKNOWN: &str = "no_such_key";

fn page(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect(path)
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The keys that the parser takes where `text` has an unknown one, read from its error.
fn keys_by_the_parser(text: &str) -> BTreeSet<String> {
    let error = Manifest::parse(text).expect_err("an unknown key").to_string();
    let listed = error.split_once("expected ").expect("a list of keys").1;
    let keys: BTreeSet<String> = quoted(listed).map(str::to_owned).collect();
    assert!(error.contains(UNKNOWN) && keys.len() > 1, "{error}");
    keys
}

fn keys_of(section: &str) -> BTreeSet<String> {
    keys_by_the_parser(&format!("[{section}]\n{UNKNOWN} = 1\n"))
}

/// The first cells of the first table below the heading of a section.
fn keys_on_the_page<'p>(page: &'p str, section: &str) -> BTreeSet<String> {
    let heading = format!("\n## `[{section}]`\n");
    let below = page.split_once(&heading).unwrap_or_else(|| panic!("{section} has no heading")).1;
    let is_row = |line: &&'p str| line.starts_with('|');
    let rows = below.lines().skip_while(|line| !is_row(line)).take_while(is_row);
    rows.filter_map(|row| quoted(row.split('|').nth(1)?).next()).map(str::to_owned).collect()
}

/// The blocks of TOML, each with the line on which it starts.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```toml") => open = Some((i + 1, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => text.extend([line, "\n"]),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn the_page_lists_exactly_the_keys_that_a_manifest_takes() {
    let page = page("docs/manifest.md");
    for section in SECTIONS {
        assert_eq!(keys_on_the_page(&page, section), keys_of(section), "[{section}] of docs/manifest.md");
    }
    for section in keys_by_the_parser(&format!("{UNKNOWN} = 1\n")) {
        assert!(page.contains(&format!("\n## `[{section}]`\n")), "docs/manifest.md has no section {section}");
    }
}

#[test]
fn every_dotted_key_that_a_page_mentions_exists() {
    let mut mentioned = 0;
    for path in
        ["docs/manifest.md", "docs/torchscript.md", "docs/security.md", "docs/plugins.md", "README.md"]
    {
        let page = page(path);
        for (section, key) in quoted(&page).filter_map(|word| word.split_once('.')) {
            if SECTIONS.contains(&section) {
                assert!(keys_of(section).contains(key), "{path} mentions {section}.{key}");
                mentioned += 1;
            }
        }
    }
    assert!(mentioned > 5, "only {mentioned} keys were found");
}

#[test]
fn every_example_of_a_manifest_parses() {
    for (path, least) in
        [("docs/manifest.md", 12), ("docs/torchscript.md", 1), ("docs/start.md", 1), ("README.md", 1)]
    {
        let blocks = blocks(&page(path));
        assert!(blocks.len() >= least, "{path} has {} examples", blocks.len());
        // Dependency lines of Cargo are TOML, too.
        for (line, text) in blocks.into_iter().filter(|(_, text)| !text.starts_with("[dependencies]")) {
            if let Err(error) = Manifest::parse(&text) {
                panic!("the example on line {line} of {path}: {error}");
            }
        }
    }
}

#[test]
fn settings_of_code_are_refused_as_the_page_says() {
    let page = page("docs/manifest.md");
    let refused = page.split_once("\n## What a manifest may not name\n").expect("the section").1;
    let refused = refused.split_once("\n## ").expect("a next section").0;
    for key in ["runtime", "cuda", "operators"] {
        assert!(quoted(refused).any(|word| word == key), "docs/manifest.md does not name {key}");
        let error = Manifest::parse(&format!("[settings]\n{key} = \"x\"\n")).expect_err(key).to_string();
        assert!(error.contains(&format!("settings.{key}")) && error.contains("--backend-set"), "{error}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused_with_what_is_wanted() {
    for (text, expected) in [
        ("[inputs]\nflag = true\n", "a number, a list of numbers, or the path of a .npy file"),
        ("[input]\ncolor = \"cmyk\"\n", "input.color"),
        ("[input]\nresize = \"box\"\n", "input.resize"),
        ("[input]\nfit = \"pad\"\n", "input.fit"),
        ("[input]\ncrop_fraction = 0.5\n", "input.crop_fraction"),
        ("[input]\nlayout = \"hwc\"\n", "input.layout"),
        ("[model]\nlayer_grid = \"14x14\"\n", "model.layer_grid"),
        ("[output]\nactivation = \"relu\"\n", "output.activation"),
        ("[output]\nkind = \"age\"\n", "output.kind"),
    ] {
        let error = Manifest::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}
