//! `cargo xtask headers`: writes the C headers from the Rust sources they describe, and the part of docs/abi.md that
//! is made from them. `include/scorecam_plugin.h` holds nothing but those of the plugin ABI, and is not written.
//!
//! The headers are committed, so an application needs no Rust to compile against them, and `--check` keeps
//! them honest. cbindgen reads the sources alone, without asking cargo, so this works offline and on code
//! that does not compile yet. What a header looks like is said in the `cbindgen.toml` beside its source.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Outcome, While};
use crate::workspace::Workspace;
use crate::{abi_page, begin_values};

/// A header, all paths relative to the checkout.
struct Header {
    path: String,
    /// Modules that this file declares are followed.
    source: String,
    config: &'static str,
    /// Of an object of the plugin ABI: the headers that it includes.
    object: Option<&'static [&'static str]>,
}

/// The objects of the plugin ABI, each a file of `plugins/sdk/src/abi` and a header, and the headers that it includes.
const OBJECTS: [(&str, &[&str]); 10] = [
    ("core", &[]),
    ("backend", &["core.h"]),
    ("masked", &["backend.h"]),
    ("run_from", &["backend.h"]),
    ("gradients", &["backend.h"]),
    ("readiness", &["core.h"]),
    ("remarks", &["core.h"]),
    ("bake", &["core.h"]),
    ("weights", &["core.h"]),
    ("method", &["core.h"]),
];

fn headers() -> Vec<Header> {
    let object = |&(name, includes): &(&str, &'static [&'static str])| Header {
        path: format!("include/scorecam/{name}.h"),
        source: format!("plugins/sdk/src/abi/{name}.rs"),
        config: "plugins/sdk/cbindgen.toml",
        object: Some(includes),
    };
    let api = Header {
        path: "include/scorecam.h".into(),
        source: "ffi/src/lib.rs".into(),
        config: "ffi/cbindgen.toml",
        object: None,
    };
    std::iter::once(api).chain(OBJECTS.iter().map(object)).collect()
}

/// Writes the headers and the page; one that is right already keeps its time stamp.
pub(crate) fn write(workspace: &Workspace) -> Outcome {
    for header in headers() {
        put(workspace, &header.path, &generate(&|name| workspace.path(name), &header)?)?;
    }
    // Made from the header just written.
    put(workspace, abi_page::PAGE, &abi_page(workspace)?)
}

fn put(workspace: &Workspace, name: &str, text: &str) -> Outcome {
    let path = workspace.path(name);
    let right = committed(&path)?.as_deref() == Some(text);
    if !right {
        replace(&path, text).doing(|| format!("write {name}"))?;
    }
    println!("{name}: {}", if right { "unchanged" } else { "written" });
    Ok(())
}

fn abi_page(workspace: &Workspace) -> Outcome<String> {
    let read = |name: &str| fs::read_to_string(workspace.path(name)).doing(|| format!("read {name}"));
    let objects = headers().into_iter().filter(|header| header.object.is_some());
    let texts = objects.map(|header| read(&header.path)).collect::<Outcome<Vec<_>>>()?;
    abi_page::page(&read(abi_page::PAGE)?, &texts.concat(), &read(abi_page::LAYOUT)?)
}

/// Fails with the first line that differs.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    for header in headers() {
        let text = generate(&|name| workspace.path(name), &header)?;
        let found = committed(&workspace.path(&header.path))?;
        let difference = match &found {
            None => "is missing".to_owned(),
            Some(found) if *found == text => continue,
            Some(found) => first_difference(found, &text),
        };
        return Err(Failure::new(format!(
            "{} {difference}; run `cargo xtask headers` and commit the result (it is generated from {} by {})",
            header.path, header.source, header.config
        )));
    }
    let found =
        fs::read_to_string(workspace.path(abi_page::PAGE)).doing(|| format!("read {}", abi_page::PAGE))?;
    let expected = abi_page(workspace)?;
    if found != expected {
        return Err(Failure::new(format!(
            "{} {}; run `cargo xtask headers` and commit the result",
            abi_page::PAGE,
            first_difference(&found, &expected)
        )));
    }
    println!("the headers and {} are what their sources say", abi_page::PAGE);
    Ok(())
}

/// The text of a header; `path` leads to a file of the checkout.
fn generate(path: &dyn Fn(&str) -> PathBuf, header: &Header) -> Outcome<String> {
    let (source, config) = (&path(&header.source), &path(header.config));
    for needed in [source, config] {
        fs::metadata(needed).doing(|| format!("read {}", needed.display()))?;
    }
    let mut settings = cbindgen::Config::from_file(config)
        .map_err(|cause| Failure::new(format!("can't use {}: {}", config.display(), one_line(&cause))))?;
    if let Some(includes) = header.object {
        let text = fs::read_to_string(source).doing(|| format!("read {}", source.display()))?;
        describe(&mut settings, header, &text, includes);
    } else {
        let begin = settings.after_includes.take().unwrap_or_default();
        settings.after_includes = Some(format!("{}{begin}", version_macros()));
    }
    let bindings = cbindgen::Builder::new().with_config(settings).with_src(source).generate();
    let bindings = bindings.map_err(|cause| {
        let cause = one_line(&cause.to_string());
        Failure::new(format!("cbindgen can't make a header of {}: {cause}", source.display()))
    })?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text =
        String::from_utf8(text).doing(|| format!("read the header made of {} as UTF-8", source.display()))?;
    // The only comments that C89 does not know are cbindgen's own.
    let text =
        text.replace("// __cplusplus", "/* __cplusplus */").replace("// extern \"C\"", "/* extern \"C\" */");
    Ok(begin_values::at_fields(&text))
}

