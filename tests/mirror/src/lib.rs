//! The built-in methods as a plugin, each under its id with `mirror-` before it.

use scorecam_core::methods::{
    AblationCam, AdaptiveScoreCam, Cam, EigenCam, Fem, GradientCam, GroupCam, KpcaCam, Occlusion, ReciproCam,
    Rise, ScoreCam,
};
use scorecam_plugin::{CamMethod, MethodInfo, Options, Study, Work};

scorecam_plugin::export_plugin! {
    method: Mirror::new(ScoreCam),
    method: Mirror::new(AdaptiveScoreCam),
    method: Mirror::new(GroupCam),
    method: Mirror::new(EigenCam),
    method: Mirror::new(KpcaCam),
    method: Mirror::new(Fem),
    method: Mirror::new(Rise),
    method: Mirror::new(Occlusion),
    method: Mirror::new(ReciproCam),
    method: Mirror::new(AblationCam),
    method: Mirror::new(Cam),
    method: Mirror::new(GradientCam::GradCam),
    method: Mirror::new(GradientCam::XGradCam),
    method: Mirror::new(GradientCam::GradCamPlusPlus),
    method: Mirror::new(GradientCam::LayerCam),
    method: Mirror::new(GradientCam::HiResCam),
}

/// A method under another id.
struct Mirror<M> {
    info: MethodInfo,
    method: M,
}

impl<M: CamMethod> Mirror<M> {
    fn new(method: M) -> Self {
        let info = MethodInfo { id: format!("mirror-{}", method.info().id), ..method.info().clone() };
        Self { info, method }
    }
}

impl<M: CamMethod> CamMethod for Mirror<M> {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        self.method.explain(study, options)
    }
}
