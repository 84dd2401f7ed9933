//! Plugins that break the contract, built from C: each is refused with a line that says what is wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_core::ErrorKind;
use scorecam_host::{Host, ModelRequest};

/// A plugin in C whose table, descriptor and functions can be spoiled by macros.
const SOURCE: &str = r#"
#include "scorecam_plugin.h"
#include <string.h>
#include <stddef.h>
#ifndef VERSION
#define VERSION SCORECAM_ABI_VERSION
#endif
#ifndef SIZE
#define SIZE sizeof(scorecam_plugin_table)
#endif
#ifndef ID
#define ID "spoiled"
#endif
#ifndef CLASSES
#define CLASSES 4
#endif
#ifndef TENSORS
#define TENSORS 2
#endif
#ifndef VALUE
#define VALUE 0.5f
#endif
static const scorecam_layer layers[] = {{"maps", "Conv", {3, 0, {2, 3, 3, 0}}}};
static const scorecam_model_description description = {
    sizeof(scorecam_model_description), SCORECAM_OUTPUT_LOGITS,
    "input", {4, 0, {0, 1, 6, 6}}, "scores", {2, 0, {0, 4, 0, 0}}, layers, 1, DEFAULT_LAYER, 1, 1};
static int32_t load(const scorecam_model_config *config, void **model, scorecam_message *why) {
    (void)config; (void)why; *model = (void *)&description; return SCORECAM_OK;
}
static int32_t describe(void *model, const scorecam_model_description **out, scorecam_message *why) {
    (void)why; *out = model; return SCORECAM_OK;
}
static float scores[64], maps[18];
static scorecam_tensor tensors[3];
static int32_t forward(void *model, const scorecam_tensor *batch, const char *const *taps, uint64_t tap_count,
                       scorecam_outputs *out, scorecam_message *why) {
    size_t i;
    (void)model; (void)batch; (void)taps; (void)why;
    for (i = 0; i < 64; i++) scores[i] = VALUE;
    for (i = 0; i < 18; i++) maps[i] = (float)i;
    tensors[0].data = scores;
    tensors[0].shape = (scorecam_shape){2, 0, {1, CLASSES, 0, 0}};
    tensors[1].data = maps;
    tensors[1].shape = (scorecam_shape){MAP_RANK, 0, {1, 2, 3, 3}};
    out->tensors = tensors;
    out->count = TENSORS < 1 + tap_count ? TENSORS : 1 + tap_count;
    return SCORECAM_OK;
}
static int32_t slopes(void *model, const scorecam_tensor *batch, const char *layer, uint64_t class_index,
                      scorecam_outputs *out, scorecam_message *why) {
    (void)model; (void)batch; (void)layer; (void)class_index; (void)out; (void)why; return SCORECAM_ERR_UNSUPPORTED;
}
static const scorecam_gradients gradients = {sizeof(scorecam_gradients), 0, slopes};
static const void *offers(void *model, const char *id) {
    (void)model; return strcmp(id, "scorecam.gradients/1") == 0 ? &gradients : NULL;
}
static const scorecam_backend backend = {
    sizeof(scorecam_backend), 0, load, NULL, describe, FORWARD, MODEL_INTERFACE};
static const scorecam_descriptor about = {
    sizeof(scorecam_descriptor), SCORECAM_KIND_BACKEND, ID, "1", "spoiled on purpose", "spoiled",
    ABILITIES, 0};
static const scorecam_descriptor *descriptor(uint32_t index) { (void)index; return DESCRIPTOR; }
static const void *get_interface(uint32_t index, const char *id) {
    (void)index; return strcmp(id, "scorecam.backend/1") == 0 ? INTERFACE : NULL;
}
const scorecam_plugin_table scorecam_plugin_entry = {
    VERSION, SIZE, 1, 0, descriptor, GET_INTERFACE};
"#;

/// The macros of a plugin that works.
const SOUND: [(&str, &str); 8] = [
    ("DEFAULT_LAYER", "0"),
    ("MAP_RANK", "4"),
    ("FORWARD", "forward"),
    ("MODEL_INTERFACE", "NULL"),
    ("ABILITIES", "0"),
    ("DESCRIPTOR", "&about"),
    ("INTERFACE", "&backend"),
    ("GET_INTERFACE", "get_interface"),
];

