//! [`Masking`]: a served model that makes masked images itself, so that small masks travel and images do not.
//!
//! Each request carries the image once, its masks as they come from core, and the upsampling as two matrices; so it costs
//! the bytes of one image, however many masks it has.

use bytes::Bytes;
use scorecam_core::{EachBatch, MaskedRequest, Result, Upsampler, bail, ensure, hand_over_batch};

use crate::element::Element;
use crate::message::{Metadata, ModelName, Request, Sent};
use crate::model::{KserveModel, Wanted};
use crate::served::{Output, outputs};

/// Its inputs: an image [1, C, H, W], masks [M, 1, h, w], the upsampling [H, h] and [w, W].
const INPUTS: [&str; 4] = ["saliency_image", "saliency_masks", "saliency_rows", "saliency_columns"];

/// A model that masks, served under a name of its own.
pub(crate) struct Masking {
    name: ModelName,
    outputs: Vec<Output>,
}

impl Masking {
    /// Of what servers say of it.
    pub(crate) fn new(name: ModelName, metadata: &Metadata) -> Result<Self> {
        let has = |input: &&str| metadata.inputs.iter().any(|i| i.name == **input && i.datatype == "FP32");
        if metadata.inputs.len() != INPUTS.len() || !INPUTS.iter().all(has) {
            bail!(
                model,
                "model {:?} lacks the FP32 inputs {}; scorecam bake --masked writes a model with them",
                name.name,
                INPUTS.join(", ")
            );
        }
        Ok(Self { name, outputs: outputs(metadata, None) })
    }

    /// Whether it can run such a request: small masks on black, all of one image.
    pub(crate) fn takes(&self, request: &MaskedRequest<'_>, wanted: &[&str]) -> bool {
        let image = request.image_of(0);
        let gives = |name: &&str| self.outputs.iter().any(|output| output.name == **name && output.per_image);
        request.cuts.is_empty()
            && request.fill.is_none()
            && request.image_of_mask.iter().all(|&i| i as usize == image)
            && wanted.iter().all(gives)
    }

    /// Runs masked images, and hands what is wanted of each batch to `each`.
    pub(crate) fn run(
        &self,
        model: &KserveModel,
        request: &MaskedRequest<'_>,
        names: &[&str],
        each: &mut EachBatch<'_>,
    ) -> Result<()> {
        let ([_, channels, height, width], [count, h, w]) = request.dims()?;
        let wanted = Wanted::new(&self.outputs, names)?;
        let upsampler = Upsampler::new(request.upsample, (h, w), (height, width))?;
        let matrix = upsampler.column_matrix();
        let columns: Vec<f32> = (0..w).flat_map(|x| matrix.iter().skip(x).step_by(w).copied()).collect();
        let f32s = |values: &[f32]| Element::F32.encode(values.iter().copied());
        let shared = [
            (
                INPUTS[0],
                vec![1, channels, height, width],
                f32s(request.inputs.images.item(request.image_of(0)))?,
            ),
            (INPUTS[2], vec![height, h], f32s(&upsampler.row_matrix())?),
            (INPUTS[3], vec![w, width], f32s(&columns)?),
        ];
        let bytes = shared.iter().map(|(_, _, bytes)| bytes.len()).sum();
        let size = request.batch_size.min(model.sizes.items_beside(bytes, h * w * 4)?);
        ensure!(size > 0, invalid, "batch size must be at least 1, got 0");
        let mut take =
            |masks: usize, tensors| hand_over_batch(each, (masks, masks), &wanted.each(tensors)?, |_| true);
        let mut under_way = model.under_way()?;
        for start in (0..count).step_by(size) {
            let n = size.min(count - start);
            let masks = f32s(&request.masks.data()[start * h * w..(start + n) * h * w])?;
            let sent = |(name, shape, bytes): (&str, Vec<usize>, Bytes)| Sent {
                name: name.into(),
                element: Element::F32,
                shape,
                bytes,
            };
            let inputs = shared.iter().cloned().chain([(INPUTS[1], vec![n, 1, h, w], masks)]).map(sent);
            let batch =
                Request { model: self.name.clone(), inputs: inputs.collect(), outputs: wanted.expected(n) };
            under_way.begin(batch, n, &request.inputs, &mut take)?;
        }
        under_way.finish(&request.inputs, &mut take)
    }
}
