//! What the machine wants done.

use crate::{
    attempt::DispatchId,
    port::{AskId, AskReply, Dispatch, Locator},
};

/// Something to be done now that its intent is durable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Call `place`, then report [`Placed`](super::Input::Placed).
    Place(Box<Dispatch>),
    /// Call `send` and follow the task.
    Send(Box<Dispatch>, Locator),
    /// Call `probe`, then follow, settle or report what it found.
    Probe(Box<Dispatch>, Locator),
    /// Call `abort`, then report [`AbortEnded`](super::Input::AbortEnded).
    Abort(DispatchId, Locator),
    /// Call `answer`.
    Answer(DispatchId, Locator, AskId, AskReply),
}

impl Effect {
    /// The dispatch it is about.
    #[must_use]
    pub fn dispatch(&self) -> &DispatchId {
        match self {
            Self::Place(dispatch) | Self::Send(dispatch, _) | Self::Probe(dispatch, _) => &dispatch.id,
            Self::Abort(dispatch, _) | Self::Answer(dispatch, ..) => dispatch,
        }
    }
}
