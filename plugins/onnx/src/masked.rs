//! Masked images on the model's device: images go there once, then only small masks, and only scores come back.
//!
//! A session of our own ([`mask_graph`]) writes a batch of masked images into a place on the device, and the
//! model's session reads it there. On an accelerator two batches are under way at a time, each with a place and a
//! thread of its own: while one is computed, the masks of the other travel. [`passes`] fixes which masks make up a batch
//! before anything runs, so scores do not tell how many threads there were.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ort::value::{DynTensor, DynValueRef};
use scorecam_core::{
    Cut, EachBatch, Error, Layout, MaskedRequest, Result, Tensor, TensorView, Upsampler, hand_over_batch,
};
use scorecam_plugin::caught;

use crate::element::Element;
use crate::mask_graph::{self, Fill, Images, MaskGraph, Masks};
use crate::model::Wanted;
use crate::session::{Session, SessionSpec};
use crate::values::{self, Input};

/// Batches under way at a time on an accelerator.
const IN_FLIGHT: usize = 2;

/// The sessions that make masked images of one model, by the graph, opened when they are first wanted; `None` is the
/// graph that copies.
#[derive(Default)]
pub(crate) struct MaskSessions(Mutex<Vec<(Option<MaskGraph>, Arc<Session>)>>);

impl MaskSessions {
    fn get(&self, spec: &SessionSpec, graph: Option<MaskGraph>) -> Result<Arc<Session>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, session)) = sessions.iter().find(|(opened, _)| *opened == graph) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(match graph {
            Some(graph) => spec.open_own(&graph.bytes(), "the graph that makes masks")?,
            None => spec.open_own(&mask_graph::copying_graph(), "the graph that copies")?,
        });
        sessions.push((graph, Arc::clone(&session)));
        Ok(session)
    }
}

/// A model as far as its masked passes go.
pub(crate) struct Masked<'a> {
    pub(crate) spec: &'a SessionSpec,
    pub(crate) sessions: &'a MaskSessions,
    /// The sessions that score, by the images of a pass.
    pub(crate) models: BTreeMap<usize, Arc<Session>>,
    /// The name and the order of axes of its input.
    pub(crate) input: (&'a str, Layout),
    /// What each pass is to give.
    pub(crate) wanted: &'a Wanted,
}

/// A forward pass of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pass {
    /// The masks that it scores.
    pub(crate) masks: Range<usize>,
    /// How many images it has: what masks do not make up is filled up with the last one.
    pub(crate) images: usize,
}

/// How many images passes have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sizing {
    /// So many, always.
    Whole(usize),
    /// At most so many.
    UpTo(usize),
    /// So many, or a quarter of that for what is left over: an engine that plans for each number plans for two.
    Planned(usize),
}

/// Images of the small passes beside those of `size`.
pub(crate) fn quarter(size: usize) -> usize {
    (size / 4).max(1)
}

/// The passes that score `count` masks; none of the sizes is 0.
pub(crate) fn passes(count: usize, sizing: Sizing) -> Vec<Pass> {
    let (Sizing::Whole(size) | Sizing::UpTo(size) | Sizing::Planned(size)) = sizing;
    let rest = count % size;
    let cut = |masks: Range<usize>, size: usize| {
        let end = masks.end;
        masks.step_by(size).map(move |start| start..end.min(start + size))
    };
    let whole = |masks: Range<usize>| Pass { masks, images: size };
    match sizing {
        Sizing::Planned(_) if rest <= size / 2 => {
            let quarter = quarter(size);
            let small = |masks| Pass { masks, images: quarter };
            cut(0..count - rest, size)
                .map(whole)
                .chain(cut(count - rest..count, quarter).map(small))
                .collect()
        }
        Sizing::Whole(_) | Sizing::Planned(_) => cut(0..count, size).map(whole).collect(),
        Sizing::UpTo(_) => cut(0..count, size).map(|masks| Pass { images: masks.len(), masks }).collect(),
    }
}

impl Masked<'_> {
    /// Runs masked images, and hands what is wanted of each pass to `each`.
    pub(crate) fn run(
        &self,
        request: &MaskedRequest<'_>,
        passes: &[Pass],
        each: &mut EachBatch<'_>,
    ) -> Result<()> {
        let shared = SharedInputs::new(self, request)?;
        let mut take = |pass: &Pass, found: Vec<Tensor>| {
            // What fills a pass up is nobody's.
            hand_over_batch(each, (pass.masks.len(), pass.images), &found, |i| self.wanted.is_per_image(i))
        };
        match self.spec.device.is_accelerator() && passes.len() > 1 {
            true => shared.in_flight(passes, &mut take),
            false => shared.in_turn(passes, &mut take),
        }
    }
}

/// What takes the tensors of a batch, in the order of the batches.
type Take<'t> = dyn FnMut(&Pass, Vec<Tensor>) -> Result<()> + 't;

