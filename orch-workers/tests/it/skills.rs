//! Skills that a worker needs, looked up before it is asked for anything.

use std::sync::Arc;

use orch_config::{Config, Profile, SkillName, id::ProfileId, kind::WorkerKind, permission::PermissionRule};
use orch_opencode::simulator::{AgentMode, Script, SimulatedAgent, Simulator, SimulatorOptions};
use orch_workers::{Need, Pool};
use orch_workflow::{attempt::ErrorCode, port::StepExecutor as _};

use crate::world::{self, dispatch, profile};

fn skill(name: &str) -> SkillName {
    SkillName::new(name).unwrap()
}

fn needing(id: &str, skills: &[&str]) -> Profile {
    let mut profile = profile(id, WorkerKind::Agent);
    profile.required_skills = skills.iter().map(|name| skill(name)).collect();
    profile
}

async fn host() -> Simulator {
    let strict = SimulatedAgent::new("strict", AgentMode::Primary).deny("skill");
    let options = SimulatorOptions::new(Script::new()).agent(strict).skill("code-review").skill("deploy");
    Simulator::start(options).await.unwrap()
}

fn pool(host: &Simulator, profiles: impl IntoIterator<Item = Profile>) -> Pool {
    let mut config = Config::builtin();
    for profile in profiles {
        config.insert_profile(profile);
    }
    Pool::builder(Arc::new(config), world::host(host)).build()
}

fn need(id: &str, skills: &[&str]) -> Need {
    let need = Need::new(ProfileId::new(id).unwrap(), WorkerKind::Agent);
    need.with_skills(skills.iter().map(|name| skill(name)))
}

#[tokio::test]
async fn skills_of_profile_and_step_are_looked_up_before_anything_is_made() {
    let host = host().await;
    let mut strict = needing("strict", &["deploy"]);
    strict.agent = Some("strict".to_owned());
    let mut denied = needing("denied", &["code-review"]);
    denied.permission.push(PermissionRule::deny("skill"));
    let pool = pool(&host, [needing("fine", &["deploy"]), needing("lacks", &["deplyo"]), strict, denied]);

    let none = pool.check([need("fine", &["code-review"]), need("coder", &[])]).await.unwrap();
    assert!(none.is_empty(), "{none:?}");

    let wanted = [
        need("fine", &["release"]),
        need("fine", &["release", "code-review"]),
        need("lacks", &[]),
        need("strict", &[]),
        need("denied", &[]),
    ];
    let problems = pool.check(wanted).await.unwrap();
    let told: Vec<_> = problems.iter().map(|problem| (problem.code(), problem.to_string())).collect();
    let codes: Vec<_> = told.iter().map(|(code, _)| *code).collect();
    let (missing, denied) = ("orch::workers::missing-skill", "orch::workers::denied-skill");
    assert_eq!(codes, [missing, missing, denied, denied], "{told:?}");
    let place = format!("{}/.opencode/skill/release/SKILL.md", host.directory());
    assert!(told[0].1.contains("`fine`") && told[0].1.contains(&place), "{}", told[0].1);
    assert!(told[1].1.contains("did you mean `deploy`?"), "{}", told[1].1);
    assert!(told[2].1.contains("the agent `strict` is denied it"), "{}", told[2].1);
    assert!(host.sessions().is_empty() && pool.workers().is_empty());
}

/// A run that goes on in another process has its skills looked up again, where its prompt goes.
#[tokio::test]
async fn a_step_whose_skill_is_gone_is_not_placed() {
    let host = host().await;
    let pool = pool(&host, [profile("w", WorkerKind::Agent)]);
    let mut dispatch = dispatch(WorkerKind::Agent, "deploy it");
    dispatch.required_skills = vec![skill("gone")];
    let error = pool.place(&dispatch).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SpawnFailed);
    assert!(error.message.starts_with("worker `w` needs the skill `gone`, and the host has none"), "{error}");
    assert!(host.sessions().is_empty());

    dispatch.required_skills = vec![skill("deploy")];
    pool.place(&dispatch).await.unwrap();
    assert_eq!(host.sessions().len(), 1);
}
