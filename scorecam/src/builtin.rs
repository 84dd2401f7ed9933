//! The methods that come with the host.

use std::sync::Arc;

use scorecam_core::CamMethod;
use scorecam_core::methods::{
    AblationCam, AdaptiveScoreCam, Cam, EigenCam, Fem, GradientCam, GroupCam, KpcaCam, Occlusion, ReciproCam,
    Rise, ScoreCam,
};

/// One of each, in the order in which they are listed.
pub(crate) fn methods() -> Vec<Arc<dyn CamMethod>> {
    let mut methods: Vec<Arc<dyn CamMethod>> = vec![
        Arc::new(ScoreCam),
        Arc::new(AdaptiveScoreCam),
        Arc::new(GroupCam),
        Arc::new(ReciproCam),
        Arc::new(AblationCam),
        Arc::new(Cam),
        Arc::new(EigenCam),
        Arc::new(KpcaCam),
        Arc::new(Fem),
        Arc::new(Rise),
        Arc::new(Occlusion),
    ];
    methods.extend(GradientCam::ALL.map(|method| Arc::new(method) as Arc<dyn CamMethod>));
    methods
}
