//! What `cargo xtask dist` lays down and packs works for a stranger, who has the installed files, a compiler, CMake and
//! pkg-config: from a clean folder, after a move, and from each package.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use scorecam_tests::{fetched, golden, library, photo_as_ppm, raw_f32, read_npy, root, run};
use tempfile::TempDir;

/// The same installation three times: where it was put, and where each package was unpacked.
struct Installed {
    prefix: PathBuf,
    /// The folder with the packages.
    packages: PathBuf,
    unpacked: PathBuf,
    debian: PathBuf,
}

/// Made once for all tests of this file, with a space in its path.
fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("in stalled");
        if home.exists() {
            fs::remove_dir_all(&home).expect("what the last run left goes away");
        }
        let (prefix, packages) = (home.join("prefix"), home.join("packages"));
        run(dist("--prefix", &prefix).arg("--packages").arg(&packages));
        let unpacked = home.join("unpacked");
        fs::create_dir(&unpacked).expect("a folder");
        run(Command::new("tar").arg("xzf").arg(package(&packages, "gz")).arg("-C").arg(&unpacked));
        let debian = home.join("debian");
        run(Command::new("dpkg-deb").arg("-x").arg(package(&packages, "deb")).arg(&debian));
        let unpacked = unpacked.join(format!("scorecam-{VERSION}-linux-{}", std::env::consts::ARCH));
        Installed { prefix, packages, unpacked, debian: debian.join("usr") }
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn xtask() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--package", "xtask", "--"]).current_dir(root());
    cargo
}

/// `cargo xtask dist` of this profile with one folder.
fn dist(option: &str, folder: &Path) -> Command {
    let mut command = xtask();
    command.arg("dist").arg(option).arg(folder).args(cfg!(debug_assertions).then_some("--debug"));
    command
}

fn package(folder: &Path, extension: &str) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    files.find(|file| file.extension() == Some(OsStr::new(extension))).expect("a package")
}

/// A program that finds no plugin and no runtime but the installed ones, and no library but in `folder`.
fn alone(program: &Path, folder: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    for variable in ["SCORECAM_PLUGIN_PATH", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"] {
        command.env_remove(variable);
    }
    command.env("SCORECAM_CACHE", "/nonexistent").envs(folder.map(|folder| ("LD_LIBRARY_PATH", folder)));
    command
}

/// What a linked program of `tests/cmake/installed.c` says: the onnx-cpu plugin was found in this prefix, and
/// ONNX Runtime beside it.
fn check_installed(program: &mut Command, prefix: &Path) {
    let printed = run(program.arg(fetched("models/squeezenet1_1.onnx")));
    assert!(printed.starts_with(&format!("scorecam {VERSION}, ")), "{printed}");
    let plugin = prefix.join("lib/scorecam/libscorecam_onnx_cpu.so");
    assert!(printed.contains(&format!("onnx-cpu {}", plugin.display())), "{printed}");
}

/// What a linked program of `tests/c/explain.cpp` computes: the toy model's map of a photo.
fn check_explains(program: &mut Command, work: &Path) -> Vec<f32> {
    let map = work.join("map.raw");
    let photo = photo_as_ppm(&fetched("photos/chelsea.png"), work);
    run(program.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(photo).arg("3").arg(&map));
    let map = raw_f32(&map);
    assert_eq!(map.len(), 32 * 32);
    map
}

fn cmake(source: &Path, build: &Path, prefix: &Path) -> Command {
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(source).arg("-B").arg(build).arg("-DCMAKE_BUILD_TYPE=Debug");
    cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    // Nothing that lies in this repository or is installed on this machine may help.
    cmake.args(["-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF", "-DCMAKE_EXPORT_NO_PACKAGE_REGISTRY=ON"]);
    cmake
}

fn build(folder: &Path) {
    run(Command::new("cmake").arg("--build").arg(folder));
}

