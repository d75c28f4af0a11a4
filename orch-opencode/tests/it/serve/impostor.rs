//! Programs that are not, or not quite, an OpenCode server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orch_opencode::serve::{Environment, Serve, sweep};
use orch_opencode::{HostError, HostErrorKind};

struct Impostor {
    directory: tempfile::TempDir,
}

impl Impostor {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("opencode");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn start(&self) -> HostError {
        let environment = Environment::inherit([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("SCRATCH".to_owned(), self.directory.path().to_string_lossy().into_owned()),
        ]);
        Serve::new([self.path("opencode")], self.directory.path(), environment)
            .records(self.path("records"))
            .startup_timeout(Duration::from_secs(3))
            .start()
            .await
            .unwrap_err()
    }
}

/// Whether the process that wrote its id into this file still runs.
fn is_alive(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn one_that_ends_says_why_in_its_own_words() {
    let error = Impostor::new("echo 'ServeError: port taken' >&2; exit 1").start().await;
    assert_eq!(error.kind(), HostErrorKind::NotReady);
    assert!(
        error.to_string().contains("it ended before it listened; it printed: ServeError: port taken"),
        "{error}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_that_never_listens_is_ended_with_all_its_children() {
    // The grandchild has a session of its own, as the host's tools have, and holds the pipes.
    let impostor = Impostor::new(
        "setsid sh -c 'echo $$ > \"$SCRATCH/tool\"; exec sleep 600' & echo $$ > \"$SCRATCH/server\"; wait",
    );
    let error = impostor.start().await;
    assert!(error.to_string().contains("it did not listen within 3 s"), "{error}");
    assert!(!is_alive(&impostor.path("server")));
    assert!(!is_alive(&impostor.path("tool")));
    assert_eq!(sweep(&impostor.path("records")).unwrap(), Default::default());
}

/// A grandchild that holds the pipes must not make an ended server look like one that starts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_that_ends_while_a_grandchild_holds_its_output_is_noticed_at_once() {
    let impostor =
        Impostor::new("setsid sh -c 'echo $$ > \"$SCRATCH/tool\"; exec sleep 600' & echo bye; sleep 0.1");
    let error = impostor.start().await;
    assert!(error.to_string().contains("it ended before it listened; it printed: bye"), "{error}");
    assert!(!is_alive(&impostor.path("tool")), "it has left the tree of its server, but not lost its mark");
}

#[tokio::test]
async fn one_that_floods_its_output_neither_blocks_nor_grows() {
    let error = Impostor::new("head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo last words; exit 3")
        .start()
        .await;
    let text = error.to_string();
    assert!(text.contains("last words") && text.contains("bytes left out"));
    assert!(text.len() < 100_000, "{}", text.len());
}

#[tokio::test]
async fn somebody_elses_server_is_never_taken_for_ours() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let open_to_all = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        // Health with a password, then health without: both are answered.
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let body = r#"{"healthy":true,"version":"1.18.33"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let error = Impostor::new(&format!("echo opencode server listening on http://{address}; exec sleep 600"))
        .start()
        .await;
    assert_eq!(error.kind(), HostErrorKind::NotReady, "{error}");
    assert!(error.to_string().contains("it answers without our password"), "{error}");
    open_to_all.join().unwrap();
}
