//! A tensor in a `.npy` file, as the program reads it.

use scorecam::{read_array, read_tensor};

use crate::check_refusal;

/// What is accepted is one image whose values are those that stand behind the header.
pub fn check(bytes: &[u8]) -> bool {
    if let Ok(array) = read_array(bytes, bytes.len() as u64) {
        assert_eq!(array.data().len(), array.shape().iter().product::<usize>());
    }
    let tensor = match read_tensor(bytes, bytes.len() as u64) {
        Ok(tensor) => tensor,
        Err(error) => return check_refusal(&error),
    };
    let &[1, channels, height, width] = tensor.shape() else {
        panic!("the shape of one image is [1, C, H, W], not {:?}", tensor.shape());
    };
    assert_eq!(tensor.data().len(), channels * height * width);
    assert!(!tensor.data().is_empty(), "an image has pixels");
    // Version 1 says the header's length in two bytes, later ones in four.
    let (start, length) = match bytes[6] {
        1 => (10, usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))),
        _ => (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize),
    };
    let values = bytes[start + length..].as_chunks::<4>().0;
    assert!(values.len() >= tensor.data().len(), "values that the file does not hold");
    for (value, bytes) in tensor.data().iter().zip(values) {
        assert_eq!(value.to_le_bytes(), *bytes);
    }
    true
}
