//! A TIFF file's tags, looked at before its decoder gets it and when that failed.
//!
//! The decoder makes room for as many values as a tag says, before it is told a limit and before it reads the
//! first one: a file of a hundred bytes can ask for gigabytes. Values stand in the file, so a count that the
//! file has no room for is wrong in any case. And where it does not know a compression it names a number; the tags
//! say what kind of TIFF the user has.

use std::io::{self, Read, Seek, SeekFrom};

use scorecam_core::{Error, ErrorKind, Result};

/// Refuses a TIFF file one of whose tags says that it has more values than the file has room for. Anything else
/// is left to the decoder, files that are no TIFF included; the file is at its start again afterwards.
pub(super) fn check_tags(file: &mut (impl Read + Seek)) -> Result<()> {
    let length = file.seek(SeekFrom::End(0)).map_err(|e| Error::io(e.to_string()))?;
    let is_greedy =
        |entry: &Entry| entry.count.checked_mul(value_size(entry.kind)).is_none_or(|bytes| bytes > length);
    let greedy = find(file, |entry| is_greedy(entry).then_some((entry.tag, entry.count)));
    file.rewind().map_err(|e| Error::io(e.to_string()))?;
    match greedy {
        Ok(Some((tag, count))) => Err(Error::io(format!(
            "the photo cannot be decoded: its TIFF tag {tag} has {count} values, more than the file has room for"
        ))),
        // What cannot be read here cannot be read by the decoder, which has the better words.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// The decoder's error, led by what kind of TIFF file it failed on, and with the way out.
pub(super) fn named(error: Error, file: &mut (impl Read + Seek)) -> Error {
    if error.kind() != ErrorKind::Io {
        return error;
    }
    let value = |file: &mut _, tag| find(file, |e| (e.tag == tag).then_some(e.value)).ok().flatten();
    let mut traits = Vec::from_iter(value(file, COMPRESSION).and_then(compression));
    traits.extend(value(file, COLOR).and_then(color));
    let kind = if matches!(header(file), Ok(Header { is_wide: true, .. })) { "BigTIFF" } else { "TIFF" };
    let with = if traits.is_empty() { String::new() } else { format!(" with {}", traits.join(" and ")) };
    Error::io(format!("{error}; it is a {kind} file{with}; save it as PNG or as uncompressed RGB TIFF"))
}

const COMPRESSION: u64 = 259;
const COLOR: u64 = 262;

/// Compressions by the numbers of libtiff's `tiff.h`; none for no compression and an unknown one.
fn compression(number: u64) -> Option<&'static str> {
    Some(match number {
        2..=4 => "fax compression",
        5 => "LZW compression",
        6 => "old JPEG compression",
        7 => "JPEG compression",
        8 | 32946 => "deflate compression",
        32773 => "PackBits compression",
        34712 | 33003 | 33005 => "JPEG 2000 compression",
        34887 => "LERC compression",
        34925 => "LZMA compression",
        50000 => "Zstandard compression",
        50001 => "WebP compression",
        50002 => "JPEG XL compression",
        _ => return None,
    })
}

/// Colors that are not read, by their numbers in TIFF 6.0 (section 8 and later).
fn color(number: u64) -> Option<&'static str> {
    Some(match number {
        4 => "a transparency mask",
        6 => "YCbCr colors",
        8..=10 => "L*a*b* colors",
        32803 | 34892 => "raw colors",
        _ => return None,
    })
}

/// One entry of a directory; `value` is that of a single number that stands in the entry.
struct Entry {
    tag: u64,
    kind: u64,
    count: u64,
    value: u64,
}

struct Header {
    big_endian: bool,
    /// BigTIFF has wider numbers, and two more fields in its header.
    is_wide: bool,
}

fn header(file: &mut (impl Read + Seek)) -> io::Result<Header> {
    file.rewind()?;
    match &array::<_, 4>(file)? {
        b"II*\0" => Ok(Header { big_endian: false, is_wide: false }),
        b"MM\0*" => Ok(Header { big_endian: true, is_wide: false }),
        b"II+\0" => Ok(Header { big_endian: false, is_wide: true }),
        b"MM\0+" => Ok(Header { big_endian: true, is_wide: true }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// What `look` finds first in the tags of the first picture.
fn find<T>(file: &mut (impl Read + Seek), look: impl Fn(&Entry) -> Option<T>) -> io::Result<Option<T>> {
    let Header { big_endian, is_wide } = header(file)?;
    let word: usize = if is_wide { 8 } else { 4 };
    file.seek(SeekFrom::Start(word as u64))?;
    let tags = number(file, word, big_endian)?;
    file.seek(SeekFrom::Start(tags))?;
    let entries = number(file, if is_wide { 8 } else { 2 }, big_endian)?;
    for _ in 0..entries {
        let tag = number(file, 2, big_endian)?;
        let kind = number(file, 2, big_endian)?;
        let count = number(file, word, big_endian)?;
        // A value that is shorter than its field stands at the field's start.
        let length = (value_size(kind) as usize).min(word);
        let value = number(file, length, big_endian)?;
        number(file, word - length, big_endian)?;
        if let Some(found) = look(&Entry { tag, kind, count, value }) {
            return Ok(Some(found));
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

    #[test]
    fn an_error_names_the_kind_of_tiff() {
        let little =
            b"II*\0\x08\0\0\0\x02\0\x03\x01\x03\0\x01\0\0\0\x07\0\0\0\x06\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x03\0\x03\0\0\0\x01\xc3\x50\0\0";
        let wide = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        for (bytes, expected) in [
            (&little[..], "no; it is a TIFF file with JPEG compression and YCbCr colors; save it as"),
            (big, "no; it is a TIFF file with Zstandard compression; save it as"),
            (wide, "no; it is a BigTIFF file; save it as"),
        ] {
            let error = named(Error::io("no"), &mut Cursor::new(bytes)).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(named(Error::invalid("no"), &mut Cursor::new(little)).to_string(), "no");
    }
}
