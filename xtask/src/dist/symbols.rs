//! The symbols that a library exports and the glibc that a file needs, as binutils read them; and the version script
//! that lists the exports of libscorecam.

use std::fs;
use std::path::Path;

use crate::failure::{Failure, Outcome, While};
use crate::tools::{NM, OBJDUMP};
use crate::workspace::output;

/// The exports of a version script, as far as this project's own goes: nodes with one name a line. Each is
/// `NAME@@VERSION`, as `nm` prints it, and they are in order.
pub(crate) fn script(path: &Path) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
    let exports = parse(&text);
    if exports.is_empty() {
        return Err(Failure::new(format!("{} exports nothing", path.display())));
    }
    Ok(exports)
}

/// The names in a version script, in order.
pub(crate) fn names(path: &Path) -> Outcome<Vec<String>> {
    let exports = script(path)?;
    Ok(exports.iter().filter_map(|export| export.split("@@").next()).map(str::to_owned).collect())
}

/// The global symbols that a static library defines, in order.
pub(crate) fn globals(archive: &Path) -> Outcome<Vec<String>> {
    let mut nm = NM.command();
    nm.args(["--defined-only", "--extern-only", "--format=posix"]).arg(archive);
    // A line without a blank names a member of the archive.
    let listed = output(&mut nm, "nm")?;
    let mut names: Vec<String> =
        listed.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    Ok(names)
}

fn parse(text: &str) -> Vec<String> {
    // A node closes the comment or the node before it, so what stands before the last of these goes.
    let code: String = text.split("/*").map(|part| part.rsplit("*/").next().unwrap_or_default()).collect();
    let mut exports = Vec::new();
    let mut version = "";
    for line in code.lines().map(str::trim) {
        if let Some(node) = line.strip_suffix('{') {
            version = node.trim();
        } else if let Some(name) = line.strip_suffix(';').filter(|name| !name.starts_with(['}', '*'])) {
            exports.push(format!("{name}@@{version}"));
        }
    }
    exports.sort();
    exports
}

/// The exports of a library, in order: `NAME@@VERSION`, or `NAME` where the library has no versions.
pub(crate) fn exports(library: &Path) -> Outcome<Vec<String>> {
    let mut nm = NM.command();
    nm.args(["--dynamic", "--defined-only", "--extern-only", "--format=posix"]).arg(library);
    let listed = output(&mut nm, "nm")?;
    let words = listed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    // The linker may also define each version's own name, as an absolute symbol.
    let functions = words.filter(|words| words.get(1) != Some(&"A"));
    let mut exports: Vec<String> = functions.map(|words| words[0].to_owned()).collect();
    exports.sort();
    Ok(exports)
}

/// The oldest glibc that has all that a program or library needs: major and minor number. (0, 0) where it
/// needs none.
pub(crate) fn glibc(file: &Path) -> Outcome<(u32, u32)> {
    let headers = output(OBJDUMP.command().arg("--private-headers").arg(file), "objdump")?;
    Ok(headers.split_whitespace().filter_map(glibc_of).max().unwrap_or_default())
}

/// `GLIBC_2.34` is (2, 34), and so is `GLIBC_2.34.1`.
fn glibc_of(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gives_each_name_the_version_of_its_node() {
        let text = "/* a { \n b; \n*/\nA_1.0 {\n    global:\n        f;\n        d;\n    local:\n        *;\n};\n\
                    A_1.1 {\n    global:\n        e;\n} A_1.0;\n";
        assert_eq!(parse(text), ["d@@A_1.0", "e@@A_1.1", "f@@A_1.0"]);
    }

    #[test]
    fn versions_of_glibc_compare_as_numbers() {
        assert_eq!(glibc_of("GLIBC_2.34"), Some((2, 34)));
        assert_eq!(glibc_of("GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!((glibc_of("GLIBCXX_3.4"), glibc_of("GLIBC_PRIVATE")), (None, None));
        assert!(glibc_of("GLIBC_2.34") > glibc_of("GLIBC_2.4"));
    }

    #[test]
    fn a_file_that_is_no_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.so");
        fs::write(&path, "text").unwrap();
        for failure in [exports(&path).unwrap_err(), glibc(&path).unwrap_err()].map(|f| f.to_string()) {
            assert!(failure.contains("a.so") && !failure.contains('\n'), "{failure}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_program_needs_a_glibc() {
        let needed = glibc(&std::env::current_exe().unwrap()).unwrap();
        assert!(needed >= (2, 2) && needed.0 == 2, "{needed:?}");
    }
}
