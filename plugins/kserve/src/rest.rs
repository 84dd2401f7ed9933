//! The protocol over HTTP/1.1: a header of JSON, and behind it the tensors as they lie in memory (the binary
//! extension).
//!
//! A server says whether it has the extension. To one that has not, tensors go as JSON, and a remark says so: it is many
//! times slower.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::address::Address;
use crate::connection::{Connections, Security, lost};
use crate::failure::Failure;
use crate::grpc::MAX_REPLY;
use crate::message::{Contents, Described, Metadata, ModelName, Received, Request};

/// The header with the length of the JSON before the tensors.
const JSON_LENGTH: &str = "inference-header-content-length";
/// The binary extension, as servers list it.
const EXTENSION: &str = "binary_tensor_data";

/// A server that is called over HTTP.
#[derive(Clone)]
pub(crate) struct RestServer {
    address: Address,
    calls: Connections<Full<Bytes>>,
    security: Security,
    /// Whether tensors travel as they lie in memory, once the server has said it.
    is_binary: Arc<OnceLock<bool>>,
}

#[derive(Deserialize)]
struct ServerReply {
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Deserialize)]
struct MetadataReply {
    #[serde(default)]
    inputs: Vec<DescribedReply>,
    #[serde(default)]
    outputs: Vec<DescribedReply>,
}

#[derive(Deserialize)]
struct DescribedReply {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

#[derive(Deserialize)]
struct InferReply {
    outputs: Vec<OutputReply>,
}

#[derive(Deserialize)]
struct OutputReply {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize, Default)]
struct Parameters {
    binary_data_size: Option<usize>,
}

impl RestServer {
    pub(crate) fn new(address: &Address, security: &Security, connect: Duration) -> Self {
        let is_binary = Arc::default();
        Self {
            address: address.clone(),
            calls: security.http1(connect),
            security: security.clone(),
            is_binary,
        }
    }

    /// Whether the server was found to read tensors in JSON only.
    pub(crate) fn is_json_only(&self) -> bool {
        self.is_binary.get() == Some(&false)
    }

    /// Whether the server has the binary extension; asked once.
    async fn is_binary(&self) -> Result<bool, Failure> {
        if let Some(known) = self.is_binary.get() {
            return Ok(*known);
        }
        let (_, body) = self.call(Method::GET, "/v2", &[], Bytes::new()).await?;
        let reply: ServerReply = serde_json::from_slice(&body)
            .map_err(|e| Failure::wrong(format!("its metadata is not the protocol's JSON: {e}")))?;
        let is_binary = reply.extensions.iter().any(|name| name == EXTENSION);
        Ok(*self.is_binary.get_or_init(|| is_binary))
    }

    pub(crate) async fn ready(&self, model: &ModelName) -> Result<bool, Failure> {
        self.call(Method::GET, &format!("{}/ready", path(model)), &[], Bytes::new()).await.map(|_| true)
    }

    pub(crate) async fn metadata(&self, model: &ModelName) -> Result<Metadata, Failure> {
        self.is_binary().await?;
        let (_, body) = self.call(Method::GET, &path(model), &[], Bytes::new()).await?;
        let reply: MetadataReply = serde_json::from_slice(&body).map_err(|e| {
            Failure::wrong(format!("its description of the model is not the protocol's JSON: {e}"))
        })?;
        let of = |t: DescribedReply| Described { name: t.name, datatype: t.datatype, shape: t.shape };
        Ok(Metadata {
            inputs: reply.inputs.into_iter().map(of).collect(),
            outputs: reply.outputs.into_iter().map(of).collect(),
        })
    }

