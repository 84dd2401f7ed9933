//! Measures of saliency maps. Only [`evaluate`] and [`intervene`] run the model.
//!
//! - **Faithfulness**: a [`Protocol`] holds all settings. [`Mask`] and [`Fill`] define the images to score;
//!   [`Drop`], [`increase`], [`gain`] and [`win`] compare scores, and a [`Curve`] over [`Points`] gives the area of
//!   insertion or deletion. [`Road`] removes pixels without visible holes.
//! - **Localization**: a [`Localization`] of a map on the [`Region`] of an object; [`boxes`] with their IoU; over sets
//!   of images [`BoxAccuracy`] and [`PixelPrecision`].
//! - **The map alone**: [`complexity`], [`entropy`], [`gini`]; with the maps of related inputs [`coherency`],
//!   [`adcc`] and [`max_sensitivity`].
//! - **Two maps**: [`similarity`], the core of sanity checks ([`SanityCheck`]); [`on_shared_part`] makes maps of two models comparable.
//! - **Confirmation**: [`intervene`] scores an image without a region, and with the region alone.
//! - **Sets of images**: [`Bootstrap`] intervals of means and of paired differences.
//!
//! Everything is computed in f64 from a [`SaliencyMap`], is stateless and thread-safe. A measure that is undefined for
//! its input is None, never NaN.
//!
//! ```
//! use scorecam_core::evaluation::*;
//!
//! // A map of 2 x 4 pixels, and an object that fills its left half.
//! let map = SaliencyMap::new(&[0.9, 0.6, 0.1, 0.0, 0.6, 0.3, 0.0, 0.0], (2, 4))?;
//! let region = Region::of_boxes(&[[0.0, 0.0, 2.0, 2.0].into()], map.size())?;
//! let localization = Localization::new(&map, &region)?;
//! assert!((localization.energy().unwrap() - 0.96).abs() < 1e-6);
//! assert!((localization.lift().unwrap() - 1.92).abs() < 1e-6);
//! assert_eq!(localization.pointing(Pointing::default()), Some(true));
//! assert_eq!(boxes(&map, BoxOptions::default()), [[0.0, 0.0, 2.0, 2.0].into()]);
//!
//! // Deletion in four steps: at each point the pixels of `rank < count` are zero.
//! let mut protocol = Protocol::preset("paper")?;
//! protocol.set("points", "floor:4")?;
//! let counts = protocol.points.counts(map.size())?;
//! assert_eq!(counts, [0, 2, 4, 6, 8]);
//! assert_eq!(map.ranks(protocol.ties), [0, 1, 4, 5, 2, 3, 6, 7]);
//! // A model's scores of these five images.
//! let curve = Curve::new(counts, vec![0.8, 0.4, 0.2, 0.1, 0.0])?;
//! assert!((curve.area(protocol.area) - 0.275).abs() < 1e-12);
//! # Ok::<(), scorecam_core::Error>(())
//! ```

mod accuracy;
mod alone;
mod boxes;
mod curve;
mod drop;
mod faithfulness;
mod hog;
mod impute;
mod intervention;
mod laplace;
mod mask;
mod parallel;
mod points;
mod protocol;
mod region;
mod road;
mod saliency;
mod sanity;
mod shared;
mod similarity;
mod statistics;
mod words;

pub use accuracy::{BoxAccuracy, PixelPrecision};
pub use alone::{adcc, coherency, complexity, entropy, gini, max_sensitivity, pearson};
pub use boxes::{Above, Areas, BoundingBox, BoxOptions, best_iou, boxes};
pub use curve::{AreaRule, Curve, Points};
pub use drop::{Drop, Win, gain, increase, win};
pub use faithfulness::{Evaluation, EvaluationRequest, Faithfulness, Measures, evaluate};
pub use hog::hog;
pub use impute::imputed;
pub use intervention::{Intervention, InterventionRequest, Interventions, intervene};
pub use mask::{Fill, Mask};
pub use protocol::{PROTOCOLS, Protocol, ProtocolPreset};
pub use region::{Greatest, Localization, Pointing, Region};
pub use road::{Road, RoadScore};
pub use saliency::{SaliencyMap, Ties};
pub use sanity::{Against, SanityCheck, SanityVerdict, cascade, pairs, similarity_to_random};
pub use shared::{Shared, on_shared_part};
pub use similarity::{Similarity, similarity, spearman, ssim};
pub use statistics::{Bootstrap, Estimate, mean, percentile};
