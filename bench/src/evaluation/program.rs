//! `scorecam evaluate`, run as a user runs it, and what it writes for each photo.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use xtask::failure::{Failure, Outcome, While};
use xtask::workspace::run;

use super::plan::{BASELINES, DIFFERENCE, Measure, Method, POINTS, THRESHOLD};

/// The program and what it is told in every run.
pub(crate) struct Program<'a> {
    /// Where cargo has put it, with its plugins beside it.
    pub(crate) release: PathBuf,
    /// The cache that plugins find their runtimes in.
    pub(crate) cache: &'a Path,
    pub(crate) threads: usize,
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) data: &'a Path,
    /// The names of its lines.
    pub(crate) samples: &'a [String],
    pub(crate) manifest: &'a Path,
    pub(crate) methods: &'a [&'static Method],
    pub(crate) baselines: Baselines,
    pub(crate) measures: &'a [Measure],
    /// Where results go; what is there of the same settings is not measured again.
    pub(crate) out: &'a Path,
}

/// Whether baselines are measured in a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Baselines {
    All,
    None,
}

/// What was measured of a photo and a class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// All passes, those of measures included.
    pub(crate) passes: u64,
    pub(crate) seconds: f64,
    /// By the map's title.
    pub(crate) maps: BTreeMap<String, MapValues>,
}

/// What was measured of a map.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MapValues {
    /// Passes of its explanation.
    pub(crate) passes: u64,
    pub(crate) values: BTreeMap<String, f64>,
}

impl Program<'_> {
    /// Evaluates, and returns the photos in the order of the data.
    pub(crate) fn evaluate(&self, wanted: &Run<'_>) -> Outcome<Vec<Sample>> {
        let mut command = Command::new(self.release.join(format!("scorecam{EXE_SUFFIX}")));
        command.arg("evaluate").args(arguments(wanted)).arg("--threads").arg(self.threads.to_string());
        // Only the runtime of the cache is the one whose version is told.
        command.env("SCORECAM_CACHE", self.cache).env_remove("ORT_DYLIB_PATH");
        run(&mut command, "scorecam evaluate")?;
        let place = wanted.out.join("evaluation.jsonl");
        let text = fs::read_to_string(&place).doing(|| format!("read {}", place.display()))?;
        let titles: BTreeMap<String, &str> =
            wanted.methods.iter().map(|method| (method.argument(), method.title)).collect();
        chosen(read(&text, &titles)?, wanted.samples).doing(|| format!("read {}", place.display()))
    }
}

