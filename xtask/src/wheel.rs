//! `cargo xtask wheel`: the Python package as a wheel, audited, and tested where nothing but pip has been.
//!
//! maturin builds the wheel. The program `scorecam` and its ONNX plugin go into it as files, which maturin does not
//! audit; so every library and program in the wheel is looked at here, and one that needs a newer glibc than the
//! wheel's tag promises ends the command. The tests run in an environment that is made anew each time, in a folder
//! outside of the checkout, so that they see the installed package.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::dist::{glibc, of_packages, of_the_standard_library};
use crate::environment::{Environment, Recipe};
use crate::failure::{Failure, Outcome, While};
use crate::libtorch::Profile;
use crate::tools::{self, PYTHON, VENV};
use crate::workspace::{Workspace, output, run};

/// What builds and audits wheels.
const PACKAGING: Recipe = Recipe {
    scripts: "python/packaging",
    pip: &["--no-deps"],
    room: "free some 500 MB, or set SCORECAM_CACHE to a folder on another disk",
    elsewhere: "remove it, or set SCORECAM_CACHE to another folder",
};

/// Where the environments lie in the cache.
const BUILDING: &str = "wheel/packaging";
const TESTING: &str = "wheel/fresh";
/// Where maturin looks for the program and its plugin.
const PROGRAM: &str = "python/scorecam/_program";
/// Where it looks for the licences of others, and what is linked into the wheel.
const NOTICES: &str = "python/scorecam/_third_party";
const LINKED: [&str; 3] = ["scorecam-python", "scorecam-cli", "scorecam-onnx-cpu"];
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Three lines of a user, run before anything else is installed beside the wheel.
const FIRST: &str = "import numpy, scorecam\n\
                     model = scorecam.from_callable(lambda x: x.mean((2, 3)), (3, 8, 8), activations=lambda x: x)\n\
                     print(model.explain(numpy.eye(8, dtype='float32')[None].repeat(3, 0)), scorecam.backends()[0])\n";

/// What one can choose about a wheel.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Build in cargo's dev profile
    #[arg(long)]
    debug: bool,
    /// The oldest glibc to support, such as 2.17; links with zig [default: this machine's glibc]
    #[arg(long, value_name = "VERSION")]
    glibc: Option<String>,
    /// Also run the tests with PyTorch, Keras and other tools (several GB to download)
    #[arg(long)]
    torch: bool,
    /// Also run the tests with TensorFlow, tf-keras-vis and JAX (1 GB to download)
    #[arg(long)]
    tensorflow: bool,
    /// Also run the tests with Ray on this machine (250 MB to download, a few minutes)
    #[arg(long)]
    ray: bool,
    /// Build and audit, without tests
    #[arg(long)]
    untested: bool,
}

impl Choice {
    /// A build for this machine, with every test that needs no cluster: what `cargo xtask soak` runs.
    pub(crate) fn thorough() -> Choice {
        Choice { debug: true, glibc: None, torch: true, tensorflow: true, ray: false, untested: false }
    }
}

/// Builds, audits and tests the wheel, and prints where it is.
pub(crate) fn wheel(workspace: &Workspace, cache: &Cache, choice: &Choice) -> Outcome {
    tools::ensure(&[PYTHON, VENV], "a wheel")?;
    let packaging = Environment::make(workspace, &PACKAGING, &cache.path(BUILDING))?;
    let builder = Builder { workspace, packaging: &packaging, choice };
    builder.program()?;
    builder.notices()?;
    let wheel = builder.wheel()?;
    builder.audit(&wheel)?;
    if !choice.untested {
        let fresh = Fresh::make(&cache.path(TESTING), &wheel)?;
        fresh.test(workspace, choice)?;
    }
    println!("\nwheel  {}", wheel.display());
    Ok(())
}

/// The build of a wheel.
struct Builder<'a> {
    workspace: &'a Workspace,
    packaging: &'a Environment,
    choice: &'a Choice,
}

