//! From what is so back to how it is written: under the file's own field names, with every default filled in.
//!
//! What this prints is itself a valid file that loads to the same configuration. Environment values are printed as they
//! are; `Debug` hides them.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    budget::Budget,
    builtin::{self, ROOCODE_BOOMERANG},
    config::Config,
    model::{
        Root,
        layer::{Field, Word},
        list::ById,
        node::{Condition, JsonSchemaObject, Node as Shown},
        number::{Count, Dollars, Millis, Number, Passes, Port, Real, Tokens},
        profile::{ProfilePatch, RestartPatch},
        settings::{
            Agent, Commands, IdleNotification, Notifications, Opencode, RetentionPart, Security, Store, Ui,
        },
        table::{Command, PermissionValue, ProfileEntry, Table, Text},
        workflow::{
            Boomerang, BudgetPart, Definition, Group, LimitsPart, PolicyPart, RepeatPart, RetryPart, Step,
            Workflows,
        },
    },
    permission::{self, PermissionAction, PermissionRule},
    policy::PolicyPatch,
    profile::Profile,
    retry::Retry,
    settings::{self, AgentSettings},
    workflow::{GroupDefinition, Limits, Node, StepDefinition, WorkflowDefinition},
};

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Root::from(self).serialize(serializer)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ProfilePatch::from(self).serialize(serializer)
    }
}

impl Serialize for WorkflowDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Definition::from(self).serialize(serializer)
    }
}

impl From<&Config> for Root {
    fn from(config: &Config) -> Self {
        let patches = config.profiles.values().map(|profile| ProfileEntry::Patch(Box::new(profile.into())));
        Self {
            profiles: ById(patches.collect()).into(),
            workers: config.spawn.iter().cloned().map(ProfileEntry::Name).collect::<Vec<_>>().into(),
            auto_spawn: config.auto_spawn.into(),
            workflows: workflows(config).into(),
            ui: Ui {
                toasts: config.ui.toasts.into(),
                prompt_hints: config.ui.prompt_hints.into(),
                attention: config.ui.attention.into(),
                wakeup_injection: config.ui.wakeup_injection.into(),
                inject_system_context: config.ui.inject_system_context.into(),
                system_context_max_workers: Number::clamped(config.ui.system_context_max_workers.into())
                    .into(),
                debug: config.ui.debug.into(),
                ..Ui::default()
            }
            .into(),
            agent: Agent::from(&config.agent).into(),
            commands: Commands {
                enabled: config.commands.enabled.into(),
                prefix: config.commands.prefix.clone().into(),
            }
            .into(),
            notifications: Notifications { idle: idle(&config.idle_notification).into() }.into(),
            opencode: Opencode {
                command: Field(
                    config
                        .opencode
                        .command
                        .clone()
                        .map(|line| Command::Line(line.into_iter().map(Text).collect())),
                ),
                url: Field(config.opencode.url.clone().map(Text)),
                username_env: Text(config.opencode.username_env.clone()).into(),
                password_env: Text(config.opencode.password_env.clone()).into(),
            }
            .into(),
            store: store(config).into(),
            security: Security { workflows: limits(config.limits).into() }.into(),
            base_port: Port::clamped(config.base_port.into()).into(),
            startup_timeout: Millis::clamped(config.startup_timeout_ms).into(),
            health_check_interval: Millis::clamped(config.health_check_interval_ms).into(),
            ..Self::default()
        }
    }
}

impl From<&AgentSettings> for Agent {
    fn from(agent: &AgentSettings) -> Self {
        Self {
            enabled: agent.enabled.into(),
            name: agent.name.clone().into(),
            model: Field(agent.model.clone().map(Text)),
            prompt: Text(agent.prompt.clone()).into(),
            mode: agent.mode.into(),
            color: Field(agent.color.clone().map(Text)),
            apply_to_build: agent.apply_to_build.into(),
            tools: Field::default(),
            permission: permission(&agent.permission).into(),
        }
    }
}

