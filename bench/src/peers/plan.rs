//! What is measured: models, tools, and ways to make do with fewer passes, a row each.

use std::str::FromStr;

use crate::device::Device;

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

/// A map of ours, as `--method METHOD:PRESET` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OurMap {
    pub(crate) method: &'static str,
    pub(crate) preset: &'static str,
}

impl OurMap {
    /// Its name on the page.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.method, self.preset)
    }
}

const fn our(method: &'static str, preset: &'static str) -> OurMap {
    OurMap { method, preset }
}

/// Another tool.
pub(crate) struct Peer {
    pub(crate) title: &'static str,
    pub(crate) program: Program,
    /// The map of ours that it computes, too.
    pub(crate) map: OurMap,
    pub(crate) batch: Batch,
}

/// The Python program that runs a tool, in an environment of its own, and the tool's name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `bench/peers/peer.py`.
    PyTorch(&'static str),
    /// `bench/peers/openvino/peer.py`, for the processor only.
    OpenVino(&'static str),
}

/// Changed images in one pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// What the tool takes by itself.
    Own,
    /// What has turned out to be fastest for PyTorch on this machine.
    Best,
}

const fn peer(title: &'static str, program: Program, map: OurMap, batch: Batch) -> Peer {
    Peer { title, program, map, batch }
}

/// The map that those of fewer passes are compared with, and the only one where each takes minutes.
pub(crate) const OFFICIAL: OurMap = our("score-cam", "official");
const TORCHCAM: OurMap = our("score-cam", "torchcam");
const GRAD_CAM: OurMap = our("score-cam", "pytorch-grad-cam");
const ABLATION: OurMap = our("ablation-cam", "pytorch-grad-cam");
const CAPTUM: OurMap = our("ablation-cam", "captum");
const RECIPRO: OurMap = our("recipro-cam", "openvino-xai");

/// The maps that some other tool computes, in the order of the page.
const MAPS: [OurMap; 6] = [OFFICIAL, TORCHCAM, GRAD_CAM, ABLATION, CAPTUM, RECIPRO];

pub(crate) const PEERS: [Peer; 11] = [
    peer("authors' loop, a mask a pass", Program::PyTorch("loop"), OFFICIAL, Batch::Own),
    peer("authors' loop", Program::PyTorch("loop"), OFFICIAL, Batch::Best),
    peer("torch-cam, its own batches", Program::PyTorch("torch-cam"), TORCHCAM, Batch::Own),
    peer("torch-cam", Program::PyTorch("torch-cam"), TORCHCAM, Batch::Best),
    peer("grad-cam, its own batches", Program::PyTorch("grad-cam"), GRAD_CAM, Batch::Own),
    peer("grad-cam", Program::PyTorch("grad-cam"), GRAD_CAM, Batch::Best),
    peer("grad-cam AblationCAM, its own batches", Program::PyTorch("ablation-cam"), ABLATION, Batch::Own),
    peer("grad-cam AblationCAM", Program::PyTorch("ablation-cam"), ABLATION, Batch::Best),
    peer("captum LayerFeatureAblation", Program::PyTorch("captum"), CAPTUM, Batch::Best),
    peer("openvino_xai, its own maps in bytes", Program::OpenVino("bytes"), RECIPRO, Batch::Own),
    peer("openvino_xai, maps in f32", Program::OpenVino("f32"), RECIPRO, Batch::Own),
];

/// The maps that are compared on a model.
pub(crate) fn maps_of(model: &Model) -> &'static [OurMap] {
    if model.origin == Origin::Random { &MAPS[..1] } else { &MAPS }
}

/// As `--map` names it.
impl FromStr for OurMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || MAPS.map(|map| map.name()).join(", ");
        let found = MAPS.into_iter().find(|map| map.name() == text);
        found.ok_or_else(|| format!("no other tool computes it; those that some tool does are {}", names()))
    }
}

/// The peers that have a turn on a model. Where each takes minutes, only the fastest of the one map do.
pub(crate) fn peers_of(model: &Model, device: Device) -> impl Iterator<Item = &'static Peer> {
    let short = model.origin == Origin::Random;
    PEERS.iter().filter(move |peer| {
        let runs_there = !device.is_gpu() || matches!(peer.program, Program::PyTorch(_));
        runs_there && (!short || peer.map == OFFICIAL && peer.batch == Batch::Best)
    })
}

/// Whether a tool that runs on OpenVINO has a turn on a model.
pub(crate) fn runs_on_openvino(model: &Model, device: Device) -> bool {
    peers_of(model, device).any(|peer| matches!(peer.program, Program::OpenVino(_)))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_map_has_a_peer_and_every_peer_a_map_and_a_name_of_its_own() {
        for map in MAPS {
            assert!(PEERS.iter().any(|peer| peer.map == map), "{}", map.name());
        }
        for peer in &PEERS {
            assert!(MAPS.contains(&peer.map), "{}", peer.title);
        }
        let titles: BTreeSet<_> = PEERS.iter().map(|peer| (peer.title, peer.batch == Batch::Best)).collect();
        assert_eq!(titles.len(), PEERS.len());
    }

    #[test]
    fn a_map_is_read_as_it_is_shown() {
        assert_eq!("recipro-cam:openvino-xai".parse(), Ok(RECIPRO));
        assert!("recipro-cam".parse::<OurMap>().unwrap_err().contains("ablation-cam:captum"));
    }

    #[test]
    fn a_slow_model_has_one_map_and_a_gpu_no_openvino() {
        let [trained, .., random] = &MODELS;
        let titles = |model, device| peers_of(model, device).map(|peer| peer.title).collect::<Vec<_>>();
        assert_eq!(titles(random, Device::Cpu), ["authors' loop"]);
        assert_eq!(maps_of(random), [OFFICIAL]);
        assert_eq!(titles(trained, Device::Cpu).len(), PEERS.len());
        assert!(titles(trained, Device::Cuda(0)).iter().all(|title| !title.contains("openvino")));
        assert!(runs_on_openvino(trained, Device::Cpu));
        assert!(!runs_on_openvino(random, Device::Cpu) && !runs_on_openvino(trained, Device::Cuda(0)));
    }
}
