//! Questions at the terminal: gates and permissions.

use orch::{
    Answer, Decision, DecisionKind, DecisionRequest, Gate, Orchestrator, RunId, RunView,
    config::policy::PolicyPatch,
    ux::{choice, command, text::printable},
    workflow::port::{Ask, AskKind, AskReply},
};
use tokio::sync::oneshot;

use crate::{exit::Failure, follow::by, report::Report};

/// What the person chose at a gate.
pub(crate) enum Choice {
    Decide(DecisionRequest),
    Leave,
}

/// Shows a gate with the step's answer and asks until there is a decision.
pub(crate) async fn gate(view: &RunView, report: &mut Report) -> Result<Choice, Failure> {
    let Some(gate) = &view.gate else { return Ok(Choice::Leave) };
    if let Some(text) = answer_at(view, gate) {
        report.say(&format!("\n{}\n", indent(&excerpt(&printable(text), 24))))?;
    }
    loop {
        report.say(&format!("  {} ", menu(gate)))?;
        let Some(line) = read_line().await? else { return Ok(Choice::Leave) };
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match parse(word, rest.trim(), gate) {
            Parsed::Decision(answer) => {
                return Ok(Choice::Decide(DecisionRequest {
                    gate: Some(gate.id.clone()),
                    answer,
                    policy: PolicyPatch::default(),
                    by: by(),
                }));
            }
            Parsed::Leave => return Ok(Choice::Leave),
            Parsed::Unknown => report.say("  type one of the words, or its first letter")?,
        }
    }
}

/// The exact commands that go on from a gate.
pub(crate) fn how_to_go_on(view: &RunView) -> String {
    let Some(gate) = &view.gate else {
        return format!("\ngo on with:\n  {}", command::CONTINUE.on(&view.id));
    };
    let outcome = view.steps.iter().find(|step| step.id == gate.step).and_then(|step| step.outcome);
    let choices = choice::choices(&view.id, gate, outcome);
    let width = choices.iter().map(|choice| choice.command.chars().count()).max().unwrap_or(0);
    let mut text = "\ngo on with one of:".to_owned();
    for choice in choices {
        text.push_str(&format!("\n  {:<width$}  {}", choice.command, choice.effect));
    }
    text
}

/// Asks for a permission or an answer and passes it on.
pub(crate) async fn permission(
    orchestrator: &Orchestrator,
    run: &RunId,
    ask: &Ask,
    report: &mut Report,
) -> Result<(), Failure> {
    let reply = match ask.kind {
        AskKind::Permission => loop {
            report.say("    [o]nce, [a]lways, [r]eject [reason]")?;
            let Some(line) = read_line().await? else { break AskReply::Reject { message: None } };
            let line = line.trim();
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            match word {
                "o" | "once" => break AskReply::Once,
                "a" | "always" => break AskReply::Always,
                "r" | "reject" => {
                    break AskReply::Reject { message: (!rest.is_empty()).then(|| rest.trim().to_owned()) };
                }
                _ => {}
            }
        },
        AskKind::Question => {
            let mut answers = Vec::new();
            for options in &ask.options {
                report.say(&format!("    one of: {}", options.join(" | ")))?;
                let Some(line) = read_line().await? else { break };
                answers.push(vec![line.trim().to_owned()]);
            }
            AskReply::Answers { answers }
        }
    };
    orchestrator.answer(run, &ask.id, reply, &by()).await?;
    Ok(())
}

enum Parsed {
    Decision(Answer),
    Leave,
    Unknown,
}

fn parse(word: &str, rest: &str, gate: &Gate) -> Parsed {
    let note = (!rest.is_empty()).then(|| rest.to_owned());
    let decision = match word {
        "c" | "continue" => Decision::Continue,
        "r" | "retry" => Decision::Retry { note, session: None },
        "s" | "skip" => Decision::Skip,
        "p" | "replace" if rest.is_empty() => {
            return if gate.allows(DecisionKind::Replace) {
                Parsed::Decision(Answer::ReplaceFromSession)
            } else {
                Parsed::Unknown
            };
        }
        "p" | "replace" => Decision::Replace { text: rest.to_owned(), output: None },
        "a" | "abort" => Decision::Abort,
        "q" | "quit" => return Parsed::Leave,
        _ => return Parsed::Unknown,
    };
    if gate.allows(decision.kind()) { Parsed::Decision(Answer::Decision(decision)) } else { Parsed::Unknown }
}

fn menu(gate: &Gate) -> String {
    let mut words: Vec<&str> = gate
        .allowed
        .iter()
        .map(|kind| match kind {
            DecisionKind::Continue => "[c]ontinue",
            DecisionKind::Retry => "[r]etry [note]",
            DecisionKind::Skip => "[s]kip",
            DecisionKind::Replace => "re[p]lace [text; none: the session's latest answer]",
            DecisionKind::Abort => "[a]bort",
        })
        .collect();
    words.push("[q]uit and decide later");
    words.join(", ")
}

fn answer_at<'a>(view: &'a RunView, gate: &Gate) -> Option<&'a str> {
    let step = view.steps.iter().find(|step| step.id == gate.step)?;
    step.text.as_deref().filter(|text| !text.trim().is_empty())
}

fn excerpt(text: &str, max_lines: usize) -> String {
    let mut lines: Vec<&str> = text.lines().take(max_lines + 1).collect();
    if lines.len() > max_lines {
        lines[max_lines] = "…";
    }
    lines.join("\n")
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// One line of standard input, read on a thread of its own so that Ctrl-C is heard meanwhile.
async fn read_line() -> Result<Option<String>, Failure> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).map(|count| (count > 0).then_some(line));
        drop(sender.send(read));
    });
    match receiver.await {
        Ok(read) => Ok(read?),
        Err(_) => Ok(None),
    }
}
