//! Numbers like random ones, the same in every run: what trial images are made of.

/// A number from -1 to 1 that is unlike those of the neighbors of `i`.
pub fn noise(i: usize) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}
