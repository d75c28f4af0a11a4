//! `kill -9` at the places of the driver, with a real OpenCode that goes on meanwhile.

use std::sync::Arc;

use orch::opencode::simulator::ModelCall;
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

use super::{live_binary, world::World};
use crate::kills::{Ground, STORIES, Tally, Telling, config, script, tell};

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
];

impl Ground for World {
    fn command(&self, arguments: &[&str]) -> Command {
        Self::command(self, arguments)
    }

    fn asked(&self) -> Vec<ModelCall> {
        self.model.prompts()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_places_of_the_driver_a_run_ends_as_if_nothing_had_happened() {
    let Some(program) = live_binary() else { return };
    let mut all = Vec::new();
    for (name, deaths) in DEATHS {
        let story = STORIES.iter().find(|story| story.name == *name).unwrap();
        let undisturbed = std::iter::once(&[][..]);
        all.extend(undisturbed.chain(deaths.iter().copied()).map(|deaths| (story, deaths)));
    }
    let tellings: Vec<_> =
        all.iter().enumerate().map(|(number, (story, _))| Arc::new(Telling::new(story, number))).collect();
    let world = World::start(&program, script(tellings.iter().map(|telling| &**telling)), &config()).await;
    let world = Arc::new(world);
    let (mut working, room) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for (telling, (_, deaths)) in tellings.into_iter().zip(all) {
        let (world, room) = (Arc::clone(&world), Arc::clone(&room));
        working.spawn(async move {
            let _place = room.acquire().await.unwrap();
            let told = tell(&*world, &telling, deaths).await;
            (telling, told)
        });
    }
    let told = working.join_all().await;
    let mut tally = Tally::default();
    for (telling, disturbed) in &told {
        let of_the_story = told.iter().find(|(other, told)| {
            other.story.name == telling.story.name && told.kills.is_empty() && told.missed.is_empty()
        });
        let undisturbed = &of_the_story.unwrap().1;
        assert_eq!(undisturbed.end["status"], telling.story.ends);
        assert!(telling.story.has_asked(&undisturbed.prompts), "{:#?}", undisturbed.prompts);
        tally.add(&telling.task, disturbed, undisturbed);
    }
    tally.report("real OpenCode");
    assert!(tally.kills >= 60, "{tally:#?}");
    assert!(tally.missed.is_empty(), "{:#?}", tally.missed);
    assert_eq!(tally.doubts, 0, "this host could always tell");
    let Some(world) = Arc::into_inner(world) else { unreachable!("every telling has ended") };
    world.stop().await;
}
