//! Somebody who wants a run to end, whatever dies meanwhile.

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
};

use nix::pty::openpty;
use orch::opencode::{HttpOpenCode, OpenCode as _, SessionId, simulator::ModelCall};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Telling,
    stories::{Begins, Cue, Likeness},
};
use crate::poll;
use crate::world::within;

/// More processes than any telling takes: one that goes on for ever fails its test.
const PATIENCE: usize = 40;

/// Where a story is told: a project with a host that survives whatever happens to `orch`.
pub(crate) trait Ground {
    fn command(&self, arguments: &[&str]) -> Command;
    /// A client of the host.
    fn host(&self) -> HttpOpenCode;
    /// What the model was asked.
    fn asked(&self) -> Vec<ModelCall>;
}

/// How a telling went.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What a person cares for in the end: status, steps, results.
    pub(crate) end: Value,
    /// What the model was asked, sorted.
    pub(crate) prompts: Vec<String>,
    /// The places that each process came to.
    pub(crate) reached: Vec<Vec<String>>,
    /// Where a process died.
    pub(crate) kills: Vec<String>,
    /// Where one should have died and did not come by.
    pub(crate) missed: Vec<String>,
    /// Gates that asked whether a step had run.
    pub(crate) doubts: usize,
}

struct Ended {
    killed: bool,
    failed: bool,
    /// Whoever drives the run was too busy to reply.
    unheard: bool,
    stderr: String,
}