/// What masks are made of.
enum MaskShapes<'a> {
    /// Small masks, which travel batch by batch, and the matrices that upsample them.
    Small { masks: TensorView<'a>, rows: DynTensor, columns: DynTensor },
    /// Rank maps, which travel once, and where each is cut.
    Cuts { ranks: DynTensor, cuts: &'a [Cut] },
}

/// All of a request that its batches share: what lies on the device, and what of a request threads may see.
struct SharedInputs<'a> {
    of: &'a Masked<'a>,
    making: Arc<Session>,
    images: DynTensor,
    fill: Option<DynTensor>,
    shapes: MaskShapes<'a>,
    image_of_mask: &'a [u32],
    /// Of a masked image in the model's own order, without the batch.
    item: [usize; 3],
}

impl<'a> SharedInputs<'a> {
    fn new(of: &'a Masked<'a>, request: &MaskedRequest<'a>) -> Result<Self> {
        let ([_, channels, height, width], [_, h, w]) = request.dims()?;
        let graph = MaskGraph {
            masks: if request.cuts.is_empty() { Masks::Small } else { Masks::Cuts },
            images: if request.image_of_mask.is_empty() { Images::One } else { Images::Several },
            fill: if request.fill.is_some() { Fill::Pixels } else { Fill::Zeros },
            layout: of.input.1,
            element: of.spec.element(),
        };
        let making = of.sessions.get(of.spec, Some(graph))?;
        let copying = of.sessions.get(of.spec, None)?;
        let allocator = making.allocator(&of.spec.device)?;
        let on_device = |shape: &[usize], data: &[f32]| {
            let mut place = values::place(&allocator, Element::F32, shape)?;
            let input = Input::of(Element::F32, shape, data)?;
            copying.run_into(&[(mask_graph::IMAGES, input.value())], mask_graph::MASKED, &mut place)?;
            Ok(place)
        };
        let shapes = if request.cuts.is_empty() {
            let upsampler = Upsampler::new(request.upsample, (h, w), (height, width))?;
            let columns = transposed(&upsampler.column_matrix(), w);
            let rows = on_device(&[height, h], &upsampler.row_matrix())?;
            MaskShapes::Small { masks: request.masks, rows, columns: on_device(&[w, width], &columns)? }
        } else {
            let shape = [request.masks.shape()[0], 1, height, width];
            MaskShapes::Cuts { ranks: on_device(&shape, request.masks.data())?, cuts: request.cuts }
        };
        Ok(Self {
            of,
            images: on_device(request.inputs.images.shape(), request.inputs.images.data())?,
            fill: request.fill.map(|fill| on_device(fill.shape(), fill.data())).transpose()?,
            shapes,
            making,
            image_of_mask: request.image_of_mask,
            item: match of.input.1 {
                Layout::Nchw => [channels, height, width],
                Layout::Nhwc => [height, width, channels],
            },
        })
    }

    /// Batch after batch, on the calling thread.
    fn in_turn(&self, passes: &[Pass], take: &mut Take<'_>) -> Result<()> {
        let mut place = MaskedBuffer::default();
        passes.iter().try_for_each(|pass| take(pass, self.run(pass, &mut place)?))
    }

    /// Batches on threads of their own, [`IN_FLIGHT`] at a time; `take` stays on the calling thread.
    fn in_flight(&self, passes: &[Pass], take: &mut Take<'_>) -> Result<()> {
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = |found: Sender<(usize, Result<Vec<Tensor>>)>| {
            let mut place = MaskedBuffer::default();
            while !stopped.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(pass) = passes.get(i) else { return };
                let scores = caught(|| self.run(pass, &mut place)).flatten();
                // The other end is gone where the call has ended with an error.
                if found.send((i, scores)).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let (sender, found) = channel();
            for i in 0..IN_FLIGHT {
                let (work, sender) = (&work, sender.clone());
                let started = thread::Builder::new()
                    .name(format!("scorecam-batch-{i}"))
                    .spawn_scoped(scope, move || work(sender));
                // One thread is enough to get on with.
                if let Err(e) = started
                    && i == 0
                {
                    return Err(Error::internal(format!("no thread can be started for a batch: {e}")));
                }
            }
            drop(sender);
            let ended = in_order(passes.len(), || found.recv().ok(), |i, scores| take(&passes[i], scores?));
            stopped.store(true, Ordering::Relaxed);
            ended
        })
    }

    /// One pass: the tensors of its masks, and of what fills it up.
    fn run(&self, pass: &Pass, place: &mut MaskedBuffer) -> Result<Vec<Tensor>> {
        let Pass { masks, images: n } = pass.clone();
        let of = self.of;
        let model = of.models.get(&n).ok_or_else(|| Error::internal("a pass has no session"))?;
        let order: Vec<usize> = (masks.start..masks.start + n).map(|m| m.min(masks.end - 1)).collect();
        let indices: Vec<i64> = order.iter().map(|&m| self.image_of(m)).collect();
        let indices = Input::indices(&indices)?;
        let (shape, values, maps) = self.shapes.of(&order)?;
        let (values, maps) = (Input::of(Element::F32, &shape, &values)?, Input::indices(&maps)?);
        let mut inputs = vec![(mask_graph::IMAGES, dynamic(&self.images))];
        inputs.extend(match &self.shapes {
            MaskShapes::Small { rows, columns, .. } => [
                (mask_graph::MASKS, values.value()),
                (mask_graph::ROWS, dynamic(rows)),
                (mask_graph::COLUMNS, dynamic(columns)),
            ],
            MaskShapes::Cuts { ranks, .. } => [
                (mask_graph::MASKS, dynamic(ranks)),
                (mask_graph::COUNTS, values.value()),
                (mask_graph::MAP_OF_CUT, maps.value()),
            ],
        });
        inputs.extend(self.fill.as_ref().map(|fill| (mask_graph::FILL, dynamic(fill))));
        if !self.image_of_mask.is_empty() {
            inputs.push((mask_graph::IMAGE_OF_MASK, indices.value()));
        }
        let masked = place.of(n, self)?;
        self.making.run_into(&inputs, mask_graph::MASKED, masked)?;
        let (names, places) = of.wanted.once();
        let found = model.run(&[(of.input.0, dynamic(masked))], &names)?;
        of.wanted.each(n, &places, found)
    }

    fn image_of(&self, mask: usize) -> i64 {
        self.image_of_mask.get(mask).map_or(0, |&i| i64::from(i))
    }
}

