//! The client and the tracker on a real OpenCode with the scripted model: what the pages about the host claim.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_opencode::drift::{Standing, compare};
use orch_opencode::serve::{Environment, Serve, Server};
use orch_opencode::simulator::{Answer, Hold, Script, ScriptedModel, ToolCall, When};
use orch_opencode::tracker::{Activity, Follower, Patience, Probed, Settled, Sign, probe};
use orch_opencode::{
    FailureKind, HostErrorKind, HttpOpenCode, MessageId, ModelRef, NewSession, OpenCode, PermissionAction,
    PermissionReply, PermissionRule, Prompt, SessionId, SessionQuery,
};
use serde_json::{Value, json};

use crate::{
    live_binary,
    package::{seed_plugin_package, versions},
};

struct World {
    scratch: tempfile::TempDir,
    model: ScriptedModel,
    server: Server,
    host: HttpOpenCode,
}

impl World {
    async fn start(program: &str, script: Script) -> Self {
        Self::start_with(program, script, json!({})).await
    }

    /// With further settings of the host.
    async fn start_with(program: &str, script: Script, further: Value) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["home", "project"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        seed_plugin_package(&scratch.path().join("home/.config/opencode"));
        let model = ScriptedModel::start(script).await.unwrap();
        let mut settings = model.opencode_config();
        settings.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let environment = Environment::inherit([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("HOME".to_owned(), scratch.path().join("home").to_string_lossy().into_owned()),
            ("OPENCODE_DISABLE_MODELS_FETCH".to_owned(), "1".to_owned()),
        ]);
        let server = Serve::new([program], scratch.path().join("project"), environment)
            .data_dir(scratch.path().join("worker"))
            .versions(versions())
            .settings(settings)
            .temperature(0.25)
            .start()
            .await
            .unwrap();
        let host = server.client();
        Self { scratch, model, server, host }
    }

    async fn session(&self, permission: Vec<PermissionRule>) -> SessionId {
        let new = NewSession { title: Some("Live".into()), permission, ..NewSession::default() };
        self.host.create_session(new).await.unwrap().id
    }

    fn prompt(&self, text: &str) -> Prompt {
        Prompt::text(text).by(Some("build".into()), Some(ModelRef::new("stub", "stub")))
    }

    async fn follower(&self, session: &SessionId) -> Follower {
        Follower::start(Arc::new(self.host.clone()), session.clone()).await.unwrap()
    }

    /// Sends the prompt and waits for its end.
    async fn settle(&self, session: &SessionId, prompt: Prompt) -> Settled {
        let mut follower = self.follower(session).await;
        let message = prompt.message.clone();
        self.host.prompt(session, prompt).await.unwrap();
        let settling = follower.settle(&message, |_| {});
        tokio::time::timeout(Duration::from_secs(90), settling).await.expect("an end in time").unwrap()
    }

    async fn probe(&self, session: &SessionId, message: &MessageId) -> Probed {
        probe(&self.host, session, message, &Patience::default()).await.unwrap()
    }

    async fn stop(self) {
        self.server.stop(Duration::from_secs(5)).await;
    }
}

fn text(settled: &Settled) -> &str {
    let Settled::Finished(turn) = settled else { unreachable!("not an answer: {settled:?}") };
    &turn.text
}

fn bash(command: &str) -> Answer {
    Answer::tool(ToolCall::new("bash", json!({ "command": command, "description": "Run" })))
}

/// The host that we fetch for these tests describes everything that we rely on.
#[tokio::test]
async fn the_host_offers_what_is_relied_on() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, Script::new()).await;
    let troubled: Vec<_> = compare(&world.host.description().await.unwrap())
        .into_iter()
        .filter(|capability| capability.standing != Standing::Works)
        .collect();
    assert_eq!(troubled, []);
    world.stop().await;
}