/// Tells a story to its end. The first process dies at the first of these places that it comes to, one that goes on
/// at the next, and so on.
pub(crate) async fn tell(ground: &impl Ground, telling: &Telling, deaths: &[&str]) -> Told {
    let mut told = Told::default();
    let forgotten = match telling.story.begins {
        Begins::Forgotten(death) => Some(death),
        Begins::Afresh | Begins::Forked(_) => None,
    };
    let mut deaths: VecDeque<&str> = forgotten.into_iter().chain(deaths.iter().copied()).collect();
    let origin = origin(ground, telling).await;
    let mut meddled = false;
    for _ in 0..PATIENCE {
        let run = find(ground, telling).await;
        let Some(arguments) = next(telling, origin.as_deref(), run.as_ref(), &mut told) else {
            let id = run.as_ref().map_or("", |run| run["id"].as_str().unwrap());
            told.end = end(ground, telling, id).await;
            told.prompts = prompts(ground, telling);
            told.missed = deaths.into_iter().map(str::to_owned).collect();
            return told;
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let death = deaths.front().copied();
        let (mut ended, mut meddlers) = (Vec::new(), Vec::new());
        let asks = telling.story.meddling.is_some_and(|(cue, _)| cue == Cue::Asked);
        let driver = launch(ground, &arguments, death, if asks { At::Terminal } else { At::Pipe });
        tokio::pin!(driver);
        tokio::select! {
            driven = &mut driver => ended.push(driven),
            () = meddle(ground, telling, death, &mut meddlers), if !meddled && telling.story.meddling.is_some() => {
                telling.hold.release();
                let driven = driver.await;
                // Who dies may not have heard it.
                meddled = !driven.killed;
                ended.push(driven);
            }
        }
        let mut died = false;
        for ended in ended.into_iter().chain(meddlers) {
            let reached = points(&ended.stderr);
            if ended.killed {
                died = true;
                let place = death.unwrap_or_else(|| panic!("killed by somebody else: {}", ended.stderr));
                let last = reached.iter().any(|point| place.starts_with(point.as_str()));
                assert!(last, "killed at {place} without having come there: {reached:?}");
                told.kills.push(place.to_owned());
            }
            told.reached.push(reached);
        }
        if died {
            deaths.pop_front();
            if forgotten.is_some() && told.kills.len() == 1 {
                forget(ground, telling).await;
            }
        }
    }
    panic!("{} did not come to an end with {:?}", telling.task, told.kills);
}

/// The run that the one of the story is forked from, to its end.
async fn origin(ground: &impl Ground, telling: &Telling) -> Option<String> {
    let Begins::Forked(_) = telling.story.begins else { return None };
    let run = launch(ground, &["run", telling.story.name, &telling.task, "--json"], None, At::Pipe).await;
    assert!(!run.failed, "{}", run.stderr);
    let [run] = &runs(ground, &telling.task).await[..] else { panic!("{} is one run", telling.task) };
    Some(run["id"].as_str().unwrap().to_owned())
}

/// Deletes the session in which the model is at work.
async fn forget(ground: &impl Ground, telling: &Telling) {
    within("the model to be asked", telling.hold.wait_arrived()).await;
    let run = find(ground, telling).await.unwrap();
    let session = SessionId::parse(run["steps"][0]["session"].as_str().unwrap()).unwrap();
    within("the session to be deleted", ground.host().delete_session(&session)).await.unwrap();
}

/// What the run needs next: to be started, continued, decided about; `None` once it has ended.
fn next(
    telling: &Telling,
    origin: Option<&str>,
    run: Option<&Value>,
    told: &mut Told,
) -> Option<Vec<String>> {
    let story = telling.story;
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let Some(run) = run else {
        let begin = match (story.begins, origin) {
            (Begins::Forked(step), Some(origin)) => vec!["fork", origin, "--from", step],
            _ => vec!["run", story.name, &telling.task],
        };
        let policy = ["--execution", "auto", "--intervene", story.intervene, "--json"];
        return words(&[&begin[..], &policy[..]].concat());
    };
    let id = run["id"].as_str().unwrap();
    match run["status"].as_str().unwrap() {
        "running" => words(&["continue", id, "--json"]),
        "paused" => {
            let reason = run["gate"]["reason"].as_str().unwrap();
            told.doubts += usize::from(reason == "in-doubt");
            let decision = match reason {
                "in-doubt" => &["retry"][..],
                _ if allows(run, story.decision[0]) => story.decision,
                _ => &["continue"],
            };
            let gate = run["gate"]["id"].as_str().unwrap();
            let mut all = vec![decision[0], id, "--gate", gate, "--json"];
            all.extend(&decision[1..]);
            words(&all)
        }
        _ => None,
    }
}

fn allows(run: &Value, decision: &str) -> bool {
    let allowed = run["gate"]["allowed"].as_array().unwrap();
    allowed.iter().any(|allowed| allowed == decision)
}

/// Speaks from another process when its cue comes, until it was heard: it may be killed itself, and a question that it
/// answers may be that of a process that is gone.
async fn meddle(ground: &impl Ground, telling: &Telling, death: Option<&str>, ended: &mut Vec<Ended>) {
    let Some((cue, words)) = telling.story.meddling else { return };
    let mut death = death;
    loop {
        let run = match cue {
            Cue::Held => {
                within("the model to be asked", telling.hold.wait_arrived()).await;
                find(ground, telling).await.unwrap()
            }
            Cue::Asked => within("somebody to be asked", asked(ground, telling)).await,
        };
        let mut arguments = vec![words[0], run["id"].as_str().unwrap(), "--json"];
        arguments.extend(&words[1..]);
        let meddler = launch(ground, &arguments, death.take(), At::Pipe).await;
        let heard = match cue {
            Cue::Held => !meddler.killed && !meddler.unheard,
            Cue::Asked => !meddler.killed && !meddler.failed,
        };
        ended.push(meddler);
        if heard {
            return;
        }
    }
}

/// The run, once it waits for an answer from whoever drives it now.
async fn asked(ground: &impl Ground, telling: &Telling) -> Value {
    let asks = |run: &Value| run["asks"].as_array().is_some_and(|asks| !asks.is_empty());
    let mut looks = poll::looks();
    loop {
        looks.tick().await;
        let run = find(ground, telling).await;
        if let Some(run) = run.filter(|run| asks(run) && run["interrupted"] == false) {
            return run;
        }
    }
}

/// What standard input and output of a process are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Pipe,
    /// A terminal at which nobody types.
    Terminal,
}

