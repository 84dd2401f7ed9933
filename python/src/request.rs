//! [`Wanted`]: what an explain call is asked for, as Python says it.

use std::time::Duration;

use pyo3::prelude::*;
use scorecam::{ExplainOptions, Kept, Targets};
use scorecam_core::{Error, Result};

use crate::images::Image;

/// The items of the dict that `scorecam._model` makes of an explain call's arguments.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Wanted {
    method: String,
    preset: Option<String>,
    options: Vec<(String, String)>,
    /// How many of the best classes, where nothing is asked in words.
    top: usize,
    ask: Vec<String>,
    layer: Option<String>,
    fuse: String,
    augment: bool,
    batch_size: Option<usize>,
    reference: Option<Py<Image>>,
    /// In seconds.
    time_limit: Option<f64>,
    /// The least score, the greatest overlap and the most detections.
    detections: Option<(f64, f64, usize)>,
}

impl Wanted {
    /// The same for the front door.
    pub(crate) fn options(&self) -> Result<ExplainOptions> {
        let time_limit = self.time_limit.map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| Error::invalid(format!("time_limit is {seconds}; give seconds from 0 on")))
        });
        let kept = self.detections.map(|(score, overlap, most)| Kept { score, overlap, most });
        Ok(ExplainOptions {
            method: self.method.clone(),
            preset: self.preset.clone(),
            set: self.options.clone(),
            targets: Targets::Top(self.top),
            ask: self.ask.clone(),
            detections: kept.unwrap_or_default(),
            layer: self.layer.clone(),
            fuse: self.fuse.parse()?,
            augment: self.augment,
            batch_size: self.batch_size,
            reference: self.reference.as_ref().map(|image| image.get().0.clone()),
            time_limit: time_limit.transpose()?,
        })
    }
}