impl Builder<'_> {
    fn profile(&self) -> Profile {
        if self.choice.debug { Profile::Dev } else { Profile::Release }
    }

    /// A tool of the environment, which finds zig there, too.
    fn tool(&self, name: &str) -> Outcome<Command> {
        let folder = self.packaging.python.parent().unwrap_or(Path::new("")).to_owned();
        let mut command = Command::new(folder.join(format!("{name}{EXE_SUFFIX}")));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))
            .doing(|| "put the environment's programs first".into())?;
        command.current_dir(self.workspace.path(".")).env("PATH", path).env_remove("VIRTUAL_ENV");
        Ok(command)
    }

    /// Builds the program and its ONNX plugin, and puts them where the wheel takes them from.
    fn program(&self) -> Outcome {
        let (profile, mut target) = (self.profile(), self.workspace.target_dir()?);
        let mut build = match &self.choice.glibc {
            Some(version) => {
                target.push(TRIPLE);
                let mut zig = self.tool("cargo-zigbuild")?;
                zig.args(["zigbuild", "--target", &format!("{TRIPLE}.{version}")]);
                zig
            }
            None => self.workspace.cargo(&["build"]),
        };
        build.args(["--profile", profile.name(), "-p", "scorecam-cli", "-p", "scorecam-onnx-cpu"]);
        run(&mut build, "cargo build of the program")?;
        let folder = self.workspace.path(PROGRAM);
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
        let plugin = format!("{DLL_PREFIX}scorecam_onnx_cpu{DLL_SUFFIX}");
        for name in [format!("scorecam{EXE_SUFFIX}"), plugin] {
            let (from, to) = (target.join(profile.folder()).join(&name), folder.join(&name));
            fs::copy(&from, &to).doing(|| format!("copy {}", from.display()))?;
            strip(&to)?;
        }
        Ok(())
    }

    /// Puts the licences of all crates in the wheel where it takes them from.
    fn notices(&self) -> Outcome {
        let folder = self.workspace.path(NOTICES);
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
        let crates = folder.join("crates.txt");
        fs::write(&crates, of_packages(self.workspace, &LINKED)?)
            .doing(|| format!("write {}", crates.display()))?;
        if let Some(standard) = of_the_standard_library() {
            fs::copy(&standard, folder.join("rust-standard-library.html"))
                .doing(|| format!("copy {}", standard.display()))?;
        }
        Ok(())
    }

    /// The wheel, which replaces that of an earlier build.
    fn wheel(&self) -> Outcome<PathBuf> {
        let folder = self.workspace.target_dir()?.join("wheels");
        if folder.exists() {
            fs::remove_dir_all(&folder).doing(|| format!("empty {}", folder.display()))?;
        }
        let mut maturin = self.tool("maturin")?;
        maturin.args(["build", "--locked", "--profile", self.profile().name()]);
        maturin.args(["--manifest-path", "python/Cargo.toml", "--interpreter"]).arg(&self.packaging.python);
        maturin.arg("--out").arg(&folder);
        if let Some(version) = &self.choice.glibc {
            let tag = format!("manylinux_{}", version.replace('.', "_"));
            maturin.args(["--zig", "--target", TRIPLE, "--compatibility", &tag]);
        }
        run(&mut maturin, "maturin build")?;
        let files = fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))?;
        let wheel =
            files.flatten().map(|entry| entry.path()).find(|p| p.extension().is_some_and(|e| e == "whl"));
        wheel.ok_or_else(|| {
            Failure::new(format!("maturin reports success but left no wheel in {}", folder.display()))
        })
    }

    /// Fails where a file of the wheel needs a newer glibc than the wheel's name says.
    fn audit(&self, wheel: &Path) -> Outcome {
        let unpacked = tempfile::tempdir().doing(|| "make a folder for the wheel's files".into())?;
        let mut zip = Command::new(&self.packaging.python);
        run(zip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(unpacked.path()), "unpacking the wheel")?;
        if !cfg!(target_os = "linux") {
            return Ok(());
        }
        run(self.tool("auditwheel")?.arg("show").arg(wheel), "auditwheel")?;
        let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let promised = promised(&name)
            .ok_or_else(|| Failure::new(format!("{name} names no glibc; it must be a manylinux wheel")))?;
        for file in programs(unpacked.path())? {
            let needed = glibc(&file)?;
            let shown = file.strip_prefix(unpacked.path()).unwrap_or(&file).display().to_string();
            println!("{shown} needs glibc {}.{}", needed.0, needed.1);
            if needed > promised {
                return Err(Failure::new(format!(
                    "{shown} needs glibc {}.{}, but the wheel promises {}.{}; build with --glibc",
                    needed.0, needed.1, promised.0, promised.1
                )));
            }
        }
        Ok(())
    }
}

/// Takes what is for debuggers out of a file; a wheel with it would be ten times as large.
fn strip(file: &Path) -> Outcome {
    match cfg!(unix) {
        true => run(Command::new("strip").arg("--strip-unneeded").arg(file), "strip"),
        false => Ok(()),
    }
}

