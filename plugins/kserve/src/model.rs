//! [`KserveModel`]: a served model behind core's [`ModelBackend`].
//!
//! A batch is cut into requests of as many images as their bytes allow, always the same ones. All passes go through
//! [`UnderWay`], so that many requests are under way, and the calling thread makes the next one meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use scorecam_core::{
    EachBatch, Error, Inputs, Layout, MaskedRequest, ModelBackend, ModelInfo, Result, Tensor, TensorView,
    bail, ensure, fits, hand_over_batch, written,
};
use tokio::runtime::Runtime;

use crate::element::Element;
use crate::fleet::Fleet;
use crate::masking::Masking;
use crate::message::{Expected, ModelName, Request, Sent};
use crate::served::{Output, Served, find};
use crate::under_way::UnderWay;

/// Room in a message for everything but the tensor.
const ENVELOPE: usize = 2048;

/// A model on servers. Any number of threads may call at once; they share what servers take.
pub(crate) struct KserveModel {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) runtime: Running,
    pub(crate) name: ModelName,
    pub(crate) served: Served,
    pub(crate) head: Option<Head>,
    pub(crate) masking: Option<Masking>,
    pub(crate) sizes: Sizes,
    /// What users should know of the servers.
    pub(crate) remarks: Vec<String>,
}

/// The threads on which calls wait, which end without waiting for anything.
pub(crate) struct Running(pub(crate) Option<Runtime>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The part of a model behind its layer, served as a model of its own.
pub(crate) struct Head {
    pub(crate) name: ModelName,
    pub(crate) layer: String,
    pub(crate) input: Output,
    pub(crate) outputs: Vec<Output>,
}

/// How large requests may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) message_bytes: usize,
    pub(crate) images: usize,
}

impl Sizes {
    /// How many items of `bytes` a request has; an error where one does not fit.
    pub(crate) fn items(self, bytes: usize) -> Result<usize> {
        self.items_beside(0, bytes)
    }

    /// The same, of a request that holds so many bytes `beside` them.
    pub(crate) fn items_beside(self, beside: usize, bytes: usize) -> Result<usize> {
        let room = self.message_bytes.saturating_sub(ENVELOPE).saturating_sub(beside);
        ensure!(
            bytes <= room,
            model,
            "an image has {bytes} bytes, but limits.message_bytes is {}; raise it here and on the servers",
            self.message_bytes
        );
        Ok((room / bytes.max(1)).clamp(1, self.images))
    }
}

/// What a call wants, each output once.
pub(crate) struct Wanted<'w> {
    once: Vec<&'w Output>,
    /// For each name that is wanted, its place in `once`.
    places: Vec<usize>,
}

impl<'w> Wanted<'w> {
    pub(crate) fn new(outputs: &'w [Output], names: &[&str]) -> Result<Self> {
        let (mut once, mut places): (Vec<&Output>, Vec<usize>) = (Vec::new(), Vec::new());
        for name in names {
            let output = find(outputs, name)?;
            let place = once.iter().position(|o| o.name == output.name);
            places.push(place.unwrap_or(once.len()));
            if place.is_none() {
                once.push(output);
            }
        }
        Ok(Self { once, places })
    }

    /// The tensors in the order of the names.
    pub(crate) fn each(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>> {
        if self.places.len() == tensors.len() {
            return Ok(tensors);
        }
        self.places.iter().map(|&place| tensors[place].view().try_to_tensor()).collect()
    }

    /// What a reply for `rows` images must hold.
    pub(crate) fn expected(&self, rows: usize) -> Vec<Expected> {
        let of = |output: &&Output| {
            let mut shape = output.shape.clone();
            if let (true, Some(first)) = (output.per_image, shape.first_mut()) {
                *first = Some(rows);
            }
            Expected { name: output.name.clone(), element: output.element, shape }
        };
        self.once.iter().map(of).collect()
    }
}

impl KserveModel {
    pub(crate) fn under_way<T>(&self) -> Result<UnderWay<'_, T>> {
        let runtime = self.runtime.0.as_ref().ok_or_else(|| Error::internal("the model has ended"))?;
        Ok(UnderWay::new(&self.fleet, runtime.handle()))
    }

