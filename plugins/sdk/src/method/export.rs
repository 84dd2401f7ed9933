//! [`CamMethod`] as `scorecam.method/1`.

use std::ffi::c_char;
use std::sync::OnceLock;

use scorecam_core::{
    CamMethod, MethodInfo, MethodOutput, OptionKind, OptionSpec, Options, Preset, Result, ensure,
};

use crate::abi::{self, scorecam_message, scorecam_method_description, scorecam_method_result};
use crate::study::import::explain_study;
use crate::wire::{Texts, ability, checked_struct, guard, read, release, slice, tensor_of};

/// A method that lives for the whole process; [`crate::export_plugin!`] implements it.
pub trait ExportedMethod: 'static {
    /// The one instance.
    fn method() -> &'static dyn CamMethod;

    /// Where its description is kept.
    fn description() -> &'static OnceLock<Description>;
}

/// The table of a method.
pub(crate) const fn table<M: ExportedMethod>() -> &'static abi::scorecam_method {
    const {
        &abi::scorecam_method {
            struct_size: size_of::<abi::scorecam_method>() as u32,
            reserved: 0,
            describe: Some(describe::<M>),
            explain: Some(explain::<M>),
        }
    }
}

/// A method's description in C form, with what it points to.
pub struct Description {
    c: scorecam_method_description,
    _options: Vec<abi::scorecam_option_spec>,
    _choices: Vec<Vec<*const c_char>>,
    _presets: Vec<abi::scorecam_preset>,
    _values: Vec<Vec<abi::scorecam_option>>,
    _texts: Texts,
}

// SAFETY: the pointers lead to what the same value owns and nobody changes.
unsafe impl Send for Description {}
// SAFETY: as above.
unsafe impl Sync for Description {}

impl Description {
    /// What `info` says.
    pub fn of(info: &MethodInfo) -> Self {
        let mut texts = Texts::default();
        let choices: Vec<Vec<*const c_char>> = info
            .options
            .iter()
            .map(|o| match &o.kind {
                OptionKind::Choice(words) => words.iter().map(|w| texts.keep(w)).collect(),
                _ => Vec::new(),
            })
            .collect();
        let options: Vec<_> =
            info.options.iter().zip(&choices).map(|(o, words)| option_spec(o, words, &mut texts)).collect();
        let values: Vec<Vec<abi::scorecam_option>> = info
            .presets
            .iter()
            .map(|p| p.values.iter().map(|(name, value)| texts.pair(name, value)).collect())
            .collect();
        let presets: Vec<_> =
            info.presets.iter().zip(&values).map(|(p, values)| preset(p, values, &mut texts)).collect();
        let c = scorecam_method_description {
            struct_size: size_of::<scorecam_method_description>() as u32,
            needs: ability::number(info.needs)
                | if info.needs_layer { 0 } else { abi::SCORECAM_NEEDS_NO_LAYER },
            options: options.as_ptr(),
            option_count: options.len() as u64,
            presets: presets.as_ptr(),
            preset_count: presets.len() as u64,
        };
        Self { c, _options: options, _choices: choices, _presets: presets, _values: values, _texts: texts }
    }

    /// The C form, valid as long as this is.
    pub fn table(&self) -> *const scorecam_method_description {
        &raw const self.c
    }
}

fn option_spec(option: &OptionSpec, words: &[*const c_char], texts: &mut Texts) -> abi::scorecam_option_spec {
    let (kind, min, max) = match &option.kind {
        OptionKind::Flag => (abi::SCORECAM_OPTION_FLAG, 0.0, 0.0),
        OptionKind::Integer { min, max } => (abi::SCORECAM_OPTION_INTEGER, *min as f64, *max as f64),
        OptionKind::Number { min, max } => (abi::SCORECAM_OPTION_NUMBER, *min, *max),
        OptionKind::Choice(_) => (abi::SCORECAM_OPTION_CHOICE, 0.0, 0.0),
        OptionKind::Text => (abi::SCORECAM_OPTION_TEXT, 0.0, 0.0),
    };
    abi::scorecam_option_spec {
        name: texts.keep(&option.name),
        help: texts.keep(&option.help),
        default_value: texts.keep(&option.default),
        kind,
        choice_count: words.len() as u32,
        choices: words.as_ptr(),
        min,
        max,
    }
}

fn preset(preset: &Preset, values: &[abi::scorecam_option], texts: &mut Texts) -> abi::scorecam_preset {
    abi::scorecam_preset {
        name: texts.keep(&preset.name),
        summary: texts.keep(&preset.summary),
        values: values.as_ptr(),
        value_count: values.len() as u64,
    }
}

unsafe extern "C" fn describe<M: ExportedMethod>(
    description: *mut *const scorecam_method_description,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        ensure!(!description.is_null(), invalid, "description is NULL; it must point to the result");
        let made = M::description().get_or_init(|| Description::of(M::method().info()));
        // SAFETY: not NULL, and writable by the contract of `describe`.
        unsafe { description.write(made.table()) };
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn explain<M: ExportedMethod>(
    study: *const abi::scorecam_study,
    options: *const abi::scorecam_option,
    option_count: u64,
    result: *mut scorecam_method_result,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: study and options are valid by the contract of `explain`, here and below.
    let body = || unsafe {
        ensure!(!result.is_null(), invalid, "result is NULL; it must point to the result");
        let options = slice(options, option_count, "options")?
            .iter()
            .map(|o| Ok((read(o.name, "an option's name")?.into(), read(o.value, "an option")?.into())))
            .collect::<Result<_>>()?;
        let study = checked_struct(study, "study")?;
        let output = explain_study(M::method(), study, &Options::from_checked(options))?;
        result.write(OwnedResult::hand_over(output)?);
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// A result in a box that the caller releases.
struct OwnedResult {
    output: MethodOutput,
    measures: Vec<abi::scorecam_measure>,
    warnings: Vec<*const c_char>,
    _texts: Texts,
}

impl OwnedResult {
    fn hand_over(output: MethodOutput) -> Result<scorecam_method_result> {
        let mut texts = Texts::default();
        let measure =
            |(name, value): &(String, f64)| abi::scorecam_measure { name: texts.keep(name), value: *value };
        let measures = output.measures.iter().map(measure).collect();
        let warnings = output.warnings.iter().map(|w| texts.keep(w)).collect();
        let owned = Box::new(Self { output, measures, warnings, _texts: texts });
        Ok(scorecam_method_result {
            maps: tensor_of(Some(owned.output.maps.view()))?,
            errors: tensor_of(owned.output.errors.as_ref().map(|errors| errors.view()))?,
            measures: owned.measures.as_ptr(),
            measure_count: owned.measures.len() as u64,
            warnings: owned.warnings.as_ptr(),
            warning_count: owned.warnings.len() as u64,
            owner: Box::into_raw(owned).cast(),
            release: Some(release::<OwnedResult>),
        })
    }
}
