//! Named places of the driver at which a tester can have the process die (feature `failpoints`, never a default).
//!
//! At every barrier that matters for what survives a crash the driver says where it is: around each append, between
//! an append and the effects that it allows, around every call to a worker, around leases, requests and commits. A
//! test [arms](arm) one of these places with the action that is to be taken there, and follows with `tracing` (target
//! [`TARGET`], level `TRACE`) which of them are reached. Unarmed, nothing happens.
//!
//! What the crate `fail` offers beyond a table of names (printing, sleeping, early returns) has no place in an engine
//! that is to be killed as it is, and the one action that is needed here, it does not have.

use std::{
    fmt,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{decision::Reply, record::Record, store::RequestId};

/// The target under which every place that is reached is traced, with its name in the field `point`.
pub const TARGET: &str = "orch::failpoint";

/// The kinds of records, by the names they have in the journal.
pub const RECORDS: &[&str] = &[
    "run-started",
    "attempt-started",
    "turn-started",
    "placed",
    "used",
    "warned",
    "ask-opened",
    "ask-answered",
    "ask-closed",
    "answered",
    "stopping",
    "settled",
    "failing",
    "skipped",
    "reused",
    "iteration-started",
    "group-ended",
    "in-doubt",
    "backed-off",
    "gate-opened",
    "gate-resolved",
    "pause-requested",
    "cancel-requested",
    "paused",
    "resumed",
    "finished",
];

/// What is done before and after which there is a place.
///
/// `place`, `send`, `probe`, `abort`, `answer` and `read` are calls to the worker; `acquire`, `renew` and `release`
/// concern the lease; `request` is a decision, a pause or a cancel that the driver takes up, `post` a request left for
/// another process, `reply` its reply made durable; `commit` ends a transaction of the durable store that writes.
pub const ACTIONS: &[&str] = &[
    "place", "send", "probe", "abort", "answer", "read", "acquire", "renew", "release", "request", "post",
    "reply", "commit",
];

/// Where a batch of records is when one of its places is reached: decided but not durable; durable, with nobody told
/// and nothing done; told to everybody, with what it allows not begun.
const MOMENTS: [&str; 3] = ["appending", "appended", "published"];

/// The names of all places: `appending:`, `appended:` and `published:` with the kind of a record, `before:` and
/// `after:` with an action.
pub fn points() -> impl Iterator<Item = String> {
    let records = RECORDS.iter().flat_map(|record| MOMENTS.map(|moment| name(moment, record)));
    let actions = ACTIONS.iter().flat_map(|action| ["before", "after"].map(|moment| name(moment, action)));
    records.chain(actions)
}

/// A place, and the how manieth time there counts: `appended:settled`, or `appended:settled:2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failpoint {
    point: String,
    time: u32,
}

/// Why a text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no failpoint {text:?}: it is MOMENT:SUBJECT or MOMENT:SUBJECT:TIME, such as appended:settled:2")]
pub struct UnknownFailpoint {
    text: String,
}

impl FromStr for Failpoint {
    type Err = UnknownFailpoint;

    fn from_str(text: &str) -> Result<Self, UnknownFailpoint> {
        let (point, time) = match text.rsplit_once(':') {
            Some((point, time)) if point.contains(':') => (point, time.parse().unwrap_or(0)),
            _ => (text, 1),
        };
        if time == 0 || !points().any(|known| known == point) {
            return Err(UnknownFailpoint { text: text.to_owned() });
        }
        Ok(Self { point: point.to_owned(), time })
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.point, self.time)
    }
}

#[derive(Debug)]
struct Armed {
    failpoint: Failpoint,
    reached: AtomicU32,
    act: fn(),
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Has `act` called, in the middle of whatever goes on there, when the process comes to this place for the given time.
/// A process has one failpoint; only the first that is armed counts.
pub fn arm(failpoint: Failpoint, act: fn()) {
    let _ = ARMED.set(Armed { failpoint, reached: AtomicU32::new(0), act });
}

/// The places before an append.
pub(crate) fn appending(written: &[Record], replies: &[(RequestId, Reply)]) {
    records("appending", written);
    if !replies.is_empty() {
        before("reply");
    }
}

/// The places after an append.
pub(crate) fn appended(written: &[Record], replies: &[(RequestId, Reply)]) {
    records("appended", written);
    if !replies.is_empty() {
        after("reply");
    }
}

/// The places of records that everybody has been told.
pub(crate) fn published(written: &[Record]) {
    records("published", written);
}

fn records(moment: &str, records: &[Record]) {
    for record in records {
        reach(&name(moment, &record.body.kind()));
    }
}

/// The place before an action.
pub(crate) fn before(action: &'static str) {
    reach(&name("before", action));
}

/// The place after an action.
pub(crate) fn after(action: &'static str) {
    reach(&name("after", action));
}

fn reach(point: &str) {
    tracing::trace!(target: TARGET, point, "reached");
    let Some(armed) = ARMED.get().filter(|armed| armed.failpoint.point == point) else { return };
    if armed.reached.fetch_add(1, Ordering::AcqRel) + 1 == armed.failpoint.time {
        (armed.act)();
    }
}

fn name(moment: &str, subject: &str) -> String {
    format!("{moment}:{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The journal's reader knows every kind of record, and says so to whoever brings it an unknown one.
    #[test]
    fn every_kind_of_record_has_its_places() {
        let unknown = serde_json::json!({ "record": "?" });
        let refusal = serde_json::from_value::<Record>(unknown).unwrap_err().to_string();
        let known: Vec<_> = refusal.split('`').skip(3).step_by(2).collect();
        assert_eq!(
            known, RECORDS,
            "failpoint::RECORDS is the list of record kinds in the order of record.rs"
        );
    }

    #[test]
    fn a_failpoint_is_read_as_it_is_written() {
        for (text, read) in [
            ("appended:settled", "appended:settled:1"),
            ("appended:settled:2", "appended:settled:2"),
            ("before:send:10", "before:send:10"),
        ] {
            assert_eq!(text.parse::<Failpoint>().unwrap().to_string(), read);
        }
        for text in
            ["", "settled", "appended", "appended:", "appended:sent", "before:settled", "appended:settled:0"]
        {
            let refusal = text.parse::<Failpoint>().unwrap_err().to_string();
            assert!(refusal.starts_with(&format!("no failpoint {text:?}")), "{refusal}");
        }
    }
}