/// The glibc that a wheel's name promises: `..._manylinux_2_34_x86_64.whl` promises 2.34, and of several tags the oldest.
fn promised(name: &str) -> Option<(u32, u32)> {
    let numbers = |tag: &str| {
        let mut numbers = tag.split('_').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    name.split("manylinux_").skip(1).filter_map(numbers).min()
}

/// The ELF files below a folder.
fn programs(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// An environment with the wheel and what pip brings for it.
struct Fresh {
    python: PathBuf,
}

impl Fresh {
    fn make(folder: &Path, wheel: &Path) -> Outcome<Fresh> {
        run(PYTHON.command().args(["-m", "venv", "--clear"]).arg(folder), "python -m venv")?;
        let programs = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let fresh = Fresh { python: folder.join(programs) };
        fresh.install(&[], &[wheel])?;
        run(fresh.command().args(["-c", FIRST]), "the first three lines")?;
        Ok(fresh)
    }

    /// The interpreter, without what this process knows of others.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        for variable in ["PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "ORT_DYLIB_PATH", "SCORECAM_PROGRAM"] {
            command.env_remove(variable);
        }
        command.current_dir(self.python.parent().unwrap_or(Path::new("")));
        command
    }

    fn install(&self, options: &[&str], what: &[&Path]) -> Outcome {
        let mut pip = self.command();
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        run(pip.args(options).args(what), "pip install")
    }

    fn test(&self, workspace: &Workspace, choice: &Choice) -> Outcome {
        let tests = workspace.path("python/tests");
        self.install(&["--requirement"], &[&tests.join("requirements.txt")])?;
        if choice.torch {
            self.install(&["--no-deps", "--requirement"], &[&tests.join("with_torch/requirements.txt")])?;
            self.do_without_cuda(workspace)?;
        }
        if choice.ray {
            self.install(&["--requirement"], &[&tests.join("with_ray/requirements.txt")])?;
        }
        run(self.pytest().arg(&tests), "pytest")?;
        if choice.tensorflow {
            self.install(&["--requirement"], &[&tests.join("with_tensorflow/requirements.txt")])?;
            let files = ["test_keras_compat.py", "test_jax.py"].map(|name| tests.join(name));
            run(self.pytest().env("KERAS_BACKEND", "tensorflow").args(files), "pytest with TensorFlow")?;
        }
        let mut notebooks = self.pytest();
        // A cell may take long on a machine that has other work.
        notebooks.args(["--nbmake", "--nbmake-timeout=900"]);
        let folder = workspace.path("python/notebooks");
        for (is_there, needs_it) in
            [(choice.torch, "your_pytorch_model.ipynb"), (choice.ray, "many_photos_on_ray.ipynb")]
        {
            if !is_there {
                notebooks.arg("--ignore").arg(folder.join(needs_it));
            }
        }
        run(notebooks.arg(folder), "the notebooks")
    }

    fn pytest(&self) -> Command {
        let mut pytest = self.command();
        pytest.args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        pytest
    }

    /// Has every process of the environment load what stands in for CUDA's libraries, which PyTorch's only wheel names.
    fn do_without_cuda(&self, workspace: &Workspace) -> Outcome {
        let mut packages = self.command();
        packages.args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"]);
        let packages = PathBuf::from(output(&mut packages, "the environment's Python")?);
        let (from, module) = (workspace.path("tests/zoo/torch_without_cuda.py"), "torch_without_cuda");
        fs::copy(&from, packages.join(format!("{module}.py")))
            .doing(|| format!("copy {}", from.display()))?;
        let hook = packages.join(format!("{module}.pth"));
        fs::write(&hook, format!("import {module}\n")).doing(|| format!("write {}", hook.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheels_name_promises_a_glibc() {
        let check = |name: &str, expected| assert_eq!(promised(name), expected, "{name}");
        check("scorecam-1.0.0-cp310-abi3-manylinux_2_34_x86_64.whl", Some((2, 34)));
        check("scorecam-1.0.0-cp310-abi3-manylinux_2_17_x86_64.manylinux_2_5_x86_64.whl", Some((2, 5)));
        check("scorecam-1.0.0-cp310-abi3-linux_x86_64.whl", None);
    }

    #[test]
    fn programs_are_found_by_their_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/a"), b"\x7fELF...").unwrap();
        fs::write(folder.path().join("text.so"), "text").unwrap();
        assert_eq!(programs(folder.path()).unwrap(), [folder.path().join("inner/a")]);
    }
}
