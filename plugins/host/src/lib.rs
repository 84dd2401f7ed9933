//! Finds plugins, verifies them, loads them, and keeps them; reads model manifests.
//!
//! A [`Host`] is a registry of backends and methods. It begins with the built-in methods, which register
//! through the same call as a plugin's. [`Host::load_model`] brings manifest and backend together into a
//! [`Model`], which knows how to turn a photo into its input and a class name into a number.
//!
//! The only global state is the list of loaded libraries, which stay for the life of the process; two hosts
//! do not see each other's registries.

mod builtin;
mod choice;
mod labels;
mod library;
mod lock;
mod manifest;
mod model;
mod needs;
mod register;
mod registry;
mod search;
mod text_file;

pub use choice::{BackendChoice, BackendHere};
pub use library::Proof;
pub use lock::Lock;
pub use manifest::{InputSection, InputValue, Manifest, ModelSection, OutputSection};
pub use model::{Model, ModelRequest};
pub use registry::{Host, Origin, PluginRecord};
pub use scorecam_plugin::import::Descriptor;
pub use scorecam_plugin::{AUTO, abi, ability_number, own_folder, status_of_kind};
