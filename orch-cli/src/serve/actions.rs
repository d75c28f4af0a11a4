//! What a front end where a person sits is to do beside showing what happens: call them, and hint at what they may type.
//!
//! Toasts and notices go to the host that a run works on. These two go to whoever listens and asks for them, for the
//! runs of all processes: only a front end knows whether somebody is typing.

use orch::{
    Event,
    ux::{action::UxAction, policy::UxPolicy, reactor::Reactor},
};

use super::service::Service;

/// Turns what one listener is told into what it is to do.
#[derive(Debug)]
pub(super) struct Actions {
    service: Service,
    reactor: Reactor,
}

impl Actions {
    pub(super) fn new(service: &Service) -> Self {
        Self { service: service.clone(), reactor: Reactor::new(UxPolicy::silent()) }
    }

    /// Takes in what was before: it is known, and nobody is called for it.
    pub(super) fn observe(&mut self, event: &Event) {
        self.reactor.observe(event);
    }

    /// What to do about this event, by the configuration as it is now.
    pub(super) fn of(&mut self, event: &Event) -> Vec<UxAction> {
        if event.live {
            return Vec::new();
        }
        match self.service.drivers.config() {
            Ok(config) => self.reactor.set_policy(UxPolicy::from(&config.ui)),
            // Whoever is starting a run is told what is wrong with it; what held so far goes on.
            Err(failure) => {
                tracing::warn!(error = %failure.message, "what people want to see stays as it was")
            }
        }
        let mut actions = self.reactor.react(event);
        actions.retain(|action| matches!(action, UxAction::Attention { .. } | UxAction::PromptHint { .. }));
        actions
    }
}
