//! The messages of the Open Inference Protocol's gRPC form (`inference.GRPCInferenceService`, grpc_predict_v2).
//!
//! They are written by hand, as far as they are sent and read here, so that no compiler of protobuf is needed to
//! build. Field numbers are the protocol's; prost skips fields that are not named. Tensors travel raw, in
//! `raw_*_contents`, in the order of the tensors that they belong to; of the typed contents only those of f32 are
//! read.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;

/// The service, as it stands in paths.
pub const SERVICE: &str = "inference.GRPCInferenceService";

/// Whether a model can answer (`ModelReady`).
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelReadyRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

/// The answer to [`ModelReadyRequest`].
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelReadyResponse {
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// What a model takes and gives (`ModelMetadata`).
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelMetadataRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

/// The answer to [`ModelMetadataRequest`].
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelMetadataResponse {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    #[prost(string, tag = "3")]
    pub platform: String,
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<TensorMetadata>,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
}

/// A tensor that a model takes or gives; an axis of -1 has any length.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct TensorMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

/// Tensors to run (`ModelInfer`).
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelInferRequest {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(string, tag = "2")]
    pub model_version: String,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<InferTensor>,
    #[prost(message, repeated, tag = "6")]
    pub outputs: Vec<InferRequestedOutput>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub raw_input_contents: Vec<Bytes>,
}

/// A tensor of a request or of its answer.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct InferTensor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    #[prost(message, optional, tag = "5")]
    pub contents: Option<InferTensorContents>,
}

/// A parameter of a tensor.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct InferParameter {
    #[prost(string, tag = "3")]
    pub string_param: String,
}

/// Typed contents, where they do not travel raw.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct InferTensorContents {
    #[prost(float, repeated, tag = "6")]
    pub fp32_contents: Vec<f32>,
}

/// An output that is wanted.
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct InferRequestedOutput {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The answer to [`ModelInferRequest`].
#[derive(Clone, PartialEq, Message)]
#[allow(missing_docs)]
pub struct ModelInferResponse {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(string, tag = "2")]
    pub model_version: String,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<InferTensor>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub raw_output_contents: Vec<Bytes>,
}
