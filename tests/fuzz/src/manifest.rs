//! A model manifest: from text to preprocessing that can be applied.

use scorecam::Manifest;
use scorecam_core::image::Photo;

use crate::check_refusal;

/// Inputs up to this side are really made; larger ones only cost time.
const SIDE: usize = 64;

/// What is accepted can be printed and read again, and makes finite inputs of the size that it says.
pub fn check(bytes: &[u8]) -> bool {
    // A file that is not UTF-8 is refused when it is read, before the manifest's own code.
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => return check_refusal(&error),
    };
    let value: toml::Table = toml::from_str(text).expect("what is a manifest is TOML");
    let printed = toml::to_string(&value).expect("what was TOML can be TOML again");
    assert_eq!(Manifest::parse(&printed).as_ref(), Ok(&manifest), "printed as {printed:?}");
    for known in [None, Some((1, 1)), Some((usize::MAX, 7))] {
        match manifest.preprocess(known) {
            Err(error) => {
                check_refusal(&error);
            }
            Ok(plan) if plan.size.0 > SIDE || plan.size.1 > SIDE => {}
            Ok(plan) => {
                let photo = Photo::from_rgb8((3, 5), (0..45).map(|i| i * 5).collect()).expect("a photo");
                let prepared = plan.apply(&photo).expect("what was checked can be applied");
                let (height, width) = plan.size;
                assert_eq!(prepared.input.shape(), [1, plan.color.channels(), height, width]);
                assert!(prepared.input.data().iter().all(|v| v.is_finite()), "{plan:?}");
            }
        }
    }
    manifest.activation().expect("a manifest was checked");
    manifest.layout().expect("a manifest was checked");
    true
}
