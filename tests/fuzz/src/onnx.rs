//! An ONNX model's file: recognized, parsed, and its layers listed as far as the file tells them.

use scorecam_core::{Layout, ModelConfig};
use scorecam_onnx::declared_layers;

use crate::check_refusal;

/// Whatever the layout, the same layers are listed: named, of two or three axes, none of them 0 long.
pub fn check(bytes: &[u8]) -> bool {
    let config = |layout| ModelConfig { path: "fuzz.onnx".into(), layout, ..ModelConfig::default() };
    let listed = [Layout::Nchw, Layout::Nhwc].map(|layout| declared_layers(bytes, &config(Some(layout))));
    let [first, second] = match listed {
        [Ok(first), Ok(second)] => [first, second],
        [Err(first), Err(second)] => return check_refusal(&first) | check_refusal(&second),
        mixed => panic!("the layout decides whether a model is accepted: {mixed:?}"),
    };
    assert_eq!(first.len(), second.len());
    for (layer, other) in first.iter().zip(&second) {
        assert_eq!((&layer.name, &layer.operator), (&other.name, &other.operator));
        assert!(!layer.name.is_empty() && matches!(layer.shape.len(), 2 | 3), "{layer:?}");
        assert!(layer.shape.iter().all(|axis| *axis != Some(0)), "{layer:?}");
    }
    true
}
