//! Photos that are free to use.

use super::super::pip::{Archive, Package};
use super::{Item, Origin, Product};

const SCIKIT_IMAGE: Package = Package {
    requirement: "scikit-image==0.26.0",
    sha256: "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    bytes: 13_711_217,
    archive: Archive::LinuxWheel,
};

pub(super) const PHOTOS: Item = Item {
    title: "three photos",
    elsewhere: None,
    products: &[
        Product {
            path: "photos/chelsea.png",
            origin: Origin::Member {
                of: &SCIKIT_IMAGE,
                name: "skimage/data/chelsea.png",
                sha256: "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
            },
        },
        Product {
            path: "photos/camera.png",
            origin: Origin::Member {
                of: &SCIKIT_IMAGE,
                name: "skimage/data/camera.png",
                sha256: "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
            },
        },
        Product {
            path: "photos/coffee.png",
            origin: Origin::Member {
                of: &SCIKIT_IMAGE,
                name: "skimage/data/coffee.png",
                sha256: "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
            },
        },
        Product {
            path: "photos/ORIGIN.txt",
            origin: Origin::Written(include_str!("../../../models/photos.txt")),
        },
    ],
};
