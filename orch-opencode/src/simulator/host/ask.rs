//! Permissions and questions that wait for somebody.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::permission::{decide, matches};
use super::wire::{Action, Permission, Question, Rule};
use super::world::World;

#[derive(Debug, Default)]
pub(super) struct Asks {
    permissions: Vec<(Permission, oneshot::Sender<Verdict>)>,
    questions: Vec<(Question, oneshot::Sender<Option<Value>>)>,
    /// What `always` replies have allowed, for the whole instance.
    approved: Vec<Rule>,
}

/// The answer to a permission request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    /// With a message the turn goes on, without one it ends.
    Rejected(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply {
    Once,
    Always,
    Reject,
}

impl Reply {
    fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Always => "always",
            Self::Reject => "reject",
        }
    }
}

impl Asks {
    pub(super) fn approved(&self) -> &[Rule] {
        &self.approved
    }

    pub(super) fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.iter().map(|(permission, _)| permission)
    }

    pub(super) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.iter().map(|(question, _)| question)
    }
}

impl World {
    pub(super) fn ask_permission(&mut self, permission: Permission) -> oneshot::Receiver<Verdict> {
        let (reply, verdict) = oneshot::channel();
        let properties = json!(permission);
        self.emit(&permission.session_id.clone(), "permission.asked", properties);
        self.asks.permissions.push((permission, reply));
        verdict
    }

    /// Answers a permission request; `false` when nobody waits for this id. A rejection also rejects what else
    /// the session waits for, and `always` lets through what it now allows.
    pub(super) fn reply_permission(&mut self, id: &str, reply: Reply, message: Option<String>) -> bool {
        let Some(permission) = self.settle_permission(id, reply, message) else { return false };
        match reply {
            Reply::Once => {}
            Reply::Reject => {
                let same_session = |other: &Permission| other.session_id == permission.session_id;
                self.settle_where(same_session, Reply::Reject);
            }
            Reply::Always => {
                let allow = |pattern: &String| Rule {
                    permission: permission.permission.clone(),
                    pattern: pattern.clone(),
                    action: Action::Allow,
                };
                self.asks.approved.extend(permission.always.iter().map(allow));
                let approved = self.asks.approved.clone();
                let allowed = move |other: &Permission| {
                    let allows =
                        |pattern: &String| decide(&approved, &other.permission, pattern) == Action::Allow;
                    other.patterns.iter().all(allows)
                };
                self.settle_where(allowed, Reply::Always);
            }
        }
        true
    }

    fn settle_where(&mut self, concerned: impl Fn(&Permission) -> bool, reply: Reply) {
        let ids: Vec<_> =
            self.asks.permissions().filter(|other| concerned(other)).map(|other| other.id.clone()).collect();
        for id in ids {
            self.settle_permission(&id, reply, None);
        }
    }

    fn settle_permission(&mut self, id: &str, reply: Reply, message: Option<String>) -> Option<Permission> {
        let index = self.asks.permissions().position(|permission| permission.id == id)?;
        let (permission, waiting) = self.asks.permissions.remove(index);
        let properties = json!({ "requestID": id, "reply": reply.as_str() });
        self.emit(&permission.session_id, "permission.replied", properties);
        let verdict = if reply == Reply::Reject { Verdict::Rejected(message) } else { Verdict::Granted };
        // A turn that was aborted meanwhile no longer listens; the host keeps its request listed all the same.
        let _ = waiting.send(verdict);
        Some(permission)
    }

    pub(super) fn ask_question(&mut self, question: Question) -> oneshot::Receiver<Option<Value>> {
        let (reply, answer) = oneshot::channel();
        let properties = json!(question);
        self.emit(&question.session_id.clone(), "question.asked", properties);
        self.asks.questions.push((question, reply));
        answer
    }

    /// Answers a question, or rejects it with `None`; `false` when nobody waits for this id.
    pub(super) fn reply_question(&mut self, id: &str, answers: Option<Value>) -> bool {
        let Some(index) = self.asks.questions().position(|question| question.id == id) else { return false };
        let (question, waiting) = self.asks.questions.remove(index);
        match &answers {
            Some(answers) => {
                let properties = json!({ "requestID": id, "answers": answers });
                self.emit(&question.session_id, "question.replied", properties);
            }
            None => self.emit(&question.session_id, "question.rejected", json!({ "requestID": id })),
        }
        let _ = waiting.send(answers);
        true
    }

    /// The rules that hold for a session under an agent, weakest first.
    pub(super) fn rules(&self, session: &str, agent: &[Rule]) -> Vec<Rule> {
        let own = self.thread(session).map(|thread| thread.session.permission.clone()).unwrap_or_default();
        agent.iter().cloned().chain(own).collect()
    }

    /// Whether `always` has already allowed this use.
    pub(super) fn is_approved(&self, permission: &str, pattern: &str) -> bool {
        self.asks
            .approved()
            .iter()
            .any(|rule| rule.permission == permission && matches(&rule.pattern, pattern))
    }
}
