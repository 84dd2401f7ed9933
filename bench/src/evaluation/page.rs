//! docs/quality.md from a report. The words are in `templates/quality.md.jinja`, and no figure is.

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use xtask::failure::{Outcome, While};

use super::chart::passes;
use super::plan::{DIFFERENCE, POINTS, SEED, THRESHOLD};
use super::report::{Column, Judged, Mean, Report, Row, Table};
use super::{compose, stamps};

const PAGE: &str = include_str!("../../templates/quality.md.jinja");

/// The page's Markdown.
pub(crate) fn render(report: &Report) -> Outcome<String> {
    let models: Vec<Shown<'_>> = report.models.iter().map(Shown::new).collect();
    let passes = report.models.iter().flat_map(Judged::tables).map(|table| table.passes).sum::<u64>();
    let compared = report.models.iter().flat_map(Judged::tables).map(intervals).sum::<usize>();
    let values = context! {
        report => Serde(report),
        models => Serde(models),
        passes => passes.div_ceil(1000),
        compared => compared,
        seed => SEED,
        steps => POINTS.rsplit(':').next(),
        points => POINTS,
        threshold => THRESHOLD,
        size => compose::SIZE,
        share => format!("{:.0}", 100.0 * compose::SHARE),
        textures => stamps::TEXTURES.join(", "),
    };
    let mut templates = Environment::new();
    templates.add_filter("bytes", |value: f64| format!("{value:.0}"));
    let page =
        templates.render_str(PAGE, values).doing(|| "fill the template of the page of quality".into())?;
    Ok(page.trim_end().to_owned() + "\n")
}

/// How many differences from the sum have an interval.
fn intervals(table: &Table) -> usize {
    table.rows.iter().flat_map(|row| &row.less_sum).filter(|mean| mean.is_some()).count()
}

impl Judged {
    fn tables(&self) -> [&Table; 3] {
        [&self.composites, &self.pairs, &self.photos]
    }
}

/// A model on the page.
#[derive(Serialize)]
struct Shown<'a> {
    model: &'a str,
    /// What each method costs and what it reaches, in short.
    short: Vec<Vec<String>>,
    verdicts: Vec<Verdict>,
    composites: Tables<'a>,
    pairs: Tables<'a>,
    photos: Tables<'a>,
}

impl<'a> Shown<'a> {
    fn new(judged: &'a Judged) -> Shown<'a> {
        let verdicts = [
            ("insertion minus deletion on composites", &judged.composites, DIFFERENCE),
            ("lift on composites", &judged.composites, "lift"),
            ("energy on the right object of a pair", &judged.pairs, "energy"),
        ];
        let verdicts = verdicts.into_iter().filter_map(|(words, table, measure)| {
            let [better, worse, alike] =
                table.against_sum(measure)?.map(|group| group.iter().map(|map| format!("`{map}`")).collect());
            Some(Verdict { words, better, worse, alike })
        });
        Shown {
            model: &judged.model,
            short: judged.composites.rows.iter().map(|row| short(judged, row)).collect(),
            verdicts: verdicts.collect(),
            composites: Tables::new(&judged.composites),
            pairs: Tables::new(&judged.pairs),
            photos: Tables::new(&judged.photos),
        }
    }
}

/// Which methods are told apart from the sum of activation maps.
#[derive(Serialize)]
struct Verdict {
    words: &'static str,
    better: Vec<String>,
    worse: Vec<String>,
    alike: Vec<String>,
}

/// A line of the table of costs.
fn short(judged: &Judged, row: &Row) -> Vec<String> {
    let mean = |table: &Table, measure: &str| {
        let found = table.rows.iter().find(|found| found.map == row.map);
        let mean = found.and_then(|found| found.means[table.column(measure)?]);
        mean.map_or_else(dash, |mean| format!("{:.3}", mean.mean))
    };
    let cost = judged.costs.get(&row.map);
    let head = cost.map(|cost| cost.head_passes).filter(|passes| *passes > 0);
    let made = !row.is_baseline;
    vec![
        row.map.clone(),
        if made { format!("{:.0}", row.passes) } else { dash() },
        head.map_or_else(dash, |passes| passes.to_string()),
        cost.map_or_else(dash, |cost| passes(cost.times_a_pass)),
        cost.map_or_else(dash, |cost| format!("{:.0}", cost.milliseconds)),
        mean(&judged.composites, DIFFERENCE),
        mean(&judged.composites, "lift"),
        mean(&judged.pairs, "energy"),
    ]
}

fn dash() -> String {
    "–".into()
}

/// A set of photos: means, and differences from the sum and the first method.
#[derive(Serialize)]
struct Tables<'a> {
    table: &'a Table,
    columns: Vec<String>,
    means: Vec<Vec<String>>,
    less_sum: Vec<Vec<String>>,
    less_first: Vec<Vec<String>>,
}

