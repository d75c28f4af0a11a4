//! Ids in the host's shapes: prefix, 48 bits of time and counter in hex, 14 random base-62 characters.

use std::sync::atomic::{AtomicU64, Ordering};

const TIME_BITS: u64 = (1 << 48) - 1;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number that this process has not used before.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Mints ids for one host. Ids of one kind sort in the order they were minted; session ids sort newest first.
#[derive(Debug, Default)]
pub(super) struct Mint {
    last: u64,
}

impl Mint {
    /// An id such as `msg_…`, later ones greater.
    pub(super) fn ascending(&mut self, prefix: &str, now_ms: u64) -> String {
        let stamp = self.stamp(now_ms);
        shape(prefix, stamp)
    }

    /// An id such as `ses_…`, later ones smaller.
    pub(super) fn descending(&mut self, prefix: &str, now_ms: u64) -> String {
        let stamp = self.stamp(now_ms);
        shape(prefix, !stamp)
    }

    /// 4096 ids a millisecond; more than that borrow from the next one.
    fn stamp(&mut self, now_ms: u64) -> u64 {
        self.last = (self.last + 1).max((now_ms << 12) + 1);
        self.last
    }
}

fn shape(prefix: &str, stamp: u64) -> String {
    let tail: String = (0..14).scan(scramble(unique()), |state, _| Some(next_character(state))).collect();
    format!("{prefix}_{:012x}{tail}", stamp & TIME_BITS)
}

fn next_character(state: &mut u64) -> char {
    *state = scramble(*state);
    char::from(ALPHABET[(*state % 62) as usize])
}

/// One step of splitmix64: spreads a counter over all bits. Uniqueness is all that is asked of it.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
