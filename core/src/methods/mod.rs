//! The methods that come with the crate. A method is one folder or file here; it registers like a plugin.
//!
//! What methods share stands beside them, for methods of plugins as well: [`choices`] describes and reads options,
//! [`map`] sums weighted maps, [`finish`] turns a sum into the saliency map.

pub mod choices;
mod eigen_cam;
mod fem;
pub mod finish;
mod grad_cam;
pub mod map;
mod occlusion;
mod principal;
mod rise;
mod score_cam;
mod scoring;

pub use eigen_cam::{EigenCam, KpcaCam};
pub use fem::Fem;
pub use grad_cam::GradCam;
pub use occlusion::Occlusion;
pub use rise::Rise;
pub use score_cam::{AdaptiveScoreCam, GroupCam, ScoreCam};
