//! The port over HTTP: one method, one call, one translation.

use std::collections::HashMap;
use std::path::Path;

use async_trait::async_trait;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::HttpOpenCode;
use super::transport::Call;
use crate::ask::{Answers, PermissionAsk, PermissionReply, QuestionAsk};
use crate::catalog::{Agent, Catalog, Health};
use crate::error::{Disposition, HostError, HostErrorKind};
use crate::event::EventStream;
use crate::host::OpenCode;
use crate::id::{MessageId, PermissionId, QuestionId, SessionId};
use crate::message::Message;
use crate::prompt::Prompt;
use crate::session::{NewSession, Session, SessionChange, SessionQuery, SessionStatus, Statuses};
use crate::skill::{Skill, Skills};
use crate::toast::Toast;
use crate::wire;

/// Messages of one page; a page that is too large is asked for again in smaller ones.
const PAGE: u32 = 100;

#[async_trait]
impl OpenCode for HttpOpenCode {
    fn origin(&self) -> &str {
        self.transport.origin()
    }

    fn directory(&self) -> &str {
        &self.directory
    }

    async fn health(&self) -> Result<Health, HostError> {
        let info: wire::HealthInfo = self.fetch(Call::get("ask for health", &["global", "health"])).await?;
        if !info.healthy {
            let detail = "the server says that it is not healthy";
            return Err(HostError::new(HostErrorKind::Server, "ask for health", self.origin(), detail));
        }
        Ok(info.into())
    }

    async fn description(&self) -> Result<Value, HostError> {
        self.fetch(Call::get("read the host's description of itself", &["doc"])).await
    }

    async fn agents(&self) -> Result<Vec<Agent>, HostError> {
        self.list::<wire::AgentInfo, _>(Call::get("list the agents", &["agent"])).await
    }

    async fn catalog(&self) -> Result<Catalog, HostError> {
        let list: wire::ProviderList =
            self.fetch(Call::get("list the models", &["config", "providers"])).await?;
        let config: wire::ConfigInfo =
            self.fetch(Call::get("read the host's configuration", &["config"])).await?;
        Ok(config.name(list.into()))
    }

    async fn skills(&self) -> Result<Skills, HostError> {
        let found: Vec<Skill> =
            self.list::<wire::SkillInfo, _>(Call::get("list the skills", &["skill"])).await?;
        let paths: wire::PathInfo =
            self.fetch(Call::get("ask for the host's directories", &["path"])).await?;
        let config: wire::SkillConfig =
            self.fetch(Call::get("read the host's configuration", &["config"])).await?;
        Ok(paths.with(found, config))
    }

    async fn create_session(&self, new: NewSession) -> Result<Session, HostError> {
        if let Some(parent) = &new.parent {
            self.session(parent).await.map_err(|error| self.without_parent(parent, error))?;
        }
        let call = Call::send("create a session", Method::POST, &["session"])
            .json(&wire::CreateSession::from(&new))?;
        let info: wire::SessionInfo = self.fetch(call).await?;
        let session = Session::from(info);
        let Some(contradiction) = self.contradiction(&new, &session) else { return Ok(session) };
        // The session is empty and nobody knows it; leaving it would be litter.
        if let Err(error) = self.delete_session(&session.id).await {
            tracing::warn!(%error, session = %session.id, "an unusable session was left behind");
        }
        Err(HostError::new(HostErrorKind::Mismatch, "create a session", self.origin(), contradiction))
    }

    async fn session(&self, session: &SessionId) -> Result<Session, HostError> {
        let path = ["session", session.as_str()];
        let info: wire::SessionInfo =
            self.fetch(Call::get(format!("look up session {session}"), &path)).await?;
        Ok(info.into())
    }

    async fn sessions(&self, query: SessionQuery) -> Result<Vec<Session>, HostError> {
        let mut call = Call::get("list the sessions", &["session"]);
        if query.roots {
            call = call.query("roots", "true");
        }
        if let Some(search) = query.search {
            call = call.query("search", search);
        }
        if let Some(start) = query.start_ms {
            call = call.query("start", start.to_string());
        }
        if let Some(limit) = query.limit {
            call = call.query("limit", limit.to_string());
        }
        self.list::<wire::SessionInfo, _>(call).await
    }

    async fn children(&self, session: &SessionId) -> Result<Vec<Session>, HostError> {
        let path = ["session", session.as_str(), "children"];
        let action = format!("list the children of session {session}");
        self.list::<wire::SessionInfo, _>(Call::get(action, &path)).await
    }

    async fn update_session(&self, session: &SessionId, change: SessionChange) -> Result<Session, HostError> {
        let path = ["session", session.as_str()];
        let call = Call::send(format!("change session {session}"), Method::PATCH, &path);
        // Permission rules are appended, so only a change without them may be repeated.
        let call = if change.permission.is_none() { call.repeatable() } else { call };
        let info: wire::SessionInfo = self.fetch(call.json(&wire::UpdateSession::from(&change))?).await?;
        Ok(info.into())
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), HostError> {
        let path = ["session", session.as_str()];
        self.send(Call::send(format!("delete session {session}"), Method::DELETE, &path)).await
    }

