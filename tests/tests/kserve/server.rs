//! A server of the Open Inference Protocol with faults that a test chooses, over gRPC and over HTTP on one port.
//!
//! It serves a toy model, whose numbers do not depend on the batch by a single bit: so whatever goes wrong on the
//! way, the map must come out as if nothing had.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message;
use scorecam::Model;
use scorecam_core::{Inputs, Tensor};
use scorecam_kserve::proto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Nothing,
    /// Each answer comes this late.
    Late(Duration),
    /// Tensors are too short.
    Short,
    /// Bytes that are no message.
    Garbage,
    /// The tensor of another number of images.
    OtherShape,
    /// Every one of so many requests loses its connection or its stream.
    Drops(usize),
    /// Every one of so many requests is refused, since the server is busy.
    Busy(usize),
    /// From this request on, nothing is ever answered.
    DeadFrom(usize),
    /// Over HTTP, tensors are read and written in JSON only.
    Json,
    /// Calls need this token.
    Token(&'static str),
}

/// What a server serves under one name: what it says of it, and how it answers.
pub(crate) struct Served {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<(&'static str, Vec<i64>)>,
    pub(crate) outputs: Vec<(&'static str, Vec<i64>)>,
    pub(crate) run: Box<Run>,
}

/// The tensors of a request, by their names.
type Given = HashMap<String, Tensor>;
/// Gives the outputs that are wanted of them.
type Run = dyn Fn(&Given, &[&str]) -> Vec<Tensor> + Send + Sync;

/// The toy model, its head, and the model that masks by itself, as `m`, `m-head` and `m-masked`.
pub(crate) fn toy(model: &Arc<Model>) -> Vec<Served> {
    let info = model.engine().info().clone();
    let classes = info.outputs[0].shape[1].expect("a toy model knows its classes") as i64;
    let size = |axes: &[Option<usize>]| axes.iter().map(|n| n.expect("a size") as i64).collect::<Vec<_>>();
    let image = [vec![-1], size(&info.input.shape[1..])].concat();
    let layer = info.layers.iter().find(|layer| layer.name == "features").expect("the toy's last layer");
    let maps = [vec![-1], size(&layer.shape)].concat();
    let scores = ("scores", vec![-1, classes]);
    let (whole, head, masking) = (Arc::clone(model), Arc::clone(model), Arc::clone(model));
    let zeros =
        Tensor::zeros([1, image[1] as usize, image[2] as usize, image[3] as usize]).expect("an image");
    vec![
        Served {
            name: "m",
            inputs: vec![("x", image.clone())],
            outputs: vec![scores.clone(), ("features", maps.clone())],
            run: Box::new(move |given, wanted| {
                whole.engine().forward(&Inputs::of(given["x"].view()), wanted).expect("the toy model runs")
            }),
        },
        Served {
            name: "m-head",
            inputs: vec![("features", maps)],
            outputs: vec![scores.clone()],
            run: Box::new(move |given, wanted| {
                let (inputs, maps) = (Inputs::of(zeros.view()), given["features"].view());
                head.engine().run_from(&inputs, "features", maps, wanted).expect("the toy model runs")
            }),
        },
        Served {
            name: "m-masked",
            inputs: vec![
                ("saliency_image", [vec![1], image[1..].to_vec()].concat()),
                ("saliency_masks", vec![-1, 1, -1, -1]),
                ("saliency_rows", vec![image[2], -1]),
                ("saliency_columns", vec![-1, image[3]]),
            ],
            outputs: vec![scores],
            run: Box::new(move |given, wanted| {
                let images = masked(given);
                masking.engine().forward(&Inputs::of(images.view()), wanted).expect("the toy model runs")
            }),
        },
    ]
}

/// Masked images as the definition reads: rows * mask * columns, times the image.
fn masked(given: &Given) -> Tensor {
    let [image, masks, rows, columns] =
        ["image", "masks", "rows", "columns"].map(|name| &given[&format!("saliency_{name}")]);
    let [_, c, height, width] = <[usize; 4]>::try_from(image.shape()).expect("an image");
    let [m, _, h, w] = <[usize; 4]>::try_from(masks.shape()).expect("masks");
    let mut values = Vec::new();
    for mask in 0..m {
        let small = masks.item(mask);
        for channel in 0..c {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let cell = |(i, j): (usize, usize)| {
                    rows.data()[y * h + i] * small[i * w + j] * columns.data()[j * width + x]
                };
                let shown: f32 = (0..h).flat_map(|i| (0..w).map(move |j| (i, j))).map(cell).sum();
                values.push(shown * image.data()[(channel * height + y) * width + x]);
            }
        }
    }
    Tensor::new([m, c, height, width], values).expect("masked images")
}

/// A running server; dropped, it is gone at once, with all connections.
pub(crate) struct FaultServer {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

struct Shared {
    served: Vec<Served>,
    fault: Mutex<Fault>,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    /// Requests that are being answered, and the most there were.
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl FaultServer {
    pub(crate) fn new(served: Vec<Served>, fault: Fault) -> Self {
        Self::with_tls(served, fault, None)
    }

    pub(crate) fn with_tls(
        served: Vec<Served>,
        fault: Fault,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        let shared = Arc::new(Shared {
            served,
            fault: Mutex::new(fault),
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let all = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&all), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let serving = auto::Builder::new(TokioExecutor::new());
                    // The other end may go away, and so may this one.
                    match tls {
                        None => drop(serving.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            drop(serving.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                });
            }
        });
        Self { address, runtime: Some(runtime), shared }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.shared.fault.lock().expect("the fault") = fault;
    }

