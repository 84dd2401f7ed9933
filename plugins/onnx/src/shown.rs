//! Outputs where the runtime has them: a detector's raw list or a segmenter's map is read in place, since a copy of it costs as much
//! as what is read of it.

use scorecam_core::{Inputs, ModelBackend, Passed, Result, Tensor, TensorView};

use crate::model::OnnxModel;
use crate::values;

impl OnnxModel {
    /// Runs a batch forward and shows the outputs that are `wanted`, without a copy where they are f32.
    pub(crate) fn show(&self, inputs: &Inputs<'_>, wanted: &[&str], passed: &mut Passed<'_>) -> Result<()> {
        let known = self.wanted(wanted)?;
        if !known.layers.is_empty() {
            let found = self.forward(inputs, wanted)?;
            return passed(&found.iter().map(Tensor::view).collect::<Vec<_>>());
        }
        self.ports.image.check(&inputs.images, self.info().batch.fixed())?;
        let n = inputs.images.shape()[0];
        let session = self.session(&[], n)?;
        let (names, places) = known.once();
        let given = ((inputs.images, self.ports.element(&self.spec)), inputs.others);
        let values = self.ports.with(given, vec![], |_| true, |given| session.run_raw(given, &names))?;
        let in_place: Option<Vec<(Vec<usize>, &[f32])>> =
            places.iter().map(|&place| values::borrowed(&values[place])).collect();
        let is_as_given = |found: &Vec<(Vec<usize>, &[f32])>| {
            found.iter().enumerate().all(|(i, (shape, _))| known.is_as_given(i, n, shape))
        };
        if let Some(found) = in_place.filter(is_as_given) {
            let views = found.iter().map(|(shape, data)| TensorView::new(shape, data));
            return passed(&views.collect::<Result<Vec<_>>>()?);
        }
        let found = values.iter().zip(&names).map(|(value, name)| values::read(value, name));
        let found = known.each(n, &places, found.collect::<Result<_>>()?)?;
        passed(&found.iter().map(Tensor::view).collect::<Vec<_>>())
    }
}
