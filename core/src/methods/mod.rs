//! The methods that come with the crate. A method is one folder or file here; it registers like a plugin.
//!
//! What methods share stands beside them: `choices` describes and reads options, `map` sums weighted maps,
//! `finish` turns a sum into the saliency map.

mod choices;
mod finish;
mod grad_cam;
mod map;
mod score_cam;

pub use grad_cam::GradCam;
pub use score_cam::{AdaptiveScoreCam, ScoreCam};