/// The stranger's project in a folder of its own.
fn stranger() -> TempDir {
    let folder = tempfile::Builder::new().prefix("a stranger's ").tempdir().expect("a folder");
    for file in ["cmake/CMakeLists.txt", "cmake/installed.c", "cmake/empty_plugin.c", "c/explain.cpp"] {
        let file = root().join("tests").join(file);
        fs::copy(&file, folder.path().join(file.file_name().expect("a name"))).expect("copied");
    }
    folder
}

fn check_cmake(prefix: &Path) {
    let work = stranger();
    let out = work.path().join("build");
    let said = run(&mut cmake(work.path(), &out, prefix));
    assert!(said.contains(&format!("plugins are in {}", prefix.join("lib/scorecam").display())), "{said}");
    build(&out);
    check_installed(&mut alone(&out.join("installed_scorecam"), None), prefix);
    check_installed(&mut alone(&out.join("installed_static"), None), prefix);
    let maps = ["explain_scorecam", "explain_static"]
        .map(|program| check_explains(&mut alone(&out.join(program), None), work.path()));
    assert_eq!(maps[0], maps[1]);
    assert!(out.join("libempty_plugin.so").is_file());
}

#[test]
fn cmake_builds_c_and_cpp_shared_and_static() {
    check_cmake(&installed().prefix);
}

#[test]
fn cmake_builds_on_a_tree_that_was_moved() {
    check_cmake(&installed().unpacked);
}

#[test]
fn cmake_refuses_another_major_version_and_a_newer_minor_one() {
    let work = tempfile::tempdir().expect("a folder");
    let check = |wanted: &str, fits: bool| {
        let project = format!(
            "cmake_minimum_required(VERSION 3.19)\nproject(p NONE)\nfind_package(scorecam {wanted} REQUIRED)\n"
        );
        fs::write(work.path().join("CMakeLists.txt"), project).expect("written");
        let out = work.path().join(wanted);
        let output = cmake(work.path(), &out, &installed().prefix).output().expect("cmake starts");
        assert_eq!(output.status.success(), fits, "{wanted}: {}", String::from_utf8_lossy(&output.stderr));
    };
    check("1", true);
    check(&format!("{VERSION} EXACT"), true);
    check("1...<2", true);
    check("1.99", false);
    check("0.9", false);
    check("2", false);
    check("2...3", false);
}

#[test]
fn the_examples_build_with_find_package() {
    let work = tempfile::tempdir().expect("a folder");
    let mut built = 0;
    for example in fs::read_dir(root().join("examples")).expect("examples").map(|e| e.expect("one").path()) {
        let Ok(project) = fs::read_to_string(example.join("CMakeLists.txt")) else { continue };
        // Tests of their own build those, which need more than this library.
        if project.contains("OpenCV") || project.contains("gstreamer") {
            continue;
        }
        let name = example.file_name().expect("a name");
        let source = work.path().join(name);
        run(Command::new("cp").arg("-r").arg(&example).arg(&source));
        let out = source.join("build");
        run(&mut cmake(&source, &out, &installed().prefix));
        build(&out);
        built += 1;
    }
    assert!(built >= 4, "only {built} examples were built");
}

/// The words that pkg-config says for a package of this prefix.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(arguments);
    let said = run(&mut command);
    // A space in a path is escaped, for a shell.
    let words = said.trim().replace("\\ ", "\0");
    words.split_whitespace().map(|word| word.replace('\0', " ")).collect()
}

