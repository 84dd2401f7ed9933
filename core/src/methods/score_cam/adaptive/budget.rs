//! [`Budget`]: how many masks may be scored, and which error is good enough.

use super::super::options;
use crate::methods::choices::spec;
use crate::{OptionKind, OptionSpec, Options, Result};

/// Masks that are scored when neither option says anything.
const PASSES: usize = 128;

/// When to stop.
pub(super) struct Budget {
    /// The most masks to score.
    pub(super) passes: usize,
    /// The estimated error at which to stop; 0 when only passes count.
    pub(super) error: f64,
}

/// The options of Score-CAM and the two of the budget.
pub(super) fn specs() -> Vec<OptionSpec> {
    let mut specs = vec![
        spec(
            "passes",
            OptionKind::Integer { min: 0, max: i64::MAX },
            "0",
            "maximum number of masks to score; 0 means 128, or as many as option error needs",
        ),
        spec(
            "error",
            OptionKind::Number { min: 0.0, max: 1.0 },
            "0",
            "stop at this relative error of the map, such as 0.05; 0 uses only passes",
        ),
    ];
    specs.extend(options::specs());
    specs
}

impl Budget {
    pub(super) fn read(options: &Options) -> Result<Self> {
        let error = options.parse("error")?;
        let passes = match (options.parse::<u64>("passes")?, error) {
            (0, 0.0) => PASSES,
            (0, _) => usize::MAX,
            (passes, _) => usize::try_from(passes).unwrap_or(usize::MAX),
        };
        Ok(Self { passes, error })
    }
}
