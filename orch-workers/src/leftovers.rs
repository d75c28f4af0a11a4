//! Data of started servers that no run refers to any more.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use orch_workflow::port::Locator;

use crate::{
    claim::Claim,
    locator::{Home, Whereabouts},
    orphans::{self, HOST, is_of_a_host},
    pool::{self, Envelope},
};

/// Data directories that nobody works on, and nobody can while they are here: whoever reads the journals meanwhile knows
/// all runs that refer to one of them. That of the first host of a project is none of them, for it stays.
#[derive(Debug)]
pub(crate) struct Leftovers {
    claims: Vec<Claim>,
}

impl Leftovers {
    /// Those of this state directory.
    pub(crate) fn of(state: &Path) -> io::Result<Self> {
        let mut claims = Claim::all_free(state, |name| name != HOST && is_of_a_host(name))?;
        claims.extend(Claim::all_free(&orphans::homes_of_workers(&orphans::workers(state)), |_| true)?);
        Ok(Self { claims })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Removes those that none of these locators names.
    pub(crate) fn remove_all_but(self, named: &[Locator]) -> io::Result<()> {
        let named: HashSet<OsString> = named.iter().flat_map(names).collect();
        self.claims
            .into_iter()
            .filter(|claim| claim.name().is_some_and(|name| !named.contains(OsStr::new(name))))
            .try_for_each(Claim::remove)
    }
}

/// The data directories that a locator refers to. One that is not ours refers to none of ours.
fn names(locator: &Locator) -> impl Iterator<Item = OsString> {
    let of_host = pool::data_of(locator).map(OsString::from);
    let of_worker = Envelope::open(locator)
        .and_then(|(_, locator)| Whereabouts::open(&locator))
        .ok()
        .and_then(|at| match at.home {
            Home::Own { data } => data.file_name().map(OsString::from),
            Home::Given { .. } => None,
        });
    of_host.into_iter().chain(of_worker)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn locator(home: Value, data: Option<&str>) -> Locator {
        let at = json!({
            "kind": "agent", "home": home, "directory": "/project", "session": "ses_1", "message": "msg_1", "part": "prt_1",
        });
        let locator = Locator(json!({ "worker": "w", "kind": "agent", "at": at }));
        match data {
            Some(data) => pool::on_data(locator, data),
            None => locator,
        }
    }

    #[test]
    fn what_no_run_names_and_nobody_uses_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let names = ["host", "host-2", "host-3", "workers/servers/named-1", "workers/servers/forgotten-1"];
        for name in names {
            drop(Claim::of(&state.path().join(name)).unwrap());
        }
        let used = Claim::of(&state.path().join("workers/servers/used-1")).unwrap().unwrap();
        std::fs::create_dir(state.path().join("workers/servers/records")).unwrap();
        let own = json!({ "own": { "data": "/once/servers/named-1" } });
        let given = json!({ "given": { "origin": "http://127.0.0.1:4096" } });
        let named = [locator(own, None), locator(given, Some("host-3")), Locator(json!("of another worker"))];

        Leftovers::of(state.path()).unwrap().remove_all_but(&named).unwrap();

        let left = |below: &str| {
            let entries = std::fs::read_dir(state.path().join(below)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(""), ["host", "host-3", "workers"]);
        assert_eq!(left("workers/servers"), ["named-1", "records", "used-1"]);
        drop(used);
    }
}
