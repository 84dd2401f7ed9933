//! [`Wanted`]: the tensors that a call is to give, each computed once.

use std::collections::BTreeSet;

use scorecam_plugin::{Error, ModelInfo, OutputInfo, Result, Tensor};

use crate::shim::HostCopy;
use crate::tensors::{from_device, shape_of};

/// Outputs and layers by their indices in the model's description.
pub(crate) struct Wanted {
    /// In ascending order, so that equal sets are equal.
    pub(crate) outputs: Vec<usize>,
    pub(crate) layers: Vec<usize>,
    /// For each name that was asked for the place of its tensor: among the outputs, then the layers.
    places: Vec<usize>,
}

impl Wanted {
    /// What `names` name; `layer` finds those that are no outputs.
    pub(crate) fn new(
        info: &ModelInfo,
        names: &[&str],
        layer: impl Fn(&str) -> Result<usize>,
    ) -> Result<Self> {
        let output = |name: &str| info.outputs.iter().position(|output| output.name == name);
        let outputs: BTreeSet<usize> = names.iter().filter_map(|name| output(name)).collect();
        let outputs = Vec::from_iter(outputs);
        let mut layers = Vec::new();
        let mut place = |name: &&str| match output(name).map(|output| outputs.binary_search(&output)) {
            Some(place) => {
                place.map_err(|_| Error::internal(format!("output {name:?} is both there and not")))
            }
            None => {
                let index = layer(name)?;
                let known = layers.iter().position(|known| *known == index);
                Ok(outputs.len()
                    + known.unwrap_or_else(|| {
                        layers.push(index);
                        layers.len() - 1
                    }))
            }
        };
        let places = names.iter().map(&mut place).collect::<Result<_>>()?;
        Ok(Self { outputs, layers, places })
    }

    /// A tensor for each name, of those that were computed.
    pub(crate) fn each(&self, found: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut found: Vec<Option<Tensor>> = found.into_iter().map(Some).collect();
        let one = |(i, &place): (usize, &usize)| {
            let again = self.places[i + 1..].contains(&place);
            let tensor = if again { found[place].clone() } else { found[place].take() };
            tensor.ok_or_else(|| Error::internal("a tensor was given away"))
        };
        self.places.iter().enumerate().map(one).collect()
    }
}

/// The raw outputs of a batch, which a device may still be working on.
pub(crate) struct Pending(Vec<(HostCopy, Vec<usize>)>);

impl Pending {
    /// Of what a program gave for `n` images.
    pub(crate) fn start<'o>(
        outputs: impl Iterator<Item = &'o OutputInfo>,
        found: &[tch::Tensor],
        n: usize,
    ) -> Result<Self> {
        let copy = |(info, found): (&OutputInfo, &tch::Tensor)| {
            Ok((HostCopy::start(found)?, raw_shape(info, &shape_of(found), n)?))
        };
        outputs.zip(found).map(copy).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn wait(self) -> Result<Vec<Tensor>> {
        self.0.into_iter().map(|(copy, shape)| from_device(&copy.wait()?)?.reshape(shape)).collect()
    }
}

/// The shape of an output for `n` images, of as many axes as its description has: of one image it may lack the batch.
fn raw_shape(info: &OutputInfo, shape: &[usize], n: usize) -> Result<Vec<usize>> {
    let rank = info.shape.len();
    match *shape {
        [] if !info.per_image => Ok(vec![1]),
        _ if !info.per_image => Ok(shape.to_vec()),
        [rows, ..] if rows == n && shape.len() == rank => Ok(shape.to_vec()),
        _ if n == 1 && shape.len() + 1 == rank => Ok([&[1], shape].concat()),
        _ => Err(Error::model(format!(
            "its output {:?} has shape {shape:?} for {n} images; it must have one row per image",
            info.name
        ))),
    }
}
