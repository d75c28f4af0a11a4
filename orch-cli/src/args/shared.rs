//! What several commands take, and how its values are read.

use std::path::PathBuf;

use clap::Args;
use orch::config::{
    budget::Budget,
    policy::{Execution, Intervene, PolicyPatch},
};

/// The policy for the run, over that of the workflow.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// Stop after every step, or go on by itself.
    #[arg(long, value_name = "step|auto", value_parser = parse::<Execution>)]
    pub(crate) execution: Option<Execution>,
    /// When to ask: never, on-warning, on-error, always.
    #[arg(long, value_name = "WHEN", value_parser = parse::<Intervene>)]
    pub(crate) intervene: Option<Intervene>,
}

impl PolicyArgs {
    pub(crate) fn patch(self) -> PolicyPatch {
        PolicyPatch { execution: self.execution, intervene: self.intervene }
    }
}

/// What may be spent, in all. At a gate over a step's budget the bounds are the step's, else they are the run's.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct BudgetArgs {
    /// Tokens of all kinds, child sessions included.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// US dollars, as OpenCode reports them.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Time at work, such as 90s, 30m or 2h; waiting for people and limits does not count.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(crate) max_active: Option<u64>,
}

impl BudgetArgs {
    pub(crate) fn budget(self) -> Budget {
        Budget { max_tokens: self.max_tokens, max_cost_usd: self.max_cost, max_active_ms: self.max_active }
    }
}

/// What driving a run takes: a host and a way to ask.
#[derive(Debug, Args)]
pub(crate) struct DriveArgs {
    /// Never ask: exit with code 3 at a gate, deny permissions that no rule answers.
    #[arg(long, help_heading = None::<&str>)]
    pub(crate) no_input: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// Which OpenCode to work on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Host")]
pub(crate) struct HostArgs {
    /// A running OpenCode server; its password comes from OPENCODE_SERVER_PASSWORD.
    #[arg(long, env = "ORCH_SERVER", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The opencode binary to start, for the run and for workers with a server of their own; `opencode` on PATH by
    /// default.
    #[arg(long, env = "ORCH_OPENCODE", hide_env_values = true, value_name = "PATH")]
    pub(crate) opencode: Option<PathBuf>,
}

pub(crate) fn dollars(text: &str) -> Result<f64, String> {
    let dollars = text.parse().ok().filter(|dollars: &f64| dollars.is_finite() && *dollars > 0.0);
    dollars.ok_or_else(|| "an amount of US dollars above 0, such as 2.50".to_owned())
}

/// A number with a unit: `90s`, `30m`, `2h`.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let at = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let time = number.parse().ok().and_then(|number: u64| number.checked_mul(scale)).filter(|time| *time > 0);
    time.ok_or_else(|| "a time with its unit, such as 90s, 30m or 2h".to_owned())
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