#[tokio::test]
async fn prompts_end_as_the_tracker_says() {
    let Some(program) = live_binary() else { return };
    let script = Script::new()
        .on(When::prompt("use a tool"), [bash("echo PW=[$OPENCODE_SERVER_PASSWORD]"), Answer::text("done")])
        .on(When::prompt("refuse"), Answer::error(400, "not with me"))
        .on(
            When::prompt("cut short"),
            Answer::speaking().say("half of").finish(orch_opencode::simulator::Finish::Length),
        )
        .on(When::prompt("overflow"), Answer::context_overflow())
        .otherwise("hello");
    let world = World::start(&program, script).await;
    let session = world.session(vec![]).await;

    let first = world.prompt("hi");
    let message = first.message.clone();
    assert_eq!(text(&world.settle(&session, first.clone()).await), "hello");

    // The same ids again: the same answer, and no call of the model.
    let calls = world.model.prompts().len();
    assert_eq!(text(&world.settle(&session, first).await), "hello");
    assert_eq!(world.model.prompts().len(), calls);
    assert!(matches!(world.probe(&session, &message).await, Probed::Finished(_)));
    assert_eq!(world.probe(&session, &MessageId::mint()).await, Probed::NeverArrived);

    let settled = world.settle(&session, world.prompt("use a tool")).await;
    assert_eq!(text(&settled), "done");
    let turn = settled.turn().unwrap();
    assert_eq!((turn.messages.len(), turn.tool_failures.len()), (2, 0));
    assert!(turn.usage.input > 0);
    let output = format!("{:?}", turn.messages[0].parts);
    assert!(output.contains("PW=[]"), "the shell of the agent does not see the password: {output}");
    assert!(world.model.prompts().iter().all(|call| call.temperature == Some(0.25)));

    match world.settle(&session, world.prompt("refuse")).await {
        Settled::Failed { failure, .. } => {
            assert_eq!((failure.kind, failure.status), (FailureKind::Api, Some(400)));
            assert!(failure.message.contains("not with me"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
    match world.settle(&session, world.prompt("cut short")).await {
        Settled::Failed { failure, turn } => {
            assert_eq!((failure.kind, &*turn.text), (FailureKind::Length, "half of"))
        }
        other => panic!("{other:?}"),
    }
    // The host shortens the context, tells itself to go on, and gets the answer that is still ours.
    let settled = world.settle(&world.session(vec![]).await, world.prompt("overflow")).await;
    assert_eq!((text(&settled), settled.turn().unwrap().answered_together), ("hello", false));
    world.stop().await;
}

#[tokio::test]
async fn prompts_that_never_start_are_noticed_with_the_hosts_reason() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, Script::new()).await;
    for (agent, model, reason) in [
        ("nosuch", ModelRef::new("stub", "stub"), "Agent not found"),
        ("build", ModelRef::new("nosuch", "model"), "Model not found"),
    ] {
        let session = world.session(vec![]).await;
        let begun = Instant::now();
        match world.settle(&session, Prompt::text("hi").by(Some(agent.into()), Some(model))).await {
            Settled::NeverStarted { reason: Some(failure) } => {
                assert!(failure.message.starts_with(reason), "{}", failure.message);
            }
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    world.stop().await;
}

#[tokio::test]
async fn an_abort_is_final_and_found_again() {
    let Some(program) = live_binary() else { return };
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("wait"), Answer::text("never").held(&hold)).otherwise("fine");
    let world = World::start(&program, script).await;
    let session = world.session(vec![]).await;
    let prompt = world.prompt("wait");
    let message = prompt.message.clone();
    let mut follower = world.follower(&session).await;
    world.host.prompt(&session, prompt).await.unwrap();
    hold.wait_arrived().await;
    assert_eq!(world.probe(&session, &message).await, Probed::Running);
    let (settled, aborted) = tokio::join!(follower.settle(&message, |_| {}), world.host.abort(&session));
    aborted.unwrap();
    assert!(matches!(settled.unwrap(), Settled::Aborted(_)));
    match world.probe(&session, &message).await {
        Probed::Finished(settled) => assert!(matches!(*settled, Settled::Aborted(_))),
        other => panic!("{other:?}"),
    }
    assert_eq!(text(&world.settle(&session, world.prompt("again")).await), "fine");
    world.stop().await;
}

#[tokio::test]
async fn a_permission_of_a_child_task_is_seen_from_its_parent() {
    let Some(program) = live_binary() else { return };
    let task = json!({ "description": "sub", "prompt": "run it", "subagent_type": "general" });
    let script = Script::new()
        .on(When::prompt("run it").and_child(), [bash("echo permitted"), Answer::text("ran")])
        .on(When::prompt("delegate"), [Answer::tool(ToolCall::new("task", task)), Answer::text("delegated")]);
    // Rules of the session do not reach its tasks; those of the configuration do.
    let world = World::start_with(&program, script, json!({ "permission": { "bash": "ask" } })).await;
    for reply in [PermissionReply::Once, PermissionReply::Reject { message: None }] {
        let session = world.session(vec![]).await;
        let prompt = world.prompt("delegate");
        let message = prompt.message.clone();
        let mut follower = world.follower(&session).await;
        world.host.prompt(&session, prompt).await.unwrap();
        let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let settling = follower.settle(&message, move |sign| {
            if let Sign::Activity(Activity::Asking { permissions, .. }) = sign {
                sender.send(permissions).unwrap_or_default();
            }
        });
        let answering = async {
            let permission = asked.recv().await.unwrap().remove(0);
            assert_eq!(permission.patterns, ["echo permitted"]);
            let child = world.host.session(&permission.session).await.unwrap();
            assert_eq!(child.parent.as_ref(), Some(&session));
            world.host.reply_permission(&permission.id, reply).await.unwrap();
        };
        let (settled, ()) = tokio::join!(settling, answering);
        assert_eq!(text(&settled.unwrap()), "delegated");
    }
    world.stop().await;
}

/// Fault: an empty answer makes the host call the model again and again, for ever.
#[tokio::test]
async fn an_endless_loop_of_the_host_is_ended() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, Script::new().on(When::prompt("nothing"), Answer::empty())).await;
    let session = world.session(vec![]).await;
    match world.settle(&session, world.prompt("nothing")).await {
        Settled::Looped { reason, .. } => assert!(reason.contains("with nothing"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.host.statuses().await.unwrap().len(), 0, "it no longer runs");
    world.stop().await;
}

#[tokio::test]
async fn a_child_is_a_child_and_a_fork_is_none() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, Script::new()).await;
    let root = world.session(vec![]).await;
    world.settle(&root, world.prompt("hi")).await;
    let new = NewSession { parent: Some(root.clone()), title: Some("Child".into()), ..NewSession::default() };
    let child = world.host.create_session(new).await.unwrap();
    assert_eq!(child.parent.as_ref(), Some(&root));
    let fork = world.host.fork(&root, None).await.unwrap();
    assert_eq!((fork.parent, world.host.messages(&fork.id).await.unwrap().len()), (None, 2));
    let children = world.host.children(&root).await.unwrap();
    assert_eq!(children.into_iter().map(|child| child.id).collect::<Vec<_>>(), [child.id]);

    let missing = SessionId::parse("ses_missing").unwrap();
    let new = NewSession { parent: Some(missing), ..NewSession::default() };
    assert_eq!(world.host.create_session(new).await.unwrap_err().kind(), HostErrorKind::NotFound);
    assert!(world.host.agents().await.unwrap().iter().any(|agent| agent.name == "build"));
    assert!(world.host.catalog().await.unwrap().find(&ModelRef::new("stub", "stub")).is_some());
    world.host.publish_command("session.child.first").await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_permission_of_the_session_waits_and_a_rejection_ends_the_turn() {
    let Some(program) = live_binary() else { return };
    let script = Script::new().on(When::prompt("run it"), [bash("echo permitted"), Answer::text("ran")]);
    let world = World::start(&program, script).await;
    let session = world.session(vec![PermissionRule::new("bash", "*", PermissionAction::Ask)]).await;
    let prompt = world.prompt("run it");
    let message = prompt.message.clone();
    let mut follower = world.follower(&session).await;
    world.host.prompt(&session, prompt).await.unwrap();
    let host = world.host.clone();
    let settled = follower.settle(&message, move |sign| {
        if let Sign::Activity(Activity::Asking { permissions, .. }) = sign {
            let (host, id) = (host.clone(), permissions[0].id.clone());
            tokio::spawn(async move {
                host.reply_permission(&id, PermissionReply::Reject { message: None }).await
            });
        }
    });
    match settled.await.unwrap() {
        Settled::Rejected(turn) => assert!(turn.tool_failures[0].denied),
        other => panic!("{other:?}"),
    }
    world.stop().await;
}

/// The directories are said to people; the list is what counts. Each of them is really looked through, those of a project
/// that is not trusted excepted.
#[tokio::test]
async fn every_place_that_is_named_for_skills_is_looked_through() {
    let Some(program) = live_binary() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (home, project) = (scratch.path().join("home"), scratch.path().join("project"));
    let of_project = [".opencode/skill", ".opencode/skills", ".claude/skills", ".agents/skills", "team"];
    let of_home = [
        ".config/opencode/skill",
        ".config/opencode/skills",
        ".opencode/skill",
        ".opencode/skills",
        ".claude/skills",
        ".agents/skills",
        "shared",
    ];
    let mut written = Vec::new();
    for (root, places) in [(&project, of_project.as_slice()), (&home, of_home.as_slice())] {
        for place in places {
            let name = format!("skill-{}", written.len());
            let file = root.join(place).join(&name).join("SKILL.md");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, format!("---\nname: {name}\ndescription: of {place}\n---\n")).unwrap();
            written.push((root.join(place), name, file));
        }
    }
    for settings in [home.join(".config/opencode"), home.join(".opencode"), project.join(".opencode")] {
        seed_plugin_package(&settings);
    }
    let model = ScriptedModel::start(Script::new()).await.unwrap();
    let mut settings = model.opencode_config();
    settings["skills"] = json!({ "paths": ["team", "~/shared"] });
    let environment = Environment::inherit([
        ("PATH".to_owned(), std::env::var("PATH").unwrap()),
        ("HOME".to_owned(), home.to_string_lossy().into_owned()),
        ("OPENCODE_DISABLE_MODELS_FETCH".to_owned(), "1".to_owned()),
    ]);
    for trusted in [true, false] {
        let serve = Serve::new([&program], &project, environment.clone())
            .data_dir(scratch.path().join("worker"))
            .versions(versions())
            .settings(settings.clone())
            .trusted(trusted);
        let server = serve.start().await.unwrap();
        let skills = server.client().skills().await.unwrap();
        server.stop(Duration::from_secs(5)).await;
        for (place, name, file) in &written {
            assert!(skills.places.contains(place), "{} in {:?}", place.display(), skills.places);
            let found = skills.find(name).map(|skill| skill.location.clone());
            let hidden = !trusted && place.starts_with(project.join(".opencode"));
            let expected = (!hidden).then(|| file.to_string_lossy().into_owned());
            assert_eq!(found, expected, "{}, trusted: {trusted}", place.display());
        }
        assert_eq!(skills.places.len(), written.len());
    }
}

/// One host serves many directories: what it lists for one has nothing of another, and a turn ends where it began.
#[tokio::test]
async fn the_work_of_two_directories_of_one_host_is_told_apart() {
    let Some(program) = live_binary() else { return };
    let hold = Hold::new();
    let script =
        Script::new().on(When::prompt("over here"), Answer::text("here").held(&hold)).otherwise("there");
    let world = World::start(&program, script).await;
    let elsewhere = world.scratch.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let other = world.host.at(elsewhere.to_string_lossy());

    let session = world.session(vec![]).await;
    let mut follower = world.follower(&session).await;
    let prompt = world.prompt("over here");
    let message = prompt.message.clone();
    world.host.prompt(&session, prompt).await.unwrap();
    hold.wait_arrived().await;

    // In the other directory the turn is over while this one is at work.
    let new = NewSession { title: Some("Elsewhere".into()), ..NewSession::default() };
    let theirs = other.create_session(new).await.unwrap().id;
    let mut following = Follower::start(Arc::new(other.clone()), theirs.clone()).await.unwrap();
    let prompt = world.prompt("over there");
    let their_message = prompt.message.clone();
    other.prompt(&theirs, prompt).await.unwrap();
    let settling = following.settle(&their_message, |_| {});
    let settled = tokio::time::timeout(Duration::from_secs(90), settling).await.expect("an end in time");
    assert_eq!(text(&settled.unwrap()), "there");

    assert!(world.host.statuses().await.unwrap().contains_key(&session), "it is at work");
    assert!(other.statuses().await.unwrap().is_empty(), "nothing is at work there");
    for (host, own, foreign) in [(&world.host, &session, &theirs), (&other, &theirs, &session)] {
        let listed = host.sessions(SessionQuery::default()).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|session| &session.id).collect();
        assert!(listed.contains(&own) && !listed.contains(&foreign), "{}: {listed:?}", host.directory());
    }
    hold.release();
    let settling = follower.settle(&message, |_| {});
    let settled = tokio::time::timeout(Duration::from_secs(90), settling).await.expect("an end in time");
    assert_eq!(text(&settled.unwrap()), "here");
    world.stop().await;
}
