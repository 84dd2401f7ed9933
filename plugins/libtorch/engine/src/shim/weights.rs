//! The weights of a model: its modules with weights in the order in which they are called, and random ones in their place.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use scorecam_plugin::{Error, RandomWeights, Result, WeightRole};
use tch::Tensor;
use torch_sys::C_tensor;

use super::{Module, RawError, RawModule, checked};
use crate::tensors::{failed, from_device, shape_of, to_device};

type VisitWeight = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *mut C_tensor);

unsafe extern "C" {
    fn sct_visit_weights(
        model: *mut RawModule,
        visit: VisitWeight,
        context: *mut c_void,
        error: *mut RawError,
    ) -> c_int;
}

/// A module with weights.
pub(crate) struct Weights {
    pub(crate) path: String,
    /// Each tensor's name, and the tensor, which shares the model's memory.
    tensors: Vec<(String, Tensor)>,
}

impl Module {
    /// The modules with weights, in the order in which they are called.
    pub(crate) fn weights(&mut self) -> Result<Vec<Weights>> {
        let mut found: Vec<Weights> = Vec::new();
        let context = (&raw mut found).cast();
        // SAFETY: the model is alive, and nobody else has it; `take` is given the list that it expects, which lives through
        // the call.
        checked(|error| unsafe { sct_visit_weights(self.0.as_ptr(), take, context, error) })?;
        Ok(found)
    }

    /// Draws weights anew, before any program is made. Returns the paths of all modules with weights.
    pub(crate) fn draw(&mut self, random: Option<&RandomWeights>) -> Result<Vec<String>> {
        let layers = self.weights()?;
        if let Some(random) = random {
            random.check(layers.len())?;
            random.layers.clone().try_for_each(|layer| layers[layer].draw(layer, random))?;
        }
        Ok(layers.into_iter().map(|layer| layer.path).collect())
    }
}

/// Takes a tensor of numbers with a fraction.
unsafe extern "C" fn take(
    context: *mut c_void,
    path: *const c_char,
    name: *const c_char,
    tensor: *mut C_tensor,
) {
    // SAFETY: the context is the list of the call under way; strings end with NUL, and the tensor is alive.
    let take = || unsafe {
        let found = &mut *context.cast::<Vec<Weights>>();
        let text = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
        let (path, tensor) = (text(path), Tensor::clone_from_ptr(tensor));
        if !tensor.is_floating_point() {
            return;
        }
        if found.last().is_none_or(|last| last.path != path) {
            found.push(Weights { path, tensors: Vec::new() });
        }
        found.last_mut().into_iter().for_each(|last| last.tensors.push((text(name), tensor.shallow_clone())));
    };
    // Memory alone can fail here; a tensor that is missing stays as it was trained.
    let _nobody_hears_of_it = catch_unwind(AssertUnwindSafe(take));
}

impl Weights {
    fn draw(&self, layer: usize, random: &RandomWeights) -> Result<()> {
        let fan_in = |tensor: &Tensor| shape_of(tensor).iter().skip(1).product::<usize>();
        let factors = self.tensors.iter().find(|(_, tensor)| tensor.dim() > 1);
        let of_bias = factors.map(|(_, tensor)| WeightRole::Factor { fan_in: fan_in(tensor) });
        for (i, (name, tensor)) in self.tensors.iter().enumerate() {
            let role = match name.as_str() {
                "running_mean" => WeightRole::Offset,
                "running_var" => WeightRole::Variance,
                _ if tensor.dim() > 1 => WeightRole::Factor { fan_in: fan_in(tensor) },
                "weight" | "gamma" => WeightRole::Scale,
                _ => of_bias.unwrap_or(WeightRole::Offset),
            };
            let own = from_device(tensor)?;
            let trained: Vec<f64> = own.data().iter().map(|&value| value.into()).collect();
            let drawn = random.drawn((layer, i), role, &trained).into_iter().map(|value| value as f32);
            let drawn = scorecam_plugin::Tensor::new(own.shape().to_vec(), drawn.collect())?;
            let drawn = to_device(drawn.view(), tensor.device())?;
            let of_layer = |e: Error| e.context(format!("weights {name} of {}", self.path));
            tch::no_grad(|| tensor.shallow_clone().f_copy_(&drawn))
                .map_err(|e| of_layer(failed(e)))
                .map(drop)?;
        }
        Ok(())
    }
}
