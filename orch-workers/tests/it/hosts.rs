//! Hosts that are launched, with a program that stands in for OpenCode.

use std::{path::PathBuf, sync::Arc, time::Duration};

use orch_config::{Config, kind::WorkerKind};
use orch_workers::{Connector, Host, testing::ANSWER};
use orch_workflow::port::{Dispatch, Locator, StepExecutor as _};

use crate::{
    servers::{Yard, alive, kill},
    world::{self, outcome, profile},
};

fn connector(yard: &Yard) -> Connector {
    let mut config = Config::builtin();
    config.insert_profile(profile("w", WorkerKind::Agent));
    config.insert_profile(profile("v", WorkerKind::Server));
    Connector::new(Arc::new(config), yard.path("project"), Host::launch([yard.path("opencode")]))
        .unwrap()
        .state_dir(Some(yard.path("state")))
        .environment(yard.environment().to_vec())
}

fn dispatch(run: &str) -> Dispatch {
    let mut dispatch = world::dispatch(WorkerKind::Agent, "go");
    dispatch.id.run = orch_workflow::attempt::RunId::new(run).unwrap();
    dispatch
}

fn data(locator: &Locator) -> &str {
    locator.0["data"].as_str().unwrap()
}

/// Two servers on one data directory could both run one session.
#[tokio::test]
async fn two_that_launch_a_host_in_one_project_share_no_data() {
    let yard = Yard::new();
    let (one, other) = (connector(&yard), connector(&yard));
    let (of_one, of_other) = (dispatch("run_1"), dispatch("run_2"));
    let (first, second) = tokio::join!(one.place(&of_one), other.place(&of_other));
    let (first, second) = (first.unwrap().locator, second.unwrap().locator);
    let mut names = [data(&first), data(&second)];
    names.sort_unstable();
    assert_eq!(names, ["host", "host-2"]);
    let mut homes = yard.data();
    homes.sort();
    assert_eq!(homes, ["host", "host-2"].map(|name| yard.path("state").join(name).join("data")));

    // Its run goes on where its sessions are, whatever is free meanwhile; another run of the same process may be elsewhere.
    other.close().await;
    one.close().await;
    let next = connector(&yard);
    let begun: [(&Dispatch, Vec<Locator>); 2] =
        [(&of_other, vec![second.clone()]), (&of_one, vec![first.clone()])];
    for (dispatch, journaled) in &begun {
        next.recall(&dispatch.id.run, journaled.iter());
        let placed = next.place(dispatch).await.unwrap().locator;
        assert_eq!(data(&placed), data(&journaled[0]));
    }
    let started: Vec<PathBuf> = yard.data().split_off(2);
    assert_eq!(started, [&second, &first].map(|at| yard.path("state").join(data(at)).join("data")));
    let shutdown = next.close().await;
    assert_eq!((shutdown.host.is_some(), shutdown.other_hosts.len()), (true, 1));
    assert!(!yard.anything_alive());
}

#[tokio::test]
async fn a_launched_host_that_died_is_launched_again() {
    let yard = Yard::new();
    let connector = connector(&yard);
    let dispatch = dispatch("run_1");
    connector.place(&dispatch).await.unwrap();
    // The server of a worker has nothing to do with it.
    let own = world::dispatch(WorkerKind::Server, "go");
    let own = Dispatch { worker: orch_config::id::ProfileId::new("v").unwrap(), ..own };
    let of_worker = connector.place(&own).await.unwrap();
    let [(host, tool), (worker, _)] = yard.pids()[..] else { panic!("{:?}", yard.pids()) };
    kill(host);

    let placement = loop {
        // It takes a moment until the kernel has told that it is gone.
        match connector.place(&dispatch).await {
            Ok(placement) => break placement,
            Err(error) => assert_eq!(error.code, orch_workflow::attempt::ErrorCode::Unreachable, "{error}"),
        }
    };
    let task = connector.send(&placement.locator, &dispatch).await.unwrap();
    assert_eq!(outcome(task).await.1.text, ANSWER);
    assert!(!alive(tool), "what the dead one had started is gone");
    assert_eq!((yard.pids().len(), yard.data()[0].clone()), (3, yard.data()[2].clone()));
    assert!(alive(worker));
    let task = connector.send(&of_worker.locator, &own).await.unwrap();
    assert_eq!(outcome(task).await.1.text, ANSWER);

    connector.close().await;
    assert!(!yard.anything_alive());
    let closed = tokio::time::timeout(Duration::from_secs(5), connector.connection()).await.unwrap();
    assert!(closed.is_err(), "nothing is launched after the end");
}
