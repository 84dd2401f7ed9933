//! [`Layers`]: a model's layers, with the current knowledge of their axes.
//!
//! Trial passes look at one or two layers of a family whose axes mean the same: at the first one, which shows patches most
//! clearly, and at the one that would be explained. When a model is loaded these are the families that recommend
//! themselves; others are looked at when a caller names one of their layers.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{Form, Meaning};
use super::output::written;
use crate::{LayerInfo, ModelInfo, Result};

/// How many families the first look takes in.
const FIRST: usize = 6;
/// Values that one look may tap in one image: 256 MiB of them.
const MOST_TAPPED: usize = 1 << 26;

/// What a look found of a layer: its axes behind the batch, and its form.
pub(super) type Found = Option<(Vec<usize>, Form)>;

/// The layers as they lie in the model.
pub(super) struct Layers {
    pub(super) all: Vec<LayerInfo>,
    /// The layer that the backend takes when none is named, as far as it says.
    suggested: Option<usize>,
    /// First layers of the families that were looked at.
    seen: BTreeSet<usize>,
}

impl Layers {
    pub(super) fn new(info: &ModelInfo) -> Self {
        Self { all: info.layers.clone(), suggested: info.default_layer, seen: BTreeSet::new() }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|layer| layer.name == name)
    }

    /// The first layer of a layer's family.
    fn head(&self, i: usize) -> usize {
        self.all[i].like.unwrap_or(i)
    }

    fn is_preferred(&self, i: usize) -> bool {
        self.all[i].preference > 0 || self.suggested == Some(i)
    }

    /// Whether a look could tell what the axes of a layer are.
    fn is_open(&self, i: usize) -> bool {
        let layer = &self.all[i];
        let long = layer.shape.iter().filter(|axis| axis.is_none_or(|n| n > 1)).count();
        layer.meaning == Meaning::Unknown
            && matches!(layer.shape.len(), 2 | 3)
            && long > 1
            && !self.seen.contains(&self.head(i))
    }

    /// The layers to look at first: of the families that recommend themselves most, and of the layers that are `named`.
    pub(super) fn first_look(&self, named: &[usize]) -> Vec<usize> {
        let rank = |i: &usize| (named.contains(i), self.all[*i].preference, self.suggested == Some(*i), *i);
        let mut likely: Vec<usize> =
            (0..self.all.len()).filter(|&i| self.is_preferred(i) || named.contains(&i)).collect();
        likely.sort_by_key(|i| std::cmp::Reverse(rank(i)));
        let mut families = BTreeSet::new();
        likely.retain(|&i| families.insert(self.head(i)));
        likely.truncate(FIRST.max(named.len()));
        likely.retain(|&i| self.is_open(i));
        self.with_heads(likely)
    }

    /// The layers to look at where the first look has not made one certain.
    pub(super) fn second_look(&self) -> Vec<usize> {
        self.of_families(|i| self.is_preferred(i))
    }

    /// All layers that a look may tell something of.
    pub(super) fn every_look(&self) -> Vec<usize> {
        self.of_families(|_| true)
    }

    /// What to look at for one layer; nothing where its axes are known or were looked at.
    pub(super) fn look_at(&self, i: usize) -> Vec<usize> {
        if self.is_open(i) { self.with_heads(vec![i]) } else { Vec::new() }
    }

    /// The last of each family among those that `wanted` chooses.
    fn of_families(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut families = BTreeMap::new();
        for i in (0..self.all.len()).filter(|&i| self.is_open(i) && wanted(i)) {
            families.insert(self.head(i), i);
        }
        let mut last: Vec<usize> = families.into_values().collect();
        last.reverse();
        self.with_heads(last)
    }

    /// `layers`, the most important first, with the first ones of their families, as many as memory allows.
    fn with_heads(&self, layers: Vec<usize>) -> Vec<usize> {
        let mut room = MOST_TAPPED;
        let mut taps = BTreeSet::new();
        for i in layers.into_iter().flat_map(|i| [i, self.head(i)]) {
            let axes = self.all[i].shape.iter();
            let values = axes.fold(1usize, |n, axis| n.saturating_mul(axis.unwrap_or(1)));
            room = room.saturating_sub(values);
            if room > 0 {
                taps.insert(i);
            }
        }
        taps.into_iter().collect()
    }

    /// Takes in what a look at `taps` found. Where two layers of a family show different forms, neither is certain.
    pub(super) fn read(&mut self, taps: &[usize], found: &[Found]) {
        let mut families: BTreeMap<usize, Vec<(usize, &Found)>> = BTreeMap::new();
        for (&tap, found) in taps.iter().zip(found) {
            families.entry(self.head(tap)).or_default().push((tap, found));
        }
        for (head, looks) in families {
            self.seen.insert(head);
            let mut forms = looks.iter().filter_map(|(_, found)| found.as_ref().map(|(_, form)| *form));
            let form = forms.next().filter(|form| forms.all(|other| other == *form));
            let family: Vec<usize> = (0..self.all.len()).filter(|&i| self.head(i) == head).collect();
            for i in family {
                self.set(i, form);
                looks.iter().for_each(|(tap, found)| self.measure(i, *tap, found.as_ref()));
            }
        }
    }

    fn set(&mut self, i: usize, form: Option<Form>) {
        self.all[i].meaning = form.map_or(Meaning::Unknown, Meaning::Map);
    }

    /// Completes the shape of layer `i` by what was seen of layer `tap` of its family, whose last axis may differ.
    fn measure(&mut self, i: usize, tap: usize, found: Option<&(Vec<usize>, Form)>) {
        let Some((axes, _)) = found else { return };
        let shape = &mut self.all[i].shape;
        let same = if tap == i { shape.len() } else { shape.len().saturating_sub(1) };
        shape.iter_mut().zip(axes).take(same).for_each(|(axis, &n)| *axis = Some(n));
    }

    /// The layer of the highest preference that is known to hold maps.
    pub(super) fn default(&self) -> Option<usize> {
        let key = |i: &usize| (self.all[*i].preference, self.suggested == Some(*i), *i);
        let likely =
            (0..self.all.len()).filter(|&i| self.is_preferred(i) && self.all[i].has_spatial_extent());
        likely.max_by_key(key)
    }

    /// Sets the form that the caller gave of the layers that are `named`, or of the one that would be taken; an error where it
    /// does not fit.
    pub(super) fn say(&mut self, named: &[usize], form: Form) -> Result<()> {
        let taken = || self.default().or(self.suggested).into_iter().collect();
        let said: Vec<usize> = if named.is_empty() { taken() } else { named.to_vec() };
        ensure!(!said.is_empty(), invalid, "layer grid {form} was given without a layer");
        for i in said {
            let layer = &mut self.all[i];
            if form.map_shape(&layer.shape).is_none() {
                let shape: Vec<_> = std::iter::once(None).chain(layer.shape.iter().copied()).collect();
                bail!(
                    invalid,
                    "layer {:?} has shape {}, which layer grid {form} does not fit",
                    layer.name,
                    written(&shape)
                );
            }
            layer.meaning = Meaning::Map(form);
        }
        Ok(())
    }
}
