//! One photo: its maps by every method, baseline and other tool, and what is measured of them.

use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use scorecam::dataset::{ClassName, Sample};
use scorecam::evaluation::{
    Baseline, EvaluateOptions, Evaluator, Localized, SaliencyMap, SetMeasure, Subject, Truth, boxes,
};
use scorecam::{
    Error, ExplainOptions, Explainer, Host, Image, Input, Model, Photo, Progress, Reader, Result, Targets,
    Tensor,
};
use scorecam_core::{bail, ensure};
use serde_json::{Value, json};

use super::args::{EvaluateArgs, MapFrom, MethodArg, WhichClass};
use super::lines::{MapLine, Measured};
use crate::record::Stamp;

/// All that is the same for every photo.
pub(super) struct Work<'a> {
    pub(super) host: &'a Host,
    pub(super) model: &'a Model,
    pub(super) args: &'a EvaluateArgs,
    pub(super) methods: &'a [MethodArg],
    pub(super) baselines: Vec<Baseline>,
    pub(super) evaluator: Evaluator<'a>,
    /// What is measured of all photos together.
    pub(super) sets: Vec<SetMeasure>,
    pub(super) reader: Reader,
}

/// What came of a photo.
pub(super) struct Found {
    pub(super) measured: Measured,
    /// The photo, where it was none but a tensor, is unknown.
    pub(super) photo: Option<Photo>,
    pub(super) input: Input,
    pub(super) maps: Vec<SaliencyMap>,
}

impl<'a> Work<'a> {
    /// Checks methods and their options before the first photo.
    pub(super) fn new(
        (host, model): (&'a Host, &'a Model),
        (args, methods): (&'a EvaluateArgs, &'a [MethodArg]),
        (baselines, options): (Vec<Baseline>, EvaluateOptions),
    ) -> Result<Self> {
        let evaluator = Evaluator::new(model, options);
        let (sets, reader) = (args.set_measures(), Reader::default());
        let work = Self { host, model, args, methods, baselines, evaluator, sets, reader };
        let asked = (Targets::Top(1), args.target.clone().into_iter().collect());
        work.methods.iter().try_for_each(|method| work.explainer(method, &asked).map(drop))?;
        Ok(work)
    }

    /// All that a sample's results depend on beside the settings.
    pub(super) fn made_of(&self, sample: &Sample) -> Value {
        let maps = self.args.maps_from.iter().map(|from| map_file(from, sample));
        let files = [Some(sample.file.clone()), sample.mask.clone()].into_iter().flatten().chain(maps);
        let boxes: Vec<[f64; 4]> = sample.boxes.iter().map(|&corners| corners.into()).collect();
        let class = sample.class.as_ref().map(|class| match class {
            ClassName::Number(number) => json!(number),
            ClassName::Label(label) => json!(label),
        });
        json!({ "files": files.map(|file| Stamp::of(&file)).collect::<Vec<_>>(), "class": class, "boxes": boxes })
    }

