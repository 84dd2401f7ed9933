//! The tools that builds, tests and examples call and that cargo does not bring: asked for by name before they are
//! missed in the middle of the work, and installed where that is one command.
//!
//! Tests never skip what they lack a tool for, so the list is what a machine must have to pass them. The packages
//! are Debian's, the system that the tests run on; other systems have them under similar names.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::workspace::{Workspace, answers, run};

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

/// Everything, in the order in which one thing may need another.
const ALL: &[Tool] = &[
    C,
    CXX,
    STRIP,
    tool("gcc", "the GNU C compiler", "gcc libc6-dev"),
    tool("g++", "the GNU C++ compiler", "g++"),
    tool("clang", "a second C compiler, with sanitizers", "clang libclang-rt-dev"),
    tool("clang++", "a second C++ compiler, with sanitizers", "clang libclang-rt-dev"),
    tool("nm", "a lister of symbols", "binutils"),
    tool("readelf", "a reader of libraries", "binutils"),
    tool("valgrind", "a checker of memory", "valgrind"),
    tool("make", "make for CMake's builds", "make"),
    tool("cmake", "CMake", "cmake"),
    tool("pkg-config", "pkg-config", "pkg-config"),
    tool("dpkg-deb", "a reader of Debian packages", "dpkg"),
    Tool {
        sign: Chosen { variable: "PYTHON", usual: "python3", arguments: VERSION },
        what: "Python 3",
        packages: "python3",
    },
    Tool {
        sign: Chosen { variable: "PYTHON", usual: "python3", arguments: &["-m", "pip", "--version"] },
        what: "pip, which fetches runtimes and models",
        packages: "python3-pip",
    },
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

impl Tool {
    /// The tool's program, to be run.
    pub(crate) fn command(&self) -> Command {
        Command::new(self.program())
    }

    /// Fails unless the tool is there; `who` needs it.
    pub(crate) fn check(&self, who: &str) -> Outcome {
        if self.is_there() {
            return Ok(());
        }
        let Tool { what, packages, .. } = self;
        let choose = match &self.sign {
            Chosen { variable, .. } => format!(" or set {variable}"),
            _ => String::new(),
        };
        Err(Failure::new(format!(
            "{} was not found or does not run, and {who} needs {what}; install one (`cargo xtask tools --install`, \
             Debian: apt-get install {packages}){choose}",
            self.name()
        )))
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
pub(crate) fn check_all() -> Outcome {
    let missing = survey();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(Failure::new(missing_line(missing))),
    }
}

/// Installs what is missing, if anything is.
pub(crate) fn install() -> Outcome {
    let missing = survey();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages(&missing);
    let names = packages.join(" ");
    if !answers(Command::new("apt-get").arg("--version")) {
        return Err(Failure::new(format!(
            "this system has no apt-get; install what Debian calls {names}, and run `cargo xtask tools` again"
        )));
    }
    // Without the latest lists apt-get may refuse packages whose parts are newer on this machine.
    let who = user();
    run(&mut apt_get(who, &["update"]), "apt-get update")?;
    let mut install = apt_get(who, &["install", "--yes", "--no-install-recommends"]);
    run(install.args(&packages), &format!("apt-get install of {names}"))?;
    println!();
    check_all()
}

/// Fails unless these commands of cargo are installed, each given with the component it comes in.
pub(crate) fn check_cargo(workspace: &Workspace, commands: &[(&str, &str)]) -> Outcome {
    for (command, component) in commands {
        if !answers(&mut workspace.cargo(&[command, "--version"])) {
            return Err(Failure::new(format!(
                "cargo {command} is missing; run `rustup component add {component}`"
            )));
        }
    }
    Ok(())
}

/// Prints what is there and what is not, and returns the latter.
fn survey() -> Vec<&'static Tool> {
    let mut missing = Vec::new();
    for tool in ALL {
        let there = tool.is_there();
        let state = if there { "found" } else { "MISSING" };
        println!("{state:<9}{:<22}{:<42}{}", tool.name(), tool.what, tool.packages);
        if !there {
            missing.push(tool);
        }
    }
    missing
}

fn missing_line(missing: &[&Tool]) -> String {
    let names: Vec<String> = missing.iter().map(|tool| tool.name()).collect();
    format!(
        "missing: {}; run `cargo xtask tools --install` (Debian: apt-get install {})",
        names.join(", "),
        packages(missing).join(" ")
    )
}

/// Each package once.
fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = tools.iter().flat_map(|tool| tool.packages.split(' ')).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Who runs this.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    Root,
    Other,
}

fn user() -> User {
    let number = Command::new("id").arg("-u").output();
    match number.is_ok_and(|number| number.stdout.trim_ascii() == b"0") {
        true => User::Root,
        false => User::Other,
    }
}

/// apt-get that asks nothing, not even for a password.
fn apt_get(who: User, arguments: &[&str]) -> Command {
    let mut command = match who {
        User::Root => Command::new("env"),
        User::Other => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "env"]);
            sudo
        }
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let two = [tool("clang", "one", "clang"), tool("clang++", "two", "clang"), tool("a", "three", "b c")];
        let line = missing_line(&two.iter().collect::<Vec<_>>());
        let expected = "missing: clang, clang++, a; run `cargo xtask tools --install` (Debian: apt-get install b c clang)";
        assert_eq!(line, expected);
    }

    #[test]
    fn one_that_does_not_run_is_missed_with_what_to_do() {
        let failure = tool("no-such-program", "a thing", "thing").check("a test").unwrap_err().to_string();
        assert!(
            failure.starts_with("no-such-program was not found or does not run, and a test needs a thing;")
        );
        assert!(failure.contains("apt-get install thing") && !failure.contains('\n'), "{failure}");
        assert!(!Tool { sign: Library("no-such-library"), what: "", packages: "" }.is_there());
        assert!(!Tool { sign: Element("no-such-element"), what: "", packages: "" }.is_there());
    }

    #[test]
    fn packages_are_installed_without_a_question() {
        let words = |who| {
            let command = apt_get(who, &["install", "gcc"]);
            let program = command.get_program().to_string_lossy().into_owned();
            let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
            [program].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(User::Root), "env DEBIAN_FRONTEND=noninteractive apt-get install gcc");
        assert_eq!(words(User::Other), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install gcc");
    }
}
