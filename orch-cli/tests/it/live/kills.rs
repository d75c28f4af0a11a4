//! `kill -9` at the places of the driver, with a real OpenCode that goes on meanwhile.

use std::sync::Arc;

use orch::{
    opencode::{HttpOpenCode, simulator::ModelCall},
    workflow::failpoint,
};
use serde_json::json;
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use super::{live_binary, world::World};
use crate::kills::{Ground, STORIES, Story, Tally, Telling, Told, config, own_config, script, tell};

/// How many runs are under way at a time.
const AT_ONCE: usize = 3;

/// Where the processes of the stories die, by the story's name; several at once are deaths in a row.
const DEATHS: &[(&str, &[&[&str]])] = &[
    (
        "gated",
        &[
            &["appending:run-started"],
            &["appended:run-started"],
            &["published:run-started"],
            &["appending:attempt-started"],
            &["appended:attempt-started"],
            &["published:attempt-started"],
            &["before:place"],
            &["after:place"],
            &["appending:placed"],
            &["appended:placed"],
            &["published:placed"],
            &["before:send"],
            &["after:send"],
            &["appending:settled"],
            &["appended:settled"],
            &["published:settled"],
            &["appending:gate-opened"],
            &["appended:gate-opened"],
            &["published:gate-opened"],
            &["appending:paused"],
            &["appended:paused"],
            &["published:paused"],
            &["before:acquire"],
            &["after:acquire"],
            &["before:release"],
            &["after:release"],
            &["before:request"],
            &["after:request"],
            &["before:read"],
            &["after:read"],
            &["appending:gate-resolved"],
            &["appended:gate-resolved"],
            &["published:gate-resolved"],
            &["appending:resumed"],
            &["appended:resumed"],
            &["published:resumed"],
            &["appending:finished"],
            &["appended:finished"],
            &["published:finished"],
            &["before:commit:1"],
            &["after:commit:1"],
            &["before:commit:3"],
            &["after:commit:3"],
            &["before:commit:4"],
            &["after:commit:4"],
            &["before:commit:5"],
            &["after:commit:5"],
            &["after:send", "before:probe"],
            &["after:send", "after:probe"],
            &["after:send", "appending:settled"],
            &["after:send", "appended:settled"],
            &["before:send", "before:probe", "before:send", "after:send", "after:probe"],
        ],
    ),
    (
        "looped",
        &[
            &["appending:skipped"],
            &["appended:skipped"],
            &["published:skipped"],
            &["appending:iteration-started"],
            &["appended:iteration-started:2"],
            &["published:iteration-started"],
            &["appending:group-ended"],
            &["appended:group-ended"],
            &["published:group-ended"],
            &["appending:answered"],
            &["appended:answered"],
            &["published:answered"],
            &["appending:turn-started"],
            &["appended:turn-started"],
            &["published:turn-started"],
            &["before:send:2"],
            &["after:send:2"],
            &["after:send:4", "after:probe"],
        ],
    ),
    (
        "cancelled",
        &[
            &["before:post"],
            &["after:post"],
            &["before:reply"],
            &["after:reply"],
            &["appending:cancel-requested"],
            &["appended:cancel-requested"],
            &["published:cancel-requested"],
            &["before:abort"],
            &["after:abort"],
        ],
    ),
    ("refused", &[&["appending:failing"], &["appended:failing"], &["published:failing"]]),
    ("carried", &[&["appending:backed-off", "appended:backed-off"], &["published:backed-off"]]),
    ("paused", &[&["appending:pause-requested", "appended:pause-requested"], &["published:pause-requested"]]),
    ("slow", &[&["before:renew"], &["after:renew"]]),
    (
        "asked",
        &[
            &["appending:ask-opened", "appended:ask-opened"],
            &["published:ask-opened"],
            &["appending:ask-answered", "appended:ask-answered"],
            &["published:ask-answered"],
            &["before:answer"],
            &["after:answer"],
            &["appending:ask-closed"],
            &["appended:ask-closed"],
            &["published:ask-closed"],
        ],
    ),
    ("forked", &[&["appending:reused", "appended:reused"], &["published:reused"]]),
    (
        "spent",
        &[
            &["appending:used", "appending:stopping", "appended:used"],
            &["published:used"],
            &["appended:stopping"],
            &["published:stopping"],
        ],
    ),
    ("warned", &[&["appending:warned"], &["appended:warned"], &["published:warned"]]),
    ("doubted", &[&["appending:in-doubt", "appended:in-doubt"], &["published:in-doubt"]]),
];

impl Ground for World {
    fn command(&self, arguments: &[&str]) -> Command {
        Self::command(self, arguments)
    }

    fn host(&self) -> HttpOpenCode {
        Self::host(self)
    }

    fn asked(&self) -> Vec<ModelCall> {
        self.model.prompts()
    }
}

/// A world in which all these stories are told.
async fn world(program: &str, tellings: &[Arc<Telling>]) -> World {
    let script = script(tellings.iter().map(|telling| &**telling));
    let world = World::without_server(program, script, &config()).await;
    let careful = |mode| json!({ "mode": mode, "permission": { "bash": "ask" } });
    let agents = json!({ "careful": careful("primary"), "careful-below": careful("subagent") });
    world.own_settings(&json!({ "agent": agents }));
    let own = world.home().join(".config/opencode/orchestrator.json");
    std::fs::write(own, own_config().to_string()).unwrap();
    world.with_server().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_places_of_the_driver_a_run_ends_as_if_nothing_had_happened() {
    let Some(program) = live_binary() else { return };
    let mut plots: Vec<(&Story, &[&str])> = Vec::new();
    for (name, deaths) in DEATHS {
        let story = STORIES.iter().find(|story| story.name == *name).unwrap();
        let undisturbed = std::iter::once(&[][..]);
        plots.extend(undisturbed.chain(deaths.iter().copied()).map(|deaths| (story, deaths)));
    }
    let tellings: Vec<_> =
        plots.iter().enumerate().map(|(number, (story, _))| Arc::new(Telling::new(story, number))).collect();
    let world = Arc::new(world(&program, &tellings).await);
    let (mut working, room) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for (telling, (_, deaths)) in tellings.into_iter().zip(plots) {
        let (world, room) = (Arc::clone(&world), Arc::clone(&room));
        working.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let told = tell(&*world, &telling, deaths).await;
            (telling, deaths, told)
        });
    }
    let told = working.join_all().await;
    let mut tally = Tally::default();
    for (telling, _, disturbed) in &told {
        let is_whole = |(other, deaths, _): &&(Arc<Telling>, &[&str], Told)| {
            other.story.name == telling.story.name && deaths.is_empty()
        };
        let (_, _, undisturbed) = told.iter().find(is_whole).unwrap();
        assert_eq!(undisturbed.end["status"], telling.story.ends);
        assert!(telling.story.has_asked(&undisturbed.prompts), "{:#?}", undisturbed.prompts);
        tally.add(&telling.task, disturbed, undisturbed);
    }
    tally.report("real OpenCode");
    assert!(tally.kills >= 60, "{tally:#?}");
    assert!(tally.missed.is_empty(), "{:#?}", tally.missed);
    assert_eq!(tally.doubts, 0, "this host could always tell what it had not forgotten");
    assert_eq!(tally.covered, failpoint::points().collect(), "every place");
    let Some(world) = Arc::into_inner(world) else { unreachable!("every telling has ended") };
    world.stop().await;
}
