//! The OpenCode host, as the rest of the workspace sees it.
//!
//! [`OpenCode`] is the port; `HttpOpenCode` speaks HTTP and server-sent events with a real host; the tracker
//! decides how a prompt really ended; `serve` starts and ends a server. Wire shapes are private to this crate.
//! It knows no workflow, no worker and no gate.

mod ask;
mod catalog;
mod error;
mod event;
mod host;
mod id;
mod message;
mod prompt;
mod session;
mod toast;

#[cfg(feature = "simulator")]
pub mod simulator;

pub use ask::{Answers, CallRef, Choice, PermissionAsk, PermissionReply, Question, QuestionAsk};
pub use catalog::{Agent, AgentMode, Catalog, Health, InvalidModelRef, Model, ModelRef, Provider};
pub use error::{Disposition, HostError, HostErrorKind};
pub use event::{EventStream, HostEvent, StreamItem};
#[cfg(feature = "mock")]
pub use host::MockOpenCode;
pub use host::OpenCode;
pub use id::{InvalidId, MessageId, PartId, PermissionId, QuestionId, SessionId};
pub use message::{
    Assistant, FailureKind, Finish, Message, ModelFailure, Part, Role, ToolCall, ToolState, Usage, User,
};
pub use prompt::{Prompt, PromptPart};
pub use session::{
    NewSession, PermissionAction, PermissionRule, Session, SessionChange, SessionQuery, SessionStatus,
    Statuses,
};
pub use toast::{Toast, ToastVariant};
