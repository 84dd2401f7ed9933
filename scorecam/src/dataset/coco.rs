//! COCO: one JSON file with `images`, `annotations` and `categories`.
//!
//! Only boxes are read; the parser skips segmentations and crowds. A field of a wrong type affects only its own entry.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use scorecam_core::{Error, Result, bail};
use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use super::gathered::{Annotation as Gather, Gathered, around, file_in, folder_of};
use super::{ClassName, Form, checked_box};
use crate::text_file::read_bytes;

/// The maximum size of a file in bytes, twice that of COCO's largest.
const MOST_BYTES: u64 = 1 << 30;
/// The maximum number of entries in a list, each of which takes about a hundred bytes of memory; COCO's longest has
/// 860,000.
const MOST_ENTRIES: usize = 4_000_000;

#[derive(Derive)]
struct File {
    images: Option<List<Image>>,
    annotations: Option<List<Annotation>>,
    categories: Option<List<Category>>,
}

#[derive(Derive)]
struct Image {
    id: Option<Lenient<Id>>,
    file_name: Option<Lenient<String>>,
    height: Option<Lenient<usize>>,
    width: Option<Lenient<usize>>,
}

#[derive(Derive)]
struct Annotation {
    id: Option<Lenient<Id>>,
    image_id: Option<Lenient<Id>>,
    category_id: Option<Lenient<Id>>,
    bbox: Option<Lenient<[f64; 4]>>,
    #[serde(default, deserialize_with = "flag")]
    iscrowd: bool,
}

#[derive(Derive)]
struct Category {
    id: Option<Lenient<Id>>,
    name: Option<Lenient<String>>,
}

#[derive(Derive, Clone, PartialEq, Eq, Hash)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A value, or a value of a wrong type.
#[derive(Derive)]
#[serde(untagged)]
enum Lenient<T> {
    Good(T),
    Bad(IgnoredAny),
}

/// The value of a field, or an error that names the field.
fn field<'a, T>(value: &'a Option<Lenient<T>>, name: &str, wanted: &str) -> Result<&'a T> {
    match value {
        Some(Lenient::Good(value)) => Ok(value),
        Some(Lenient::Bad(_)) => bail!(invalid, "{name} is not {wanted}"),
        None => bail!(invalid, "{name} is missing"),
    }
}

fn id<'a>(value: &'a Option<Lenient<Id>>, name: &str) -> Result<&'a Id> {
    field(value, name, "a number or a text")
}

/// 1 or `true`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_bool().unwrap_or(value.as_f64().is_some_and(|number| number != 0.0)))
}

/// A list of at most [`MOST_ENTRIES`].
struct List<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == MOST_ENTRIES {
                        return Err(A::Error::custom(format_args!(
                            "a list has more than {MOST_ENTRIES} entries"
                        )));
                    }
                    entries.push(entry);
                }
                Ok(List(entries))
            }
        }
        deserializer.deserialize_seq(Entries(std::marker::PhantomData))
    }
}

pub(super) fn read(path: &Path, gathered: &mut Gathered) -> Result<Form> {
    let bytes = read_bytes(path, MOST_BYTES)?;
    let wrong = |what: String| {
        Error::invalid(format!(
            "it is not a COCO file: {what}; it must have the lists images, annotations and categories"
        ))
    };
    // A byte order mark is no part of JSON.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let file: File = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
    drop(bytes);
    let missing = |key: &str| wrong(format!("key {key:?} is missing"));
    let List(images) = file.images.ok_or_else(|| missing("images"))?;
    let List(annotations) = file.annotations.ok_or_else(|| missing("annotations"))?;
    let List(categories) = file.categories.ok_or_else(|| missing("categories"))?;
    let mut coco = Coco { path, images: HashMap::new(), classes: HashMap::new(), crowds: 0 };
    coco.add_images(&images, gathered);
    coco.add_categories(&categories, gathered);
    for annotation in &annotations {
        if let Err(e) = coco.add(annotation, gathered) {
            let named =
                annotation.id.as_ref().map_or("without id".into(), |_| match id(&annotation.id, "id") {
                    Ok(id) => id.to_string(),
                    Err(e) => e.to_string(),
                });
            gathered.problem(path, None, e.context(format!("annotation {named}")));
        }
    }
    coco.finish(gathered);
    Ok(Form::Coco)
}