fn check_pkg_config(prefix: &Path) {
    assert_eq!(pkg_config(prefix, &["--modversion", "scorecam"]), [VERSION]);
    let plugins = pkg_config(prefix, &["--variable=plugindir", "scorecam"]).join(" ");
    assert_eq!(Path::new(&plugins).canonicalize().ok(), prefix.join("lib/scorecam").canonicalize().ok());

    let lib = prefix.join("lib");
    let builds = [
        (vec!["--cflags", "--libs", "scorecam"], Some(lib.as_path())),
        (vec!["--static", "--cflags", "--libs", "scorecam"], Some(lib.as_path())),
        // The shared library is in no place where a loader looks.
        (vec!["--cflags", "--libs", "scorecam-static"], None),
    ];
    for (arguments, loaded_from) in builds {
        let work = stranger();
        let flags = pkg_config(prefix, &arguments);
        let is_static = loaded_from.is_none();
        let build = |program: &str, standard: &str, source: &str| {
            let out = work.path().join(format!("{source}.out"));
            let mut compile = Command::new(program);
            compile.args(is_static.then(|| format!("-DPLUGINS=\"{plugins}\"")));
            compile.arg(standard).arg(work.path().join(source)).arg("-o").arg(&out).args(&flags);
            run(&mut compile);
            out
        };
        let installed = build("cc", "-std=c11", "installed.c");
        check_installed(&mut alone(&installed, loaded_from), prefix);
        let explain = build("c++", "-std=c++17", "explain.cpp");
        check_explains(&mut alone(&explain, loaded_from), work.path());
    }
}

#[test]
fn pkg_config_builds_c_and_cpp_shared_and_static() {
    check_pkg_config(&installed().prefix);
}

#[test]
fn pkg_config_builds_on_the_debian_packages_tree() {
    check_pkg_config(&installed().debian);
}

/// The functions of include/scorecam.h.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/scorecam.h")).expect("the header");
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    let name = |line: &str| {
        let (before, _) = line.split_once('(')?;
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        word.starts_with("scorecam_").then(|| word.to_owned())
    };
    code.filter_map(name).collect()
}

/// The functions that a library exports, as `NAME` or `NAME VERSION`.
fn exported(library: &Path) -> BTreeSet<String> {
    let listed = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    // A linker may define the version's own name as an absolute symbol.
    let functions = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    functions.filter(|words| words[1] != "A").map(|words| words[2].replace("@@", " ")).collect()
}

#[test]
fn the_library_exports_the_header_and_nothing_else() {
    let golden: BTreeSet<String> =
        fs::read_to_string(golden("symbols.txt")).expect("the list").lines().map(str::to_owned).collect();
    let names: BTreeSet<String> =
        golden.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.len() > 20, "{names:?}");
    assert_eq!(declared(), names, "include/scorecam.h and tests/golden/symbols.txt");
    assert_eq!(exported(&installed().prefix.join("lib/libscorecam.so")), golden, "the installed library");
    assert_eq!(exported(&library("scorecam")), names, "cargo's own library");

    let script = fs::read_to_string(root().join("ffi/scorecam.map")).expect("the version script");
    let script = script.split("*/").last().expect("what follows the comment");
    let words = script.split_whitespace().filter_map(|word| word.strip_suffix(';'));
    let listed: BTreeSet<String> = words.filter(|w| w.starts_with("scorecam_")).map(str::to_owned).collect();
    assert_eq!(listed, names, "ffi/scorecam.map");
}

/// Two libraries that are made with Rust, in one C program, each with a whole standard library of its own.
#[test]
fn the_static_library_links_beside_another_one_made_with_rust() {
    let lib = installed().prefix.join("lib");
    let listed = run(Command::new("nm").args(["-g", "--defined-only"]).arg(lib.join("libscorecam.a")));
    let defined: BTreeSet<String> =
        listed.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect();
    assert_eq!(defined, declared(), "its global names are the functions of the header");

    let work = tempfile::tempdir().expect("a folder");
    let (source, archive) = (work.path().join("other.rs"), work.path().join("libother.a"));
    fs::write(&source, OTHER).expect("written");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    run(rustc.args(["--edition=2021", "--crate-type=staticlib", "-o"]).arg(&archive).arg(&source));
    let program = work.path().join("both");
    let mut cc = Command::new("cc");
    cc.arg(root().join("tests/c/beside_rust.c")).arg("-o").arg(&program);
    cc.arg("-Wl,--whole-archive").arg(&archive).arg("-Wl,--no-whole-archive");
    run(cc.args(pkg_config(&installed().prefix, &["--cflags", "--libs", "scorecam-static"])));
    let mut both = alone(&program, None);
    let printed = run(both.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")));
    assert_eq!(printed, "5 words, caught, 10 classes\n");
}

/// Collections, threads and panics: what two copies of the standard library could get in each other's way with.
const OTHER: &str = r#"
use std::collections::HashSet;
#[no_mangle]
pub extern "C" fn other_count(words: u32) -> usize {
    let words: HashSet<String> = (0..words).map(|n| n.to_string()).collect();
    std::thread::spawn(move || words.len()).join().unwrap()
}
#[no_mangle]
pub extern "C" fn other_catches() -> bool {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| panic!("of the other library")).is_err()
}
"#;

