//! The photos that a model is evaluated on, as `scorecam evaluate` reads them: a .csv for each set.
//!
//! A map can lie on an object only where the model sees it. So a composite is used where the model's best class is that of
//! its stamp, and a pair where both stamps are recognized alone on the same texture and both classes are among the five
//! best. That looks at scores and at no map, so it prefers no method.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat};
use scorecam_core::Draws;
use xtask::cache::Cache;
use xtask::failure::{Outcome, While};

use super::compose::{self, Composite};
use super::plan::{MOST_PAIRS_OF_STAMP, MOST_TRIED, PHOTOS, SEED};
use super::stamps::{self, Cutout, Stamp, TEXTURES};
use crate::peers::worker::Worker;

/// How many of the best classes both objects of a pair must be among.
const BEST: usize = 5;

/// Streams of draws.
const OF_SINGLES: usize = 0;
const OF_PAIRS: usize = 1;
const OF_ORDER: usize = 2;

/// A set of photos.
pub(crate) struct Set {
    pub(crate) csv: PathBuf,
    /// Its lines, as the program names them.
    pub(crate) samples: Vec<String>,
    /// Photos, of which each object is a line.
    pub(crate) photos: usize,
    /// How many were looked at.
    pub(crate) tried: usize,
    /// How many stamps they show.
    pub(crate) stamps: usize,
}

/// A composite with one object, and what it shows.
struct Single {
    stamp: usize,
    texture: usize,
    /// Names of its photo and mask in the folder.
    files: [String; 2],
}

/// Makes composites in a folder.
pub(crate) struct Maker {
    folder: PathBuf,
    stamps: Vec<Stamp>,
    cutouts: Vec<Cutout>,
    textures: Vec<GrayImage>,
    singles: Vec<Single>,
}

impl Maker {
    /// Reads stamps and textures of the cache, and makes a composite of each stamp on each texture.
    pub(crate) fn new(cache: &Cache, folder: &Path) -> Outcome<Maker> {
        let stamps = stamps::stamps()?;
        let cutouts =
            stamps.iter().map(|stamp| Cutout::read(&cache.path("stamps"), stamp)).collect::<Outcome<_>>()?;
        let textures = TEXTURES.iter().map(|name| {
            let place = cache.path(&format!("textures/{name}.png"));
            Ok(image::open(&place).doing(|| format!("read {}", place.display()))?.to_luma8())
        });
        let textures = textures.collect::<Outcome<_>>()?;
        let mut maker = Maker { folder: folder.into(), stamps, cutouts, textures, singles: Vec::new() };
        maker.singles = maker.make_singles()?;
        Ok(maker)
    }

    fn make_singles(&self) -> Outcome<Vec<Single>> {
        let mut singles = Vec::new();
        for (stamp, texture) in
            (0..self.stamps.len()).flat_map(|stamp| (0..TEXTURES.len()).map(move |t| (stamp, t)))
        {
            let draws = Draws::new(SEED).of(OF_SINGLES).of(stamp).of(texture);
            let made = compose::single(&self.cutouts[stamp], &self.textures[texture], draws);
            let name = format!("{}-{}", self.stamps[stamp].name, TEXTURES[texture]);
            let [photo, masks @ ..] = &self.keep(&made, &name)?[..] else { continue };
            singles.push(Single { stamp, texture, files: [photo.clone(), masks.concat()] });
        }
        Ok(singles)
    }

    /// Writes a composite; returns the names of its photo and masks.
    fn keep(&self, made: &Composite, name: &str) -> Outcome<Vec<String>> {
        let mut names = vec![format!("{name}.png")];
        self.write(&names[0], &made.photo)?;
        for (number, mask) in made.masks.iter().enumerate() {
            names.push(format!("{name}-mask{number}.png"));
            self.write(&names[number + 1], mask)?;
        }
        Ok(names)
    }

