//! Every place, on simulated hosts that survive the command and keep what the model was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orch::{
    opencode::{
        HttpOpenCode,
        simulator::{AgentMode, ModelCall, SimulatedAgent, SimulatorOptions},
    },
    workflow::failpoint,
};
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use super::{Ground, STORIES, Story, Tally, Telling, Told, config, own_config, script, tell};
use crate::world::World;

/// How many worlds there are at a time.
const AT_ONCE: usize = 4;

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

    fn host(&self) -> HttpOpenCode {
        let directory = self.simulator.directory();
        HttpOpenCode::builder(self.simulator.url(), directory).build().unwrap()
    }

    fn asked(&self) -> Vec<ModelCall> {
        self.simulator.model_prompts()
    }
}

/// A story, and where the processes of one telling die.
type Plot = (&'static Story, Vec<String>);

/// Tells all of these, a few at a time.
async fn all_told(plots: Vec<Plot>) -> Vec<(&'static Story, String, Told)> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tellings = JoinSet::new();
    for (number, (story, deaths)) in plots.into_iter().enumerate() {
        let room = Arc::clone(&room);
        tellings.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let telling = Telling::new(story, number);
            let told = told(&telling, &deaths).await;
            (story, telling.task, told)
        });
    }
    tellings.join_all().await
}

async fn told(telling: &Telling, deaths: &[String]) -> Told {
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let below = SimulatedAgent::new("careful-below", AgentMode::Subagent).ask("bash");
    let options = SimulatorOptions::new(script([telling])).agent(careful).agent(below);
    let world = World::with(options).await;
    world.configure(&config());
    world.own(&own_config());
    let deaths: Vec<&str> = deaths.iter().map(String::as_str).collect();
    tell(&world, telling, &deaths).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_place_a_run_ends_as_if_nothing_had_happened() {
    let whole = STORIES.iter().map(|story| (story, Vec::new())).collect();
    let mut undisturbed = BTreeMap::new();
    for (story, task, told) in all_told(whole).await {
        assert_eq!(told.end["status"], story.ends, "{task}: {:#}", told.end);
        assert!(story.has_asked(&told.prompts), "{task}: {:#?}", told.prompts);
        undisturbed.insert(story.name, told);
    }
    let mut tally = Tally::default();
    for (story, task, told) in all_told(deaths(&undisturbed)).await {
        tally.add(&task, &told, &undisturbed[story.name]);
    }
    tally.report("simulated hosts");
    assert!(tally.kills >= 100 && tally.twice >= AGAIN.len(), "{tally:#?}");
    assert_eq!(tally.doubts, 0, "a simulated host can tell what it has not forgotten");
    assert!(tally.missed.is_empty(), "{:#?}", tally.missed);
    assert_eq!(tally.covered, failpoint::points().collect(), "every place");
}

/// Every place that some story comes to, once; of the first story also the last time that it is there; and a process
/// that is killed while it goes on after a kill.
fn deaths(undisturbed: &BTreeMap<&str, Told>) -> Vec<Plot> {
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
