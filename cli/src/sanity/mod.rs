//! `scorecam sanity`: do maps depend on what the model learned? Weights are drawn anew, layer by layer, and the maps compared with
//! those of the trained model.
//!
//! Maps of different photos are alike, too, so their similarity is what the maps of the random model are held against. A photo
//! that fails is left out of what it failed for; the program then ends with 1, as it does where the method fails the check.

mod args;
mod page;
mod summary;

use std::ops::Range;
use std::time::Instant;

use scorecam::dataset::Sample;
use scorecam::evaluation::{
    SaliencyMap, Sanity, SanityVerdict, Similarity, TrainedMap, pairs, similarity, similarity_to_random,
};
use scorecam::{Host, Reader, Result};
use scorecam_report::{Fact, Note};

pub(crate) use self::args::{EXAMPLES, SanityArgs};
use self::summary::Summary;
use crate::survey::{self, Failed, Gallery, Kept};
use crate::{Failure, list, terminal};

/// Pairs of photos that the null is of, at most.
const PAIRS: usize = 500;

/// A photo with its map by the trained model.
struct Subject<'a> {
    sample: &'a Sample,
    trained: TrainedMap,
    /// Pictures of its maps, the trained model's first, where a report is wanted.
    pictures: Vec<Vec<u8>>,
    /// The similarity of its map in each stage; None where that map is flat, or failed.
    similarities: Vec<Option<Similarity>>,
}

/// A set of layers with random weights.
pub(crate) struct Stage {
    layers: Range<usize>,
    /// The last one of them.
    name: String,
}

/// Checks; see the module's documentation for what is reported how.
pub(crate) fn run(args: &SanityArgs) -> Result<(), Failure> {
    let data = survey::open(&args.data, args.recursive)?;
    args.findings.check(&data, &[(args.model.model.clone(), "the model of this run")])?;
    let host = Host::new()?;
    list::load_plugins(&host, &args.model.plugins)?;
    let request = list::request_of(&args.model, args.layer.clone());
    let sanity = Sanity::new(&host, request, args.how(), args.options())?;
    let began = Instant::now();
    let samples = taken(&data.samples, args.photos as usize);
    let (mut subjects, mut failed) = trained(&sanity, args, &samples);
    let null = null(&subjects)?;
    let stages: Vec<Stage> = sanity
        .stages()
        .into_iter()
        .map(|layers| Stage { name: sanity.layers()[layers.start].clone(), layers })
        .collect();
    if !subjects.is_empty() {
        stages.iter().try_for_each(|stage| look(&sanity, args, stage, (&mut subjects, &mut failed)))?;
    }
    let summary = Summary::new(args, (&sanity, &stages), (&null, &subjects));
    let is_printed = args.findings.write_json(&summary.json(&subjects, &failed))?;
    let facts = vec![
        Fact::new("model", sanity.model().name()),
        Fact::new("backend", sanity.model().backend_id()),
        Fact::new("method", &args.method.text),
        Fact::new("photos", subjects.len().to_string()),
        Fact::new("random weights", format!("{}, seed {}", args.draw.name(), args.seed)),
    ];
    if let Some(path) = &args.findings.report {
        let left_out = (!failed.is_empty()).then(|| Note::warning(format!("{} photos failed", failed.len())));
        let kept = kept(&subjects)?;
        page::write(path, (&summary, &subjects), (facts, left_out.into_iter().collect()), &kept)?;
    }
    if !is_printed {
        let seconds = began.elapsed().as_secs_f64();
        terminal::print(&format!("{}{} photos in {seconds:.1} s\n", summary.text(), subjects.len()))?;
    }
    let is_failed = summary.verdict() == Some(SanityVerdict::Failed);
    match is_failed || !failed.is_empty() || data.problem_count > 0 {
        true => Err(Failure::Reported),
        false => Ok(()),
    }
}

/// So many of the samples, evenly from all.
fn taken(samples: &[Sample], most: usize) -> Vec<&Sample> {
    let count = samples.len().min(most);
    (0..count).map(|i| &samples[i * samples.len() / count]).collect()
}

/// The maps of the model as it was trained.
fn trained<'a>(
    sanity: &Sanity<'_>,
    args: &SanityArgs,
    samples: &[&'a Sample],
) -> (Vec<Subject<'a>>, Vec<Failed>) {
    survey::each(
        samples,
        |sample| &sample.name,
        |&sample, desk| {
            let image = Reader::default().read(&sample.file)?;
            let trained = sanity.trained(&image, desk.progress)?;
            let pictures = pictures(args, &trained.map)?;
            Ok(Subject { sample, trained, pictures, similarities: Vec::new() })
        },
    )
}

fn pictures(args: &SanityArgs, map: &SaliencyMap) -> Result<Vec<Vec<u8>>> {
    args.findings.report.iter().map(|_| survey::colored(map)).collect()
}

/// The similarities of the trained model's maps of different photos.
fn null(subjects: &[Subject<'_>]) -> Result<Vec<Similarity>> {
    let map = |i: usize| &subjects[i].trained.map;
    // Models of any size give maps of any size, which have no similarity.
    let alike = |&(i, j): &(usize, usize)| map(i).size() == map(j).size();
    let pairs = pairs(subjects.len(), PAIRS).into_iter().filter(alike);
    pairs.map(|(i, j)| similarity(map(i), map(j))).collect()
}

/// The maps of the model with random weights in the stage's layers.
fn look(
    sanity: &Sanity<'_>,
    args: &SanityArgs,
    stage: &Stage,
    (subjects, failed): (&mut Vec<Subject<'_>>, &mut Vec<Failed>),
) -> Result<()> {
    let model = sanity.randomized(stage.layers.clone())?;
    let (found, errors) = survey::each(
        &subjects.iter().enumerate().collect::<Vec<_>>(),
        |(_, subject)| &subject.sample.name,
        |&(i, subject), desk| {
            let image = Reader::default().read(&subject.sample.file)?;
            let map = model.map(&image, &subject.trained, desk.progress)?;
            Ok((i, similarity_to_random(&subject.trained.map, &map)?, pictures(args, &map)?))
        },
    );
    let mut left: Vec<_> = subjects.iter().map(|_| None).collect();
    found.into_iter().for_each(|(i, similarity, pictures)| left[i] = Some((similarity, pictures)));
    // A photo whose map failed once cannot be compared any more.
    let mut is_whole = left.iter().map(Option::is_some).collect::<Vec<_>>().into_iter();
    subjects.retain(|_| is_whole.next().unwrap_or(false));
    for (subject, (similarity, pictures)) in subjects.iter_mut().zip(left.into_iter().flatten()) {
        subject.similarities.push(similarity);
        subject.pictures.extend(pictures);
    }
    failed.extend(errors);
    Ok(())
}

/// The pictures of each photo, for the report.
fn kept(subjects: &[Subject<'_>]) -> Result<(Gallery, Vec<Option<Kept>>)> {
    let gallery = Gallery::new()?;
    let reader = Reader::default();
    let keep = |subject: &Subject<'_>| {
        let image = reader.read(&subject.sample.file)?;
        let Some(photo) = image.photo() else { return Ok(None) };
        let area = survey::area(subject.trained.placement.as_ref());
        let maps = subject.pictures.iter().map(|png| (png.clone(), area)).collect();
        gallery.keep(photo, maps, Vec::new()).map(Some)
    };
    let kept = subjects.iter().map(keep).collect::<Result<_>>()?;
    Ok((gallery, kept))
}
