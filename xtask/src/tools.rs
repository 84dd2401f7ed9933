//! The tools that builds, tests and examples call and that cargo does not bring. A command ensures its tools before it
//! starts to work: missing ones are installed where nobody has to be asked, on Debian as root or with `sudo -n`, and
//! anywhere else the command ends with the list of them.
//!
//! Tests never skip what they lack a tool for, so the list is what a machine must have to pass them. The packages
//! are Debian's, the system that the tests run on; other systems have them under similar names.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::workspace::{Workspace, answers, output, run};

/// Something to install.
pub(crate) struct Tool {
    sign: Sign,
    /// What it is, after "needs".
    what: &'static str,
    /// Debian's packages, with spaces between them. What a package only recommends has to be named.
    packages: &'static str,
}

/// How a tool is found.
enum Sign {
    /// A program that answers these arguments.
    Answers(&'static str, &'static [&'static str]),
    /// A program that the variable names, else the usual one.
    Chosen { variable: &'static str, usual: &'static str, arguments: &'static [&'static str] },
    /// A library that pkg-config knows.
    Library(&'static str),
    /// An element of GStreamer.
    Element(&'static str),
}

use Sign::{Answers, Chosen, Element, Library};

const VERSION: &[&str] = &["--version"];

pub(crate) const C: Tool = Tool {
    sign: Chosen { variable: "CC", usual: "cc", arguments: VERSION },
    what: "a C11 compiler",
    packages: "gcc libc6-dev",
};
pub(crate) const CXX: Tool = Tool {
    sign: Chosen { variable: "CXX", usual: "c++", arguments: VERSION },
    what: "a C++17 compiler",
    packages: "g++",
};
pub(crate) const STRIP: Tool = tool("strip", "strip for object files", "binutils");
pub(crate) const NM: Tool = tool("nm", "a lister of symbols", "binutils");
pub(crate) const OBJDUMP: Tool = tool("objdump", "a reader of libraries", "binutils");
pub(crate) const OBJCOPY: Tool = tool("objcopy", "an editor of object files", "binutils");
pub(crate) const AR: Tool = tool("ar", "a maker of static libraries", "binutils");
pub(crate) const DPKG_DEB: Tool = tool("dpkg-deb", "a maker and reader of Debian packages", "dpkg");
pub(crate) const PYTHON: Tool = python(VERSION, "Python 3", "python3");
pub(crate) const PIP: Tool =
    python(&["-m", "pip", "--version"], "pip, which fetches runtimes and models", "python3-pip");
/// Needed by `zoo` and `bench` alone.
pub(crate) const VENV: Tool =
    python(&["-c", "import ensurepip, venv"], "Python's own environments", "python3-venv");

/// Everything, in the order in which one thing may need another.
const ALL: &[Tool] = &[
    C,
    CXX,
    STRIP,
    tool("gcc", "the GNU C compiler", "gcc libc6-dev"),
    tool("g++", "the GNU C++ compiler", "g++"),
    tool("clang", "a second C compiler, with sanitizers", "clang libclang-rt-dev"),
    tool("clang++", "a second C++ compiler, with sanitizers", "clang libclang-rt-dev"),
    NM,
    OBJDUMP,
    OBJCOPY,
    AR,
    tool("readelf", "another reader of libraries", "binutils"),
    tool("valgrind", "a checker of memory", "valgrind"),
    tool("make", "make for CMake's builds", "make"),
    tool("cmake", "CMake", "cmake"),
    tool("pkg-config", "pkg-config", "pkg-config"),
    DPKG_DEB,
    PYTHON,
    PIP,
    tool("chromium", "a browser, for the tests of reports", "chromium"),
    Tool { sign: Library("opencv4"), what: "OpenCV's headers and libraries", packages: "libopencv-dev" },
    Tool { sign: Library("gstreamer-1.0"), what: "GStreamer's headers", packages: "libgstreamer1.0-dev" },
    Tool {
        sign: Library("gstreamer-video-1.0"),
        what: "GStreamer's video headers",
        packages: "libgstreamer-plugins-base1.0-dev",
    },
    tool("gst-launch-1.0", "GStreamer's programs", "gstreamer1.0-tools"),
    Tool {
        sign: Element("videoconvert"),
        what: "GStreamer's base plugins",
        packages: "gstreamer1.0-plugins-base",
    },
    Tool { sign: Element("avimux"), what: "GStreamer's good plugins", packages: "gstreamer1.0-plugins-good" },
];

const fn tool(program: &'static str, what: &'static str, packages: &'static str) -> Tool {
    Tool { sign: Answers(program, VERSION), what, packages }
}

const fn python(arguments: &'static [&'static str], what: &'static str, packages: &'static str) -> Tool {
    Tool { sign: Chosen { variable: "PYTHON", usual: "python3", arguments }, what, packages }
}

impl Tool {
    /// The tool's program, to be run.
    pub(crate) fn command(&self) -> Command {
        Command::new(self.program())
    }

    fn is_there(&self) -> bool {
        let mut command = self.command();
        match &self.sign {
            Answers(_, arguments) | Chosen { arguments, .. } => command.args(*arguments),
            Library(module) => command.args(["--exists", module]),
            Element(element) => command.args(["--exists", element]),
        };
        answers(&mut command)
    }

    fn program(&self) -> OsString {
        match &self.sign {
            Answers(program, _) => program.into(),
            Chosen { variable, usual, .. } => {
                env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| usual.into())
            }
            Library(_) => "pkg-config".into(),
            Element(_) => "gst-inspect-1.0".into(),
        }
    }

    /// The variable that names the program, where it is not the usual one.
    fn chosen_by(&self) -> Option<&'static str> {
        match self.sign {
            Chosen { variable, usual, .. } if self.program() != usual => Some(variable),
            _ => None,
        }
    }

