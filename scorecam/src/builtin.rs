//! The methods that come with the host.

use std::sync::Arc;

use scorecam_core::CamMethod;
use scorecam_core::methods::{AblationCam, AdaptiveScoreCam, Cam, GradientCam, ReciproCam, ScoreCam};

/// One of each, in the order in which they are listed.
pub(crate) fn methods() -> Vec<Arc<dyn CamMethod>> {
    let mut methods: Vec<Arc<dyn CamMethod>> = vec![Arc::new(ScoreCam), Arc::new(AdaptiveScoreCam)];
    methods.extend([Arc::new(ReciproCam) as Arc<dyn CamMethod>, Arc::new(AblationCam), Arc::new(Cam)]);
    methods.extend(GradientCam::ALL.map(|method| Arc::new(method) as Arc<dyn CamMethod>));
    methods
}
