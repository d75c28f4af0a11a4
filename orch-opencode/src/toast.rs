//! A short notice in the front end.

use std::time::Duration;

/// How a [`Toast`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ToastVariant {
    /// Neutral.
    #[default]
    Info,
    /// Something went well.
    Success,
    /// Something wants attention.
    Warning,
    /// Something failed.
    Error,
}

/// A short notice in the front end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Toast {
    /// What it says.
    pub message: String,
    /// How it looks.
    pub variant: ToastVariant,
    /// A title above the message.
    pub title: Option<String>,
    /// How long it stays; the host's default otherwise.
    pub duration: Option<Duration>,
}

impl Toast {
    /// A toast of this look with this message.
    pub fn new(variant: ToastVariant, message: impl Into<String>) -> Self {
        Self { message: message.into(), variant, title: None, duration: None }
    }

    /// The same toast with a title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}
