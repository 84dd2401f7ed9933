//! The pages read as English: no private words of this project, and no sentence without a thing for its subject.
//!
//! Spelling is checked by `typos` in `cargo xtask test`. The pages that `cargo xtask bench` and `cargo xtask quality` write
//! are checked in their templates.

use std::path::{Path, PathBuf};

use scorecam_tests::root;

/// Phrases that this project once used in a meaning of its own, or that read as a translation.
const PRIVATE: &[&str] = &[
    "a pass each",
    "anew",
    "at work at once",
    "by a processor's rank",
    "does without",
    "happened never",
    "in so many words",
    "is a word for",
    "is no part of",
    "is obeyed",
    "is the most",
    "is told",
    "are told",
    "of its own accord",
    "so be it",
    "that knows how",
    "the house",
    "the world",
    "what was found",
    "who gets",
    "who gives",
];
/// Words that begin a sentence without a thing for its subject.
const HEADLESS: &[&str] = &["What ", "Who ", "Whoever ", "Those that ", "Those of ", "That which "];
/// Pages that a command writes by a template.
const WRITTEN: &[&str] = &["benchmarks.md", "benchmarks-gpu.md", "quality.md"];

/// The files below a folder with this ending; folders of builds and hidden ones are left out.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, ending, found);
        } else if name.ends_with(ending) && !WRITTEN.contains(&name.as_str()) {
            found.push(path);
        }
    }
}

/// Paragraphs, items and rows of a page as one line each, without code.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut found, mut code) = (vec![String::new()], false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            code = !code;
            found.push(String::new());
        } else if !code {
            let item = ["- ", "* ", "| ", "#", "> "].iter().any(|mark| line.starts_with(mark));
            if line.is_empty() || item || line.starts_with(|c: char| c.is_ascii_digit()) {
                found.push(String::new());
            }
            let last = found.last_mut().expect("one at least");
            *last += line.trim_start_matches(['-', '*', '>']).trim_start();
            last.push(' ');
        }
    }
    // Quoted words are names, not prose.
    found.iter().map(|text| text.split('`').step_by(2).collect::<Vec<_>>().join("`")).collect()
}

/// The sentences of a paragraph that is neither a heading nor a row of a table.
fn sentences(paragraph: &str) -> impl Iterator<Item = &str> {
    let prose = !paragraph.starts_with(['#', '|']);
    paragraph.split_inclusive(". ").filter(move |_| prose).map(str::trim)
}

/// What is wrong with the words of a page.
fn faults(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in paragraphs(text) {
        let small = paragraph.to_lowercase();
        for phrase in PRIVATE {
            let whole = small.match_indices(phrase).any(|(at, _)| {
                let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                !letter(small[..at].chars().next_back()) && !letter(small[at + phrase.len()..].chars().next())
            });
            if whole {
                found.push(format!("\"{phrase}\" in \"{}\"", paragraph.trim()));
            }
        }
        for sentence in sentences(&paragraph) {
            if HEADLESS.iter().any(|word| sentence.starts_with(word)) && !sentence.contains('?') {
                found.push(format!("\"{sentence}\" has no thing for its subject"));
            }
        }
    }
    found
}

#[test]
fn pages_read_as_english() {
    let mut pages = Vec::new();
    files(root(), ".md", &mut pages);
    files(&root().join("bench/templates"), ".md.jinja", &mut pages);
    assert!(pages.len() > 30, "only {} pages were found", pages.len());
    let mut all = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a text");
        all.extend(faults(&text).into_iter().map(|fault| format!("{}: {fault}", page.display())));
    }
    assert!(all.is_empty(), "say it in other words:\n{}", all.join("\n"));
}

#[test]
fn translations_are_found_and_english_is_not() {
    let check = |text: &str, expected: usize| assert_eq!(faults(text).len(), expected, "{text}");
    check("The value is told\nto each caller.", 1);
    check("It is installed. What is not told stays unknown. Who gives one should name it.", 3);
    check(" - Those that fail are listed.", 1);
    check("# What Score-CAM computes\n\nWhat does it compute? `what was found` is a key.", 0);
    check("| What to do | Those of a kind |\n\n```\nWho knows. Those that do.\n```\n", 0);
    check("A manual says what is toldtale.", 0);
}
