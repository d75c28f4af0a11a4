//! Programs that are not, or not quite, an OpenCode server.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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
        std::fs::write(
            &program,
            format!("#!/bin/sh\n[ \"$1\" = --version ] && echo 1.18.33 && exit\n{script}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn start(&self) -> HostError {
        self.start_with(|serve| serve).await
    }

    async fn start_with(&self, say: impl FnOnce(Serve) -> Serve) -> HostError {
        let environment = Environment::inherit([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("SCRATCH".to_owned(), self.directory.path().to_string_lossy().into_owned()),
        ]);
        let serve = Serve::new([self.path("opencode")], self.directory.path(), environment)
            .records(self.path("records"))
            .startup_timeout(Duration::from_secs(3));
        say(serve).start().await.unwrap_err()
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

#[tokio::test]
async fn a_server_is_told_to_load_nothing_of_a_project_unless_that_is_trusted() {
    let impostor = Impostor::new("echo \"[$OPENCODE_DISABLE_PROJECT_CONFIG]\" > \"$SCRATCH/seen\"; exit 1");
    let seen = || std::fs::read_to_string(impostor.path("seen")).unwrap();
    impostor.start().await;
    assert_eq!(seen(), "[1]\n", "not unless it is said");
    for (trusted, told) in [(false, "[1]\n"), (true, "[]\n")] {
        impostor.start_with(|serve| serve.trusted(trusted)).await;
        assert_eq!(seen(), told, "trusted: {trusted}");
    }
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

/// The password in a server's environment must not reach the shells of its agents, whatever data it works on.
#[tokio::test]
async fn the_guard_is_there_also_on_the_users_own_data_and_goes_with_the_server() {
    let script = "cp \"$OPENCODE_CONFIG_DIR/plugin/orch-guard.js\" \"$SCRATCH/guard\"\n\
                  echo \"$OPENCODE_CONFIG_DIR\" > \"$SCRATCH/config\"; echo \"[$XDG_DATA_HOME]\"; exit 1";
    let impostor = Impostor::new(script);
    let error = impostor.start().await;
    assert!(error.to_string().contains("it printed: []"), "it has no data of its own: {error}");
    let guard = std::fs::read_to_string(impostor.path("guard")).unwrap();
    assert!(guard.contains("output.env.OPENCODE_SERVER_PASSWORD = \"\""), "{guard}");
    let config = std::fs::read_to_string(impostor.path("config")).unwrap();
    assert!(Path::new(config.trim()).is_absolute() && !Path::new(config.trim()).exists(), "{config}");
}

/// Set for the test below when it runs again with few file descriptors.
#[cfg(target_os = "linux")]
const FEW: &str = "ORCH_TEST_FEW_DESCRIPTORS";

/// Fault: the limit of file descriptors is reached, at any point of a start.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_file_descriptors_nothing_is_half_started_and_the_next_try_starts() {
    if std::env::var_os(FEW).is_some() {
        return with_few_descriptors().await;
    }
    let ran = tokio::process::Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("serve::impostor::without_file_descriptors_nothing_is_half_started_and_the_next_try_starts")
        .env(FEW, "1")
        .output()
        .await
        .unwrap();
    assert!(ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "{ran:?}");
}

#[cfg(target_os = "linux")]
async fn with_few_descriptors() {
    let impostor = Impostor::new("echo $$ > \"$SCRATCH/server\"; exec sleep 600");
    let mut refused = 0;
    loop {
        let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        taken.truncate(taken.len() - refused);
        let error = impostor.start().await;
        drop(taken);
        let pid_file = impostor.path("server");
        assert!(!pid_file.exists() || !is_alive(&pid_file), "{refused} descriptors were left: {error}");
        let records = std::fs::read_dir(impostor.path("records"));
        assert_eq!(records.map_or(0, Iterator::count), 0, "{refused} descriptors were left: {error}");
        if error.kind() != HostErrorKind::Spawn {
            // There were enough of them: it ran for as long as it may, and did not listen.
            assert!(error.to_string().contains("it did not listen"), "{error}");
            break;
        }
        assert!(error.to_string().contains("Too many open files"), "{error}");
        refused += 1;
    }
    assert!(refused > 0);
}

/// Set for the test below when it runs again with few processes.
#[cfg(target_os = "linux")]
const LONELY: &str = "ORCH_TEST_FEW_PROCESSES";

/// Fault: the limit of processes is reached. It does not bind root, so that root runs as somebody else here.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_room_for_a_process_nothing_is_half_started_and_the_next_try_starts() {
    if std::env::var_os(LONELY).is_some() {
        return with_few_processes().await;
    }
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let user = if own == 0 { NOBODY } else { own };
    let limit = format!("--nproc={}", tasks_of(user) + 16);
    let mut words: Vec<String> = ["prlimit", &limit].map(str::to_owned).to_vec();
    if own == 0 {
        let someone_else =
            [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
        words.push("setpriv".to_owned());
        words.extend(someone_else);
    }
    // Wherever this program and the files of tests are: somebody else may not reach them there.
    let scratch = tempfile::tempdir_in("/tmp").unwrap();
    std::os::unix::fs::chown(scratch.path(), Some(user), None).unwrap();
    let program = scratch.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let name = "serve::impostor::without_room_for_a_process_nothing_is_half_started_and_the_next_try_starts";
    let ran = tokio::process::Command::new(&words[0])
        .args(&words[1..])
        .arg(&program)
        .args(["--exact", "--nocapture", name])
        .current_dir(scratch.path())
        .env("TMPDIR", scratch.path())
        .env(LONELY, "1")
        .output()
        .await
        .unwrap();
    assert!(ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "{ran:?}");
}

/// A user whom no account has.
#[cfg(target_os = "linux")]
const NOBODY: u32 = 54_321;

/// How many threads a user has: that is what the limit of processes counts.
#[cfg(target_os = "linux")]
fn tasks_of(user: u32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let theirs = processes.filter(|process| process.metadata().is_ok_and(|it| it.uid() == user));
    theirs.map(|process| std::fs::read_dir(process.path().join("task")).map_or(0, Iterator::count)).sum()
}

#[cfg(target_os = "linux")]
async fn with_few_processes() {
    let impostor = Impostor::new("echo $$ > \"$SCRATCH/server\"; exec sleep 600");
    let refused = loop {
        let sleeper = || std::process::Command::new("sleep").arg("600").spawn().ok();
        let mut taken: Vec<_> = std::iter::from_fn(sleeper).collect();
        let error = impostor.start().await;
        for sleeper in &mut taken {
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
        }
        // Somebody else of the same user may have made room meanwhile.
        if error.kind() == HostErrorKind::Spawn {
            break error;
        }
    };
    assert!(refused.to_string().contains("Resource temporarily unavailable"), "{refused}");
    assert!(!impostor.path("server").exists());
    assert_eq!(std::fs::read_dir(impostor.path("records")).map_or(0, Iterator::count), 0);
    let error = impostor.start().await;
    assert!(error.to_string().contains("it did not listen"), "{error}");
    assert!(!is_alive(&impostor.path("server")));
}
