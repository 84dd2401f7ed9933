//! `cargo xtask demo`: from a fresh checkout to a page that shows what scorecam does.
//!
//! Fetches the runtime, a classifier and three photos, builds the program and its plugin in release, and runs
//! the program on each photo just as a user would. The page is made of what the program wrote, its JSON, its
//! map and its overlay, so nothing on it can be right when the program is wrong. All of it goes into
//! `target/demo`, which is emptied first.

mod map_picture;
mod page;

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Failure, Outcome, While};
use crate::fetch::{self, What};
use crate::workspace::{Workspace, run};

/// File stems of the photos in the cache, and what each shows.
const PHOTOS: [(&str, &str); 3] =
    [("chelsea", "A cat"), ("camera", "A man with a camera"), ("coffee", "A cup of coffee")];
const MODEL: &str = "models/efficientnet_lite0.toml";

/// Runs the demo and prints where everything is.
pub(crate) fn demo(workspace: &Workspace, cache: &Cache) -> Outcome {
    fetch::fetch(workspace, cache, &[What::Onnxruntime, What::EfficientnetLite0, What::Photos])?;
    println!("building scorecam in release");
    let packages = ["-p", "scorecam-cli", "-p", "scorecam-onnx-cpu", "-p", "scorecam-ffi"];
    run(workspace.cargo(&["build", "--release"]).args(packages), "cargo build --release")?;
    let target = workspace.target_dir()?;
    let stage = Stage {
        program: target.join("release").join(format!("scorecam{EXE_SUFFIX}")),
        cache,
        out: target.join("demo"),
    };
    stage.empty()?;
    let mut shown = Vec::new();
    for (stem, subject) in PHOTOS {
        println!("explaining {stem}.png");
        shown.push(stage.show(stem, subject)?);
    }
    let page = stage.out.join("index.html");
    let commands = page::Commands { program: &stage.program, model: &cache.path(MODEL) };
    fs::write(&page, page::render(&shown, &commands)?).doing(|| format!("write {}", page.display()))?;
    println!("\nmodel, photos  {}", cache.root().display());
    println!("program        {}", stage.program.display());
    println!("maps, overlays {}", stage.out.display());
    println!("open this page {}", page.display());
    Ok(())
}

/// Where the demo's pieces are.
struct Stage<'a> {
    program: PathBuf,
    cache: &'a Cache,
    out: PathBuf,
}

impl Stage<'_> {
    /// An old picture must not pass for a new one.
    fn empty(&self) -> Outcome {
        match fs::remove_dir_all(&self.out) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
            _ => fs::create_dir_all(&self.out),
        }
        .doing(|| format!("empty {}", self.out.display()))
    }

    /// Explains one photo and gathers what the page says about it.
    fn show(&self, stem: &str, subject: &str) -> Outcome<page::Photo> {
        let name = format!("{stem}.png");
        let photo = self.cache.path("photos").join(&name);
        let (map, overlay, json) =
            (format!("{stem}-map"), format!("{stem}-overlay.png"), format!("{stem}.json"));
        let npy = self.out.join(format!("{map}.npy"));
        let mut explain = Command::new(&self.program);
        explain
            .arg("explain")
            .arg(&photo)
            .arg("--model")
            .arg(self.cache.path(MODEL))
            .args(["--class", "top:1"]);
        explain.arg("--map").arg(&npy).arg("--overlay").arg(self.out.join(&overlay));
        explain.arg("--json").arg(self.out.join(&json)).env("SCORECAM_CACHE", self.cache.root());
        run(&mut explain, &format!("scorecam explain {}", photo.display()))?;

        fs::copy(&photo, self.out.join(&name)).doing(|| format!("copy {}", photo.display()))?;
        self.require(&overlay)?;
        let picture = format!("{map}.png");
        let (height, width) = map_picture::draw(&npy, &self.out.join(&picture))?;
        let result = page::read(&self.out.join(&json))?;
        let map_size = format!("{width} × {height}");
        Ok(page::Photo { subject: subject.to_owned(), photo: name, map: picture, map_size, overlay, result })
    }

    fn require(&self, name: &str) -> Outcome {
        let path: &Path = &self.out.join(name);
        if path.is_file() {
            return Ok(());
        }
        Err(Failure::new(format!("scorecam reports success but did not write {}", path.display())))
    }
}
