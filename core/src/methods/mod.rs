//! The methods that come with the crate. A method is one folder or file here; it registers like a plugin.
//!
//! What methods share stands beside them, for methods of plugins as well: [`choices`] describes and reads options,
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
