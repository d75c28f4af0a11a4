//! Damaged input, the same each time: texts of a corpus, changed a few times, for everything that reads what others wrote.
//!
//! `ORCH_FUZZ_RUNS` asks for more runs than the fixed number that belongs to the tests, `ORCH_FUZZ_SEED` for others. A text
//! that broke something once belongs into the corpus.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Texts, and what they are damaged with beside single bytes.
#[derive(Debug, Clone)]
pub struct Corpus {
    texts: Vec<Vec<u8>>,
    pieces: Vec<Vec<u8>>,
}

/// A target broke its promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The seed it began from.
    pub seed: u64,
    /// Which run.
    pub run: u64,
    /// What it was given.
    pub bytes: Vec<u8>,
}

impl Corpus {
    /// A corpus that is damaged with these pieces.
    pub fn new<T: Into<Vec<u8>>>(texts: impl IntoIterator<Item = T>, pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        Self { texts: texts.into_iter().map(Into::into).collect(), pieces }
    }

    /// Its texts.
    #[must_use]
    pub fn texts(&self) -> &[Vec<u8>] {
        &self.texts
    }

    /// Gives the target each text as it is, then damaged ones. Returns how many it was given.
    ///
    /// # Errors
    /// The first at which it panicked.
    pub fn throw(&self, runs: u64, mut target: impl FnMut(&[u8])) -> Result<u64, Broken> {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        let (runs, seed) =
            (number("ORCH_FUZZ_RUNS").unwrap_or(runs), number("ORCH_FUZZ_SEED").unwrap_or(1_u64));
        let mut given = 0;
        let mut give = |run: u64, bytes: Vec<u8>| {
            given += 1;
            let kept = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            kept.map_err(|_| Broken { seed, run, bytes })
        };
        for text in &self.texts {
            give(0, text.clone())?;
        }
        for run in 0..runs {
            let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(run));
            let mut bytes = chance.of(&self.texts).clone();
            for _ in 0..=chance.below(4) {
                self.damage(&mut bytes, &mut chance);
            }
            give(run, bytes)?;
        }
        Ok(given)
    }

    fn damage(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(12)).min(bytes.len());
        match chance.below(6) {
            0 => bytes.insert(at, chance.byte()),
            1 => drop(bytes.drain(at..end)),
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            3 => drop(bytes.splice(at..end, chance.of(&self.pieces).iter().copied())),
            4 => drop(bytes.splice(at..at, chance.of(&self.pieces).iter().copied())),
            _ => {
                let other = chance.of(&self.texts);
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(80)).min(other.len());
                drop(bytes.splice(at..end, other.get(from..to).unwrap_or_default().iter().copied()));
            }
        }
    }
}

/// The files of a folder, always in the same order.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// SplitMix64.
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
