//! [`Detector`]: the interpretation of a detection network's raw outputs, for each known format.

use super::candidate::{BoxForm, BoxScale, Candidate, Number, corners, sigmoid, softmax};
use crate::{Error, Result, TensorView};

/// The format of a detector's outputs, with shapes per image. `n` is the number of candidates, C that of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One output [n, 5 + C]: box, objectness, class probabilities (YOLOv3, v4, v5, v6, v7, YOLOX).
    Yolov5,
    /// One output [4 + C, n]: box, class probabilities (YOLOv8, v9, 11).
    Yolov8,
    /// One output [n, 6]: box, score, class, with nothing left to suppress (YOLOv10, exports with suppression inside).
    EndToEnd,
    /// Boxes [n, 4] and class probabilities [n, C], class 0 being the background (SSD).
    Ssd,
    /// Boxes [n, 4] and class logits [n, C + 1], the last one being "no object" (DETR).
    Detr,
    /// Boxes `[n, 4]`, scores `[n]` and labels `[n]` (torchvision's detectors); n depends on the image.
    BoxesScores,
    /// One output [5 + C, h, w]: objectness, box, class probabilities of each cell (FastestDet).
    FastestDet,
}

impl Format {
    /// Every form with its name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("yolov5", Self::Yolov5),
        ("yolov8", Self::Yolov8),
        ("end-to-end", Self::EndToEnd),
        ("ssd", Self::Ssd),
        ("detr", Self::Detr),
        ("boxes-scores", Self::BoxesScores),
        ("fastestdet", Self::FastestDet),
    ];

    /// The format of outputs, given as (name, axes per image), if only one fits.
    pub fn of(outputs: &[(&str, &[Option<usize>])]) -> Option<(Self, DetectorOutputs)> {
        let named = |word: &str| outputs.iter().find(|(name, _)| name.to_lowercase().contains(word));
        let ends_in = |axes: &[Option<usize>], n| axes.last() == Some(&Some(n));
        if let [(name, axes)] = outputs
            && let [first, last] = **axes
        {
            let format = match (first, last) {
                (n, Some(6)) if n.is_none_or(|n| n <= 1000) => Self::EndToEnd,
                (Some(first), Some(last)) if first > last && last > 5 => Self::Yolov5,
                (Some(first), Some(last)) if last > first && first > 4 => Self::Yolov8,
                (Some(first), None) if first > 4 => Self::Yolov8,
                _ => return None,
            };
            return Some((format, DetectorOutputs::one(*name)));
        }
        let (boxes, axes) = named("box").filter(|(_, axes)| ends_in(axes, 4))?;
        let rest = DetectorOutputs::one(*boxes);
        if let (Some((labels, _)), Some((scores, of_scores)), 1) =
            (named("label"), named("score"), axes.len() - 1)
            && of_scores.len() == 1
        {
            let (scores, labels) = (Some((*scores).to_owned()), Some((*labels).to_owned()));
            return Some((Self::BoxesScores, DetectorOutputs { scores, labels, ..rest }));
        }
        let (format, (scores, of_scores)) = match named("logit") {
            Some(logits) => (Self::Detr, logits),
            None => (Self::Ssd, named("score").or_else(|| named("conf"))?),
        };
        let scores = Some((*scores).to_owned());
        (of_scores.len() == 2).then_some((format, DetectorOutputs { scores, ..rest }))
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Whether the model itself suppresses overlapping boxes, or has none.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::EndToEnd | Self::Detr)
    }

    /// The default form of boxes.
    fn boxes(self) -> (BoxForm, BoxScale) {
        match self {
            Self::Yolov5 | Self::Yolov8 => (BoxForm::Center, BoxScale::Pixels),
            Self::EndToEnd | Self::BoxesScores => (BoxForm::Corners, BoxScale::Pixels),
            Self::Ssd => (BoxForm::Corners, BoxScale::Relative),
            Self::Detr | Self::FastestDet => (BoxForm::Center, BoxScale::Relative),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| {
            let known = Self::ALL.map(|(name, _)| name).join(", ");
            Error::not_found(format!("detector format {name:?} is unknown; formats: {known}"))
        })
    }
}

