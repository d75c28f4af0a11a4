//! The OpenCode host, as the rest of the workspace sees it.
//!
//! [`OpenCode`] is the port; [`HttpOpenCode`] speaks HTTP and server-sent events with a real host; the tracker
//! decides how a prompt really ended; [`serve`] starts and ends a server. Wire shapes are private to this crate.
//! It knows no workflow, no worker and no gate.
//!
//! ```no_run
//! # #[cfg(feature = "http")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use orch_opencode::tracker::{Follower, Settled};
//! use orch_opencode::{HttpOpenCode, NewSession, OpenCode, Prompt};
//!
//! let host = Arc::new(HttpOpenCode::builder("http://127.0.0.1:4096", "/home/me/project").build()?);
//! let session = host.create_session(NewSession::default()).await?.id;
//! let prompt = Prompt::text("What does this project do?").by(Some("build".into()), Some("provider/model".parse()?));
//! let message = prompt.message.clone();
//!
//! // Subscribe first: some failures are told by a single event and never again.
//! let mut follower = Follower::start(host.clone(), session.clone()).await?;
//! host.prompt(&session, prompt).await?;
//! if let Settled::Finished(turn) = follower.settle(&message, |_sign| {}).await? {
//!     assert!(!turn.text.is_empty());
//! }
//! # Ok(())
//! # }
//! ```

mod ask;
#[cfg(feature = "http")]
mod backoff;
mod catalog;
pub mod drift;
mod error;
mod event;
mod host;
#[cfg(feature = "http")]
mod http;
mod id;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;
mod message;
mod prompt;
mod session;
mod skill;
#[cfg(feature = "http")]
mod sse;
mod toast;
pub mod tracker;
#[cfg(feature = "http")]
mod wire;

#[cfg(feature = "http")]
pub mod serve;
#[cfg(feature = "simulator")]
pub mod simulator;

pub use ask::{Answers, CallRef, Choice, PermissionAsk, PermissionReply, Question, QuestionAsk};
pub use catalog::{Agent, AgentMode, Catalog, Health, InvalidModelRef, Model, ModelRef, Provider};
pub use error::{Disposition, HostError, HostErrorKind};
pub use event::{EventStream, HostEvent, StreamItem};
#[cfg(feature = "mock")]
pub use host::MockOpenCode;
pub use host::OpenCode;
#[cfg(feature = "http")]
pub use http::{HttpOpenCode, HttpOpenCodeBuilder};
pub use id::{InvalidId, MessageId, PartId, PermissionId, QuestionId, SessionId};
pub use message::{
    Assistant, FailureKind, Finish, Message, ModelFailure, Part, Role, ToolCall, ToolState, Usage, User,
};
pub use prompt::{Prompt, PromptPart};
pub use session::{
    NewSession, PermissionAction, PermissionRule, Session, SessionChange, SessionQuery, SessionStatus,
    Statuses,
};
pub use skill::{Skill, Skills};
pub use toast::{Toast, ToastVariant};