/// A file's images and classes by id.
struct Coco<'a> {
    path: &'a Path,
    images: HashMap<&'a Id, Found<'a>>,
    classes: HashMap<&'a Id, &'a str>,
    crowds: usize,
}

/// An image and its file, or the error if there is none.
struct Found<'a> {
    name: &'a str,
    file: Result<PathBuf>,
    size: Option<(usize, usize)>,
    annotations: usize,
}

impl<'a> Coco<'a> {
    fn add_images(&mut self, images: &'a [Image], gathered: &mut Gathered) {
        let folders = photo_folders(self.path);
        for (place, image) in images.iter().enumerate() {
            let added = id(&image.id, "id").and_then(|id| {
                let named = |e: Error| e.context(format!("id {id}"));
                let name = field(&image.file_name, "file_name", "a text").map_err(named)?.as_str();
                let side = |value| field(value, "side", "").ok().copied().filter(|&side| side > 0);
                let size = side(&image.height).zip(side(&image.width));
                let found = Found { name, file: file_in(&folders, name), size, annotations: 0 };
                match self.images.contains_key(id) {
                    true => Err(named(Error::invalid("duplicate id; the first image is used"))),
                    false => Ok(_ = self.images.insert(id, found)),
                }
            });
            if let Err(e) = added {
                gathered.problem(self.path, None, e.context(format!("images[{place}]")));
            }
        }
    }

    fn add_categories(&mut self, categories: &'a [Category], gathered: &mut Gathered) {
        for (place, category) in categories.iter().enumerate() {
            let added = id(&category.id, "id").and_then(|id| {
                let name = field(&category.name, "name", "a text")?.as_str();
                match self.classes.contains_key(id) {
                    true => bail!(invalid, "duplicate id {id}; the first category is used"),
                    false => Ok(_ = self.classes.insert(id, name)),
                }
            });
            if let Err(e) = added {
                gathered.problem(self.path, None, e.context(format!("categories[{place}]")));
            }
        }
    }

    fn add(&mut self, annotation: &Annotation, gathered: &mut Gathered) -> Result<()> {
        if annotation.iscrowd {
            self.crowds += 1;
            return Ok(());
        }
        let image_id = id(&annotation.image_id, "image_id")?;
        let Some(image) = self.images.get_mut(image_id) else {
            bail!(invalid, "image_id {image_id} is not among the images");
        };
        image.annotations += 1;
        // Said once for an image, at the end.
        let Ok(file) = &image.file else { return Ok(()) };
        let category_id = id(&annotation.category_id, "category_id")?;
        let Some(&class) = self.classes.get(category_id) else {
            bail!(invalid, "category_id {category_id} is not among the categories");
        };
        let class = ClassName::parse(class);
        if class.is_none() {
            bail!(invalid, "category {category_id} has an empty name");
        }
        let &[x, y, width, height] =
            field(&annotation.bbox, "bbox", "a list of 4 numbers, x, y, width and height")?;
        let bounds = checked_box([x, y, x + width, y + height], image.size)?;
        let (photo, size) = (image.name, image.size);
        gathered.add(Gather { file, photo, class, bounds: Some(bounds), mask: None, size })
    }

    fn finish(self, gathered: &mut Gathered) {
        let mut missing: Vec<_> = self.images.iter().filter(|(_, image)| image.annotations > 0).collect();
        missing.sort_by_key(|(_, image)| image.name);
        for (id, image) in missing {
            if let Err(e) = &image.file {
                let text =
                    format!("image {id}: {e}; its annotations, {} in all, are left out", image.annotations);
                gathered.problem(self.path, None, text);
            }
        }
        let unused = self.images.values().filter(|image| image.annotations == 0).count();
        gathered.remark_count(unused, "image has no annotations", "images have no annotations");
        gathered.remark_count(self.crowds, "crowd annotation is skipped", "crowd annotations are skipped");
    }
}

/// The folders that may contain the photos: the file's folder, `images` in it, and, as in COCO's archives, beside the
/// file's folder: the photos of `annotations/instances_val2017.json` are in `val2017`.
fn photo_folders(path: &Path) -> Vec<PathBuf> {
    let folder = folder_of(path);
    let around = around(&folder);
    let mut folders = vec![folder.join("images"), folder, around.join("images")];
    folders.swap(0, 1);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some((_, part)) = stem.rsplit_once('_') {
        folders.push(around.join(part));
    }
    folders
}
