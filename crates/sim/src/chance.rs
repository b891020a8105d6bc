//! The one generator of chance of a run.

/// splitmix64: small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.next_u64() % bound
    }

    /// A number of `low..=high`.
    pub(crate) const fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Whether something happens that happens so many times in a thousand.
    pub(crate) const fn per_mille(&mut self, rate: u32) -> bool {
        self.below(1000) < rate as u64
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(crate) const fn percent(&mut self, rate: u32) -> bool {
        self.below(100) < rate as u64
    }

    /// One of several things.
    pub(crate) const fn pick<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    /// The rate if chance has this kind of fault on in this run, else 0.
    pub(crate) const fn switched(&mut self, low: u32, high: u32) -> u32 {
        if self.below(2) == 0 {
            return 0;
        }
        self.range(low as u64, high as u64) as u32
    }
}
