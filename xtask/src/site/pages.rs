//! The sources of the site, made of the repository's own pages.
//!
//! `docs/SUMMARY.md` lists the pages and is the table of contents. In the repository a page links to files: another page,
//! a picture, an example, a header. On the site all pages lie in one folder, pictures keep their place beside `docs`, and
//! each other file or folder that a page links to becomes a page that shows its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::failure::{Failure, Outcome, While};

const SUMMARY: &str = "docs/SUMMARY.md";
/// The page for readers of the repository; the site has its own first page.
const README: (&str, &str) = ("README.md", "index.md");
const PICTURES: [&str; 3] = ["jpg", "png", "svg"];
/// The site's folder of pages that show sources.
const SOURCES: &str = "source";
/// Folders of a user's own builds.
const BUILDS: [&str; 3] = ["build", "target", "__pycache__"];

/// Writes the sources of the site into an empty folder. `reference` is the page of the crates' reference.
pub(super) fn write(root: &Path, folder: &Path, reference: &str) -> Outcome {
    let summary = read(&root.join(SUMMARY))?;
    let mut site = Site { root, folder, pages: BTreeMap::new(), sources: BTreeSet::new() };
    site.pages.insert(README.0.into(), README.1.into());
    for (link, _) in links(&summary) {
        let path = resolve("docs", link).ok_or_else(|| site.missing(SUMMARY, link))?;
        let name = path.rsplit('/').next().unwrap_or(&path).to_lowercase();
        site.pages.insert(path, name);
    }
    for (path, name) in site.pages.clone() {
        if path != README.0 {
            let page = site.rewritten(&path, &read(&root.join(&path))?)?;
            site.put(&name, &page)?;
        }
    }
    let summary = site.rewritten(SUMMARY, &summary)?;
    site.put("reference.md", reference)?;
    let contents = site.write_sources()?;
    site.put("SUMMARY.md", &format!("{summary}\n# Reference\n\n- [Crates](reference.md)\n{contents}"))
}

struct Site<'a> {
    root: &'a Path,
    folder: &'a Path,
    /// Pages by their path in the repository, and their names on the site.
    pages: BTreeMap<String, String>,
    /// Files and folders of the repository that pages link to.
    sources: BTreeSet<String>,
}

impl Site<'_> {
    /// The text of a page with links that hold on the site.
    fn rewritten(&mut self, page: &str, text: &str) -> Outcome<String> {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (mut new, mut done) = (String::new(), 0);
        for (link, start) in links(text).filter(|(link, _)| is_local(link)) {
            let (path, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
            let path = resolve(folder, path).filter(|path| self.root.join(path).exists());
            let path = path.ok_or_else(|| self.missing(page, link))?;
            new += &text[done..start];
            new += &self.place(&path)?;
            new += anchor;
            done = start + link.len();
        }
        Ok(new + &text[done..])
    }

    /// The place on the site of a file of the repository, which is written there if it is not a page.
    fn place(&mut self, path: &str) -> Outcome<String> {
        if let Some(name) = self.pages.get(path) {
            return Ok(name.clone());
        }
        if PICTURES.iter().any(|ending| Path::new(path).extension().is_some_and(|e| e == *ending)) {
            let name = path.strip_prefix("docs/").unwrap_or(path);
            let to = self.folder.join(name);
            create_parent(&to)?;
            fs::copy(self.root.join(path), &to).doing(|| format!("copy {path}"))?;
            return Ok(name.to_owned());
        }
        self.sources.insert(path.to_owned());
        Ok(source_page(path))
    }

    /// Writes the pages of sources and returns their part of the table of contents.
    fn write_sources(&mut self) -> Outcome<String> {
        let mut waiting: Vec<String> = self.sources.iter().cloned().collect();
        while let Some(path) = waiting.pop() {
            let page = match self.root.join(&path).is_dir() {
                true => self.folder_page(&path, &mut waiting)?,
                false => format!("# {path}\n\n{}", code(&path, &read(&self.root.join(&path))?)),
            };
            self.put(&source_page(&path), &page)?;
        }
        let mut contents = String::new();
        let mut last = "";
        for path in &self.sources {
            let top = path.split('/').next().unwrap_or(path);
            if top != last {
                // A heading without a page of its own, unless the folder itself is linked to.
                let page = if self.sources.contains(top) { source_page(top) } else { String::new() };
                let _ = writeln!(contents, "- [{top}]({page})");
                last = top;
            }
            if path != top {
                let name = path.strip_prefix(&format!("{top}/")).unwrap_or(path);
                let _ = writeln!(contents, "  - [{name}]({})", source_page(path));
            }
        }
        Ok(contents)
    }

    /// A folder with files shows all that lie below it; one of folders alone lists these, each with a page of its own.
    fn folder_page(&mut self, path: &str, waiting: &mut Vec<String>) -> Outcome<String> {
        let (files, folders) = entries(self.root, path)?;
        let mut page = format!("# {path}\n\n");
        if files.is_empty() {
            for folder in folders {
                let name = folder.rsplit('/').next().unwrap_or(&folder);
                // Links lead from the listing's own folder.
                let _ = writeln!(page, "- [{name}]({}/{name}.md)", path.rsplit('/').next().unwrap_or(path));
                if self.sources.insert(folder.clone()) {
                    waiting.push(folder);
                }
            }
            return Ok(page);
        }
        let mut below = folders;
        let mut all = files;
        while let Some(folder) = below.pop() {
            let (files, folders) = entries(self.root, &folder)?;
            all.extend(files);
            below.extend(folders);
        }
        all.sort();
        for file in all {
            let name = file.strip_prefix(path).unwrap_or(&file).trim_start_matches('/');
            page += &format!("## {name}\n\n{}\n", code(&file, &read(&self.root.join(&file))?));
        }
        Ok(page)
    }

    fn put(&self, name: &str, text: &str) -> Outcome {
        let path = self.folder.join(name);
        create_parent(&path)?;
        fs::write(&path, text).doing(|| format!("write {}", path.display()))
    }

    fn missing(&self, page: &str, link: &str) -> Failure {
        Failure::new(format!("{page} links to {link}, which is not in {}", self.root.display()))
    }
}

