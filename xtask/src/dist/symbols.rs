//! What a shared library exports and needs, by name and version, read from ELF files; and the version script that
//! says what libscorecam should export.

use std::fmt;
use std::fs;
use std::path::Path;

use object::read::elf::{FileHeader, SectionTable, Sym};
use object::{Endianness, elf};

use crate::failure::{Failure, Outcome, While};

/// An exported function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Export {
    pub(crate) name: String,
    /// Empty where a library has no versions.
    pub(crate) version: String,
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.name, self.version)
    }
}

/// A version script, as far as this project's own goes: nodes with one name a line.
pub(crate) struct Script {
    /// In the order of their names.
    pub(crate) exports: Vec<Export>,
}

impl Script {
    pub(crate) fn read(path: &Path) -> Outcome<Script> {
        let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
        let script = Script::parse(&text);
        if script.exports.is_empty() {
            return Err(Failure::new(format!("{} exports nothing", path.display())));
        }
        Ok(script)
    }

    fn parse(text: &str) -> Script {
        // A node closes the comment or the node before it, so what stands before the last of these goes.
        let code: String =
            text.split("/*").map(|part| part.rsplit("*/").next().unwrap_or_default()).collect();
        let mut exports = Vec::new();
        let mut version = String::new();
        for line in code.lines().map(str::trim) {
            if let Some(node) = line.strip_suffix('{') {
                version = node.trim().to_owned();
            } else if let Some(name) = line.strip_suffix(';').filter(|name| !name.starts_with(['}', '*'])) {
                exports.push(Export { name: name.to_owned(), version: version.clone() });
            }
        }
        exports.sort();
        Script { exports }
    }
}

/// What the library exports, in the order of the names.
pub(crate) fn exports(library: &Path) -> Outcome<Vec<Export>> {
    with_sections(library, |endian, data, sections| {
        let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
        let versions = sections.versions(endian, data)?;
        let mut exports = Vec::new();
        for (index, symbol) in symbols.enumerate() {
            // The linker may also define each version's own name, as an absolute symbol.
            let own = symbol.st_shndx(endian) == elf::SHN_ABS;
            if own || symbol.is_undefined(endian) || symbol.is_local() {
                continue;
            }
            let version = match &versions {
                Some(table) => table.version(table.version_index(endian, index).index())?,
                None => None,
            };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            exports.push(Export {
                name: text(symbol.name(endian, symbols.strings())?),
                version: version.map(|version| text(version.name())).unwrap_or_default(),
            });
        }
        exports.sort();
        Ok(exports)
    })
}

/// The oldest glibc that has all that a program or library needs: major and minor number. (0, 0) where it
/// needs none.
pub(crate) fn glibc(file: &Path) -> Outcome<(u32, u32)> {
    with_sections(file, |endian, data, sections| {
        let mut newest = (0, 0);
        let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(newest) };
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                newest = newest.max(glibc_of(&name).unwrap_or_default());
            }
        }
        Ok(newest)
    })
}

/// `GLIBC_2.34` is (2, 34), and so is `GLIBC_2.34.1`.
fn glibc_of(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

type Elf = elf::FileHeader64<Endianness>;

fn with_sections<T>(
    path: &Path,
    read: impl FnOnce(Endianness, &[u8], SectionTable<'_, Elf>) -> object::Result<T>,
) -> Outcome<T> {
    let data = fs::read(path).doing(|| format!("read {}", path.display()))?;
    let data = data.as_slice();
    let found = Elf::parse(data).and_then(|header| {
        let endian = header.endian()?;
        read(endian, data, header.sections(endian, data)?)
    });
    found.doing(|| format!("read {} as a library of 64 bits", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gives_each_name_the_version_of_its_node() {
        let text = "/* a { \n b; \n*/\nA_1.0 {\n    global:\n        f;\n        d;\n    local:\n        *;\n};\n\
                    A_1.1 {\n    global:\n        e;\n} A_1.0;\n";
        let exports = Script::parse(text).exports;
        let found: Vec<_> = exports.iter().map(|e| (e.name.as_str(), e.version.as_str())).collect();
        assert_eq!(found, [("d", "A_1.0"), ("e", "A_1.1"), ("f", "A_1.0")]);
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
        let failure = exports(&path).unwrap_err().to_string();
        assert!(failure.contains("a.so") && !failure.contains('\n'), "{failure}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_program_needs_a_glibc() {
        let needed = glibc(&std::env::current_exe().unwrap()).unwrap();
        assert!(needed >= (2, 2) && needed.0 == 2, "{needed:?}");
    }
}
