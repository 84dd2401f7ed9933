//! Targets as text: `box:0`, `contrast:tabby-lynx`, `region:predicted:15`.
//!
//! [`Asked::parse`] reads them once for a model; [`Asked::of`] converts them for one input, because boxes and regions
//! are in pixels of a photo.

use std::sync::Arc;

use scorecam_core::image::{Photo, Placement};
use scorecam_core::target::{
    AskedTarget, Boxes, BoxesWanted, Cosine, Detector, Fixed, Kept, Question, Region, RegionArea, Several,
};
use scorecam_core::{Error, Result, Targets};

use crate::{Image, Input, Model};

/// The targets of an explainer.
pub(crate) enum Asked {
    /// Classes, as methods know them.
    Classes(Targets),
    /// Other targets, in order, with a remark for users who gave none.
    Questions(Vec<Words>, Option<String>),
}

/// A target, parsed as far as possible without an input.
pub(crate) enum Words {
    Fixed(AskedTarget),
    Boxes { wanted: Wanted, text: String, kept: Kept },
    Region { area: Area, class: Option<usize>, text: String },
}

pub(crate) enum Wanted {
    All,
    Index(usize),
    /// In pixels of the photo or of the tensor.
    At([f64; 4], Option<usize>),
    Candidate(usize, Option<usize>),
}

pub(crate) enum Area {
    Mask(Arc<Photo>),
    Predicted,
}

impl Asked {
    /// A remark for the user on the interpretation of the targets.
    pub(crate) fn remarks(&self, model: &Model) -> Vec<String> {
        let Self::Questions(words, unasked) = self else { return Vec::new() };
        let about_boxes = words.iter().any(|words| matches!(words, Words::Boxes { .. }));
        let guess = about_boxes.then(|| model.detector((0, 0)).ok()?.remark()).flatten();
        unasked.iter().cloned().chain(guess).collect()
    }

    /// Reads `words`, each a target; if all are classes, they stay classes. Without words, the targets are `classes`,
    /// or boxes or regions if the model has these instead of class scores.
    pub(crate) fn parse(
        (words, classes): (&[String], &Targets),
        (model, kept): (&Model, Kept),
    ) -> Result<Self> {
        let all_classes: Option<Vec<&str>> = words.iter().map(|word| word.strip_prefix("class:")).collect();
        match all_classes {
            Some(named) if !named.is_empty() => {
                let named = named.into_iter().map(|name| model.class(name)).collect::<Result<_>>()?;
                Ok(Self::Classes(Targets::Classes(named)))
            }
            None => {
                let parse = |word: &String| {
                    Words::parse(word, (model, kept)).map_err(|e| e.context(format!("target {word:?}")))
                };
                Ok(Self::Questions(words.iter().map(parse).collect::<Result<_>>()?, None))
            }
            Some(_) => Ok(match (model.info().scores.is_err(), default_words(model), classes) {
                (true, Some(word), Targets::Top(1)) => {
                    let unasked = format!(
                        "the model has no class scores, so the target is {word}; choose another with --target"
                    );
                    Self::Questions(vec![Words::parse(word, (model, kept))?], Some(unasked))
                }
                _ => Self::Classes(classes.clone()),
            }),
        }
    }

    /// The targets for one input.
    pub(crate) fn of(&self, model: &Model, input: &Input) -> Result<Targets> {
        match self {
            Self::Classes(classes) => Ok(classes.clone()),
            Self::Questions(words, _) => {
                let questions =
                    words.iter().map(|words| words.question(model, input)).collect::<Result<_>>()?;
                Ok(Targets::Asked(Arc::new(Several(questions))))
            }
        }
    }
}

/// The default target of a model without class scores.
fn default_words(model: &Model) -> Option<&'static str> {
    match model.detector((1, 1)) {
        Ok(_) => Some("boxes"),
        Err(_) => model.surely_segments().then_some("region:predicted"),
    }
}