    /// How many images a request of such images has.
    fn per_request(&self, images: TensorView<'_>) -> Result<usize> {
        let item = images.item(0).len().saturating_mul(self.served.image.element.bytes());
        match self.served.info.batch.fixed() {
            // A batch that the model fixes cannot be cut.
            Some(n) => self.sizes.items(item.saturating_mul(n)).map(|_| n),
            None => self.sizes.items(item),
        }
    }

    fn check(&self, inputs: &Inputs<'_>) -> Result<usize> {
        let (info, given) = (&self.served.info, inputs.images.shape());
        if let Some((name, _)) = inputs.others.first() {
            bail!(
                not_found,
                "input {name:?} is not in the served model; its only input is {:?}",
                info.input.name
            );
        }
        let is_right = fits(&info.input.shape, given) && !given.contains(&0);
        let shape = written(&info.input.shape);
        ensure!(is_right, invalid, "input {:?} must be {shape}; the tensor is {given:?}", info.input.name);
        Ok(given[0])
    }

    /// A request of images [N, C, H, W].
    fn request(&self, images: TensorView<'_>, wanted: &Wanted<'_>) -> Result<Request> {
        let [n, c, h, w] = images.dims("the batch")?;
        let image = &self.served.image;
        let (shape, bytes) = match image.layout {
            Layout::Nchw => (vec![n, c, h, w], image.element.encode(images.data().iter().copied())?),
            Layout::Nhwc => (vec![n, h, w, c], image.element.encode(channels_last(images, c, h * w))?),
        };
        let sent = Sent { name: image.name.clone(), element: image.element, shape, bytes };
        Ok(Request { model: self.name.clone(), inputs: vec![sent], outputs: wanted.expected(n) })
    }

    /// Runs `items` [N, ...], `size` of them at a time, and joins what comes of them.
    fn run(
        &self,
        inputs: &Inputs<'_>,
        (items, size): (TensorView<'_>, usize),
        wanted: &Wanted<'_>,
        request: &dyn Fn(TensorView<'_>) -> Result<Request>,
    ) -> Result<Vec<Tensor>> {
        let (shape, n) = (items.shape(), items.shape().first().copied().unwrap_or(0));
        if n > size
            && let Some(output) = wanted.once.iter().find(|output| !output.per_image)
        {
            bail!(
                unsupported,
                "output {:?} has no row per image, but {n} images exceed the {size} that fit in a request",
                output.name
            );
        }
        let item = items.data().len() / n.max(1);
        let mut parts: Vec<Vec<Tensor>> = Vec::new();
        let mut take = |(), tensors: Vec<Tensor>| {
            parts.push(tensors);
            Ok(())
        };
        let mut under_way = self.under_way()?;
        for start in (0..n).step_by(size.max(1)) {
            let rows = size.min(n - start);
            let shape = [&[rows], &shape[1..]].concat();
            let part = TensorView::new(&shape, &items.data()[start * item..(start + rows) * item])?;
            under_way.begin(request(part)?, (), inputs, &mut take)?;
        }
        under_way.finish(inputs, &mut take)?;
        wanted.each(joined(parts)?)
    }
}

/// The numbers of images [N, C, ...] with the channels last.
fn channels_last<'v>(
    images: TensorView<'v>,
    channels: usize,
    pixels: usize,
) -> impl ExactSizeIterator<Item = f32> + 'v {
    let (data, item) = (images.data(), channels * pixels);
    (0..data.len()).map(move |i| data[i / item * item + i % channels * pixels + i % item / channels])
}

/// The tensors of requests one behind the other.
fn joined(mut parts: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    if parts.len() < 2 {
        return parts.pop().ok_or_else(|| Error::invalid("a pass needs at least one image"));
    }
    let count = parts[0].len();
    let join = |i: usize| {
        let all: Vec<&Tensor> = parts.iter().map(|tensors| &tensors[i]).collect();
        let axes = &all[0].shape()[1..];
        if all.iter().any(|tensor| &tensor.shape()[1..] != axes) {
            return Err(Error::model("the model returned tensors of different sizes in two requests"));
        }
        let rows = all.iter().map(|tensor| tensor.shape()[0]).sum();
        let mut joined = Tensor::zeros([&[rows], axes].concat())?;
        let mut start = 0;
        for tensor in all {
            let end = start + tensor.data().len();
            joined.data_mut()[start..end].copy_from_slice(tensor.data());
            start = end;
        }
        Ok(joined)
    };
    (0..count).map(join).collect()
}

