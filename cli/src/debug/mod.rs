//! `scorecam debug`: why a model decides as it does, and what wrong decisions rest on.
//!
//! For each photo the predicted class is set against the expected one: both maps, their difference, and what only one of them
//! has. The evidence on the object, the background, the border and a named region is measured, right predictions apart from
//! wrong ones, and confirmed by taking the part away. A photo that fails stops nothing; the program then ends with 1.

mod args;
mod page;
mod part;
mod summary;
mod work;

use std::time::Instant;

use scorecam::{Error, Host, Reader, Result};
use scorecam_report::{Fact, Tone};
use serde_json::json;

pub(crate) use self::args::{DebugArgs, EXAMPLES};
use self::part::{Named, Part, PartArg};
use self::summary::Summary;
use self::work::{Found, Work};
use crate::Failure;
use crate::survey::{self, Case, Failed, Gallery};
use crate::{list, plan, terminal};

/// Looks into all photos; see the module's documentation for what is reported how.
pub(crate) fn run(args: &DebugArgs) -> Result<(), Failure> {
    let data = survey::open(&args.data, args.recursive)?;
    let annotated = data.samples.iter().find(|sample| sample.class.is_some());
    if let (Some(_), Some(sample)) = (&args.expected, annotated) {
        return Err(Error::invalid(format!(
            "--expected is for photos without an annotated class, but {} has one; remove --expected",
            sample.name
        ))
        .into());
    }
    args.findings.check(&data, &read_besides(args))?;
    let reader = Reader::default();
    let region = args.region.as_ref().map(|part| Named::new(part, &reader)).transpose()?;
    let host = Host::new()?;
    list::load_plugins(&host, &args.model.plugins)?;
    let model = list::load_model(&host, &args.model, args.layer.clone())?;
    let gallery = args.findings.report.as_ref().map(|_| Gallery::new()).transpose()?;
    let expected = args.expected.as_deref().map(|class| model.class(class)).transpose()?;
    let work = Work { host: &host, model: &model, args, expected, region, gallery: gallery.as_ref(), reader };
    work.check()?;
    let began = Instant::now();
    let cases = survey::cases(&data);
    let (mut found, failed) = survey::each(&cases, Case::name, |case, desk| work.photo(case, desk));
    sort(&mut found);
    let left_out = failed.len() + data.problem_count;
    finish(&work, (&found, &failed), (left_out, began.elapsed().as_secs_f64()))?;
    if left_out == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// Wrong predictions first, by falling score; then right ones, those first whose evidence lies least on the object.
fn sort(found: &mut [Found]) {
    let on_object = |photo: &Found| {
        let on = photo.parts.get(Part::Object.name());
        on.and_then(|on| on.predicted.energy).unwrap_or(f64::INFINITY)
    };
    found.sort_by(|a, b| {
        let by_right = a.right.cmp(&b.right);
        by_right.then_with(|| match a.right {
            false => b.predicted.score.total_cmp(&a.predicted.score),
            true => on_object(a).total_cmp(&on_object(b)),
        })
    });
}

fn read_besides(args: &DebugArgs) -> Vec<(std::path::PathBuf, &'static str)> {
    let mut files = plan::read_of_model(&args.model.model);
    files.extend(args.model.plugins.files.iter().map(|file| (file.clone(), "a plugin")));
    if let Some(PartArg::Mask(file)) = &args.region {
        files.push((file.clone(), "the region's mask"));
    }
    files
}

/// Writes and prints what was found.
fn finish(
    work: &Work<'_>,
    (found, failed): (&[Found], &[Failed]),
    (left_out, seconds): (usize, f64),
) -> Result<()> {
    let (args, summary) = (work.args, Summary::new(found));
    let (photos, right, passes) = (summary.photos, summary.right, summary.passes);
    let is_taken = args.findings.write_json(&json!({
        "model": work.model.name(),
        "backend": work.model.backend_id(),
        "method": args.method.text,
        "layer": args.layer.as_deref().or(work.model.layer()),
        "fill": args.fill.to_string(),
        "border": args.border,
        "threshold": args.threshold,
        "photos": photos,
        "right": right,
        "evidence": summary.json(),
        "passes": passes,
        "seconds": seconds,
        "left_out": left_out,
        "results": found,
        "errors": failed,
    }))?;
    let mut text = String::new();
    match found {
        [] => {}
        [photo] => text += &format!("{}{}", summary::one(photo), summary.text()),
        several => text += &format!("{}{}", summary.text(), summary::wrong(several)),
    }
    text += &format!(
        "{}, {right} predicted right; {passes} passes in {seconds:.1} s; {left_out} left out\n",
        survey::photos(photos)
    );
    if let (Some(path), Some(gallery)) = (&args.findings.report, work.gallery) {
        let head = page::Head {
            facts: facts(work, &summary),
            notes: survey::left_out(left_out).into_iter().collect(),
            summary: &summary,
            pictures: args.findings.pictures,
        };
        page::write(path, head, (found, gallery))?;
        text += &format!("wrote {}\n", path.display());
    }
    if is_taken { Ok(()) } else { terminal::print(&text) }
}

fn facts(work: &Work<'_>, summary: &Summary) -> Vec<Fact> {
    let tone = if summary.right == summary.photos { Tone::Good } else { Tone::Plain };
    let right = Fact::new("predicted right", format!("{} of {}", summary.right, summary.photos));
    vec![
        Fact::new("model", work.model.name()),
        Fact::new("backend", work.model.backend_id()),
        Fact::new("method", &work.args.method.text),
        Fact { tone, ..right },
        Fact::new("passes", summary.passes.to_string()),
        Fact::new("removed pixels become", work.args.fill.to_string()),
    ]
}
