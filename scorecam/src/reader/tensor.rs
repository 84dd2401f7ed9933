//! Tensors from `.npy` files.

use std::io::{BufRead, Read};

use scorecam_core::{Error, Result, Tensor, bail, element_count};

/// Reads an image [C, H, W] or [1, C, H, W] from a `.npy` file of `bytes` bytes, as [1, C, H, W]; never allocates more
/// than the file can fill.
pub fn read_tensor(file: impl BufRead, bytes: u64) -> Result<Tensor> {
    read(file, bytes, |shape| model_shape(shape).map(Vec::from))
}

/// Like [`read_tensor`], for a tensor with any axes.
pub fn read_array(file: impl BufRead, bytes: u64) -> Result<Tensor> {
    let known = |shape: &[u64]| shape.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>();
    read(file, bytes, |shape| {
        known(shape).ok_or_else(|| Error::invalid(format!("the array has shape {shape:?}")))
    })
}

fn read(
    mut file: impl BufRead,
    bytes: u64,
    shape_of: impl FnOnce(&[u64]) -> Result<Vec<usize>>,
) -> Result<Tensor> {
    let broken = |e: std::io::Error| Error::io(format!("the .npy file cannot be read: {e}"));
    let mut start = Vec::new();
    file.by_ref().take(MOST_HEADER + 12).read_to_end(&mut start).map_err(broken)?;
    check_header(&start, bytes)?;
    let npy = npyz::NpyFile::new(start.as_slice().chain(file)).map_err(broken)?;
    let dtype = npy.dtype().descr();
    if dtype.trim_matches(['\'', '"']) != "<f4" {
        bail!(invalid, "the tensor has dtype {dtype}; save it as little-endian f32 ('<f4', numpy.float32)");
    }
    if npy.order() != npyz::Order::C {
        return Err(Error::invalid("the tensor is in Fortran order; save numpy.ascontiguousarray of it"));
    }
    let shape = shape_of(npy.shape())?;
    let needed = element_count(&shape)? as u64 * size_of::<f32>() as u64;
    if needed > bytes {
        bail!(io, "the .npy file is cut off: shape {shape:?} needs {needed} bytes, the file has {bytes}");
    }
    Tensor::new(shape, npy.into_vec::<f32>().map_err(broken)?)
}

/// The maximum size of a header in bytes; that of a plain array has about 120.
const MOST_HEADER: u64 = 4096;

/// Rejects headers for which npyz would allocate unchecked (from version 2 on up to 4 GB), and nested ones, which take
/// it time that doubles with each bracket. Invalid headers are left to npyz.
fn check_header(start: &[u8], bytes: u64) -> Result<()> {
    let (length, text) = match *start {
        [b'\x93', _, _, _, _, _, ..=1, _, a, b, ref text @ ..] => {
            (u64::from(u16::from_le_bytes([a, b])), text)
        }
        [b'\x93', _, _, _, _, _, _, _, a, b, c, d, ref text @ ..] => {
            (u64::from(u32::from_le_bytes([a, b, c, d])), text)
        }
        _ => return Ok(()),
    };
    if length > bytes {
        bail!(io, "the .npy file is cut off: its header has {length} bytes, the file has {bytes}");
    }
    if length > MOST_HEADER {
        bail!(io, "the .npy file's header has {length} bytes; at most {MOST_HEADER} are allowed");
    }
    let header = &text[..text.len().min(length as usize)];
    match header.iter().filter(|b| b"([{".contains(b)).count() {
        // The dictionary and the shape.
        0..=2 => Ok(()),
        _ => Err(Error::invalid("the .npy file does not hold a plain array; save one of numpy.float32")),
    }
}

/// [C, H, W] or [1, C, H, W] as [1, C, H, W].
fn model_shape(shape: &[u64]) -> Result<[usize; 4]> {
    let refused = || {
        Error::invalid(format!(
            "the tensor has shape {shape:?}; it must be one image [C, H, W] or [1, C, H, W]"
        ))
    };
    let axes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    match axes.ok_or_else(refused)?[..] {
        [c, h, w] | [1, c, h, w] if c > 0 && h > 0 && w > 0 => Ok([1, c, h, w]),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_one_image_with_or_without_a_batch_axis() {
        let check = |shape: &[u64], expected: Option<[usize; 4]>| {
            assert_eq!(model_shape(shape).ok(), expected, "{shape:?}");
        };
        check(&[3, 4, 5], Some([1, 3, 4, 5]));
        check(&[1, 3, 4, 5], Some([1, 3, 4, 5]));
        check(&[2, 3, 4, 5], None);
        check(&[3, 0, 5], None);
        check(&[4, 5], None);
        check(&[], None);
        check(&[1, 1, 3, 4, 5], None);
    }
}
