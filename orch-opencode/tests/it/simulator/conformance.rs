//! One client, two hosts: what the adapter is told by a real OpenCode and by the simulated one must be the same.

use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use orch_opencode::simulator::{
    Answer, Finish as Said, Hold, Script, ScriptedModel, Simulator, SimulatorOptions,
};
use orch_opencode::simulator::{ToolCall, Usage, When};
use orch_opencode::{
    Answers, Assistant, EventStream, FailureKind, Finish, HostErrorKind, HostEvent, HttpOpenCode, Message,
    ModelRef, NewSession, OpenCode, PermissionAction, PermissionReply, PermissionRule, Prompt, Role,
    SessionId, SessionQuery, SessionStatus, StreamItem, Toast, ToastVariant, ToolState,
};
use serde_json::{Value, json};

use super::live;
use crate::{
    package::seed_plugin_package,
    scripted_server::{Act, ScriptedServer},
};

#[tokio::test]
async fn the_adapter_is_told_the_same_by_the_simulated_host() {
    let hold = Hold::new();
    let host = Simulator::start(SimulatorOptions::new(script(&hold))).await.unwrap();
    let adapter = HttpOpenCode::builder(host.url(), host.directory()).build().unwrap();
    Suite::new(adapter, hold).await.run().await;
}

#[tokio::test]
async fn the_adapter_is_told_the_same_by_a_real_host() {
    let Some(binary) = live::binary() else { return };
    let hold = Hold::new();
    let model = ScriptedModel::start(script(&hold)).await.unwrap();
    let server = live::serve(&binary, &model).await;
    let adapter = HttpOpenCode::builder(&server.url, &server.directory).build().unwrap();
    Suite::new(adapter, hold).await.run().await;
}

/// Plain `opencode` opens no port: the plugin lends the server inside it. Here a service of the test borrows it.
#[tokio::test]
async fn the_adapter_is_told_the_same_by_a_host_that_the_plugin_lends() {
    let Some(binary) = live::binary() else { return };
    let hold = Hold::new();
    let model = ScriptedModel::start(script(&hold)).await.unwrap();
    let service = ScriptedServer::start(vec![Act::json(200, r#"{"id":"host_1"}"#)]).await;
    let furnish = |project: &Path| with_plugin(project, &service.url());
    let server = live::serve_furnished(&binary, &model, furnish).await;
    // A project, and what it loads, begins with the first request for it.
    HttpOpenCode::builder(&server.url, &server.directory).build().unwrap().agents().await.unwrap();
    let lent = limited(lent_to(&service)).await;
    let text = |key: &str| lent[key].as_str().unwrap().to_owned();
    assert_eq!((text("directory"), &lent["plugin"]), (server.directory.clone(), &json!(true)));
    let stranger = HttpOpenCode::builder(text("url"), &server.directory).build().unwrap();
    assert_eq!(stranger.health().await.unwrap_err().kind(), HostErrorKind::Unauthorized);
    let adapter = HttpOpenCode::builder(text("url"), &server.directory)
        .credentials(text("username"), text("password").into(), "the plugin")
        .build()
        .unwrap();
    Suite::new(adapter, hold).await.run().await;
}

/// The plugin as it is installed, with a command that says where the service is.
fn with_plugin(project: &Path, service: &str) {
    let settings = project.join(".opencode");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../orch-ux/src/plugin");
    copy(&source, &settings.join("orch"));
    for settings in [&settings, &project.with_file_name("config").join("opencode")] {
        seed_plugin_package(settings);
    }
    let (token, command) = (project.join("serve.json"), project.join("orch"));
    std::fs::write(&token, r#"{"token":"t"}"#).unwrap();
    std::fs::write(&command, format!("#!/bin/sh\necho '{}'\n", json!({ "url": service, "file": token })))
        .unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o700)).unwrap();
    let plugin = json!({ "plugin": [["./orch", { "command": command }]] });
    std::fs::write(settings.join("opencode.json"), plugin.to_string()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, to).unwrap()),
        }
    }
}

