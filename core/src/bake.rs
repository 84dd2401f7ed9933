//! [`Bake`]: what can be made of a model's own file, for any runtime to run.

use crate::TensorView;

/// What a backend is to make of a model's file.
#[derive(Debug, Clone, Copy)]
pub enum Bake<'a> {
    /// The model with one more output, `saliency_map` [N, h, w], and one more input, `saliency_class`, of which -1, its
    /// default, stands for the best class. The map is that of Recipro-CAM by raw scores, brought to [0, 1].
    Map {
        /// Rows and columns of the layer's maps.
        grid: [usize; 2],
        /// For each cell, row by row, what stays of the layer's raw tensor: [cells, ...], with 1 for an axis along which it
        /// is the same.
        cells: TensorView<'a>,
    },
    /// The model with the layer as one more output.
    Tap,
    /// The part of the model behind the layer, whose input is the layer's tensor.
    Head,
    /// The model with its masked images made in it, for any layer: in place of the images its inputs are `saliency_image`
    /// [1, C, H, W], `saliency_masks` [M, 1, h, w], and the upsampling by `saliency_rows` [H, h] and `saliency_columns` [w, W]
    /// ([`crate::Upsampler::row_matrix`]); its outputs have a row for each mask.
    Masked,
}
