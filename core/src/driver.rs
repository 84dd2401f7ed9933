//! The driver: runs one or many explain calls on one thread, whose masks share the model's batches.
//!
//! A model is fastest with full batches, but one image rarely has masks for full ones only: few live masks, a method that
//! asks for eight at a time, an export that fixes the batch. So each explain call is a task, an `async` function that
//! leaves its asks on a desk, and the driver answers them.
//!
//! **The rule.** Tasks have an order. The first that has not ended leads: its masks run in full batches, and its last batch
//! is filled up with masks of the next tasks, in order, from the front of each one's ask. Only the leader's masks start a
//! batch. When it ends, the next task leads. All other passes run alone, at once.
//!
//! **Equal runs make equal batches.** The driver goes on only when every task waits for masked scores, and the next ask of
//! a task depends on its input and its answers alone. So the contents of all batches follow from the inputs, their order
//! and how many are at work at once. There is no other thread and no lock.
//!
//! **The error belongs to its cause.** Where a shared batch fails, its leader's masks run once more alone, and the tasks that
//! were part of it share no batch from then on: each meets its own error or none.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::ask::{Ask, Desk, MaskedImages};
use crate::masking::MaskedScores;
use crate::passes;
use crate::target::TargetSet;
use crate::tensor::{append, gathered, room_for};
use crate::{Error, Result, Tensor, TensorView, Upsample, ViewedModel};

/// One explain call under way.
pub(crate) struct Task<'t, T> {
    /// How many calls began before it.
    position: usize,
    work: Pin<Box<dyn Future<Output = Result<T>> + 't>>,
    desk: Rc<Desk<'t>>,
    batch_size: usize,
    waiting: Option<Waiting>,
    /// Whether its masks may be part of another task's batch, or another's of its own.
    shares: bool,
}

/// Masks whose scores a task waits for.
struct Waiting {
    id: u64,
    masked: MaskedImages,
    /// The targets that replace the class scores.
    targets: Option<Arc<TargetSet>>,
    scores: Vec<f32>,
    /// How many of the masks are scored.
    done: usize,
}

impl<'t, T> Task<'t, T> {
    /// A call whose `work` leaves its asks on `desk`, at so many images per pass.
    pub(crate) fn new(
        position: usize,
        desk: Rc<Desk<'t>>,
        batch_size: usize,
        work: impl Future<Output = Result<T>> + 't,
    ) -> Self {
        Self { position, work: Box::pin(work), desk, batch_size, waiting: None, shares: true }
    }

    /// Goes on until the work ends, whose result is returned, or waits for masked scores.
    fn settle(&mut self, model: &dyn ViewedModel) -> Option<Result<T>> {
        while self.waiting.is_none() {
            if let Poll::Ready(result) = self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(result);
            }
            let Some((id, ask)) = self.desk.take() else {
                return Some(Err(Error::plugin("the method waits for something other than its study")));
            };
            if let Err(error) = self.desk.monitor.check_time() {
                self.desk.answer(id, Err(error));
                continue;
            }
            match ask {
                Ask::Masked(masked) if masked.may_share(self.batch_size) => {
                    let targets = self.desk.targets();
                    self.waiting = Some(Waiting { id, masked, targets, scores: Vec::new(), done: 0 });
                }
                ask => {
                    let monitor = &self.desk.monitor;
                    let passed = |n| match ask {
                        Ask::RunFrom { .. } => monitor.head_passed(n),
                        _ => monitor.passed(n),
                    };
                    let read = read(model, self.desk.targets(), |model| {
                        passes::answer(model, &ask, self.batch_size, &passed)
                    });
                    self.desk.answer(id, read);
                }
            }
            if self.desk.monitor.is_cancelled() {
                return Some(Err(Error::cancelled()));
            }
        }
        None
    }

    /// Gives up the masks that wait when the time is up.
    fn give_up_late(&mut self) {
        if let Err(error) = self.desk.monitor.check_time() {
            self.scored(Err(error));
        }
    }

    /// Takes the scores of the next masks, or the error that they met; answers when all are scored.
    fn scored(&mut self, scores: Result<Tensor>) {
        let Some(mut waiting) = self.waiting.take() else { return };
        let answer = match scores.and_then(|scores| waiting.add(scores)) {
            Ok(None) => return self.waiting = Some(waiting),
            Ok(Some(scores)) => Ok(vec![scores]),
            Err(error) => Err(error),
        };
        self.desk.answer(waiting.id, answer);
    }
}

