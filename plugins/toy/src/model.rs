//! [`ToyModel`]: the network behind core's [`ModelBackend`], with the faults that its file asks for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scorecam_core::{
    Abilities, BatchRule, EachBatch, Error, InputInfo, Inputs, LayerInfo, MaskedRequest, ModelBackend,
    ModelInfo, NamedTensor, OutputActivation, OutputInfo, RandomWeights, Result, Tensor, TensorView, bail,
    ensure, fits,
};

use crate::file::{Ability, Batch, Ending, ToyFile};
use crate::masked;
use crate::network::{Activations, Layer, Network};
use crate::weights::Weights;

pub(crate) const INPUT: &str = "input";
pub(crate) const OUTPUT: &str = "scores";
/// Larger batches gain nothing, as each image is computed on its own.
const PREFERRED_BATCH: usize = 16;

/// A toy model. Runs on the calling thread; any number of threads may call at once.
pub struct ToyModel {
    file: ToyFile,
    info: ModelInfo,
    network: Network,
    images_run: AtomicUsize,
}

impl ToyModel {
    /// Makes the network of a checked file. `input_size` is only for models whose size is free, or equal.
    pub fn new(file: ToyFile, input_size: Option<(usize, usize)>) -> Result<Self> {
        let size = match input_size.map(|(height, width)| [height, width]) {
            None if file.free_size => None,
            None => Some(file.size),
            Some(size) if size == file.size => Some(size),
            Some(size) if file.free_size => {
                cells_of(&file, size)?;
                Some(size)
            }
            Some(size) => {
                bail!(
                    invalid,
                    "input size {size:?} does not fit the model, whose size is fixed at {:?}",
                    file.size
                );
            }
        };
        let info = info(&file, size)?;
        let network = Network::new(&file);
        Ok(Self { file, info, network, images_run: AtomicUsize::new(0) })
    }

    /// The model with random weights.
    pub(crate) fn with_random(mut self, random: &RandomWeights) -> Result<Self> {
        self.network = Network::new(&self.file).with_random(random, self.file.classes)?;
        Ok(self)
    }

    /// How many images have been run since the model was loaded, failed ones included.
    pub fn images_run(&self) -> usize {
        self.images_run.load(Ordering::Relaxed)
    }

    /// Counts `images`, waits and fails as the file says; a caller that cancels is not made to wait.
    fn begin(&self, images: usize, inputs: &Inputs<'_>) -> Result<()> {
        if let Batch::Fixed(n) = self.file.batch
            && n != images
        {
            return Err(Error::model(format!("a batch of {images} was run; the model's is fixed at {n}")));
        }
        self.wait(inputs)?;
        let run = self.images_run.fetch_add(images, Ordering::Relaxed).saturating_add(images);
        match self.file.fail_after {
            Some(limit) if run > limit => {
                Err(Error::model(format!("pass {run} failed, as the model's fail_after of {limit} asks")))
            }
            _ => Ok(()),
        }
    }

    fn wait(&self, inputs: &Inputs<'_>) -> Result<()> {
        /// How often it is asked meanwhile whether the call is cancelled.
        const STEP_MS: u64 = 20;
        for waited in (0..self.file.delay_ms).step_by(STEP_MS as usize) {
            if waited > 0 {
                inputs.check_cancelled()?;
            }
            std::thread::sleep(Duration::from_millis(STEP_MS.min(self.file.delay_ms - waited)));
        }
        Ok(())
    }

    /// Checks a batch [N, C, H, W]; returns N and the size of the maps.
    fn check_batch(&self, batch: TensorView<'_>) -> Result<(usize, [usize; 2])> {
        let [n, c, h, w] = batch.dims("the batch")?;
        if !fits(&self.info.input.shape[1..], &[c, h, w]) {
            bail!(invalid, "the batch has shape {:?}; the model takes {:?}", batch.shape(), self.axes());
        }
        Ok((n, cells_of(&self.file, [h, w])?))
    }

    fn axes(&self) -> Vec<String> {
        let axis = |length: &Option<usize>| length.map_or("any".into(), |n| n.to_string());
        self.info.input.shape.iter().map(axis).collect()
    }

    fn layer(&self, name: &str) -> Result<Layer> {
        self.info.layer(Some(name))?;
        let found = Layer::ALL.into_iter().find(|layer| layer.name() == name);
        found.ok_or_else(|| Error::internal(format!("layer {name:?} is listed but not known")))
    }

    /// The shape of the activations of `n` images.
    fn activation_shape(&self, n: usize, [h, w]: [usize; 2]) -> Vec<usize> {
        if self.file.spatial { vec![n, self.file.maps, h, w] } else { vec![n, self.file.maps] }
    }

    fn push_scores(&self, activations: &Activations, scores: &mut Vec<f32>) {
        let first = scores.len();
        self.network.scores(activations, scores);
        if self.file.nan {
            scores[first..].fill(f32::NAN);
        }
    }

    fn needs(&self, ability: Ability, what: &str) -> Result<()> {
        ensure!(self.file.offers(ability), unsupported, "this toy model cannot {what}; add it to abilities");
        Ok(())
    }
}

/// What a pass gives for each of the names that are wanted.
struct Wanted {
    /// Layers; `None` is the scores.
    places: Vec<Option<Layer>>,
    values: Vec<Vec<f32>>,
}

impl Wanted {
    fn new(model: &ToyModel, names: &[&str]) -> Result<Self> {
        let place = |name: &&str| match *name {
            OUTPUT => Ok(None),
            name => model.layer(name).map(Some),
        };
        let places = names.iter().map(place).collect::<Result<Vec<_>>>()?;
        Ok(Self { values: vec![Vec::new(); places.len()], places })
    }

