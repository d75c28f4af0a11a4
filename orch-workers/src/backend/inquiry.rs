//! The asks of one turn: which are open, who answers them.

use std::collections::BTreeMap;

use orch_opencode::{HostError, HostErrorKind, OpenCode, PermissionAsk, PermissionReply, QuestionAsk};
use orch_workflow::{
    attempt::{Warning, WarningCode},
    port::{Ask, AskId, AskPolicy, Update, Updates},
};

use super::flight::Orders;
use crate::{
    asks,
    permission::{self, NOBODY, Ruling},
};

/// The asks that were seen, and which of them wait for a person.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    seen: BTreeMap<AskId, Addressee>,
    /// An answer did not get through: the same asks have to be taken again.
    pub(super) owes_answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addressee {
    Person,
    /// A rule, or the absence of anybody, answered; the host has been told.
    Answered,
}

impl Inquiry {
    /// Takes note of what is open now: answers what needs no person, hands on the rest, and says what was closed.
    pub(super) async fn take(
        &mut self,
        host: &dyn OpenCode,
        orders: &Orders,
        updates: &Updates,
        permissions: &[PermissionAsk],
        questions: &[QuestionAsk],
    ) -> Vec<Warning> {
        let mut warnings = Vec::new();
        self.owes_answers = false;
        let open: Vec<AskId> = permissions
            .iter()
            .map(|ask| AskId(ask.id.to_string()))
            .chain(questions.iter().map(|ask| AskId(ask.id.to_string())))
            .collect();
        self.close_all_but(&open, updates).await;
        for ask in permissions {
            let id = AskId(ask.id.to_string());
            if self.seen.contains_key(&id) {
                continue;
            }
            match permission::rule(ask, &orders.rules, orders.asks) {
                Ruling::AskPerson => self.hand_on(asks::of_permission(ask), updates).await,
                Ruling::Permit(warning) => {
                    let reply = host.reply_permission(&ask.id, PermissionReply::Once).await;
                    self.answered(id, reply, warning, &mut warnings);
                }
                Ruling::Deny(warning) => {
                    let reply = PermissionReply::Reject { message: Some(NOBODY.to_owned()) };
                    let reply = host.reply_permission(&ask.id, reply).await;
                    self.answered(id, reply, warning, &mut warnings);
                }
            }
        }
        for ask in questions {
            let id = AskId(ask.id.to_string());
            if self.seen.contains_key(&id) {
                continue;
            }
            match orders.asks {
                AskPolicy::Wait => self.hand_on(asks::of_question(ask), updates).await,
                AskPolicy::Deny => {
                    let message = format!("nobody could answer: {}", asks::summary(ask));
                    let warning = Warning::new(WarningCode::QuestionUnanswered, message);
                    let words = vec![vec![NOBODY.to_owned()]; ask.questions.len()];
                    let reply = host.reply_question(&ask.id, words).await;
                    self.answered(id, reply, warning, &mut warnings);
                }
            }
        }
        warnings
    }

    /// The turn is over: nothing waits any more.
    pub(super) async fn close(&mut self, updates: &Updates) {
        self.close_all_but(&[], updates).await;
    }

    async fn close_all_but(&mut self, open: &[AskId], updates: &Updates) {
        let gone: Vec<_> = self.seen.keys().filter(|id| !open.contains(id)).cloned().collect();
        for id in gone {
            if self.seen.remove(&id) == Some(Addressee::Person) {
                let by = "host".to_owned();
                let _ = updates.send(Update::AskClosed { id, by }).await;
            }
        }
    }

    async fn hand_on(&mut self, ask: Ask, updates: &Updates) {
        self.seen.insert(ask.id.clone(), Addressee::Person);
        let _ = updates.send(Update::AskOpened(ask)).await;
    }

    fn answered(
        &mut self,
        id: AskId,
        reply: Result<(), HostError>,
        warning: Warning,
        warnings: &mut Vec<Warning>,
    ) {
        match reply {
            Ok(()) => {
                self.seen.insert(id, Addressee::Answered);
                warnings.push(warning);
            }
            Err(error) if error.kind() == HostErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, ask = %id, "an ask could not be answered");
                self.owes_answers = true;
            }
        }
    }
}
