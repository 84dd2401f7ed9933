//! The format of a photo, from its first bytes, with a conversion command for unsupported formats.
//!
//! HEIC and AVIF have no maintained decoder in pure Rust under a free license; JPEG XL has one.

use image::ImageFormat;
use scorecam_core::{Error, Result};

/// A supported format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// By the image crate.
    Image(ImageFormat),
    /// By jxl-oxide.
    JpegXl,
}

/// The bytes that [`format_of`] looks at.
pub(super) const START: usize = 132;

const READ: [ImageFormat; 7] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
    ImageFormat::Gif,
    ImageFormat::Pnm,
];

/// The format of a file that starts with `start`; the error names a known but unsupported format.
pub(super) fn format_of(start: &[u8]) -> Result<Format> {
    match start {
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => return Ok(Format::JpegXl),
        // BigTIFF, which the image crate reads but does not recognize.
        [b'I', b'I', b'+', 0, ..] | [b'M', b'M', 0, b'+', ..] => return Ok(Format::Image(ImageFormat::Tiff)),
        _ => {}
    }
    match image::guess_format(start) {
        Ok(format) if READ.contains(&format) => return Ok(Format::Image(format)),
        _ => {}
    }
    match stranger(start) {
        Some((name, tool)) => Err(Error::unsupported(format!(
            "{name} is not supported; convert the photo to PNG, for example with {tool}"
        ))),
        None => Err(Error::io("it is neither a photo (png, jpeg, jxl, webp, bmp, tiff, gif, pnm) nor .npy")),
    }
}

/// The name of an unsupported format, and a command that converts it.
fn stranger(start: &[u8]) -> Option<(&'static str, &'static str)> {
    const MAGICK: &str = "magick IN OUT.png";
    let has = |at: usize, bytes: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    if has(4, b"ftyp") {
        // The main brand and those that it is compatible with.
        let brands = || start.get(8..).unwrap_or_default().as_chunks::<4>().0.iter();
        let any = |known: &[&[u8; 4]]| brands().any(|brand| known.contains(&brand));
        return if any(&[b"avif", b"avis"]) {
            Some(("AVIF", "avifdec IN.avif OUT.png"))
        } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
            Some(("HEIC", "heif-convert IN.heic OUT.png"))
        } else if any(&[b"crx "]) {
            Some(("CR3 (raw)", "dcraw_emu -T IN.cr3"))
        } else {
            None
        };
    }
    let known: [(usize, &[u8], _, _); 9] = [
        (0, b"\0\0\0\x0cjP  ", "JPEG 2000", "opj_decompress -i IN.jp2 -o OUT.png"),
        (0, b"\xff\x4f\xff\x51", "JPEG 2000", "opj_decompress -i IN.j2k -o OUT.png"),
        (0, b"\x76\x2f\x31\x01", "OpenEXR", MAGICK),
        (0, b"#?RADIANCE", "Radiance HDR", MAGICK),
        (0, b"8BPS", "Photoshop", MAGICK),
        (0, b"qoif", "QOI", MAGICK),
        (0, b"DDS ", "DDS", MAGICK),
        (0, b"%PDF", "PDF", "pdftoppm -png IN.pdf OUT"),
        (128, b"DICM", "DICOM", "dcm2img IN.dcm OUT.png"),
    ];
    known.into_iter().find(|(at, bytes, ..)| has(*at, bytes)).map(|(_, _, name, tool)| (name, tool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_first_bytes() {
        let check = |start: &[u8], expected: Result<Format, &str>| match (format_of(start), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{start:?}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (found, expected) => panic!("{start:?} is {found:?}, not {expected:?}"),
        };
        check(b"\xff\x0a\x01", Ok(Format::JpegXl));
        check(b"\0\0\0\x0cJXL \r\n\x87\n", Ok(Format::JpegXl));
        check(b"\xff\xd8\xff\xe0", Ok(Format::Image(ImageFormat::Jpeg)));
        check(b"II+\0\x08\0\0\0", Ok(Format::Image(ImageFormat::Tiff)));
        check(
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            Err("HEIC is not supported; convert the photo to PNG, for example with heif-convert"),
        );
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Err("AVIF is not supported"));
        check(b"\0\0\0\x0cjP  \r\n", Err("opj_decompress"));
        check(&[&[0; 128][..], b"DICM"].concat(), Err("DICOM"));
        check(b"\0\0\0\x18ftypisom", Err("neither a photo"));
        check(b"#!/bin/sh", Err("neither a photo"));
        check(b"", Err("neither a photo"));
    }
}
