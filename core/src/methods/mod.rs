//! The methods that come with the crate. A method is one folder or file here; it registers like a plugin.
//!
//! What methods share stands beside them, for methods of plugins as well: [`choices`] describes and reads options,
//! [`map`] sums weighted maps, [`finish`] turns a sum into the saliency map.

mod ablation_cam;
mod cam;
pub mod choices;
pub mod finish;
mod gradient_cam;
pub mod map;
mod recipro_cam;
mod score_cam;
mod slopes;

pub use ablation_cam::AblationCam;
pub use cam::Cam;
pub use gradient_cam::GradientCam;
pub use recipro_cam::ReciproCam;
pub use score_cam::{AdaptiveScoreCam, ScoreCam};
