//! `kill -9` at every named place of the driver, and new processes that go on until the run has ended.
//!
//! A story is told once undisturbed, which says which places it comes to, and then once for each of them with a
//! process that dies there. Whatever happened, the run has to end as it did undisturbed, and the model must have been
//! asked the same. The model's own log is the witness.

mod person;
mod simulated;
mod stories;
mod tally;

pub(crate) use self::{
    person::{Ground, Told, tell},
    stories::{STORIES, Story, Telling, config, own_config, script},
    tally::Tally,
};
