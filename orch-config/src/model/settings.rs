//! Settings that belong to no profile and no workflow, as the file has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    layer::{Word, layer, replaced},
    marker::Ignored,
    number::{Count, Number},
    table::{Command, PermissionValue, Table, Text},
    workflow::LimitsPart,
};
use crate::{
    id::AgentName,
    settings::{AgentMode, SessionPolicy},
};

layer! {
    /// What people see of a run.
    #[derive(Default)]
    struct Ui {
        /// Toasts in the terminal interface.
        toasts: bool = true,
        /// Text in the prompt box at a gate: where the plugin is, only in an empty one; over plain HTTP also behind what is
        /// half typed.
        prompt_hints: bool = false,
        /// Calls by sound or by the desktop where a person is needed: where the plugin is, and as far as `attention` in
        /// OpenCode's `tui.json` lets them through.
        attention: bool = true,
        /// Notices in the parent session when a run starts, pauses or finishes.
        wakeup_injection: bool = true,
        /// Whether the log in the state directory says everything that is traced, not only what explains warnings.
        debug: bool = false,
        /// Whether the prompt of the agent `agent.name` lists the workers and workflows that it can delegate to.
        inject_system_context: bool = true,
        /// How many workers that list has at most.
        system_context_max_workers: Number = 12,
        /// Not supported by this version: every command has `--json`.
        default_list_format: Ignored<ListFormat> = "markdown",
        /// Not supported by this version: the library never writes to the terminal; `orch events <run>` tells what a run did.
        log_to_console: Ignored<bool> = false,
        /// Not supported by this version: `orch demo` is the demonstration.
        first_run_demo: Ignored<bool> = true,
    }
}

/// How lists were printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ListFormat {
    /// Markdown.
    Markdown,
    /// JSON.
    Json,
}

layer! {
    /// Which OpenCode to use, and how to reach it. Never from a project that is not trusted.
    #[derive(Default)]
    struct Opencode {
        /// The program, or the program and its first arguments. Default: `opencode` on the search path.
        #[schemars(example = &"opencode", example = json!(["opencode", "--print-logs"]))]
        command: Command,
        /// A server that runs already.
        #[schemars(example = "http://127.0.0.1:4096")]
        url: Text,
        /// The variable that holds the user name for that server.
        username_env: Text = "OPENCODE_SERVER_USERNAME",
        /// The variable that holds the password for that server.
        password_env: Text = "OPENCODE_SERVER_PASSWORD",
    }
}

layer! {
    /// Where runs are kept, and for how long.
    #[derive(Default)]
    struct Store {
        /// The directory; a relative one is below the project. Default: below the state directory, one per project.
        /// Never from a project that is not trusted.
        #[schemars(example = "/var/lib/orch/runs")]
        path: Text,
        /// Which finished runs are pruned. Default: none.
        retention: RetentionPart,
        /// What becomes of the sessions that orch made for workers of a run, once the run has succeeded. Not `delete` from
        /// a project that is not trusted.
        sessions: Word<SessionPolicy> = "keep",
    }
}

layer! {
    /// Which finished runs are pruned.
    #[derive(Default)]
    #[schemars(rename = "Retention")]
    struct RetentionPart {
        /// Those that finished longer ago than so many days.
        #[schemars(example = 90)]
        max_age_days: Count,
        /// All but the newest so many.
        #[schemars(example = 500)]
        max_runs: Count,
    }
}

layer! {
    /// Caps that nothing else can lift. A project that is not trusted can only lower them.
    #[derive(Default)]
    struct Security {
        /// Caps on every workflow.
        workflows: LimitsPart,
    }
}

layer! {
    /// Notifications in the terminal interface, where the plugin of `orch install` is loaded.
    #[derive(Default)]
    struct Notifications {
        /// When a session of your own comes to rest; those of workers tell through their runs.
        idle: IdleNotification,
    }
}

layer! {
    /// A toast when a session comes to rest.
    #[derive(Default)]
    struct IdleNotification {
        /// Whether it is shown.
        enabled: bool = false,
        /// Its title.
        title: String = "OpenCode",
        /// Its text.
        message: String = "Session is idle",
        /// How long the session must be at rest, in milliseconds.
        delay_ms: Number = 1_500,
    }
}

