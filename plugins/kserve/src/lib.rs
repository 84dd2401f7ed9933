//! Backend `kserve`: models on servers of the Open Inference Protocol (KServe v2), which Triton, OpenVINO Model
//! Server, MLServer and KServe speak.
//!
//! A model is a small TOML file, `name.kserve` (`file`): servers, the model's name there, which outputs are scores
//! and layers. `loader` asks the servers for the model's description, `served` reads it. A call makes requests
//! (`model`), has as many under way as servers take (`under_way`), and `fleet` sees that each is answered by
//! one of the servers (`server`), over gRPC (`grpc`) or HTTP (`rest`).

mod address;
mod connection;
mod element;
mod failure;
mod file;
mod fleet;
mod grpc;
mod loader;
mod masking;
mod message;
mod model;
pub mod proto;
mod rest;
mod served;
mod server;
mod under_way;
mod window;

pub use loader::KserveLoader;

scorecam_plugin::export_plugin! {
    backend: KserveLoader,
}
