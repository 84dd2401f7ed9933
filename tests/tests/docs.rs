//! The pages keep up with the code: every link leads somewhere, and the C API page names every function.

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

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    let pages = pages();
    assert!(pages.len() > 8, "only {} pages were found", pages.len());
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a text");
        let folder = page.parent().expect("a folder");
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = folder.join(link.split('#').next().unwrap_or_default());
            assert!(file.exists(), "{} links to {link}, which is not there", page.display());
        }
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