    /// The names of all maps, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        let methods = self.methods.iter().map(|method| method.text.clone());
        let others = self.args.maps_from.iter().map(|from| from.name.clone());
        methods.chain(others).chain(self.baselines.iter().map(Baseline::to_string)).collect()
    }

    fn explainer(
        &self,
        method: &MethodArg,
        (targets, ask): &(Targets, Vec<String>),
    ) -> Result<Explainer<'a>> {
        let options = ExplainOptions {
            method: method.id.clone(),
            preset: method.preset.clone(),
            set: method.set.clone(),
            targets: targets.clone(),
            ask: ask.clone(),
            layer: self.args.layer.clone(),
            batch_size: self.args.batch_size,
            ..ExplainOptions::default()
        };
        Explainer::new(self.host, self.model, &options)
            .map_err(|e| e.context(format!("--method {}", method.text)))
    }

    /// Explains and measures a photo, which is number `number` of the data.
    pub(super) fn sample(
        &self,
        (number, sample): (usize, &Sample),
        progress: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Found> {
        let started = Instant::now();
        let image = self.reader.read(&sample.file)?;
        let photo = image.photo().cloned();
        if let Some(photo) = &photo {
            sample.check(photo.size())?;
        }
        let input = self.model.prepare(&image)?;
        let expected = sample.class.as_ref().map(|class| self.class(class)).transpose()?;
        let truth = sample.truth(&self.reader, &input)?;
        let (asked, first_passes) = self.asked(&image, expected)?;
        let (mut maps, mut passes, mut target) = (Vec::new(), Vec::new(), None);
        let mut explainers = Vec::new();
        for method in self.methods {
            let explainer = self.explainer(method, &asked)?;
            let found = explainer.explain_reporting(&image, None, progress)?;
            ensure!(!found.targets.is_empty(), not_found, "{} has no target here", method.text);
            maps.push(found.saliency(0)?);
            passes.push(found.passes);
            target.get_or_insert_with(|| found.targets[0].clone());
            explainers.push(explainer);
        }
        let Some(target) = target else { bail!(internal, "no method explains the photo") };
        let [_, _, height, width] = input.tensor.view().dims("the input")?;
        for from in &self.args.maps_from {
            maps.push(
                map_from(from, sample, (height, width))
                    .map_err(|e| e.context(format!("--map-from {}", from.name)))?,
            );
        }
        for baseline in &self.baselines {
            maps.push(baseline.map(
                self.model,
                &input,
                (self.args.layer.as_deref().or(self.model.layer()), number),
            )?);
        }
        let again = |n: usize, tensor: Tensor| {
            let Some(explainer) = explainers.get(n) else { return Ok(None) };
            let found = explainer.explain(&Image::from(tensor))?;
            found.saliency(0).map(Some)
        };
        let subject = Subject { input: &input, target: &target.text, truth: truth.as_ref() };
        let found = self.evaluator.evaluate_with(&subject, &maps, &again, progress)?;
        let all_passes = first_passes + passes.iter().sum::<usize>() + found.passes;
        passes.resize(maps.len(), 0);
        let sets = maps.iter().map(|map| self.localized(map, (truth.as_ref(), &input)));
        let sets = sets.collect::<Result<Vec<_>>>()?;
        let lines = self.names().into_iter().zip(found.maps).zip(&maps).zip(&passes).zip(sets);
        let lines = lines.map(|((((map, found), values), &passes), set)| MapLine {
            map,
            passes,
            values: found.values,
            deletion: found.deletion.map(|curve| curve.scores().to_vec()),
            insertion: found.insertion.map(|curve| curve.scores().to_vec()),
            found: truth.as_ref().and_then(|_| self.found(values, &input)),
            set,
        });
        let measured = Measured {
            target: target.text,
            label: target.label,
            expected: expected.map(|class| self.words(class)),
            score: found.score,
            passes: all_passes,
            maps: lines.collect(),
            pictures: None,
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok(Found { measured, photo, input, maps })
    }

    fn class(&self, class: &ClassName) -> Result<usize> {
        match class {
            ClassName::Number(number) => Ok(*number),
            ClassName::Label(label) => self.model.class(label),
        }
    }

    fn words(&self, class: usize) -> String {
        self.model.label(class).map_or_else(|| format!("class {class}"), str::to_owned)
    }

    /// What is explained of a photo, and the passes that finding out took.
    fn asked(&self, image: &Image, expected: Option<usize>) -> Result<((Targets, Vec<String>), usize)> {
        if let Some(target) = &self.args.target {
            return Ok(((Targets::Top(1), vec![target.clone()]), 0));
        }
        match (expected, self.args.class) {
            (Some(class), None | Some(WhichClass::Expected)) => {
                Ok(((Targets::Classes(vec![class]), vec![]), 0))
            }
            (None, Some(WhichClass::Expected)) => Err(Error::invalid(
                "the photo has no annotated class; annotate it, or remove --class expected",
            )),
            // One class for all methods, whatever each would choose.
            _ if self.model.info().scores.is_ok() => {
                let scores = self.model.classify(image)?.scores;
                let best =
                    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or_default();
                Ok(((Targets::Classes(vec![best]), vec![]), 1))
            }
            _ => Ok(((Targets::Top(1), vec![]), 0)),
        }
    }

    /// What a map adds to the measures of the set, where there are any and the photo is annotated.
    fn localized(
        &self,
        map: &SaliencyMap,
        (truth, input): (Option<&Truth>, &Input),
    ) -> Result<Option<Localized>> {
        let annotated = truth.zip(input.placement.as_ref()).filter(|_| !self.sets.is_empty());
        annotated.map(|place| Localized::of(map, place, &self.sets)).transpose()
    }

    /// The box of a map, in the photo.
    fn found(&self, map: &SaliencyMap, input: &Input) -> Option<[f64; 4]> {
        let found = boxes(&map.normalized(), self.evaluator.options().boxes);
        Some((*found.first()?).to_photo(input.placement.as_ref()?).into())
    }
}

/// The file with another tool's map of a photo.
fn map_file(from: &MapFrom, sample: &Sample) -> PathBuf {
    let stem = sample.file.file_stem().unwrap_or_default();
    match from.path.is_dir() {
        true => from.path.join(stem).with_added_extension("npy"),
        false => from.path.clone(),
    }
}

/// Another tool's map of a photo.
fn map_from(from: &MapFrom, sample: &Sample, size: (usize, usize)) -> Result<SaliencyMap> {
    let path = map_file(from, sample);
    let map = read_map(&path).map_err(|e| e.context(path.display()))?;
    let axes: Vec<usize> = map.shape().iter().copied().skip_while(|&n| n == 1).collect();
    let (height, width) = size;
    ensure!(
        axes == [height, width],
        invalid,
        "{}: the map has shape {:?}; the model's input has {height} x {width} pixels",
        path.display(),
        map.shape()
    );
    SaliencyMap::new(map.data(), size)
}

fn read_map(path: &Path) -> Result<Tensor> {
    let failed = |e: std::io::Error| Error::io(e.to_string());
    let file = std::fs::File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    scorecam::read_array(BufReader::new(file), bytes)
}
