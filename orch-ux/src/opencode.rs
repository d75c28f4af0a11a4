//! An OpenCode host, and whatever TUI is attached to it, as a frontend.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_opencode::{
    MessageId, OpenCode, PartId, Prompt, PromptPart, SessionId, SessionStatus, Toast as HostToast,
    ToastVariant,
};

use crate::{
    action::{Level, Notice, Toast, UxAction},
    error::Error,
    frontend::Frontend,
};

/// Shows actions in every TUI that is attached to a host, and notices in its sessions.
///
/// The host accepts what nobody sees: without a TUI, toasts and hints succeed and vanish. It has no sound and no
/// desktop to call, so attention is left to the plugin in its terminal interface, and to the toast that comes with it.
#[derive(Debug, Clone)]
pub struct OpenCodeFrontend {
    host: Arc<dyn OpenCode>,
    hints: bool,
}

impl OpenCodeFrontend {
    /// The frontend of this host.
    #[must_use]
    pub fn new(host: Arc<dyn OpenCode>) -> Self {
        Self { host, hints: true }
    }

    /// The same without hints: the plugin in the host's terminal interface gives them, and looks first whether somebody
    /// is typing there.
    #[must_use]
    pub fn without_hints(mut self) -> Self {
        self.hints = false;
        self
    }

    async fn notice(&self, notice: &Notice) -> Result<(), Error> {
        let session = session_id(&notice.session)?;
        // Observed: a message that is put into a session at work makes the host ask the model once more when the
        // turn ends, although it asks for no reply.
        if self.host.statuses().await?.get(&session).is_some_and(|status| *status != SessionStatus::Idle) {
            return Err(Error::busy(session.as_str()));
        }
        // Observed: every user message sets the agent and model that the TUI shows and uses for the next one.
        let known = self.host.session(&session).await?;
        let mut prompt = Prompt::new(MessageId::mint(), parts(&notice.text)).by(known.agent, known.model);
        prompt.no_reply = true;
        Ok(self.host.prompt(&session, prompt).await?)
    }
}

#[async_trait]
impl Frontend for OpenCodeFrontend {
    async fn show(&self, action: &UxAction) -> Result<(), Error> {
        match action {
            UxAction::Toast(toast) => Ok(self.host.toast(host_toast(toast)).await?),
            UxAction::Notice(notice) => self.notice(notice).await,
            UxAction::PromptHint { text } if self.hints => Ok(self.host.append_prompt(text).await?),
            UxAction::SelectSession { session } => {
                Ok(self.host.select_session(&session_id(session)?).await?)
            }
            UxAction::OpenSessions => Ok(self.host.open_sessions().await?),
            UxAction::PromptHint { .. } | UxAction::Attention { .. } => Ok(()),
        }
    }
}

/// The text twice. Observed: people see an ignored part and not a synthetic one, the model the other way round;
/// a part that both see would pass for something that the person has typed.
fn parts(text: &str) -> Vec<PromptPart> {
    let for_people =
        PromptPart::Text { id: PartId::mint(), text: text.to_owned(), synthetic: false, ignored: true };
    vec![for_people, PromptPart::synthetic(text)]
}

fn host_toast(toast: &Toast) -> HostToast {
    let variant = match toast.level {
        Level::Info => ToastVariant::Info,
        Level::Success => ToastVariant::Success,
        Level::Warning => ToastVariant::Warning,
        Level::Error => ToastVariant::Error,
    };
    let mut shown = HostToast::new(variant, &toast.message).titled(&toast.title);
    shown.duration = Some(Duration::from_millis(toast.duration_ms));
    shown
}

/// Sessions are plain text in events, because workers of other kinds may have other names for theirs.
fn session_id(text: &str) -> Result<SessionId, Error> {
    SessionId::parse(text)
        .map_err(|error| Error::frontend("OpenCode", "no session of this host").caused_by(error))
}
