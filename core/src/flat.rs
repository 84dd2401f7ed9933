//! The warning about flat saliency maps.
//!
//! A map that is 0 everywhere is a result that looks like a fault. Which of both it is can be told by any method's
//! output: the activations say whether there was something to show, and the options whether it was cut off.

use crate::{Options, StudyContext, Tensor};

/// A line about the targets whose map is 0 everywhere, and why; none where every map shows something. `maps` has
/// shape [targets, H, W], and `texts` say what the targets are.
pub(crate) fn warning(
    maps: &Tensor,
    (texts, context): (&[&str], &StudyContext),
    options: &Options,
) -> Option<String> {
    let is_flat = |&(i, _): &(usize, &&str)| maps.item(i).iter().all(|&v| v == 0.0);
    let flat: Vec<String> =
        texts.iter().enumerate().filter(is_flat).map(|(_, text)| text.replacen(':', " ", 1)).collect();
    let targets = match &flat[..] {
        [] => return None,
        [target] => format!("the map of {target} is"),
        several => format!("the maps of {} are", several.join(", ")),
    };
    Some(format!("{targets} 0 everywhere: {}", reason(context, options)))
}

fn reason(context: &StudyContext, options: &Options) -> String {
    let (layer, values) = (&context.layer, context.activations.data());
    if layer.is_empty() {
        return match options.text("post_relu") {
            Ok("true") => {
                "no evidence supports the target, and post_relu=true keeps nothing else; set post_relu=false"
                    .into()
            }
            _ => "no part of the image changes the score".into(),
        };
    }
    let cells: usize = context.activations.shape()[2..].iter().product();
    if values.chunks_exact(cells).all(|channel| channel.iter().all(|v| *v == channel[0])) {
        return format!("no channel of layer {layer:?} varies over the image; choose another layer");
    }
    let is_signed = values.iter().any(|&v| v < 0.0);
    match options.text("post_relu") {
        Ok("true") if is_signed => format!(
            "no channel has positive evidence, and post_relu=true keeps nothing else; layer {layer:?} has signed \
             features; set post_relu=false, or choose another layer"
        ),
        Ok("true") => format!(
            "no channel of layer {layer:?} has positive evidence for the class; choose another layer or class"
        ),
        Ok(_) => format!(
            "the evidence in the channels of layer {layer:?} is the same everywhere, as behind the last attention of a \
             network that reads its class token alone; choose an earlier layer"
        ),
        // Another method's reasons are its own.
        Err(_) => format!("the method found no evidence in layer {layer:?}; choose another layer or method"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use std::sync::Arc;

    use crate::OutputActivation;

    /// Two targets on a layer of two channels; `expected` are words of the line, none for no line.
    fn check(maps: [[f32; 2]; 2], activations: [f32; 4], post_relu: Option<&str>, expected: &[&str]) {
        let maps = Tensor::new([2, 1, 2], maps.concat()).expect("maps");
        let tensor = |shape: [usize; 4], values: &[f32]| Tensor::new(shape, values.to_vec()).map(Arc::new);
        let context = StudyContext {
            input: tensor([1, 1, 1, 1], &[0.0]).expect("an input"),
            reference: None,
            activations: tensor([1, 2, 1, 2], &activations).expect("activations"),
            layer: "top".into(),
            scores: vec![0.0; 8],
            output_activation: OutputActivation::None,
            targets: vec![3, 7],
            batch_size: 1,
        };
        let values = post_relu.map(|value| ("post_relu".to_owned(), value.to_owned()));
        let texts = ["class:3", "class:7"];
        let found = warning(&maps, (&texts, &context), &Options::from_checked(BTreeMap::from_iter(values)));
        let text = found.clone().unwrap_or_default();
        assert!(expected.iter().all(|word| text.contains(word)), "{expected:?} is not in {text:?}");
        assert_eq!(found.is_some(), !expected.is_empty(), "{text:?}");
    }

    #[test]
    fn a_map_of_zeros_is_named_with_its_reason() {
        let (some, none) = ([0.0, 0.5], [0.0; 2]);
        check([some, some], [0.0, 1.0, 0.0, 2.0], Some("true"), &[]);
        check(
            [some, none],
            [1.0, 1.0, 2.0, 2.0],
            Some("true"),
            &["class 7 is 0", "no channel of layer \"top\" varies"],
        );
        check([none, some], [-1.0, 1.0, 0.0, 2.0], Some("true"), &["class 3 is 0", "set post_relu=false"]);
        check(
            [none, none],
            [0.0, 1.0, 0.0, 2.0],
            Some("true"),
            &["class 3, class 7 are 0", "no channel", "positive evidence"],
        );
        check([none, some], [-1.0, 1.0, 0.0, 2.0], Some("false"), &["the same everywhere"]);
        check([none, some], [-1.0, 1.0, 0.0, 2.0], None, &["the method found no evidence"]);
    }
}
