//! What servers leave in a state directory: where their data is, where it is written down that they run, and how those whose
//! owner was killed are ended.

use std::path::{Path, PathBuf};

use orch_opencode::serve;

/// Where it is recorded which hosts were launched on this state directory and run.
pub(crate) fn records_of_hosts(state: &Path) -> PathBuf {
    state.join("processes")
}

/// What the data directories of launched hosts are called, right below the state directory: there is one more for each
/// program that launches one while the others are in use.
pub(crate) const HOST: &str = "host";

/// Whether a data directory of a launched host may have this name, wherever the name comes from.
pub(crate) fn is_of_a_host(name: &str) -> bool {
    match name.strip_prefix(HOST) {
        Some("") => true,
        Some(number) => number.strip_prefix('-').is_some_and(|number| number.parse::<usize>().is_ok()),
        None => false,
    }
}

/// Where the workers of this state directory have their servers.
pub(crate) fn workers(state: &Path) -> PathBuf {
    state.join("workers")
}

/// Where these servers have their data, a directory for each.
pub(crate) fn homes_of_workers(workers: &Path) -> PathBuf {
    workers.join("servers")
}

/// Where it is recorded which of them run.
pub(crate) fn records_of_workers(workers: &Path) -> PathBuf {
    homes_of_workers(workers).join("records")
}

/// Ends every server that an owner which was killed has left on one of these [state directories](crate::Connector::state_dir),
/// with everything below it. Cheap where there is nothing to end, and where it fails it is traced: it keeps nobody from
/// working. Cancel safe.
pub async fn end_orphans(states: impl IntoIterator<Item = PathBuf>) {
    let records = |state: PathBuf| [records_of_hosts(&state), records_of_workers(&workers(&state))];
    sweep(states.into_iter().flat_map(records).collect()).await;
}

/// The same by these records.
pub(crate) async fn sweep(records: Vec<PathBuf>) {
    let swept = tokio::task::spawn_blocking(move || {
        for directory in records {
            match serve::sweep(&directory) {
                Ok(swept) if swept.ended.is_empty() && swept.survivors.is_empty() => {}
                Ok(swept) => tracing::warn!(?swept, "ended servers whose owner was killed"),
                Err(error) => {
                    tracing::warn!(%error, directory = %directory.display(), "cannot look for orphaned servers");
                }
            }
        }
    });
    if let Err(error) = swept.await {
        tracing::warn!(%error, "cannot look for orphaned servers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_journal_leads_to_data_elsewhere() {
        for name in ["host", "host-2", "host-16"] {
            assert!(is_of_a_host(name), "{name}");
        }
        for name in ["", "host-", "host-x", "host/2", "host-2/..", "../host", "workers", "/host"] {
            assert!(!is_of_a_host(name), "{name}");
        }
    }
}
