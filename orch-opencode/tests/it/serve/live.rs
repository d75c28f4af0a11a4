//! The real OpenCode, started and ended by us.

use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use orch_opencode::serve::{Ended, Environment, Serve, Server, sweep};
use orch_opencode::{HostErrorKind, HttpOpenCode, OpenCode};

use crate::{
    live_binary,
    package::{seed_plugin_package, versions},
};

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["home", "project"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        seed_plugin_package(&scratch.path().join("home/.config/opencode"));
        Self(scratch)
    }

    fn serve(&self, program: &str) -> Serve {
        let home = self.0.path().join("home").to_string_lossy().into_owned();
        let environment = Environment::inherit([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("HOME".to_owned(), home),
            ("OPENCODE_DISABLE_MODELS_FETCH".to_owned(), "1".to_owned()),
            ("OPENCODE_SERVER_PASSWORD".to_owned(), "of another server".to_owned()),
        ]);
        Serve::new([program], self.0.path().join("project"), environment)
            .data_dir(self.0.path().join("worker"))
            .records(self.0.path().join("records"))
            .versions(versions())
    }

    async fn start(&self, program: &str) -> Server {
        self.serve(program).start().await.unwrap()
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_started_server_answers_us_alone_and_ends_on_request() {
    let Some(program) = live_binary() else { return };
    let scratch = Scratch::new();
    let server = scratch.start(&program).await;

    let health = server.client().health().await.unwrap();
    assert_eq!(health.version, "1.18.33");
    let project = scratch.0.path().join("project").to_string_lossy().into_owned();
    let stranger = HttpOpenCode::builder(server.url(), project).build().unwrap();
    assert_eq!(stranger.agents().await.unwrap_err().kind(), HostErrorKind::Unauthorized);
    assert!(scratch.0.path().join("worker/data/opencode").is_dir());

    let report = server.stop(Duration::from_secs(5)).await;
    assert_eq!(report.ended, Ended::OnRequest);
    assert!(!is_alive(server.pid()));
    assert_eq!(server.stop(Duration::from_secs(5)).await, report);
    assert_eq!(std::fs::read_dir(scratch.0.path().join("records")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_dropped_server_is_gone_at_once() {
    let Some(program) = live_binary() else { return };
    let server = Scratch::new().start(&program).await;
    let pid = server.pid();
    assert!(is_alive(pid));
    drop(server);
    assert!(!is_alive(pid));
}

/// Fault: a server that hangs. A stopped process hears `SIGTERM` as little as one that ignores it.
#[tokio::test]
async fn one_that_does_not_hear_sigterm_is_killed_within_a_second_after_its_grace() {
    const GRACE: Duration = Duration::from_secs(1);
    let Some(program) = live_binary() else { return };
    let scratch = Scratch::new();
    let server = scratch.start(&program).await;
    let hung =
        std::process::Command::new("kill").args(["-STOP", &server.pid().to_string()]).status().unwrap();
    assert!(hung.success());
    let asked = Instant::now();
    let report = server.stop(GRACE).await;
    assert!(asked.elapsed() <= GRACE + Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(report.ended, Ended::Killed);
    assert!(!is_alive(server.pid()));
    assert_eq!(std::fs::read_dir(scratch.0.path().join("records")).unwrap().count(), 0);
}

#[tokio::test]
async fn taken_ports_are_skipped() {
    let Some(program) = live_binary() else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = Scratch::new().serve(&program).first_port(port).start().await.unwrap();
    let url: String = server.url().to_owned();
    let got: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!(got > port, "{url} while {port} was taken");
    server.stop(Duration::from_secs(5)).await;
}

/// Fault: `kill -9` of the owner. The next start on the same directory ends the orphan.
#[tokio::test]
async fn an_orphan_is_swept() {
    let Some(program) = live_binary() else { return };
    let scratch = Scratch::new();
    let server = scratch.start(&program).await;
    assert_eq!(sweep(&scratch.0.path().join("records")).unwrap(), Default::default(), "its owner lives");

    // The record is changed to name an owner that has ended: what a killed owner leaves behind.
    let mut gone = std::process::Command::new("true").process_group(0).spawn().unwrap();
    gone.wait().unwrap();
    let path = scratch.0.path().join(format!("records/{}.json", server.pid()));
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["owner"]["pid"] = gone.id().into();
    std::fs::write(&path, record.to_string()).unwrap();

    let swept = sweep(&scratch.0.path().join("records")).unwrap();
    assert_eq!(swept.ended, [server.pid()]);
    while !server.has_ended().await {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.stop(Duration::from_secs(5)).await.ended, Ended::Already);
    assert!(!is_alive(server.pid()));
}
