//! Links the shared library that is installed, and takes debug information out of what is shipped.
//!
//! Why not cargo's own libscorecam.so: it has no SONAME and no symbol versions, and rustc hands the linker a version
//! script of its own, without a version's name, which GNU ld and lld refuse to combine with one that has names. The
//! static library holds the same code with every dependency, so a C compiler links that once more, as it would
//! link any C library. Each function of the version script is asked for by name (`-u`), which is what draws it
//! out of the archive; all else is hidden, and goes if nothing needs it. `-z defs` proves that no library is
//! missing. The result is then read back: a linker says nothing of a name that it didn't find.

use std::path::Path;
use std::process::Command;

use super::symbols;
use crate::failure::{Failure, Outcome};
use crate::tools;
use crate::workspace::run;

/// What the library needs of the system, for the linker; `-l` stands before each.
/// The unwinder is not among them, since every C compiler adds its own.
pub(crate) const SYSTEM_LIBRARIES: [&str; 3] = ["-lpthread", "-ldl", "-lm"];

/// Links `out`, which exports exactly what the version script at `script` says.
pub(crate) fn link(archive: &Path, script: &Path, soname: &str, out: &Path) -> Outcome {
    let wanted = symbols::script(script)?;
    let mut cc = tools::C.command();
    cc.args(["-shared", "-o"]).arg(out).arg(format!("-Wl,-soname,{soname}"));
    cc.arg(format!("-Wl,--version-script={}", script.display()));
    cc.args(symbols::names(script)?.iter().map(|name| format!("-Wl,-u,{name}")));
    cc.arg(archive);
    cc.args(["-Wl,--gc-sections", "-Wl,-O1", "-Wl,--build-id", "-Wl,--as-needed"]);
    cc.args(["-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]);
    cc.arg("-lgcc_s").args(SYSTEM_LIBRARIES);
    run(&mut cc, "linking the shared library")?;
    let found = symbols::exports(out)?;
    if found == wanted {
        return Ok(());
    }
    let differs = |export: &&String| !found.contains(export) || !wanted.contains(export);
    let names: Vec<&str> = wanted.iter().chain(&found).filter(differs).map(String::as_str).collect();
    Err(Failure::new(format!(
        "the shared library and {} do not export the same: {}; a new function goes into the script, and into \
         include/ by `cargo xtask headers`",
        script.display(),
        names.join(", ")
    )))
}

/// Copies a program, library or archive without its debug information. The names of functions stay, for
/// backtraces.
pub(crate) fn strip(from: &Path, to: &Path) -> Outcome {
    let mut strip: Command = tools::STRIP.command();
    // Archives keep no times and owners.
    strip.args(["--strip-debug", "--enable-deterministic-archives", "-o"]).arg(to).arg(from);
    run(&mut strip, "strip")
}
