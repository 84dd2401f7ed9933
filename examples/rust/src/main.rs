//! Explains the photos of a folder: `explain-folder MODEL PHOTOS OUT` writes a picture of each to folder OUT.

use std::error::Error;
use std::path::Path;

use scorecam::{ExplainOptions, Explainer, Host, Image, Overlay};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, photos, out] = &arguments[..] else { return Err("give a model and two folders".into()) };
    let host = Host::new()?;
    let model = host.load_model(model)?;
    let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
    for entry in std::fs::read_dir(photos)? {
        let path = entry?.path();
        match explain(&explainer, &path, Path::new(out)) {
            Ok(line) => println!("{}: {line}", path.display()),
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
    Ok(())
}

fn explain(explainer: &Explainer<'_>, path: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let photo = Image::open(path)?.into_photo().ok_or("it is a tensor, not a photo")?;
    let explanation = explainer.explain(&photo.clone().into())?;
    let overlay = explanation.overlay(0, &photo, &Overlay::default())?;
    let (width, height) = (overlay.width() as u32, overlay.height() as u32);
    let picture = image::RgbImage::from_raw(width, height, overlay.into_pixels()).ok_or("no picture")?;
    picture.save(out.join(path.file_name().ok_or("no name")?).with_extension("png"))?;
    let target = &explanation.targets[0];
    Ok(format!("{} ({:.3})", target.label.as_deref().unwrap_or("a class without a name"), target.score))
}
