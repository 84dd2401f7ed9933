//! The methods that come with the crate. A method is one folder or file here; it registers like a plugin.

mod score_cam;

pub use score_cam::ScoreCam;