impl Words {
    fn parse(text: &str, (model, kept): (&Model, Kept)) -> Result<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let class = |name: &str| model.class(name);
        let optional = |name: Option<&str>| name.map(class).transpose();
        let number = |text: &str| {
            text.parse::<usize>().map_err(|_| Error::invalid(format!("{text:?} is not a number from 0 on")))
        };
        let weighted = |weights: &[(usize, f64)]| {
            let about = weights.first().filter(|(_, weight)| *weight > 0.0).map(|(class, _)| *class);
            Ok(Self::Fixed(AskedTarget {
                target: Arc::new(model.classes(weights)?),
                text: text.to_owned(),
                class: about,
                detection: None,
                region: None,
            }))
        };
        let boxes = |wanted| Ok(Self::Boxes { wanted, text: text.to_owned(), kept });
        match (kind, rest) {
            ("class", name) => weighted(&[(class(name)?, 1.0)]),
            ("not", name) => weighted(&[(class(name)?, -1.0)]),
            ("value", "" | "up") => weighted(&[(1, model.only_value()?)]),
            ("value", "down") => weighted(&[(1, -model.only_value()?)]),
            ("contrast", rest) => weighted(&contrast(rest, &class)?),
            ("sum" | "mean", names) => {
                let classes = names.split('+').map(class).collect::<Result<Vec<_>>>()?;
                let weight = if kind == "sum" { 1.0 } else { 1.0 / classes.len() as f64 };
                weighted(&classes.into_iter().map(|class| (class, weight)).collect::<Vec<_>>())
            }
            ("like", path) => Self::like(text, path, model),
            ("region", rest) => {
                let (area, name) = area(rest, &class)?;
                model.segments()?;
                Ok(Self::Region { area, class: optional(name)?, text: text.to_owned() })
            }
            ("boxes", "") => boxes(Wanted::All),
            ("box", rest) if rest.contains(',') => {
                let (rect, name) =
                    rest.split_once(':').map_or((rest, None), |(rect, name)| (rect, Some(name)));
                boxes(Wanted::At(rectangle(rect)?, optional(name)?))
            }
            ("box", index) => boxes(Wanted::Index(number(index)?)),
            ("candidate", rest) => {
                let (index, name) = rest.split_once(':').map_or((rest, None), |(i, name)| (i, Some(name)));
                boxes(Wanted::Candidate(number(index)?, optional(name)?))
            }
            _ => Err(Error::invalid(
                "it is none of class:NAME, not:NAME, value, contrast:A-B, sum:A+B, mean:A+B, like:PHOTO, region:MASK, \
                 region:predicted, boxes, box:NUMBER, box:X0,Y0,X1,Y1 and candidate:NUMBER",
            )),
        }
    }

    fn like(text: &str, path: &str, model: &Model) -> Result<Self> {
        let reference = model.prepare(&open(path)?)?;
        let output = model.embedding()?;
        let row = model.backend().rows(reference.tensor.view(), &[output], &[])?;
        let row = row.outputs.first().ok_or_else(|| Error::internal("a pass gave no row"))?;
        let target = Arc::new(Cosine::new(output, row.data())?);
        Ok(Self::Fixed(AskedTarget {
            target,
            text: text.to_owned(),
            class: None,
            detection: None,
            region: None,
        }))
    }

    fn question(&self, model: &Model, input: &Input) -> Result<Arc<dyn Question>> {
        let size = match *input.tensor.shape() {
            [_, _, height, width] => (height, width),
            _ => (0, 0),
        };
        Ok(match self {
            Self::Fixed(asked) => Arc::new(Fixed(vec![asked.clone()])),
            Self::Boxes { wanted, text, kept } => {
                let wanted = match *wanted {
                    Wanted::All => BoxesWanted::All,
                    Wanted::Index(index) => BoxesWanted::Index(index),
                    Wanted::Candidate(index, class) => BoxesWanted::Candidate(index, class),
                    Wanted::At([x0, y0, x1, y1], class) => {
                        let at =
                            |x, y| input.placement.map_or((x, y), |placement| placement.to_input((x, y)));
                        let ((x0, y0), (x1, y1)) = (at(x0, y0), at(x1, y1));
                        BoxesWanted::At([x0, y0, x1, y1], class)
                    }
                };
                let detector: Detector = model.detector(size)?;
                Arc::new(Boxes { detector, kept: *kept, wanted, text: text.clone() })
            }
            Self::Region { area, class, text } => {
                let area = match area {
                    Area::Predicted => RegionArea::Predicted,
                    Area::Mask(mask) => inside(Arc::clone(mask), size, input.placement)?,
                };
                let segments = model.segments()?.clone();
                Arc::new(Region { segments, area, class: *class, text: text.clone() })
            }
        })
    }
}

