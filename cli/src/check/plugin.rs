//! The checks of a plugin by itself: its file, its tables, its texts, and how it takes files that are no models.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use scorecam::{Host, ModelRequest, PluginRecord};
use scorecam_core::{Error, ErrorKind, Result, bail, ensure, repeated};

use super::Subject;
use crate::list;

/// The plugin in a host of its own.
pub(super) fn hosted(plugin: &Path) -> Result<(Host, PluginRecord)> {
    let host = Host::new()?;
    host.load_plugin(plugin)?;
    let record = host.plugins().into_iter().rfind(|p| p.path.is_some());
    let record = record.ok_or_else(|| Error::internal("the host loaded the plugin but does not list it"))?;
    Ok((host, record))
}

pub(super) fn file(subject: &Subject) -> Result<String> {
    let named = |e: std::io::Error| Error::io(format!("{}: {e}", subject.plugin.display()));
    let metadata = std::fs::metadata(&subject.plugin).map_err(named)?;
    ensure!(metadata.is_file(), io, "{} is not a file", subject.plugin.display());
    File::open(&subject.plugin).map_err(named)?;
    Ok(format!("{} bytes", metadata.len()))
}

/// Opening, the entry table and its version, the descriptors and interfaces: a host takes all or nothing.
pub(super) fn loads(subject: &Subject) -> Result<String> {
    let (_, record) = hosted(&subject.plugin)?;
    match record.items.len() {
        0 => Err(Error::plugin("it has no item that this version of scorecam supports")),
        n => Ok(format!("{n} {}", if n == 1 { "item" } else { "items" })),
    }
}

pub(super) fn descriptors(subject: &Subject) -> Result<String> {
    let (_, record) = hosted(&subject.plugin)?;
    for item in &record.items {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if item.id.is_empty() || !item.id.chars().all(usable) {
            bail!(plugin, "the id {:?} has other characters than letters, digits and - _ .", item.id);
        }
        ensure!(!item.version.is_empty(), plugin, "{:?} has no version", item.id);
        if let Some(bad) =
            item.extensions.iter().find(|e| e.starts_with('.') || e.chars().any(char::is_uppercase))
        {
            return Err(Error::plugin(format!(
                "{:?} has the file extension {bad:?}; write it in lower case and without the dot",
                item.id
            )));
        }
    }
    let named = |item| format!("{} {}", list::kind(item), item.id);
    Ok(record.items.iter().map(named).collect::<Vec<_>>().join(", "))
}

/// Either proof will do; which one it is tells the author whether the Rust door works.
pub(super) fn layout(subject: &Subject) -> Result<String> {
    Ok(hosted(&subject.plugin)?.1.proof.to_string())
}

/// How long an answer may take: every load without a chosen backend waits for it.
const PROMPT: Duration = Duration::from_millis(500);

/// A backend may be ready or not. An invalid answer is a fault, and so is a slow one.
pub(super) fn readiness(subject: &Subject) -> Result<String> {
    let (host, _) = hosted(&subject.plugin)?;
    let started = Instant::now();
    let backends = host.backends_here(None);
    let took = started.elapsed();
    if took > PROMPT * backends.len().max(1) as u32 {
        bail!(
            plugin,
            "its answer took {} ms; it must only check files, not start an engine",
            took.as_millis()
        );
    }
    let reported: Result<Vec<String>> = backends
        .iter()
        .map(|b| match &b.readiness {
            Ok(ready) if ready.device.is_empty() => Ok(format!("{}: ready", b.id)),
            Ok(ready) => Ok(format!("{}: ready on {}", b.id, ready.device)),
            Err(why) if [ErrorKind::Plugin, ErrorKind::Internal].contains(&why.kind()) => Err(why.clone()),
            Err(why) => Ok(format!("{}: not ready here: {why}", b.id)),
        })
        .collect();
    Ok(match reported? {
        reported if reported.is_empty() => "it has no backends".into(),
        reported => reported.join("; "),
    })
}