/// Links that lead to files, not to other sites or within their own page.
fn is_local(link: &str) -> bool {
    !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
}

/// The links of a text, outside of fenced code, and where each begins.
fn links(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let (mut start, mut code) = (0, false);
    let lines = text.split_inclusive('\n').filter_map(move |line| {
        let begins = start;
        start += line.len();
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!fence && !code).then_some((line, begins))
    });
    lines.flat_map(|(line, begins)| {
        line.match_indices("](").filter_map(move |(at, mark)| {
            let rest = &line[at + mark.len()..];
            Some((&rest[..rest.find(')')?], begins + at + mark.len()))
        })
    })
}

/// A relative path from a folder of the repository, without `..`; none if it leads out of the repository.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let mut path = PathBuf::new();
    for part in Path::new(folder).join(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    path.to_str().map(|path| path.replace('\\', "/"))
}

fn source_page(path: &str) -> String {
    format!("{SOURCES}/{path}.md")
}

/// The readable files and the folders in a folder, by their paths in the repository.
fn entries(root: &Path, folder: &str) -> Outcome<(Vec<String>, Vec<String>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let reading = || format!("read {folder}");
    for entry in fs::read_dir(root.join(folder)).doing(reading)? {
        let entry = entry.doing(reading)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || BUILDS.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{folder}/{name}");
        match entry.path().is_dir() {
            true => folders.push(path),
            false if language(&name).is_some() => files.push(path),
            false => {}
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

/// The language of a source by its name, as fences name it.
fn language(name: &str) -> Option<&'static str> {
    Some(match name.rsplit('.').next()? {
        "c" | "h" => "c",
        "cpp" | "hpp" => "cpp",
        "map" => "text",
        "md" => "markdown",
        "py" => "python",
        // Nothing in it is to be run or hidden.
        "rs" => "rust,ignore",
        "toml" => "toml",
        "txt" if name == "CMakeLists.txt" => "cmake",
        "txt" => "text",
        _ => return None,
    })
}

fn code(path: &str, text: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("````{}\n{}\n````\n", language(name).unwrap_or("text"), text.trim_end())
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).doing(|| format!("read {}", path.display()))
}

fn create_parent(path: &Path) -> Outcome {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](b.md) and [c](d.md#e)\n```cpp\n[&](int x) {}\n```\n![f](g.png)\n";
        let found: Vec<_> = links(text).collect();
        assert_eq!(found, [("b.md", 4), ("d.md#e", 18), ("g.png", text.find("g.png").unwrap())]);
    }

    #[test]
    fn a_link_leads_within_the_repository() {
        let check = |link, expected: Option<&str>| assert_eq!(resolve("docs", link).as_deref(), expected);
        check("start.md", Some("docs/start.md"));
        check("../include/scorecam.h", Some("include/scorecam.h"));
        check("../../secret", None);
        check("/etc/passwd", None);
    }

    #[test]
    fn pages_keep_their_links_and_sources_become_pages() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("docs/SUMMARY.md", "# Summary\n\n- [One](one.md)\n- [Two](../TWO.md)\n"),
            ("docs/one.md", "[two](../TWO.md#there) ![p](images/p.png) [e](../examples) [s](../include/s.h)"),
            ("docs/images/p.png", "picture"),
            ("TWO.md", "[one](docs/one.md) [front](README.md) [web](https://example.org)"),
            ("README.md", "front"),
            ("examples/rust/src/main.rs", "fn main() {}"),
            ("examples/rust/Cargo.toml", "[package]"),
            ("examples/rust/target/x.rs", "built"),
            ("include/s.h", "int x;"),
        ];
        for (path, text) in files {
            create_parent(&root.path().join(path)).unwrap();
            fs::write(root.path().join(path), text).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        write(root.path(), folder.path(), "# Reference\n").unwrap();
        let made = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            made("one.md"),
            "[two](two.md#there) ![p](images/p.png) [e](source/examples.md) [s](source/include/s.h.md)"
        );
        assert_eq!(made("two.md"), "[one](one.md) [front](index.md) [web](https://example.org)");
        assert_eq!(made("source/examples.md"), "# examples\n\n- [rust](examples/rust.md)\n");
        let rust = made("source/examples/rust.md");
        assert!(
            rust.contains("## src/main.rs\n\n````rust,ignore\nfn main() {}\n````") && !rust.contains("built")
        );
        assert!(made("SUMMARY.md").ends_with(
            "- [Two](two.md)\n\n# Reference\n\n- [Crates](reference.md)\n\
             - [examples](source/examples.md)\n  - [rust](source/examples/rust.md)\n\
             - [include]()\n  - [s.h](source/include/s.h.md)\n"
        ));
        fs::write(root.path().join("TWO.md"), "[gone](docs/gone.md)").unwrap();
        let failure = write(root.path(), folder.path(), "").unwrap_err().to_string();
        assert!(failure.starts_with("TWO.md links to docs/gone.md"), "{failure}");
    }
}
