//! Everything that reads what others wrote, given what nobody would write.

#![cfg(test)]

mod carry;
mod config;
mod events;
mod journal;
mod store;
mod template;

use orch_fuzz::Corpus;

/// How much of it the tests give each target; a long hunt asks for more with `ORCH_FUZZ_RUNS`.
const RUNS: u64 = 2_000;

fn hold(name: &str, corpus: &Corpus, target: impl FnMut(&[u8])) {
    match corpus.throw(RUNS, target) {
        Ok(given) => println!("{name}: {given} executions"),
        Err(broken) => panic!(
            "{name} broke at seed {}, run {}: {:?}",
            broken.seed,
            broken.run,
            String::from_utf8_lossy(&broken.bytes)
        ),
    }
}
