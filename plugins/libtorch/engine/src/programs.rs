//! [`Programs`]: what scoring passes run on, a frozen and optimized program for each set of outputs that is wanted.

use std::sync::{Arc, Mutex, PoisonError};

use scorecam_plugin::{BatchRule, Error, ErrorKind, Result};

use crate::model_layers::Trial;
use crate::settings::{MemoryFormat, Precision, Settings};
use crate::shim::{Module, Program};
use crate::tensors::from_device;

/// Programs beside the first that are kept; each has a copy of the weights.
const KEPT: usize = 3;

/// The programs of one model, made when they are first wanted.
pub(crate) struct Programs {
    settings: Settings,
    /// Each with the places of its outputs.
    kept: Mutex<Vec<(Vec<usize>, Arc<Program>)>>,
}

impl Programs {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// The program for `outputs`, places in ascending order. Made anew it is tried on `trial`; an optimized one that fails
    /// where the graph as it was exported runs is given up.
    pub(crate) fn of(
        &self,
        module: &Module,
        outputs: &[usize],
        (trial, batch): (&Trial, BatchRule),
    ) -> Result<Arc<Program>> {
        // Held while one is made: two threads that want the same must not both make it.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, program)) = kept.iter().find(|(known, _)| known == outputs) {
            return Ok(Arc::clone(program));
        }
        let zeros = trial.zeros(batch.size(2))?;
        let tried = |program: Program| -> Result<Program> {
            // Waits for what a GPU was given, so that another call's stream finds the program's weights.
            program.run(&zeros)?.iter().try_for_each(|found| from_device(found).map(drop))?;
            Ok(program)
        };
        let program = Arc::new(self.made(module, outputs, &tried)?);
        if kept.len() > KEPT {
            kept.remove(1);
        }
        kept.push((outputs.to_vec(), Arc::clone(&program)));
        Ok(program)
    }

    fn made(
        &self,
        module: &Module,
        outputs: &[usize],
        tried: &dyn Fn(Program) -> Result<Program>,
    ) -> Result<Program> {
        let Settings { optimized, precision, format, .. } = self.settings;
        let plain = || tried(module.taps(outputs, &[])?);
        if !optimized {
            return plain();
        }
        let fastest = precision == Precision::F32 && format == MemoryFormat::Auto;
        let of_settings = |e: Error| match fastest {
            true => e,
            false => e.context(self.settings.describe()),
        };
        let optimized = module.optimized(outputs, precision, format).map_err(of_settings)?;
        tried(optimized).or_else(|e| match e.kind() {
            ErrorKind::Model if fastest => plain().map_err(|_| e),
            ErrorKind::Model => Err(of_settings(e)),
            _ => Err(e),
        })
    }
}