impl MaskShapes<'_> {
    /// All that travels for the masks of a pass: small masks [N, 1, h, w], or counts [N, 1, 1, 1], and the rank map of each.
    fn of(&self, order: &[usize]) -> Result<([usize; 4], Vec<f32>, Vec<i64>)> {
        let n = order.len();
        match self {
            Self::Small { masks, .. } => {
                let [_, h, w] = masks.dims("the tensor of masks")?;
                let small = order.iter().flat_map(|&m| masks.item(m)).copied().collect();
                Ok(([n, 1, h, w], small, vec![0; n]))
            }
            Self::Cuts { cuts, .. } => {
                let counts = order.iter().map(|&m| cuts[m].count as f32).collect();
                Ok(([n, 1, 1, 1], counts, order.iter().map(|&m| cuts[m].map.into()).collect()))
            }
        }
    }
}

/// Where the masked images of one pass at a time lie on the device.
#[derive(Default)]
struct MaskedBuffer(Option<(usize, DynTensor)>);

impl MaskedBuffer {
    /// Room for `n` images.
    fn of(&mut self, n: usize, shared: &SharedInputs<'_>) -> Result<&mut DynTensor> {
        if self.0.as_ref().is_none_or(|(room, _)| *room != n) {
            // What was there goes first.
            self.0 = None;
            let [a, b, c] = shared.item;
            let spec = shared.of.spec;
            let allocator = shared.making.allocator(&spec.device)?;
            self.0 = Some((n, values::place(&allocator, spec.element(), &[n, a, b, c])?));
        }
        match &mut self.0 {
            Some((_, tensor)) => Ok(tensor),
            None => Err(Error::internal("a place on the device was made and is not there")),
        }
    }
}

fn dynamic(tensor: &DynTensor) -> DynValueRef<'_> {
    tensor.view().into_dyn()
}

/// Hands what arrives to `take` in the order of its numbers, 0 to `count`.
fn in_order<T>(
    count: usize,
    mut arrive: impl FnMut() -> Option<(usize, T)>,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    for i in 0..count {
        let found = loop {
            if let Some(found) = early.remove(&i) {
                break found;
            }
            let (j, found) = arrive().ok_or_else(|| Error::internal("a batch has not arrived"))?;
            early.insert(j, found);
        };
        take(i, found)?;
    }
    Ok(())
}

/// A matrix of rows of `width` with its axes changed.
fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|x| matrix.iter().skip(x).step_by(width).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_is_in_one_pass_and_few_images_are_there_to_fill_up() {
        let check = |count, sizing, expected: &[(usize, usize)]| {
            let passes = passes(count, sizing);
            let found: Vec<_> = passes.iter().map(|pass| (pass.masks.len(), pass.images)).collect();
            assert_eq!(found, expected, "{count} masks, {sizing:?}");
            let masks: Vec<usize> = passes.into_iter().flat_map(|pass| pass.masks).collect();
            assert_eq!(masks, (0..count).collect::<Vec<_>>());
        };
        for sizing in [Sizing::Whole(8), Sizing::UpTo(8), Sizing::Planned(8)] {
            check(0, sizing, &[]);
            check(16, sizing, &[(8, 8), (8, 8)]);
        }
        check(11, Sizing::Whole(8), &[(8, 8), (3, 8)]);
        check(11, Sizing::UpTo(8), &[(8, 8), (3, 3)]);
        check(11, Sizing::Planned(8), &[(8, 8), (2, 2), (1, 2)]);
        check(12, Sizing::Planned(8), &[(8, 8), (2, 2), (2, 2)]);
        check(13, Sizing::Planned(8), &[(8, 8), (5, 8)]);
        check(3, Sizing::Planned(8), &[(2, 2), (1, 2)]);
        check(2, Sizing::Planned(1), &[(1, 1), (1, 1)]);
        check(3, Sizing::Planned(2), &[(2, 2), (1, 1)]);
    }
}