/// The version as macros, so that a program can ask for it when it is compiled.
fn version_macros() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let numbers = version.split('.').zip(["MAJOR", "MINOR", "PATCH"]);
    let macros = numbers.map(|(number, name)| format!("#define SCORECAM_VERSION_{name} {number}\n"));
    format!("\n/* The version of this header. */\n{}", macros.collect::<String>())
}

/// What C writes into a tensor.
const INITIALIZERS: &str = "
/**
 * Initializer of a `scorecam_data_type`: 32-bit floating-point numbers.
 */
#define SCORECAM_F32 { SCORECAM_TYPE_FLOAT, 32, 1 }

/**
 * Initializer of a `scorecam_device`: main memory.
 */
#define SCORECAM_CPU { SCORECAM_DEVICE_CPU, 0 }";

/// Settings for the header of an object, whose source is `text`.
fn describe(settings: &mut cbindgen::Config, header: &Header, text: &str, includes: &[&str]) {
    let name = header.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".h");
    let about = text.lines().next().unwrap_or_default().trim_start_matches("//! ");
    settings.include_guard = Some(format!("SCORECAM_{}_H", name.to_uppercase()));
    settings.includes = includes.iter().map(|&include| include.to_owned()).collect();
    settings.sys_includes = vec!["stdint.h".into()];
    settings.header = Some(format!(
        "/*\n * {about}\n *\n * Part of scorecam_plugin.h. Generated from {} by `cargo xtask headers`; do not edit.\n */",
        header.source
    ));
    if name == "core" {
        settings.after_includes = Some(INITIALIZERS.into());
    }
    // Without functions in a header, nothing else would lead to its structs.
    let named = |line: &str| {
        line.strip_prefix("pub struct ")
            .or(line.strip_prefix("pub type "))?
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    settings.export.include = text.lines().filter_map(named).collect();
}

fn committed(path: &Path) -> Outcome<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Failure::new(format!("can't read {}: {cause}", path.display()))),
    }
}

/// Puts the text in place in one step, so that no compiler ever sees half a header.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    set_readable(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file is private to its owner; a header is for everyone.
#[cfg(unix)]
fn set_readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_readable(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}

fn first_difference(found: &str, expected: &str) -> String {
    let (mut old, mut new) = (found.lines(), expected.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                return format!(
                    "is out of date in line {number}: it has `{}`, not `{}`",
                    old.trim(),
                    new.trim()
                );
            }
            (Some(old), None) => {
                return format!("is out of date: line {number}, `{}`, is too much", old.trim());
            }
            (None, Some(new)) => {
                return format!("is out of date: line {number}, `{}`, is missing", new.trim());
            }
            (None, None) => return "is out of date in its line endings".to_owned(),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(object: Option<&'static [&'static str]>) -> Header {
        Header { path: "include/a.h".into(), source: "lib.rs".into(), config: "cbindgen.toml", object }
    }

    #[test]
    fn the_header_of_an_object_includes_others_and_holds_its_structs() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cbindgen.toml"), "language = \"C\"\n").unwrap();
        fs::write(path("lib.rs"), "//! A thing.\n#[repr(C)]\npub struct thing {\n    pub of: other,\n}\n")
            .unwrap();
        let text = generate(&path, &header(Some(&["b.h"]))).unwrap();
        for expected in ["\n * A thing.\n", "#ifndef SCORECAM_A_H", "#include \"b.h\"", "other of;"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn a_header_holds_what_the_source_and_its_modules_export() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cbindgen.toml"), "language = \"C\"\ninclude_guard = \"A_H\"\n").unwrap();
        fs::write(path("lib.rs"), "mod inner;\n").unwrap();
        let function = "#[unsafe(no_mangle)]\npub extern \"C\" fn a_sum(x: i32, y: i32) -> i32 { x + y }\n";
        fs::write(path("inner.rs"), function).unwrap();
        let text = generate(&path, &header(None)).unwrap();
        assert!(text.contains("int32_t a_sum(int32_t x, int32_t y);"), "{text}");
        replace(&path("include/a.h"), &text).unwrap();
        assert_eq!(committed(&path("include/a.h")).unwrap(), Some(text));
    }

    #[test]
    fn a_missing_or_broken_source_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let check = |expected: &str| {
            let failure = generate(&path, &header(None)).unwrap_err().to_string();
            assert!(failure.contains(expected) && !failure.contains('\n'), "{failure}");
        };
        check("lib.rs: No such file");
        fs::write(path("lib.rs"), "fn {").unwrap();
        check("cbindgen.toml: No such file");
        fs::write(path("cbindgen.toml"), "languag = \"C\"\n").unwrap();
        check("languag");
        fs::write(path("cbindgen.toml"), "language = \"C\"\n").unwrap();
        check("can't make a header of");
    }

    #[test]
    fn drift_is_shown_where_it_begins() {
        let check = |found, expected, line: &str| assert_eq!(first_difference(found, expected), line);
        check("a\nb\n", "a\nc\n", "is out of date in line 2: it has `b`, not `c`");
        check("a\n", "a\nc\n", "is out of date: line 2, `c`, is missing");
        check("a\nb\n", "a\n", "is out of date: line 2, `b`, is too much");
        check("a\r\n", "a\n", "is out of date in its line endings");
    }
}
