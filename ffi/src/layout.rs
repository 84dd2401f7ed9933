//! The structs of the C API lie in memory as tests/golden/layout.txt says, which C compilers are asked, too.

use std::mem::{align_of, offset_of, size_of};

use crate::explanation::*;
use crate::host::*;
use crate::image::*;
use crate::located::*;
use crate::model::*;
use crate::overlay::*;

const GOLDEN: &str = include_str!("../../tests/golden/layout.txt");

/// The size of what a pointer to it is given; the pointer is not followed.
fn size_behind<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// The lines of the structs. A field that is left out does not compile.
macro_rules! lines {
    ($($name:ident { $($field:ident),+ $(,)? }),+ $(,)?) => {{
        let mut lines = Vec::new();
        $(
            let _all_fields = |$name { $($field: _),+ }: $name| {};
            lines.push(format!(concat!("struct ", stringify!($name), " {} {}"), size_of::<$name>(), align_of::<$name>()));
            $({
                let place = std::mem::MaybeUninit::<$name>::uninit();
                // SAFETY: only the field's address is taken, inside of memory that is there.
                let field = unsafe { &raw const (*place.as_ptr()).$field };
                lines.push(format!(
                    concat!("field ", stringify!($name), ".", stringify!($field), " {} {}"),
                    offset_of!($name, $field),
                    size_behind(field)
                ));
            })+
        )+
        lines
    }};
}

#[test]
fn every_struct_lies_in_memory_as_the_golden_layout_says() {
    let mut lines = lines! {
        scorecam_image { struct_size, kind, data, data_size, width, height, row_stride, plane_stride, format, sample_type, layout, orientation, channels, reserved },
        scorecam_explain_options { struct_size, jobs, method, preset, options, option_count, classes, class_count, top_k, layer, fuse, augment, batch_size, reference, previous, progress, user_data, targets, target_count, min_score, time_limit },
        scorecam_target { struct_size, has_box, class_index, score, output, label, text, rect, box_score },
        scorecam_plugin_info { struct_size, kind, id, version, summary, path, proof, abilities, reserved },
        scorecam_model_options { struct_size, threads, backend, layer, device, settings, setting_count, manifest, manifest_file, data, data_size },
        scorecam_model_info { struct_size, output_kind, class_count, channels, height, width, layer_count, name, backend, backend_reason, layer },
        scorecam_explanation_info { struct_size, has_maps, target_count, passes, warning_count, measure_count, layer },
        scorecam_placement { struct_size, is_known, photo_width, photo_height, photo_rect, input_width, input_height, input_rect },
        scorecam_layer_info { struct_size, is_default, name, operation, shape },
        scorecam_overlay_options { struct_size, opacity, target, colormap, row_stride },
        scorecam_box_options { struct_size, areas, threshold },
        scorecam_box { rect, energy },
        scorecam_region { struct_size, reserved, boxes, box_count, mask },
        scorecam_evidence { struct_size, has_energy, energy, share, lift, rank_accuracy, roc_area, pointing },
    };
    assert_eq!(lines.len(), 132);
    let mut golden: Vec<&str> = GOLDEN.lines().filter(|line| belongs(line)).collect();
    lines.sort_unstable();
    golden.sort_unstable();
    assert_eq!(lines, golden);
}

/// Whether a line is of a struct of this crate.
fn belongs(line: &str) -> bool {
    let sources = [
        include_str!("explanation.rs"),
        include_str!("host.rs"),
        include_str!("image.rs"),
        include_str!("located.rs"),
        include_str!("model.rs"),
        include_str!("overlay.rs"),
    ];
    let name = line.split([' ', '.']).nth(1).unwrap_or_default();
    !line.starts_with('#') && sources.iter().any(|s| s.contains(&format!("pub struct {name} {{")))
}
