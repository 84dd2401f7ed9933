//! The protocol over gRPC: messages of [`crate::proto`], tensors raw.

use std::error::Error as _;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::address::Address;
use crate::connection::{Connections, Security, lost};
use crate::failure::Failure;
use crate::message::{Contents, Described, Metadata, ModelName, Received, Request};
use crate::proto;

/// The most bytes of a reply: activations of a batch, at most.
pub(crate) const MAX_REPLY: usize = 256 << 20;

/// A server that is called over gRPC.
#[derive(Clone)]
pub(crate) struct GrpcServer {
    calls: Grpc<Connections<tonic::body::Body>>,
    security: Security,
}

impl GrpcServer {
    pub(crate) fn new(address: &Address, security: &Security, connect: Duration) -> Self {
        let calls = Grpc::with_origin(security.http2(connect), address.base.clone())
            .max_decoding_message_size(MAX_REPLY)
            .max_encoding_message_size(usize::MAX);
        Self { calls, security: security.clone() }
    }

    pub(crate) async fn ready(&self, model: &ModelName) -> Result<bool, Failure> {
        let ModelName { name, version } = model.clone();
        let reply: proto::ModelReadyResponse =
            self.call("ModelReady", proto::ModelReadyRequest { name, version }).await?;
        Ok(reply.ready)
    }

    pub(crate) async fn metadata(&self, model: &ModelName) -> Result<Metadata, Failure> {
        let ModelName { name, version } = model.clone();
        let reply: proto::ModelMetadataResponse =
            self.call("ModelMetadata", proto::ModelMetadataRequest { name, version }).await?;
        let described = |tensors: Vec<proto::TensorMetadata>| {
            let of =
                |t: proto::TensorMetadata| Described { name: t.name, datatype: t.datatype, shape: t.shape };
            tensors.into_iter().map(of).collect()
        };
        Ok(Metadata { inputs: described(reply.inputs), outputs: described(reply.outputs) })
    }

    pub(crate) async fn infer(&self, request: &Request) -> Result<Vec<Received>, Failure> {
        let input = |sent: &crate::message::Sent| proto::InferTensor {
            name: sent.name.clone(),
            datatype: sent.element.name().into(),
            shape: sent.shape.iter().map(|&n| n as i64).collect(),
            ..Default::default()
        };
        let message = proto::ModelInferRequest {
            model_name: request.model.name.clone(),
            model_version: request.model.version.clone(),
            id: String::new(),
            inputs: request.inputs.iter().map(input).collect(),
            outputs: request
                .outputs
                .iter()
                .map(|o| proto::InferRequestedOutput { name: o.name.clone() })
                .collect(),
            // Counted references, so that a call that is made again copies nothing.
            raw_input_contents: request.inputs.iter().map(|sent| sent.bytes.clone()).collect(),
        };
        let reply: proto::ModelInferResponse = self.call("ModelInfer", message).await?;
        let is_raw = !reply.raw_output_contents.is_empty();
        if is_raw && reply.raw_output_contents.len() != reply.outputs.len() {
            return Err(Failure::wrong(format!(
                "the reply names {} outputs and has the contents of {}",
                reply.outputs.len(),
                reply.raw_output_contents.len()
            )));
        }
        let mut raw = reply.raw_output_contents.into_iter();
        let received = |output: proto::InferTensor| Received {
            name: output.name,
            datatype: output.datatype,
            shape: output.shape,
            contents: match is_raw {
                true => Contents::Raw(raw.next().unwrap_or_default()),
                false => Contents::Numbers(output.contents.unwrap_or_default().fp32_contents),
            },
        };
        Ok(reply.outputs.into_iter().map(received).collect())
    }

    async fn call<Q, A>(&self, method: &str, message: Q) -> Result<A, Failure>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut calls = self.calls.clone();
        calls.ready().await.map_err(|e| lost(&e))?;
        let path = PathAndQuery::try_from(format!("/{}/{method}", proto::SERVICE));
        let path = path.map_err(|e| Failure::lasting(e.to_string()))?;
        let mut request = tonic::Request::new(message);
        if let Some(token) = &self.security.token {
            request.metadata_mut().as_mut().insert(http::header::AUTHORIZATION, token.clone());
        }
        let reply = calls.unary(request, path, ProstCodec::<Q, A>::default()).await;
        reply.map(tonic::Response::into_inner).map_err(|status| failure(&status))
    }
}

/// What a status says; one that has a cause was made here, of an error of the connection.
fn failure(status: &Status) -> Failure {
    if let Some(cause) = status.source() {
        return match cause.downcast_ref::<prost::DecodeError>() {
            Some(e) => Failure::wrong(format!("the reply is not a message of the protocol: {e}")),
            None => lost(cause),
        };
    }
    let text = status.message();
    let text = match text.is_empty() {
        true => status.code().description().to_owned(),
        false => text.chars().take(400).collect(),
    };
    match status.code() {
        Code::ResourceExhausted if text.contains("larger than") => Failure::lasting(format!(
            "{text}; give a smaller limits.message_bytes, or raise the server's limit"
        )),
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded => Failure::passing(text),
        Code::Unknown | Code::Internal | Code::DataLoss => Failure::wrong(text),
        Code::Unauthenticated | Code::PermissionDenied => {
            Failure::lasting(format!("{text}; name the variable that holds its token with token_from"))
        }
        _ => Failure::lasting(text),
    }
}
