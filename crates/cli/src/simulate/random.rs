//! Chance that a seed decides: the same seed, the same values.

/// The chance of one thing: of a hole in a template, or of the times of a device.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// That of one thing under a seed: what it is stands in `parts`.
    pub(super) fn new(seed: u64, parts: [u64; 3]) -> Self {
        let mut random = Self(seed);
        for part in parts {
            random.0 = random.next() ^ part;
        }
        random
    }

    /// SplitMix64 of Steele, Lea and Flood.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The bias is smaller than anybody can see in a demonstration.
        self.next() % end.max(1)
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between two.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }
}
