//! The passes that answer an [`Ask`]: cut into batches that the model accepts, counted, and validated.

use std::cell::Cell;

use crate::ask::Ask;
use crate::masking::MaskedScores;
use crate::tensor::{append, only};
use crate::{
    BatchRule, Error, ErrorKind, Forward, Result, Rows, Tensor, TensorView, ViewedModel, element_count,
};

/// The tensors that `ask` is for. `passed` learns the number of images of each batch; its error ends the run.
pub(crate) fn answer(
    model: &dyn ViewedModel,
    ask: &Ask,
    batch_size: usize,
    passed: &dyn Fn(usize) -> Result<()>,
) -> Result<Vec<Tensor>> {
    let batches = Batches { rule: model.info().batch, size: batch_size, passed };
    match ask {
        Ask::Forward { images, taps } => {
            let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
            let tensors = batches.run(images.view(), |batch| {
                let Forward { scores, activations } = model.forward(batch, &taps)?;
                Ok(std::iter::once(scores).chain(activations).collect())
            })?;
            let [scores, activations @ ..] = tensors.as_slice() else { return Ok(tensors) };
            check_scores(scores, images.shape()[0])?;
            for (tap, activations) in taps.iter().zip(activations) {
                check_finite(activations.data(), || format!("the activations of layer {tap:?}"))?;
            }
            Ok(tensors)
        }
        Ask::Rows { image, outputs, taps } => {
            let [outputs, taps] =
                [outputs, taps].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
            let Rows { outputs: mut rows, activations } = model.rows(image.view(), &outputs, &taps)?;
            passed(1)?;
            for (name, row) in outputs.iter().zip(&rows) {
                check_finite(row.data(), || format!("output {name:?}"))?;
            }
            for (tap, activations) in taps.iter().zip(&activations) {
                check_finite(activations.data(), || format!("the activations of layer {tap:?}"))?;
            }
            rows.extend(activations);
            Ok(rows)
        }
        Ask::Masked(masked) => Ok(vec![masked_scores(model, &masked.request(passed))?]),
        Ask::RunFrom { image, layer, activations } => {
            let batches = Batches { size: head_batch(activations.shape(), batch_size), ..batches };
            let run = |part: TensorView<'_>| Ok(vec![model.run_from(image.view(), layer, part)?]);
            let scores = only(batches.run(activations.view(), run)?)?;
            check_scores(&scores, activations.shape()[0])?;
            Ok(vec![scores])
        }
        Ask::Gradients { images, layer, class } => {
            let run = |part: TensorView<'_>| Ok(vec![model.gradients(part, layer, *class)?]);
            let gradients = only(batches.run(images.view(), run)?)?;
            check_finite(gradients.data(), || format!("the gradients of layer {layer:?}"))?;
            Ok(vec![gradients])
        }
    }
}

/// Scores [M, classes] of the masked images of `request`, whose `on_batch` learns of each batch and may end the run.
pub(crate) fn masked_scores(model: &dyn ViewedModel, request: &MaskedScores<'_>) -> Result<Tensor> {
    let (_, [count, ..]) = request.dims()?;
    if count == 0 {
        return Tensor::zeros([0, 0]);
    }
    let reported = Cell::new(0usize);
    let ended = Cell::new(None);
    let wrong = || {
        let reported = reported.get();
        Error::plugin(format!(
            "the backend reported passes of {reported} masks by on_batch; it was given {count}"
        ))
    };
    let on_batch = |n| {
        reported.set(reported.get().saturating_add(n));
        if reported.get() > count {
            return Err(wrong());
        }
        let goes_on = unless_done((request.on_batch)(n), reported.get() == count);
        goes_on.inspect_err(|error| ended.set(Some(error.clone())))
    };
    // A backend makes a batch whole, so none is larger than the number of masks.
    let batch_size = model.info().batch.size(request.batch_size.min(count));
    let scores = model.masked_scores(&MaskedScores { batch_size, on_batch: &on_batch, ..*request });
    // A backend may have gone on after it was to stop.
    if let Some(error) = ended.take() {
        return Err(error);
    }
    let scores = scores?;
    check_scores(&scores, count)?;
    if reported.get() == count { Ok(scores) } else { Err(wrong()) }
}

/// What `passed` says, but a deadline after the last batch, whose answer is there.
fn unless_done(passed: Result<()>, is_last: bool) -> Result<()> {
    passed.or_else(|error| if is_last && error.kind() == ErrorKind::Deadline { Ok(()) } else { Err(error) })
}