fn idle(idle: &settings::IdleNotification) -> IdleNotification {
    IdleNotification {
        enabled: idle.enabled.into(),
        title: idle.title.clone().into(),
        message: idle.message.clone().into(),
        delay_ms: Number::clamped(idle.delay_ms).into(),
    }
}

fn workflows(config: &Config) -> Workflows {
    let without_boomerang = !config.workflows.contains_key(ROOCODE_BOOMERANG);
    let off = || Boomerang { enabled: false.into(), ..Boomerang::default() };
    Workflows {
        enabled: config.workflows_enabled.into(),
        ui: PolicyPart {
            execution: Word(config.policy.execution).into(),
            intervene: Word(config.policy.intervene).into(),
        }
        .into(),
        definitions: ById(config.workflows.values().map(Definition::from).collect()).into(),
        roocode_boomerang: Field(without_boomerang.then(off)),
        ..Workflows::default()
    }
}

fn store(config: &Config) -> Store {
    let retention = &config.store.retention;
    let retention = RetentionPart {
        max_age_days: Field(retention.max_age_days.map(|days| Count::clamped(days.into()))),
        max_runs: Field(retention.max_runs.map(|runs| Count::clamped(runs.into()))),
    };
    Store {
        path: Field(config.store.path.as_ref().map(|path| Text(path.to_string_lossy().into_owned()))),
        retention: retention.into(),
        sessions: Word(config.store.sessions).into(),
    }
}

fn limits(limits: Limits) -> LimitsPart {
    LimitsPart {
        max_steps: Count::clamped(limits.max_steps.into()).into(),
        max_task_chars: Count::clamped(limits.max_task_chars.into()).into(),
        max_carry_chars: Count::clamped(limits.max_carry_chars.into()).into(),
        per_step_timeout_ms: Millis::clamped(limits.per_step_timeout_ms).into(),
        idle_warning_ms: Millis::clamped(limits.idle_warning_ms).into(),
        max_parallel: Count::clamped(limits.max_parallel.into()).into(),
    }
}

impl From<&Profile> for ProfilePatch {
    fn from(profile: &Profile) -> Self {
        let tools = tools(profile);
        Self {
            name: profile.name.clone().into(),
            purpose: profile.purpose.clone().into(),
            when_to_use: profile.when_to_use.clone().into(),
            kind: Word(profile.kind).into(),
            execution: Word(profile.execution).into(),
            model: Field(profile.model.clone().map(Text)),
            agent: Field(profile.agent.clone().map(Text)),
            system_prompt: Field(profile.system_prompt.clone()),
            tools: Field((!tools.0.is_empty()).then_some(tools)),
            permission: permission(&profile.permission).into(),
            temperature: Field(profile.temperature.map(Real::clamped)),
            env: Table(profile.env.0.clone().into_iter().collect()).into(),
            context: Word(profile.context).into(),
            handoff: Word(profile.handoff).into(),
            max_concurrency: Count::clamped(profile.max_concurrency.into()).into(),
            restart: RestartPatch {
                max_restarts: Number::clamped(profile.restart.max_restarts.into()).into(),
                window_ms: Millis::clamped(profile.restart.window_ms).into(),
            }
            .into(),
            required_skills: profile.required_skills.clone().into(),
            supports_vision: profile.supports_vision.into(),
            supports_web: profile.supports_web.into(),
            inject_repo_context: profile.inject_repo_context.into(),
            port: Field(profile.port.map(|port| Port::clamped(port.into()))),
            tags: profile.tags.clone().into(),
            ..Self::from((profile.id.clone(),))
        }
    }
}

/// Says of every tool that the built-in profile is refused whether it still is.
fn tools(profile: &Profile) -> Table<bool> {
    let mut tools = builtin::tools(profile.id.as_str());
    for (tool, enabled) in &mut tools.0 {
        *enabled = !profile.permission.contains(&PermissionRule::deny(permission::of_tool(tool)));
    }
    tools
}

