//! The methods that come with the host.

use std::sync::Arc;

use scorecam_core::CamMethod;
use scorecam_core::methods::{
    AdaptiveScoreCam, EigenCam, Fem, GradCam, GroupCam, KpcaCam, Occlusion, Rise, ScoreCam,
};

/// One of each, in the order in which they are listed.
pub(crate) fn methods() -> Vec<Arc<dyn CamMethod>> {
    vec![
        Arc::new(ScoreCam),
        Arc::new(AdaptiveScoreCam),
        Arc::new(GroupCam),
        Arc::new(GradCam),
        Arc::new(EigenCam),
        Arc::new(KpcaCam),
        Arc::new(Fem),
        Arc::new(Rise),
        Arc::new(Occlusion),
    ]
}