/// How many activations [N, K, h, w] run from a layer at once, where `images` are a batch of the model: as many, but 256 KiB
/// of them at least, or 4 MiB of means [N, K, 1, 1], behind which next to nothing is computed; and 32 MiB at most. More at
/// once take no less time on a CPU, and the memory of what lies behind an early layer; more than the CPU's cache holds take
/// twice the time (EfficientNet-Lite0's 1280 head passes).
pub(crate) fn head_batch(activations: &[usize], images: usize) -> usize {
    let values = activations.iter().skip(1).product::<usize>().max(1);
    let least = if activations[2..] == [1, 1] { 1 << 20 } else { 1 << 16 };
    let [least, most] = [least, 8 << 20].map(|all: usize| (all / values).clamp(1, BatchRule::MOST));
    images.clamp(least, most)
}

/// How items are cut into batches.
struct Batches<'a> {
    rule: BatchRule,
    size: usize,
    passed: &'a dyn Fn(usize) -> Result<()>,
}

impl Batches<'_> {
    /// Runs any number of items [N, C, H, W], batch after batch; where the model fixes the size of a batch, the last one is
    /// filled up with zeros. `run` gives some tensors [items, ...]; the result has as many, [N, ...].
    fn run(
        &self,
        items: TensorView<'_>,
        run: impl Fn(TensorView<'_>) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let [n, c, h, w] = items.dims("the batch")?;
        let size = self.rule.size(self.size);
        let is_whole = n == size || n < size && !matches!(self.rule, BatchRule::Fixed(_));
        if n == 0 || is_whole {
            let tensors = run(items)?;
            unless_done((self.passed)(n), true)?;
            return Ok(tensors);
        }
        let mut parts: Vec<Vec<Tensor>> = Vec::new();
        for first in (0..n).step_by(size) {
            let count = size.min(n - first);
            let some = &items.data()[first * c * h * w..][..count * c * h * w];
            let shape = [if matches!(self.rule, BatchRule::Fixed(_)) { size } else { count }, c, h, w];
            parts.push(if shape[0] == count {
                run(TensorView::new(&shape, some)?)?
            } else {
                let mut padded = Tensor::zeros(shape)?;
                padded.data_mut()[..some.len()].copy_from_slice(some);
                run(padded.view())?
            });
            unless_done((self.passed)(count), first + count == n)?;
        }
        let count = parts.first().map_or(0, Vec::len);
        (0..count).map(|t| join(parts.iter().filter_map(|p| p.get(t)), n)).collect()
    }
}

/// The first `n` items of tensors one after the other.
fn join<'a>(parts: impl Iterator<Item = &'a Tensor>, n: usize) -> Result<Tensor> {
    let (mut shape, mut data) = (Vec::new(), Vec::new());
    for part in parts {
        shape = part.shape().to_vec();
        append(&mut data, part.data())?;
    }
    if let Some(items) = shape.first_mut() {
        *items = n;
    }
    data.truncate(element_count(&shape)?);
    Tensor::new(shape, data)
}

fn check_scores(scores: &Tensor, items: usize) -> Result<()> {
    match scores.shape() {
        [n, classes] if *n == items && *classes > 0 => {
            check_finite(scores.data(), || "the model's class scores".into())
        }
        shape => bail!(model, "the model returned scores of shape {shape:?} for {items} images"),
    }
}

/// An error when a value is NaN or infinite; `what` is only called then.
pub(crate) fn check_finite(values: &[f32], what: impl Fn() -> String) -> Result<()> {
    #[cfg(test)]
    tests::CHECKED.with(|checked| checked.set(checked.get() + values.len()));
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::model(format!("{}: value {} at index {i} is not finite", what(), values[i]))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::methods::ScoreCam;
    use crate::{CamMethod, Request, Targets, explain};

    thread_local! {
        /// How many values this thread has checked.
        pub(super) static CHECKED: Cell<usize> = const { Cell::new(0) };
    }

    mod channels {
        extern crate self as scorecam_core;

        include!("../doc/channels.rs");

        pub(super) fn view() -> Box<dyn ViewedModel> {
            Box::new(ModelView::new(Channels::new(), &ViewOptions::default()).expect("a view"))
        }
    }

    #[test]
    fn each_score_is_checked_once() {
        let model = channels::view();
        let input = crate::Tensor::new([1, 3, 8, 8], (0..192).map(|i| (i % 7) as f32).collect());
        let input = std::sync::Arc::new(input.expect("a tensor"));
        let method = ScoreCam;
        let options = method.info().resolve(None, &[]).expect("defaults");
        CHECKED.set(0);
        let request = Request {
            input,
            reference: None,
            targets: Targets::Top(1),
            layer: None,
            options: &options,
            batch_size: None,
            progress: None,
            time_up: None,
            previous: None,
        };
        let found = explain(model.as_ref(), &method, request).expect("an explanation");
        let (scores, activations) = (3 * found.passes, 192);
        // The caller's input and the method's map are checked, too.
        assert_eq!(CHECKED.get(), 192 + activations + scores + found.maps.data().len());
    }
}
