//! Draws a saliency map, a `.npy` file of f32 values in [0, 1], as a picture for the page.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use crate::failure::{Failure, Outcome, While};

/// Writes the map as a PNG in viridis, dark for 0 and bright for 1, and returns its height and width.
pub(crate) fn draw(npy: &Path, png: &Path) -> Outcome<(u32, u32)> {
    let file = fs::read(npy).doing(|| format!("read {}", npy.display()))?;
    let map = parse(&file).map_err(|why| Failure::new(format!("can't draw {}: {why}", npy.display())))?;
    write(&map, png).doing(|| format!("write {}", png.display()))?;
    Ok((map.height, map.width))
}

#[derive(Debug, PartialEq)]
struct Map {
    height: u32,
    width: u32,
    values: Vec<f32>,
}

fn write(map: &Map, png: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let palette =
        (0..=u8::MAX).flat_map(|level| colorous::VIRIDIS.eval_rational(level.into(), 256).as_array());
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(png)?), map.width, map.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.collect::<Vec<_>>());
    let levels: Vec<u8> =
        map.values.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&levels)?;
    Ok(writer.finish()?)
}

/// The map in a `.npy` file, or why it is none.
fn parse(file: &[u8]) -> Result<Map, String> {
    let npy = npyz::NpyFile::new(file).map_err(|cause| format!("it is no .npy file: {cause}"))?;
    let &[height @ 1..=u64::MAX, width @ 1..=u64::MAX] = npy.shape() else {
        return Err(format!("it is of shape {:?}, not [H, W]", npy.shape()));
    };
    let side = |size: u64| u32::try_from(size).map_err(|_| format!("a side of {size} is too long"));
    let (height, width) = (side(height)?, side(width)?);
    let values = npy.into_vec::<f32>().map_err(|cause| format!("its values cannot be read: {cause}"))?;
    if !values.iter().all(|value| value.is_finite()) {
        return Err("it has values that are not finite".into());
    }
    Ok(Map { height, width, values })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A `.npy` file as numpy writes it.
    pub(crate) fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        file
    }

    #[test]
    fn a_map_becomes_a_picture_of_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let (source, picture) = (folder.path().join("m.npy"), folder.path().join("m.png"));
        fs::write(&source, npy("(2, 3)", &[0.0, 0.5, 1.0, 0.25, 2.0, -1.0])).unwrap();
        assert_eq!(draw(&source, &picture).unwrap(), (2, 3));
        let file = std::io::BufReader::new(File::open(&picture).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [0, 128, 255, 64, 255, 0]);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let check = |file: &[u8], expected: &str| {
            let why = parse(file).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        let good = npy("(1, 2)", &[0.0, 1.0]);
        assert_eq!(parse(&good).unwrap().values, [0.0, 1.0]);
        check(b"PK", "no .npy file");
        check(&good[..30], "no .npy file");
        check(&good[..good.len() - 1], "cannot be read");
        check(&npy("(2,)", &[0.0, 1.0]), "not [H, W]");
        check(&npy("(0, 2)", &[]), "not [H, W]");
        check(&npy("(1, 1, 2)", &[0.0, 1.0]), "not [H, W]");
        check(&npy("(1, 2)", &[f32::NAN, 1.0]), "not finite");
    }
}