#[test]
fn libraries_have_their_names_and_search_nowhere() {
    let prefix = &installed().prefix;
    let dynamic = |path: &str| run(Command::new("readelf").arg("-d").arg(prefix.join(path)));
    assert!(dynamic("lib/libscorecam.so.1").contains("soname: [libscorecam.so.1]"));
    let ours = ["lib/libscorecam.so", "bin/scorecam", "lib/scorecam/libscorecam_onnx_cpu.so"];
    let plugins =
        ["onnx_cuda", "libtorch", "kserve"].map(|name| format!("lib/scorecam/libscorecam_{name}.so"));
    let plugins = plugins.iter().map(String::as_str);
    for path in ours.into_iter().chain(plugins) {
        let listed = dynamic(path);
        assert!(!listed.contains("RPATH") && !listed.contains("RUNPATH"), "{path}: {listed}");
        for needed in listed.lines().filter(|line| line.contains("(NEEDED)")) {
            let known = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux", "libdl.so", "libpthread.so"];
            assert!(known.iter().any(|name| needed.contains(name)), "{path}: {needed}");
        }
    }
    let link = |name: &str| fs::read_link(prefix.join("lib").join(name)).expect("a link");
    assert_eq!(link("libscorecam.so"), Path::new("libscorecam.so.1"));
    assert_eq!(link("libscorecam.so.1"), Path::new(&format!("libscorecam.so.{VERSION}")));
}

#[test]
fn the_unpacked_program_finds_its_plugins_and_its_runtime() {
    let prefix = &installed().unpacked;
    let program = prefix.join("bin/scorecam");
    let listed = run(alone(&program, None).arg("plugins"));
    for plugin in ["onnx_cpu", "onnx_cuda", "libtorch", "kserve"] {
        let file = prefix.join(format!("lib/scorecam/libscorecam_{plugin}.so"));
        assert!(listed.contains(&file.display().to_string()), "{listed}");
    }
    assert!(!listed.contains("toy"), "the toy backend is for tests: {listed}");

    let work = tempfile::tempdir().expect("a folder");
    let map = work.path().join("map.npy");
    let mut explain = alone(&program, None);
    explain.arg("explain").arg(golden("toy/input-3x32x32.npy")).arg("--model").arg(golden("toy/plain.toy"));
    run(explain.arg("--plugin").arg(library("scorecam_toy")).arg("--map").arg(&map));
    assert_eq!(read_npy(&map).shape(), [32, 32]);
    let layers =
        run(alone(&program, None).args(["layers", "--model"]).arg(fetched("models/squeezenet1_1.onnx")));
    assert!(layers.contains("features"), "{layers}");
}

#[test]
fn installed_headers_and_licences_are_all_there() {
    for prefix in [&installed().prefix, &installed().unpacked, &installed().debian] {
        let listed =
            run(Command::new("find").arg(root().join("include")).args(["-type", "f", "-printf", "%P\\n"]));
        for header in listed.lines() {
            let (ours, theirs) = (root().join("include").join(header), prefix.join("include").join(header));
            assert_eq!(fs::read(&ours).ok(), fs::read(&theirs).ok(), "{header} in {}", prefix.display());
        }
        assert!(listed.contains("scorecam.h") && listed.contains("scorecam_plugin.h"), "{listed}");
        let documents = prefix.join("share/doc/scorecam");
        for licence in ["LICENSE-MIT", "LICENSE-APACHE", "third-party/onnxruntime/LICENSE"] {
            assert!(documents.join(licence).is_file(), "{licence} in {}", prefix.display());
        }
        let crates = fs::read_to_string(documents.join("third-party/crates.txt")).expect("notices");
        assert!(crates.contains("\nabi_stable ") && crates.contains("\nort "), "crates that are linked in");
        assert!(!crates.contains("\nproptest ") && !crates.contains("\nclap_derive "), "crates that are not");
    }
}