/// What the plugin says of the host that it lends, once it has.
async fn lent_to(service: &ScriptedServer) -> Value {
    loop {
        let requests = service.requests();
        let lend = requests.iter().find(|request| request.starts_with("POST /v1/hosts "));
        if let Some((_, body)) = lend.and_then(|request| request.split_once("\r\n\r\n")) {
            return serde_json::from_str(body).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

fn script(hold: &Hold) -> Script {
    let bash =
        ToolCall::new("bash", json!({ "command": "echo hello", "description": "Greet" })).output("hello\n");
    let options = json!([{ "label": "A", "description": "a" }, { "label": "B", "description": "b" }]);
    let questions = json!({ "questions": [{ "question": "Which?", "header": "W", "options": options }] });
    Script::new()
        .on(When::prompt("run"), [Answer::tool(bash).say("Running."), Answer::text("It ran.")])
        .on(
            When::prompt("choose"),
            [Answer::tool(ToolCall::new("question", questions)), Answer::text("Chosen.")],
        )
        .on(When::prompt("wait"), Answer::text("never").held(hold))
        .on(When::prompt("bad request"), Answer::error(400, "bad thing"))
        .on(When::prompt("too short"), Answer::text("so far").finish(Said::Length))
        .on(When::prompt("too long"), Answer::context_overflow())
        .summary(Answer::context_overflow())
        .otherwise(Answer::speaking().reasoning("hm").say("Hello.").usage(Usage::new(120, 7)))
}

struct Suite {
    host: HttpOpenCode,
    hold: Hold,
    /// One stream for everything: a real host greets a new one a moment before it listens, and what happens in that
    /// moment is lost.
    events: EventStream,
}

impl Suite {
    async fn new(host: HttpOpenCode, hold: Hold) -> Self {
        let events = host.events().await.unwrap();
        Self { host, hold, events }
    }

    async fn run(mut self) {
        self.what_it_offers().await;
        self.sessions_and_their_kin().await;
        self.an_answer().await;
        self.a_permission().await;
        self.a_question().await;
        self.an_abort().await;
        self.failures().await;
        self.mistakes().await;
        self.front_ends().await;
    }

    async fn what_it_offers(&self) {
        assert!(!self.host.health().await.unwrap().version.is_empty());
        let agents = self.host.agents().await.unwrap();
        for name in ["build", "plan", "general", "explore"] {
            assert!(agents.iter().any(|agent| agent.name == name && !agent.hidden), "{name}");
        }
        let catalog = self.host.catalog().await.unwrap();
        assert!(catalog.find(&ModelRef::new("stub", "stub")).is_some());
        assert!(catalog.find(&ModelRef::new("stub", "nope")).is_none());
        let skills = self.host.skills().await.unwrap();
        assert_eq!(skills.find("customize-opencode").unwrap().location, "<built-in>");
        assert_eq!(skills.find("nope"), None);
        let project = format!("{}/.opencode/skill", self.host.directory());
        assert!(skills.places.contains(&project.into()), "{:?}", skills.places);
    }

    async fn sessions_and_their_kin(&self) {
        let root = self.session(vec![]).await;
        let child = NewSession { parent: Some(root.clone()), ..NewSession::default() };
        let child = self.host.create_session(child).await.unwrap();
        assert_eq!(child.parent.as_ref(), Some(&root));
        assert_eq!(child.directory, self.host.directory());
        assert_eq!(self.host.children(&root).await.unwrap(), vec![child.clone()]);
        assert_eq!(self.host.session(&child.id).await.unwrap(), child);
        let fork = self.host.fork(&child.id, None).await.unwrap();
        assert_eq!(fork.parent, None);
        let roots = SessionQuery { roots: true, ..SessionQuery::default() };
        let roots = self.host.sessions(roots).await.unwrap();
        let newest: Vec<_> = roots.iter().take(2).map(|session| &session.id).collect();
        assert_eq!(newest, [&fork.id, &root]);
        let adopted = self.host.adopt(&fork.id, &root).await.unwrap();
        assert_eq!((adopted.id, adopted.parent.as_ref()), (fork.id.clone(), Some(&root)));
        assert!(self.host.children(&root).await.unwrap().iter().any(|session| session.id == fork.id));
        // It has changed since it was made, and its events are no longer the ones that were counted.
        assert!(self.host.adopt(&fork.id, &child.id).await.is_err());
        self.host.delete_session(&root).await.unwrap();
        let gone = self.host.session(&child.id).await.unwrap_err();
        assert_eq!(gone.kind(), HostErrorKind::NotFound);
    }

    /// Nobody is attached; every call is taken all the same.
    async fn front_ends(&self) {
        let session = self.session(vec![]).await;
        self.host.toast(Toast::new(ToastVariant::Info, "hello")).await.unwrap();
        self.host.append_prompt("text").await.unwrap();
        self.host.clear_prompt().await.unwrap();
        self.host.submit_prompt().await.unwrap();
        self.host.open_sessions().await.unwrap();
        self.host.select_session(&session).await.unwrap();
        self.host.publish_command("session.child.first").await.unwrap();
    }

    async fn an_answer(&mut self) {
        let session = self.session(vec![]).await;
        let prompt = by_build(Prompt::text("hi"));
        for _ in 0..2 {
            self.prompt(&session, prompt.clone()).await;
            let messages = self.host.messages(&session).await.unwrap();
            let [asked, answered] = &messages[..] else { panic!("{messages:#?}") };
            assert_eq!((&asked.id, asked.text().as_str()), (&prompt.message, "hi"));
            let answer = answered.assistant().unwrap();
            assert_eq!((&answer.parent, &answer.finish), (&prompt.message, &Some(Finish::Stop)));
            assert_eq!((answer.usage.input, answer.usage.output), (120, 7));
            assert_eq!((answered.text().as_str(), answer.completed_ms.is_some()), ("Hello.", true));
        }
        assert_eq!(self.host.session(&session).await.unwrap().usage.input, 120);
        assert_eq!(self.host.statuses().await.unwrap().get(&session), None);
    }

    /// A fork is made a child, whatever its transcript holds.
    async fn a_copy_below(&self, session: &SessionId) {
        let fork = self.host.fork(session, None).await.unwrap();
        let copy = self.host.adopt(&fork.id, session).await.unwrap();
        assert_eq!(copy.parent.as_ref(), Some(session));
        let texts = async |id: &SessionId| -> Vec<String> {
            self.host.messages(id).await.unwrap().iter().map(Message::text).collect()
        };
        assert_eq!(texts(&copy.id).await, texts(session).await);
    }

    async fn a_permission(&mut self) {
        let ask = PermissionRule::new("bash", "*", PermissionAction::Ask);
        for (reply, end, last) in [
            (PermissionReply::Once, Ok("hello\n"), Some(Finish::Stop)),
            (PermissionReply::Reject { message: None }, Err("rejected"), Some(Finish::ToolCalls)),
            (PermissionReply::Reject { message: Some("no".into()) }, Err("feedback: no"), Some(Finish::Stop)),
        ] {
            let session = self.session(vec![ask.clone()]).await;
            self.host.prompt(&session, by_build(Prompt::text("run"))).await.unwrap();
            let asked = until(&mut self.events, |event| match event {
                HostEvent::PermissionAsked(asked) if asked.session == session => Some(asked.clone()),
                _ => None,
            })
            .await;
            assert_eq!(
                (asked.permission.as_str(), &asked.patterns[..]),
                ("bash", &["echo hello".to_owned()][..])
            );
            assert_eq!(self.host.permissions().await.unwrap(), vec![asked.clone()]);
            self.host.reply_permission(&asked.id, reply).await.unwrap();
            rest(&mut self.events, &session).await;
            let messages = self.host.messages(&session).await.unwrap();
            assert_eq!(messages.last().unwrap().assistant().unwrap().finish, last);
            match (&messages[1].tools().next().unwrap().state, end) {
                (ToolState::Completed { output, .. }, Ok(expected)) => assert_eq!(output, expected),
                (ToolState::Failed { message, .. }, Err(word)) => {
                    assert!(message.contains(word), "{message}")
                }
                (state, end) => panic!("{state:?} instead of {end:?}"),
            }
            assert!(self.host.permissions().await.unwrap().is_empty());
            self.a_copy_below(&session).await;
        }
    }

    async fn a_question(&mut self) {
        let session = self.session(vec![PermissionRule::new("question", "*", PermissionAction::Allow)]).await;
        self.host.prompt(&session, by_build(Prompt::text("choose"))).await.unwrap();
        let asked = until(&mut self.events, |event| match event {
            HostEvent::QuestionAsked(asked) if asked.session == session => Some(asked.clone()),
            _ => None,
        })
        .await;
        assert_eq!(self.host.questions().await.unwrap(), vec![asked.clone()]);
        let answers: Answers = vec![vec!["B".to_owned()]];
        self.host.reply_question(&asked.id, answers).await.unwrap();
        rest(&mut self.events, &session).await;
        let messages = self.host.messages(&session).await.unwrap();
        match &messages[1].tools().next().unwrap().state {
            ToolState::Completed { output, .. } => assert!(output.contains("\"Which?\"=\"B\""), "{output}"),
            state => panic!("{state:?}"),
        }
    }

    async fn an_abort(&mut self) {
        let session = self.session(vec![]).await;
        self.host.prompt(&session, by_build(Prompt::text("wait"))).await.unwrap();
        limited(self.hold.wait_arrived()).await;
        assert_eq!(self.host.statuses().await.unwrap().get(&session), Some(&SessionStatus::Busy));
        self.host.abort(&session).await.unwrap();
        rest(&mut self.events, &session).await;
        let answer = self.settled(&session).await;
        assert!(answer.error.as_ref().is_some_and(|error| error.kind == FailureKind::Aborted), "{answer:?}");
        assert_eq!(answer.finish, None);
    }

    async fn failures(&mut self) {
        for (text, kind, status) in
            [("bad request", FailureKind::Api, Some(400)), ("too long", FailureKind::ContextOverflow, None)]
        {
            let session = self.session(vec![]).await;
            self.prompt(&session, by_build(Prompt::text(text))).await;
            let error = self.settled(&session).await.error.unwrap();
            assert_eq!((&error.kind, error.status), (&kind, status), "{text}: {error:?}");
        }
        let session = self.session(vec![]).await;
        self.prompt(&session, by_build(Prompt::text("too short"))).await;
        assert_eq!(self.settled(&session).await.finish, Some(Finish::Length));
    }

    async fn mistakes(&mut self) {
        let nobody = SessionId::parse("ses_00000000000000000000000000").unwrap();
        let missing = self.host.prompt(&nobody, by_build(Prompt::text("hi"))).await.unwrap_err();
        assert_eq!(missing.kind(), HostErrorKind::NotFound);
        let session = self.session(vec![]).await;
        let unknown = Prompt::text("hi").by(Some("nobody".into()), Some(ModelRef::new("stub", "stub")));
        self.host.prompt(&session, unknown).await.unwrap();
        until(&mut self.events, |event| match event {
            HostEvent::Error { session: Some(concerned), .. } if *concerned == session => Some(()),
            _ => None,
        })
        .await;
        assert_eq!(self.host.messages(&session).await.unwrap(), vec![]);
    }

    async fn session(&self, permission: Vec<PermissionRule>) -> SessionId {
        let new = NewSession { title: Some("Conformance".into()), permission, ..NewSession::default() };
        self.host.create_session(new).await.unwrap().id
    }

    async fn prompt(&mut self, session: &SessionId, prompt: Prompt) {
        self.host.prompt(session, prompt).await.unwrap();
        rest(&mut self.events, session).await;
    }

    /// The last answer once it has its end: after a failure the host says idle before it stores it.
    async fn settled(&self, session: &SessionId) -> Assistant {
        limited(async {
            loop {
                let last: Option<Message> = self.host.messages(session).await.unwrap().pop();
                if let Some(Message { role: Role::Assistant(answer), .. }) = last
                    && answer.completed_ms.is_some()
                {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

fn by_build(prompt: Prompt) -> Prompt {
    prompt.by(Some("build".into()), Some(ModelRef::new("stub", "stub")))
}

async fn rest(events: &mut EventStream, session: &SessionId) {
    until(events, |event| match event {
        HostEvent::Idle { session: at_rest } if at_rest == session => Some(()),
        _ => None,
    })
    .await;
}

/// The first thing that `pick` finds in the events. What the adapter takes for unknown must be unknown to it.
async fn until<T>(events: &mut EventStream, pick: impl Fn(&HostEvent) -> Option<T>) -> T {
    const UNDERSTOOD: [&str; 6] =
        ["session.", "message.", "permission.", "question.", "server.conn", "server.err"];
    limited(async {
        while let Some(item) = events.next().await {
            let StreamItem::Event(event) = item else { continue };
            if let HostEvent::Other { kind } = &*event {
                let expected = kind == "session.diff" || kind == "session.compacted";
                assert!(expected || !UNDERSTOOD.iter().any(|prefix| kind.starts_with(prefix)), "{kind}");
            }
            if let Some(found) = pick(&event) {
                return found;
            }
        }
        panic!("the stream has ended");
    })
    .await
}

async fn limited<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}