    /// What it is called in a list; one that a variable names, with the variable, which may be what is wrong.
    fn name(&self) -> String {
        let program = self.program().to_string_lossy().into_owned();
        match &self.sign {
            Library(name) | Element(name) => (*name).to_owned(),
            Chosen { variable, usual, .. } if program != *usual => format!("{variable}={program}"),
            Answers(..) | Chosen { .. } => program,
        }
    }
}

/// Lists all tools, and fails when one is missing.
pub(crate) fn list() -> Outcome {
    for tool in ALL {
        let state = if tool.is_there() { "found" } else { "MISSING" };
        println!("{state:<9}{:<22}{:<42}{}", tool.name(), tool.what, tool.packages);
    }
    fail_for(&missing(ALL), "`cargo xtask test`")
}

/// Makes sure that all tools are there, and that cargo has what the tests ask of it.
pub(crate) fn ensure_all(workspace: &Workspace) -> Outcome {
    ensure(ALL, "`cargo xtask test`")?;
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !answers(&mut workspace.cargo(&[command, "--version"])) {
            let mut rustup = Command::new("rustup");
            rustup.args(["component", "add", component]);
            run(&mut rustup, &format!("cargo {command} is missing: rustup component add {component}"))?;
        }
    }
    Ok(())
}

/// Makes sure that these tools are there, which `who` needs: installs missing ones, or fails with their names.
pub(crate) fn ensure(tools: &[Tool], who: &str) -> Outcome {
    let lacking = missing(tools);
    // No package brings a program that a variable names.
    let can_help = !lacking.is_empty() && lacking.iter().all(|tool| tool.chosen_by().is_none());
    let Some(installer) = can_help.then(Installer::find).flatten() else { return fail_for(&lacking, who) };
    let packages = packages(&lacking);
    let names = packages.join(" ");
    println!("installing {names}, which {who} needs");
    // Without the latest lists apt-get may refuse packages whose parts are newer on this machine.
    run(&mut installer.apt_get(&["update"]), "apt-get update")?;
    let mut install = installer.apt_get(&["install", "--yes", "--no-install-recommends"]);
    run(install.args(&packages), &format!("apt-get install of {names}"))?;
    fail_for(&missing(tools), who)
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools.iter().filter(|tool| !tool.is_there()).collect()
}

/// Fails with the names of missing tools, if there are any.
fn fail_for(missing: &[&Tool], who: &str) -> Outcome {
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(|tool| format!("{} ({})", tool.name(), tool.what)).collect();
    let chosen = missing.iter().find_map(|tool| tool.chosen_by());
    let change = chosen.map(|variable| format!(", or change {variable}")).unwrap_or_default();
    Err(Failure::new(format!(
        "{who} needs tools that were not found or do not run: {}; install them (Debian: apt-get install {}){change}",
        names.join(", "),
        packages(missing).join(" ")
    )))
}

/// Each package once.
fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = tools.iter().flat_map(|tool| tool.packages.split(' ')).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// How packages are installed without a question, not even for a password.
#[derive(Clone, Copy)]
enum Installer {
    Root,
    Sudo,
}

impl Installer {
    /// None where that needs someone's word, or where there is no apt-get.
    fn find() -> Option<Installer> {
        let apt_get = answers(Command::new("apt-get").arg("--version"));
        let user = output(Command::new("id").arg("-u"), "id").ok().filter(|_| apt_get)?;
        if user.trim() == "0" {
            return Some(Installer::Root);
        }
        answers(Command::new("sudo").args(["-n", "true"])).then_some(Installer::Sudo)
    }

    fn apt_get(self, arguments: &[&str]) -> Command {
        let words: &[&str] = match self {
            Installer::Root => &["env"],
            Installer::Sudo => &["sudo", "-n", "env"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_are_named_with_the_packages_that_have_them() {
        let tools =
            [tool("no-c", "one", "clang"), tool("no-c++", "two", "clang"), tool("no-a", "three", "b c")];
        let line = fail_for(&missing(&tools), "a test").unwrap_err().to_string();
        let expected = "a test needs tools that were not found or do not run: no-c (one), no-c++ (two), no-a (three); install them \
                        (Debian: apt-get install b c clang)";
        assert_eq!(line, expected);
        assert!(ensure(&[tool("cargo", "cargo", "cargo")], "a test").is_ok());
        assert!(!Tool { sign: Library("no-such-library"), what: "", packages: "" }.is_there());
        assert!(!Tool { sign: Element("no-such-element"), what: "", packages: "" }.is_there());
    }

    #[test]
    fn a_program_that_a_variable_names_is_not_installed_but_named() {
        // A variable that every run under cargo has, and a program that its value is not.
        let sign = Chosen { variable: "CARGO_MANIFEST_DIR", usual: "python3", arguments: VERSION };
        let failure = ensure(&[Tool { sign, what: "Python", packages: "python3" }], "a test").unwrap_err();
        assert!(failure.to_string().ends_with(", or change CARGO_MANIFEST_DIR"), "{failure}");
    }

    #[test]
    fn packages_are_installed_without_a_question() {
        let words = |installer: Installer| {
            let command = installer.apt_get(&["install", "gcc"]);
            let program = command.get_program().to_string_lossy().into_owned();
            let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
            [program].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(Installer::Root), "env DEBIAN_FRONTEND=noninteractive apt-get install gcc");
        assert_eq!(words(Installer::Sudo), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install gcc");
    }
}
