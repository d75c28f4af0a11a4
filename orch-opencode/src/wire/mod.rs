//! The host's wire shapes, as observed on 1.18.33, and their translation. Nothing here leaves the crate.
//!
//! Reading is lenient: unknown fields, parts and events are ignored, because a newer host may add some. What we rely
//! on is required, so that a different program is noticed.

mod ask;
mod catalog;
mod event;
mod failure;
mod message;
mod request;
mod session;
mod skill;
mod skill_places;

pub(crate) use ask::{PermissionRequest, QuestionRequest};
pub(crate) use catalog::{AgentInfo, ConfigInfo, HealthInfo, ProviderList};
pub(crate) use event::parse_event;
pub(crate) use failure::ErrorBody;
pub(crate) use message::MessageWithParts;
pub(crate) use request::{
    AppendPrompt, CreateSession, Fork, PromptRequest, Publish, Replay, ReplayedEvent, ReplyPermission,
    ReplyQuestion, SelectSession, ShowToast, UpdateSession,
};
pub(crate) use session::{SessionInfo, StatusInfo};
pub(crate) use skill::{PathInfo, SkillConfig, SkillInfo};

/// The host writes whole numbers, but its schema says `number`.
fn whole(number: f64) -> u64 {
    // A float cast saturates: negative and NaN become 0.
    number as u64
}
