//! The end of a JPEG file, looked for before its decoder gets it.
//!
//! Decoders fill up what is missing of a JPEG with gray and say nothing, so half a photo would be explained as a whole
//! one. A complete file has an end-of-image marker after its last scan. It is found by walking the markers of ITU
//! T.81 (annex B): segments are skipped by their length, so the marker of an embedded thumbnail does not count, and
//! whatever follows the first image (trailing bytes, the further pictures of an MPF file) is never looked at.

use std::io::{self, BufRead, Seek};

use scorecam_core::{Error, Result};

/// What a walk finds out about a JPEG file besides its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scans {
    /// The number of scans; of more than one, and of a progressive file, a decoder keeps all coefficients in memory.
    pub(super) count: usize,
    pub(super) is_progressive: bool,
}

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Refuses a JPEG file that ends before its end-of-image marker. The file is at its start again afterwards.
pub(super) fn check_end(file: &mut (impl BufRead + Seek)) -> Result<Scans> {
    let found = walk(file);
    file.rewind().map_err(|e| Error::io(e.to_string()))?;
    found.map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Error::io(
            "the photo cannot be decoded: the file is cut off, it has no end-of-image marker; copy it again",
        ),
        _ => Error::io(e.to_string()),
    })
}

fn walk(file: &mut (impl BufRead + Seek)) -> io::Result<Scans> {
    let mut scans = Scans { count: 0, is_progressive: false };
    file.rewind()?;
    let mut marker = next_marker(file)?;
    loop {
        match marker {
            END_OF_IMAGE => return Ok(scans),
            // Start of image, TEM and restart markers have no segment.
            0xd8 | 0x01 | 0xd0..=0xd7 => {}
            _ => {
                scans.is_progressive |= matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
                scans.count += usize::from(marker == START_OF_SCAN);
                let length = u64::from(byte(file)?) << 8 | u64::from(byte(file)?);
                skip(file, length.saturating_sub(2))?;
            }
        }
        marker = next_marker(file)?;
    }
}

/// The next marker; entropy-coded bytes before it are passed over, in which 0xff is followed by 0.
fn next_marker(file: &mut impl BufRead) -> io::Result<u8> {
    loop {
        while byte(file)? != 0xff {}
        let mut code = byte(file)?;
        // A marker may be led by any number of fill bytes.
        while code == 0xff {
            code = byte(file)?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
}

fn byte(file: &mut impl BufRead) -> io::Result<u8> {
    let first = file.fill_buf()?.first().copied().ok_or(io::ErrorKind::UnexpectedEof)?;
    file.consume(1);
    Ok(first)
}

fn skip(file: &mut impl BufRead, mut count: u64) -> io::Result<()> {
    while count > 0 {
        let there = file.fill_buf()?.len() as u64;
        if there == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let step = there.min(count);
        file.consume(step as usize);
        count -= step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn check(bytes: &[u8], expected: Option<(usize, bool)>) {
        let found = check_end(&mut Cursor::new(bytes)).ok().map(|scans| (scans.count, scans.is_progressive));
        assert_eq!(found, expected, "{bytes:x?}");
    }

    #[test]
    fn only_a_marker_after_the_last_scan_ends_a_file() {
        let start = b"\xff\xd8";
        // An APP1 segment with a whole thumbnail in it.
        let thumbnail = b"\xff\xe1\x00\x0c\xff\xd8\xff\xda\x00\x02\x07\xff\xd9\x00";
        let frame = b"\xff\xc0\x00\x03\x08";
        let scan = b"\xff\xda\x00\x03\x01\x12\xff\x00\x34\xff\xd0\x56";
        let end = b"\xff\xd9";
        let check = |parts: &[&[u8]], expected| check(&parts.concat(), expected);
        check(&[start, thumbnail, frame, scan, end], Some((1, false)));
        check(&[start, thumbnail, frame, scan], None);
        check(&[start, thumbnail, frame], None);
        check(&[start, &thumbnail[..9]], None);
        check(&[start, frame, scan, scan, b"\xff\xff\xff\xd9"], Some((2, false)));
        check(&[start, b"\xff\xc2\x00\x03\x08", scan, end], Some((1, true)));
        // Trailing bytes, and a further picture that is cut off.
        check(&[start, frame, scan, end, b"\0\0\0", start, frame, &scan[..7]], Some((1, false)));
        check(&[start, frame, &scan[..6], b"\xff\x00"], None);
        check(&[start], None);
    }
}
