//! All photos: how alike the maps of each stage are to those of the trained model, and what that means.

use scorecam::evaluation::{
    Against, Bootstrap, Estimate, Sanity, SanityCheck, SanityVerdict, Similarity, mean, percentile,
};
use serde_json::{Map, Value, json};

use super::args::{Order, SanityArgs};
use super::{Stage, Subject};
use crate::survey::{Failed, Interval, shown};
use crate::table::lines;

/// A similarity: its name, and how it is read.
type Kind = (&'static str, fn(&Similarity) -> Option<f64>);

/// The similarities of a sanity check.
pub(super) const KINDS: [Kind; 4] = [
    ("spearman", |found| Some(found.spearman)),
    ("ssim", |found| found.ssim),
    ("hog", |found| found.hog),
    ("pearson", |found| Some(found.pearson)),
];

pub(super) struct Summary {
    model: String,
    method: String,
    settings: Value,
    /// The names of all layers with weights.
    layers: Vec<String>,
    /// Mean and 95th percentile of the similarities of different photos, as [`KINDS`] are.
    pub(super) null: Vec<Option<(f64, f64)>>,
    pairs: usize,
    pub(super) stages: Vec<Row>,
    /// None where layers are random one at a time.
    pub(super) check: Option<SanityCheck>,
}

/// A stage over all photos.
pub(super) struct Row {
    /// The layers, in words.
    pub(super) name: String,
    /// How many are random.
    pub(super) count: usize,
    /// The first one of them, by its place from the end: 1 is the last layer.
    pub(super) depth: usize,
    range: [usize; 2],
    /// As [`KINDS`] are.
    pub(super) means: Vec<Option<Estimate>>,
    pub(super) flat: usize,
}

impl Summary {
    pub(super) fn new(
        args: &SanityArgs,
        (sanity, stages): (&Sanity<'_>, &[Stage]),
        (null, subjects): (&[Similarity], &[Subject<'_>]),
    ) -> Self {
        let all = sanity.layers().len();
        let last: Vec<Option<Similarity>> =
            subjects.iter().filter_map(|subject| subject.similarities.last().copied()).collect();
        let of_null = |(_, read): &Kind| {
            let values: Vec<f64> = null.iter().filter_map(read).collect();
            mean(&values).zip(percentile(&values, 95.0))
        };
        let row = |(i, stage): (usize, &Stage)| {
            let found: Vec<Option<Similarity>> =
                subjects.iter().filter_map(|subject| subject.similarities.get(i).copied()).collect();
            let means = |(_, read): &Kind| {
                let values: Vec<f64> = found.iter().flatten().filter_map(read).collect();
                Bootstrap::default().mean(&values)
            };
            let count = stage.layers.len();
            Row {
                name: match (count, args.order) {
                    (_, Order::Independent) | (1, _) => stage.name.clone(),
                    (count, _) if count == all => "all".into(),
                    _ => format!("from {} on", stage.name),
                },
                count,
                depth: all - stage.layers.start,
                range: [stage.layers.start, stage.layers.end],
                means: KINDS.iter().map(means).collect(),
                flat: found.iter().filter(|similarity| similarity.is_none()).count(),
            }
        };
        Self {
            model: sanity.model().name().to_owned(),
            method: args.method.text.clone(),
            settings: json!({ "draw": args.draw.name(), "seed": args.seed, "order": format!("{:?}", args.order).to_lowercase() }),
            layers: sanity.layers().to_vec(),
            null: KINDS.iter().map(of_null).collect(),
            pairs: null.len(),
            stages: stages.iter().enumerate().map(row).collect(),
            check: (args.order == Order::Cascade).then(|| SanityCheck::new(null, &last)),
        }
    }

    pub(super) fn verdict(&self) -> Option<SanityVerdict> {
        self.check.map(|check| check.verdict)
    }

    /// The verdict, as a sentence.
    pub(super) fn sentence(&self) -> Option<String> {
        let check = self.check?;
        let against = |name: &str, against: Option<Against>| {
            against.map(|a| format!("{name} {:.3}, limit {:.3}", a.mean, a.limit))
        };
        let numbers: Vec<String> = [against("Spearman", check.spearman), against("SSIM", check.ssim)]
            .into_iter()
            .flatten()
            .collect();
        let numbers = numbers.join("; ");
        Some(match check.verdict {
            SanityVerdict::Passed => format!(
                "passed: with all weights random, maps are no more similar to the trained model's than maps of different \
                 photos are to each other ({numbers})"
            ),
            SanityVerdict::Failed => format!(
                "failed: with all weights random, maps are still more similar to the trained model's than maps of different \
                 photos are to each other ({numbers}); they show the photo or the architecture, not what was learned"
            ),
            SanityVerdict::Undecided if self.pairs == 0 => {
                "undecided: the comparison needs at least two photos".into()
            }
            SanityVerdict::Undecided => format!(
                "undecided: with all weights random, {} of the maps are flat, and a flat map is similar to no other",
                check.flat
            ),
        })
    }

    /// A caution about the first stages of a cascade.
    pub(super) fn remark(&self) -> Option<&'static str> {
        self.check.map(|_| {
            "random weights in only the last layers do not change the activation maps: a method that weights them by scores \
             then returns nearly their sum, which is similar to the trained model's map; judge by the end of the cascade"
        })
    }

    /// The table that is printed.
    pub(super) fn text(&self) -> String {
        let mut rows = vec![
            ["random layers", ""]
                .into_iter()
                .chain(KINDS.iter().map(|(name, _)| *name))
                .chain(["flat"])
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        ];
        for stage in &self.stages {
            let means = stage.means.iter().map(|mean| mean.as_ref().map_or_else(String::new, shown));
            let flat = if stage.flat > 0 { stage.flat.to_string() } else { String::new() };
            let cells = [stage.count.to_string(), stage.name.clone()].into_iter().chain(means).chain([flat]);
            rows.push(cells.collect());
        }
        let null = |value: &dyn Fn((f64, f64)) -> f64, name: &str| {
            let values = self.null.iter();
            let values =
                values.map(|found| found.map_or_else(String::new, |found| format!("{:.3}", value(found))));
            [String::new(), name.to_owned()].into_iter().chain(values).collect::<Vec<_>>()
        };
        if self.pairs > 0 {
            rows.push(null(&|(mean, _)| mean, "different photos, mean"));
            rows.push(null(&|(_, limit)| limit, "different photos, 95 %"));
        }
        let mut text = lines(&rows, 0);
        self.sentence().iter().for_each(|sentence| text.push_str(&format!("{sentence}\n")));
        self.remark().iter().for_each(|remark| text.push_str(&format!("note: {remark}\n")));
        text
    }

    pub(super) fn json(&self, subjects: &[Subject<'_>], failed: &[Failed]) -> Value {
        let all = |of: &Similarity| -> Value {
            KINDS
                .iter()
                .map(|(name, read)| ((*name).to_owned(), json!(read(of))))
                .collect::<Map<_, _>>()
                .into()
        };
        let stage = |(i, row): (usize, &Row)| {
            let means = KINDS.iter().zip(&row.means);
            let means =
                means.map(|((name, _), mean)| ((*name).to_owned(), json!(mean.as_ref().map(Interval::from))));
            let means = means.collect::<Map<_, _>>();
            let photos: Vec<Value> = subjects
                .iter()
                .map(|subject| {
                    subject.similarities.get(i).copied().flatten().map_or(Value::Null, |s| all(&s))
                })
                .collect();
            json!({ "layers": row.range, "name": row.name, "mean": means, "flat": row.flat, "photos": photos })
        };
        let photo = |subject: &Subject<'_>| {
            let trained = &subject.trained;
            json!({ "photo": subject.sample.name, "target": trained.target, "label": trained.label, "score": trained.score })
        };
        let null = KINDS.iter().zip(&self.null).map(|((name, _), found)| {
            let found = found.map(|(mean, limit)| json!({ "mean": mean, "p95": limit }));
            ((*name).to_owned(), json!(found))
        });
        let of_different = null.collect::<Map<_, _>>();
        let photos: Vec<Value> = subjects.iter().map(photo).collect();
        let stages: Vec<Value> = self.stages.iter().enumerate().map(stage).collect();
        json!({
            "scorecam": env!("CARGO_PKG_VERSION"),
            "model": self.model,
            "method": self.method,
            "settings": self.settings,
            "layers": self.layers,
            "photos": photos,
            "different_photos": { "pairs": self.pairs, "similarity": of_different },
            "stages": stages,
            "verdict": self.verdict().map(SanityVerdict::name),
            "failed": failed,
        })
    }
}
