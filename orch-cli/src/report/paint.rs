//! Colours, where they are wanted: on a terminal, and not under `NO_COLOR`.

use console::Style;

/// Styles text for one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    enabled: bool,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self { enabled: console::colors_enabled() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.apply(Style::new().green(), text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.apply(Style::new().red(), text)
    }

    pub(crate) fn remark(self, text: &str) -> String {
        self.apply(Style::new().yellow(), text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.apply(Style::new().bold(), text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.apply(Style::new().dim(), text)
    }

    fn apply(self, style: Style, text: &str) -> String {
        style.force_styling(self.enabled).apply_to(text).to_string()
    }
}
