//! The plugin for OpenCode, as files: commands, keys, dialogs and a sidebar in its terminal interface, and a listener in
//! its server that lends it to `orch serve`, and the tools by which a model delegates.
//!
//! It is plain JavaScript without dependencies and without decisions of its own: what a run may do and what a gate
//! allows is asked of the service. `orch install` writes it beside OpenCode's own settings.

/// One file of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Its path in the plugin's folder, with `/` between the parts.
    pub path: &'static str,
    /// What it holds.
    pub text: &'static str,
}

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        /// Every file of the plugin.
        pub static FILES: &[File] = &[$(File { path: $path, text: include_str!(concat!("plugin/", $path)) }),+];
    };
}

files![
    "package.json",
    "agent.js",
    "idle.js",
    "lend.js",
    "log.js",
    "server.js",
    "service.js",
    "temperature.js",
    "tools.js",
    "tui.js",
    "tui/actions.js",
    "tui/calls.js",
    "tui/child.js",
    "tui/commands.js",
    "tui/dialogs.js",
    "tui/elements.js",
    "tui/live.js",
    "tui/markdown.js",
    "tui/page.js",
    "tui/sidebar.js",
];

/// The commands that can have a key, without their prefix `orch.`; each is `/orch-NAME` as well.
pub static COMMANDS: &[&str] = &[
    "run",
    "gate",
    "continue",
    "retry",
    "skip",
    "abort",
    "pause",
    "dashboard",
    "workers",
    "open",
    "trace",
    "results",
    "output",
    "inbox",
    "talk",
    "interrupt",
    "parent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plugin");
        let mut open = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned()),
                }
            }
        }
        let mut listed: Vec<_> = FILES.iter().map(|file| file.path).collect();
        listed.sort_unstable();
        found.sort_unstable();
        assert_eq!(listed, found);
    }

    #[test]
    fn the_commands_are_those_of_the_plugin() {
        let script = FILES.iter().find(|file| file.path == "tui/commands.js").unwrap().text;
        let named: Vec<_> = script
            .lines()
            .filter_map(|line| line.trim().strip_prefix("{ name: \"")?.split('"').next())
            .collect();
        assert_eq!(named, COMMANDS);
    }
}
