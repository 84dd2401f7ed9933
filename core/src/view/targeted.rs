//! [`Targeted`]: a view whose columns are targets instead of classes.

use std::sync::Arc;

use super::{Forward, ModelView, ViewInfo, ViewedModel};
use crate::target::TargetSet;
use crate::{
    BatchRule, Inputs, MaskedRequest, MaskedScores, ModelBackend, NamedTensor, Result, Rows, Tensor,
    TensorView,
};

/// A model that is read by targets. Outputs are reduced as they come: a batch's are dropped before the next runs.
pub(super) struct Targeted<'v, M> {
    view: &'v ModelView<M>,
    targets: Arc<TargetSet>,
}

impl<'v, M: ModelBackend> Targeted<'v, M> {
    pub(super) fn new(view: &'v ModelView<M>, targets: Arc<TargetSet>) -> Self {
        Self { view, targets }
    }

    /// Whether every output that is read has a row for each image.
    fn is_per_image(&self) -> bool {
        let info = self.view.model().info();
        self.targets.outputs().iter().all(|name| info.is_per_image(name))
    }

    /// The rows of image `i` in the outputs of a pass.
    fn rows_of<'t>(&self, outputs: &[TensorView<'t>], i: usize) -> Vec<TensorView<'t>> {
        let info = self.view.model().info();
        let row = |(name, output): (&str, &TensorView<'t>)| match info.is_per_image(name) {
            true => output.at(i),
            false => *output,
        };
        self.targets.outputs().into_iter().zip(outputs).map(row).collect()
    }

    /// The targets' values [n, targets] of a pass of `n` images.
    fn values(&self, outputs: &[TensorView<'_>], n: usize) -> Result<Vec<f32>> {
        let values = (0..n).map(|i| self.targets.values(&self.rows_of(outputs, i)));
        Ok(values.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The targets' values and the maps of `taps`, of one pass.
    fn forward_once(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let outputs = self.targets.outputs();
        let wanted = [outputs.as_slice(), taps].concat();
        let n = batch.shape()[0];
        let mut found = self.view.run(&Inputs::of(batch), &wanted)?;
        let layers = found.split_off(outputs.len());
        let views: Vec<TensorView<'_>> = found.iter().map(Tensor::view).collect();
        let scores = Tensor::new([n, self.targets.count()], self.values(&views, n)?)?;
        Ok(Forward { scores, activations: self.view.maps((taps, n), layers)? })
    }
}

impl<M: ModelBackend> ViewedModel for Targeted<'_, M> {
    fn info(&self) -> &ViewInfo {
        self.view.info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let [n, c, h, w] = batch.dims("the batch")?;
        if self.is_per_image() || n == 1 {
            return self.forward_once(batch, taps);
        }
        let shape = [1, c, h, w];
        let one = |i| self.forward_once(TensorView::new(&shape, batch.item(i))?, taps);
        let all = (0..n).map(one).collect::<Result<Vec<Forward>>>()?;
        let joined = |part: &dyn Fn(&Forward) -> &Tensor| {
            let shape = [&[n], &part(&all[0]).shape()[1..]].concat();
            Tensor::new(shape, all.iter().flat_map(|f| part(f).data()).copied().collect())
        };
        let activations =
            (0..taps.len()).map(|tap| joined(&|f| &f.activations[tap])).collect::<Result<_>>()?;
        Ok(Forward { scores: joined(&|f| &f.scores)?, activations })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if self.view.copies() > 1 {
            return request.on_cpu(self);
        }
        let outputs = self.targets.outputs();
        let targets = self.targets.count();
        request.collected(|request, each| {
            let batch_size = match (self.view.info().batch, self.is_per_image()) {
                (BatchRule::Fixed(n), _) => n,
                (BatchRule::Any { .. }, false) => 1,
                (BatchRule::Any { .. }, true) => request.batch_size,
            };
            let mut reduced = |masks: usize, tensors: &[TensorView<'_>]| {
                let shape = [masks, targets];
                each(masks, &[TensorView::new(&shape, &self.values(tensors, masks)?)?])
            };
            self.view.model().masked(&MaskedRequest { batch_size, ..*request }, &outputs, &mut reduced)
        })
    }

    fn rows(&self, image: TensorView<'_>, outputs: &[&str], taps: &[&str]) -> Result<Rows> {
        self.view.rows(image, outputs, taps)
    }

    fn run_from(&self, image: TensorView<'_>, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let n = activations.shape().first().copied().unwrap_or(0);
        let found = self.view.outputs_from(image, layer, (activations, &self.targets.outputs()))?;
        let views: Vec<TensorView<'_>> = found.iter().map(Tensor::view).collect();
        Tensor::new([n, self.targets.count()], self.values(&views, n)?)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, target: usize) -> Result<Tensor> {
        let n = batch.shape().first().copied().unwrap_or(0);
        let found = self.view.run(&Inputs::of(batch), &self.targets.outputs())?;
        let views: Vec<TensorView<'_>> = found.iter().map(Tensor::view).collect();
        let of_image = |i| self.targets.slopes(target, &self.rows_of(&views, i));
        let slopes = (0..n).map(of_image).collect::<Result<Vec<_>>>()?;
        let mut cotangents: Vec<(&str, Tensor)> = Vec::new();
        for (k, (name, _)) in slopes.first().into_iter().flatten().enumerate() {
            let place = self.targets.outputs().iter().position(|output| output == name);
            let shape = place.map(|place| found[place].shape().to_vec()).unwrap_or_default();
            let values = slopes.iter().flat_map(|of_image| of_image[k].1.data()).copied().collect();
            cotangents.push((*name, Tensor::new(shape, values)?));
        }
        let named: Vec<NamedTensor<'_>> = cotangents.iter().map(|(name, t)| (*name, t.view())).collect();
        self.view.map_gradients(batch, layer, &named)
    }

    fn remarks(&self) -> Vec<String> {
        self.view.remarks()
    }
}
