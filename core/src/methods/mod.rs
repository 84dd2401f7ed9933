//! The built-in methods, one file or folder each; they register like plugins.
//!
//! Shared parts, also for methods of plugins: [`choices`] describes and parses options,
//! [`map`] sums weighted maps, [`finish`] turns a sum into the saliency map.

mod ablation_cam;
mod cam;
pub mod choices;
mod eigen_cam;
mod fem;
pub mod finish;
mod fused;
mod gradient_cam;
pub mod map;
mod occlusion;
mod principal;
mod recipro_cam;
mod rise;
mod score_cam;
mod scoring;
mod slopes;

pub use ablation_cam::AblationCam;
pub use cam::Cam;
pub use eigen_cam::{EigenCam, KpcaCam};
pub use fem::Fem;
pub use fused::{Fuse, Fused};
pub use gradient_cam::GradientCam;
pub use occlusion::Occlusion;
pub use recipro_cam::ReciproCam;
pub use rise::Rise;
pub use score_cam::{AdaptiveScoreCam, GroupCam, ScoreCam};
