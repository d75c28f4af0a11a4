//! Questions at the terminal: gates and permissions.

use std::collections::VecDeque;

use orch::{
    Answer, Decision, DecisionKind, DecisionRequest, Gate, RunView,
    config::{budget::Budget, policy::PolicyPatch},
    ux::{
        choice, command,
        text::{plain, printable},
    },
    workflow::{
        decision::Bound,
        port::{Ask, AskId, AskKind, AskReply},
    },
};
use tokio::sync::mpsc;

use crate::{
    args::{dollars, milliseconds},
    exit::Failure,
    person::by,
    report::Report,
};

/// What the person chose at a gate.
pub(crate) enum Choice {
    Decide(DecisionRequest),
    Leave,
}

/// Shows a gate with the step's answer and asks until there is a decision.
pub(crate) async fn gate(view: &RunView, stdin: &mut Stdin, report: &mut Report) -> Result<Choice, Failure> {
    let Some(gate) = &view.gate else { return Ok(Choice::Leave) };
    if let Some(text) = answer_at(view, gate) {
        report.say(&format!("\n{}\n", indent(&excerpt(&printable(text), 24))))?;
    }
    loop {
        report.say(&format!("  {} ", menu(gate)))?;
        let Some(line) = stdin.line().await? else { return Ok(Choice::Leave) };
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match parse(word, rest.trim(), gate) {
            Parsed::Decision(answer, budget) => {
                return Ok(Choice::Decide(DecisionRequest {
                    gate: Some(gate.id.clone()),
                    answer,
                    policy: PolicyPatch::default(),
                    budget,
                    by: by(),
                }));
            }
            Parsed::NoBudget(help) => report.say(&format!("  say how much in all: continue and {help}"))?,
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
    if !view.gates.is_empty() {
        let behind: Vec<_> = view.gates.iter().map(|gate| format!("{} of {}", gate.id, gate.step)).collect();
        text.push_str(&format!(
            "\nthen the gates behind it wait for their own answers: {}",
            behind.join(", ")
        ));
    }
    text
}

/// Permissions and questions that wait for the person at the terminal, oldest first.
#[derive(Default)]
pub(crate) struct Pending {
    asks: VecDeque<Ask>,
    /// What was answered of the parts of the first one.
    answers: Vec<Vec<String>>,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    pub(crate) fn open(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }

    /// It was answered, here or elsewhere.
    pub(crate) fn close(&mut self, id: &AskId) {
        if self.asks.front().is_some_and(|first| first.id == *id) {
            self.answers.clear();
        }
        self.asks.retain(|ask| ask.id != *id);
    }

    /// What may be typed now.
    pub(crate) fn menu(&self) -> Option<String> {
        let ask = self.asks.front()?;
        Some(match (ask.kind, ask.options.get(self.answers.len())) {
            (AskKind::Permission, _) => "    [o]nce, [a]lways, [r]eject [reason]".to_owned(),
            (AskKind::Question, Some(options)) if !options.is_empty() => {
                format!(
                    "    one of: {}",
                    options.iter().map(|option| plain(option, 80)).collect::<Vec<_>>().join(" | ")
                )
            }
            (AskKind::Question, _) => "    your answer:".to_owned(),
        })
    }

    /// Takes a line in; gives a reply once it is complete.
    pub(crate) fn take(&mut self, line: &str) -> Option<(AskId, AskReply)> {
        let ask = self.asks.front()?;
        let line = line.trim();
        let reply = match ask.kind {
            AskKind::Permission => {
                let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                match word {
                    "o" | "once" => AskReply::Once,
                    "a" | "always" => AskReply::Always,
                    "r" | "reject" => {
                        AskReply::Reject { message: (!rest.is_empty()).then(|| rest.trim().to_owned()) }
                    }
                    _ => return None,
                }
            }
            AskKind::Question => {
                self.answers.push(vec![line.to_owned()]);
                if self.answers.len() < ask.options.len() {
                    return None;
                }
                AskReply::Answers { answers: std::mem::take(&mut self.answers) }
            }
        };
        Some((ask.id.clone(), reply))
    }
}

/// Lines of standard input, read on a thread of its own so that everything else goes on meanwhile.
#[derive(Default)]
pub(crate) struct Stdin {
    lines: Option<mpsc::UnboundedReceiver<std::io::Result<String>>>,
}

impl Stdin {
    /// The next line; `None` at the end. Cancel safe: a line that nobody waits for is kept.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, Failure> {
        match self.lines.get_or_insert_with(read).recv().await {
            Some(line) => Ok(Some(line?)),
            None => Ok(None),
        }
    }
}

fn read() -> mpsc::UnboundedReceiver<std::io::Result<String>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

enum Parsed {
    Decision(Answer, Budget),
    /// `continue` where it takes a higher bound, and what that looks like.
    NoBudget(String),
    Leave,
    Unknown,
}

fn parse(word: &str, rest: &str, gate: &Gate) -> Parsed {
    let note = (!rest.is_empty()).then(|| rest.to_owned());
    let decided = |answer| Parsed::Decision(answer, Budget::default());
    let decision = match word {
        "c" | "continue" => {
            return match (&gate.budget, gate.allows(DecisionKind::Continue)) {
                (_, false) => Parsed::Unknown,
                (None, true) => decided(Answer::Decision(Decision::Continue)),
                (Some(spent), true) => match bound(spent.bound, rest) {
                    Ok(budget) => Parsed::Decision(Answer::Decision(Decision::Continue), budget),
                    Err(help) => Parsed::NoBudget(help),
                },
            };
        }
        "r" | "retry" => Decision::Retry { note, session: None },
        "s" | "skip" => Decision::Skip,
        "p" | "replace" if rest.is_empty() => {
            return if gate.allows(DecisionKind::Replace) {
                decided(Answer::ReplaceFromSession)
            } else {
                Parsed::Unknown
            };
        }
        "p" | "replace" => Decision::Replace { text: rest.to_owned(), output: None },
        "a" | "abort" => Decision::Abort,
        "q" | "quit" => return Parsed::Leave,
        _ => return Parsed::Unknown,
    };
    if gate.allows(decision.kind()) { decided(Answer::Decision(decision)) } else { Parsed::Unknown }
}

/// A higher bound as it is typed: a number of tokens, US dollars, a time with its unit.
fn bound(bound: Bound, text: &str) -> Result<Budget, String> {
    let mut budget = Budget::default();
    match bound {
        Bound::Tokens => {
            budget.max_tokens = Some(text.parse().map_err(|_| "a number of tokens".to_owned())?);
        }
        Bound::CostUsd => budget.max_cost_usd = Some(dollars(text)?),
        Bound::ActiveMs => budget.max_active_ms = Some(milliseconds(text)?),
        _ => return Err("use the command line".to_owned()),
    }
    Ok(budget)
}

fn menu(gate: &Gate) -> String {
    let mut words: Vec<&str> = gate
        .allowed
        .iter()
        .map(|kind| match kind {
            DecisionKind::Continue if gate.budget.is_some() => "[c]ontinue with a higher bound",
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
