//! `scorecam compare`: do equal decisions rest on equal evidence? Two models, two engines or two methods over photos.
//!
//! Maps of one class are compared where both models see the photo (`on_shared_part`), so that models of different input sizes can
//! be. The photos that differ most come first. A photo that fails stops nothing; the program then ends with 1, as it does
//! where a photo is less alike than `--least`.

mod args;
mod page;
mod summary;
mod work;

use std::time::Instant;

use scorecam::dataset::Dataset;
use scorecam::{Error, Host, Model, Reader, Result};
use scorecam_report::{Fact, Tone};
use serde_json::{Value, json};

pub(crate) use self::args::{CompareArgs, EXAMPLES};
use self::summary::Summary;
use self::work::{Compared, Side, Work};
use crate::Failure;
use crate::survey::{self, Case, Failed, Gallery};
use crate::{list, plan, terminal};

/// Compares; see the module's documentation for what is reported how.
pub(crate) fn run(args: &CompareArgs) -> Result<(), Failure> {
    if !args.with.is_given() {
        return Err(Error::invalid(
            "there is nothing to compare with; give --with-model, --with-backend, --with-device, --with-backend-set, \
             --with-layer or --with-method",
        )
        .into());
    }
    let data = survey::open(&args.data, args.recursive)?;
    args.findings.check(&data, &read_besides(args))?;
    let host = Host::new()?;
    list::load_plugins(&host, &args.model.plugins)?;
    let first = list::load_model(&host, &args.model, args.layer.clone())?;
    let (other, layer) = args.other_model(&first);
    let second = args.with.is_loaded().then(|| list::load_model(&host, &other, layer.clone())).transpose()?;
    let second = second.as_ref().unwrap_or(&first);
    let gallery = args.findings.report.as_ref().map(|_| Gallery::new()).transpose()?;
    let work = Work {
        host: &host,
        args,
        sides: sides(args, (&first, second), layer),
        class: args.class.as_deref().map(|class| first.class(class)).transpose()?,
        gallery: gallery.as_ref(),
        reader: Reader::default(),
    };
    work.check()?;
    let began = Instant::now();
    let cases = survey::cases(&data);
    let (mut found, failed) = survey::each(&cases, Case::name, |case, desk| work.photo(case, desk));
    let value = |photo: &Compared| photo.value(args.measure).unwrap_or(f64::NEG_INFINITY);
    // A stable sort: photos that are as much alike stay in the order of the data.
    found.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let seconds = began.elapsed().as_secs_f64();
    finish(&work, (&found, &failed), (&data, seconds))?;
    let is_enough = found.iter().all(|photo| photo.enough != Some(false));
    if failed.len() + data.problem_count == 0 && is_enough { Ok(()) } else { Err(Failure::Reported) }
}

fn read_besides(args: &CompareArgs) -> Vec<(std::path::PathBuf, &'static str)> {
    let mut files = plan::read_of_model(&args.model.model);
    files.extend(args.with.model.iter().flat_map(|model| plan::read_of_model(model)));
    files.extend(args.model.plugins.files.iter().map(|file| (file.clone(), "a plugin")));
    files
}

/// Both sides, each named by what tells it from the other one.
fn sides<'a>(
    args: &CompareArgs,
    (first, second): (&'a Model, &'a Model),
    layer: Option<String>,
) -> [Side<'a>; 2] {
    let method = args.with.method.as_ref().unwrap_or(&args.method);
    let file = |model: &Model| {
        let name = model.file().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.is_empty() { model.name().to_owned() } else { name }
    };
    let set = |set: &[(String, String)]| {
        set.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    let device = |device: &Option<String>| device.clone().unwrap_or_default();
    let (other, _) = args.other_model(first);
    let own_layer = |model: &Model, layer: &Option<String>| {
        let named = layer.clone().or_else(|| model.layer().map(str::to_owned));
        named.unwrap_or_else(|| model.info().layer(None).map_or_else(|_| String::new(), |l| l.name.clone()))
    };
    let parts = [
        (file(first), file(second)),
        (first.name().to_owned(), second.name().to_owned()),
        (first.backend_id().to_owned(), second.backend_id().to_owned()),
        (device(&args.model.device), device(&other.device)),
        (set(&args.model.backend_set), set(&other.backend_set)),
        (args.method.text.clone(), method.text.clone()),
        (own_layer(first, &args.layer), own_layer(second, &layer)),
    ];
    let differing = parts.iter().find(|(one, other)| one != other);
    let (one, other) = differing.cloned().unwrap_or_else(|| (file(first), file(second)));
    // What one side leaves open is what is usual.
    let named = |name: String| if name.is_empty() { "default".to_owned() } else { name };
    let (one, other) = match one == other {
        true => (format!("{one} (first)"), format!("{other} (second)")),
        false => (named(one), named(other)),
    };
    [
        Side { name: one, model: first, method: args.method.clone(), layer: args.layer.clone() },
        Side { name: other, model: second, method: method.clone(), layer },
    ]
}

/// Writes and prints what was found, the least alike first.
fn finish(
    work: &Work<'_>,
    (found, failed): (&[Compared], &[Failed]),
    (data, seconds): (&Dataset, f64),
) -> Result<()> {
    let (args, summary) = (work.args, Summary::new(found));
    let left_out = failed.len() + data.problem_count;
    let [first, second] = work.sides.each_ref().map(side);
    let is_taken = args.findings.write_json(&json!({
        "first": first,
        "second": second,
        "measure": args.measure.name(),
        "least": args.least,
        "photos": summary.photos,
        "agree": (summary.predicted > 0).then_some(summary.agree),
        "similarity": summary.json(),
        "passes": summary.passes,
        "seconds": seconds,
        "left_out": left_out,
        "results": found,
        "errors": failed,
    }))?;
    let mut text = String::new();
    if !found.is_empty() {
        text += &summary.text();
        text += &summary::worst(found, (args.measure, args.least));
    }
    let (photos, passes) = (summary.photos, summary.passes);
    text += &format!(
        "{}, {}; {passes} passes in {seconds:.1} s; {left_out} left out\n",
        survey::photos(photos),
        summary.agreement()
    );
    if let (Some(path), Some(gallery)) = (&args.findings.report, work.gallery) {
        let head = page::Head {
            names: work.sides.each_ref().map(|side| side.name.as_str()),
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

fn side(side: &Side<'_>) -> Value {
    json!({
        "name": side.name,
        "model": side.model.name(),
        "backend": side.model.backend_id(),
        "method": side.method.text,
        "layer": side.layer.as_deref().or(side.model.layer()),
    })
}

fn facts(work: &Work<'_>, summary: &Summary) -> Vec<Fact> {
    let [first, second] = &work.sides;
    let both = |label: &str, of: &dyn Fn(&Side<'_>) -> String| {
        let (one, other) = (of(first), of(second));
        Fact::new(label, if one == other { one } else { format!("{one} | {other}") })
    };
    let mut facts = vec![
        both("model", &|side| side.model.name().to_owned()),
        both("backend", &|side| side.model.backend_id().to_owned()),
        both("method", &|side| side.method.text.clone()),
        Fact::new("photos", summary.photos.to_string()),
        Fact::new("passes", summary.passes.to_string()),
    ];
    if summary.predicted > 0 {
        let tone = if summary.agree == summary.predicted { Tone::Good } else { Tone::Warning };
        let words = format!("{} of {}", summary.agree, summary.predicted);
        facts.push(Fact { tone, ..Fact::new("same prediction", words) });
    }
    facts
}
