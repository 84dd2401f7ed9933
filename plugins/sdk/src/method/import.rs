//! `scorecam.method/1` as [`CamMethod`].

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use scorecam_core::{
    Abilities, CamMethod, Error, MethodInfo, MethodOutput, OptionKind, OptionSpec, Options, Preset, Result,
    Study, Work, bail, repeated,
};

use crate::abi::{self, scorecam_method_description, scorecam_method_result};
use crate::plugin::Descriptor;
use crate::study::export::{ExportedStudy, Request, StudyLine};
use crate::wire::{Texts, ability, call, described, list, one_line, optional_view, read, read_line, view};

/// The most options, choices, presets, and values of a preset.
const MOST_SETTINGS: u64 = 4096;
/// The most measures and warnings of a result.
const MOST_REMARKS: u64 = 4096;

/// The stack of a method's thread: that of a program's first thread, which plugins may count on.
const STACK: usize = 8 << 20;

/// A method of a plugin.
pub struct ImportedMethod {
    table: &'static abi::scorecam_method,
    info: MethodInfo,
}

impl ImportedMethod {
    pub(crate) fn new(table: &'static abi::scorecam_method, descriptor: &Descriptor) -> Result<Self> {
        let (Some(describe), Some(_)) = (table.describe, table.explain) else {
            return Err(Error::plugin("its method table lacks the function describe or explain"));
        };
        // SAFETY: a static description, as far as its size says.
        let description: &scorecam_method_description =
            unsafe { described("method description", |place, why| describe(place, why)) }?;
        // SAFETY: the description's pointers are valid by contract.
        let info = unsafe { read_description(description, descriptor) }?;
        Ok(Self { table, info })
    }
}

/// # Safety
/// `d` is a description whose pointers are valid.
unsafe fn read_description(d: &scorecam_method_description, descriptor: &Descriptor) -> Result<MethodInfo> {
    // SAFETY: as the caller promises, here and below.
    let (options, presets) = unsafe {
        (
            list(d.options, d.option_count, MOST_SETTINGS, "its list of options")?,
            list(d.presets, d.preset_count, MOST_SETTINGS, "its list of presets")?,
        )
    };
    let info = MethodInfo {
        id: descriptor.id.clone(),
        version: descriptor.version.clone(),
        summary: descriptor.summary.clone(),
        // SAFETY: as the caller promises.
        options: options.iter().map(|o| unsafe { read_option(o) }).collect::<Result<_>>()?,
        // SAFETY: as the caller promises.
        presets: presets.iter().map(|p| unsafe { read_preset(p) }).collect::<Result<_>>()?,
        needs: read_needs(d.needs & !abi::SCORECAM_NEEDS_NO_LAYER)?,
        needs_layer: d.needs & abi::SCORECAM_NEEDS_NO_LAYER == 0,
    };
    // Defaults and presets that the options refuse would fail for every user; better to refuse the plugin.
    let defaults: Vec<_> = info.options.iter().map(|o| (o.name.clone(), o.default.clone())).collect();
    info.resolve(None, &defaults).map_err(|e| e.context("its defaults"))?;
    check_unique(info.options.iter().map(|o| o.name.as_str()), "options")?;
    check_unique(info.presets.iter().map(|p| p.name.as_str()), "presets")?;
    for preset in &info.presets {
        info.resolve(Some(&preset.name), &[])
            .map_err(|e| e.context(format!("its preset {}", preset.name)))?;
    }
    Ok(info)
}

fn check_unique<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<()> {
    match repeated(names) {
        None => Ok(()),
        Some(name) => Err(Error::plugin(format!("it has two {what} with the name {name:?}"))),
    }
}

fn read_needs(sum: u32) -> Result<Abilities> {
    match ability::abilities(sum) {
        (needs, 0) => Ok(needs),
        (_, unknown) => bail!(plugin, "it needs abilities {unknown:#x}, which are unknown"),
    }
}

/// # Safety
/// `o` is a spec whose pointers are valid.
unsafe fn read_option(o: &abi::scorecam_option_spec) -> Result<OptionSpec> {
    // SAFETY: as the caller promises, in this whole function.
    unsafe {
        let name = read_line(o.name, "an option's name")?.to_owned();
        let kind = match o.kind {
            abi::SCORECAM_OPTION_FLAG => OptionKind::Flag,
            abi::SCORECAM_OPTION_INTEGER => OptionKind::Integer { min: o.min as i64, max: o.max as i64 },
            abi::SCORECAM_OPTION_NUMBER => OptionKind::Number { min: o.min, max: o.max },
            abi::SCORECAM_OPTION_TEXT => OptionKind::Text,
            abi::SCORECAM_OPTION_CHOICE => OptionKind::Choice(
                list(o.choices, o.choice_count.into(), MOST_SETTINGS, "an option's list of choices")?
                    .iter()
                    .map(|&c| read_line(c, "a choice").map(str::to_owned))
                    .collect::<Result<_>>()?,
            ),
            other => bail!(plugin, "its option {name} is of kind {other}; 1 to 5 are known"),
        };
        let help = read_line(o.help, "an option's help")?.to_owned();
        Ok(OptionSpec {
            name,
            help,
            kind,
            default: read_line(o.default_value, "an option's default")?.to_owned(),
        })
    }
}

