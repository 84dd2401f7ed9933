//! `scorecam plugins`, `methods` and `layers`: the available choices.
//!
//! Everything comes from the host and from the plugins' own descriptions; this module knows no backend or method by
//! name. It also loads plugins and models for the other commands.

use std::collections::BTreeSet;

use scorecam::{BackendHere, Descriptor, Host, Model, ModelRequest, PluginRecord, abi};
use scorecam_core::{Abilities, Channels, LayerInfo, Meaning, MethodInfo, OptionKind, Order, Result};

use crate::args::{LayersArgs, ModelArgs, PluginFiles};
use crate::table::{lines, row};
use crate::{rank, terminal};

/// How many layers of uncertain layout are named: the last, which are the likeliest to be explained.
const MOST_UNCERTAIN: usize = 8;

/// Loads the named plugins, and stops at the first failure.
pub(crate) fn load_plugins(host: &Host, plugins: &PluginFiles) -> Result<()> {
    plugins.files.iter().try_for_each(|file| host.load_plugin(file))
}

/// Loads the named model; a noteworthy choice of the backend is reported on stderr.
pub(crate) fn load_model(host: &Host, args: &ModelArgs, layer: Option<String>) -> Result<Model> {
    load(host, args, ModelRequest { layer, ..ModelRequest::default() })
}

/// The model request of a command line.
pub(crate) fn request_of(args: &ModelArgs, layer: Option<String>) -> ModelRequest {
    ModelRequest {
        path: args.model.clone(),
        backend: args.backend.clone(),
        layer,
        layer_form: args.layer_grid,
        threads: args.threads,
        device: args.device.clone(),
        settings: args.backend_set.iter().cloned().collect(),
        ..ModelRequest::default()
    }
}

/// The same, with the path and the backend's part of `request` taken from the command line.
fn load(host: &Host, args: &ModelArgs, request: ModelRequest) -> Result<Model> {
    let model =
        host.load_model(ModelRequest { any_layer: request.any_layer, ..request_of(args, request.layer) })?;
    if let Some(choice) = model.backend_choice().filter(|choice| choice.is_noteworthy()) {
        terminal::note(format_args!("the backend is {}", choice.reason()));
    }
    Ok(model)
}

/// `scorecam layers`.
pub(crate) fn layers(args: &LayersArgs) -> Result<()> {
    let host = Host::new()?;
    load_plugins(&host, &args.model.plugins)?;
    if let Some(photo) = &args.rank {
        let model = load_model(&host, &args.model, None)?;
        return terminal::print(&rank::rank(&host, &model, photo)?);
    }
    // A wrong name in the manifest must not hide the list of valid names.
    let model = load(&host, &args.model, ModelRequest { any_layer: true, ..ModelRequest::default() })?;
    let named = model.manifest_layer().filter(|&name| model.info().layer(Some(name)).is_ok());
    let chosen = model.info().layer(named).ok().map(|l| l.name.as_str());
    let reason = match named {
        Some(_) => "default: named in the manifest",
        None => "default: the last layer before the classifier whose every cell reaches the score",
    };
    let layers = model.all_raw_layers()?;
    let (spatial, others): (Vec<&LayerInfo>, Vec<_>) =
        layers.iter().partition(|layer| layer.has_spatial_extent());
    let mut rows = vec![row!["LAYER", "OPERATOR", "SHAPE", "MEANING", ""]];
    for layer in &spatial {
        let mark = if Some(layer.name.as_str()) == chosen { reason } else { "" };
        let maps = layer.map_shape().map_or_else(String::new, |maps| shape(&maps));
        rows.push(row![layer.name, layer.operator, maps, meaning(layer), mark]);
    }
    let mut text = String::new();
    match spatial.len() {
        0 => text.push_str("no layer is known to have spatial extent, which a saliency map requires\n"),
        _ => text.push_str(&lines(&rows, 0)),
    }
    text.push_str(&left_out(&others));
    for remark in model.remarks() {
        text.push_str(&format!("{remark}\n"));
    }
    if let (Some(wrong), None) = (model.manifest_layer(), named) {
        terminal::warning(format_args!(
            "the model has no layer {wrong:?}, which model.layer of the manifest names; use one of the listed names"
        ));
    }
    terminal::print(&text)
}

