//! The search for plugins: the folders, and the names of plugin files.

use std::collections::HashSet;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

/// The environment variable with plugin folders.
pub(crate) const PATH_VARIABLE: &str = "SCORECAM_PLUGIN_PATH";

/// Folders in search order: the variable's, then those of the library and the program, the folder `scorecam` in each of
/// these, and `../lib/scorecam` for a folder with the name `bin`.
pub(crate) fn folders(beside: Option<&Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os(PATH_VARIABLE)
        .map(|list| std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let program = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_path_buf));
    for home in beside.map(Path::to_path_buf).into_iter().chain(program) {
        // An installed library lies in lib/ with its plugins in lib/scorecam/, its programs in bin/. Beside a
        // folder of another name lib/ may be anybody's.
        let from_bin = home.ends_with("bin").then(|| home.with_file_name("lib").join("scorecam"));
        let installed = home.join("scorecam");
        folders.extend([home, installed].into_iter().chain(from_bin));
    }
    // A library that is linked into the program lies where the program does.
    let mut seen = HashSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

/// The plugins in a folder, by file name: `libscorecam_onnx_cpu.so`, or the equivalent on other platforms.
pub(crate) fn plugins_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| is_plugin_name(p)).collect();
    found.sort();
    found
}

/// The name of a plugin's file on this platform.
pub(crate) fn file_name(plugin: &str) -> String {
    format!("{DLL_PREFIX}scorecam_{plugin}{DLL_SUFFIX}")
}

fn is_plugin_name(path: &Path) -> bool {
    let prefix = format!("{DLL_PREFIX}scorecam_");
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.starts_with(&prefix) && name.ends_with(DLL_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_program_and_library_is_searched_once() {
        let program = std::env::current_exe().expect("a program");
        let mut found = folders(program.parent());
        let all = found.len();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), all, "{found:?}");
    }

    #[test]
    fn lib_is_searched_from_bin_only() {
        let searched = |home: &str, lib: &str| folders(Some(Path::new(home))).contains(&PathBuf::from(lib));
        assert!(searched("/opt/some/bin", "/opt/some/lib/scorecam"));
        assert!(searched("/opt/some/lib", "/opt/some/lib/scorecam"), "an installed library's own plugins");
        assert!(!searched("/tmp/unpacked", "/tmp/lib/scorecam"), "anybody can make that folder");
    }
}