    /// Writes a picture, unless it is there: a file that is newer would be measured anew.
    fn write<P>(&self, name: &str, picture: &image::ImageBuffer<P, Vec<u8>>) -> Outcome
    where
        P: image::Pixel<Subpixel = u8> + image::PixelWithColorType,
    {
        let place = self.folder.join(name);
        let what = || format!("write {}", place.display());
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).doing(what)?;
        write_anew(&place, bytes.get_ref())
    }

    /// The composites with one object that a model recognizes, at most `count`: stamps as different as there are.
    pub(crate) fn singles(&self, model: &str, worker: &mut Worker, count: usize) -> Outcome<(Set, Seen)> {
        let mut seen = Seen::default();
        for (number, single) in self.singles.iter().enumerate() {
            let ranked = worker.ranked(&self.folder.join(&single.files[0]))?;
            if ranked.first() == Some(&self.stamps[single.stamp].class) {
                seen.singles.push(number);
            }
        }
        let draws = Draws::new(SEED).of(OF_ORDER);
        let mut order: Vec<usize> = seen.singles.clone();
        order.sort_by_key(|&number| draws.bits(number));
        let mut of_stamp = BTreeMap::new();
        let mut order: Vec<(usize, usize)> = order
            .into_iter()
            .map(|number| {
                let earlier: &mut usize = of_stamp.entry(self.singles[number].stamp).or_default();
                *earlier += 1;
                (*earlier, number)
            })
            .collect();
        // Stable: every stamp once, then those that are recognized on two textures, and so on.
        order.sort_by_key(|(earlier, _)| *earlier);
        order.truncate(count);
        let mut csv = Csv::new();
        for (_, number) in &order {
            let single = &self.singles[*number];
            csv.line(&single.files[0], Some(self.stamps[single.stamp].class), &single.files[1]);
        }
        let stamps = order.iter().filter(|(earlier, _)| *earlier == 1).count();
        let (csv, samples) = csv.write(&self.folder, &format!("{model}-composites"))?;
        let set = Set { csv, samples, photos: order.len(), tried: self.singles.len(), stamps };
        Ok((set, seen))
    }

    /// Composites of two objects that a model recognizes both, at most `count`.
    pub(crate) fn pairs(&self, model: &str, worker: &mut Worker, seen: &Seen, count: usize) -> Outcome<Set> {
        let (mut csv, mut used) = (Csv::new(), BTreeMap::<usize, usize>::new());
        let (mut photos, mut tried) = (0, 0);
        for draw in 0..MOST_TRIED {
            if photos == count || seen.singles.is_empty() {
                break;
            }
            let draws = Draws::new(SEED).of(OF_PAIRS).of(draw);
            let [first, second] =
                [0, 1].map(|i| &self.singles[seen.singles[draws.below(i, seen.singles.len())]]);
            let stamps = [first.stamp, second.stamp];
            let classes = stamps.map(|stamp| self.stamps[stamp].class);
            let is_used = |stamp: &usize| used.get(stamp).is_some_and(|n| *n >= MOST_PAIRS_OF_STAMP);
            if classes[0] == classes[1] || first.texture != second.texture || stamps.iter().any(is_used) {
                continue;
            }
            tried += 1;
            let cutouts = stamps.map(|stamp| &self.cutouts[stamp]);
            let made = compose::pair(cutouts, &self.textures[first.texture], draws);
            let names = self.keep(&made, &format!("{model}-pair{draw}"))?;
            let ranked = worker.ranked(&self.folder.join(&names[0]))?;
            if !classes.iter().all(|class| ranked.iter().take(BEST).any(|best| best == class)) {
                continue;
            }
            photos += 1;
            for (class, mask) in classes.iter().zip(&names[1..]) {
                csv.line(&names[0], Some(*class), mask);
            }
            stamps.iter().for_each(|stamp| *used.entry(*stamp).or_default() += 1);
        }
        let (csv, samples) = csv.write(&self.folder, &format!("{model}-pairs"))?;
        Ok(Set { csv, samples, photos, tried, stamps: used.len() })
    }
}

/// What a model recognizes.
#[derive(Default)]
pub(crate) struct Seen {
    /// Numbers of composites with one object.
    singles: Vec<usize>,
}

/// The photos of the cache, without an annotation.
pub(crate) fn photos(cache: &Cache, folder: &Path) -> Outcome<Set> {
    let mut csv = Csv::new();
    for photo in PHOTOS {
        let from = cache.path("photos").join(photo);
        let name = photo.replace('/', "-");
        let bytes = fs::read(&from).doing(|| format!("read {}", from.display()))?;
        write_anew(&folder.join(&name), &bytes)?;
        csv.line(&name, None, "");
    }
    let (csv, samples) = csv.write(folder, "photos")?;
    Ok(Set { csv, samples, photos: PHOTOS.len(), tried: PHOTOS.len(), stamps: 0 })
}

fn write_anew(place: &Path, bytes: &[u8]) -> Outcome {
    if fs::read(place).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    fs::write(place, bytes).doing(|| format!("write {}", place.display()))
}

/// Annotations, and the names that their lines have in the program's results.
struct Csv {
    text: String,
    samples: Vec<String>,
}

impl Csv {
    fn new() -> Csv {
        Csv { text: "file,class,mask\n".into(), samples: Vec::new() }
    }

    fn line(&mut self, file: &str, class: Option<u64>, mask: &str) {
        self.samples.push(class.map_or_else(|| file.to_owned(), |class| format!("{file}#{class}")));
        let class = class.map(|class| class.to_string()).unwrap_or_default();
        // Writing into a text cannot fail.
        let _ = writeln!(self.text, "{file},{class},{mask}");
    }

    fn write(self, folder: &Path, name: &str) -> Outcome<(PathBuf, Vec<String>)> {
        let place = folder.join(name).with_extension("csv");
        write_anew(&place, self.text.as_bytes())?;
        Ok((place, self.samples))
    }
}