/// What the axes of a layer are: "maps 7x7", "tokens 14x14 + 1".
fn meaning(layer: &LayerInfo) -> String {
    let (form, maps) = match (layer.meaning, layer.map_shape()) {
        (Meaning::Map(form), Some(maps)) => (form, maps),
        _ => return String::new(),
    };
    let mut text = format!("{} {}", if form.tokens.is_some() { "tokens" } else { "maps" }, shape(&maps[1..]));
    match (form.tokens, form.channels) {
        (Some(tokens), _) if tokens.before > 0 => text.push_str(&format!(" + {}", tokens.before)),
        (None, Channels::Last) => text.push_str(", channels last"),
        _ => {}
    }
    if form.tokens.is_some() && form.channels == Channels::First {
        text.push_str(", channels first");
    }
    if form.order == Order::Columns {
        text.push_str(", column by column");
    }
    text
}

/// The numbers of unlisted layers, with the reasons.
fn left_out(layers: &[&LayerInfo]) -> String {
    let is_flat = |l: &&&LayerInfo| l.map_shape().is_some();
    let is_no_map = |l: &&&LayerInfo| l.meaning == Meaning::NoMap;
    let flat = layers.iter().filter(is_flat).count();
    let no_map = layers.iter().filter(is_no_map).count();
    let mut text = String::new();
    if flat > 0 {
        text.push_str(&format!("{flat} more without spatial extent, which cannot be explained\n"));
    }
    if no_map > 0 {
        text.push_str(&format!("{no_map} more that hold no maps, such as attention scores\n"));
    }
    let unknown: Vec<String> = layers
        .iter()
        .filter(|l| !is_flat(l) && !is_no_map(l))
        .map(|l| format!("{} {}", l.name, shape(&l.shape)))
        .collect();
    if !unknown.is_empty() {
        let (count, shown) = (unknown.len(), unknown.len().min(MOST_UNCERTAIN));
        let last = unknown[count - shown..].join(", ");
        let these = if shown < count { format!("the last {shown} are ") } else { String::new() };
        text.push_str(&format!(
            "{count} more whose layout is uncertain; to explain one, give --layer NAME --layer-grid GRID: {these}{last}\n"
        ));
    }
    text
}

/// The lengths of axes; a free one is `?`.
fn shape(axes: &[Option<usize>]) -> String {
    let axes: Vec<String> = axes.iter().map(|a| a.map_or("?".into(), |a| a.to_string())).collect();
    axes.join("x")
}

/// `scorecam plugins`.
pub(crate) fn plugins(named: &PluginFiles) -> Result<()> {
    let host = Host::new()?;
    load_plugins(&host, named)?;
    let failures = host.discover();
    let mut rows = vec![row!["ID", "KIND", "VERSION", "PROOF", "FILE", "SUMMARY"]];
    for plugin in host.plugins() {
        rows.extend(plugin.items.iter().map(|item| plugin_row(&plugin, item)));
    }
    let mut text = lines(&rows, 0);
    text.push_str(&readiness(&host));
    text.push_str("\nplugin folders:\n");
    for folder in host.search_path() {
        let mark = if folder.is_dir() { "" } else { "  (does not exist)" };
        text.push_str(&format!("  {}{mark}\n", folder.display()));
    }
    if !failures.is_empty() {
        text.push_str("\nfailed to load:\n");
        failures.iter().for_each(|e| text.push_str(&format!("  {e}\n")));
    }
    terminal::print(&text)
}

/// The readiness of backends on this machine, and the choice for each file type.
fn readiness(host: &Host) -> String {
    let backends = host.backends_here(None);
    if backends.is_empty() {
        return String::new();
    }
    let state = |b: &BackendHere| match &b.readiness {
        Ok(ready) if ready.device.is_empty() => row![b.id, "ready", ""],
        Ok(ready) => row![b.id, "ready", format!("on {}", ready.device)],
        Err(why) => row![b.id, "not ready", why],
    };
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for extension in backends.iter().flat_map(|b| &b.extensions).collect::<BTreeSet<_>>() {
        let (taken, dotted) = (taken_for(host, extension), format!(".{extension}"));
        match files.iter_mut().find(|(of_others, _)| *of_others == taken) {
            Some((_, extensions)) => extensions.push(dotted),
            None => files.push((taken, vec![dotted])),
        }
    }
    let states: Vec<_> = backends.iter().map(state).collect();
    let files: Vec<_> = files.iter().map(|(taken, files)| row![files.join(", "), taken]).collect();
    format!(
        "\nbackends on this machine:\n{}\nbackends that --backend auto chooses, by file type:\n{}",
        lines(&states, 2),
        lines(&files, 2)
    )
}

