//! Where plugins are looked for, and which files there count as plugins.

use std::path::{Path, PathBuf};

/// The variable that lists folders with plugins.
pub(crate) const PATH_VARIABLE: &str = "SCORECAM_PLUGIN_PATH";

/// Folders in the order of search: the variable's, then beside the program or library.
pub(crate) fn folders(beside: Option<&Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os(PATH_VARIABLE)
        .map(|list| std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let program = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_path_buf));
    for home in beside.map(Path::to_path_buf).into_iter().chain(program) {
        // An installed library lies in lib/ with its plugins in lib/scorecam/, its programs in bin/.
        let installed = home.join("scorecam");
        let from_bin = home.join("..").join("lib").join("scorecam");
        folders.extend([home, installed, from_bin]);
    }
    folders.dedup();
    folders
}

/// The plugins in a folder, by name: `libscorecam_onnx_cpu.so` and its like on other platforms.
pub(crate) fn plugins_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| is_plugin_name(p)).collect();
    found.sort();
    found
}

fn is_plugin_name(path: &Path) -> bool {
    let prefix = format!("{}scorecam_", std::env::consts::DLL_PREFIX);
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.starts_with(&prefix) && name.ends_with(std::env::consts::DLL_SUFFIX)
}