fn build(folder: &Path, name: &str, spoiled: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&source, SOURCE).expect("the folder is writable");
    let compiler = std::env::var("CC").ok().filter(|c| !c.is_empty()).unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-shared", "-fPIC", "-w", "-I"]).arg(root.join("include"));
    let kept = SOUND.iter().filter(|(name, _)| !spoiled.iter().any(|(s, _)| s == name));
    for (name, value) in kept.chain(spoiled) {
        command.arg(format!("-D{name}={value}"));
    }
    let output = command.arg(&source).arg("-o").arg(&library).output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The error of loading the plugin, loading a model and explaining it, whichever comes first.
fn outcome(folder: &Path, library: &Path) -> scorecam_core::Result<usize> {
    let host = Host::new(None)?;
    host.load_plugin(library)?;
    let path = folder.join("model.spoiled");
    std::fs::write(&path, "").expect("the folder is writable");
    let model = host.load_model(&ModelRequest { path, ..Default::default() })?;
    let method = host.method("score-cam")?;
    let input = scorecam_core::Tensor::new([1, 1, 6, 6], vec![1.0; 36])?;
    let options = method.info().resolve(None, &[])?;
    let request = scorecam_core::Request {
        input: input.view(),
        reference: None,
        targets: scorecam_core::Targets::Classes(vec![1]),
        layer: None,
        options: &options,
        batch_size: None,
        output_activation: None,
        progress: &|_| std::ops::ControlFlow::Continue(()),
    };
    scorecam_core::explain(model.backend(), method.as_ref(), &request).map(|e| e.passes)
}

#[test]
fn a_sound_plugin_in_c_explains() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = build(folder.path(), "sound", &[]);
    let passes = outcome(folder.path(), &library).expect("a sound plugin works");
    assert_eq!(passes, 2, "one pass for scores and activations, one for the two equal masks");
    let declared = [("MODEL_INTERFACE", "offers"), ("ABILITIES", "SCORECAM_ABILITY_GRADIENTS | 1u << 31")];
    let library = build(folder.path(), "declared", &declared);
    outcome(folder.path(), &library)
        .expect("abilities that it names are fine, as are those of a later version");
}

/// A name, what is spoiled, and what the error must say.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn a_plugin_that_breaks_the_contract_is_refused_with_a_line() {
    let rows: &[Row<'_>] = &[
        ("version", &[("VERSION", "2")], "plugin ABI version 2"),
        ("version0", &[("VERSION", "0")], "plugin ABI version 0"),
        ("size", &[("SIZE", "8")], "struct_size 8"),
        ("entry", &[("GET_INTERFACE", "NULL")], "lacks the function"),
        ("descriptor", &[("DESCRIPTOR", "NULL")], "descriptor 0 is NULL"),
        ("id", &[("ID", "\"Not an id\"")], "Not an id"),
        ("null_id", &[("ID", "NULL")], "its id is NULL"),
        ("interface", &[("INTERFACE", "NULL")], "scorecam.backend/1"),
        ("forward", &[("FORWARD", "NULL")], "forward"),
        ("undeclared", &[("MODEL_INTERFACE", "offers")], "offers gradients, which its descriptor does not"),
        ("layer", &[("DEFAULT_LAYER", "7")], "default layer is number 7"),
        ("few", &[("TENSORS", "1")], "returned 1 tensors where 2"),
        ("rank", &[("MAP_RANK", "9")], "rank 9"),
        ("empty", &[("CLASSES", "0")], "empty"),
        ("huge", &[("CLASSES", "18446744073709551615u")], "memory can address"),
        ("nan", &[("VALUE", "(0.0f/0.0f)")], "not finite"),
        ("infinite", &[("VALUE", "(1.0f/0.0f)")], "not finite"),
        ("two_classes", &[("CLASSES", "1")], "class 1 is out of range"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (name, spoiled, expected) in rows {
        let library = build(folder.path(), name, spoiled);
        let error = outcome(folder.path(), &library).expect_err(name);
        let text = error.to_string();
        assert!(text.contains(expected), "{name}: {text:?} does not say {expected:?}");
        assert!(!text.contains('\n'), "{name}: {text:?} is one line");
        assert_ne!(error.kind(), ErrorKind::Internal, "{name}: {text}");
    }
}