    async fn abort(&self, session: &SessionId) -> Result<(), HostError> {
        let path = ["session", session.as_str(), "abort"];
        self.send(Call::send(format!("abort session {session}"), Method::POST, &path).repeatable()).await
    }

    async fn fork(&self, session: &SessionId, before: Option<MessageId>) -> Result<Session, HostError> {
        let path = ["session", session.as_str(), "fork"];
        let call = Call::send(format!("fork session {session}"), Method::POST, &path)
            .json(&wire::Fork { before })?;
        let info: wire::SessionInfo = self.fetch(call).await?;
        Ok(info.into())
    }

    async fn adopt(&self, fork: &SessionId, parent: &SessionId) -> Result<Session, HostError> {
        let action = format!("make session {fork} a child of {parent}");
        let path = ["session", fork.as_str()];
        let mut info: Value = self.fetch(Call::get(action.clone(), &path)).await?;
        info["parentID"] = parent.as_str().into();
        // The host numbers the events of a session: one made it, and one each its messages and their parts.
        let messages = self.messages(fork).await?;
        let seq = 1 + messages.len() + messages.iter().map(|message| message.parts.len()).sum::<usize>();
        let event = wire::ReplayedEvent::session_updated(fork, seq, info);
        let call = Call::send(action.clone(), Method::POST, &["sync", "replay"]);
        self.send(call.json(&wire::Replay { directory: &self.directory, events: [event] })?).await?;
        let session = self.session(fork).await?;
        if session.parent.as_ref() == Some(parent) {
            return Ok(session);
        }
        let detail = "the host took the event, and the session has no such parent all the same";
        Err(HostError::new(HostErrorKind::Mismatch, action, self.origin(), detail))
    }

    async fn prompt(&self, session: &SessionId, prompt: Prompt) -> Result<(), HostError> {
        let path = ["session", session.as_str(), "prompt_async"];
        let call = Call::send(format!("prompt session {session}"), Method::POST, &path);
        self.send(call.json(&wire::PromptRequest::from(&prompt))?).await
    }

    async fn messages(&self, session: &SessionId) -> Result<Vec<Message>, HostError> {
        self.pages(session, |_| false).await
    }

    async fn messages_from(&self, session: &SessionId, first: &MessageId) -> Result<Vec<Message>, HostError> {
        let mut messages =
            self.pages(session, |page| page.iter().any(|message| message.id == *first)).await?;
        if let Some(start) = messages.iter().position(|message| message.id == *first) {
            messages.drain(..start);
        }
        Ok(messages)
    }

    async fn message(&self, session: &SessionId, message: &MessageId) -> Result<Message, HostError> {
        let path = ["session", session.as_str(), "message", message.as_str()];
        let whole: wire::MessageWithParts =
            self.fetch(Call::get(format!("read message {message}"), &path)).await?;
        Ok(whole.into())
    }

    async fn statuses(&self) -> Result<Statuses, HostError> {
        let call = Call::get("ask what the sessions do", &["session", "status"]);
        let statuses: HashMap<SessionId, wire::StatusInfo> = self.fetch(call).await?;
        Ok(statuses.into_iter().map(|(session, status)| (session, SessionStatus::from(status))).collect())
    }

    async fn permissions(&self) -> Result<Vec<PermissionAsk>, HostError> {
        let call = Call::get("list the permission requests", &["permission"]);
        self.list::<wire::PermissionRequest, _>(call).await
    }

    async fn reply_permission(
        &self,
        permission: &PermissionId,
        reply: PermissionReply,
    ) -> Result<(), HostError> {
        let path = ["permission", permission.as_str(), "reply"];
        let call = Call::send(format!("answer permission request {permission}"), Method::POST, &path);
        self.send(call.json(&wire::ReplyPermission::from(reply))?).await
    }

    async fn questions(&self) -> Result<Vec<QuestionAsk>, HostError> {
        self.list::<wire::QuestionRequest, _>(Call::get("list the questions", &["question"])).await
    }

    async fn reply_question(&self, question: &QuestionId, answers: Answers) -> Result<(), HostError> {
        let path = ["question", question.as_str(), "reply"];
        let call = Call::send(format!("answer question {question}"), Method::POST, &path);
        self.send(call.json(&wire::ReplyQuestion { answers })?).await
    }

    async fn reject_question(&self, question: &QuestionId) -> Result<(), HostError> {
        let path = ["question", question.as_str(), "reject"];
        self.send(Call::send(format!("dismiss question {question}"), Method::POST, &path)).await
    }

    async fn toast(&self, toast: Toast) -> Result<(), HostError> {
        let call = Call::send("show a toast", Method::POST, &["tui", "show-toast"]);
        self.send(call.json(&wire::ShowToast::from(&toast))?).await
    }

    async fn append_prompt(&self, text: &str) -> Result<(), HostError> {
        let call = Call::send("append to the prompt", Method::POST, &["tui", "append-prompt"]);
        self.send(call.json(&wire::AppendPrompt { text })?).await
    }

