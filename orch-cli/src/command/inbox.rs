//! `orch inbox` and `orch decide`: whatever waits for a person, in all runs of this project, and the answer to it.

use orch::{
    Answer, Decision, DecisionKind, RunId, RunView, Runs,
    ux::{
        command::{self, DECIDE},
        text::plain,
    },
    workflow::port::AskKind,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer,
    decide::{self, Decide, run_id},
    print, print_json,
};
use crate::{
    args::{AnswerArgs, DecideArgs, DecideItemArgs},
    exit::{Exit, Failure},
    project::Project,
};

/// One thing that waits for a person.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InboxItem")]
pub(crate) struct Item {
    run: RunId,
    step: String,
    #[serde(rename = "for")]
    what: What,
    /// Names it among what is open in its run.
    id: String,
    /// In one line.
    summary: String,
    /// Since when, in milliseconds since 1970.
    since: u64,
    /// What may be answered; empty where any words may.
    answers: Vec<String>,
    /// The line that answers it, but for the answer itself.
    command: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "InboxItemKind")]
enum What {
    Decision,
    Permission,
    Question,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Permission => "permission",
            Self::Question => "question",
        }
    }
}

pub(crate) async fn inbox(project: &Project, json: bool) -> Result<Exit, Failure> {
    let runs = project.reader().await?.runs(Runs::Open).await?;
    // A damaged journal is told by `orch runs`; nothing in it can be answered.
    let items = open_items(runs.iter().filter_map(|(_, view)| view.as_ref().ok()));
    if json {
        print_json(&items)?;
        return Ok(Exit::Success);
    }
    if items.is_empty() {
        print("nothing waits for you")?;
    }
    for item in &items {
        let (what, step) = (item.what.as_str(), plain(&item.step, 24));
        print(&format!("{}  {what:<10}  {step}: {}", item.run, plain(&item.summary, 200)))?;
        let answers =
            if item.answers.is_empty() { "in your words".to_owned() } else { item.answers.join(", ") };
        print(&format!("  {}  ({answers})", item.command))?;
    }
    Ok(Exit::Success)
}

/// What is open in these runs, what has waited longest first.
pub(crate) fn open_items<'r>(runs: impl IntoIterator<Item = &'r RunView>) -> Vec<Item> {
    let mut items: Vec<Item> = runs.into_iter().flat_map(open).collect();
    items.sort_by_key(|item| item.since);
    items
}

/// What is open in a run, the gate that is answered first before those behind it.
fn open(run: &RunView) -> Vec<Item> {
    let item = |step: &str, what, id: &str, summary: &str, since, answers| Item {
        run: run.id.clone(),
        step: step.to_owned(),
        what,
        id: id.to_owned(),
        summary: summary.to_owned(),
        since,
        answers,
        command: command::deciding_on(&run.id, id),
    };
    let gates = run.gate.iter().chain(&run.gates).map(|gate| {
        let answers = gate.allowed.iter().map(|kind| kind.as_str().to_owned()).collect();
        item(gate.step.as_str(), What::Decision, &gate.id.0, &gate.message, gate.opened_at.0, answers)
    });
    let asks = run.steps.iter().flat_map(|step| step.asks.iter().map(move |view| (step, view)));
    let asks = asks.filter(|(_, view)| view.answered_by.is_none()).map(|(step, view)| {
        let (what, answers) = match view.ask.kind {
            AskKind::Permission => {
                (What::Permission, ["once", "always", "reject"].map(str::to_owned).to_vec())
            }
            AskKind::Question => (What::Question, view.ask.options.concat()),
        };
        item(step.id.as_str(), what, &view.ask.id.0, &view.ask.summary, view.since.0, answers)
    });
    gates.chain(asks).collect()
}

/// Answers what is open in a run: the named item, or the only one.
pub(crate) async fn decide(project: &Project, args: DecideItemArgs, json: bool) -> Result<Exit, Failure> {
    let id = run_id(&args.run)?;
    let view = project.reader().await?.view(&id).await?;
    let item = meant(&view, args.item.as_deref())?;
    if item.what != What::Decision {
        let args = AnswerArgs { run: args.run, answer: args.answer, ask: Some(item.id) };
        return answer::answer(project, args, json).await;
    }
    let decision = decision(&id, &args.answer)?;
    let (run, gate) = (args.run, Some(item.id));
    let args = DecideArgs { run, gate, policy: args.policy, drive: args.drive };
    decide::decide(project, Decide::new(args, Answer::Decision(decision)), json).await
}

fn meant(view: &RunView, named: Option<&str>) -> Result<Item, Failure> {
    let mut items = open(view);
    let names = items.iter().map(|item| item.id.clone()).collect::<Vec<_>>().join(", ");
    let at = match named {
        Some(name) => items.iter().position(|item| item.id == name),
        None if items.len() > 1 => {
            let message = format!("decide in {}: {} things wait for you", view.id, items.len());
            return Err(Failure::usage("orch::cli::which-item", message)
                .help(format!("name one with --item: {names}")));
        }
        None => (!items.is_empty()).then_some(0),
    };
    at.map(|at| items.swap_remove(at)).ok_or_else(|| {
        let message = match named {
            Some(name) => format!("decide in {}: {name:?} is not open", view.id),
            None => format!("decide in {}: nothing waits for you", view.id),
        };
        let help = match names.as_str() {
            "" => format!("see what it waits for with `{}`", command::WHY.on(&view.id)),
            open => format!("open: {open}"),
        };
        Failure::new(Exit::Error, "orch::run::unknown-item", message).help(help)
    })
}

fn decision(run: &RunId, words: &[String]) -> Result<Decision, Failure> {
    let (word, rest) = words.split_first().map_or(("", &[][..]), |(word, rest)| (word.as_str(), rest));
    let note = (!rest.is_empty()).then(|| rest.join(" "));
    match (word, note) {
        ("continue", None) => Ok(Decision::Continue),
        ("retry", note) => Ok(Decision::Retry { note, session: None }),
        ("skip", None) => Ok(Decision::Skip),
        ("abort", None) => Ok(Decision::Abort),
        ("replace", _) => {
            let message = "a replacement is a text of its own".to_owned();
            Err(Failure::usage("orch::cli::decision", message)
                .help(format!("give it with `{}`", command::deciding(DecisionKind::Replace).on(run))))
        }
        _ => {
            let message = format!("{:?} answers no gate", words.join(" "));
            let help =
                format!("answer `continue`, `retry` and a note, `skip` or `abort`: `{}`", DECIDE.on(run));
            Err(Failure::usage("orch::cli::decision", message).help(help))
        }
    }
}