impl MaskedImages {
    /// Whether a batch of other images may have room for these masks: all of one image, in batches of the usual size.
    /// Wrong ones, and none at all, are left to the model, which refuses them or answers at once.
    fn may_share(&self, batch_size: usize) -> bool {
        let is_right = self.request(&|_| Ok(())).dims().is_ok_and(|(_, masks)| !masks.contains(&0));
        is_right && self.cuts.is_empty() && self.image_of_mask.is_empty() && self.batch_size == batch_size
    }

    /// The number of masks.
    fn count(&self) -> usize {
        self.masks.shape()[0]
    }

    /// The masks' values, and the shape of so many of them from `first` on.
    fn part(&self, first: usize, count: usize) -> ([usize; 3], &[f32]) {
        let [h, w] = [self.masks.shape()[1], self.masks.shape()[2]];
        ([count, h, w], &self.masks.data()[first * h * w..][..count * h * w])
    }

    /// What masks must have in common to share a batch: the shapes of image and mask, how these meet, and the batch's size.
    fn kind(&self) -> (&[usize], &[usize], Upsample, bool, usize) {
        let (image, mask) = (&self.images.shape()[1..], &self.masks.shape()[1..]);
        (image, mask, self.upsample, self.fill.is_some(), self.batch_size)
    }
}

/// Runs on the model as `targets` read it, or as it is.
fn read<T>(
    model: &dyn ViewedModel,
    targets: Option<Arc<TargetSet>>,
    run: impl FnOnce(&dyn ViewedModel) -> Result<T>,
) -> Result<T> {
    match targets {
        None => run(model),
        Some(targets) => run(model.with_targets(targets)?.as_ref()),
    }
}

impl Waiting {
    /// Whether masks of another task may share a batch with these.
    fn is_alike(&self, other: &Self) -> bool {
        let same_targets = match (&self.targets, &other.targets) {
            (None, None) => true,
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            _ => false,
        };
        same_targets && self.masked.kind() == other.masked.kind()
    }

    fn left(&self) -> usize {
        self.masked.count() - self.done
    }

    /// Keeps `scores` [n, classes] of the next n masks; all of them when these were the last.
    fn add(&mut self, scores: Tensor) -> Result<Option<Tensor>> {
        let [n, classes] = scores.view().dims("the scores")?;
        if self.scores.len() != self.done * classes {
            bail!(model, "the model returned scores of different numbers of classes in two batches");
        }
        if n == self.masked.count() {
            return Ok(Some(scores));
        }
        append(&mut self.scores, scores.data())?;
        self.done += n;
        match self.left() {
            0 => Tensor::new([self.done, classes], std::mem::take(&mut self.scores)).map(Some),
            _ => Ok(None),
        }
    }
}

/// Tasks on one model.
pub(crate) struct Driver<'m, 't, T> {
    model: &'m dyn ViewedModel,
    tasks: VecDeque<Task<'t, T>>,
}

impl<'m, 't, T> Driver<'m, 't, T> {
    pub(crate) fn new(model: &'m dyn ViewedModel) -> Self {
        Self { model, tasks: VecDeque::new() }
    }

