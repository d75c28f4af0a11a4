//! A real terminal interface in a terminal that a test can read.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::{server::PASSWORD, world::World};

/// A TUI takes some seconds to draw its first screen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program `tmux`. Without it these tests say that they are skipped; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(super) fn tmux() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("tmux")).find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value != "true"),
            "CI needs tmux, which is not on PATH"
        );
        eprintln!("skipped: tmux is not on PATH");
    }
    found
}

/// `opencode attach` in a tmux of its own.
pub(super) struct Screen {
    tmux: PathBuf,
    socket: PathBuf,
}

impl Screen {
    /// Attaches a TUI to the world's server and waits until it has drawn its first screen.
    pub(super) async fn attach(tmux: &Path, program: &str, world: &World) -> Self {
        let screen = Self { tmux: tmux.to_owned(), socket: world.home().join("tmux.sock") };
        let mut start = screen.command(["-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50"]);
        start
            .arg("-c")
            .arg(world.project())
            .args([program, "attach", world.url()])
            .env("OPENCODE_CONFIG_CONTENT", world.model.opencode_config().to_string());
        assert!(start.status().await.unwrap().success(), "tmux starts");
        screen.wait("the first screen", |text| text.contains("Ask anything")).await;
        screen
    }

    /// Waits until the screen shows what is looked for.
    pub(super) async fn wait(&self, what: &str, shows: impl Fn(&str) -> bool) {
        let mut text = String::new();
        let shown = async {
            loop {
                text = self.text().await;
                if shows(&text) {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, shown).await.is_ok(), "{what} does not come; the screen shows:\n{text}");
    }

    /// Ends the TUI and its terminal.
    pub(super) async fn close(self) {
        assert!(self.command(["kill-server"]).status().await.unwrap().success(), "tmux ends");
    }

    async fn text(&self) -> String {
        let output = self.command(["capture-pane", "-p"]).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.tmux);
        command
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.socket.parent().unwrap_or(Path::new("/")))
            .env("TERM", "xterm-256color")
            .env("OPENCODE_SERVER_PASSWORD", PASSWORD)
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Screen {
    /// A test that failed leaves no terminal behind either.
    fn drop(&mut self) {
        let mut end = std::process::Command::new(&self.tmux);
        let _ = end.arg("-S").arg(&self.socket).arg("kill-server").stderr(Stdio::null()).status();
    }
}
