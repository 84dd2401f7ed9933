//! docs/benchmarks.md, or docs/benchmarks-gpu.md, from a report. The words are in `templates/benchmarks.md.jinja`, and no figure is.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use xtask::failure::{Failure, Outcome, While};

use super::plan::{MODELS, Origin};
use super::report::{Kind, Measured, Quality, Report, Row};
use crate::device::Device;

const PAGE: &str = include_str!("../../templates/benchmarks.md.jinja");
const QUALITY: &str = include_str!("../../templates/benchmarks.quality.jinja");

/// The page's Markdown.
pub(crate) fn render(report: &Report) -> Outcome<String> {
    let summary: Vec<Comparison<'_>> = report.models.iter().flat_map(comparisons).collect();
    if summary.is_empty() {
        return Err(Failure::new("no tool was compared with another; nothing is written"));
    }
    let models: Vec<Shown<'_>> = report.models.iter().map(Shown::new).collect();
    let values = context! {
        report => Serde(report),
        models => Serde(models),
        summary => Serde(summary),
        quality => quality_tables(&report.quality)?,
        gpu => report.machine.device != Device::Cpu.to_string(),
    };
    fill(PAGE, values).map(|page| page.trim_end().to_owned() + "\n")
}

/// The tables of maps of fewer passes.
pub(crate) fn quality_tables(quality: &[Quality]) -> Outcome<String> {
    fill(QUALITY, context! { quality => Serde(quality) }).map(|tables| tables.trim().to_owned())
}

fn fill(template: &str, values: Value) -> Outcome<String> {
    let mut templates = Environment::new();
    templates.add_filter("seconds", |value: Option<f64>| shown(value, seconds));
    templates.add_filter("times", |value: Option<f64>| shown(value, |t| format!("{t:.2}")));
    templates.add_filter("megabytes", |value: Option<f64>| shown(value, |mb| format!("{mb:.0} MB")));
    templates.add_filter("correlation", |value: Option<f64>| shown(value, |c| format!("{c:.4}")));
    templates.add_filter("share", |value: Option<f64>, digits: Option<usize>| {
        shown(value, |share| format!("{:.*} %", digits.unwrap_or(0), 100.0 * share))
    });
    templates.add_filter("tiny", |value: Option<f64>| shown(value, tiny));
    templates.render_str(template, values).doing(|| "fill a template of the page of benchmarks".into())
}

/// A dash for what was not measured or means nothing.
fn shown(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "–".into(), format)
}

/// Three figures of what is over in a moment, and else hundredths.
fn seconds(value: f64) -> String {
    let digits = if value < 0.1 {
        4
    } else if value < 1.0 {
        3
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// Errors run over many powers of ten: as a number where that can be read, else as a power.
fn tiny(value: f64) -> String {
    if value == 0.0 || value >= 0.001 { format!("{value:.3}") } else { format!("{value:.0e}") }
}

/// Our exact map, and the fastest other tool that computes it.
#[derive(Serialize)]
struct Comparison<'a> {
    model: &'a str,
    ours: &'a Row,
    peer: &'a Row,
}

fn comparisons(model: &Measured) -> impl Iterator<Item = Comparison<'_>> {
    let references = model.rows.iter().filter(|row| row.kind == Kind::Reference);
    references.filter_map(|ours| {
        let alike = model.rows.iter().filter(|row| row.kind == Kind::Peer && row.map == ours.map);
        let peer = alike
            .min_by(|a, b| a.times_ours.unwrap_or(f64::MAX).total_cmp(&b.times_ours.unwrap_or(f64::MAX)))?;
        Some(Comparison { model: &model.model, ours, peer })
    })
}

/// A model on the page.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    measured: &'a Measured,
    /// Its weights are.
    random: bool,
}

