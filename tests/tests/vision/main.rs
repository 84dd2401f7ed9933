//! The examples for vision toolchains build as a user builds them and do what they say, with the real OpenCV,
//! GStreamer and Python.

mod folders;
mod gstreamer;
mod languages;
mod opencv;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use scorecam_tests::{Language, compiler, library, link_shared, root, run};

/// An example's program or plugin: its sources below `examples`, and the pkg-config modules and libraries
/// that it needs besides scorecam.
struct Build<'a> {
    language: Language,
    sources: &'a [&'a str],
    modules: &'a [&'a str],
    link: &'a [&'a str],
}

impl Build<'_> {
    /// Builds `name` in a folder of its own, once for all tests that share `once`.
    fn once(&self, once: &'static OnceLock<PathBuf>, name: &str) -> &'static Path {
        once.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vision-{name}"));
            std::fs::create_dir_all(&folder).expect("the target folder is writable");
            self.build(&folder.join(name));
            folder.join(name)
        })
    }

    /// Headers of other projects may have warnings.
    fn build(&self, binary: &Path) {
        let standard = if self.language == Language::C { "c11" } else { "c++17" };
        let mut command = compiler(self.language, standard);
        command.arg("-O1").args(self.sources.iter().map(|s| root().join("examples").join(s)));
        for module in self.modules {
            let flags = run(Command::new("pkg-config").args(["--cflags", module]));
            command.args(flags.split_whitespace().map(|f| match f.strip_prefix("-I") {
                Some(include) => format!("-isystem{include}"),
                None => f.to_owned(),
            }));
        }
        run(command.arg("-o").arg(binary).args(self.link).args(link_shared()));
    }
}

/// A picture's file, decoded.
fn picture(path: &Path) -> image::RgbImage {
    image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8()
}

/// The Python that uses this build's library.
fn python(script: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(script).env("SCORECAM_LIBRARY", library("scorecam"));
    command.env("PYTHONPATH", root().join("examples/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs what has to fail, and returns what it complained of.
fn fail(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{command:?}: {}\n{errors}", output.status);
    errors
}

/// Asserts that a program failed with one line that has these words.
fn assert_one_line(errors: &str, words: &[&str]) {
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "no {word:?} in {errors}");
    }
}

/// `--name=value` for programs of OpenCV's command line.
fn option(name: &str, value: impl AsRef<OsStr>) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("--{name}="));
    text.push(value.as_ref());
    text
}
