//! Every place, on simulated hosts that survive the command and keep what the model was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orch::{
    opencode::simulator::{AgentMode, ModelCall, SimulatedAgent, SimulatorOptions},
    workflow::failpoint,
};
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use super::{Ground, STORIES, Story, Tally, Telling, Told, config, script, tell};
use crate::world::World;

/// How many worlds there are at a time.
const AT_ONCE: usize = 4;

/// Places that no story of these comes to, and who kills there instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("used", "a budget that is spent in the middle of a turn: the crash explorer has budgets"),
    ("reused", "a fork writes them in one piece with its run-started, around which every story dies"),
    ("warned", "when a worker remarks something is up to the host: the crash explorer dies around it"),
    ("in-doubt", "a simulated host can always tell: the crash explorer has hosts that cannot"),
];

/// Where the process dies that goes on after the first has died.
const AGAIN: &[&str] = &[
    "before:acquire",
    "after:acquire",
    "before:probe",
    "after:probe",
    "appending:settled",
    "appended:settled",
    "published:settled",
    "appended:finished",
    "before:release",
    "after:release",
];

impl Ground for World {
    fn command(&self, arguments: &[&str]) -> Command {
        Self::command(self, arguments.iter().copied())
    }

    fn asked(&self) -> Vec<ModelCall> {
        self.simulator.model_prompts()
    }
}

async fn told(story: &'static Story, number: usize, deaths: &[String]) -> (String, Told) {
    let telling = Telling::new(story, number);
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script([&telling])).agent(careful)).await;
    world.configure(&config());
    let deaths: Vec<&str> = deaths.iter().map(String::as_str).collect();
    let told = tell(&world, &telling, &deaths).await;
    (telling.task, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_place_a_run_ends_as_if_nothing_had_happened() {
    let mut undisturbed = BTreeMap::new();
    for story in STORIES {
        let (task, told) = told(story, 0, &[]).await;
        assert_eq!(told.end["status"], story.ends, "{task}: {:#}", told.end);
        assert!(story.has_asked(&told.prompts), "{task}: {:#?}", told.prompts);
        undisturbed.insert(story.name, Arc::new(told));
    }
    let mut tellings = JoinSet::new();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    for (number, (story, deaths)) in deaths(&undisturbed).into_iter().enumerate() {
        let (room, undisturbed) = (Arc::clone(&room), Arc::clone(&undisturbed[story.name]));
        tellings.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let (task, told) = told(story, number + 1, &deaths).await;
            (task, told, undisturbed)
        });
    }
    let mut tally = Tally::default();
    for (task, told, undisturbed) in tellings.join_all().await {
        tally.add(&task, &told, &undisturbed);
    }
    tally.report("simulated hosts");
    assert!(tally.kills >= 100 && tally.twice >= AGAIN.len(), "{tally:#?}");
    assert_eq!(tally.doubts, 0, "a simulated host can always tell");
    assert!(tally.missed.is_empty(), "{:#?}", tally.missed);
    let elsewhere =
        |point: &str| ELSEWHERE.iter().any(|(subject, _)| point.ends_with(&format!(":{subject}")));
    let all: BTreeSet<_> = failpoint::points().filter(|point| !elsewhere(point)).collect();
    assert_eq!(tally.covered, all, "every place but those of ELSEWHERE");
}

/// Every place that some story comes to, once; of the first story also the last time that it is there; and a process
/// that is killed while it goes on after a kill.
fn deaths(undisturbed: &BTreeMap<&str, Arc<Told>>) -> Vec<(&'static Story, Vec<String>)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (index, story) in STORIES.iter().enumerate() {
        for (point, times) in most_often(&undisturbed[story.name]) {
            if seen.insert(point.clone()) {
                all.push((story, vec![format!("{point}:1")]));
            }
            if index == 0 && times > 1 {
                all.push((story, vec![format!("{point}:{times}")]));
            }
        }
    }
    all.extend(
        AGAIN.iter().map(|again| (&STORIES[0], vec!["after:send:1".to_owned(), format!("{again}:1")])),
    );
    let in_a_row = ["appended:run-started", "after:place", "before:send", "after:send", "appending:settled"];
    all.push((&STORIES[0], in_a_row.map(|death| format!("{death}:1")).into()));
    all
}

/// How often one process came to each place, at most.
fn most_often(told: &Told) -> BTreeMap<String, usize> {
    let mut most = BTreeMap::new();
    for reached in &told.reached {
        let mut times = BTreeMap::new();
        for point in reached {
            *times.entry(point).or_insert(0) += 1;
        }
        for (point, times) in times {
            let found = most.entry(point.clone()).or_insert(0);
            *found = times.max(*found);
        }
    }
    most
}