/// The backends that are ready for files of an extension, best first.
fn taken_for(host: &Host, extension: &str) -> String {
    let order = host.backends_for(extension, None);
    let ids = |ready: bool| {
        let wanted = order.iter().filter(|b| b.readiness.is_ok() == ready);
        wanted.map(|b| b.id.as_str()).collect::<Vec<_>>()
    };
    match ids(true)[..] {
        [] => format!("none ready ({})", ids(false).join(", ")),
        ref ready => ready.join(", else "),
    }
}

fn plugin_row(plugin: &PluginRecord, item: &Descriptor) -> Vec<String> {
    let file = plugin.path.as_ref().map_or("-".into(), |p| p.display().to_string());
    let mut summary = item.summary.clone();
    if !item.extensions.is_empty() {
        let mut files = format!("loads .{}", item.extensions.join(", ."));
        if item.abilities != Abilities::NONE {
            files.push_str(&format!("; offers {}", item.abilities));
        }
        summary = if summary.is_empty() { files } else { format!("{summary} ({files})") };
    }
    row![item.id, kind(item), item.version, plugin.proof, file, summary]
}

/// The kind of an item, in one word.
pub(crate) fn kind(item: &Descriptor) -> &'static str {
    match item.kind {
        abi::SCORECAM_KIND_BACKEND => "backend",
        abi::SCORECAM_KIND_METHOD => "method",
        _ => "unknown",
    }
}

/// `scorecam methods`.
pub(crate) fn methods(named: &PluginFiles) -> Result<()> {
    let host = Host::new()?;
    load_plugins(&host, named)?;
    // `scorecam plugins` lists the plugins that fail to load.
    host.discover();
    let texts: Vec<String> = host.methods().iter().map(|m| method_text(m.info())).collect();
    terminal::print(&texts.join("\n"))
}

fn method_text(info: &MethodInfo) -> String {
    let mut text = format!("{} {}: {}\n", info.id, info.version, info.summary);
    if !info.needs_layer {
        text.push_str("  needs no layer, so it supports models of any kind\n");
    }
    if info.needs != Abilities::NONE {
        text.push_str(&format!(
            "  needs {}; scorecam plugins lists the backends that offer it\n",
            info.needs
        ));
    }
    if !info.options.is_empty() {
        let mut rows = vec![row!["OPTION", "DEFAULT", "VALUES", ""]];
        rows.extend(info.options.iter().map(|o| {
            let default = if o.default.is_empty() { "-" } else { o.default.as_str() };
            row![o.name, default, values(&o.kind), o.help]
        }));
        text.push_str(&format!("\n{}", lines(&rows, 2)));
    }
    if !info.presets.is_empty() {
        let mut rows = vec![row!["PRESET", ""]];
        for preset in &info.presets {
            rows.push(row![preset.name, preset.summary]);
            let set: Vec<String> = preset.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if !set.is_empty() {
                rows.push(row!["", set.join(" ")]);
            }
        }
        text.push_str(&format!("\n{}", lines(&rows, 2)));
    }
    text
}

fn values(kind: &OptionKind) -> String {
    fn range<T: PartialEq + ToString>(min: T, max: T, least: T, most: T) -> String {
        match (min == least, max == most) {
            (true, true) => "any".into(),
            (false, true) => format!("{} or more", min.to_string()),
            (true, false) => format!("{} or less", max.to_string()),
            (false, false) => format!("{} to {}", min.to_string(), max.to_string()),
        }
    }
    match kind {
        OptionKind::Flag => "true, false".into(),
        OptionKind::Integer { min, max } => format!("number, {}", range(*min, *max, i64::MIN, i64::MAX)),
        OptionKind::Number { min, max } => format!("number, {}", range(*min, *max, f64::MIN, f64::MAX)),
        OptionKind::Choice(words) => words.join(", "),
        OptionKind::Text => "text".into(),
    }
}
