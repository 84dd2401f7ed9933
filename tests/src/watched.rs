//! The C library and the toy plugin with every access watched by a sanitizer, and C programs that use them.
//!
//! A sanitizer sees only what it was compiled into: an ordinary program that is watched sees nothing of what an
//! unwatched library does. So both are built for it, with Rust's own library, by the nightly toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{compiler_named, root, run};

/// What watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sanitizer {
    /// AddressSanitizer: memory that is not there.
    Address,
    /// ThreadSanitizer: races.
    Thread,
}

/// Libraries that a sanitizer watches.
pub struct Watched {
    sanitizer: Sanitizer,
    folder: PathBuf,
}

/// Where cargo tells a test to look for libraries first: this build's, which nobody watches.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

impl Watched {
    /// Builds libscorecam and the toy plugin; the first time takes minutes.
    pub fn build(sanitizer: Sanitizer) -> Self {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let target = root().join("target").join(format!("{}-sanitizer", sanitizer.name()));
        let mut cargo = nightly("cargo");
        cargo.args(["build", "--quiet", "-Zbuild-std", "--target", TARGET]);
        cargo.args(["-p", "scorecam-ffi", "-p", "scorecam-toy"]);
        cargo.env("RUSTFLAGS", format!("-Zsanitizer={}", sanitizer.name()));
        let built =
            cargo.env("CARGO_TARGET_DIR", &target).current_dir(root()).output().expect("rustup starts");
        assert!(
            built.status.success(),
            "{}\nif a part is missing: rustup toolchain install nightly --component rust-src",
            String::from_utf8_lossy(&built.stderr)
        );
        let watched = Self { sanitizer, folder: target.join(TARGET).join("debug") };
        for library in ["scorecam", "scorecam_toy"] {
            let symbols = run(Command::new("nm").arg("-D").arg(watched.library(library)));
            assert!(symbols.contains(sanitizer.symbol()), "{library} is not watched");
        }
        watched
    }

    /// A library, as [`crate::library`] names it.
    pub fn library(&self, name: &str) -> PathBuf {
        self.folder.join(format!("lib{name}.so"))
    }

    /// Compiles a program and links it to the libraries. The sanitizer's runtime is the toolchain's: a C
    /// compiler's own may be older than what Rust's code calls.
    pub fn program(&self, source: &Path, out: &Path) -> PathBuf {
        let program = out.join(source.file_stem().expect("a source has a name"));
        let object = program.with_extension("o");
        let name = self.sanitizer.name();
        let mut compile = compiler_named("clang", "c11");
        compile.arg(format!("-fsanitize={name}")).args(["-g", "-c"]).arg(source).arg("-o").arg(&object);
        run(&mut compile);
        let libdir = run(nightly("rustc").args(["--print", "target-libdir"]));
        let runtime =
            Path::new(libdir.trim()).join(format!("librustc-nightly_rt.{}.a", self.sanitizer.short()));
        let mut link = Command::new("clang");
        link.arg(object).arg("-o").arg(&program).args(["-pthread", "-rdynamic", "-Wl,--whole-archive"]);
        link.arg(runtime).args(["-Wl,--no-whole-archive", "-ldl", "-lm", "-lrt", "-lscorecam"]);
        let folder = self.folder.display();
        run(link.arg(format!("-L{folder}")).arg(format!("-Wl,-rpath,{folder}")));
        let uses = run(Command::new("ldd").arg(&program).env_remove(LIBRARY_PATH));
        assert!(uses.contains(&*folder.to_string()), "{uses}");
        program
    }

    /// The command that runs such a program, and ends with the first report.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_remove(LIBRARY_PATH);
        command.env("TSAN_OPTIONS", "halt_on_error=1").env("ASAN_OPTIONS", "halt_on_error=1");
        command
    }
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Address => "asan",
            Self::Thread => "tsan",
        }
    }

    /// What watched code calls.
    fn symbol(self) -> &'static str {
        match self {
            Self::Address => "__asan_report_load8",
            Self::Thread => "__tsan_write8",
        }
    }
}

/// A program of the nightly toolchain, whose sanitizers and sources of Rust's own library are needed.
fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    // What cargo has told this test is meant for another toolchain.
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(variable);
    }
    command.args(["run", "nightly", program]);
    command
}
