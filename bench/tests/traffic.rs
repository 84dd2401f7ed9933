//! What crosses the bus is reckoned right from the shapes of a request.

use scorecam_bench::Traffic;
use scorecam_core::{BatchRule, Forward, MaskedScores, Tensor, Upsample};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape.to_vec()).expect("a tensor")
}

/// Five masks of 7 x 7 cells over images of 3 x 32 x 32, with four classes.
fn check(images: usize, with_fill: bool, rule: BatchRule, expected: [(u64, u64); 2]) {
    let (shown, fill, masks) = (zeros(&[images, 3, 32, 32]), zeros(&[images, 3, 32, 32]), zeros(&[5, 7, 7]));
    let image_of_mask = if images == 1 { Vec::new() } else { vec![0; 5] };
    let request = MaskedScores {
        images: shown.view(),
        fill: with_fill.then(|| fill.view()),
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &image_of_mask,
        upsample: Upsample::HalfPixel,
        batch_size: 2,
        on_batch: &|_| Ok(()),
    };
    let scores = zeros(&[5, 4]);
    let whole = Traffic::of_masked_images(&request, &scores, rule).expect("a sound request");
    let found = [Traffic::of_masks(&request, &scores), whole].map(|traffic| (traffic.up, traffic.down));
    assert_eq!(found, expected, "{images} images, fill {with_fill}, {rule:?}");
}

#[test]
fn masked_scores_move_the_image_once_and_the_default_moves_it_for_each_mask() {
    const IMAGE: u64 = 3 * 32 * 32 * 4;
    const MASKS: u64 = 5 * 7 * 7 * 4;
    const SCORES: u64 = 5 * 4 * 4;
    let any = BatchRule::Any { preferred: 16 };
    check(1, false, any, [(IMAGE + MASKS, SCORES), (5 * IMAGE, SCORES)]);
    check(1, true, any, [(2 * IMAGE + MASKS, SCORES), (5 * IMAGE, SCORES)]);
    check(2, false, any, [(2 * IMAGE + MASKS + 5 * 4, SCORES), (5 * IMAGE, SCORES)]);
    check(1, false, BatchRule::Fixed(4), [(IMAGE + MASKS, SCORES), (8 * IMAGE, 8 * 4 * 4)]);
}

#[test]
fn a_pass_moves_its_batch_its_scores_and_what_is_tapped() {
    let (batch, scores, tap) = (zeros(&[2, 3, 8, 8]), zeros(&[2, 4]), zeros(&[2, 10, 5, 5]));
    let answer = Forward { scores, activations: vec![tap] };
    let mut sum = Traffic::default();
    sum += Traffic::of_forward(&batch.view(), &answer);
    sum += Traffic { up: 1, down: 2 };
    assert_eq!(sum, Traffic { up: 2 * 3 * 64 * 4 + 1, down: 2 * 4 * 4 + 2 * 10 * 25 * 4 + 2 });
    assert_eq!(sum.bytes(), sum.up + sum.down);
}
