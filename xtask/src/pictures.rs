//! `cargo xtask pictures`: makes the pictures of the documentation with the commands on its pages.
//!
//! A command is a line in a fenced block that begins with `scorecam explain $C/`, where `$C` is the cache. A shell runs it
//! unchanged, in an empty folder beside a link to `docs`. The overlay that it writes, `PAGE-NAME.png`, becomes
//! `docs/images/PAGE-NAME.jpg`, small enough for a repository. A page shows only pictures that its commands make.

use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

use crate::cache::Cache;
use crate::failure::{Failure, Outcome, While};
use crate::fetch::{self, What};
use crate::libtorch::Profile;
use crate::workspace::{Workspace, run};

/// The pages with commands; a picture's name begins with that of its page.
const PAGES: [&str; 3] = ["start", "choose", "targets"];
const IMAGES: &str = "docs/images";
/// The beginning of a command on a page.
const BEGINNING: &str = "scorecam explain $C/";
/// Pixels of a picture's width.
const WIDTH: u32 = 320;
const QUALITY: u8 = 80;

/// A command of a page.
#[derive(Debug, PartialEq)]
struct Example {
    command: String,
    /// The picture's name without ending.
    picture: String,
}

/// Runs every command of the pages and writes their pictures anew.
pub(crate) fn pictures(workspace: &Workspace, cache: &Cache, profile: Profile) -> Outcome {
    let needed = [
        What::Onnxruntime,
        What::EfficientnetLite0,
        What::EfficientnetLite0Heads,
        What::SsdMobilenetV2,
        What::U2netp,
        What::Photos,
    ];
    fetch::fetch(workspace, cache, &needed)?;
    let packages = ["--profile", profile.name(), "-p", "scorecam-cli", "-p", "scorecam-onnx-cpu"];
    run(workspace.cargo(&["build"]).args(packages), "cargo build")?;
    let images = workspace.path(IMAGES);
    fs::create_dir_all(&images).doing(|| format!("make {}", images.display()))?;
    for name in PAGES {
        make((workspace, cache, profile), &examples(name, &page(workspace, name)?)?, &images)?;
    }
    Ok(())
}

