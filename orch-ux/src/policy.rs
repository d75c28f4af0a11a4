//! Which actions a person wants to see.

/// What the reactor may ask of a frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UxPolicy {
    /// Toasts, from `ui.toasts`.
    pub toasts: bool,
    /// Notices in the parent session, from `ui.wakeupInjection`.
    pub notices: bool,
    /// Hints in the prompt box, from `ui.promptHints`: off unless asked for, because over plain HTTP they land
    /// in whatever is half typed there.
    pub prompt_hints: bool,
}

impl Default for UxPolicy {
    fn default() -> Self {
        Self { toasts: true, notices: true, prompt_hints: false }
    }
}

impl UxPolicy {
    /// Nothing is shown.
    #[must_use]
    pub fn silent() -> Self {
        Self { toasts: false, notices: false, prompt_hints: false }
    }

    /// The same policy with toasts on or off.
    #[must_use]
    pub fn with_toasts(mut self, on: bool) -> Self {
        self.toasts = on;
        self
    }

    /// The same policy with notices on or off.
    #[must_use]
    pub fn with_notices(mut self, on: bool) -> Self {
        self.notices = on;
        self
    }

    /// The same policy with prompt hints on or off.
    #[must_use]
    pub fn with_prompt_hints(mut self, on: bool) -> Self {
        self.prompt_hints = on;
        self
    }
}