fn permission(rules: &[PermissionRule]) -> Table<PermissionValue> {
    let mut named: IndexMap<String, IndexMap<String, Word<PermissionAction>>> = IndexMap::new();
    for rule in rules {
        named.entry(rule.permission.clone()).or_default().insert(rule.pattern.clone(), Word(rule.action));
    }
    let value = |patterns: IndexMap<String, Word<PermissionAction>>| match patterns.get("*") {
        Some(action) if patterns.len() == 1 => PermissionValue::Action(*action),
        _ => PermissionValue::Patterns(Table(patterns)),
    };
    Table(named.into_iter().map(|(name, patterns)| (name, value(patterns))).collect())
}

impl From<&WorkflowDefinition> for Definition {
    fn from(workflow: &WorkflowDefinition) -> Self {
        Self {
            name: workflow.name.clone().into(),
            description: Field(workflow.description.clone()),
            ui: policy(workflow.ui),
            limits: limits(workflow.limits).into(),
            gate_timeout_ms: Field(workflow.gate_timeout_ms.map(Millis::clamped)),
            gate_default: Field(workflow.gate_default.map(Word)),
            budget: budget(workflow.budget),
            steps: workflow.nodes.iter().map(Shown::from).collect::<Vec<_>>().into(),
            ..Self::from((workflow.id.clone(),))
        }
    }
}

impl From<&Node> for Shown {
    fn from(node: &Node) -> Self {
        match node {
            Node::Step(step) => Self::Step(Box::new((&**step).into())),
            Node::Group(group) => Self::Group(Box::new((&**group).into())),
        }
    }
}

impl From<&GroupDefinition> for Group {
    fn from(group: &GroupDefinition) -> Self {
        let until = Condition(group.until.to_string());
        let repeat = RepeatPart::from((Passes::clamped(group.max.into()), until));
        Self {
            title: group.title.clone().into(),
            needs: Field(group.needs.clone()),
            when: Field(group.when.as_ref().map(|when| Condition(when.to_string()))),
            ..Self::from((group.id.clone(), repeat, group.steps.iter().map(Step::from).collect()))
        }
    }
}

impl From<&StepDefinition> for Step {
    fn from(step: &StepDefinition) -> Self {
        Self {
            title: step.title.clone().into(),
            needs: Field(step.needs.clone()),
            when: Field(step.when.as_ref().map(|when| Condition(when.to_string()))),
            output: Field(step.output.as_ref().and_then(Value::as_object).cloned().map(JsonSchemaObject)),
            budget: budget(step.budget),
            carry: step.carry.into(),
            timeout_ms: Millis::clamped(step.timeout_ms).into(),
            idle_warning_ms: Millis::clamped(step.idle_warning_ms).into(),
            required_skills: step.required_skills.clone().into(),
            ui: policy(step.ui),
            kind: Field(step.kind.map(Word)),
            execution: Field(step.execution.map(Word)),
            retry: retry(&step.retry).into(),
            ..Self::from((step.id.clone(), step.worker.clone(), step.prompt.clone()))
        }
    }
}

/// A budget without bounds is left out.
fn budget(budget: Budget) -> Field<BudgetPart> {
    let part = BudgetPart {
        max_tokens: Field(budget.max_tokens.map(Tokens::clamped)),
        max_cost_usd: Field(budget.max_cost_usd.map(Dollars::clamped)),
        max_active_ms: Field(budget.max_active_ms.map(Millis::clamped)),
    };
    Field((!budget.is_unbounded()).then_some(part))
}

/// A policy that says nothing is left out.
fn policy(patch: PolicyPatch) -> Field<PolicyPart> {
    let part = PolicyPart {
        execution: Field(patch.execution.map(Word)),
        intervene: Field(patch.intervene.map(Word)),
    };
    Field((patch != PolicyPatch::default()).then_some(part))
}

fn retry(retry: &Retry) -> RetryPart {
    RetryPart {
        max_attempts: Count::clamped(retry.max_attempts.into()).into(),
        backoff_ms: Millis::clamped(retry.backoff_ms).into(),
        factor: Real::clamped(retry.factor).into(),
        max_backoff_ms: Millis::clamped(retry.max_backoff_ms).into(),
        on: retry.on.iter().copied().map(Word).collect::<Vec<_>>().into(),
    }
}
