//! [`Targets`]: the targets of an explanation, and their classes on an image.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Question;
use crate::{Error, OutputActivation, Result};

/// What to explain.
#[derive(Clone)]
pub enum Targets {
    /// These classes, in this order.
    Classes(Vec<usize>),
    /// The classes with the highest scores, the highest first.
    Top(usize),
    /// Numbers computed from the model's raw outputs: a box, a region, a similarity, a difference.
    Asked(Arc<dyn Question>),
}

impl std::fmt::Debug for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Classes(classes) => f.debug_tuple("Classes").field(classes).finish(),
            Self::Top(count) => f.debug_tuple("Top").field(count).finish(),
            Self::Asked(question) => f.debug_tuple("Asked").field(&question.outputs()).finish(),
        }
    }
}

impl Targets {
    /// The classes for an unmasked image with these `scores`.
    pub(crate) fn choose(&self, scores: &[f32], applied: OutputActivation) -> Result<Vec<usize>> {
        let classes = scores.len();
        match self {
            Self::Classes(list) if list.is_empty() => Err(Error::invalid("no class was given to explain")),
            Self::Classes(list) => {
                let mut seen = BTreeSet::new();
                for c in list {
                    if *c >= classes {
                        let last = classes - 1;
                        bail!(invalid, "class {c} is out of range; the model has classes 0 to {last}");
                    }
                    // So there are never more maps than the model has classes.
                    ensure!(seen.insert(c), invalid, "class {c} was given twice; give each class once");
                }
                Ok(list.clone())
            }
            Self::Top(k) if *k == 0 || *k > classes => Err(Error::invalid(format!(
                "top K must be between 1 and {classes}, the model's number of classes, got {k}"
            ))),
            Self::Top(k) => {
                let mut order: Vec<usize> = (0..classes).collect();
                match applied.is_one_value() {
                    // Unasked, a value is explained and not its other side.
                    true => order.reverse(),
                    false => order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])),
                }
                order.truncate(*k);
                Ok(order)
            }
            Self::Asked(_) => Err(Error::internal("targets were taken for classes")),
        }
    }
}