layer! {
    /// The agent that delegates: OpenCode offers it where the plugin of `orch install` is loaded. What OpenCode's own
    /// configuration says about an agent of this name comes first.
    #[derive(Default)]
    struct Agent {
        /// Whether it is offered.
        enabled: bool = true,
        /// Its name.
        name: AgentName = "orchestrator",
        /// Its model, `provider/model`. Default: the one that is chosen in OpenCode.
        #[schemars(example = "anthropic/claude-sonnet-4-5")]
        model: Text,
        /// Its prompt. Default: one that ships with orch and explains how to delegate.
        #[schemars(example = "You lead. Others work.")]
        prompt: Text,
        /// How the host offers it.
        mode: AgentMode = "primary",
        /// Its colour in the terminal interface: `#rrggbb`, `#rgb`, or a colour of the theme such as `primary`.
        #[schemars(example = &"#ff8800", example = &"primary")]
        color: Text,
        /// Whether the host's own agent `build` becomes the orchestrator, too.
        apply_to_build: bool = false,
        /// Tools by name: `false` refuses one, `true` takes an earlier refusal back.
        #[schemars(example = json!({ "edit": false }))]
        tools: Table<bool>,
        /// Permission rules, in OpenCode's own shape. Only refusals from a project that is not trusted.
        #[schemars(example = json!({ "bash": "ask", "edit": { "*": "deny", "docs/**": "allow" } }))]
        permission: Table<PermissionValue>,
    }
}

replaced!(AgentMode, MemoryScope, ListFormat);

layer! {
    /// Commands and keys inside OpenCode, where the plugin of `orch install` is loaded.
    #[derive(Default)]
    struct Commands {
        /// Whether they are there.
        enabled: bool = true,
        /// What their second names start with: `orchestrator.run` beside `/orch-run`.
        prefix: String = "orchestrator.",
    }
}

layer! {
    /// Shortening of long tool inputs and outputs.
    #[derive(Default)]
    struct Pruning {
        /// Whether it is done.
        enabled: bool = false,
        /// Characters of an output.
        max_tool_output_chars: Number = 12_000,
        /// Characters of an input.
        max_tool_input_chars: Number = 4_000,
        /// Tools that are left alone.
        protected_tools: Vec<String> = ["task", "todowrite", "todoread"],
    }
}

layer! {
    /// Usage reports.
    #[derive(Default)]
    struct Telemetry {
        /// Whether they are sent.
        enabled: bool = false,
        /// The key of the service.
        api_key: String,
        /// The service.
        host: String,
    }
}

layer! {
    /// The memory graph.
    #[derive(Default)]
    struct Memory {
        /// Whether it is kept.
        enabled: bool = true,
        /// Whether its worker is started.
        auto_spawn: bool = true,
        /// Whether turns are recorded.
        auto_record: bool = true,
        /// Whether entries are added to prompts.
        auto_inject: bool = true,
        /// What it covers.
        scope: MemoryScope = "project",
        /// Characters of an entry.
        max_chars: Number = 2_000,
        /// Summaries.
        summaries: MemorySummaries,
        /// What is dropped.
        trim: MemoryTrim,
        /// What is added to prompts.
        inject: MemoryInject,
    }
}

/// What the memory graph covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MemoryScope {
    /// One project.
    Project,
    /// All projects.
    Global,
}

layer! {
    /// Summaries of the memory graph.
    #[derive(Default)]
    struct MemorySummaries {
        /// Whether they are written.
        enabled: bool = true,
        /// Characters of a session's.
        session_max_chars: Number = 2_000,
        /// Characters of a project's.
        project_max_chars: Number = 2_000,
    }
}

layer! {
    /// What the memory graph drops.
    #[derive(Default)]
    struct MemoryTrim {
        /// Messages kept of a session.
        max_messages_per_session: Number = 60,
        /// Messages kept of a project.
        max_messages_per_project: Number = 400,
        /// Messages kept in all.
        max_messages_global: Number = 2_000,
        /// Projects kept.
        max_projects_global: Number = 25,
    }
}

layer! {
    /// What the memory graph adds to prompts.
    #[derive(Default)]
    struct MemoryInject {
        /// Characters.
        max_chars: Number = 2_000,
        /// Entries.
        max_entries: Number = 8,
        /// Whether messages are added.
        include_messages: bool = false,
        /// Whether the session's summary is added.
        include_session_summary: bool = true,
        /// Whether the project's summary is added.
        include_project_summary: bool = true,
        /// Whether entries of other projects are added.
        include_global: bool = true,
        /// Entries of other projects.
        max_global_entries: Number = 3,
    }
}
