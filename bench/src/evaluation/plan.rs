//! What is evaluated: models, methods, measures and data, a row each.

/// A model of the cache.
pub(crate) struct Model {
    /// Also the stem of its files.
    pub(crate) name: &'static str,
    /// Whether the part behind its layer is linear, which CAM asks for.
    pub(crate) linear_head: bool,
}

pub(crate) const MODELS: [Model; 2] = [
    Model { name: "efficientnet_lite0", linear_head: true },
    Model { name: "squeezenet1_1", linear_head: false },
];

/// A method of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// As it is shown.
    pub(crate) title: &'static str,
    pub(crate) id: &'static str,
    pub(crate) set: &'static [(&'static str, &'static str)],
    pub(crate) needs: Needs,
}

/// What a method asks of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Any model and backend.
    Nothing,
    LinearHead,
    /// A backend with gradients: the model's TorchScript form on libtorch.
    Gradients,
}

impl Method {
    /// As it is typed behind `--method`.
    pub(crate) fn argument(&self) -> String {
        let set = self.set.iter().map(|(key, value)| format!(",{key}={value}"));
        std::iter::once(self.id.to_owned()).chain(set).collect()
    }
}

const fn plain(id: &'static str) -> Method {
    needing(id, Needs::Nothing)
}

const fn needing(id: &'static str, needs: Needs) -> Method {
    Method { title: id, id, set: &[], needs }
}

/// The first one is what others are compared with, beside the sum of activation maps.
pub(crate) const METHODS: [Method; 16] = [
    plain("score-cam"),
    Method {
        title: "score-cam-adaptive, 64 passes",
        set: &[("passes", "64")],
        ..plain("score-cam-adaptive")
    },
    plain("group-cam"),
    plain("recipro-cam"),
    plain("ablation-cam"),
    needing("cam", Needs::LinearHead),
    plain("grad-cam"),
    plain("xgrad-cam"),
    needing("grad-cam-plus-plus", Needs::Gradients),
    needing("layer-cam", Needs::Gradients),
    needing("hires-cam", Needs::Gradients),
    plain("eigen-cam"),
    plain("kpca-cam"),
    plain("fem"),
    Method { title: "rise, 512 masks", set: &[("passes", "512")], ..plain("rise") },
    plain("occlusion"),
];

/// The methods that a model can be explained by, those of the TorchScript form apart.
pub(crate) fn methods_of(model: &Model) -> impl Iterator<Item = &'static Method> {
    METHODS.iter().filter(move |method| match method.needs {
        Needs::Nothing => true,
        Needs::LinearHead => model.linear_head,
        Needs::Gradients => false,
    })
}

/// The methods that need gradients.
pub(crate) fn gradient_methods() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().filter(|method| method.needs == Needs::Gradients)
}

/// Maps that know too little, as the program names them.
pub(crate) const BASELINES: [&str; 4] = ["sum", "center", "edges", "random"];

/// A measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// As the program names it; [`DIFFERENCE`] is made of two of these.
    pub(crate) name: &'static str,
    /// Whether more of it is better.
    pub(crate) more_is_better: bool,
}

/// Insertion minus deletion.
pub(crate) const DIFFERENCE: &str = "insertion - deletion";

const fn more(name: &'static str) -> Measure {
    Measure { name, more_is_better: true }
}

const fn less(name: &'static str) -> Measure {
    Measure { name, more_is_better: false }
}

/// How faithful a map is to the model.
pub(crate) const FAITHFUL: [Measure; 5] =
    [less("drop"), more("increase"), less("deletion"), more("insertion"), more(DIFFERENCE)];
/// Whether it lies on the object.
pub(crate) const LOCATED: [Measure; 5] =
    [more("energy"), more("lift"), more("pointing"), more("roc"), more("iou")];
/// Whether it lies on the one of two objects that it is about.
pub(crate) const TOLD_APART: [Measure; 4] = [more("energy"), more("lift"), more("pointing"), more("roc")];

/// The points of curves: a twentieth of the pixels changes from one to the next.
pub(crate) const POINTS: &str = "floor:20";
/// The share of a map's greatest value from which a pixel belongs to its box: right for maps of few cells.
pub(crate) const THRESHOLD: &str = "0.5";

/// Everything is drawn from it.
pub(crate) const SEED: u64 = 18;
/// Composites with one object that are measured, unless fewer are recognized.
pub(crate) const COMPOSITES: u16 = 24;
/// Composites with two objects.
pub(crate) const PAIRS: u16 = 12;
/// Pairs that are tried at most.
pub(crate) const MOST_TRIED: usize = 600;
/// Pairs that a stamp is part of, at most.
pub(crate) const MOST_PAIRS_OF_STAMP: usize = 2;

/// Photos of the cache. Nothing says where in them the evidence should lie.
pub(crate) const PHOTOS: [&str; 5] =
    ["chelsea.png", "camera.png", "coffee.png", "space/astronaut.png", "space/rocket.jpg"];
/// The photo that costs are measured on.
pub(crate) const COST_PHOTO: &str = "photos/chelsea.png";
