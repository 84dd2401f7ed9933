//! The pages keep up with the code: every link leads somewhere, every page is in the table of contents, and the C API page
//! names every function.

use std::path::{Path, PathBuf};

use scorecam_tests::root;

/// Every page outside of build folders.
fn pages() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root().to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found
}

/// What stands between `](` and `)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
}

/// The anchors of a page's headings: lower case, without punctuation, hyphens for spaces.
fn anchors(text: &str) -> Vec<String> {
    let (mut found, mut code) = (Vec::new(), false);
    for line in text.lines() {
        code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !code && heading.len() < line.len() && heading.starts_with(' ') {
            let heading = heading.trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            found.push(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    found
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_its_heading() {
    let pages = pages();
    assert!(pages.len() > 8, "only {} pages were found", pages.len());
    let mut headings = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a text");
        let folder = page.parent().expect("a folder");
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() { page.clone() } else { folder.join(path) };
            assert!(file.exists(), "{} links to {link}, which is not there", page.display());
            if !anchor.is_empty() {
                let anchors = anchors(&std::fs::read_to_string(&file).expect("a text"));
                assert!(anchors.iter().any(|a| a == anchor), "{}: no heading for {link}", page.display());
                headings += 1;
            }
        }
    }
    assert!(headings > 20, "only {headings} links to headings were found");
}

#[test]
fn the_table_of_contents_has_every_page() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the table of contents");
    let listed: Vec<&str> = links(&summary).collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if name.ends_with(".md") && name != "SUMMARY.md" {
            assert_eq!(listed.iter().filter(|link| **link == name).count(), 1, "{name} in docs/SUMMARY.md");
        }
    }
}

/// The first page of the crate has the example, which rustdoc compiles.
#[test]
fn pages_show_the_example_of_the_crate() {
    let block = |text: &str, fence: &str| {
        let (_, rest) = text.split_once(fence).expect("a block");
        rest.split_once("\n```").expect("the end of a block").0.to_owned()
    };
    let crate_page = std::fs::read_to_string(root().join("scorecam/src/lib.rs")).expect("the crate");
    let crate_page: Vec<&str> = crate_page
        .lines()
        .map_while(|l| l.strip_prefix("//!"))
        .map(|l| l.strip_prefix(' ').unwrap_or(l))
        .collect();
    let example = block(&crate_page.join("\n"), "```no_run\n");
    let shown: Vec<&str> = example.lines().filter(|line| !line.starts_with("# ")).collect();
    for page in ["docs/rust.md", "scorecam/README.md"] {
        let text = std::fs::read_to_string(root().join(page)).expect("the page");
        assert_eq!(block(&text, "```rust\n"), shown.join("\n"), "{page}");
    }
}

/// The names of the functions that a header declares.
fn functions(header: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(header).expect("a header");
    let declared = |line: &str| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        let starts = !line.starts_with([' ', '/', '#', '*', '}']) && !line.starts_with("typedef");
        (starts && name.starts_with("scorecam_")).then(|| name.to_owned())
    };
    text.lines().filter_map(declared).collect()
}

#[test]
fn the_page_of_the_c_api_names_every_function() {
    let page = std::fs::read_to_string(root().join("docs/c-api.md")).expect("the page");
    let functions = functions(&root().join("include/scorecam.h"));
    assert!(functions.len() > 25, "{functions:?}");
    for function in functions {
        assert!(page.contains(&format!("`{function}`")), "docs/c-api.md does not name {function}");
    }
}

/// Readers copy them: each names a crate that lies where it says, beside a folder of their own.
#[test]
fn dependency_lines_of_pages_lead_to_crates() {
    for (page, name) in [("README.md", "scorecam"), ("docs/plugins.md", "scorecam-plugin")] {
        let text = std::fs::read_to_string(root().join(page)).expect("the page");
        let line =
            text.lines().find_map(|line| line.strip_prefix(&format!("{name} = {{ path = \"../scorecam/")));
        let folder =
            line.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("{page} lacks {name}"));
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a crate");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{page}: {folder}");
    }
}