/// The names of a detector's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectorOutputs {
    /// Boxes, or the only output.
    pub boxes: String,
    /// Class probabilities, logits or scores, if they are a separate output.
    pub scores: Option<String>,
    /// Class numbers, if they are a separate output.
    pub labels: Option<String>,
}

impl DetectorOutputs {
    /// One output for all.
    pub fn one(name: impl Into<String>) -> Self {
        Self { boxes: name.into(), scores: None, labels: None }
    }
}

/// A detection network's outputs and their interpretation.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    pub(super) format: Format,
    outputs: Vec<String>,
    activated: bool,
    boxes: (BoxForm, BoxScale),
    /// Height and width of the model's input.
    size: (usize, usize),
    /// Whether the form was taken from shapes alone, so that values must bear it out.
    guessed: bool,
}

impl Detector {
    /// Outputs of a format, for a model whose input has `size` (height, width). The error names an output that the
    /// format needs but that was not given.
    pub fn new(format: Format, outputs: DetectorOutputs, size: (usize, usize)) -> Result<Self> {
        let DetectorOutputs { boxes, scores, labels } = outputs;
        let needed = |output: Option<String>, key: &str| {
            output.ok_or_else(|| {
                let format = format.name();
                Error::invalid(format!(
                    "detector format {format:?} needs the name of one more output: give {key}"
                ))
            })
        };
        let mut outputs = vec![boxes];
        if matches!(format, Format::Ssd | Format::Detr | Format::BoxesScores) {
            outputs.push(needed(scores, "output.class_scores")?);
        }
        if format == Format::BoxesScores {
            outputs.push(needed(labels, "output.labels")?);
        }
        Ok(Self {
            format,
            outputs,
            activated: format != Format::Detr,
            boxes: format.boxes(),
            size,
            guessed: false,
        })
    }

    /// Sets whether class scores and objectness are already probabilities. Default: yes, except for DETR.
    pub fn activated(self, activated: Option<bool>) -> Self {
        Self { activated: activated.unwrap_or(self.activated), ..self }
    }

    /// Sets the form of boxes, if it differs from the format's usual form.
    pub fn boxes(self, form: Option<BoxForm>, scale: Option<BoxScale>) -> Self {
        Self { boxes: (form.unwrap_or(self.boxes.0), scale.unwrap_or(self.boxes.1)), ..self }
    }

    /// The same, with a format that was inferred from names and shapes.
    pub fn guessed(self) -> Self {
        Self { guessed: true, ..self }
    }

