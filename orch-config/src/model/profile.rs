//! Profiles as the file has them.

use serde_json::json;

use super::{
    layer::{Word, layer},
    marker::Retired,
    number::{Count, Millis, Number, Port, Real},
    table::{PermissionValue, Table, Text},
};
use crate::{
    id::ProfileId,
    kind::{Backend, ExecutionMode, WorkerKind},
    profile::{Context, Handoff},
    skill::SkillName,
};

layer! {
    /// A worker profile, or changes to the one with this id. What is left out stays as it is there, or takes the default.
    #[schemars(rename = "Profile")]
    struct ProfilePatch {
        [required] {
            /// The profile's id; steps name it as `workerId`. That of a built-in profile changes that profile.
            id: ProfileId,
        }
        /// The name people see. Default: the id.
        #[schemars(example = &"Translator")]
        name: String,
        /// What the worker is for.
        purpose: String = "",
        /// When to choose this worker.
        when_to_use: String = "",
        /// What it runs as: `server` (an OpenCode server of its own), `agent` (a session of its own on the given server)
        /// or `subagent` (a child session of the parent session). Default: the built-in profile's, else `server`.
        kind: Word<WorkerKind>,
        /// Older spelling of `kind` without `subagent`; prefer `kind`.
        backend: Word<Backend>,
        /// `foreground`: the view switches to the worker's session and a person takes part. Not for `server` workers.
        execution: Word<ExecutionMode> = "background",
        /// The model: `provider/model`, or a tag (`node`, `node:fast`, `node:docs`, `node:vision`, `auto`). Default: the
        /// host's default model.
        #[schemars(example = "anthropic/claude-sonnet-4-5")]
        model: Text,
        /// The OpenCode agent whose settings the worker's session uses. Default: the host's default agent.
        #[schemars(example = &"build")]
        agent: Text,
        /// What the worker is told about its role. Comes before `promptFile`.
        #[schemars(example = "You translate technical documentation.")]
        system_prompt: String,
        /// A file with the role's text, below `.opencode/orch/prompts/`, or one that ships with orch.
        #[schemars(example = "workers/coder.md")]
        prompt_file: Text,
        /// Tools by name; `false` refuses the tool, `true` lifts a refusal of the built-in profile.
        #[schemars(example = json!({ "bash": false }))]
        tools: Table<bool>,
        /// Permission rules in OpenCode's own shape: `{ "bash": { "*": "ask", "git status": "allow" }, "webfetch": "deny" }`.
        #[schemars(example = json!({ "bash": { "*": "ask", "git status": "allow" }, "webfetch": "deny" }))]
        permission: Table<PermissionValue>,
        /// Sampling temperature, where the model has one. For `agent` and `subagent` where a plugin of ours is loaded: in
        /// servers that orch starts, and after `orch install`; elsewhere the run says that it has no effect.
        #[schemars(example = 0.2)]
        temperature: Real<0, 2>,
        /// Environment variables of the worker's own server. Only for `server` workers, and never from a project that is
        /// not trusted.
        #[schemars(example = json!({ "HTTPS_PROXY": "http://127.0.0.1:3128" }))]
        env: Table<String>,
        /// What a subagent knows when its session begins: `fresh` (its prompt), `fork` (the parent's transcript), `summary`
        /// (a summary of it, for which the worker's model is asked).
        context: Word<Context> = "fresh",
        /// What becomes the result of a foreground step: `last` (the latest answer), `summarize` (an answer asked for), `none`.
        handoff: Word<Handoff> = "summarize",
        /// How many sessions of this worker may work at once.
        max_concurrency: Count = 1,
        /// How often the worker's own server may be started again after it died.
        restart: RestartPatch,
        /// Skills (`.opencode/skill/<name>/SKILL.md`) that the host must have, and that the worker must be allowed to load.
        /// Looked up before a run begins: one that is missing or denied refuses the run.
        required_skills: Vec<SkillName> = [],
        /// Whether the worker looks at images: it then gets a model that reads them, and a named model that does not is
        /// refused.
        supports_vision: bool = false,
        /// Whether the worker reads the web: it then gets a model that calls tools, and a named model that does not is
        /// refused.
        supports_web: bool = false,
        /// Whether the worker is told what there is in its repository: the names of the first two levels, at most 200,
        /// without what `.gitignore` leaves out. Files are never read for it.
        inject_repo_context: bool = false,
        /// Free labels, by which `orch profiles --tag` finds the profile.
        tags: Vec<String> = [],
        /// The port tried first for the worker's own server. Default: `basePort` and upwards. Only for `server` workers.
        #[schemars(example = 14_100)]
        port: Port,
        /// Write the provider into `model`: `provider/model`.
        #[serde(rename = "providerID")]
        provider_id: Retired,
        /// Use `kind`: a `subagent` works in a child session of the parent.
        session_mode: Retired,
        /// Not needed any more: what workers do is always in the event stream.
        forward_events: Retired,
        /// Configure MCP servers in OpenCode's own configuration.
        mcp: Retired,
        /// Write the profile out: profiles do not inherit from each other.
        extends: Retired,
        /// Write the profile out: profiles are not composed of each other.
        compose: Retired,
        /// Use `permission`, in OpenCode's own shape.
        permissions: Retired,
    }
}

layer! {
    /// A restart budget.
    #[derive(Default)]
    #[schemars(rename = "Restart")]
    struct RestartPatch {
        /// Restarts within the window; 0 for none.
        max_restarts: Number = 3,
        /// The window, in milliseconds.
        window_ms: Millis = 600_000,
    }
}