    pub(crate) async fn infer(&self, request: &Request) -> Result<Vec<Received>, Failure> {
        let path = format!("{}/infer", path(&request.model));
        if !self.is_binary().await? {
            let headers = [("content-type", "application/json")];
            let (headers, body) = self.call(Method::POST, &path, &headers, in_json(request)).await?;
            return received(&headers, body);
        }
        let input = |sent: &crate::message::Sent| {
            json!({
                "name": sent.name, "datatype": sent.element.name(), "shape": sent.shape,
                "parameters": { "binary_data_size": sent.bytes.len() },
            })
        };
        let output = |name: &str| json!({ "name": name, "parameters": { "binary_data": true } });
        let head = json!({
            "inputs": request.inputs.iter().map(input).collect::<Vec<_>>(),
            "outputs": request.outputs.iter().map(|o| output(&o.name)).collect::<Vec<_>>(),
        })
        .to_string();
        let mut body = BytesMut::with_capacity(head.len() + request.bytes());
        body.extend_from_slice(head.as_bytes());
        request.inputs.iter().for_each(|sent| body.extend_from_slice(&sent.bytes));
        let headers = [("content-type", "application/octet-stream"), (JSON_LENGTH, &head.len().to_string())];
        let (headers, body) = self.call(Method::POST, &path, &headers, body.freeze()).await?;
        received(&headers, body)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let mut request = http::Request::builder().method(method).uri(self.address.with(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.security.token {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        let request = request.body(Full::new(body)).map_err(|e| Failure::lasting(e.to_string()))?;
        let reply = self.calls.request(request).await.map_err(|e| lost(&e))?;
        let (parts, body) = reply.into_parts();
        let body = Limited::new(body, MAX_REPLY).collect().await.map_err(|e| lost(&*e))?.to_bytes();
        if parts.status == StatusCode::OK {
            return Ok((parts.headers, body));
        }
        Err(refused(parts.status, &body))
    }
}

/// A request with its numbers in JSON.
fn in_json(request: &Request) -> Bytes {
    let input = |sent: &crate::message::Sent| {
        let mut numbers = Vec::new();
        sent.element.decode(&sent.bytes, &mut numbers);
        json!({ "name": sent.name, "datatype": sent.element.name(), "shape": sent.shape, "data": numbers })
    };
    let outputs: Vec<Value> = request.outputs.iter().map(|o| json!({ "name": o.name })).collect();
    let inputs: Vec<Value> = request.inputs.iter().map(input).collect();
    json!({ "inputs": inputs, "outputs": outputs }).to_string().into()
}

fn path(model: &ModelName) -> String {
    let ModelName { name, version } = model;
    match version.is_empty() {
        true => format!("/v2/models/{name}"),
        false => format!("/v2/models/{name}/versions/{version}"),
    }
}

/// What a status other than 200 says; the protocol puts the reason into `error`.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let said = serde_json::from_slice::<Value>(body).ok();
    let said = said.as_ref().and_then(|value| value.get("error").or_else(|| value.get("detail")));
    let text: String = match said {
        Some(Value::String(text)) => text.chars().take(400).collect(),
        _ => status.canonical_reason().unwrap_or_default().to_lowercase(),
    };
    let text = format!("{text} (HTTP {})", status.as_u16());
    match status.as_u16() {
        408 | 425 | 429 | 502 | 503 | 504 => Failure::passing(text),
        500 => Failure::wrong(text),
        401 | 403 => {
            Failure::lasting(format!("{text}; name the variable that holds its token with token_from"))
        }
        413 => Failure::lasting(format!("{text}; give a smaller limits.message_bytes")),
        _ => Failure::lasting(text),
    }
}

/// The tensors of a reply.
fn received(headers: &HeaderMap, mut body: Bytes) -> Result<Vec<Received>, Failure> {
    let mut tensors = Bytes::new();
    if let Some(length) = headers.get(JSON_LENGTH) {
        let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
        let Some(length) = length.filter(|&length| length <= body.len()) else {
            return Err(Failure::wrong("the reply is shorter than its header says"));
        };
        tensors = body.split_off(length);
    }
    let reply: InferReply = serde_json::from_slice(&body)
        .map_err(|e| Failure::wrong(format!("the reply is not the protocol's JSON: {e}")))?;
    let of = |output: OutputReply| {
        let OutputReply { name, datatype, shape, data, parameters } = output;
        let contents = match parameters.and_then(|p| p.binary_data_size) {
            Some(size) if size <= tensors.len() => Contents::Raw(tensors.split_to(size)),
            Some(size) => {
                return Err(Failure::wrong(format!(
                    "output {name:?} has {size} bytes, of which {} arrived",
                    tensors.len()
                )));
            }
            None => {
                let mut numbers = Vec::new();
                flatten(&data, &mut numbers);
                Contents::Numbers(numbers)
            }
        };
        Ok(Received { name, datatype, shape, contents })
    };
    reply.outputs.into_iter().map(of).collect()
}

/// The numbers of an array, or of arrays in it.
fn flatten(data: &Value, numbers: &mut Vec<f32>) {
    match data {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, numbers)),
        Value::Number(number) => numbers.push(number.as_f64().unwrap_or(f64::NAN) as f32),
        Value::Bool(value) => numbers.push(f32::from(u8::from(*value))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_in_both_forms_and_never_beyond_their_end() {
        let check = |length: Option<&str>, body: &[u8], expected: Result<&[f32], &str>| {
            let mut headers = HeaderMap::new();
            if let Some(length) = length {
                headers.insert(JSON_LENGTH, length.parse().expect("a header"));
            }
            let found = received(&headers, Bytes::copy_from_slice(body));
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let numbers: Vec<f32> = match &found[0].contents {
                        Contents::Numbers(numbers) => numbers.clone(),
                        Contents::Raw(bytes) => {
                            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
                        }
                    };
                    assert_eq!(numbers, expected);
                }
                (Err(e), Err(text)) => assert!(e.text.contains(text), "{}", e.text),
                (found, expected) => panic!("{found:?}, {expected:?}"),
            }
        };
        let plain = br#"{"outputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[[1,2.5]]}]}"#;
        check(None, plain, Ok(&[1.0, 2.5]));
        let head =
            r#"{"outputs":[{"name":"a","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}"#;
        let length = head.len().to_string();
        let whole = [head.as_bytes(), &1.5f32.to_le_bytes()].concat();
        check(Some(&length), &whole, Ok(&[1.5]));
        check(Some(&length), &whole[..whole.len() - 1], Err("has 4 bytes, of which 3 arrived"));
        check(Some("100000"), &whole, Err("shorter than its header says"));
        check(Some("-1"), &whole, Err("shorter than its header says"));
        check(None, b"<html>", Err("not the protocol's JSON"));
    }

    #[test]
    fn statuses_say_whether_a_call_is_made_again() {
        use crate::failure::FailureKind;
        for (status, kind) in [
            (503, FailureKind::Passing),
            (429, FailureKind::Passing),
            (500, FailureKind::Wrong),
            (404, FailureKind::Lasting),
            (401, FailureKind::Lasting),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = refused(status, br#"{"error":"model m is busy"}"#);
            assert!(failure.text.starts_with("model m is busy (HTTP "), "{}", failure.text);
            assert_eq!(failure.kind, kind);
        }
    }
}
