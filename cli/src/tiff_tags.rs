//! A TIFF file's tags, looked at before its decoder gets it.
//!
//! The decoder makes room for as many values as a tag says, before it is told a limit and before it reads the
//! first one: a file of a hundred bytes can ask for gigabytes. Values stand in the file, so a count that the
//! file has no room for is wrong in any case.

use std::io::{self, Read, Seek, SeekFrom};

use scorecam_core::{Error, Result};

/// Refuses a TIFF file one of whose tags says that it has more values than the file has room for. Anything else
/// is left to the decoder, files that are no TIFF included; the file is at its start again afterwards.
pub(crate) fn check_tags(file: &mut (impl Read + Seek)) -> Result<()> {
    let greedy = greedy_tag(file);
    file.rewind().map_err(|e| Error::io(e.to_string()))?;
    match greedy {
        Ok(Some((tag, count))) => Err(Error::io(format!(
            "the photo cannot be decoded: its TIFF tag {tag} has {count} values, more than the file has room for"
        ))),
        // What cannot be read here cannot be read by the decoder, which has the better words.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// The first tag of the first picture with too many values, and how many.
fn greedy_tag(file: &mut (impl Read + Seek)) -> io::Result<Option<(u64, u64)>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let start = array::<_, 4>(file)?;
    let big_endian = match &start {
        b"II*\0" | b"II+\0" => false,
        b"MM\0*" | b"MM\0+" => true,
        _ => return Ok(None),
    };
    // BigTIFF has wider numbers, and two more fields in its header.
    let is_wide = start.contains(&b'+');
    let word = if is_wide { 8 } else { 4 };
    file.seek(SeekFrom::Start(word))?;
    let tags = number(file, word as usize, big_endian)?;
    file.seek(SeekFrom::Start(tags))?;
    let entries = number(file, if is_wide { 8 } else { 2 }, big_endian)?;
    for _ in 0..entries {
        let tag = number(file, 2, big_endian)?;
        let kind = number(file, 2, big_endian)?;
        let count = number(file, word as usize, big_endian)?;
        number(file, word as usize, big_endian)?;
        if count.checked_mul(value_size(kind)).is_none_or(|bytes| bytes > length) {
            return Ok(Some((tag, count)));
        }
    }
    Ok(None)
}

/// Bytes of one value of a type of the TIFF 6.0 specification (section 2) or of BigTIFF.
fn value_size(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

fn array<R: Read, const N: usize>(file: &mut R) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map(|()| bytes)
}

fn number(file: &mut impl Read, length: usize, big_endian: bool) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes[..length])?;
    if big_endian {
        bytes[..length].reverse();
    }
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_tag_of_more_values_than_the_file_has_room_for_is_refused() {
        let check = |count: u32, expected: bool| {
            let little =
                [&b"II*\0\x08\0\0\0\x01\0\x00\x01\x04\0"[..], &count.to_le_bytes(), &[0; 8]].concat();
            let big = [&b"MM\0*\0\0\0\x08\0\x01\x01\x00\0\x04"[..], &count.to_be_bytes(), &[0; 8]].concat();
            for bytes in [little, big] {
                let accepted = check_tags(&mut Cursor::new(&bytes));
                assert_eq!(accepted.is_ok(), expected, "{count} values: {accepted:?}");
            }
        };
        check(1, true);
        check(6, true);
        check(7, false);
        check(u32::MAX, false);
        for other in [&b""[..], b"II*\0", b"\x89PNG", b"II*\0\xff\xff\xff\xff"] {
            assert!(check_tags(&mut Cursor::new(other)).is_ok(), "{other:?} is left to the decoder");
        }
    }
}