impl<'a> Tables<'a> {
    fn new(table: &'a Table) -> Tables<'a> {
        let lines = |of: &dyn Fn(&Row) -> Vec<String>| -> Vec<Vec<String>> {
            let line = |row: &Row| std::iter::once(row.map.clone()).chain(of(row)).collect();
            table.rows.iter().map(line).collect()
        };
        let apart = |of: fn(&Row) -> &[Option<Mean>]| -> Vec<Vec<String>> {
            let cells = |row: &Row| of(row).iter().map(|mean| mean.map_or_else(dash, difference)).collect();
            let all = lines(&cells);
            let says = |line: &Vec<String>| line.iter().skip(1).any(|cell| *cell != dash());
            all.into_iter().filter(says).collect()
        };
        Tables {
            table,
            columns: table.measures.iter().map(title).collect(),
            means: lines(&|row| row.means.iter().map(|mean| mean.map_or_else(dash, cell)).collect()),
            less_sum: apart(|row| &row.less_sum),
            less_first: apart(|row| &row.less_first),
        }
    }
}

fn title(column: &Column) -> String {
    format!("{} {}", column.name.replace(" - ", " − "), if column.more_is_better { "↑" } else { "↓" })
}

/// A mean and half of the width of its interval.
fn cell(mean: Mean) -> String {
    match mean.interval {
        Some((low, high)) => format!("{:.3} ±{:.3}", mean.mean, (high - low) / 2.0),
        None => format!("{:.3}", mean.mean),
    }
}

/// A mean difference with its interval, bold where that leaves 0 out.
fn difference(mean: Mean) -> String {
    let Some((low, high)) = mean.interval else { return format!("{:+.3}", mean.mean) };
    let text = format!("{:+.3} [{low:+.3}, {high:+.3}]", mean.mean);
    if low > 0.0 || high < 0.0 { format!("**{text}**") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = include_str!("sample.json");

    #[test]
    fn the_page_shows_what_was_found() {
        let report: Report = serde_json::from_str(JSON).unwrap();
        let page = render(&report).unwrap();
        for line in [
            "cargo xtask quality",
            "It makes 14 thousand passes in total",
            "| map | deletion ↓ | insertion − deletion ↑ | lift ↑ |",
            "| score-cam | 0.125 ±0.050 | 0.250 ±0.100 | 3.000 ±0.500 |",
            "| score-cam | -0.010 [-0.030, +0.010] | **+0.050 [+0.010, +0.090]** | – |",
            "| recipro-cam | 1 | 49 | 1.3 | 10 | 0.200 | 2.500 | 0.300 |",
            "| sum | – | – | – | – | 0.190 | 2.000 | 0.150 |",
            "better than the sum: `score-cam`",
            "worse: none",
            "no clear difference: `recipro-cam`",
            "2 of 9 composites",
            "A Processor, 2 cores, 23 GB of memory",
            "| ONNX Runtime | 9.8.7 |",
        ] {
            assert!(page.contains(line), "{line} is not on the page:\n{page}");
        }
        assert!(!page.contains("NaN") && !page.contains("none}"), "{page}");
    }

    #[test]
    fn the_words_hold_no_figures_of_the_run() {
        let outside = |text: &str, open: &str, close: &str| -> String {
            let rest =
                |part: &str| part.split_once(close).map_or(part.to_owned(), |(_, rest)| rest.to_owned());
            let mut parts = text.split(open);
            parts.next().unwrap_or_default().to_owned() + &parts.map(rest).collect::<String>()
        };
        let words = outside(&outside(PAGE, "{{", "}}"), "{%", "%}");
        let figures: Vec<&str> = words
            .split(|c: char| c.is_whitespace() || ",.;:|()".contains(c))
            .filter(|word| word.parse::<f64>().is_ok())
            .collect();
        let expected = ["95", "0", "0", "95", "0", "95", "0"];
        assert_eq!(figures, expected, "intervals are of 95 % and hold 0 or not; nothing else is a number");
    }
}