#[test]
fn every_link_of_an_installed_page_leads_to_an_installed_file() {
    for prefix in [&installed().prefix, &installed().unpacked, &installed().debian] {
        let documents = prefix.join("share/doc/scorecam");
        let pages = run(Command::new("find").arg(&documents).args(["-name", "*.md"]));
        assert!(pages.lines().count() > 12, "{pages}");
        for page in pages.lines().map(Path::new) {
            let text = fs::read_to_string(page).expect("a page");
            let links =
                text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
            for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
                let file = page.parent().expect("a folder").join(link.split('#').next().unwrap_or_default());
                let file =
                    file.canonicalize().unwrap_or_else(|e| panic!("{} links to {link}: {e}", page.display()));
                assert!(file.starts_with(prefix.canonicalize().expect("the prefix")), "{}", file.display());
            }
        }
    }
}

#[test]
fn the_debian_package_is_well_formed() {
    let file = package(&installed().packages, "deb");
    let field = |name: &str| run(Command::new("dpkg-deb").arg("--field").arg(&file).arg(name));
    assert_eq!(field("Package").trim(), "scorecam");
    assert_eq!(field("Version").trim(), VERSION);
    let depends = field("Depends");
    let page = fs::read_to_string(root().join("docs/linux.md")).expect("the page");
    let number = |text: &str, before: &str| -> u32 {
        let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("no {before:?} in {text}"));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("the minor number of glibc")
    };
    assert!(number(&depends, "libc6 (>= 2.") <= number(&page, "**glibc 2."), "docs/linux.md and {depends}");
    assert!(depends.contains("libgcc-s1") && depends.contains("libstdc++6"), "{depends}");

    let information = run(Command::new("dpkg-deb").arg("--info").arg(&file));
    for part in ["control", "md5sums", "shlibs", "triggers"] {
        assert!(information.contains(part), "{information}");
    }
    let contents = run(Command::new("dpkg-deb").arg("--contents").arg(&file));
    for line in contents.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words[1] == "root/root" || words[1] == "0/0", "{line}");
        assert!(matches!(words[0], "drwxr-xr-x" | "-rw-r--r--" | "-rwxr-xr-x" | "lrwxrwxrwx"), "{line}");
    }
    assert!(contents.contains(" ./usr/share/doc/scorecam/copyright"), "{contents}");

    let facts = tempfile::tempdir().expect("a folder");
    run(Command::new("dpkg-deb").arg("-e").arg(&file).arg(facts.path()));
    let triggers = fs::read_to_string(facts.path().join("triggers")).expect("the triggers");
    assert_eq!(triggers, "activate-noawait ldconfig\n");
    let root = installed().debian.parent().expect("the folder above usr");
    run(Command::new("md5sum")
        .args(["--check", "--strict"])
        .arg(facts.path().join("md5sums"))
        .current_dir(root));
}

#[test]
fn packing_again_gives_the_same_bytes() {
    let again = tempfile::tempdir().expect("a folder");
    run(&mut dist("--packages", again.path()));
    for extension in ["gz", "deb"] {
        let (first, second) = (package(&installed().packages, extension), package(again.path(), extension));
        assert_eq!(first.file_name(), second.file_name());
        assert!(fs::read(&first).ok() == fs::read(&second).ok(), "{} has other bytes", second.display());
    }
}

#[test]
fn a_prefix_that_cannot_be_written_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("written");
    let output = dist("--prefix", &folder.path().join("file/prefix")).output().expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let last = errors.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: can't write ") && last.contains("; something else is in the way"),
        "{errors}"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn dist_asks_where_to() {
    let output = xtask().arg("dist").output().expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("--prefix") && errors.contains("--packages"), "{errors}");
}
