//! A subagent is a child of its parent, or nothing at all.

use std::{collections::BTreeMap, sync::Arc};

use orch_config::kind::WorkerKind;
use orch_opencode::{
    Agent, AgentMode, Catalog, HostError, HostErrorKind, MockOpenCode, Model, OpenCode, Provider, Session,
    SessionId, simulator::Script,
};
use orch_workers::{OpenCodeWorker, Worker, worker::Context};
use orch_workflow::{attempt::ErrorCode, port::Dispatch};

use crate::world::{self, outcome, patience, profile, start};

fn dispatch(parent: Option<&str>) -> Dispatch {
    let mut dispatch = world::dispatch(WorkerKind::Subagent, "go");
    dispatch.parent_session = parent.map(str::to_owned);
    dispatch
}

fn subagent(host: Arc<dyn OpenCode>) -> OpenCodeWorker {
    OpenCodeWorker::subagent(Arc::new(profile("w", WorkerKind::Subagent)), host).with_patience(patience())
}

/// A host that knows an agent and a model, and nothing else yet.
fn mock() -> MockOpenCode {
    let mut mock = MockOpenCode::new();
    mock.expect_origin().return_const("http://127.0.0.1:4096".to_owned());
    mock.expect_directory().return_const("/project".to_owned());
    mock.expect_agents().returning(|| Ok(vec![Agent::new("build", AgentMode::Primary)]));
    mock.expect_catalog().returning(|| {
        let provider = Provider::new("stub", "Stub", vec![Model::new("stub", "Stub")]);
        Ok(Catalog::new(vec![provider], BTreeMap::from([("stub".to_owned(), "stub".to_owned())])))
    });
    mock.expect_children().returning(|_| Ok(Vec::new()));
    mock
}

#[tokio::test]
async fn without_a_parent_nothing_is_asked_of_the_host() {
    let worker = subagent(Arc::new(MockOpenCode::new()));
    let error = worker.place(&Context::default(), &dispatch(None)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SpawnFailed);
    assert!(error.message.starts_with("subagent worker `w` has no parent session"), "{error}");
}

#[tokio::test]
async fn a_child_is_created_under_its_parent_with_the_profiles_rules() {
    let mut mock = mock();
    mock.expect_create_session().once().returning(|new| {
        assert_eq!(new.parent.as_ref().map(SessionId::as_str), Some("ses_parent"));
        assert_eq!(new.title.as_deref(), Some("Worker: w"));
        assert_eq!(new.agent.as_deref(), Some("build"));
        assert_eq!(new.model.unwrap().to_string(), "stub/stub");
        assert_eq!(new.permission.last().unwrap().permission, "orch_*");
        assert_eq!(new.metadata["orch"]["profile"], "w");
        let mut session = Session::new(SessionId::parse("ses_child").unwrap(), "Worker: w", "/project");
        session.parent = new.parent;
        Ok(session)
    });
    let worker = subagent(Arc::new(mock));
    let placement = worker.place(&Context::default(), &dispatch(Some("ses_parent"))).await.unwrap();
    assert_eq!(placement.session, "ses_child");
    assert_eq!(placement.parent_session.as_deref(), Some("ses_parent"));
}

#[tokio::test]
async fn a_session_that_is_no_child_is_refused() {
    let mut mock = mock();
    mock.expect_create_session()
        .once()
        .returning(|_| Ok(Session::new(SessionId::parse("ses_orphan").unwrap(), "Worker: w", "/project")));
    let worker = subagent(Arc::new(mock));
    let error = worker.place(&Context::default(), &dispatch(Some("ses_parent"))).await.unwrap_err();
    let expected = "worker `w`: the host made session ses_orphan a child of nothing, not of ses_parent";
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::SpawnFailed, expected));
}

#[tokio::test]
async fn an_unknown_parent_is_named_together_with_the_host() {
    let mut mock = mock();
    mock.expect_create_session().once().returning(|_| {
        Err(HostError::new(
            HostErrorKind::NotFound,
            "look up",
            "http://127.0.0.1:4096",
            "there is no such session",
        ))
    });
    let worker = subagent(Arc::new(mock));
    let error = worker.place(&Context::default(), &dispatch(Some("ses_parent"))).await.unwrap_err();
    assert_eq!(
        error.message,
        "subagent worker `w` cannot have ses_parent as its parent: the host at http://127.0.0.1:4096 has no such \
         session"
    );
    let worker = subagent(Arc::new(MockOpenCode::new()));
    let error = worker.place(&Context::default(), &dispatch(Some("not a session"))).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SpawnFailed);
}

#[tokio::test]
async fn corner_04_two_parents_have_two_children_and_a_second_run_of_one_parent_has_the_same() {
    let simulator = world::simulator(Script::new()).await;
    let host = world::host(&simulator);
    let worker = subagent(Arc::clone(&host));
    let (one, two) = (world::parent(&*host).await, world::parent(&*host).await);
    let mut sessions = Vec::new();
    for (parent, run) in [(&one, "run_1"), (&two, "run_2"), (&one, "run_3")] {
        let mut dispatch = dispatch(Some(parent));
        dispatch.id.run = run.parse().unwrap();
        let (placement, task) = start(&worker, &dispatch).await;
        outcome(task).await;
        sessions.push(placement.session);
    }
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(sessions[0], sessions[2]);
    let children = host.children(&SessionId::parse(one).unwrap()).await.unwrap();
    assert_eq!(children.iter().map(|child| child.id.as_str()).collect::<Vec<_>>(), [&sessions[0]]);
}
