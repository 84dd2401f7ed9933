//! What is measured: models, tools, and ways to make do with fewer passes, a row each.

/// A model, and how much of the run it gets.
pub(crate) struct Model {
    /// Also the stem of its files, and its name in `bench/peers/networks.py`.
    pub(crate) name: &'static str,
    pub(crate) layer: &'static str,
    pub(crate) origin: Origin,
}

/// Where a model's weights come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the cache: trained, so the quality of its maps means something.
    Fetched,
    /// Random, made by the environment with the other tools: for speed alone, and too slow for more than one round
    /// of each tool at its fastest.
    Random,
}

pub(crate) const MODELS: [Model; 3] = [
    Model { name: "efficientnet_lite0", layer: "features", origin: Origin::Fetched },
    Model { name: "squeezenet1_1", layer: "features", origin: Origin::Fetched },
    Model { name: "resnet50_random", layer: "layer4", origin: Origin::Random },
];

/// Another tool.
pub(crate) struct Peer {
    pub(crate) title: &'static str,
    /// Its name in `bench/peers/peer.py`.
    pub(crate) script: &'static str,
    /// Our preset that computes the same map, or what it computes instead.
    pub(crate) map: Computes,
    pub(crate) batch: Batch,
}

#[derive(Clone, Copy)]
pub(crate) enum Computes {
    Preset(&'static str),
    Other(&'static str),
}

/// Masked images in one pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// What the tool takes by itself.
    Own,
    /// What has turned out to be fastest for PyTorch on this machine.
    Best,
}

const fn peer(title: &'static str, script: &'static str, map: Computes, batch: Batch) -> Peer {
    Peer { title, script, map, batch }
}

/// The presets that some other tool computes, ours first in each comparison.
pub(crate) const PRESETS: [&str; 3] = ["official", "torchcam", "pytorch-grad-cam"];

pub(crate) const PEERS: [Peer; 7] = [
    peer("authors' loop, a mask a pass", "loop", Computes::Preset("official"), Batch::Own),
    peer("authors' loop", "loop", Computes::Preset("official"), Batch::Best),
    peer("torch-cam, its own batches", "torch-cam", Computes::Preset("torchcam"), Batch::Own),
    peer("torch-cam", "torch-cam", Computes::Preset("torchcam"), Batch::Best),
    peer("grad-cam, its own batches", "grad-cam", Computes::Preset("pytorch-grad-cam"), Batch::Own),
    peer("grad-cam", "grad-cam", Computes::Preset("pytorch-grad-cam"), Batch::Best),
    peer("captum LayerFeatureAblation", "captum", Computes::Other("Ablation-CAM"), Batch::Best),
];

/// The presets that are compared on a model. Where each takes minutes, only the first.
pub(crate) fn presets_of(model: &Model) -> &'static [&'static str] {
    if model.origin == Origin::Random { &PRESETS[..1] } else { &PRESETS }
}

/// The peers that have a turn on a model. Where each takes minutes, only the fastest of the same map do.
pub(crate) fn peers_of(model: &Model) -> impl Iterator<Item = &'static Peer> {
    let short = model.origin == Origin::Random;
    let wanted =
        move |peer: &&Peer| !short || peer.batch == Batch::Best && matches!(peer.map, Computes::Preset(_));
    PEERS.iter().filter(wanted)
}

/// A way of ours to make a map of fewer passes.
pub(crate) struct Budgeted {
    pub(crate) title: &'static str,
    pub(crate) method: &'static str,
    /// Options whatever the budget.
    pub(crate) set: &'static [(&'static str, &'static str)],
    /// The option that takes the budget.
    pub(crate) budget: &'static str,
}

pub(crate) const BUDGETED: [Budgeted; 3] = [
    Budgeted {
        title: "top n by std",
        method: "score-cam",
        set: &[("select", "std")],
        budget: "select_count",
    },
    Budgeted {
        title: "top n by max",
        method: "score-cam",
        set: &[("select", "max")],
        budget: "select_count",
    },
    Budgeted { title: "adaptive", method: "score-cam-adaptive", set: &[], budget: "passes" },
];

/// Masks to score, for methods that score fewer than all.
pub(crate) const BUDGETS: [u64; 4] = [32, 64, 128, 256];

impl Budgeted {
    /// The method's options at a budget.
    pub(crate) fn options(&self, budget: u64) -> serde_json::Map<String, serde_json::Value> {
        let fixed = self.set.iter().map(|&(key, value)| (key.to_owned(), value.into()));
        fixed.chain([(self.budget.to_owned(), budget.to_string().into())]).collect()
    }
}