    /// An error where the values of an image are none of a detector's: probabilities that are none, and, where the form is a
    /// guess, boxes that have no area or lie far outside.
    pub(super) fn check(&self, rows: &[TensorView<'_>]) -> Result<()> {
        let layout = self.layout(rows)?;
        let (far, probable) = (self.size.0.max(self.size.1) as f64, -0.001..=1.001);
        let is_sound = |j: usize| {
            let Candidate { rect: [x0, y0, x1, y1], objectness, classes } = layout.candidate(rows, j);
            let within = [x0, y0, x1, y1].iter().all(|side| side.abs() <= 3.0 * far);
            let odds = classes.iter().chain([&objectness]).all(|odds| probable.contains(odds));
            odds && (!self.guessed || within && x1 >= x0 && y1 >= y0)
        };
        let sound = (0..layout.count()).filter(|&j| is_sound(j)).count();
        match (sound * 10 >= layout.count() * 9, self.guessed) {
            (true, _) => Ok(()),
            (false, false) => Err(Error::invalid(format!(
                "the scores in output {:?} are not probabilities from 0 to 1; if they are logits, set output.activated = \
                 false in a manifest",
                self.outputs.join(", ")
            ))),
            (false, true) => Err(Error::unsupported(format!(
                "output {:?} has the shape of detector format {:?}, but not its values; specify it with \
                 output.kind, and detections with output.format, in a manifest",
                self.outputs.join(", "),
                self.format.name()
            ))),
        }
    }

    /// A remark for users on an inferred format.
    pub fn remark(&self) -> Option<String> {
        self.guessed.then(|| {
            format!(
                "output {:?} is interpreted as detector format {:?} because of its shape; if that is wrong, set \
                 output.format in a manifest",
                self.outputs.join(", "),
                self.format.name()
            )
        })
    }

    /// The same on inputs of another size (height, width).
    pub fn at(self, size: (usize, usize)) -> Self {
        Self { size, ..self }
    }

    /// The names of the outputs that are read.
    pub fn outputs(&self) -> Vec<&str> {
        self.outputs.iter().map(String::as_str).collect()
    }

    /// Height and width of the model's input, whose pixels boxes are measured in.
    pub fn input_size(&self) -> (usize, usize) {
        self.size
    }

    /// How an image's rows are laid out; an error where they have not the shapes of the form.
    pub(super) fn layout(&self, rows: &[TensorView<'_>]) -> Result<Layout<'_>> {
        let shapes = rows.iter().map(TensorView::shape).collect::<Vec<_>>();
        let wrong = || {
            let (format, outputs) = (self.format.name(), self.outputs.join(", "));
            Error::model(format!(
                "outputs {outputs} have shapes {shapes:?} for an image, which is not detector format {format:?}: set \
                 output.format in a manifest"
            ))
        };
        let (count, fields) = self.dims(&shapes).ok_or_else(wrong)?;
        Ok(Layout { detector: self, count, fields, width: shapes[0].last().copied().unwrap_or(1) })
    }

    /// The number of candidates, and of fields beside the box (or of all, where one output holds everything).
    fn dims(&self, shapes: &[&[usize]]) -> Option<(usize, usize)> {
        let two = |i: usize| <[usize; 2]>::try_from(trimmed(shapes[i], 2)).ok();
        match self.format {
            Format::Yolov5 => two(0).filter(|[_, k]| *k > 5).map(|[n, k]| (n, k)),
            Format::EndToEnd => two(0).filter(|[_, k]| *k == 6).map(|[n, k]| (n, k)),
            Format::Yolov8 => two(0).filter(|[k, _]| *k > 4).map(|[k, n]| (n, k)),
            Format::FastestDet => match *trimmed(shapes[0], 3) {
                [k, h, w] if k > 5 => Some((h * w, k)),
                _ => None,
            },
            Format::Ssd | Format::Detr => {
                let ([n, four], [m, classes]) = (two(0)?, two(1)?);
                (four == 4 && n == m && classes > 1).then_some((n, classes))
            }
            Format::BoxesScores => {
                let [n, four] = two(0)?;
                let of = |i: usize| trimmed(shapes[i], 1) == [n];
                (four == 4 && of(1) && of(2)).then_some((n, 1))
            }
        }
    }
}

/// `shape` without leading axes of length 1, down to `rank` axes.
fn trimmed(mut shape: &[usize], rank: usize) -> &[usize] {
    while let [1, rest @ ..] = shape
        && shape.len() > rank
    {
        shape = rest;
    }
    shape
}

/// The most classes that labels may name.
const MOST_CLASSES: usize = 1 << 16;

/// Where the candidates of one image lie in its rows.
pub(super) struct Layout<'d> {
    detector: &'d Detector,
    count: usize,
    fields: usize,
    width: usize,
}

impl Layout<'_> {
    /// The number of candidates.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of classes; where only labels say, as many as may be.
    pub(super) fn classes(&self) -> usize {
        match self.detector.format {
            Format::Yolov5 | Format::FastestDet => self.fields - 5,
            Format::Yolov8 => self.fields - 4,
            Format::Ssd | Format::Detr => self.fields - 1,
            Format::EndToEnd | Format::BoxesScores => MOST_CLASSES,
        }
    }

    /// The (output, element) of a field of candidate `j`, of the output that holds boxes.
    fn field(&self, j: usize, field: usize) -> (usize, usize) {
        match self.detector.format {
            Format::Yolov5 | Format::EndToEnd => (0, j * self.fields + field),
            Format::Yolov8 | Format::FastestDet => (0, field * self.count + j),
            Format::Ssd | Format::Detr | Format::BoxesScores => (0, j * 4 + field),
        }
    }

    /// All elements that candidate `j` is read from and that its number may vary with: class numbers do not vary.
    pub(super) fn elements(&self, j: usize) -> Vec<(usize, usize)> {
        let own = |count: usize| (0..count).map(move |field| self.field(j, field));
        match self.detector.format {
            Format::Yolov5 | Format::Yolov8 | Format::FastestDet => own(self.fields).collect(),
            Format::EndToEnd => own(5).collect(),
            Format::Ssd | Format::Detr => {
                own(4).chain((0..self.fields).map(|c| (1, j * self.fields + c))).collect()
            }
            Format::BoxesScores => own(4).chain([(1, j)]).collect(),
        }
    }

    /// The box of candidate `j` alone.
    pub(super) fn rect(&self, rows: &[TensorView<'_>], j: usize) -> [f64; 4] {
        self.rect_of(j, &|at| value(rows, at))
    }

    /// Candidate `j`.
    pub(super) fn candidate(&self, rows: &[TensorView<'_>], j: usize) -> Candidate<f64> {
        self.candidate_of(j, &|at| value(rows, at))
    }

    fn rect_of<D: Number>(&self, j: usize, at: &impl Fn((usize, usize)) -> D) -> [D; 4] {
        let four = |first: usize| [0, 1, 2, 3].map(|field| at(self.field(j, first + field)));
        let raw = match self.detector.format {
            Format::FastestDet => {
                let [x, y, w, h] = four(1);
                let (row, column) = ((j / self.width) as f64, (j % self.width) as f64);
                let (columns, rows) = (self.width as f64, (self.count / self.width) as f64);
                [(x.tanh() + column) / columns, (y.tanh() + row) / rows, sigmoid(w), sigmoid(h)]
            }
            _ => four(0),
        };
        corners(raw, self.detector.boxes, self.detector.size)
    }

    /// Candidate `j` of the numbers that `at` gives for (output, element).
    pub(super) fn candidate_of<D: Number>(
        &self,
        j: usize,
        at: &impl Fn((usize, usize)) -> D,
    ) -> Candidate<D> {
        let one = D::from(1.0);
        let own = |field: usize| at(self.field(j, field));
        let score = |c: usize| at((1, j * self.fields + c));
        let each = |raw: D| if self.detector.activated { raw } else { sigmoid(raw) };
        let among = |raw: Vec<D>| if self.detector.activated { raw } else { softmax(&raw) };
        let all = || (0..self.fields).map(score).collect::<Vec<D>>();
        let (objectness, classes) = match self.detector.format {
            Format::Yolov5 => (each(own(4)), (5..self.fields).map(|f| each(own(f))).collect()),
            Format::Yolov8 => (one, (4..self.fields).map(|f| each(own(f))).collect()),
            Format::FastestDet => (own(0), (5..self.fields).map(own).collect()),
            Format::Ssd => (one, among(all()).split_off(1)),
            Format::Detr => {
                let mut classes = among(all());
                classes.truncate(self.fields - 1);
                (one, classes)
            }
            Format::EndToEnd => (own(4), one_hot(own(5).re(), one)),
            Format::BoxesScores => (at((1, j)), one_hot(at((2, j)).re(), one)),
        };
        Candidate { rect: self.rect_of(j, at), objectness, classes }
    }
}

fn value(rows: &[TensorView<'_>], (output, element): (usize, usize)) -> f64 {
    f64::from(rows[output].data()[element])
}

/// The classes of a candidate that names one by its number.
fn one_hot<D: Number>(label: f64, one: D) -> Vec<D> {
    let class = (label.round().max(0.0) as usize).min(MOST_CLASSES - 1);
    let mut classes = vec![D::from(0.0); class + 1];
    classes[class] = one;
    classes
}
