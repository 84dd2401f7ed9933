//! `scorecam.weights/1` and its structs, both ways.

pub(crate) mod export;
pub(crate) mod import;

use scorecam_core::{Error, RandomWeights, Result, WeightDraw};

use crate::abi;

/// Random weights in C form.
pub(crate) fn sent(random: &RandomWeights) -> abi::scorecam_random_weights {
    abi::scorecam_random_weights {
        struct_size: size_of::<abi::scorecam_random_weights>() as u32,
        draw: match random.draw {
            WeightDraw::Matched => abi::SCORECAM_WEIGHTS_MATCHED,
            WeightDraw::Permuted => abi::SCORECAM_WEIGHTS_PERMUTED,
            WeightDraw::Initial => abi::SCORECAM_WEIGHTS_INITIAL,
        },
        seed: random.seed,
        first_layer: random.layers.start as u64,
        layer_count: random.layers.len() as u64,
    }
}

/// Random weights of their C form.
pub(crate) fn read(random: &abi::scorecam_random_weights) -> Result<RandomWeights> {
    let many = || Error::invalid("random_weights names more layers than a model can have");
    let first = usize::try_from(random.first_layer).map_err(|_| many())?;
    let count = usize::try_from(random.layer_count).map_err(|_| many())?;
    Ok(RandomWeights {
        draw: match random.draw {
            abi::SCORECAM_WEIGHTS_MATCHED => WeightDraw::Matched,
            abi::SCORECAM_WEIGHTS_PERMUTED => WeightDraw::Permuted,
            abi::SCORECAM_WEIGHTS_INITIAL => WeightDraw::Initial,
            other => return Err(Error::unsupported(format!("random_weights.draw {other} is unknown"))),
        },
        seed: random.seed,
        layers: first..first.checked_add(count).ok_or_else(many)?,
    })
}