/// Runs examples with the program of a profile, and writes their pictures into a folder.
fn make(
    (workspace, cache, profile): (&Workspace, &Cache, Profile),
    examples: &[Example],
    images: &Path,
) -> Outcome {
    let folder = tempfile::tempdir().doing(|| "make a temporary folder".into())?;
    link(&workspace.path("docs"), &folder.path().join("docs"))?;
    let mut path = workspace.target_dir()?.join(profile.folder()).into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    for Example { command, picture } in examples {
        println!("{command}");
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", command]).current_dir(folder.path());
        shell.env("PATH", &path).env("C", cache.root()).env("SCORECAM_CACHE", cache.root());
        run(&mut shell, command)?;
        let (from, to) =
            (folder.path().join(format!("{picture}.png")), images.join(format!("{picture}.jpg")));
        shrink(&from, &to).map_err(|cause| {
            Failure::new(format!("{command}: can't make {} of {}: {cause}", to.display(), from.display()))
        })?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Outcome {
    std::os::unix::fs::symlink(from, to).doing(|| format!("link {}", to.display()))
}

#[cfg(not(unix))]
fn link(_: &Path, to: &Path) -> Outcome {
    Err(Failure::new(format!("can't link {}: `cargo xtask pictures` runs on Unix", to.display())))
}

fn shrink(from: &Path, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let picture = image::open(from)?.to_rgb8();
    let height = (picture.height() * WIDTH).div_ceil(picture.width());
    let small = image::imageops::resize(&picture, WIDTH, height, FilterType::Triangle);
    Ok(small
        .write_with_encoder(JpegEncoder::new_with_quality(BufWriter::new(fs::File::create(to)?), QUALITY))?)
}

fn page(workspace: &Workspace, name: &str) -> Outcome<String> {
    let path = workspace.path(&format!("docs/{name}.md"));
    fs::read_to_string(&path).doing(|| format!("read {}", path.display()))
}

/// The commands of a page; a backslash at a line's end goes on in the next line.
fn examples(name: &str, page: &str) -> Outcome<Vec<Example>> {
    let beginning = format!("{name}-");
    let text = page.replace("\\\n", " ");
    let commands = text.lines().filter(|line| line.starts_with(BEGINNING));
    commands
        .map(|command| {
            let words: Vec<&str> = command.split_whitespace().collect();
            let overlay = words.windows(2).find_map(|pair| (pair[0] == "--overlay").then_some(pair[1]));
            let picture = overlay.and_then(|overlay| overlay.strip_suffix(".png"));
            let picture = picture.filter(|name| name.starts_with(&beginning)).ok_or_else(|| {
                Failure::new(format!("docs/{name}.md: {command} writes no overlay {name}-NAME.png"))
            })?;
            Ok(Example { command: words.join(" "), picture: picture.to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn page_with_examples(name: &str) -> (String, Vec<Example>) {
        let page = page(&Workspace::find().unwrap(), name).unwrap();
        let examples = examples(name, &page).unwrap();
        (page, examples)
    }

    #[test]
    fn a_command_is_a_line_that_may_go_on_in_the_next() {
        let page = "```\nscorecam explain street.jpg\nscorecam explain $C/a.png \\\n    --overlay targets-a.png\n```\n";
        let [found] = <[Example; 1]>::try_from(examples("targets", page).unwrap()).unwrap();
        assert_eq!(found.command, "scorecam explain $C/a.png --overlay targets-a.png");
        assert_eq!(found.picture, "targets-a");
        let failure =
            examples("targets", "scorecam explain $C/a.png --overlay a.png\n").unwrap_err().to_string();
        assert!(failure.contains("docs/targets.md") && failure.contains("targets-NAME.png"), "{failure}");
    }

    #[test]
    fn every_command_has_a_picture_on_its_page_and_every_picture_a_command() {
        let (mut made, mut commands) = (BTreeSet::new(), 0);
        for name in PAGES {
            let (page, examples) = page_with_examples(name);
            let of_page: BTreeSet<String> = examples.iter().map(|e| format!("{}.jpg", e.picture)).collect();
            let shown = page.split("](images/").skip(1).filter_map(|rest| rest.split(')').next());
            let shown = shown.filter(|name| name.ends_with(".jpg"));
            assert_eq!(of_page, shown.map(str::to_owned).collect(), "made and shown by docs/{name}.md");
            commands += examples.len();
            made.extend(of_page);
        }
        assert_eq!(made.len(), commands, "two commands write the same picture");
        let (mut kept, mut bytes) = (BTreeSet::new(), 0);
        for entry in fs::read_dir(Workspace::find().unwrap().path(IMAGES)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".jpg") {
                bytes += entry.metadata().unwrap().len();
                kept.insert(name);
            }
        }
        assert_eq!(kept, made, "run `cargo xtask pictures`, and remove pictures that no page shows");
        assert!(bytes < 600_000, "{bytes} bytes of pictures");
    }

    #[test]
    fn every_kind_of_target_has_a_command() {
        let (page, examples) = page_with_examples("targets");
        // The table of targets comes first on the page, its words up to what a user fills in: `class:NAME` is `class`.
        let (table, _) = page.split_once("\n## ").unwrap();
        let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let kinds: Vec<&str> =
            cells.flat_map(|cell| cell.split(", ")).map(|word| word.trim_matches('`')).collect();
        assert!(kinds.len() > 10, "{kinds:?}");
        for kind in kinds {
            let word =
                kind.split(|c: char| c.is_uppercase()).next().unwrap_or_default().trim_end_matches(':');
            assert!(examples.iter().any(|e| e.command.contains(word)), "no command shows {kind}");
        }
    }

    #[test]
    #[ignore = "long: cargo xtask soak"]
    fn every_command_of_the_pages_runs() {
        let workspace = Workspace::find().unwrap();
        let cache = Cache::locate().unwrap();
        for name in PAGES {
            let (_, examples) = page_with_examples(name);
            let images = tempfile::tempdir().unwrap();
            make((&workspace, &cache, Profile::Dev), &examples, images.path()).unwrap();
            assert_eq!(fs::read_dir(images.path()).unwrap().count(), examples.len(), "docs/{name}.md");
        }
    }
}
