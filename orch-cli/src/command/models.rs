//! `orch models`: the host's models, and what a profile's `model` has to say to get one.

use orch::{
    config::ModelTag,
    ux::text::plain,
    workers::preflight::{Offer, OfferedModel},
};
use serde_json::{Value, json};

use super::{print, print_json};
use crate::{
    args::HostArgs,
    exit::{Exit, Failure},
    project::Project,
};

pub(crate) async fn models(project: &Project, host: &HostArgs, json: bool) -> Result<Exit, Failure> {
    let orchestrator = project.orchestrator(project.config(json)?, host).await?;
    let asked = async {
        let host = orchestrator.host().await?;
        Ok::<_, orch::Error>(Offer::ask(&*host).await?)
    };
    let asked = asked.await;
    orchestrator.shutdown().await;
    let offer = asked?;
    let models = offer.models();
    if json {
        print_json(&models.iter().map(object).collect::<Vec<_>>())?;
    } else {
        print(&table(&offer, &models))?;
    }
    Ok(Exit::Success)
}

fn is_default(model: &OfferedModel) -> bool {
    model.tags.contains(&ModelTag::Default)
}

fn object(offered: &OfferedModel) -> Value {
    let model = &offered.model;
    json!({
        "id": offered.reference.to_string(), "name": model.name, "default": is_default(offered),
        "tags": offered.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "context": model.context, "tools": model.tools, "images": model.images, "reasoning": model.reasoning,
        "variants": model.variants, "usd_per_million_input": model.input_cost,
    })
}

fn table(offer: &Offer, models: &[OfferedModel]) -> String {
    let ids: Vec<_> = models.iter().map(|model| plain(&model.reference.to_string(), 80)).collect();
    let width = ids.iter().map(|id| id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (offered, id) in models.iter().zip(&ids) {
        let mark = if is_default(offered) { "*" } else { " " };
        let tags = offered.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>().join(", ");
        let line = format!(
            "{mark} {id:<width$}  {:>7}  {:<24}  {tags}",
            tokens(offered.model.context),
            abilities(offered)
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for tag in ModelTag::ALL {
        if let Err(error) = offer.tagged(tag) {
            let reason = error.to_string();
            let reason = reason.split_once(": ").map_or(reason.as_str(), |(_, reason)| reason);
            text.push_str(&format!("  no model for {tag}: {}\n", plain(reason, 300)));
        }
    }
    if models.iter().any(is_default) {
        text.push_str("* what a profile gets that names no model\n");
    }
    text
}

fn abilities(offered: &OfferedModel) -> String {
    let model = &offered.model;
    let all = [(model.tools, "tools"), (model.images, "images"), (model.reasoning, "reasoning")];
    all.into_iter().filter(|(can, _)| *can).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

/// Tokens of context, rounded for people.
fn tokens(count: u64) -> String {
    match count {
        0 => "-".to_owned(),
        1..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}k", count / 1_000),
        _ if count % 1_000_000 < 100_000 => format!("{}M", count / 1_000_000),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}
