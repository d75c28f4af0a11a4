//! Which actions a person wants to see.

use orch_config::settings::UiSettings;

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
    /// Calls by sound or by the desktop, from `ui.attention`.
    pub attention: bool,
}

/// The policy of a configuration that says nothing.
impl Default for UxPolicy {
    fn default() -> Self {
        Self::from(&UiSettings::default())
    }
}

impl From<&UiSettings> for UxPolicy {
    fn from(ui: &UiSettings) -> Self {
        Self {
            toasts: ui.toasts,
            notices: ui.wakeup_injection,
            prompt_hints: ui.prompt_hints,
            attention: ui.attention,
        }
    }
}

impl UxPolicy {
    /// Nothing is shown.
    #[must_use]
    pub fn silent() -> Self {
        Self { toasts: false, notices: false, prompt_hints: false, attention: false }
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

    /// The same policy with calls by sound or by the desktop on or off.
    #[must_use]
    pub fn with_attention(mut self, on: bool) -> Self {
        self.attention = on;
        self
    }
}
