//! What an explanation costs beside its passes, through the C table of a backend: no description.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorecam::{ExplainOptions, Explainer, Host, Manifest, Tensor};
use scorecam_plugin::abi::{
    scorecam_backend, scorecam_inputs, scorecam_message, scorecam_model_description, scorecam_outputs,
};
use scorecam_plugin::{BackendLoader, ModelConfig};

mod channels {
    include!("../../core/doc/channels.rs");

    pub(super) fn boxed() -> Box<dyn ModelBackend> {
        Box::new(Channels::new())
    }
}

struct Loader;

impl BackendLoader for Loader {
    fn id(&self) -> &str {
        "channels"
    }
    fn version(&self) -> &str {
        "1"
    }
    fn extensions(&self) -> &[&str] {
        &["channels"]
    }
    fn load(&self, _: &ModelConfig) -> scorecam::Result<Box<dyn scorecam_core::ModelBackend>> {
        Ok(channels::boxed())
    }
}

scorecam_plugin::plugin_table! { static CHANNELS = [backend: Loader]; }

static DESCRIBED: AtomicUsize = AtomicUsize::new(0);
static IMAGES: AtomicUsize = AtomicUsize::new(0);
static COUNTED: OnceLock<scorecam_backend> = OnceLock::new();

fn counted() -> &'static scorecam_backend {
    COUNTED.get().expect("the table is set first")
}

unsafe extern "C" fn describe(
    model: *mut c_void,
    description: *mut *const scorecam_model_description,
    why: *mut scorecam_message,
) -> i32 {
    DESCRIBED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the host's own pointers, handed on.
    unsafe { counted().describe.expect("a backend describes")(model, description, why) }
}

unsafe extern "C" fn forward(
    model: *mut c_void,
    inputs: *const scorecam_inputs,
    wanted: *const *const std::ffi::c_char,
    wanted_count: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the host's own pointers, read and handed on.
    unsafe {
        IMAGES.fetch_add((*inputs).images.shape.sizes[0] as usize, Ordering::Relaxed);
        counted().forward.expect("a backend runs")(model, inputs, wanted, wanted_count, outputs, why)
    }
}

#[test]
fn a_photo_describes_the_model_never_and_runs_its_passes_alone() {
    // SAFETY: a static table of this version, whose first item is a backend.
    let table = unsafe {
        let get = CHANNELS.get_interface.expect("a table of items");
        *get(0, scorecam_plugin::BACKEND.as_ptr()).cast::<scorecam_backend>()
    };
    let table = COUNTED.get_or_init(|| table);
    let counting = scorecam_backend { describe: Some(describe), forward: Some(forward), ..*table };
    let mut model = std::ptr::null_mut();
    let path = std::ffi::CString::new("model.channels").expect("no NUL");
    // SAFETY: all fields of a configuration and of a message may be zero; the path outlives the call.
    unsafe {
        let mut config: scorecam_plugin::abi::scorecam_model_config = std::mem::zeroed();
        config.struct_size = size_of_val(&config) as u32;
        config.path = path.as_ptr();
        let mut why: scorecam_message = std::mem::zeroed();
        assert_eq!(table.load.expect("a backend loads")(&raw const config, &raw mut model, &raw mut why), 0);
    }
    let host = Host::new().expect("a host");
    // SAFETY: the table is copied, its functions are static, and the model came from its `load`.
    let model =
        unsafe { host.adopt_model(&raw const counting, model, &Manifest::default()) }.expect("adopted");
    assert_eq!(DESCRIBED.load(Ordering::Relaxed), 1, "once, when it is loaded");

    let input = Tensor::new([1, 3, 8, 8], (0..192).map(|i| (i % 7) as f32).collect()).expect("a tensor");
    for method in ["score-cam", "score-cam-adaptive"] {
        let options = ExplainOptions { method: method.into(), ..ExplainOptions::default() };
        let explainer = Explainer::new(&host, &model, &options).expect("options");
        for _ in 0..3 {
            let before = IMAGES.load(Ordering::Relaxed);
            let found = explainer.explain(&input.clone().into()).expect("an explanation");
            assert!(found.passes > 1, "{method}");
            assert_eq!(IMAGES.load(Ordering::Relaxed) - before, found.passes, "{method}: no pass is hidden");
        }
    }
    assert_eq!(DESCRIBED.load(Ordering::Relaxed), 1, "no photo describes the model");
}
