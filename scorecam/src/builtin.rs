//! The methods that come with the host.

use std::sync::Arc;

use scorecam_core::CamMethod;
use scorecam_core::methods::{AdaptiveScoreCam, EigenCam, Fem, GradCam, KpcaCam, ScoreCam};

/// One of each, in the order in which they are listed.
pub(crate) fn methods() -> Vec<Arc<dyn CamMethod>> {
    vec![
        Arc::new(ScoreCam),
        Arc::new(AdaptiveScoreCam),
        Arc::new(GradCam),
        Arc::new(EigenCam),
        Arc::new(KpcaCam),
        Arc::new(Fem),
    ]
}
