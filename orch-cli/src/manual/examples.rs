//! An example of every command, for its help and for the manual.

/// A line to type, and what it does.
type Example = (&'static str, &'static str);

/// The examples of a command, by its words after `orch`; those of `orch` itself by no word.
pub(super) fn of(words: &str) -> &'static [Example] {
    let found = EXAMPLES.iter().find(|(command, _)| *command == words);
    found.map_or(&[], |(_, examples)| examples)
}

/// The commands that have examples.
#[cfg(test)]
pub(super) fn commands() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().map(|(command, _)| *command)
}

const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "demo",
        &[
            ("orch demo", "see a run with a gate in two seconds, without a key"),
            ("orch demo --opencode", "the same on a real OpenCode with a scripted model"),
        ],
    ),
    (
        "run",
        &[
            (
                "orch run build \"add a --version flag\"",
                "plan, implement and review; ask when a step fails or warns",
            ),
            ("orch run build \"add a flag\" --execution step", "stop after every step"),
            ("git diff | orch run build -", "read the task from a pipe"),
            (
                "orch run build \"add a flag\" --no-input --json",
                "for programs: events as JSON lines, exit code 3 at a gate",
            ),
            (
                "orch run build \"add a flag\" --max-cost 2.50 --max-active 30m",
                "ask before it gets expensive",
            ),
        ],
    ),
    (
        "continue",
        &[
            ("orch continue run_01k7", "go on; after an error try the failed step again"),
            ("orch continue run_01k7 --execution auto", "go on, and do not stop after every step any more"),
            ("orch continue run_01k7 --max-tokens 200000", "go on with a higher budget"),
        ],
    ),
    (
        "retry",
        &[
            ("orch retry run_01k7 --note \"keep the old flag working\"", "try the step again, and say more"),
            ("orch retry run_01k7 --session fresh", "try it in a new session, without what went before"),
        ],
    ),
    ("skip", &[("orch skip run_01k7", "leave the step out and go on")]),
    (
        "replace",
        &[
            ("orch replace run_01k7 --output review.md", "your own text counts as the result of the step"),
            (
                "orch replace run_01k7 --from-session",
                "the latest answer of its session does, after you repaired it there",
            ),
        ],
    ),
    ("abort", &[("orch abort run_01k7", "end the run; what is at work is stopped first")]),
    ("pause", &[("orch pause run_01k7", "stop once the step at work has finished, from any terminal")]),
    (
        "fork",
        &[
            (
                "orch fork run_01k7 --from implement",
                "a new run that keeps the plan and begins anew with implement",
            ),
            (
                "orch fork run_01k7 --from review --definition journaled",
                "under the definition that the run began with",
            ),
        ],
    ),
    (
        "answer",
        &[
            ("orch answer run_01k7 once", "allow what the worker asks for, this time"),
            ("orch answer run_01k7 reject \"not outside src\"", "refuse it, and say why"),
            ("orch answer run_01k7 --ask que_1 Blue", "answer one of several questions"),
        ],
    ),
    ("inbox", &[("orch inbox", "what waits for you, and the line that answers it")]),
    (
        "decide",
        &[
            ("orch decide run_01k7 continue", "answer the open gate"),
            ("orch decide run_01k7 --item per_1 once", "answer a permission, where more is open"),
        ],
    ),
    (
        "runs",
        &[
            ("orch runs", "the newest runs of this project"),
            ("orch runs --limit 5 --json", "the same for programs"),
        ],
    ),
    (
        "dashboard",
        &[
            ("orch dashboard", "what is open, what it waits for, and the commands that move it"),
            ("orch dashboard --watch", "the same, kept up to date"),
        ],
    ),
    ("workers", &[("orch workers", "who worked on what, and in which session")]),
    (
        "show",
        &[
            ("orch show run_01k7", "its steps, its gate, and the commands that go on"),
            ("orch show run_01k7 --at 12", "as it stood after event 12"),
        ],
    ),
    ("why", &[("orch why run_01k7", "what it waits for, since when, and who can move it")]),
    (
        "output",
        &[
            ("orch output run_01k7", "the result of the run"),
            ("orch output run_01k7 plan > plan.md", "that of one step, into a file"),
        ],
    ),
    ("results", &[("orch results run_01k7", "every step's result, one after the other")]),
    (
        "ask",
        &[
            ("orch ask guide \"which port does it listen on?\"", "ask the worker that a run has used last"),
            ("orch ask ses_1f2e3d \"what did you change?\" --json", "ask in one session; for programs"),
        ],
    ),
    (
        "open",
        &[
            ("orch open guide", "show its session in the terminal that is attached"),
            ("orch open guide --back", "go back to the session above it"),
        ],
    ),
    (
        "trace",
        &[
            ("orch trace run_01k7", "what happened, and when"),
            (
                "orch trace run_01k7 review --start --full",
                "one step with its whole transcript, from an OpenCode started to look",
            ),
            ("orch trace ses_1f2e3d", "what one worker said and did"),
        ],
    ),
    (
        "events",
        &[
            ("orch events run_01k7", "everything that happened, one JSON object a line"),
            ("orch events run_01k7 --from 12 --follow", "what comes after event 11, until the run ends"),
        ],
    ),
    (
        "plan",
        &[
            ("orch plan build", "its steps and the worst case, without spending a token"),
            ("orch plan build --mermaid > build.mmd", "a chart for a page"),
        ],
    ),
    ("workflows", &[("orch workflows", "what can be run here")]),
    (
        "profiles",
        &[
            ("orch profiles", "the workers that steps can name"),
            (
                "orch profiles --tag review --start",
                "those for reviews, looked up on an OpenCode started to look",
            ),
        ],
    ),
    ("models", &[("orch models", "the models of the host, and the tags that get them")]),
    (
        "config check",
        &[
            ("orch config check", "every problem, with file, line and column"),
            ("orch config check ci/orchestrator.json --strict", "one file; warnings count as errors"),
        ],
    ),
    (
        "config show",
        &[
            ("orch config show", "the configuration as it resolves"),
            ("orch config show --origin", "and where each value comes from"),
        ],
    ),
    (
        "config init",
        &[
            ("orch config init", "a commented orchestrator.json for this project"),
            ("orch config init --global", "one for all your projects"),
        ],
    ),
    (
        "config migrate",
        &[
            ("orch config migrate", "how the predecessor's file looks in today's form"),
            ("orch config migrate --write", "and change it"),
        ],
    ),
    (
        "trust",
        &[
            ("orch trust --show", "what the project asks for"),
            ("orch trust", "see it, then decide"),
            ("orch trust --revoke", "take the trust back"),
        ],
    ),
    (
        "schema",
        &[
            ("orch schema > orchestrator.schema.json", "for an editor that checks orchestrator.json"),
            ("orch schema --events > events.schema.json", "for a program that reads events"),
            ("orch schema --openapi > openapi.json", "for a client of `orch serve`"),
        ],
    ),
    (
        "serve",
        &[
            ("orch serve --detach --json", "find the service or start it, and where it is as JSON"),
            ("orch serve --linger 5m", "in the foreground, five minutes longer than anybody needs it"),
        ],
    ),
    (
        "tui",
        &[
            ("orch tui", "OpenCode as usual; `orch run` in another terminal of the project shows in it"),
            ("orch tui -- --continue", "with the last session"),
        ],
    ),
    (
        "mcp",
        &[
            (
                "orch mcp --dir /path/to/project",
                "what a client of the Model Context Protocol is told to start",
            ),
            (
                "orch mcp --server http://127.0.0.1:4096",
                "the same, with workers on a server that runs already",
            ),
        ],
    ),
    (
        "install",
        &[
            ("orch install", "commands, keys and gates in OpenCode, for this project"),
            ("orch install --global --key gate=f4", "for all your projects, with a key of your own"),
        ],
    ),
    ("uninstall", &[("orch uninstall", "take it out again, to the byte")]),
    ("doctor", &[("orch doctor", "what works here, and how to mend what does not")]),
    (
        "completions",
        &[
            ("orch completions bash > ~/.local/share/bash-completion/completions/orch", "for bash"),
            ("orch completions zsh > ~/.zfunc/_orch", "for zsh, with ~/.zfunc in fpath"),
            ("orch completions fish > ~/.config/fish/completions/orch.fish", "for fish"),
        ],
    ),
    (
        "man",
        &[
            ("orch man | man -l -", "read it"),
            ("orch man --out ~/.local/share/man/man1", "install it, with a page for each command"),
        ],
    ),
];