    /// Takes what is wanted of one image.
    fn push(&mut self, model: &ToyModel, activations: &Activations) {
        for (values, place) in self.values.iter_mut().zip(&self.places) {
            match place {
                None => model.push_scores(activations, values),
                Some(layer) => values.extend_from_slice(activations.of(*layer)),
            }
        }
    }

    fn tensors(self, model: &ToyModel, n: usize, cells: [usize; 2]) -> Result<Vec<Tensor>> {
        let shape = |place: &Option<Layer>| match place {
            None => vec![n, model.file.classes],
            Some(_) => model.activation_shape(n, cells),
        };
        self.places.iter().zip(self.values).map(|(place, values)| Tensor::new(shape(place), values)).collect()
    }
}

impl ModelBackend for ToyModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn weights(&self) -> Result<Vec<String>> {
        Ok(Weights::LAYERS.map(str::to_owned).to_vec())
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        let (n, cells) = self.check_batch(batch)?;
        let mut found = Wanted::new(self, wanted)?;
        self.begin(n, inputs)?;
        (0..n).for_each(|i| found.push(self, &self.network.activations(batch.item(i), cells)));
        found.tensors(self, n, cells)
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        match self.file.offers(Ability::Masked) {
            true => masked::run(self, request, wanted, each),
            false => request.on_cpu(self, wanted, each),
        }
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        self.needs(Ability::RunFrom, "run from an inner layer (\"run-from\")")?;
        let layer = self.layer(layer)?;
        let (n, cells) = match (activations.shape(), self.file.spatial) {
            (&[n, k, h, w], true) if k == self.file.maps && h > 0 && w > 0 => (n, [h, w]),
            (&[n, k], false) if k == self.file.maps => (n, [1, 1]),
            (shape, _) => (0, [shape.len(), 0]),
        };
        let fits = self.file.free_size || cells == self.file.cells();
        if !fits || cells[1] == 0 {
            let wanted = self.activation_shape(1, self.file.cells());
            bail!(
                invalid,
                "activations have shape {:?}; {} needs {wanted:?} for one image",
                activations.shape(),
                layer.name()
            );
        }
        let mut found = Wanted::new(self, wanted)?;
        self.begin(n, inputs)?;
        for i in 0..n {
            found.push(self, &self.network.activations_from(layer, activations.item(i).to_vec(), cells));
        }
        found.tensors(self, n, cells)
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        self.needs(Ability::Gradients, "differentiate (\"gradients\")")?;
        let batch = inputs.images;
        let (n, cells) = self.check_batch(batch)?;
        let layer = self.layer(layer)?;
        let [(OUTPUT, cotangent)] = cotangents else {
            let names: Vec<&str> = cotangents.iter().map(|(name, _)| *name).collect();
            bail!(invalid, "cotangents are for {names:?}; one for {OUTPUT:?}, the only output, is needed");
        };
        if cotangent.shape() != [n, self.file.classes] {
            let (is, classes) = (cotangent.shape(), self.file.classes);
            bail!(invalid, "the cotangent has shape {is:?}; the output has [{n}, {classes}]");
        }
        self.begin(n, inputs)?;
        let gradient = |i| {
            let activations = self.network.activations(batch.item(i), cells);
            self.network.gradient(&activations, layer, cotangent.item(i))
        };
        Tensor::new(self.activation_shape(n, cells), (0..n).flat_map(gradient).collect::<Vec<f32>>())
    }
}

/// The size of the maps of an input of `size`; an error where the patches do not divide it.
fn cells_of(file: &ToyFile, size: [usize; 2]) -> Result<[usize; 2]> {
    let [p, q] = file.patch();
    let [height, width] = size;
    if height == 0 || width == 0 || height % p != 0 || width % q != 0 {
        bail!(invalid, "input size {size:?} is not a multiple of the patch {:?}; give one that is", [p, q]);
    }
    Ok([height / p, width / q])
}

/// `size` is the input's height and width, where they are not free.
fn info(file: &ToyFile, size: Option<[usize; 2]>) -> Result<ModelInfo> {
    let cells = size.map(|size| cells_of(file, size)).transpose()?;
    let (batch, n) = match file.batch {
        Batch::Any => (BatchRule::Any { preferred: PREFERRED_BATCH }, None),
        Batch::Fixed(n) => (BatchRule::Fixed(n), Some(n)),
    };
    let side = |sides: Option<[usize; 2]>, i: usize| sides.map(|s| s[i]);
    let mut shape = vec![Some(file.maps), side(cells, 0), side(cells, 1)];
    shape.truncate(if file.spatial { 3 } else { 1 });
    let layer = |layer: Layer| match file.spatial {
        true => LayerInfo::maps(layer.name(), layer.operator(), shape.clone()),
        false => LayerInfo::new(layer.name(), layer.operator(), shape.clone()),
    };
    let layers: Vec<LayerInfo> = Layer::ALL.into_iter().map(layer).collect();
    let applied = match file.ending {
        Ending::Logits => OutputActivation::None,
        Ending::Softmax => OutputActivation::Softmax,
        Ending::Sigmoid => OutputActivation::Sigmoid,
    };
    Ok(ModelInfo {
        input: InputInfo::image(INPUT, vec![n, Some(file.channels), side(size, 0), side(size, 1)]),
        other_inputs: Vec::new(),
        outputs: vec![OutputInfo::new(OUTPUT, vec![n, Some(file.classes)], applied)],
        scores: Ok(0),
        default_layer: layers.iter().rposition(LayerInfo::has_spatial_extent),
        layers,
        batch,
        abilities: Abilities {
            masked: file.offers(Ability::Masked),
            run_from: file.offers(Ability::RunFrom),
            gradients: file.offers(Ability::Gradients),
            ..Abilities::NONE
        },
    })
}
