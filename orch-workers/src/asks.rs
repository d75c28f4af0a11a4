//! Permissions and questions in the engine's terms, and the answers to them in the host's.

use orch_opencode::{
    Choice, HostError, HostErrorKind, OpenCode, PermissionAsk, PermissionId, PermissionReply, Question,
    QuestionAsk, QuestionId,
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    port::{Ask, AskId, AskReply},
};

use crate::{permission, verdict};

pub(crate) fn of_permission(ask: &PermissionAsk) -> Ask {
    Ask::permission(AskId(ask.id.to_string()), ask.session.as_str(), permission::summary(ask))
}

pub(crate) fn of_question(ask: &QuestionAsk) -> Ask {
    let labels =
        |question: &Question| question.options.iter().map(|Choice { label, .. }| label.clone()).collect();
    let options = ask.questions.iter().map(labels).collect();
    Ask::question(AskId(ask.id.to_string()), ask.session.as_str(), summary(ask), options)
}

/// The questions in one line.
pub(crate) fn summary(ask: &QuestionAsk) -> String {
    ask.questions.iter().map(|question| question.text.as_str()).collect::<Vec<_>>().join(" / ")
}

/// Gives a person's answer to the host.
pub(crate) async fn answer(host: &dyn OpenCode, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
    if let Ok(permission) = PermissionId::parse(ask.0.as_str()) {
        let reply = permission_reply(ask, reply)?;
        return host.reply_permission(&permission, reply).await.map_err(|error| failed(ask, &error));
    }
    let Ok(question) = QuestionId::parse(ask.0.as_str()) else {
        let message = format!("`{ask}` is neither a permission nor a question of the host");
        return Err(AttemptError::new(ErrorCode::Internal, message));
    };
    let answered = match reply {
        AskReply::Answers { answers } => host.reply_question(&question, answers.clone()).await,
        AskReply::Reject { message: None } => host.reject_question(&question).await,
        AskReply::Reject { message: Some(message) } => answer_in_words(host, &question, message).await,
        other => return Err(wrong_kind(ask, "question", other)),
    };
    answered.map_err(|error| failed(ask, &error))
}

/// Answers every part of a question with the same words. Rejecting it would end the turn (observed on OpenCode
/// 1.18.33), while words that are none of the choices are read by the model, which goes on.
pub(crate) async fn answer_in_words(
    host: &dyn OpenCode,
    question: &QuestionId,
    words: &str,
) -> Result<(), HostError> {
    let open = host.questions().await?;
    let parts = open.iter().find(|ask| ask.id == *question).map_or(1, |ask| ask.questions.len());
    host.reply_question(question, vec![vec![words.to_owned()]; parts]).await
}

fn permission_reply(ask: &AskId, reply: &AskReply) -> Result<PermissionReply, AttemptError> {
    match reply {
        AskReply::Once => Ok(PermissionReply::Once),
        AskReply::Always => Ok(PermissionReply::Always),
        AskReply::Reject { message } => Ok(PermissionReply::Reject { message: message.clone() }),
        other => Err(wrong_kind(ask, "permission", other)),
    }
}

fn wrong_kind(ask: &AskId, kind: &str, reply: &AskReply) -> AttemptError {
    let hint = match kind {
        "permission" => "once, always or reject",
        _ => "answers or reject",
    };
    AttemptError::new(
        ErrorCode::Internal,
        format!("`{ask}` is a {kind}, which {reply:?} does not answer: use {hint}"),
    )
}

fn failed(ask: &AskId, error: &HostError) -> AttemptError {
    if error.kind() == HostErrorKind::NotFound {
        let message = format!("`{ask}` is no longer open: it was answered or went away");
        return AttemptError::new(ErrorCode::Aborted, message);
    }
    verdict::host_failure(error)
}
