//! Where actions are shown.

use std::fmt;

use async_trait::async_trait;

use crate::{action::UxAction, error::Error};

/// Something that can show actions to a person. The port of this crate: a terminal, a window, a chat may be one.
///
/// A call is dropped half-way when it takes too long; it may be slow, fail or panic without any run noticing.
/// Like all async code it must not block its thread. What makes no sense in a frontend is done by doing nothing.
#[async_trait]
pub trait Frontend: Send + Sync + fmt::Debug {
    /// Carries out one action.
    ///
    /// # Errors
    /// It was not shown. After [`Error::Busy`] the delivery asks again later; after any other error nobody does,
    /// because what is worth showing is short-lived.
    async fn show(&self, action: &UxAction) -> Result<(), Error>;
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullFrontend;

#[async_trait]
impl Frontend for NullFrontend {
    async fn show(&self, _action: &UxAction) -> Result<(), Error> {
        Ok(())
    }
}