impl<'a> Shown<'a> {
    fn new(measured: &'a Measured) -> Shown<'a> {
        let random =
            MODELS.iter().any(|model| model.name == measured.model && model.origin == Origin::Random);
        Shown { measured, random }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvidia::Gpu;

    pub(super) const JSON: &str = include_str!("sample.json");

    fn page(change: impl Fn(&mut Report)) -> Outcome<String> {
        let mut report: Report = serde_json::from_str(JSON).unwrap();
        change(&mut report);
        render(&report)
    }

    #[test]
    fn the_page_shows_what_was_found() {
        let page = page(|_| ()).unwrap();
        for line in [
            "| resnet50_random | `score-cam:official` | 60.10 | the loop, batches of 4 | 126.21 | **2.10** | 3e-6 |",
            "| the loop, batches of 4 | score-cam:official | 126.21 | 2.10 | 2049 | – | 900 MB | 3e-6 | 1.0000 | 2e-6 | – | 1 |",
            "| **scorecam**, ONNX Runtime | recipro-cam:openvino-xai | 0.0096 | – | 1 | 49 | – | – | – | – | – | 26 |",
            "| resnet50_random | `recipro-cam:openvino-xai` | 0.0096 | the other | 0.145 | **15.10** | 0.004 |",
            "| engine | batches of 1 | batches of 4 |",
            "| PyTorch | 50.00 | 45.50 |",
            "same number of threads (2)",
            "| adaptive | 64 | 0.9985 | 0.9910 | 0.052 | 0.110 | 0.060 | 92 % | 6.3 % |",
            "| top n by std | 64 | 0.9700 | 0.9100 | 0.252 | 0.410 | – | – | 2.1 % |",
            "The weights are random",
            "A Processor, 2 cores, 23 GB of memory; linux, x86_64. Threads of every tool: 2.",
            "| ONNX Runtime | 9.8.7 |",
        ] {
            assert!(page.contains(line), "{line} is not on the page:\n{page}");
        }
    }

    #[test]
    fn the_page_of_a_gpu_names_it_and_the_memory_of_the_device() {
        let with = |gpu: Option<Gpu>| {
            page(|report| {
                report.chart = "benchmarks-gpu.svg".into();
                (report.machine.device, report.machine.gpu) = ("cuda:1".into(), gpu.clone());
                report.models[0].rows[1].device_mb = Some(512.4);
            })
        };
        let gpu = Gpu { name: "A GPU".into(), driver: "580.65".into(), memory_mb: 4096.0 };
        let known = with(Some(gpu)).unwrap();
        for line in [
            "# Benchmarks on a GPU",
            "| 2049 | – | 900 MB | 512 MB | 3e-6 | 1.0000 |",
            "| 1 | 49 | – | – | – | – |",
            "| memory | device memory | difference |",
            "](benchmarks-gpu.svg)",
            "A GPU, 4096 MB, driver 580.65; device `cuda:1`.",
        ] {
            assert!(known.contains(line), "{line} is not on the page:\n{known}");
        }
        assert!(with(None).unwrap().contains("An unknown GPU (no output of nvidia-smi); device `cuda:1`."));
        let cpu = page(|_| ()).unwrap();
        for word in ["GPU, or", "](benchmarks.svg)", "# Benchmarks\n"] {
            assert!(cpu.contains(word), "{cpu}");
        }
        assert!(!cpu.contains("device memory") && !cpu.contains("nvidia-smi"), "{cpu}");
    }

    #[test]
    fn the_fastest_peer_of_the_same_map_is_the_one_compared() {
        let page = page(|report| {
            let mut slower = report.models[0].rows[1].clone();
            (slower.tool, slower.times_ours) = ("the slow loop".into(), Some(9.0));
            report.models[0].rows.insert(1, slower);
        });
        let page = page.unwrap();
        assert!(page.contains("| 60.10 | the loop, batches of 4 |"), "{page}");
        assert!(!page.contains("| 60.10 | the slow loop"), "{page}");
    }

    #[test]
    fn a_report_without_a_comparison_makes_no_page() {
        let failure = page(|report| report.models.clear()).unwrap_err().to_string();
        assert!(failure.contains("nothing is written"), "{failure}");
    }

    #[test]
    fn the_words_hold_no_figures() {
        let words: String =
            PAGE.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest)).collect();
        let words: String =
            words.split("{%").map(|part| part.split_once("%}").map_or(part, |(_, rest)| rest)).collect();
        let figures: Vec<&str> = words
            .split(|c: char| c.is_whitespace() || ",.;:|".contains(c))
            .filter(|word| word.parse::<f64>().is_ok())
            .collect();
        assert_eq!(
            figures,
            ["0", "1", "1"],
            "maps go from 0 to 1, a correlation is 1, and nothing else is a number"
        );
    }
}