pub(super) fn loads_again(subject: &Subject) -> Result<String> {
    let (host, first) = hosted(&subject.plugin)?;
    host.load_plugin(&subject.plugin)?;
    let second = std::thread::scope(|scope| {
        let others: Vec<_> =
            (0..4).map(|_| scope.spawn(|| hosted(&subject.plugin).map(|(_, record)| record))).collect();
        others.into_iter().map(|o| o.join()).collect::<Vec<_>>()
    });
    for record in second {
        let record = record.map_err(|_| Error::plugin("a thread that loaded it panicked"))??;
        if record.items != first.items {
            return Err(Error::plugin("its description changes when it is loaded again"));
        }
    }
    Ok("in one host, and in four more on separate threads".into())
}

/// The methods of the plugin.
fn methods(plugin: &Path) -> Result<Vec<std::sync::Arc<dyn scorecam_core::CamMethod>>> {
    let (host, record) = hosted(plugin)?;
    let ids = record.items.iter().filter(|item| list::kind(item) == "method").map(|item| &item.id);
    ids.map(|id| host.method(id)).collect()
}

pub(super) fn method_options(subject: &Subject) -> Result<String> {
    let (mut options, mut presets) = (0, 0);
    let methods = methods(&subject.plugin)?;
    for method in &methods {
        let info = method.info();
        let named = |e: Error| e.context(format!("method {:?}", info.id));
        for option in &info.options {
            let default = (option.name.clone(), option.default.clone());
            info.resolve(None, &[default]).map_err(|e| named(e.context("default")))?;
        }
        for preset in &info.presets {
            info.resolve(Some(&preset.name), &[])
                .map_err(|e| named(e.context(format!("preset {:?}", preset.name))))?;
        }
        (options, presets) = (options + info.options.len(), presets + info.presets.len());
    }
    match methods.len() {
        0 => Ok("it has no methods".into()),
        _ => Ok(format!("{options} options and {presets} presets resolve")),
    }
}

pub(super) fn method_texts(subject: &Subject) -> Result<String> {
    let methods = methods(&subject.plugin)?;
    for method in &methods {
        let info = method.info();
        if let Some(name) = repeated(info.options.iter().map(|o| o.name.as_str())) {
            bail!(plugin, "method {:?} lists option {name:?} twice", info.id);
        }
        if info.summary.is_empty() || info.options.iter().any(|o| o.help.is_empty()) {
            return Err(Error::plugin(format!("method {:?} has an empty summary or help text", info.id)));
        }
    }
    Ok(if methods.is_empty() {
        "it has no methods".into()
    } else {
        "no duplicate options, none without help".into()
    })
}

pub(super) fn empty_model(subject: &Subject) -> Result<String> {
    refuses_model(&subject.plugin, |path| std::fs::write(path, b""))
}

pub(super) fn garbage_model(subject: &Subject) -> Result<String> {
    // Bytes without any order, the same on each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let garbage: Vec<u8> = (0..4096).map(|_| next()).collect();
    refuses_model(&subject.plugin, |path| std::fs::write(path, &garbage))
}

pub(super) fn folder_as_model(subject: &Subject) -> Result<String> {
    refuses_model(&subject.plugin, |path| std::fs::create_dir(path))
}

/// Each backend must return an error for the invalid model that `make` creates.
fn refuses_model(plugin: &Path, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<String> {
    let (host, record) = hosted(plugin)?;
    let failed = |e: std::io::Error| Error::io(format!("cannot create a test file: {e}"));
    let mut answer = None;
    for backend in record.items.iter().filter(|item| list::kind(item) == "backend") {
        let folder = tempfile::tempdir().map_err(failed)?;
        let extension = backend.extensions.first().map_or("model", String::as_str);
        let path = folder.path().join("model").with_extension(extension);
        make(&path).map_err(failed)?;
        let request = ModelRequest { path, backend: Some(backend.id.clone()), ..ModelRequest::default() };
        match host.load_model(request) {
            Ok(_) => return Err(Error::plugin(format!("backend {:?} accepts it as a model", backend.id))),
            Err(error) => answer = Some(error.to_string()),
        }
    }
    Ok(answer.map_or_else(|| "it has no backends".into(), |text| format!("refused: {text}")))
}
