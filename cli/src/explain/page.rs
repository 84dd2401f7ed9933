//! `explain --report`: the photos of a run on one page, each with the maps of its targets.
//!
//! Pictures are kept on disk ([`Gallery`]) while the run goes on, since inputs end in any order, and the page has them in the
//! order of the inputs. Of inputs whose results were there already, pictures are made of the files of the output folder.

use std::io;
use std::path::Path;

use scorecam::evaluation::SaliencyMap;
use scorecam::{Error, Explanation, Image, Input, Photo, Result, Tensor};
use scorecam_core::{bail, printable};
use scorecam_report::{BoundingBox, BoxKind, Cell, Column, Fact, Map, Note, Report, Tone, Values};

use super::{Ready, Work};
use crate::args::MapSize;
use crate::located::{Located, RegionArg};
use crate::report::{Detected, Outcome, Run, TargetOutcome};
use crate::results::Summaries;
use crate::survey::{self, Gallery, Kept, Layer};
use crate::terminal;

/// Failed inputs that are named at most.
const NAMED: usize = 10;
/// Targets of a photo that are listed at most, above its maps.
const LISTED: usize = 5;

impl Work<'_> {
    /// The pictures of an explained input, if a report is going to show them. Of a tensor, which has no photo, its own values are
    /// shown.
    pub(super) fn pictures(&self, ready: &Ready, found: &Explanation) -> Result<Option<Kept>> {
        let Some(gallery) = &self.gallery else { return Ok(None) };
        let area = survey::area(ready.input.placement.as_ref());
        let layer = |i: usize| Ok((survey::colored(&found.saliency(i)?)?, area));
        let layers = (0..found.targets.len()).map(layer).collect::<Result<Vec<Layer>>>()?;
        keep(gallery, (ready.photo.as_ref(), &ready.input), layers).map(Some)
    }

    /// Writes the page, if one is wanted, with the results of this run and those of the output folder that it passed over.
    pub(super) fn write_report(&self, run: &Run, summaries: Summaries) -> Result<()> {
        let (Some(path), Some(gallery)) = (&self.args.outputs.report, &self.gallery) else { return Ok(()) };
        let results = match &self.plan.folder {
            Some(folder) => folder.with_done(run.results.clone()),
            None => run.results.clone(),
        };
        let has_region = self.args.locate.region.is_some();
        let mut map_columns = vec![Column::new("score", Values::Number)];
        if has_region {
            let help = |text: &str, column: Column| Column { help: text.into(), ..column };
            map_columns.push(help("share of the map on the region", Column::new("energy", Values::Greater)));
            map_columns.push(help(
                "energy divided by the region's share of the image: 1 for an uninformative map",
                Column::new("lift", Values::Greater),
            ));
        }
        let report = Report {
            title: format!("What {} sees", self.model_name()),
            facts: self.facts(&results),
            notes: notes(run),
            command: Some(survey::command()),
            map_columns,
            maps: common(&results),
            ..Report::default()
        };
        let cards = results.iter().filter_map(|outcome| self.card(gallery, outcome).transpose());
        let written = report.write_file(path, cards);
        written.map_err(|e| Error::io(format!("cannot write {}: {e}", path.display())))?;
        match summaries {
            Summaries::Printed => terminal::print(&format!("wrote {}\n", path.display())),
            Summaries::Left => Ok(()),
        }
    }

    /// Its file without the folder.
    fn model_name(&self) -> String {
        let model = self.explainer.model();
        let file = model.file().file_name().map(|name| printable(&name.to_string_lossy()));
        file.unwrap_or_else(|| model.name().to_owned())
    }

    fn facts(&self, results: &[Outcome]) -> Vec<Fact> {
        let (model, method) = (self.explainer.model(), self.explainer.method());
        let preset = self.explainer.preset().map(|preset| format!(", preset {preset}")).unwrap_or_default();
        let mut facts = vec![
            Fact::new("model", model.name()),
            Fact::new("backend", model.backend_id()),
            Fact::new("method", format!("{}{preset}", method.id)),
        ];
        let layer = results.first().map(|outcome| outcome.layer.clone()).filter(|layer| !layer.is_empty());
        facts.extend(layer.map(|layer| Fact::new("layer", layer)));
        facts.push(Fact::new("photos", results.len().to_string()));
        facts
    }

    fn card(&self, gallery: &Gallery, outcome: &Outcome) -> io::Result<Option<scorecam_report::Photo>> {
        let made;
        let kept = match &outcome.pictures {
            Some(kept) => kept,
            None => match self.made_of_files(gallery, outcome) {
                Ok(kept) => {
                    made = kept;
                    &made
                }
                Err(error) => {
                    terminal::warning(format_args!("{}: not in the report: {error}", outcome.input));
                    return Ok(None);
                }
            },
        };
        let mut card = gallery.card(kept)?;
        card.name = printable(&outcome.input);
        let has_region = self.args.locate.region.is_some();
        for (i, (map, target)) in card.maps.iter_mut().zip(&outcome.targets).enumerate() {
            let label = name(target);
            let detail = match &target.detection {
                Some(found) => format!("{} {:.2}", target.target, found.score),
                None if target.target != label => target.target.clone(),
                None => String::new(),
            };
            let mut values = vec![Cell::number(target.score)];
            if has_region {
                let on = target.located.on_region.as_ref();
                let value = |value: Option<f64>| value.map_or(Cell::Missing, Cell::number);
                values.extend([on.and_then(|on| on.energy), on.and_then(|on| on.lift)].map(value));
            }
            *map = Map { label, detail, values, ..std::mem::take(map) };
            card.boxes.extend(boxes(i, target));
        }
        if let Some(RegionArg::Box(corners)) = &self.args.locate.region {
            card.boxes.push(survey::drawn(*corners, (BoxKind::Truth, None), "region"));
        }
        card.facts = facts_of(outcome);
        Ok(Some(card))
    }

    /// The pictures of an input whose results were there before this run.
    fn made_of_files(&self, gallery: &Gallery, outcome: &Outcome) -> Result<Kept> {
        let (Some(folder), Some(trace)) = (&self.plan.folder, &outcome.record) else {
            bail!(internal, "an input has neither pictures nor files")
        };
        let (Some(stamp), Some(map)) = (trace.read.first(), trace.wrote.iter().find(|f| f.ends_with(".npy")))
        else {
            bail!(invalid, "its map is not recorded; explain it again without --skip-existing")
        };
        let image: Image = self.reader.read(Path::new(&stamp.file))?;
        let input = self.explainer.model().prepare(&image)?;
        let path = folder.path.join(map);
        let maps = read_maps(&path).map_err(|e| e.context(path.display()))?;
        let area = match self.args.outputs.map_size {
            MapSize::Photo => None,
            MapSize::Input => survey::area(input.placement.as_ref()),
        };
        let layers = maps.iter().map(|map| Ok((survey::colored(map)?, area)));
        let layers = layers.collect::<Result<Vec<Layer>>>()?;
        keep(gallery, (image.photo(), &input), layers)
    }
}

