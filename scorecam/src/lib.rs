//! Saliency maps that explain the decisions of any vision model, from forward passes alone: Score-CAM and related
//! methods.
//!
//! A [`Host`] is a registry of backends and methods; [`Host::load_model`] reads a model's file and manifest and chooses
//! the backend. An [`Explainer`] holds a method with its options, validates them once, and explains any number of
//! [`Image`]s; an [`Explanation`] holds the maps of an image and draws them over its photo.
//!
//! ```no_run
//! use scorecam::{ExplainOptions, Explainer, Host, Image, Overlay};
//!
//! let host = Host::new()?;
//! let model = host.load_model("resnet50.toml")?;
//! let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
//!
//! let image = Image::open("cat.jpg")?;
//! let explanation = explainer.explain(&image)?;
//! println!("{:?}", explanation.targets[0].label);
//! if let Some(photo) = image.photo() {
//!     let overlay = explanation.overlay(0, photo, &Overlay::default())?;
//!     println!("{} x {} pixels of RGB", overlay.width(), overlay.height());
//! }
//! # Ok::<(), scorecam::Error>(())
//! ```
//!
//! The only global state is the list of loaded libraries, which stay loaded until the process ends; hosts do not share
//! their registries.

mod builtin;
mod choice;
#[cfg(feature = "files")]
pub mod dataset;
pub mod evaluation;
mod explainer;
mod explanation;
mod image;
mod labels;
mod library;
mod lock;
mod manifest;
mod memory;
mod model;
mod needs;
mod question;
#[cfg(feature = "files")]
mod reader;
mod reading;
mod register;
mod registry;
mod search;
mod text_file;
#[cfg(feature = "files")]
pub mod walk;

pub use choice::{BackendChoice, BackendHere};
#[cfg(feature = "files")]
pub use dataset::Dataset;
pub use explainer::{ExplainOptions, Explainer, Job};
pub use explanation::{Detection, Explanation, Target, is_given_box};
pub use image::{Image, Input};
pub use library::Proof;
pub use lock::Lock;
pub use manifest::{InputSection, InputValue, LabelSource, Manifest, ModelSection, OutputSection};
pub use model::{Model, ModelRequest};
#[cfg(feature = "files")]
pub use reader::{Held, Range, Reader, read_array, read_tensor};
pub use reading::OutputKind;
pub use registry::{Host, Origin, PluginRecord};
pub use scorecam_core::image::{Overlay, Photo, Placement, Rect};
pub use scorecam_core::methods::Fuse;
pub use scorecam_core::target::Kept;
pub use scorecam_core::{
    ClassScores, Error, ErrorKind, Learned, Progress, RandomWeights, Result, Stage, Targets, Tensor,
    TensorView, WeightDraw,
};
pub use scorecam_plugin::method::Description;
pub use scorecam_plugin::plugin::Descriptor;
pub use scorecam_plugin::services::log_to;
pub use scorecam_plugin::{AUTO, abi, ability_number, kind_of_status, own_folder, status_of_kind};