/// `A-B`, `A-B,C`, `A-B*0.6`: a class, the classes it is contrasted with, and the strength. A label may contain
/// hyphens.
fn contrast(text: &str, class: &dyn Fn(&str) -> Result<usize>) -> Result<Vec<(usize, f64)>> {
    let (names, strength) = match text.rsplit_once('*') {
        Some((names, strength)) => {
            let strength = strength.parse::<f64>().ok().filter(|s| s.is_finite());
            (names, strength.ok_or_else(|| Error::invalid("the strength after * is not a number"))?)
        }
        None => (text, 1.0),
    };
    let split = names.match_indices('-').filter_map(|(at, _)| {
        let own = class(&names[..at]).ok()?;
        let others = names[at + 1..].split(',').map(class).collect::<Result<Vec<_>>>().ok()?;
        Some((own, others))
    });
    let (own, others) = { split }.next().ok_or_else(|| {
        Error::not_found(format!(
            "{names:?} is not CLASS-CLASS or CLASS-CLASS,CLASS with classes of the model"
        ))
    })?;
    let share = -strength / others.len() as f64;
    Ok(std::iter::once((own, 1.0)).chain(others.into_iter().map(|other| (other, share))).collect())
}

/// `predicted`, `predicted:CLASS`, `FILE` or `FILE:CLASS`.
fn area<'t>(text: &'t str, class: &dyn Fn(&str) -> Result<usize>) -> Result<(Area, Option<&'t str>)> {
    if let Some(rest) = text.strip_prefix("predicted") {
        match rest.strip_prefix(':') {
            Some(name) => return Ok((Area::Predicted, Some(name))),
            None if rest.is_empty() => return Ok((Area::Predicted, None)),
            None => {}
        }
    }
    let (path, name) = match text.rsplit_once(':') {
        Some((path, name)) if class(name).is_ok() => (path, Some(name)),
        _ => (text, None),
    };
    let mask = open(path)?;
    let photo = mask
        .into_photo()
        .ok_or_else(|| Error::invalid(format!("{path}: a mask must be a photo, not a tensor")))?;
    Ok((Area::Mask(Arc::new(photo)), name))
}

/// `x0,y0,x1,y1`.
fn rectangle(text: &str) -> Result<[f64; 4]> {
    let wrong = || Error::invalid(format!("{text:?} is not a box X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1"));
    let sides = text.split(',').map(|side| side.trim().parse().ok()).collect::<Option<Vec<f64>>>();
    let sides: [f64; 4] = sides.and_then(|sides| sides.try_into().ok()).ok_or_else(wrong)?;
    let [x0, y0, x1, y1] = sides;
    if sides.iter().all(|side| side.is_finite()) && x0 < x1 && y0 < y1 { Ok(sides) } else { Err(wrong()) }
}

/// The region that is bright, above 127, in a mask of the photo's size (or of a tensor's).
fn inside(mask: Arc<Photo>, input: (usize, usize), placement: Option<Placement>) -> Result<RegionArea> {
    let photo = placement.map_or(input, |placement| placement.photo_size());
    if mask.size() != photo {
        let ((h, w), (height, width)) = (mask.size(), photo);
        return Err(Error::invalid(format!(
            "the mask is {w} x {h} pixels, the photo {width} x {height}; they must be equal"
        )));
    }
    Ok(RegionArea::Inside(Arc::new(move |x, y| {
        let point = (x * input.1 as f64, y * input.0 as f64);
        let (x, y) = placement.map_or(point, |placement| placement.to_photo(point));
        let pixel = |at: f64, sides: usize| (at >= 0.0 && at < sides as f64).then_some(at as usize);
        let (Some(x), Some(y)) = (pixel(x, mask.width()), pixel(y, mask.height())) else { return false };
        let rgb = &mask.pixels()[(y * mask.width() + x) * 3..][..3];
        rgb.iter().map(|&v| u32::from(v)).sum::<u32>() > 3 * 127
    })))
}

#[cfg(feature = "files")]
fn open(path: &str) -> Result<Image> {
    Image::open(path)
}

#[cfg(not(feature = "files"))]
fn open(path: &str) -> Result<Image> {
    Err(Error::unsupported(format!("{path}: this build reads no files; give the image in code")))
}
