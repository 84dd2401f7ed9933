//! Pseudorandom numbers, the same in every run and on every machine: for trial images ([`noise`]) and random masks
//! ([`Draws`]).

/// A number from -1 to 1 that is unlike those of the neighbors of `i`.
pub fn noise(i: usize) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(GAMMA);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The generator SplitMix64 (Steele, Lea and Flood, 2014), read by position: draw `i` is the number that a generator seeded
/// with `seed` gives after `i` others. So a mask can be drawn without those before it.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    seed: u64,
}

impl Draws {
    /// The draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Draws of their own for item `i`: those whose seed is draw `i` of these.
    pub fn of(self, i: usize) -> Self {
        Self::new(self.bits(i))
    }

    /// Draw `i` as 64 random bits.
    pub fn bits(self, i: usize) -> u64 {
        let z = self.seed.wrapping_add((i as u64).wrapping_add(1).wrapping_mul(GAMMA));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draw `i` as a number of at least 0 and below 1: its upper 53 bits.
    pub fn uniform(self, i: usize) -> f64 {
        (self.bits(i) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draw `i` as a whole number below `n`.
    pub fn below(self, i: usize, n: usize) -> usize {
        (self.uniform(i) * n as f64) as usize
    }

    /// Number `i` of the standard normal distribution, from draws `2i` and `2i + 1` (Box and Muller, 1958).
    pub fn normal(self, i: usize) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(2 * i), self.uniform(2 * i + 1));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_splitmix64() {
        // Of the authors' code with seed 1234567.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        let draws = Draws::new(1_234_567);
        assert_eq!([0, 1, 2, 3].map(|i| draws.bits(i)), expected);
    }

    #[test]
    fn numbers_have_the_mean_and_deviation_of_their_distribution() {
        let draws = Draws::new(0).of(7);
        let check = |number: &dyn Fn(usize) -> f64, mean: f64, deviation: f64| {
            let all: Vec<f64> = (0..20_000).map(number).collect();
            let found = all.iter().sum::<f64>() / all.len() as f64;
            let spread = all.iter().map(|v| (v - found).powi(2)).sum::<f64>() / all.len() as f64;
            assert!((found - mean).abs() < 0.02 * deviation.max(1.0), "{found}, not {mean}");
            assert!((spread.sqrt() / deviation - 1.0).abs() < 0.02, "{spread}, not {deviation} squared");
        };
        check(&|i| draws.uniform(i), 0.5, (1.0f64 / 12.0).sqrt());
        check(&|i| draws.normal(i), 0.0, 1.0);
        check(&|i| draws.below(i, 5) as f64, 2.0, 2f64.sqrt());
    }
}
