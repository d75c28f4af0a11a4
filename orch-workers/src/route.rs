//! Where a dispatch goes. Pure: kind, parent and host in, route or refusal out.

use orch_config::{
    id::ProfileId,
    kind::{ExecutionMode, WorkerKind},
};

use crate::error::Error;

/// What the surroundings of a pool can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostCapabilities {
    /// There is a command and a state directory to start servers with.
    pub servers: bool,
    /// A missing parent session may be created.
    pub create_parent: bool,
}

impl HostCapabilities {
    /// Neither servers nor parents.
    #[must_use]
    pub fn bare() -> Self {
        Self { servers: false, create_parent: false }
    }

    /// The same with servers.
    #[must_use]
    pub fn with_servers(mut self) -> Self {
        self.servers = true;
        self
    }

    /// The same with parents created when there is none.
    #[must_use]
    pub fn with_created_parents(mut self) -> Self {
        self.create_parent = true;
        self
    }
}

/// Where a dispatch goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// A root session on the given host.
    RootSession,
    /// A child of this session on the given host.
    ChildSession {
        /// The parent.
        parent: String,
    },
    /// A child of a parent session that has to be created first.
    ChildOfNewParent,
    /// A root session on a server of the worker's own.
    OwnServer,
}

/// Chooses the route of a worker that runs as `kind`.
///
/// # Errors
/// A subagent without a parent that may be created, a server where none can be started, a foreground server.
/// Nothing was created.
pub fn route(
    worker: &ProfileId,
    kind: WorkerKind,
    execution: ExecutionMode,
    parent: Option<&str>,
    host: HostCapabilities,
) -> Result<Route, Error> {
    match (kind, parent) {
        (WorkerKind::Agent, _) => Ok(Route::RootSession),
        (WorkerKind::Subagent, Some(parent)) => Ok(Route::ChildSession { parent: parent.to_owned() }),
        (WorkerKind::Subagent, None) if host.create_parent => Ok(Route::ChildOfNewParent),
        (WorkerKind::Subagent, None) => Err(Error::no_parent(worker)),
        (WorkerKind::Server, _) if execution == ExecutionMode::Foreground => {
            Err(Error::foreground_server(worker))
        }
        (WorkerKind::Server, _) if host.servers => Ok(Route::OwnServer),
        (WorkerKind::Server, _) => Err(Error::no_server_command(worker)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> ProfileId {
        ProfileId::new("w").unwrap()
    }

    #[test]
    fn the_routing_table() {
        use ExecutionMode::{Background, Foreground};
        use WorkerKind::{Agent, Server, Subagent};
        let bare = HostCapabilities::bare();
        let full = bare.with_servers().with_created_parents();
        let child = |parent: &str| Ok(Route::ChildSession { parent: parent.to_owned() });

        // kind, execution, parent, host → route, or the code of the refusal
        let table: Vec<(_, _, Option<&str>, _, Result<Route, &str>)> = vec![
            (Agent, Background, None, bare, Ok(Route::RootSession)),
            (Agent, Background, Some("PARENT"), bare, Ok(Route::RootSession)),
            (Agent, Foreground, Some("PARENT"), full, Ok(Route::RootSession)),
            (Subagent, Background, None, bare, Err("orch::workers::no-parent")),
            (Subagent, Background, None, bare.with_servers(), Err("orch::workers::no-parent")),
            (Subagent, Background, None, full, Ok(Route::ChildOfNewParent)),
            (Subagent, Background, Some("PARENT"), bare, child("PARENT")),
            (Subagent, Foreground, Some("PARENT"), full, child("PARENT")),
            (Server, Background, None, bare, Err("orch::workers::no-server-command")),
            (Server, Background, Some("PARENT"), full, Ok(Route::OwnServer)),
            (Server, Background, None, bare.with_servers(), Ok(Route::OwnServer)),
            (Server, Foreground, None, full, Err("orch::workers::foreground-server")),
        ];
        for (kind, execution, parent, host, expected) in table {
            let actual = route(&worker(), kind, execution, parent, host);
            let actual = actual.as_ref().map_err(|error| error.code());
            assert_eq!(
                actual,
                expected.as_ref().map_err(|code| *code),
                "{kind} {execution:?} {parent:?} {host:?}"
            );
        }
    }

    /// Every cell: kind × mode × parent × servers × created parents.
    #[test]
    fn the_routing_table_is_whole() {
        let mut cells = 0;
        for kind in [WorkerKind::Agent, WorkerKind::Subagent, WorkerKind::Server] {
            for execution in [ExecutionMode::Background, ExecutionMode::Foreground] {
                for (parent, servers, create_parent) in (0..8).map(|n| (n & 1 == 1, n & 2 == 2, n & 4 == 4)) {
                    let host = HostCapabilities { servers, create_parent };
                    let routed = route(&worker(), kind, execution, parent.then_some("PARENT"), host);
                    let said = match &routed {
                        Ok(Route::RootSession) => "root",
                        Ok(Route::ChildSession { parent }) => parent,
                        Ok(Route::ChildOfNewParent) => "child of new",
                        Ok(Route::OwnServer) => "server",
                        Err(error) => error.code(),
                    };
                    let foreground = execution == ExecutionMode::Foreground;
                    let expected = match (kind, parent, foreground, servers, create_parent) {
                        (WorkerKind::Agent, ..) => "root",
                        (WorkerKind::Subagent, true, ..) => "PARENT",
                        (WorkerKind::Subagent, false, _, _, true) => "child of new",
                        (WorkerKind::Subagent, false, _, _, false) => "orch::workers::no-parent",
                        (WorkerKind::Server, _, true, ..) => "orch::workers::foreground-server",
                        (WorkerKind::Server, _, false, true, _) => "server",
                        (WorkerKind::Server, _, false, false, _) => "orch::workers::no-server-command",
                    };
                    assert_eq!(said, expected, "{kind} {execution:?} {parent} {host:?}");
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 48);
    }

    #[test]
    fn a_subagent_without_a_parent_says_what_to_do() {
        let error =
            route(&worker(), WorkerKind::Subagent, ExecutionMode::Background, None, HostCapabilities::bare())
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "subagent worker `w` has no parent session: give the run one, let the pool create one \
             (`create_parent`), or use kind `agent`"
        );
    }
}