async fn launch(ground: &impl Ground, arguments: &[&str], death: Option<&str>, at: At) -> Ended {
    let arguments: Vec<_> =
        arguments.iter().copied().filter(|word| at == At::Pipe || *word != "--json").collect();
    let mut command = ground.command(&arguments);
    command.env("ORCH_LOG", "orch::failpoint=trace").env("NO_COLOR", "1");
    if let Some(death) = death {
        command.env("ORCH_FAILPOINT", death);
    }
    if at == At::Terminal {
        sit_down(&mut command);
    }
    let child = command.spawn().unwrap();
    // Its ends of the terminal go with it.
    drop(command);
    let output = within(&format!("{arguments:?} under {death:?}"), child.wait_with_output()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let killed = output.status.signal() == Some(9);
    let expected = killed || matches!(output.status.code(), Some(0 | 1 | 3 | 4));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(expected, "{arguments:?} under {death:?}: {}\n{stdout}\n{stderr}", output.status);
    let unheard = stdout.contains("orch::run::no-reply");
    Ended { killed, failed: !output.status.success(), unheard, stderr }
}

/// Gives a command a terminal. Whatever it shows there is read and forgotten.
fn sit_down(command: &mut Command) {
    let terminal = openpty(None, None).unwrap();
    let end = || Stdio::from(terminal.slave.try_clone().unwrap());
    command.env("TERM", "xterm").stdin(end()).stdout(end());
    let mut screen = File::from(terminal.master);
    // Ends when the command has closed its side.
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while matches!(screen.read(&mut chunk), Ok(1..)) {}
    });
}

/// The places that the library traced, in order.
fn points(stderr: &str) -> Vec<String> {
    let point = |line: &str| Some(line.split_once("point=\"")?.1.split_once('"')?.0.to_owned());
    stderr.lines().filter_map(point).collect()
}

/// The run of the story.
async fn find(ground: &impl Ground, telling: &Telling) -> Option<Value> {
    let is_fork = matches!(telling.story.begins, Begins::Forked(_));
    let runs = runs(ground, &telling.task).await;
    let mut own = runs.into_iter().filter(|run| run["forked_from"].is_object() == is_fork);
    let found = own.next();
    assert!(own.next().is_none(), "{} was started twice", telling.task);
    found
}

async fn runs(ground: &impl Ground, task: &str) -> Vec<Value> {
    let output = within("the list of runs", ground.command(&["runs", "--json", "--limit", "1000"]).output());
    let mut runs: Vec<Value> = serde_json::from_slice(&output.await.unwrap().stdout).unwrap();
    runs.retain(|run| run["task"] == task);
    runs
}

async fn end(ground: &impl Ground, telling: &Telling, run: &str) -> Value {
    let output = within("the run", ground.command(&["show", run, "--json"]).output()).await.unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &shown["run"];
    let steps = run["steps"].as_array().unwrap().iter().map(|step| {
        let attempts = step["attempts"].as_array().unwrap().len();
        json!({ "id": step["id"], "status": step["status"], "text": step["text"], "attempts": attempts })
    });
    let mut end = json!({ "status": run["status"], "steps": steps.collect::<Vec<_>>() });
    if telling.story.likeness == Likeness::TheEnd {
        end["steps"] = Value::Null;
    }
    assert_eq!(run["interrupted"], false, "{}: somebody still holds it", telling.task);
    end
}

/// Everything asked in the sessions of this telling. A host that tries again by itself asks the model again for the
/// same prompt: that is one prompt.
fn prompts(ground: &impl Ground, telling: &Telling) -> Vec<String> {
    let asked = ground.asked();
    let is_own = |call: &&ModelCall| call.text.contains(&telling.task);
    let sessions: HashSet<_> = asked.iter().filter(is_own).map(|call| call.session.clone()).collect();
    let prompts = asked.iter().filter(|call| call.attempt == 1 && sessions.contains(&call.session));
    let mut prompts: Vec<_> = prompts.map(|call| call.text.replace(&telling.task, "TASK")).collect();
    prompts.sort();
    prompts
}
