//! [`Labels`]: the names of a model's classes, from the file that its manifest names.
//!
//! The plain form has one name per line. Other common forms are also accepted: `n01440764 tench, Tinca tinca`, `0:
//! tench`, a JSON list, and `imagenet_class_index.json`. The number of names must equal the model's number of classes,
//! because a list that starts with "background" would shift every name by one.

use std::collections::BTreeMap;

use scorecam_core::{Error, Result, bail, printable};
use serde_json::Value;

use crate::Manifest;
use crate::manifest::LabelSource;
use crate::text_file::read_text;

/// The names of classes, by number; empty if there are none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// Their source, for messages.
    source: String,
    names: Vec<String>,
}

impl Labels {
    /// The names in `manifest`.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self> {
        let (source, names) = match &manifest.model.labels {
            None => return Ok(Self::default()),
            Some(LabelSource::Names(list)) => {
                let names = list.iter().map(|name| printable(name.trim())).collect();
                ("model.labels of the manifest".to_owned(), Ok(names))
            }
            Some(LabelSource::File(file)) => {
                let file = manifest.folder.join(file);
                let names = read_text(&file).and_then(|text| names(&text));
                (format!("labels file {}", file.display()), names)
            }
        };
        Ok(Self { names: names.map_err(|e| e.context(&source))?, source })
    }

    /// An error if the number of names differs from the number of classes. A model with one value per image may have
    /// one name.
    pub(crate) fn check(&self, classes: usize, is_one_value: bool) -> Result<()> {
        let count = self.names.len();
        if count == 0 || count == classes || is_one_value && count == 1 {
            return Ok(());
        }
        let background = self.names[0].to_lowercase().contains("background") && count == classes + 1;
        let advice = match background {
            true => "the first one is the background of another model: delete that line",
            false => "give one name for each class",
        };
        Err(Error::invalid(format!(
            "{} has {count} names, the model has {classes} classes; {advice}",
            self.source
        )))
    }

    /// The name of a class.
    pub(crate) fn get(&self, class: usize) -> Option<&str> {
        match self.names.as_slice() {
            // The one name of a value is that of its own side.
            [own] => (class == 1).then_some(own.as_str()),
            names => names.get(class).map(String::as_str),
        }
    }

    /// The class with the label, or one of its comma-separated names, `text`; `model` is the model's name in errors.
    pub(crate) fn class(&self, text: &str, model: &str) -> Result<usize> {
        if self.names.is_empty() {
            return Err(Error::not_found(format!(
                "class {text:?} is not a number, and {model} has no labels; give model.labels in a manifest"
            )));
        }
        let is_named = |label: &str| {
            label == text || label.split(',').any(|name| name.trim().eq_ignore_ascii_case(text))
        };
        let found: Vec<usize> =
            self.all().filter(|(_, label)| is_named(label)).map(|(class, _)| class).collect();
        match found[..] {
            [class] => Ok(class),
            [] => bail!(not_found, "class {text:?} is not in {}{}", self.source, self.near(text)),
            _ => bail!(invalid, "class {text:?} is ambiguous: classes {found:?}; give one of these numbers"),
        }
    }

    /// Each class with its label.
    fn all(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..=self.names.len()).filter_map(|class| Some((class, self.get(class)?)))
    }

    /// Labels that contain the text, as suggestions.
    fn near(&self, text: &str) -> String {
        let text = text.to_lowercase();
        let near = self.all().filter(|(_, label)| label.to_lowercase().contains(&text)).take(5);
        let near: Vec<String> = near.map(|(class, label)| format!("{class} {label:?}")).collect();
        if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) }
    }
}

/// The names in a file's text.
fn names(text: &str) -> Result<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = if text.trim_start().starts_with(['[', '{']) { of_json(text)? } else { of_lines(text) };
    Ok(found.iter().map(|name| printable(name.trim())).collect())
}

/// The names of lines, without their numbers if every line has one. Blank lines at the end are ignored.
fn of_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
    let without = |strip: fn(usize, &str) -> Option<&str>| {
        lines.iter().enumerate().map(|(i, line)| strip(i, line)).collect::<Option<Vec<&str>>>()
    };
    let names = without(after_number).or_else(|| without(after_synset)).unwrap_or(lines.clone());
    names.into_iter().map(str::to_owned).collect()
}

/// `tench` of line 0, `0: tench`.
fn after_number(line: usize, text: &str) -> Option<&str> {
    let (number, name) = text.split_once([':', '\t', ' '])?;
    (number.parse() == Ok(line)).then(|| name.trim_start_matches(':').trim())
}