/// The command line of a run behind `scorecam evaluate`.
fn arguments(wanted: &Run<'_>) -> Vec<String> {
    let place = |path: &Path| path.to_string_lossy().into_owned();
    let mut all = vec![place(wanted.data), "--model".into(), place(wanted.manifest)];
    for method in wanted.methods {
        all.extend(["--method".into(), method.argument()]);
    }
    let measures: Vec<&str> =
        wanted.measures.iter().map(|measure| measure.name).filter(|name| *name != DIFFERENCE).collect();
    let baselines = match wanted.baselines {
        Baselines::All => BASELINES.join(","),
        Baselines::None => "none".into(),
    };
    let rest = [
        ("--measures", measures.join(",")),
        ("--baselines", baselines),
        ("--protocol-set", format!("points={POINTS}")),
        ("--threshold", THRESHOLD.into()),
        ("--pictures", "0".into()),
        ("--out", place(wanted.out)),
    ];
    all.extend(rest.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    all
}

#[derive(Deserialize)]
struct Line {
    sample: String,
    measured: Option<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    passes: u64,
    seconds: f64,
    maps: Vec<MapLine>,
}

#[derive(Deserialize)]
struct MapLine {
    map: String,
    passes: u64,
    values: BTreeMap<String, f64>,
}

/// The photos of these names, in their order: a folder that was kept may hold results of more.
fn chosen(samples: Vec<Sample>, names: &[String]) -> Outcome<Vec<Sample>> {
    let mut samples: BTreeMap<String, Sample> =
        samples.into_iter().map(|sample| (sample.name.clone(), sample)).collect();
    let found =
        |name: &String| samples.remove(name).ok_or_else(|| Failure::new(format!("{name} was not measured")));
    names.iter().map(found).collect()
}

/// Reads `evaluation.jsonl`, whose first line holds the settings. Of a photo that was measured twice the last line counts.
fn read(text: &str, titles: &BTreeMap<String, &str>) -> Outcome<Vec<Sample>> {
    let (mut samples, mut places) = (Vec::<Sample>::new(), BTreeMap::new());
    for line in text.lines().skip(1) {
        let line: Line = serde_json::from_str(line).doing(|| "understand a line of results".into())?;
        let Some(measured) = line.measured else { continue };
        let sample = Sample {
            name: line.sample.clone(),
            passes: measured.passes,
            seconds: measured.seconds,
            maps: measured.maps.into_iter().map(|map| of_map(map, titles)).collect(),
        };
        match places.get(&line.sample) {
            Some(&place) => samples[place] = sample,
            None => {
                places.insert(line.sample, samples.len());
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

fn of_map(map: MapLine, titles: &BTreeMap<String, &str>) -> (String, MapValues) {
    let title = titles.get(&map.map).map_or(map.map.clone(), |&title| title.to_owned());
    let mut values = map.values;
    if let (Some(insertion), Some(deletion)) = (values.get("insertion"), values.get("deletion")) {
        values.insert(DIFFERENCE.into(), insertion - deletion);
    }
    (title, MapValues { passes: map.passes, values })
}

/// Adds the maps of the same photos that another run has made.
pub(crate) fn join(samples: &mut [Sample], others: Vec<Sample>) -> Outcome {
    let mut others: BTreeMap<String, Sample> =
        others.into_iter().map(|sample| (sample.name.clone(), sample)).collect();
    for sample in samples {
        let other = others.remove(&sample.name);
        let other = other.ok_or_else(|| Failure::new(format!("a run has left out {}", sample.name)))?;
        sample.passes += other.passes;
        sample.seconds += other.seconds;
        sample.maps.extend(other.maps);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::plan::{FAITHFUL, METHODS};

    const LINES: &str = r#"{"model": "a"}
{"sample":"b.png","made_of":1,"error":"no such file"}
{"sample":"a.png","made_of":1,"measured":{"target":"class:1","passes":9,"seconds":1.5,"maps":[
"#;

    #[test]
    fn photos_are_read_by_title_and_the_last_line_of_one_counts() {
        let map = |name: &str, insertion: f64| {
            format!(r#"{{"map":"{name}","passes":3,"values":{{"insertion":{insertion},"deletion":0.25}}}}"#)
        };
        let line = |insertion| {
            let maps = [map("score-cam-adaptive,passes=64", insertion), map("sum", 0.5)].join(",");
            format!(
                r#"{{"sample":"a.png","made_of":1,"measured":{{"passes":9,"seconds":1.5,"maps":[{maps}]}}}}"#
            )
        };
        let head: Vec<&str> = LINES.lines().take(2).collect();
        let text = [&head[..], &[&line(0.75), &line(1.0)]].concat().join("\n");
        let titles = METHODS.iter().map(|method| (method.argument(), method.title)).collect();
        let samples = read(&text, &titles).unwrap();
        assert_eq!(samples.len(), 1);
        let found = &samples[0].maps["score-cam-adaptive, 64 passes"];
        assert_eq!((found.passes, found.values[DIFFERENCE]), (3, 0.75));
        assert_eq!(samples[0].maps["sum"].values[DIFFERENCE], 0.25);
        assert_eq!(read(head[0], &titles).unwrap(), []);
        assert!(read(LINES, &titles).is_err());
    }

    #[test]
    fn photos_of_an_earlier_run_are_left_out_and_none_may_be_missing() {
        let sample = |name: &str| Sample { name: name.into(), ..Sample::default() };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = chosen(vec![sample("a"), sample("b"), sample("c")], &names(&["c", "a"])).unwrap();
        assert_eq!(found, [sample("c"), sample("a")]);
        assert!(chosen(found, &names(&["b"])).unwrap_err().to_string().contains("b was not measured"));
    }

    #[test]
    fn a_joined_run_must_have_every_photo() {
        let sample = |name: &str, map: &str| Sample {
            name: name.into(),
            passes: 2,
            seconds: 1.0,
            maps: [(map.into(), MapValues::default())].into(),
        };
        let mut samples = vec![sample("a", "one"), sample("b", "one")];
        let others = |names: &[&str]| names.iter().map(|name| sample(name, "two")).collect();
        assert!(join(&mut samples.clone(), others(&["a"])).unwrap_err().to_string().contains('b'));
        join(&mut samples, others(&["b", "a"])).unwrap();
        assert!(samples.iter().all(|sample| sample.maps.len() == 2 && sample.passes == 4));
    }

    #[test]
    fn the_command_names_methods_and_measures_as_the_program_does() {
        let methods: Vec<&Method> = METHODS.iter().take(2).collect();
        let here = Path::new("here");
        let wanted = Run {
            data: Path::new("a.csv"),
            samples: &[],
            manifest: Path::new("m.toml"),
            methods: &methods,
            baselines: Baselines::None,
            measures: &FAITHFUL,
            out: here,
        };
        let text = arguments(&wanted).join(" ");
        assert!(
            text.starts_with(
                "a.csv --model m.toml --method score-cam --method score-cam-adaptive,passes=64 "
            )
        );
        assert!(text.contains(" --measures drop,increase,deletion,insertion --baselines none "), "{text}");
    }
}