impl ModelBackend for KserveModel {
    fn info(&self) -> &ModelInfo {
        &self.served.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        self.check(inputs)?;
        let wanted = Wanted::new(&self.served.outputs, wanted)?;
        let size = self.per_request(inputs.images)?;
        self.run(inputs, (inputs.images, size), &wanted, &|part| self.request(part, &wanted))
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        let info = &self.served.info;
        request.dims()?;
        if let Some(masking) = self.masking.as_ref().filter(|masking| masking.takes(request, wanted)) {
            return masking.run(self, request, wanted, each);
        }
        let names = wanted;
        let wanted = Wanted::new(&self.served.outputs, wanted)?;
        let size = self.per_request(request.inputs.images)?;
        let request = MaskedRequest { batch_size: request.batch_size.min(size), ..*request };
        let mut take = |(masks, rows): (usize, usize), tensors: Vec<Tensor>| {
            let tensors = wanted.each(tensors)?;
            hand_over_batch(each, (masks, rows), &tensors, |i| info.is_per_image(names[i]))
        };
        let mut under_way = self.under_way()?;
        request.each_batch_of_images(info, &mut |masks, inputs| {
            let rows = self.check(inputs)?;
            under_way.begin(self.request(inputs.images, &wanted)?, (masks, rows), inputs, &mut take)
        })?;
        under_way.finish(&request.inputs, &mut take)
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        let Some(head) = self.head.as_ref().filter(|head| head.layer == layer) else {
            let of = self
                .head
                .as_ref()
                .map_or(String::new(), |head| format!("; the head begins at {:?}", head.layer));
            bail!(
                unsupported,
                "no model after layer {layer:?} is served{of}; scorecam bake --model MODEL.onnx --head {layer} \
                 --output HEAD.onnx writes one, and `head` in the .kserve file names it"
            );
        };
        let (shape, given) = (&head.input.shape, activations.shape());
        ensure!(
            fits(&shape[1..], given.get(1..).unwrap_or(&[])) && !given.contains(&0),
            invalid,
            "activations have shape {given:?}; the head needs {}",
            written(shape)
        );
        let wanted = Wanted::new(&head.outputs, wanted)?;
        let element: Element = head.input.element;
        let most = self.sizes.items(activations.item(0).len().saturating_mul(element.bytes()))?;
        self.run(inputs, (activations, most), &wanted, &|part| {
            let bytes: Bytes = element.encode(part.data().iter().copied())?;
            let sent = Sent { name: head.input.name.clone(), element, shape: part.shape().to_vec(), bytes };
            let outputs = wanted.expected(part.shape()[0]);
            Ok(Request { model: head.name.clone(), inputs: vec![sent], outputs })
        })
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_last_and_parts_are_joined() {
        let images = Tensor::new([2, 3, 1, 2], (0..12).map(|i| i as f32).collect()).expect("images");
        let found: Vec<f32> = channels_last(images.view(), 3, 2).collect();
        assert_eq!(found, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 7.0, 9.0, 11.0]);
        let part =
            |rows: usize, value: f32| vec![Tensor::new([rows, 2], vec![value; rows * 2]).expect("a part")];
        let whole = joined(vec![part(2, 1.0), part(1, 2.0)]).expect("joined");
        assert_eq!((whole[0].shape(), whole[0].data()), (&[3, 2][..], &[1.0, 1.0, 1.0, 1.0, 2.0, 2.0][..]));
    }

    #[test]
    fn requests_are_cut_by_bytes() {
        let sizes = Sizes { message_bytes: 4 << 20, images: 64 };
        assert_eq!(sizes.items(3 * 224 * 224 * 4).ok(), Some(6));
        assert_eq!(sizes.items(100).ok(), Some(64));
        assert_eq!(sizes.items(4 << 20).expect_err("too large").to_string().matches('\n').count(), 0);
    }
}
