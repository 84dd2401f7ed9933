//! Folders: of photos, of folders by class, of Pascal VOC files.
//!
//! `NAME_mask.png` beside `NAME.jpg` is the mask of its object, not a photo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use scorecam_core::{Result, ensure};

use super::gathered::{Annotation, Gathered, name_below};
use super::{ClassName, Form, voc};
use crate::walk::{Depth, PassedOver, Source, Walk, no_photos};

const MASK: &str = "_mask";

pub(super) fn read(root: &Path, walk: &Walk<'_>, gathered: &mut Gathered) -> Result<Form> {
    if voc::read_folder(root, walk, gathered)? {
        return Ok(Form::Voc);
    }
    let (photos, passed_over) = Walk { depth: Depth::Folder, ..*walk }.photos_in(root)?;
    let folders = walk.folders_in(root)?;
    if photos.is_empty() && !folders.is_empty() {
        read_classes(root, &folders, passed_over, walk, gathered)?;
        return Ok(Form::Classes);
    }
    ensure!(
        folders.is_empty() || walk.depth == Depth::Tree,
        invalid,
        "it has {} photos and {} folders, such as {:?}; give a folder of photos, a folder with one folder per \
         class, or --recursive for the photos of all folders, without classes",
        photos.len(),
        folders.len(),
        name_below(root, &folders[0]).unwrap_or_default()
    );
    let (photos, passed_over) = walk.photos_in(root)?;
    if photos.is_empty() {
        return Err(no_photos(root, &passed_over));
    }
    add_photos(root, photos, None, gathered);
    remark(&passed_over, gathered);
    Ok(Form::Photos)
}

fn read_classes(
    root: &Path,
    folders: &[PathBuf],
    mut passed_over: PassedOver,
    walk: &Walk<'_>,
    gathered: &mut Gathered,
) -> Result<()> {
    passed_over.folders = 0;
    for folder in folders {
        let (photos, rest) = match walk.photos_in(folder) {
            Ok((photos, rest)) if photos.is_empty() => {
                gathered.problem(folder, None, no_photos(folder, &rest));
                continue;
            }
            Ok(found) => found,
            Err(e) => {
                gathered.problem(folder, None, e);
                continue;
            }
        };
        let class = folder.file_name().and_then(|name| ClassName::parse(&name.to_string_lossy()));
        add_photos(root, photos, class, gathered);
        passed_over.add(rest);
    }
    remark(&passed_over, gathered);
    Ok(())
}

fn remark(passed_over: &PassedOver, gathered: &mut Gathered) {
    let passed_over = passed_over.to_string();
    if !passed_over.is_empty() {
        gathered.remark(passed_over);
    }
}

/// Adds the photos of one class with their masks. A mask without its photo is a problem.
fn add_photos(root: &Path, files: Vec<Source>, class: Option<ClassName>, gathered: &mut Gathered) {
    let (mut masks, mut photos) = (BTreeMap::new(), Vec::new());
    for Source { path, .. } in files {
        match masked(&path) {
            Some(photo) => _ = masks.insert(photo, path),
            None => photos.push(path),
        }
    }
    let mut used = BTreeSet::new();
    for file in &photos {
        let stem = file.with_extension("");
        let name = name_below(root, file).unwrap_or_default();
        let annotation = Annotation {
            file,
            photo: &name,
            class: class.clone(),
            bounds: None,
            mask: masks.get(&stem).cloned(),
            size: None,
        };
        if let Err(e) = gathered.add_photo(annotation) {
            gathered.problem(file, None, e);
        }
        used.insert(stem);
    }
    for (photo, mask) in masks.iter().filter(|(photo, _)| !used.contains(*photo)) {
        let photo = photo.file_name().unwrap_or_default().to_string_lossy();
        let text = format!("a mask without its photo; put {photo}.jpg, or another photo {photo}, beside it");
        gathered.problem(mask, None, text);
    }
}

/// The photo of a mask, without an extension; `None` for a file that is not a mask.
fn masked(path: &Path) -> Option<PathBuf> {
    let is_png = path.extension()?.eq_ignore_ascii_case("png");
    let photo = path.file_stem()?.to_str()?.strip_suffix(MASK)?;
    (is_png && !photo.is_empty()).then(|| path.with_file_name(photo))
}