    /// Requests for inference so far, those that were not answered included.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Bytes of all bodies that came.
    pub(crate) fn bytes(&self) -> usize {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// The most requests that were under way at a time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.most.load(Ordering::Relaxed)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Body = BoxBody<Bytes, Infallible>;

/// Why a request is not answered as it should be.
enum Refusal {
    /// The stream ends without an answer.
    Lost,
    /// A status of gRPC, one of HTTP, and words.
    Status(u16, u16, String),
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let token = request.headers().get("authorization").cloned();
    let length = request.headers().get("inference-header-content-length").cloned();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    shared.bytes.fetch_add(body.len(), Ordering::Relaxed);
    let under_way = shared.under_way.fetch_add(1, Ordering::Relaxed) + 1;
    shared.most.fetch_max(under_way, Ordering::Relaxed);
    let is_grpc = path.starts_with(&format!("/{}/", proto::SERVICE));
    let answered = match is_grpc {
        true => grpc(&shared, &path, token.as_ref(), &body).await.map(framed),
        false => rest(&shared, &path, token.as_ref(), (length, body)).await,
    };
    shared.under_way.fetch_sub(1, Ordering::Relaxed);
    match answered {
        Ok(response) => Ok(response),
        Err(Refusal::Lost) => Err(std::io::Error::other("lost, as the test wants")),
        Err(Refusal::Status(code, _, words)) if is_grpc => {
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.header("grpc-status", code).header("grpc-message", words);
            Ok(response.body(Full::new(Bytes::new()).boxed()).expect("a response"))
        }
        Err(Refusal::Status(_, status, words)) => {
            let body = Full::new(json!({ "error": words }).to_string().into()).boxed();
            Ok(Response::builder().status(status).body(body).expect("a response"))
        }
    }
}

/// A message in gRPC's frame, with the trailer that says that all is well.
fn framed(message: Bytes) -> Response<Body> {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.extend_from_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(body.boxed()).expect("a response")
}

impl Shared {
    fn served(&self, name: &str) -> Result<&Served, Refusal> {
        let missing = || Refusal::Status(5, 404, format!("Model {name} not found"));
        self.served.iter().find(|served| served.name == name).ok_or_else(missing)
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().expect("the fault")
    }

    fn check_token(&self, token: Option<&HeaderValue>) -> Result<(), Refusal> {
        match self.fault() {
            Fault::Token(wanted) if token.is_none_or(|t| t != &format!("Bearer {wanted}")) => {
                Err(Refusal::Status(16, 401, "no token, no answer".into()))
            }
            _ => Ok(()),
        }
    }

    /// What happens before a request for inference is answered.
    async fn trouble(&self) -> Result<Fault, Refusal> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let fault = self.fault();
        match fault {
            Fault::Late(time) => tokio::time::sleep(time).await,
            Fault::Drops(each) if number.is_multiple_of(each) => return Err(Refusal::Lost),
            Fault::Busy(each) if number.is_multiple_of(each) => {
                return Err(Refusal::Status(14, 503, "busy, as the test wants".into()));
            }
            Fault::DeadFrom(first) if number >= first => std::future::pending::<()>().await,
            _ => {}
        }
        Ok(fault)
    }

    /// Runs a tensor; the shapes and bytes of the outputs, spoiled by the fault.
    fn run(
        &self,
        served: &Served,
        fault: Fault,
        given: &Given,
        wanted: &[&str],
    ) -> Vec<(String, Vec<i64>, Bytes)> {
        let found = (served.run)(given, wanted);
        let of = |(name, tensor): (&&str, Tensor)| {
            let mut shape: Vec<i64> = tensor.shape().iter().map(|&n| n as i64).collect();
            let mut bytes: Vec<u8> = tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect();
            match fault {
                Fault::Short => bytes.truncate(bytes.len() - 4),
                Fault::OtherShape => shape[0] += 1,
                _ => {}
            }
            ((*name).to_owned(), shape, bytes.into())
        };
        wanted.iter().zip(found).map(of).collect()
    }
}

async fn grpc(
    shared: &Shared,
    path: &str,
    token: Option<&HeaderValue>,
    body: &Bytes,
) -> Result<Bytes, Refusal> {
    shared.check_token(token)?;
    let message = body.slice(5.min(body.len())..);
    let unreadable = |e| Refusal::Status(3, 400, format!("unreadable: {e}"));
    let reply = match path.rsplit('/').next().unwrap_or_default() {
        "ModelReady" => proto::ModelReadyResponse { ready: true }.encode_to_vec(),
        "ModelMetadata" => {
            let asked = proto::ModelMetadataRequest::decode(message).map_err(unreadable)?;
            let served = shared.served(&asked.name)?;
            let tensor = |(name, shape): &(&str, Vec<i64>)| proto::TensorMetadata {
                name: (*name).into(),
                datatype: "FP32".into(),
                shape: shape.clone(),
            };
            let inputs = served.inputs.iter().map(tensor).collect();
            let outputs = served.outputs.iter().map(tensor).collect();
            proto::ModelMetadataResponse { name: asked.name, inputs, outputs, ..Default::default() }
                .encode_to_vec()
        }
        "ModelInfer" => {
            let asked = proto::ModelInferRequest::decode(message).map_err(unreadable)?;
            let served = shared.served(&asked.model_name)?;
            let fault = shared.trouble().await?;
            if fault == Fault::Garbage {
                return Ok(Bytes::from_static(b"\xff\xff\xff\xff no message"));
            }
            let wanted: Vec<&str> = asked.outputs.iter().map(|o| o.name.as_str()).collect();
            let inputs = asked.inputs.iter().zip(&asked.raw_input_contents);
            let given = inputs.map(|(t, bytes)| (t.name.clone(), tensor_of(&t.shape, bytes))).collect();
            let found = shared.run(served, fault, &given, &wanted);
            let mut reply = proto::ModelInferResponse::default();
            for (name, shape, bytes) in found {
                let datatype = "FP32".into();
                reply.outputs.push(proto::InferTensor { name, datatype, shape, ..Default::default() });
                reply.raw_output_contents.push(bytes);
            }
            reply.encode_to_vec()
        }
        other => return Err(Refusal::Status(12, 404, format!("no method {other}"))),
    };
    Ok(reply.into())
}

async fn rest(
    shared: &Shared,
    path: &str,
    token: Option<&HeaderValue>,
    (length, body): (Option<HeaderValue>, Bytes),
) -> Result<Response<Body>, Refusal> {
    shared.check_token(token)?;
    let json_of = |value: Value| Ok(in_json(&value));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (name, action) = match parts[..] {
        ["v2", "models", name] => (name, ""),
        ["v2", "models", name, action] => (name, action),
        ["v2"] => {
            let extensions = if shared.fault() == Fault::Json { vec![] } else { vec!["binary_tensor_data"] };
            return json_of(json!({ "name": "test", "version": "1", "extensions": extensions }));
        }
        _ => return Err(Refusal::Status(12, 404, "no such path".into())),
    };
    let served = shared.served(name)?;
    let tensor =
        |(name, shape): &(&str, Vec<i64>)| json!({ "name": name, "datatype": "FP32", "shape": shape });
    match action {
        "ready" => json_of(json!({})),
        "" => json_of(json!({
            "name": name,
            "inputs": served.inputs.iter().map(tensor).collect::<Vec<_>>(),
            "outputs": served.outputs.iter().map(tensor).collect::<Vec<_>>(),
        })),
        _ => rest_infer(shared, served, length, &body).await,
    }
}

fn in_json(value: &Value) -> Response<Body> {
    Response::new(Full::new(value.to_string().into()).boxed())
}

/// A request for inference, with its tensors behind the JSON, or in it.
async fn rest_infer(
    shared: &Shared,
    served: &Served,
    length: Option<HeaderValue>,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let fault = shared.trouble().await?;
    if fault == Fault::Garbage {
        return Ok(Response::new(Full::new(Bytes::from_static(b"<html>no JSON</html>")).boxed()));
    }
    let length = length.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    assert_eq!(length.is_none(), fault == Fault::Json, "binary tensors where there are none");
    let length = length.unwrap_or(body.len());
    let asked: Value = serde_json::from_slice(&body[..length]).expect("the protocol's JSON");
    let wanted = asked["outputs"].as_array().expect("outputs").iter();
    let wanted: Vec<&str> = wanted.map(|o| o["name"].as_str().expect("a name")).collect();
    let mut behind = &body[length..];
    let mut given = Given::new();
    for input in asked["inputs"].as_array().expect("inputs") {
        let shape = input["shape"].as_array().expect("a shape").iter();
        let shape: Vec<i64> = shape.map(|n| n.as_i64().expect("a length")).collect();
        let size = input["parameters"]["binary_data_size"].as_u64().unwrap_or(0) as usize;
        let (own, rest) = behind.split_at(size);
        behind = rest;
        let numbers = input["data"].as_array().into_iter().flatten();
        let numbers = numbers.flat_map(|v| (v.as_f64().expect("a number") as f32).to_le_bytes());
        let bytes: Vec<u8> = own.iter().copied().chain(numbers).collect();
        given.insert(input["name"].as_str().expect("a name").into(), tensor_of(&shape, &bytes));
    }
    let found = shared.run(served, fault, &given, &wanted);
    let output = |(name, shape, bytes): &(String, Vec<i64>, Bytes)| {
        let mut output = json!({ "name": name, "datatype": "FP32", "shape": shape });
        if fault == Fault::Json {
            let data = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
            output["data"] = data.collect::<Vec<_>>().into();
        } else {
            output["parameters"] = json!({ "binary_data_size": bytes.len() });
        }
        output
    };
    let head = json!({ "outputs": found.iter().map(output).collect::<Vec<_>>() });
    if fault == Fault::Json {
        return Ok(in_json(&head));
    }
    let head = head.to_string();
    let mut body = BytesMut::from(head.as_bytes());
    found.iter().for_each(|(_, _, bytes)| body.extend_from_slice(bytes));
    let response = Response::builder().status(StatusCode::OK);
    let response = response.header("inference-header-content-length", head.len());
    Ok(response.body(Full::new(body.freeze()).boxed()).expect("a response"))
}

fn tensor_of(shape: &[i64], bytes: &[u8]) -> Tensor {
    let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Tensor::new(shape.iter().map(|&n| n as usize).collect::<Vec<_>>(), values)
        .expect("a tensor that fits its shape")
}
