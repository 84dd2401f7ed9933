//! [`Ask`]: the forward passes that a method waits for, and the desk that delivers their results.
//!
//! A method never runs the model itself. It leaves an ask on its desk and waits; the driver answers the asks in the
//! order that fills batches best.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::masking::{Cut, MaskedScores};
use crate::progress::Monitor;
use crate::target::TargetSet;
use crate::{Result, Tensor, Upsample};

/// Forward passes. If an image is explained by targets, their values replace the class scores.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Class scores [N, classes] of `images` [N, C, H, W], then the activations of each tap.
    Forward {
        /// The images, any number.
        images: Arc<Tensor>,
        /// The names of layers.
        taps: Vec<String>,
    },
    /// Rows of raw outputs of one image, without the batch axis, then the maps of each tap.
    Rows {
        /// The image, [1, C, H, W].
        image: Arc<Tensor>,
        /// The names of outputs.
        outputs: Vec<String>,
        /// The names of layers.
        taps: Vec<String>,
    },
    /// Class scores [M, classes] of masked images.
    Masked(MaskedImages),
    /// Class scores [N, classes] with other activations of a layer.
    RunFrom {
        /// The image, [1, C, H, W], whose forward pass supplies everything that bypasses the layer.
        image: Arc<Tensor>,
        /// The layer's name.
        layer: String,
        /// Its activations, [N, K, h, w].
        activations: Arc<Tensor>,
    },
    /// Derivatives [N, K, h, w] of a class score with respect to a layer's activations.
    Gradients {
        /// The images, [N, C, H, W].
        images: Arc<Tensor>,
        /// The layer's name.
        layer: String,
        /// The class.
        class: usize,
    },
}

/// The parts of masked images; see [`MaskedScores`].
#[derive(Debug, Clone)]
pub struct MaskedImages {
    /// Preprocessed images, [I, C, H, W].
    pub images: Arc<Tensor>,
    /// The fill where a mask is 0, [I, C, H, W]; `None` for zeros.
    pub fill: Option<Arc<Tensor>>,
    /// Small masks, [M, h, w], or rank maps [R, H, W].
    pub masks: Arc<Tensor>,
    /// The M masks if they are cuts of rank maps; else empty.
    pub cuts: Vec<Cut>,
    /// For each mask the index of its image; empty if there is one image.
    pub image_of_mask: Vec<u32>,
    /// How to upsample masks to the image's size.
    pub upsample: Upsample,
    /// Images per forward pass, subject to the model's own rule.
    pub batch_size: usize,
}

impl MaskedImages {
    /// Converts it to a request to a backend.
    pub(crate) fn request<'r>(&'r self, on_batch: &'r dyn Fn(usize) -> Result<()>) -> MaskedScores<'r> {
        MaskedScores {
            images: self.images.view(),
            fill: self.fill.as_ref().map(|fill| fill.view()),
            masks: self.masks.view(),
            cuts: &self.cuts,
            image_of_mask: &self.image_of_mask,
            upsample: self.upsample,
            batch_size: self.batch_size,
            on_batch,
        }
    }
}

/// The knowledge of a method from one image, to start from on a video's next one. Other methods and layers ignore it.
#[derive(Clone)]
pub struct Learned(Arc<dyn Any + Send + Sync>);

impl Learned {
    pub(crate) fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The knowledge, if it is a `T`.
    pub(crate) fn of<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learned")
    }
}

impl PartialEq for Learned {
    /// The knowledge follows from everything else, so comparisons of explanations ignore it.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The connection between the driver and the method that explains one image.
pub(crate) struct Desk<'a> {
    pub(crate) monitor: Monitor<'a>,
    /// The targets that replace the class scores.
    targets: RefCell<Option<Arc<TargetSet>>>,
    /// The method's knowledge from the previous image, later from this one.
    learned: RefCell<Option<Learned>>,
    next: Cell<u64>,
    asks: RefCell<VecDeque<(u64, Ask)>>,
    answers: RefCell<BTreeMap<u64, Result<Vec<Tensor>>>>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(monitor: Monitor<'a>, previous: Option<Learned>) -> Self {
        Self {
            monitor,
            learned: RefCell::new(previous),
            targets: RefCell::default(),
            next: Cell::new(0),
            asks: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    /// Sets the targets that replace the class scores from now on.
    pub(crate) fn read_by(&self, targets: Option<Arc<TargetSet>>) {
        self.targets.replace(targets);
    }

    /// The targets that replace the class scores.
    pub(crate) fn targets(&self) -> Option<Arc<TargetSet>> {
        self.targets.borrow().clone()
    }

    /// The method's latest knowledge.
    pub(crate) fn learned(&self) -> Option<Learned> {
        self.learned.borrow().clone()
    }

    /// Sets the method's latest knowledge.
    pub(crate) fn learn(&self, learned: Learned) {
        self.learned.replace(Some(learned));
    }

    /// The tensors of the passes, once they are done.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Vec<Tensor>> {
        let id = self.next.replace(self.next.get() + 1);
        self.asks.borrow_mut().push_back((id, ask));
        poll_fn(|_| self.answers.borrow_mut().remove(&id).map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The oldest unanswered ask.
    pub(crate) fn take(&self) -> Option<(u64, Ask)> {
        self.asks.borrow_mut().pop_front()
    }

    pub(crate) fn answer(&self, id: u64, answer: Result<Vec<Tensor>>) {
        self.answers.borrow_mut().insert(id, answer);
    }
}
