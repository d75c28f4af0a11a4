//! Who sits at this terminal.

/// Who this is, for journals: the user at this terminal.
pub(crate) fn by() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "cli".to_owned())
}
