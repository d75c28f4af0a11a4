//! What can be found out about workers before the first of them is asked for anything.

use orch_config::{
    Profile, SkillName,
    id::{ProfileId, WorkflowId},
    kind::WorkerKind,
};
use orch_opencode::{HostError, HostErrorKind, OpenCode, SessionId, Skills};
use orch_workflow::status::Caution;
use tokio::task::JoinSet;

use super::{Pool, parent};
use crate::{
    error::Error,
    preflight::{self, Offer},
};

/// A worker that a run is going to need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// Its profile.
    pub worker: ProfileId,
    /// What it runs as.
    pub kind: WorkerKind,
    /// Skills that it must have beside those of its profile.
    pub skills: Vec<SkillName>,
    /// The names of images that it is going to be shown.
    pub images: Vec<String>,
}

impl Need {
    /// A worker with the skills of its profile.
    #[must_use]
    pub fn new(worker: ProfileId, kind: WorkerKind) -> Self {
        Self { worker, kind, skills: Vec::new(), images: Vec::new() }
    }

    /// The same worker with further skills.
    #[must_use]
    pub fn with_skills(mut self, skills: impl IntoIterator<Item = SkillName>) -> Self {
        self.skills.extend(skills);
        self
    }

    /// The same worker, shown these images.
    #[must_use]
    pub fn with_images(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.images.extend(names);
        self
    }
}

impl Pool {
    /// Checks that these workers can be had: that each is known, and that the host has the agent, the model and the
    /// skills of its profile, and that the model reads the images that it is shown. Returns every problem, each one once; spends nothing. What a registered worker needs is
    /// only known to itself. Cancel safe.
    ///
    /// A worker with a server of its own is looked at on the given host first, because both usually have the same
    /// configuration. Its server is started, and asked, only when that host lacks something, or when skills are needed:
    /// a server of ours may be kept from reading those of the project.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn check(&self, needs: impl IntoIterator<Item = Need>) -> Result<Vec<Error>, HostError> {
        let mut problems = Vec::new();
        let mut on_host: Vec<(&Profile, Need)> = Vec::new();
        for need in together(needs) {
            match self.inner.worker(&need.worker, need.kind) {
                Err(problem) => problems.push(problem),
                Ok(_) if self.inner.common.registered.contains_key(&need.worker) => {}
                Ok(_) => {
                    let profile = self.inner.common.config.profiles.get(&need.worker);
                    on_host.extend(profile.map(|profile| (profile, need)));
                }
            }
        }
        if on_host.is_empty() {
            return Ok(problems);
        }
        let host = &*self.inner.host;
        let offer = self.inner.offer.ask(host).await?;
        let mut skills = None;
        let mut doubtful = Vec::new();
        for (profile, need) in on_host {
            let on_own_server = need.kind == WorkerKind::Server;
            let required = preflight::required(profile, &need.skills);
            if on_own_server && !required.is_empty() {
                doubtful.push(need);
                continue;
            }
            let found = match examine(&offer, profile, &need) {
                Ok(selection) if !required.is_empty() => {
                    let skills = listed(&mut skills, host).await?;
                    preflight::skill_problems(&required, profile, &selection.agent, skills)
                }
                Ok(_) => Vec::new(),
                Err(problem) => vec![problem],
            };
            match on_own_server && !found.is_empty() {
                true => doubtful.push(need),
                false => problems.extend(found),
            }
        }
        problems.extend(self.ask_own_servers(doubtful).await);
        Ok(problems)
    }

    /// What people should know about these workers before they work, each thing once. Asks nobody.
    #[must_use]
    pub fn cautions(&self, needs: impl IntoIterator<Item = Need>) -> Vec<Caution> {
        let caution = |need: Need| {
            let registered = self.inner.common.registered.contains_key(&need.worker);
            let profile = self.inner.common.config.profiles.get(&need.worker).filter(|_| !registered)?;
            preflight::without_effect(profile, need.kind, self.inner.common.guarded)
        };
        together(needs).into_iter().filter_map(caution).collect()
    }

    /// Starts the servers of these workers, all at the same time, and asks each.
    async fn ask_own_servers(&self, needs: Vec<Need>) -> Vec<Error> {
        let mut asked = JoinSet::new();
        for (index, need) in needs.into_iter().enumerate() {
            let pool = self.clone();
            asked.spawn(async move {
                let problems = match pool.inner.own(&need.worker, need.kind) {
                    Ok(worker) => worker.examine(&pool.inner.common.cx, &need).await,
                    Err(problem) => vec![problem],
                };
                (index, problems)
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().flat_map(|(_, problems)| problems).collect()
    }

    /// The newest parent session that was created for a run of this workflow in this project, so that what was
    /// cultivated under it can be revisited. `name` is the workflow's, which begins the session's title.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn latest_parent(
        &self,
        workflow: &WorkflowId,
        name: &str,
    ) -> Result<Option<String>, HostError> {
        Ok(parent::latest(&*self.inner.host, workflow, name).await?.map(String::from))
    }

    /// Checks that the host has this session, so that workers can have it as their parent. The inner error says what is
    /// wrong with it. Cancel safe.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn check_parent(&self, parent: &str) -> Result<Result<(), Error>, HostError> {
        let id = match SessionId::parse(parent) {
            Ok(id) => id,
            Err(error) => return Ok(Err(Error::unknown_parent(parent, &error))),
        };
        let host = &self.inner.host;
        match host.session(&id).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.kind() == HostErrorKind::NotFound => {
                let reason = format!("the host at {} has no such session", host.origin());
                Ok(Err(Error::unknown_parent(parent, &reason)))
            }
            Err(error) => Err(error),
        }
    }
}

fn examine(offer: &Offer, profile: &Profile, need: &Need) -> Result<preflight::Selection, Error> {
    let selection = offer.select(profile)?;
    offer.shows(profile, &selection, &need.images)?;
    Ok(selection)
}

/// Each worker once, with the skills of all who need it.
fn together(needs: impl IntoIterator<Item = Need>) -> Vec<Need> {
    let mut workers: Vec<Need> = Vec::new();
    for need in needs {
        match workers.iter_mut().find(|known| (&known.worker, known.kind) == (&need.worker, need.kind)) {
            Some(known) => {
                known.skills.extend(need.skills);
                known.images.extend(need.images);
            }
            None => workers.push(need),
        }
    }
    workers
}

/// The host's skills, asked for once and only where somebody needs one.
async fn listed<'a>(known: &'a mut Option<Skills>, host: &dyn OpenCode) -> Result<&'a Skills, HostError> {
    let skills = match known.take() {
        Some(skills) => skills,
        None => host.skills().await?,
    };
    Ok(known.insert(skills))
}