/// # Safety
/// `p` is a preset whose pointers are valid.
unsafe fn read_preset(p: &abi::scorecam_preset) -> Result<Preset> {
    // SAFETY: as the caller promises, in this whole function.
    unsafe {
        let values = list(p.values, p.value_count, MOST_SETTINGS, "a preset's list of values")?
            .iter()
            .map(|v| {
                Ok((
                    read_line(v.name, "a preset's option")?.to_owned(),
                    read_line(v.value, "a preset's value")?.to_owned(),
                ))
            })
            .collect::<Result<_>>()?;
        let name = read_line(p.name, "a preset's name")?.to_owned();
        Ok(Preset { name, summary: read_line(p.summary, "a preset's summary")?.to_owned(), values })
    }
}

impl CamMethod for ImportedMethod {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    /// The function of the plugin blocks while it waits for passes, so it runs on a thread of its own; its asks come over
    /// a channel.
    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let (requests, inbox) = channel();
            let call = Call {
                table: self.table,
                id: self.info.id.clone(),
                options: options.clone(),
                line: StudyLine { context: Arc::clone(&study.context), requests },
            };
            let thread = thread::Builder::new().name("scorecam-method".into()).stack_size(STACK);
            let thread = thread.spawn(move || call.run());
            let thread = thread.map_err(|e| Error::internal(format!("no thread for the method: {e}")))?;
            let mut worker = Worker { thread: Some(thread), inbox: Some(inbox) };
            while let Some(request) = worker.next() {
                match request {
                    // A refusal is a cancellation, after which nothing of this resumes.
                    Request::Expect(passes) => study.expect_passes(passes)?,
                    // Whoever asked may be gone; then nobody reads the answer.
                    Request::Passes(ask, reply) => drop(reply.send(study.ask(ask).await)),
                }
            }
            worker.result()
        })
    }
}

/// The thread of a method under way. It ends before this does: its asks fail as soon as the inbox is gone.
struct Worker {
    thread: Option<JoinHandle<Result<MethodOutput>>>,
    inbox: Option<Receiver<Request>>,
}

impl Worker {
    /// What the method asks for next; none when it has ended.
    fn next(&self) -> Option<Request> {
        self.inbox.as_ref()?.recv().ok()
    }

    fn result(&mut self) -> Result<MethodOutput> {
        let ended = self.thread.take().map(JoinHandle::join);
        ended
            .and_then(|result| result.ok())
            .unwrap_or_else(|| Err(Error::internal("the method's thread panicked")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inbox = None;
        // The result of a call that was given up is of no use.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// One call of a method's `explain`, with all that it reads.
struct Call {
    table: &'static abi::scorecam_method,
    id: String,
    options: Options,
    line: StudyLine,
}

impl Call {
    fn run(self) -> Result<MethodOutput> {
        let explain =
            self.table.explain.ok_or_else(|| Error::internal("a table without explain was kept"))?;
        let mut texts = Texts::default();
        let options: Vec<_> = self.options.iter().map(|(name, value)| texts.pair(name, value)).collect();
        let study = ExportedStudy::new(&self.line)?;
        let targets = self.line.context.targets.len();
        // SAFETY: all fields of a result are valid when zero.
        let mut result: scorecam_method_result = unsafe { MaybeUninit::zeroed().assume_init() };
        let (count, who) = (options.len() as u64, format!("method {:?}", self.id));
        // SAFETY: study, options and places live until the call returns.
        call(&who, |why| unsafe {
            explain(&raw const study.c, options.as_ptr(), count, &raw mut result, why)
        })?;
        // SAFETY: the callee returned SCORECAM_OK.
        unsafe { take(result, targets) }.map_err(|e| e.context(who))
    }
}

/// Copies a result and releases it, whether or not it is right.
///
/// # Safety
/// `result` was filled by a callee that returned `SCORECAM_OK`.
unsafe fn take(result: scorecam_method_result, targets: usize) -> Result<MethodOutput> {
    // SAFETY: as the caller promises.
    let copied = unsafe { copy(&result, targets) };
    if let Some(release) = result.release {
        // SAFETY: called once, after the last look at the result.
        unsafe { release(result.owner) };
    }
    copied
}

/// # Safety
/// As for [`take`].
unsafe fn copy(result: &scorecam_method_result, targets: usize) -> Result<MethodOutput> {
    let shape = &result.maps.shape;
    if shape.rank != 3 || shape.sizes[0] != targets as u64 {
        let [first, ..] = shape.sizes;
        return Err(Error::plugin(format!(
            "its tensor of maps has rank {} and {first} items; it must be [{targets}, H, W] for {targets} targets",
            shape.rank
        )));
    }
    // SAFETY: as the caller promises, in this whole function.
    unsafe {
        let measures = list(result.measures, result.measure_count, MOST_REMARKS, "its list of measures")?;
        let warnings = list(result.warnings, result.warning_count, MOST_REMARKS, "its list of warnings")?;
        let errors = optional_view(&raw const result.errors, "its tensor of standard errors")?;
        Ok(MethodOutput {
            errors: errors.map(|errors| errors.to_tensor("its tensor of standard errors")).transpose()?,
            maps: view(&raw const result.maps, "its tensor of maps")?.to_tensor("its tensor of maps")?,
            measures: measures
                .iter()
                .map(|m| Ok((read_line(m.name, "a measure's name")?.to_owned(), m.value)))
                .collect::<Result<_>>()?,
            warnings: warnings
                .iter()
                .map(|&w: &*const c_char| read(w, "a warning").map(one_line))
                .collect::<Result<_>>()?,
        })
    }
}
