//! `scorecam layers --rank`: which layer explains a photo best, measured.
//!
//! Each of the most likely layers explains the class that the model is surest of; then the model sees the photo through
//! the map alone. The more of the class's score is left, the better the map shows where the evidence is.

use std::path::Path;

use scorecam::{ExplainOptions, Explainer, Host, Image, Model, Result, Tensor};
use scorecam_core::{ClassScore, MaskedScores, Upsample, class_score};

use crate::table::{lines, row};

/// How many layers are compared.
const CANDIDATES: usize = 5;

/// A layer, and the share of the score that its map keeps.
struct Ranked {
    layer: String,
    kept: f64,
    passes: usize,
}

/// Explains the photo by each candidate; a table, best first, and which layer it speaks for.
pub(crate) fn rank(host: &Host, model: &Model, photo: &Path) -> Result<String> {
    let image = Image::open(photo)?;
    let names = candidates(model);
    let ranked = names.iter().map(|layer| measured((host, model), layer, &image));
    let mut ranked = ranked.collect::<Result<Vec<_>>>()?;
    ranked.sort_by(|a, b| b.kept.total_cmp(&a.kept));
    let mut rows = vec![row!["LAYER", "SCORE KEPT", "PASSES"]];
    rows.extend(
        ranked.iter().map(|r| row![r.layer, format!("{:.1} %", 100.0 * r.kept), r.passes.to_string()]),
    );
    let advice = match (ranked.first(), model.info().layer(model.layer())) {
        (Some(best), Ok(default)) if best.layer != default.name => {
            format!("on this photo, --layer {} keeps the largest share of the score\n", best.layer)
        }
        (Some(_), _) => "on this photo, the default layer keeps the largest share of the score\n".to_owned(),
        (None, _) => "no layer is known to hold maps, so there is nothing to rank\n".to_owned(),
    };
    Ok(format!("{}{advice}", lines(&rows, 0)))
}

/// The layers that recommend themselves most, the most recommended first.
fn candidates(model: &Model) -> Vec<String> {
    let info = model.info();
    let mut likely: Vec<_> =
        info.layers.iter().enumerate().filter(|(_, l)| l.preference > 0 && l.has_spatial_extent()).collect();
    likely.sort_by_key(|(i, layer)| std::cmp::Reverse((layer.preference, *i)));
    let mut names: Vec<String> = likely.into_iter().map(|(_, layer)| layer.name.clone()).collect();
    if let Ok(default) = info.layer(model.layer()) {
        names.retain(|name| *name != default.name);
        names.insert(0, default.name.clone());
    }
    names.truncate(CANDIDATES);
    names
}

/// What the map of one layer keeps of the class's score.
fn measured((host, model): (&Host, &Model), layer: &str, image: &Image) -> Result<Ranked> {
    let options = ExplainOptions { layer: Some(layer.to_owned()), ..ExplainOptions::default() };
    let explainer = Explainer::new(host, model, &options)?;
    let found = explainer.explain(image)?;
    let target = &found.targets[0];
    let (height, width) = found.input_size;
    let map = Tensor::new([1, height, width], found.maps.item(0).to_vec())?;
    let input = explainer.model().prepare(image)?.tensor;
    let outputs = model.backend().masked_scores(&MaskedScores {
        images: input.view(),
        fill: None,
        masks: map.view(),
        cuts: &[],
        image_of_mask: &[],
        upsample: Upsample::HalfPixel,
        batch_size: 1,
        on_batch: &|_| Ok(()),
    })?;
    let applied = model.info().scores.as_ref().map_err(Clone::clone)?.applied;
    let class = target.class.unwrap_or(0);
    let left = class_score(ClassScore::Softmax, applied, outputs.item(0), class);
    let kept = if target.score == 0.0 { 0.0 } else { left / target.score };
    Ok(Ranked { layer: layer.to_owned(), kept, passes: found.passes + 1 })
}
