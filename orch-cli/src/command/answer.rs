//! `orch answer`: a permission or a question of a worker, from any process.

use orch::{
    RunView,
    ux::command,
    workflow::port::{Ask, AskKind, AskReply},
};

use super::decide::{accepted, run_id};
use crate::{
    args::AnswerArgs,
    exit::{Exit, Failure},
    person::by,
    project::Project,
};

pub(crate) async fn answer(project: &Project, args: AnswerArgs, json: bool) -> Result<Exit, Failure> {
    let id = run_id(&args.run)?;
    let orchestrator = project.reader().await?;
    let view = orchestrator.view(&id).await?;
    let ask = meant(&view, args.ask.as_deref())?;
    let reply = reply(ask, &args.answer)?;
    orchestrator.answer(&id, &ask.id, reply, &by()).await?;
    accepted(&orchestrator, &id, json).await?;
    orchestrator.shutdown().await;
    Ok(Exit::Success)
}

/// The ask that is named, or the only one there is.
fn meant<'v>(view: &'v RunView, named: Option<&str>) -> Result<&'v Ask, Failure> {
    let found = match named {
        Some(name) => view.asks.iter().find(|ask| ask.id.0 == name),
        None => view.asks.first().filter(|_| view.asks.len() == 1),
    };
    let open: Vec<&str> = view.asks.iter().map(|ask| ask.id.0.as_str()).collect();
    found.ok_or_else(|| match (open.as_slice(), named) {
        ([], _) => {
            let message = format!("answer a worker of {}: no permission and no question is open", view.id);
            Failure::new(Exit::Error, "orch::run::unknown-ask", message)
                .help(format!("see what it waits for with `{}`", command::WHY.on(&view.id)))
        }
        (_, Some(name)) => {
            let message = format!("answer a worker of {}: {name:?} is not open", view.id);
            Failure::new(Exit::Error, "orch::run::unknown-ask", message)
                .help(format!("open: {}", open.join(", ")))
        }
        (_, None) => {
            let message = format!("answer a worker of {}: {} are open", view.id, open.len());
            Failure::usage("orch::cli::which-ask", message)
                .help(format!("name one with --ask: {}", open.join(", ")))
        }
    })
}

fn reply(ask: &Ask, words: &[String]) -> Result<AskReply, Failure> {
    match ask.kind {
        AskKind::Permission => permission(words),
        AskKind::Question => {
            let parts = ask.options.len().max(1);
            if words.len() != parts {
                let message =
                    format!("the question has {parts} parts and {} answers were given", words.len());
                return Err(
                    Failure::usage("orch::cli::answer", message).help("quote each answer as one word")
                );
            }
            Ok(AskReply::Answers { answers: words.iter().map(|word| vec![word.clone()]).collect() })
        }
    }
}

fn permission(words: &[String]) -> Result<AskReply, Failure> {
    match words.split_first() {
        Some((word, [])) if word == "once" => Ok(AskReply::Once),
        Some((word, [])) if word == "always" => Ok(AskReply::Always),
        Some((word, reason)) if word == "reject" => {
            Ok(AskReply::Reject { message: (!reason.is_empty()).then(|| reason.join(" ")) })
        }
        _ => {
            let message = format!("{:?} does not answer a permission", words.join(" "));
            Err(Failure::usage("orch::cli::answer", message)
                .help("answer `once`, `always`, or `reject` with a reason for the worker"))
        }
    }
}