    async fn clear_prompt(&self) -> Result<(), HostError> {
        self.send(Call::send("clear the prompt", Method::POST, &["tui", "clear-prompt"])).await
    }

    async fn submit_prompt(&self) -> Result<(), HostError> {
        self.send(Call::send("submit the prompt", Method::POST, &["tui", "submit-prompt"])).await
    }

    async fn open_sessions(&self) -> Result<(), HostError> {
        self.send(Call::send("open the session list", Method::POST, &["tui", "open-sessions"])).await
    }

    async fn select_session(&self, session: &SessionId) -> Result<(), HostError> {
        let call = Call::send(format!("show session {session}"), Method::POST, &["tui", "select-session"]);
        self.send(call.json(&wire::SelectSession { session })?).await
    }

    async fn publish_command(&self, command: &str) -> Result<(), HostError> {
        let action = format!("run the front-end command {command}");
        let call = Call::send(action, Method::POST, &["tui", "publish"]);
        self.send(call.json(&wire::Publish::command(command))?).await
    }

    async fn events(&self) -> Result<EventStream, HostError> {
        self.hub.subscribe().await
    }
}

impl HttpOpenCode {
    async fn fetch<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, HostError> {
        let action = call.action.clone();
        let repeat = call.repeat;
        let reply = self.transport.call(call.query("directory", &*self.directory)).await?;
        serde_json::from_slice(&reply.body).map_err(|error| {
            let error = self.transport.malformed(&action, error);
            if repeat == super::transport::Repeat::Never {
                error.with_disposition(Disposition::InDoubt)
            } else {
                error
            }
        })
    }

    async fn list<W, T>(&self, call: Call<'_>) -> Result<Vec<T>, HostError>
    where
        W: DeserializeOwned,
        T: From<W>,
    {
        let list: Vec<W> = self.fetch(call).await?;
        Ok(list.into_iter().map(T::from).collect())
    }

    /// For calls whose answer says nothing but that it worked.
    async fn send(&self, call: Call<'_>) -> Result<(), HostError> {
        self.transport.call(call.query("directory", &*self.directory)).await.map(drop)
    }

    /// Reads pages from the newest to the oldest, until one is `enough`; returns them oldest first.
    async fn pages(
        &self,
        session: &SessionId,
        enough: impl Fn(&[Message]) -> bool + Send,
    ) -> Result<Vec<Message>, HostError> {
        let path = ["session", session.as_str(), "message"];
        let action = format!("read the messages of session {session}");
        let mut size = PAGE;
        let mut cursor: Option<String> = None;
        let mut newest_first: Vec<Vec<Message>> = Vec::new();
        loop {
            let mut call = Call::get(action.clone(), &path)
                .query("directory", &*self.directory)
                .query("limit", size.to_string());
            if let Some(cursor) = &cursor {
                call = call.query("before", cursor);
            }
            let reply = match self.transport.call(call).await {
                Err(error) if error.kind() == HostErrorKind::TooLarge && size > 1 => {
                    size = (size / 10).max(1);
                    continue;
                }
                other => other?,
            };
            let page: Vec<wire::MessageWithParts> = serde_json::from_slice(&reply.body)
                .map_err(|error| self.transport.malformed(&action, error))?;
            let page: Vec<Message> = page.into_iter().map(Message::from).collect();
            let last = page.is_empty() || enough(&page) || reply.next_cursor.is_none();
            newest_first.push(page);
            // A cursor that does not move would be an endless list.
            if last || reply.next_cursor == cursor {
                break;
            }
            cursor = reply.next_cursor;
        }
        Ok(newest_first.into_iter().rev().flatten().collect())
    }

    fn without_parent(&self, parent: &SessionId, error: HostError) -> HostError {
        if error.kind() != HostErrorKind::NotFound {
            return error;
        }
        let detail =
            format!("its parent session {parent} is not there; name one of the sessions of this host");
        HostError::new(HostErrorKind::NotFound, "create a child session", self.origin(), detail)
    }

    /// How the new session differs from what was asked for.
    fn contradiction(&self, new: &NewSession, session: &Session) -> Option<String> {
        if new.parent != session.parent {
            let wanted =
                new.parent.as_ref().map_or("no parent".to_owned(), |parent| format!("parent {parent}"));
            let got = session.parent.as_ref().map_or("none".to_owned(), ToString::to_string);
            return Some(format!("asked for {wanted}, the host answered {got}"));
        }
        if !same_directory(&self.directory, &session.directory) {
            return Some(format!(
                "asked for directory {}, the host answered {}",
                self.directory, session.directory
            ));
        }
        None
    }
}

/// The host may write a directory in another way, for instance with its symbolic links resolved.
fn same_directory(ours: &str, theirs: &str) -> bool {
    let plain = |path: &str| path.trim_end_matches('/').to_owned();
    if plain(ours) == plain(theirs) {
        return true;
    }
    let resolved = |path: &str| Path::new(path).canonicalize().ok();
    resolved(ours).is_some_and(|ours| resolved(theirs) == Some(ours))
}
