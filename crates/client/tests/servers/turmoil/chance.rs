//! Decisions that a seed makes.

/// Random numbers (SplitMix64) of a seed and whatever else tells one row of decisions from another.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64, about: &str, number: usize) -> Self {
        let mut chance = Self(seed);
        let number = number.to_le_bytes();
        for byte in about.bytes().chain(number) {
            chance.0 = chance.next() ^ u64::from(byte);
        }
        chance
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("64 bits");
        usize::try_from(self.next() % end).expect("below a usize")
    }

    /// A number of `from..=to`.
    pub(crate) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