    /// How many tasks are at work.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn add(&mut self, task: Task<'t, T>) {
        self.tasks.push_back(task);
    }

    /// Goes on until the first of the tasks, in their order, ends: its position and result. None when there is no task.
    /// `is_all` says that no task will be added before these have ended.
    pub(crate) fn next(&mut self, is_all: bool) -> Option<(usize, Result<T>)> {
        while !self.tasks.is_empty() {
            for i in 0..self.tasks.len() {
                let task = &mut self.tasks[i];
                if let Some(result) = task.settle(self.model) {
                    return self.tasks.remove(i).map(|task| (task.position, result));
                }
            }
            self.tasks.iter_mut().for_each(Task::give_up_late);
            self.lead(is_all);
            let is_cancelled = |task: &Task<'_, T>| task.desk.monitor.is_cancelled();
            if let Some(i) = self.tasks.iter().position(is_cancelled) {
                return self.tasks.remove(i).map(|task| (task.position, Err(Error::cancelled())));
            }
        }
        None
    }

    /// Scores masks of the first task: all that fill batches, or else the rest, along with masks of the next tasks.
    fn lead(&mut self, is_all: bool) {
        let Some(leader) = self.tasks.front() else { return };
        let Some(waiting) = &leader.waiting else { return };
        let (left, size) = (waiting.left(), self.model.info().batch.size(leader.batch_size));
        let is_alone = !leader.shares || is_all && self.tasks.len() == 1;
        let whole = if is_alone { left } else { left / size * size };
        let parts = if whole > 0 { vec![(0, whole)] } else { self.parts(waiting, size) };
        match (self.scores(&parts), &parts[..]) {
            (scores, &[(leader, _)]) => self.tasks[leader].scored(scores),
            (Ok(scores), _) => self.hand_out(&parts, &scores),
            (Err(error), _) => {
                tracing::debug!(%error, "a shared batch failed; its images go on alone");
                parts.iter().for_each(|&(task, _)| self.tasks[task].shares = false);
            }
        }
    }

    /// The masks of one batch, by task and number: all that the leader waits for, and those of others that fit in.
    fn parts(&self, leader: &Waiting, size: usize) -> Vec<(usize, usize)> {
        let mut parts = vec![(0, leader.left())];
        let mut room = size - leader.left();
        for (i, task) in self.tasks.iter().enumerate().skip(1) {
            let alike = |other: &&Waiting| task.shares && leader.is_alike(other);
            let masks = task.waiting.as_ref().filter(alike).map_or(0, |other| other.left().min(room));
            if masks > 0 {
                parts.push((i, masks));
                room -= masks;
            }
        }
        parts
    }

    /// The scores of the next masks of tasks, in one request to the model.
    fn scores(&self, parts: &[(usize, usize)]) -> Result<Tensor> {
        let waiting: Vec<(&Waiting, usize)> =
            parts.iter().filter_map(|&(i, masks)| Some((self.tasks[i].waiting.as_ref()?, masks))).collect();
        let [(leader, count), others @ ..] = &waiting[..] else { return Tensor::zeros([0, 0]) };
        if others.is_empty() {
            let passed = |n| {
                // The others wait; they learn that time goes by, and may cancel.
                self.tasks.iter().skip(1).for_each(|task| drop(task.desk.monitor.report()));
                self.tasks[parts[0].0].desk.monitor.passed(n)
            };
            let (shape, masks) = leader.masked.part(leader.done, *count);
            let request = leader.masked.request(&passed);
            let request = MaskedScores { masks: TensorView::new(&shape, masks)?, ..request };
            return read(self.model, leader.targets.clone(), |model| passes::masked_scores(model, &request));
        }
        let stacked = stacked(&waiting)?;
        let targets = leader.targets.clone();
        read(self.model, targets, |model| passes::masked_scores(model, &stacked.request(&|_| Ok(()))))
    }

    /// Gives each task the scores of its masks in a shared batch, and reports them.
    fn hand_out(&mut self, parts: &[(usize, usize)], scores: &Tensor) {
        let classes = scores.shape()[1];
        let mut rest = scores.data();
        for &(i, masks) in parts {
            let (own, others) = rest.split_at(masks * classes);
            let own = TensorView::new(&[masks, classes], own).and_then(|own| own.try_to_tensor());
            self.tasks[i].scored(own);
            // A cancellation is kept, and found by `next`.
            drop(self.tasks[i].desk.monitor.passed(masks));
            rest = others;
        }
    }
}

/// The next masks of several tasks as those of one request.
fn stacked(waiting: &[(&Waiting, usize)]) -> Result<MaskedImages> {
    let leader = &waiting[0].0.masked;
    let total = waiting.iter().map(|(_, masks)| masks).sum();
    let mut masks = room_for(&[total, leader.masks.shape()[1], leader.masks.shape()[2]])?;
    waiting.iter().for_each(|(task, count)| masks.extend_from_slice(task.masked.part(task.done, *count).1));
    let shape = [&[waiting.len()], &leader.images.shape()[1..]].concat();
    let stack = |of: &dyn Fn(&MaskedImages) -> Option<Arc<Tensor>>| {
        let all: Vec<_> = waiting.iter().filter_map(|(task, _)| of(&task.masked)).collect();
        let values = all.iter().flat_map(|tensor| tensor.data()).copied();
        Tensor::new(shape.clone(), gathered(&shape, values)?).map(Arc::new)
    };
    let owners = waiting.iter().zip(0u32..).flat_map(|((_, count), i)| std::iter::repeat_n(i, *count));
    Ok(MaskedImages {
        images: stack(&|task| Some(Arc::clone(&task.images)))?,
        fill: leader.fill.as_ref().map(|_| stack(&|task| task.fill.clone())).transpose()?,
        masks: Arc::new(Tensor::new([&[total], &leader.masks.shape()[1..]].concat(), masks)?),
        image_of_mask: owners.collect(),
        ..leader.clone()
    })
}
