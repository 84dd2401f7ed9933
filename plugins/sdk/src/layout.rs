//! The ABI's structs lie in memory as tests/golden/layout.txt says, which C compilers are asked, too.

use std::mem::{align_of, offset_of, size_of};

use crate::abi::*;

const GOLDEN: &str = include_str!("../../../tests/golden/layout.txt");
const SOURCES: [&str; 10] = [
    include_str!("abi/core.rs"),
    include_str!("abi/backend.rs"),
    include_str!("abi/bake.rs"),
    include_str!("abi/masked.rs"),
    include_str!("abi/run_from.rs"),
    include_str!("abi/gradients.rs"),
    include_str!("abi/readiness.rs"),
    include_str!("abi/remarks.rs"),
    include_str!("abi/weights.rs"),
    include_str!("abi/method.rs"),
];

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
        scorecam_message { text },
        scorecam_shape { rank, reserved, sizes },
        scorecam_data_type { code, bits, lanes },
        scorecam_device { kind, id },
        scorecam_tensor { data, device, dtype, reserved, shape },
        scorecam_named_tensor { name, tensor },
        scorecam_outputs { tensors, count, owner, release },
        scorecam_services { struct_size, log_level, context, log },
        scorecam_plugin_table { abi_version, struct_size, count, reserved, open, descriptor, get_interface },
        scorecam_descriptor { struct_size, kind, id, version, summary, extensions, abilities, reserved },
        scorecam_option { name, value },
        scorecam_random_weights { struct_size, draw, seed, first_layer, layer_count },
        scorecam_model_config { struct_size, threads, path, input, output, layer, device, input_height, input_width, channels_last, setting_count, settings, random_weights },
        scorecam_input_info { name, shape, dtype, per_image },
        scorecam_output_info { name, shape, dtype, activation, per_image, reserved },
        scorecam_layer { name, operation, shape, meaning, preference, like, pooled, reserved },
        scorecam_model_description { struct_size, image_input, inputs, input_count, outputs, output_count, score_output, why_no_scores, layers, layer_count, default_layer, fixed_batch, preferred_batch },
        scorecam_inputs { struct_size, other_count, images, others, context, is_cancelled },
        scorecam_backend { struct_size, reserved, load, release, describe, forward, get_interface },
        scorecam_cut { map, count },
        scorecam_masked_request { struct_size, upsample, inputs, fill, masks, cuts, cut_count, image_of_mask, batch_size, context, each },
        scorecam_masked { struct_size, cuts, run },
        scorecam_run_from { struct_size, reserved, run },
        scorecam_gradients { struct_size, reserved, run },
        scorecam_readiness { struct_size, reserved, assess },
        scorecam_remarks { struct_size, reserved, remark },
        scorecam_bake_request { struct_size, what, layer, path, grid_height, grid_width, cells, context, write },
        scorecam_bake { struct_size, reserved, run },
        scorecam_weights { struct_size, reserved, name },
        scorecam_option_spec { name, help, default_value, kind, choice_count, choices, min, max },
        scorecam_preset { name, summary, values, value_count },
        scorecam_method_description { struct_size, needs, options, option_count, presets, preset_count },
        scorecam_masks { struct_size, upsample, masks, fill },
        scorecam_study { struct_size, output_activation, input, reference, activations, layer, scores, class_count, targets, target_count, batch_size, context, expect_passes, masked_scores, image_scores, scores_from_layer, gradients },
        scorecam_measure { name, value },
        scorecam_method_result { maps, errors, measures, measure_count, warnings, warning_count, owner, release },
        scorecam_method { struct_size, reserved, describe, explain },
    };
    assert_eq!(lines.len(), 236);
    let mut golden: Vec<&str> = GOLDEN.lines().filter(|line| belongs(line)).collect();
    lines.sort_unstable();
    golden.sort_unstable();
    assert_eq!(lines, golden);
}

/// Whether a line is of a struct of this crate.
fn belongs(line: &str) -> bool {
    let name = line.split([' ', '.']).nth(1).unwrap_or_default();
    !line.starts_with('#') && SOURCES.iter().any(|source| source.contains(&format!("pub struct {name} {{")))
}

#[test]
fn every_number_is_the_golden_one() {
    let constants = SOURCES.iter().flat_map(|source| source.lines()).filter_map(|line| {
        let (name, value) = line.strip_prefix("pub const ")?.split_once(": ")?;
        Some(format!("constant {name} {}", value.split_once("= ")?.1.trim_end_matches(';')))
    });
    let constants: Vec<String> = constants.collect();
    assert!(constants.len() > 30, "only {} constants were found", constants.len());
    for line in &constants {
        assert!(GOLDEN.lines().any(|golden| golden == line), "{line} is not in tests/golden/layout.txt");
    }
}

#[test]
fn every_function_says_which_threads_may_call_it() {
    for source in SOURCES {
        let mut comment = String::new();
        for line in source.lines() {
            match line.trim().strip_prefix("///") {
                Some(text) => comment.push_str(text),
                None => {
                    let is_function = line.starts_with("    pub ") && line.contains(": Option<")
                        || line.starts_with("    pub ") && line.ends_with(':');
                    let is_marked =
                        comment.contains("[any thread") || comment.contains("[thread of the call]");
                    assert!(!is_function || is_marked, "{line} has no mark of threads: {comment}");
                    comment.clear();
                }
            }
        }
    }
}
