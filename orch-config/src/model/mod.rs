//! `orchestrator.json` as it is written: one struct per object, from which reading, schema and merge all come.

pub(crate) mod layer;
pub(crate) mod list;
pub(crate) mod marker;
pub(crate) mod node;
pub(crate) mod number;
pub(crate) mod profile;
pub(crate) mod settings;
mod strict;
pub(crate) mod table;
pub(crate) mod workflow;

use serde_json::json;

use layer::layer;
use list::ById;
use marker::{Ignored, Misplaced, Retired};
use number::{Millis, Port};
use settings::{Agent, Commands, Memory, Notifications, Opencode, Pruning, Security, Store, Telemetry, Ui};
use table::ProfileEntry;
use workflow::Workflows;

layer! {
    /// The configuration of orch: `orchestrator.json`.
    #[derive(Default)]
    #[schemars(title = "orchestrator.json")]
    struct Root {
        /// The schema of this file, for editors.
        #[serde(rename = "$schema")]
        #[schemars(example = crate::schema::URL)]
        schema: String,
        /// Worker profiles: changes to built-in ones and new ones. Those of several files are merged by id.
        profiles: ById<ProfileEntry> = [],
        /// Workers that programs which stay start at once: ids of profiles, or profiles.
        workers: Vec<ProfileEntry> = [],
        /// Whether `workers` are started at once.
        auto_spawn: bool = true,
        /// Workflows and their policy.
        workflows: Workflows,
        /// What people see of a run.
        ui: Ui,
        /// Which OpenCode to use.
        opencode: Opencode,
        /// Where runs are kept.
        store: Store,
        /// Caps that nothing else can lift.
        security: Security,
        /// The first port tried for a worker's own server; taken ones are skipped.
        base_port: Port = 14_096,
        /// How long a worker's own server may take to start, in milliseconds.
        startup_timeout: Millis = 30_000,
        /// How often a worker's own server is asked whether it lives, in milliseconds. One that leaves three checks in a
        /// row without an answer is ended and started again.
        health_check_interval: Millis = 30_000,
        /// Notifications in the terminal interface.
        notifications: Notifications,
        /// The agent that delegates.
        agent: Agent,
        /// Commands and keys inside OpenCode.
        commands: Commands,
        /// Not supported by this version: OpenCode shortens long tool outputs itself (`compaction` in its configuration).
        pruning: Ignored<Pruning>,
        /// Not supported by this version: keep what must be remembered in a file of the project, such as `AGENTS.md`.
        memory: Ignored<Memory>,
        /// Not supported by this version: nothing is ever reported to anybody.
        telemetry: Ignored<Telemetry>,
        /// Directories, absolute: the projects in them may use everything, whatever they say. Read from your own file alone.
        #[schemars(example = json!(["/home/me/work"]))]
        trust: Vec<String> = [],
        /// Write `workflows.budget`, or `budget` of a workflow or a step.
        budget: Misplaced,
        /// List the workers under `workers`.
        spawn_on_demand: Retired,
        /// Use `autoSpawn` and `workers`.
        spawn_policy: Retired,
        /// Use `healthCheckInterval`.
        health_check: Retired,
        /// Use `workers`.
        warm_pool: Retired,
        /// Set `model` of each profile.
        model_selection: Retired,
        /// Set `model` of each profile.
        model_aliases: Retired,
        /// Configure other services where they live.
        integrations: Retired,
    }
}
