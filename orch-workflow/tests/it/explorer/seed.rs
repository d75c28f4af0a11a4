//! Numbers that follow from a seed, and from nothing else.

/// `SplitMix64`: small, and the same everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed of its own that depends on this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A seed that depends on this one and on a word.
    pub(crate) fn keyed(self, word: &str) -> Self {
        word.bytes().fold(self, |seed, byte| Self(Self(seed.0 ^ u64::from(byte)).next()))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("a bound is small"))
            .expect("it is below the bound")
    }

    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
