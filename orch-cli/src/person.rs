//! Who sits at this terminal.

use orch::opencode::serve::GUARD_VARIABLE;

/// Who this is, for journals: the user at this terminal.
pub(crate) fn by() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "cli".to_owned())
}

/// Whether it is no person at all, but a worker of ours.
pub(crate) fn is_a_worker() -> bool {
    std::env::var_os(GUARD_VARIABLE).is_some_and(|value| !value.is_empty())
}
