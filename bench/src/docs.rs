//! The files of docs/ that this program writes.

use std::io::Write;

use tempfile::NamedTempFile;
use xtask::failure::{Outcome, While};
use xtask::workspace::Workspace;

/// Writes files of docs/, each whole or not at all, and none where one cannot be written.
pub(crate) fn write_docs(workspace: &Workspace, files: &[(&str, String)]) -> Outcome {
    let docs = workspace.path("docs");
    let what = || format!("write into {}", docs.display());
    let mut written = Vec::new();
    for (name, text) in files {
        // Without a name of its own yet, on the disk where it is to be.
        let mut file = NamedTempFile::new_in(&docs).doing(what)?;
        file.write_all(text.as_bytes()).doing(what)?;
        written.push((file, docs.join(name)));
    }
    for (file, place) in written {
        file.persist(&place).doing(|| format!("write {}", place.display()))?;
        println!("written: {}", place.display());
    }
    Ok(())
}
