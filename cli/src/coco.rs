//! The boxes of a run's maps as a COCO file: a dataset whose annotations have scores, all photos in one file.
//!
//! Programs for detections read it: pycocotools as a dataset, or its annotations as results. `scorecam evaluate` reads it,
//! too. So photos are named from the file's own folder, and a category by a name that the model's labels lead back from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use scorecam::{Error, Model, Result};
use serde_json::{Value, json};

use crate::args::ExplainArgs;
use crate::output;
use crate::plan::Plan;
use crate::report::{Outcome, Run, TargetOutcome};
use crate::same_file::{key, resolved};

/// What a box is about: a class, or what was asked in words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Category<'a> {
    Class(usize),
    Words(&'a str),
}

/// Writes the file where one is asked for, whole or not at all: with the photos of this run, and those that it passes over
/// since their results are there.
pub(crate) fn write(run: &Run, (args, plan): (&ExplainArgs, &Plan), model: &Model) -> Result<()> {
    let Some(path) = &args.locate.coco else { return Ok(()) };
    let results = run.results.clone();
    let results = match &plan.folder {
        Some(folder) => folder.with_done(results),
        None => results,
    };
    let text = serde_json::to_string_pretty(&dataset(path, &results, model))
        .map_err(|e| Error::internal(format!("cannot write the boxes as JSON: {e}")))?;
    output::write_text(path, &(text + "\n"))
}

fn dataset(path: &Path, results: &[Outcome], model: &Model) -> Value {
    let folder = resolved(&Path::new(".").join(path.parent().unwrap_or(Path::new(""))));
    let categories = categories(results);
    let (mut images, mut annotations, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for outcome in results {
        // Of every photo all targets have a size, also where they have no box.
        let Some([width, height]) = outcome.targets.iter().find_map(|target| target.located.photo_size)
        else {
            continue;
        };
        let (image, file) = (images.len() + 1, file_of(outcome));
        let name = name_from(&folder, &file);
        // An input that is given twice is one photo.
        if !seen.insert(file) {
            continue;
        }
        images.push(json!({ "id": image, "file_name": name, "width": width, "height": height }));
        for target in &outcome.targets {
            let category = categories.get(&category(target)).copied().unwrap_or_default();
            for (&[x0, y0, x1, y1], energy) in target.located.boxes_with_energy() {
                annotations.push(json!({
                    // From 1: evaluation by COCO takes 0 for no annotation.
                    "id": annotations.len() + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    "score": target.detection.as_ref().map_or(target.score, |found| found.score),
                    "energy": energy,
                }));
            }
        }
    }
    let named =
        |(category, id): (&Category<'_>, &usize)| json!({ "id": id, "name": name(category, results, model) });
    json!({
        "info": {
            "description": "boxes around saliency maps, by scorecam",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "images": images,
        "annotations": annotations,
        "categories": categories.iter().map(named).collect::<Vec<Value>>(),
    })
}

fn category(target: &TargetOutcome) -> Category<'_> {
    target.class.map_or(Category::Words(&target.target), Category::Class)
}

/// The id of each category: a class has its own number, and words those behind the last class.
fn categories(results: &[Outcome]) -> BTreeMap<Category<'_>, usize> {
    let all = || results.iter().flat_map(|outcome| &outcome.targets).map(category);
    let mut ids: BTreeMap<_, usize> = all().map(|category| (category, 0)).collect();
    let mut next = 0;
    // Classes come first.
    for (category, id) in &mut ids {
        *id = if let Category::Class(class) = category { *class } else { next };
        next = *id + 1;
    }
    ids
}

/// The label of a class where it leads back to the class, else its number.
fn name(category: &Category<'_>, results: &[Outcome], model: &Model) -> String {
    let class = match category {
        Category::Words(words) => return (*words).to_owned(),
        Category::Class(class) => *class,
    };
    let mut targets = results.iter().flat_map(|outcome| &outcome.targets);
    let label = targets.find(|target| target.class == Some(class)).and_then(|target| target.label.clone());
    let is_found = |label: &String| model.class(label).is_ok_and(|found| found == class);
    label.filter(is_found).unwrap_or_else(|| class.to_string())
}

/// The photo of a result, without links; as the record has it where there is one, since its name may be from another folder.
fn file_of(outcome: &Outcome) -> PathBuf {
    outcome.input_key().map_or_else(|| key(Path::new(&outcome.input)).into(), PathBuf::from)
}

/// A file's name from a folder, both from the root and without links, with `/` on every system.
fn name_from(folder: &Path, file: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), file.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let is_on_another_disk = !matches!(to.get(shared), Some(Component::Normal(_)));
    if is_on_another_disk {
        return file.to_string_lossy().into_owned();
    }
    let up = from[shared..].iter().map(|_| "..".into());
    let down = to[shared..].iter().map(|part| part.as_os_str().to_string_lossy());
    up.chain(down).collect::<Vec<Cow<'_, str>>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_named_from_the_folder_of_the_file() {
        for (folder, file, expected) in [
            ("/a/b", "/a/b/photo.png", "photo.png"),
            ("/a/b", "/a/b/c/photo.png", "c/photo.png"),
            ("/a/b", "/a/photo.png", "../photo.png"),
            ("/a/b/c", "/d/photo.png", "../../../d/photo.png"),
            ("/", "/photo.png", "photo.png"),
        ] {
            assert_eq!(name_from(Path::new(folder), Path::new(file)), expected, "{folder} {file}");
        }
    }
}
