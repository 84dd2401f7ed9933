//! Requests and replies as both forms of the protocol carry them, and the check of a reply against what was asked.

use bytes::Bytes;
use scorecam_core::{Error, Result, Tensor, fits, written};

use crate::element::Element;
use crate::failure::Failure;

/// A model on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelName {
    pub(crate) name: String,
    /// Empty for the server's own choice.
    pub(crate) version: String,
}

/// A tensor of a served model, as the server describes it; an axis of -1 has any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<i64>,
}

/// What a server says of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) inputs: Vec<Described>,
    pub(crate) outputs: Vec<Described>,
}

/// A batch to run; made once, however often it is sent.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) model: ModelName,
    pub(crate) inputs: Vec<Sent>,
    pub(crate) outputs: Vec<Expected>,
}

/// A tensor that is sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Bytes,
}

/// An output that is wanted, each once.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) element: Element,
    /// For this request, so the batch is known.
    pub(crate) shape: Vec<Option<usize>>,
}

/// A tensor of a reply, not looked at.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) contents: Contents,
}

/// The numbers of a tensor of a reply.
#[derive(Debug)]
pub(crate) enum Contents {
    Raw(Bytes),
    Numbers(Vec<f32>),
}

impl Request {
    /// About how many bytes travel.
    pub(crate) fn bytes(&self) -> usize {
        self.inputs.iter().map(|sent| sent.bytes.len()).sum::<usize>()
    }

    /// The tensors that are wanted, in their order, of a reply; a failure where it is not what was asked for.
    pub(crate) fn read(&self, reply: &[Received]) -> Result<Vec<Tensor>, Failure> {
        self.outputs.iter().map(|wanted| wanted.read(reply)).collect()
    }
}

impl Expected {
    fn read(&self, reply: &[Received]) -> Result<Tensor, Failure> {
        let name = &self.name;
        let Some(found) = reply.iter().find(|found| found.name == *name) else {
            return Err(Failure::wrong(format!("the reply has no output {name:?}")));
        };
        if found.datatype != self.element.name() {
            let is = &found.datatype;
            return Err(Failure::wrong(format!(
                "output {name:?} came as {is:.16}; the model's metadata says {}",
                self.element.name()
            )));
        }
        let shape: Option<Vec<usize>> = found.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let Some(shape) = shape.filter(|shape| fits(&self.shape, shape)) else {
            let is: Vec<i64> = found.shape.iter().copied().take(8).collect();
            return Err(Failure::wrong(format!(
                "output {name:?} came with shape {is:?}; {} is expected",
                written(&self.shape)
            )));
        };
        let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let (has, of_one) = match &found.contents {
            Contents::Raw(bytes) => (bytes.len(), self.element.bytes()),
            Contents::Numbers(numbers) => (numbers.len(), 1),
        };
        // The length is that of what has arrived, so a product that agrees with it is no larger.
        let Some(count) = count.filter(|count| count.checked_mul(of_one) == Some(has)) else {
            let what = if of_one == 1 && matches!(found.contents, Contents::Numbers(_)) {
                "numbers"
            } else {
                "bytes"
            };
            return Err(Failure::wrong(format!(
                "output {name:?} came with {has} {what}, which is not what shape {shape:?} of {} has",
                self.element.name()
            )));
        };
        let memory = || Failure::lasting(format!("not enough memory for output {name:?} of {count} numbers"));
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| memory())?;
        match &found.contents {
            Contents::Raw(bytes) => self.element.decode(bytes, &mut values),
            Contents::Numbers(numbers) => values.extend_from_slice(numbers),
        }
        Tensor::new(shape, values).map_err(|e: Error| Failure::wrong(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_checked_before_it_is_read() {
        let expected =
            Expected { name: "logits".into(), element: Element::F32, shape: vec![Some(2), Some(3)] };
        let check = |name: &str, datatype: &str, shape: &[i64], bytes: usize, text: &str| {
            let contents = Contents::Raw(vec![0; bytes].into());
            let reply =
                [Received { name: name.into(), datatype: datatype.into(), shape: shape.to_vec(), contents }];
            match expected.read(&reply) {
                Ok(tensor) => assert_eq!((tensor.shape(), text), (&[2, 3][..], "")),
                Err(e) => assert!(!text.is_empty() && e.text.contains(text), "{}", e.text),
            }
        };
        check("logits", "FP32", &[2, 3], 24, "");
        check("other", "FP32", &[2, 3], 24, "no output \"logits\"");
        check("logits", "FP64", &[2, 3], 48, "came as FP64; the model's metadata says FP32");
        check("logits", "FP32", &[3, 2], 24, "came with shape [3, 2]; [2, 3] is expected");
        check("logits", "FP32", &[2, -3], 24, "came with shape [2, -3]");
        check("logits", "FP32", &[2, 3], 23, "came with 23 bytes");
        let free = Expected { shape: vec![None, None], ..expected.clone() };
        let shape = vec![i64::MAX, i64::MAX];
        let contents = Contents::Raw(Bytes::new());
        let reply = [Received { name: "logits".into(), datatype: "FP32".into(), shape, contents }];
        assert!(free.read(&reply).is_err());
    }
}
