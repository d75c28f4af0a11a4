//! What a project asks for, shown to the person who may trust it.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use orch::{
    config::{
        Diagnostics, LoadOptions, Severity, Trust, TrustRecords, load,
        load::{Loaded, SourceFile},
        trust::{Evidence, TrustError},
    },
    ux::text::printable,
};
use serde::Serialize;
use similar::TextDiff;

use crate::{
    exit::{Exit, Failure},
    person::is_a_worker,
    report,
};

/// A project as it is now, beside what was trusted of it before.
pub(crate) struct Proposal {
    records: TrustRecords,
    /// The texts that would be trusted.
    pub(crate) evidence: Evidence,
    /// What only a trusted project may have.
    pub(crate) reach: Diagnostics,
    files: Vec<SourceFile>,
    before: Option<Evidence>,
    /// The directory of the person's own file that covers the project.
    pub(crate) granted_by: Option<PathBuf>,
}

/// Where a project stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    Trusted,
    /// It was trusted, and is no longer what it was.
    Changed,
    Untrusted,
}

impl Proposal {
    /// # Errors
    /// The configuration has errors that trust does not mend.
    pub(crate) fn of(mut options: LoadOptions, records: TrustRecords) -> Result<Self, Failure> {
        options.trust = Trust::Trusted;
        let mut loaded = load(&options)?;
        let before = records.find(&loaded.evidence.directory)?;
        let mut reach = std::mem::take(&mut loaded.reach);
        // What is asked for is no error of a project that may be trusted.
        reach.0.iter_mut().for_each(|asked| asked.severity = Severity::Warning);
        let Loaded { evidence, files, granted_by, .. } = loaded;
        Ok(Self { records, evidence, reach, files, before, granted_by })
    }

    pub(crate) fn standing(&self) -> Standing {
        match &self.before {
            _ if self.granted_by.is_some() => Standing::Trusted,
            Some(before) if *before == self.evidence => Standing::Trusted,
            Some(_) => Standing::Changed,
            None => Standing::Untrusted,
        }
    }

    /// What there is to consider, as text for a terminal.
    pub(crate) fn describe(&self) -> String {
        let standing = match self.standing() {
            Standing::Trusted => "is trusted",
            Standing::Changed => "has changed since you trusted it",
            Standing::Untrusted => "is not trusted",
        };
        let mut text = format!("{} {standing}\n", self.evidence.directory.display());
        if let Some(granted) = &self.granted_by {
            text.push_str(&format!(
                "  Your own file trusts everything in {} (`trust`), whatever it says.\n",
                granted.display()
            ));
        }
        text.push_str(match self.standing() {
            Standing::Trusted => "  Servers started here load its own OpenCode configuration, plugins and tools.\n",
            _ => "  Trusting it lets servers started here load its own OpenCode configuration, plugins and tools.\n",
        });
        let mut text = printable(&text);
        if self.reach.is_empty() {
            text.push_str("  It asks for nothing else that needs trust.\n");
        } else {
            text.push_str("  It asks for what only a trusted project may have:\n\n");
            text.push_str(&report::diagnostics(&self.reach, &self.files));
        }
        if !self.evidence.files.is_empty() {
            text.push_str("\n  What has a say:\n");
            for (path, content) in &self.evidence.files {
                text.push_str(&printable(&format!("    {}  {} bytes\n", path.display(), content.len())));
            }
        }
        if let Some(changes) = self.changes() {
            text.push_str("\n  What has changed:\n\n");
            text.push_str(&printable(&changes));
        }
        text
    }

    /// The difference to what was trusted; none if nothing was, or nothing has changed.
    pub(crate) fn changes(&self) -> Option<String> {
        let before = self.before.as_ref().filter(|_| self.standing() == Standing::Changed)?;
        let paths: BTreeSet<_> = before.files.keys().chain(self.evidence.files.keys()).collect();
        Some(paths.into_iter().map(|path| difference(path, before, &self.evidence)).collect())
    }

    pub(crate) fn accept(&self) -> Result<(), Failure> {
        Ok(self.records.trust(&self.evidence)?)
    }
}

fn difference(path: &Path, before: &Evidence, now: &Evidence) -> String {
    let text = |evidence: &Evidence| evidence.files.get(path).cloned().unwrap_or_default();
    let name = path.display().to_string();
    TextDiff::from_lines(text(before).as_str(), text(now).as_str())
        .unified_diff()
        .context_radius(3)
        .header(&name, &name)
        .to_string()
}

/// Whether there is a person to ask.
pub(crate) fn can_ask(json: bool) -> bool {
    !json && !is_a_worker() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows the proposal and asks. Anything but a clear yes is a no.
pub(crate) fn ask(proposal: &Proposal) -> Result<bool, Failure> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{}\nTrust it? [y/N] ", proposal.describe())?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let yes = matches!(line.trim().to_lowercase().as_str(), "y" | "yes");
    if yes {
        proposal.accept()?;
    }
    Ok(yes)
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        Self::new(Exit::Error, error.code(), error.to_string())
            .help("set ORCH_STATE_DIR to a directory of your own that no project can write to")
    }
}
