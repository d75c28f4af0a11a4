//! A real terminal interface in a terminal that a test can read.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::{server::PASSWORD, world::World};
use crate::poll;
use crate::screens;

/// A TUI takes some seconds to draw its first screen on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

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

/// OpenCode's terminal interface in a tmux of its own.
pub(super) struct Screen {
    tmux: PathBuf,
    socket: PathBuf,
}

impl Screen {
    /// Attaches a TUI to the world's server and waits until it has drawn its first screen.
    pub(super) async fn attach(tmux: &Path, program: &str, world: &World) -> Self {
        Self::start(tmux, &[program, "attach", world.url()], world).await
    }

    /// Starts `orch tui`.
    pub(super) async fn own(tmux: &Path, program: &str, world: &World) -> Self {
        Self::start(tmux, &[env!("CARGO_BIN_EXE_orch"), "tui", "--opencode", program], world).await
    }

    /// Starts plain `opencode`, which opens no port, as most people do.
    pub(super) async fn plain(tmux: &Path, program: &str, world: &World) -> Self {
        Self::start(tmux, &[program], world).await
    }

    /// The same in a terminal that tells the desktop what programs want told, and that says what it was sent.
    pub(super) async fn with_desktop(tmux: &Path, program: &str, world: &World) -> Self {
        let screen = Self::start(tmux, &["env", "TERM_PROGRAM=WezTerm", program], world).await;
        let pipe = format!("cat >{}", screen.sent().display());
        let mut sent = screen.command(["pipe-pane", "-O", &pipe]);
        assert!(sent.status().await.unwrap().success(), "tmux says what it is sent");
        screen
    }

    /// Another window takes the keys: terminals say so.
    pub(super) async fn look_away(&self) {
        self.press(&["-H", "1b", "5b", "4f"]).await;
    }

    /// What the desktop was told under this title, oldest first.
    pub(super) fn told_to_desktop(&self, title: &str) -> Vec<String> {
        let sent = std::fs::read(self.sent()).unwrap_or_default();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        let begin = format!("\u{1b}]777;notify;{title};");
        let told = sent.split(&begin).skip(1);
        told.filter_map(|rest| Some(rest.split_once(['\u{1b}', '\u{7}'])?.0.to_owned())).collect()
    }

    fn sent(&self) -> PathBuf {
        self.socket.with_file_name("terminal.out")
    }

    async fn start(tmux: &Path, words: &[&str], world: &World) -> Self {
        Self::sized("160", "50", tmux, words, world).await
    }

    /// Plain `opencode` where there is no more room than terminals have had from of old, and long enough for whole pages.
    pub(super) async fn narrow(tmux: &Path, program: &str, world: &World) -> Self {
        Self::sized("80", "120", tmux, &[program], world).await
    }

    async fn sized(columns: &str, rows: &str, tmux: &Path, words: &[&str], world: &World) -> Self {
        let screen = Self { tmux: tmux.to_owned(), socket: world.home().join("tmux.sock") };
        let mut start = screen.command(["-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows]);
        start
            .arg("-c")
            .arg(world.project())
            .args(words)
            .env("OPENCODE_CONFIG_CONTENT", world.model.opencode_config().to_string())
            .env("ORCH_STATE_DIR", world.state());
        assert!(start.status().await.unwrap().success(), "tmux starts");
        screen.wait("the first screen", |text| text.contains("Ask anything")).await;
        screen
    }

    /// Presses keys, by tmux's names for them.
    pub(super) async fn press(&self, keys: &[&str]) {
        let mut press = self.command(["send-keys"]);
        assert!(press.args(keys).status().await.unwrap().success(), "tmux takes keys");
    }

    /// Types a text.
    pub(super) async fn enter(&self, text: &str) {
        assert!(
            self.command(["send-keys", "-l", text]).status().await.unwrap().success(),
            "tmux takes a text"
        );
    }

    /// Types a text into a dialog, which takes keys only some time after it is drawn: until it is taken, again and again.
    pub(super) async fn types(&self, text: &str, taken: impl Fn(&str) -> bool) {
        let typed = async {
            loop {
                self.enter(text).await;
                let seen = poll::until_so(async || taken(&self.text().await));
                if timeout(Duration::from_secs(3), seen).await.is_ok() {
                    return;
                }
                self.press(&["C-u"]).await;
            }
        };
        assert!(timeout(PATIENCE, typed).await.is_ok(), "`{text}` is not taken:\n{}", self.text().await);
    }

    /// Turns the pages of a view, which can be turned only once it is laid out, until it shows this.
    pub(super) async fn turns_to(&self, text: &str) {
        let turned = async {
            loop {
                self.press(&["NPage"]).await;
                let seen = poll::until_so(async || self.text().await.contains(text));
                if timeout(Duration::from_secs(3), seen).await.is_ok() {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, turned).await.is_ok(), "`{text}` does not come:\n{}", self.text().await);
    }

    /// Waits until the screen shows all of these.
    pub(super) async fn shows(&self, texts: &[&str]) {
        self.wait(&format!("{texts:?}"), |screen| texts.iter().all(|text| screen.contains(text))).await;
    }

    /// Waits until the screen shows none of these any more.
    pub(super) async fn hides(&self, texts: &[&str]) {
        self.wait(&format!("{texts:?} gone"), |screen| !texts.iter().any(|text| screen.contains(text))).await;
    }

    /// Waits until the screen shows what is looked for.
    pub(super) async fn wait(&self, what: &str, shows: impl Fn(&str) -> bool) {
        let mut text = String::new();
        let shown = poll::until_so(async || {
            text = self.text().await;
            shows(&text)
        });
        assert!(timeout(PATIENCE, shown).await.is_ok(), "{what} does not come; the screen shows:\n{text}");
    }

    /// Holds the screen of this name in the documentation against what is shown.
    pub(super) async fn keep(&self, name: &str) {
        self.hold(name, screens::is_documented).await;
    }

    /// The same of a page that fills the screen.
    pub(super) async fn keep_page(&self, name: &str) {
        self.hold(name, screens::is_documented_page).await;
    }

    /// With `ORCH_TEST_SCREENS` it writes what is shown into the folder of that name instead: the screens of the
    /// documentation come from there.
    async fn hold(&self, name: &str, is_documented: fn(&str, &str) -> bool) {
        match std::env::var_os("ORCH_TEST_SCREENS") {
            Some(folder) => {
                let file = Path::new(&folder).join(name).with_extension("txt");
                std::fs::write(file, self.text().await).unwrap();
            }
            None => {
                let what = format!("the screen {name} of docs/tui.md");
                self.wait(&what, |shown| is_documented(name, shown)).await;
            }
        }
    }

    /// Waits until the terminal has gone with what ran in it.
    pub(super) async fn ends(&self) {
        let gone = poll::until_so(async || !self.command(["has-session"]).status().await.unwrap().success());
        assert!(timeout(PATIENCE, gone).await.is_ok(), "it does not end:\n{}", self.text().await);
    }

    /// Ends the TUI and its terminal.
    pub(super) async fn close(self) {
        assert!(self.command(["kill-server"]).status().await.unwrap().success(), "tmux ends");
    }

    pub(super) async fn text(&self) -> String {
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