fn keep(gallery: &Gallery, (photo, input): (Option<&Photo>, &Input), layers: Vec<Layer>) -> Result<Kept> {
    match photo {
        Some(photo) => gallery.keep(photo, layers, Vec::new()),
        None => gallery.keep(&survey::of_tensor(&input.tensor)?, layers, Vec::new()),
    }
}

/// Maps [H, W] or [targets, H, W] of a file.
fn read_maps(path: &Path) -> Result<Vec<SaliencyMap>> {
    let failed = |e: io::Error| Error::io(e.to_string());
    let file = std::fs::File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let maps: Tensor = scorecam::read_array(io::BufReader::new(file), bytes)?;
    let [.., height, width] = *maps.shape() else {
        bail!(invalid, "its shape is {:?}; maps are [H, W] or [targets, H, W]", maps.shape())
    };
    let pixels = (height * width).max(1);
    maps.data().chunks_exact(pixels).map(|map| SaliencyMap::new(map, (height, width))).collect()
}

/// What stands beside a map.
fn name(target: &TargetOutcome) -> String {
    let class = target.class.map(|class| format!("class {class}"));
    match target.target.starts_with("class:") || target.detection.is_some() {
        true => target.label.clone().or(class).unwrap_or_else(|| target.target.clone()),
        false => target.target.clone(),
    }
}

/// The names of maps, where all inputs have the same: the reader can switch all photos to one of them.
fn common(results: &[Outcome]) -> Vec<String> {
    let names = |outcome: &Outcome| outcome.targets.iter().map(name).collect::<Vec<_>>();
    let first = results.first().map(names).unwrap_or_default();
    if results.iter().all(|outcome| names(outcome) == first) { first } else { Vec::new() }
}

/// What was found in a map, and what the model found of which it is a map.
fn boxes(i: usize, target: &TargetOutcome) -> Vec<BoundingBox> {
    let Located { boxes, .. } = &target.located;
    let found = boxes.iter().flatten().map(|&corners| survey::drawn(corners, (BoxKind::Found, Some(i)), ""));
    let detected = target.detection.iter().map(|Detected { rect, score }| {
        survey::drawn(*rect, (BoxKind::Found, Some(i)), &format!("{} {score:.2}", name(target)))
    });
    found.chain(detected).collect()
}

fn facts_of(outcome: &Outcome) -> Vec<Fact> {
    let alarm = (!outcome.is_enough())
        .then(|| Fact { tone: Tone::Warning, ..Fact::new("region", "less evidence than --least-energy") });
    // By these the reader finds photos.
    let mut names: Vec<String> = outcome.targets.iter().map(name).collect();
    names.dedup();
    names.truncate(LISTED);
    std::iter::once(Fact::new("explained", names.join(" | "))).chain(alarm).collect()
}

fn notes(run: &Run) -> Vec<Note> {
    let mut notes = Vec::new();
    match run.errors.len() {
        0 => {}
        1 => notes.push(Note::warning("1 input could not be explained.")),
        n => notes.push(Note::warning(format!("{n} inputs could not be explained."))),
    }
    notes.extend(run.errors.iter().take(NAMED).map(|failed| Note::warning(&failed.error)));
    let rest = run.errors.len().saturating_sub(NAMED);
    notes.extend((rest > 0).then(|| Note::warning(format!("and {rest} more"))));
    notes
}
