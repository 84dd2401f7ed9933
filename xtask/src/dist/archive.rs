//! Makes the static library that is installed: one object file, whose functions are those of the version script.
//!
//! Why not cargo's own libscorecam.a: Rust's library and all dependencies are in it with global names, so it does not
//! link into a program beside another Rust library of another compiler, and any of its names may be somebody else's. The
//! linker joins what the functions need into one object (`-r`), and `objcopy` makes all other names local to it. Nothing
//! is left out there, since `--gc-sections` turns weak references of such an object into ones that must be found.

use std::path::Path;

use super::symbols;
use crate::failure::{Failure, Outcome, While};
use crate::tools::{AR, C, OBJCOPY};
use crate::workspace::run;

/// Bitcode that Rust's own library carries along: joined, it is nothing that a linker's plugin could read.
const BITCODE: [&str; 2] = [".llvmbc", ".llvmcmd"];

/// Makes `out` of cargo's archive, without debug information. `work` is a folder for what is made on the way.
pub(crate) fn make(archive: &Path, script: &Path, work: &Path, out: &Path) -> Outcome {
    let wanted = symbols::names(script)?;
    let (joined, object) = (work.join("joined.o"), work.join("scorecam.o"));
    let mut cc = C.command();
    cc.args(["-r", "-nostdlib", "-Wl,--force-group-allocation"]).arg("-o").arg(&joined);
    cc.args(wanted.iter().map(|name| format!("-Wl,-u,{name}"))).arg(archive);
    run(&mut cc, "joining the static library")?;

    let mut objcopy = OBJCOPY.command();
    objcopy.arg("--strip-debug").args(wanted.iter().map(|name| format!("--keep-global-symbol={name}")));
    objcopy.args(BITCODE.map(|section| format!("--remove-section={section}"))).arg(&joined).arg(&object);
    run(&mut objcopy, "objcopy")?;

    // ar adds to an archive that is there.
    if out.exists() {
        std::fs::remove_file(out).doing(|| format!("replace {}", out.display()))?;
    }
    // No times and owners.
    run(AR.command().arg("rcsD").arg(out).arg(&object), "ar")?;
    let found = symbols::globals(out)?;
    if found == wanted {
        return Ok(());
    }
    let differs = |name: &&String| !found.contains(name) || !wanted.contains(name);
    let names: Vec<&str> = wanted.iter().chain(&found).filter(differs).map(String::as_str).collect();
    Err(Failure::new(format!(
        "the static library and {} do not have the same functions: {}",
        script.display(),
        names.join(", ")
    )))
}
