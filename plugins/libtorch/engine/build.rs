//! Compiles the C++ part against the headers of libtorch, which the variable LIBTORCH names.

use std::path::PathBuf;

const SOURCES: [&str; 7] = ["axes", "outline", "ports", "program", "scoring", "shim", "stream"];

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Some(libtorch) = std::env::var_os("LIBTORCH").map(PathBuf::from) else {
        panic!("LIBTORCH is not set; run \"cargo xtask libtorch\", which sets it");
    };
    let include = libtorch.join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .flag("-fvisibility=hidden")
        // libtorch's headers warn by the hundred.
        .flag("-isystem")
        .flag(include.display().to_string())
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include").display().to_string())
        .warnings(true)
        // gcc 12 takes libtorch's empty std::optional for one that is read, and its null tensor for one that is
        // counted.
        .flag_if_supported("-Wno-maybe-uninitialized")
        .flag_if_supported("-Wno-stringop-overflow")
        .files(SOURCES.map(|name| format!("cpp/{name}.cpp")))
        .compile("scorecam_libtorch_shim");
}
