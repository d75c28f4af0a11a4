//! Which projects a person trusts, and what the others may not say.
//!
//! A cloned repository is hostile: its file may name agents, models, prompts and workflows, and nothing that reaches
//! beyond them. Trust is given to a directory and to the very texts in it that have a say, and it is written down
//! outside of it. A person's own file can also name directories where everything is trusted.

mod evidence;
mod grant;
mod record;
mod refusal;

pub use self::{
    evidence::Evidence,
    record::{TrustError, TrustRecords},
};
pub(crate) use self::{grant::Grants, refusal::refusals};

/// Whether a project's own file may use everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// Only what cannot do harm.
    #[default]
    Untrusted,
    /// Everything, as the person's own file.
    Trusted,
}
