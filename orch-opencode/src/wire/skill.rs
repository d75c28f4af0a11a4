//! Skills, and the directories they are looked for in.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::skill_places::{self, Paths};
use crate::skill::{Skill, Skills};

#[derive(Deserialize)]
pub(crate) struct SkillInfo {
    name: String,
    description: Option<String>,
    location: String,
}

impl From<SkillInfo> for Skill {
    fn from(info: SkillInfo) -> Self {
        let mut skill = Self::new(info.name, info.location);
        skill.description = info.description.filter(|text| !text.is_empty());
        skill
    }
}

#[derive(Deserialize)]
pub(crate) struct PathInfo {
    home: PathBuf,
    config: PathBuf,
    worktree: PathBuf,
    directory: PathBuf,
}

/// Of the host's configuration, only where it has more skills.
#[derive(Deserialize)]
pub(crate) struct SkillConfig {
    #[serde(default)]
    skills: SkillPaths,
}

#[derive(Deserialize, Default)]
struct SkillPaths {
    #[serde(default)]
    paths: Vec<String>,
}

impl PathInfo {
    /// The host's answers together. A directory without a worktree has the root of the file system for one: then only
    /// the directory itself is worth naming.
    pub(crate) fn with(self, found: Vec<Skill>, config: SkillConfig) -> Skills {
        let root = self.worktree == Path::new("/");
        let paths = Paths {
            directory: &self.directory,
            worktree: if root { &self.directory } else { &self.worktree },
            config: &self.config,
            home: &self.home,
        };
        Skills::new(found, skill_places::places(&paths, &config.skills.paths))
    }
}
