//! `cargo xtask site`: the documentation as a web site, with the reference of the crates, every link checked.
//!
//! The pages stay where readers of the repository and of an installation find them, in `docs/` and beside the README.
//! `pages` lays them out as mdBook's sources and turns links to other files of the repository into pages that show these
//! files. mdBook makes HTML of them, cargo the reference of the crates, and `links` looks up every link and anchor of the
//! result. That needs no network and no further tool: a general link checker is hundreds of crates, most of them for
//! links to other sites, which this command leaves alone.

mod links;
mod pages;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::cache::Cache;
use crate::checkers::Checkers;
use crate::failure::{Outcome, While};
use crate::workspace::{Workspace, run};

/// The crates whose reference belongs to the site, with the names of their folders.
const CRATES: [(&str, &str, &str); 3] = [
    ("scorecam", "scorecam", "explain images in an application"),
    ("scorecam-core", "scorecam_core", "the traits, the methods and the measures"),
    ("scorecam-plugin", "scorecam_plugin", "write a plugin"),
];
/// Their folder within the site.
const REFERENCE: &str = "reference";

/// Builds the site into `target/site/html`, checks it, and prints where it is.
pub(crate) fn site(workspace: &Workspace, cache: &Cache) -> Outcome {
    let checkers = Checkers::prepare(workspace, cache)?;
    let folder = workspace.target_dir()?.join("site");
    empty(&folder)?;
    for name in ["book.toml", "site.css"] {
        let (from, to) = (workspace.path("site").join(name), folder.join(name));
        fs::copy(&from, &to).doing(|| format!("copy {}", from.display()))?;
    }
    pages::write(&workspace.path("."), &folder.join("src"), &reference_page())?;
    run(checkers.mdbook().arg("build").arg(&folder), "mdbook build")?;
    let html = folder.join("html");
    document(workspace, &html)?;
    let checked = links::check(&html, REFERENCE)?;
    println!("{} pages, {} links, all of which lead somewhere", checked.pages, checked.links);
    println!("open this page {}", html.join("index.html").display());
    Ok(())
}

/// The page that leads to the reference.
fn reference_page() -> String {
    let mut page = String::from("# Reference of the crates\n\n| crate | to |\n|---|---|\n");
    for (name, folder, purpose) in CRATES {
        page += &format!("| [{name}]({REFERENCE}/{folder}/index.html) | {purpose} |\n");
    }
    page
}

/// Writes the reference of the crates into the site. Compiled dependencies are those of other commands.
fn document(workspace: &Workspace, html: &Path) -> Outcome {
    let target = workspace.target_dir()?;
    let own = target.join("site/cargo");
    let mut doc = workspace.cargo(&["doc", "--no-deps", "--target-dir"]);
    doc.arg(&own).arg("--config").arg(format!("build.build-dir={:?}", target.display().to_string()));
    for (name, ..) in CRATES {
        doc.args(["-p", name]);
    }
    run(doc.env("RUSTDOCFLAGS", "-D warnings"), "cargo doc")?;
    let (from, to) = (own.join("doc"), html.join(REFERENCE));
    fs::rename(&from, &to).doing(|| format!("move {} to {}", from.display(), to.display()))
}

/// An empty folder, so that no page of an earlier site remains.
fn empty(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
        _ => fs::create_dir_all(folder),
    }
    .doing(|| format!("empty {}", folder.display()))
}