/// `tench, Tinca tinca` of `n01440764 tench, Tinca tinca`.
fn after_synset(_: usize, text: &str) -> Option<&str> {
    let (synset, name) = text.split_once([' ', '\t'])?;
    let digits = synset.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(name.trim())
}

/// The names of a JSON list, or of an object whose keys are the classes' numbers.
fn of_json(text: &str) -> Result<Vec<String>> {
    let wrong = |what: String| {
        Error::invalid(format!(
            "{what}; a JSON file holds a list of names, or an object of names by class number"
        ))
    };
    match serde_json::from_str(text).map_err(|e| wrong(format!("it is not JSON: {e}")))? {
        Value::Array(list) => {
            list.iter().map(|v| of_value(v).ok_or_else(|| wrong(format!("{v} is not a name")))).collect()
        }
        Value::Object(by_number) => {
            let mut numbered = BTreeMap::new();
            for (key, value) in &by_number {
                let number: usize =
                    key.trim().parse().map_err(|_| wrong(format!("key {key:?} is not a number")))?;
                numbered
                    .insert(number, of_value(value).ok_or_else(|| wrong(format!("{value} is not a name")))?);
            }
            match numbered.keys().copied().eq(0..numbered.len()) {
                true => Ok(numbered.into_values().collect()),
                false => Err(wrong("its keys must be the numbers from 0 on".into())),
            }
        }
        other => Err(wrong(format!("{other} is not a list"))),
    }
}

/// A name, or the last of `["n01440764", "tench"]`.
fn of_value(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(parts) => parts.last()?.as_str().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Labels {
        Labels {
            source: "labels file labels.txt".into(),
            names: names.iter().map(|&n| n.to_owned()).collect(),
        }
    }

    #[test]
    fn names_are_read_from_the_forms_that_people_have() {
        let check =
            |text: &str, expected: &[&str]| assert_eq!(names(text).expect(text), expected, "{text:?}");
        check("tench\ngoldfish\n", &["tench", "goldfish"]);
        check("\u{feff}tench\r\ngoldfish\r\n\n", &["tench", "goldfish"]);
        check("0: tench\n1: goldfish", &["tench", "goldfish"]);
        check("0 tench\n1 goldfish", &["tench", "goldfish"]);
        check("0\ttench\n1\tgoldfish", &["tench", "goldfish"]);
        check("n01440764 tench, Tinca tinca\nn01443537 goldfish", &["tench, Tinca tinca", "goldfish"]);
        check("7 up\n1 goldfish", &["7 up", "1 goldfish"]);
        check("tench\n\ngoldfish", &["tench", "", "goldfish"]);
        check("[\"tench\", \"goldfish\"]", &["tench", "goldfish"]);
        check(
            "{\"1\": [\"n01443537\", \"goldfish\"], \"0\": [\"n01440764\", \"tench\"]}",
            &["tench", "goldfish"],
        );
        check("{\"0\": \"tench\", \"1\": \"goldfish\"}", &["tench", "goldfish"]);
    }

    #[test]
    fn json_that_names_no_classes_is_refused() {
        for (text, expected) in [
            ("[1, 2]", "1 is not a name"),
            ("{\"tench\": 0}", "key \"tench\" is not a number"),
            ("{\"1\": \"tench\"}", "must be the numbers from 0 on"),
            ("[\"tench\"", "it is not JSON"),
        ] {
            let error = names(text).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn another_number_of_names_than_classes_is_refused_with_both() {
        assert_eq!(labels(&["a", "b"]).check(2, false), Ok(()));
        assert_eq!(labels(&[]).check(2, false), Ok(()));
        assert_eq!(labels(&["sick"]).check(2, true), Ok(()));
        let error = |labels: Labels, classes| labels.check(classes, false).expect_err("refused").to_string();
        let shifted = error(labels(&["background", "a", "b"]), 2);
        assert!(
            shifted.contains("has 3 names, the model has 2 classes") && shifted.contains("delete"),
            "{shifted}"
        );
        assert!(error(labels(&["a"]), 2).contains("has 1 names, the model has 2 classes"));
    }

    #[test]
    fn the_one_name_of_a_value_is_that_of_its_own_side() {
        let value = labels(&["sick"]);
        assert_eq!((value.get(0), value.get(1), value.class("sick", "m")), (None, Some("sick"), Ok(1)));
    }
}
