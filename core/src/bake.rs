//! [`Bake`]: models that are derived from a model's file, for any runtime.

use crate::TensorView;

/// A model to derive from a model's file.
#[derive(Debug, Clone, Copy)]
pub enum Bake<'a> {
    /// The model with one more output, `saliency_map` [N, h, w], and one more input, `saliency_class`, whose default -1
    /// means the top class. The map is that of Recipro-CAM with raw scores, scaled to [0, 1].
    Map {
        /// Rows and columns of the layer's maps.
        grid: [usize; 2],
        /// For each cell, row by row, a mask for the layer's raw tensor: [cells, ...], with length 1 for axes along
        /// which it is constant.
        cells: TensorView<'a>,
    },
    /// The model with the layer as one more output.
    Tap,
    /// The part of the model after the layer, whose input is the layer's tensor.
    Head,
    /// The model with the masking built in, for any layer: instead of the images its inputs are `saliency_image`
    /// [1, C, H, W], `saliency_masks` [M, 1, h, w], and the upsampling by `saliency_rows` [H, h] and `saliency_columns` [w, W]
    /// ([`crate::Upsampler::row_matrix`]); its outputs have a row per mask.
    Masked,
}
