//! Every link of the site leads somewhere: to a file of the site, and where it names a part of a page, to an element of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome, While};

/// Pages that are no pages by themselves: one for addresses that do not exist, one within others.
const PARTS: [&str; 2] = ["404.html", "toc.html"];

/// How much was checked.
#[derive(Debug, PartialEq)]
pub(super) struct Checked {
    pub(super) pages: usize,
    pub(super) links: usize,
}

/// Checks the links of all pages below a folder but those below `foreign`, which may be linked to.
pub(super) fn check(folder: &Path, foreign: &str) -> Outcome<Checked> {
    let folder = folder.canonicalize().doing(|| format!("read {}", folder.display()))?;
    let pages = pages(&folder, &folder.join(foreign))?;
    let (mut anchors, mut broken, mut links) = (BTreeMap::new(), Vec::new(), 0);
    for page in &pages {
        let text = read(page)?;
        for link in values(&text, &["href", "src"]).filter(|link| is_local(link)) {
            links += 1;
            if let Some(fault) = fault(&folder, page, &link, &mut anchors)? {
                let page = page.strip_prefix(&folder).unwrap_or(page);
                broken.push(format!("{} links to {link}, {fault}", page.display()));
            }
        }
    }
    match &broken[..] {
        [] => Ok(Checked { pages: pages.len(), links }),
        [first, ..] => {
            broken.iter().skip(1).for_each(|line| eprintln!("{line}"));
            Err(Failure::new(format!("{} links lead nowhere: {first}", broken.len())))
        }
    }
}

/// What is wrong with a link. `anchors` keeps the elements of pages that were looked at.
fn fault(
    folder: &Path,
    page: &Path,
    link: &str,
    anchors: &mut BTreeMap<PathBuf, BTreeSet<String>>,
) -> Outcome<Option<&'static str>> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or(path);
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap_or(folder).join(decoded(path)),
    };
    let Ok(target) = target.canonicalize() else { return Ok(Some("which is not there")) };
    if !target.starts_with(folder) {
        return Ok(Some("which is outside of the site"));
    }
    if !target.is_file() {
        return Ok(Some("which is no file"));
    }
    if anchor.is_empty() || target.extension().is_none_or(|ending| ending != "html") {
        return Ok(None);
    }
    if !anchors.contains_key(&target) {
        let ids = values(&read(&target)?, &["id"]).collect();
        anchors.insert(target.clone(), ids);
    }
    Ok((!anchors[&target].contains(&decoded(anchor))).then_some("of which there is no such part"))
}

/// The pages below a folder.
fn pages(folder: &Path, foreign: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let reading = || format!("read {}", folder.display());
        for entry in fs::read_dir(&folder).doing(reading)? {
            let path = entry.doing(reading)?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && path != foreign {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "html") && PARTS.iter().all(|part| name != *part)
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The values of attributes in the tags of a page.
fn values(html: &str, names: &[&str]) -> impl Iterator<Item = String> {
    let tags = html.split('<').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    tags.flat_map(move |rest| {
        let tag = &rest[..end_of_tag(rest)];
        names.iter().filter_map(move |name| {
            let (_, value) = tag.split_once(&format!(" {name}=\""))?;
            Some(unescaped(value.split('"').next()?))
        })
    })
}

/// Where a tag ends; a `>` within quotes does not end it.
fn end_of_tag(tag: &str) -> usize {
    let mut quoted = false;
    let end = tag.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    end.unwrap_or(tag.len())
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// A part of an address with its `%20` and the like as characters.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match rest {
            [b'%', high, low, ..] => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &rest[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_local(link: &str) -> bool {
    !link.contains("://")
        && !link.starts_with("mailto:")
        && !link.starts_with("data:")
        && !link.starts_with("javascript:")
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).doing(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_must_lead_to_a_file_and_its_part() {
        let check_page = |body: &str, expected: Result<usize, &str>| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("foreign")).unwrap();
            fs::write(folder.path().join("foreign/f.html"), "<a href=\"nowhere.html\">").unwrap();
            fs::write(folder.path().join("b.html"), "<h2 class=\"x>y\" id=\"th&amp;re\">").unwrap();
            fs::write(folder.path().join("a b.png"), "").unwrap();
            fs::write(folder.path().join("a.html"), body).unwrap();
            match (check(folder.path(), "foreign"), expected) {
                (Ok(found), Ok(links)) => assert_eq!(found, Checked { pages: 2, links }, "{body}"),
                (Err(found), Err(words)) => assert!(found.to_string().contains(words), "{found}"),
                (found, _) => panic!("{body}: {found:?}"),
            }
        };
        check_page(
            "<a href=\"b.html#th&amp;re\"> <img src=\"a%20b.png\"> <a href=\"https://example.org\">",
            Ok(2),
        );
        check_page("<p id=\"p\"> <a href=\"#p\"> <a href=\"foreign/f.html\"> if a < b { href=\"c\" }", Ok(2));
        check_page("<a href=\"c.html\">", Err("a.html links to c.html, which is not there"));
        check_page("<a href=\"b.html#here\">", Err("no such part"));
        check_page("<a href=\"#q\">", Err("no such part"));
        check_page("<a href=\"foreign\">", Err("which is no file"));
        check_page("<a href=\"../\">", Err("outside"));
    }
}
