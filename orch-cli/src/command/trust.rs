//! `orch trust`: what a person allows a project.

use std::path::Path;

use orch::{config::load, ux::command};
use serde_json::json;

use super::{print, print_json};
use crate::{
    args::TrustArgs,
    exit::{Exit, Failure},
    project::Project,
    trust::{self, Proposal, Standing},
};

pub(crate) fn trust(project: &Project, args: &TrustArgs, json: bool) -> Result<Exit, Failure> {
    if args.revoke {
        return revoke(project, json);
    }
    let proposal = Proposal::of(project.load_options(), project.trust_records()?)?;
    if args.show {
        return show(&proposal, json);
    }
    let directory = proposal.evidence.directory.display();
    if proposal.standing() != Standing::Trusted {
        if args.yes {
            proposal.accept()?;
        } else if !trust::can_ask(json) {
            let message = format!("trust {directory}: there is nobody to ask");
            return Err(Failure::usage("orch::cli::nobody-to-ask", message).help(format!(
                "look at it with `{} --show`, then say `{}`",
                command::TRUST.form,
                command::trusting(project.directory())
            )));
        } else if !trust::ask(&proposal)? {
            print(&format!("{directory} is not trusted"))?;
            return Ok(Exit::Error);
        }
    }
    match (json, &proposal.granted_by) {
        (true, granted) => print_json(&json!({
            "directory": proposal.evidence.directory, "standing": Standing::Trusted, "grantedBy": granted,
        }))?,
        (false, Some(granted)) => print(&format!("{directory} is trusted: {}", grant(granted)))?,
        (false, None) => print(&format!("{directory} is trusted, as it is now"))?,
    }
    Ok(Exit::Success)
}

fn show(proposal: &Proposal, json: bool) -> Result<Exit, Failure> {
    if !json {
        print(&proposal.describe())?;
        return Ok(Exit::Success);
    }
    print_json(&json!({
        "directory": proposal.evidence.directory, "standing": proposal.standing(), "reach": proposal.reach,
        "files": proposal.evidence.files.keys().collect::<Vec<_>>(), "changes": proposal.changes(),
        "grantedBy": proposal.granted_by,
    }))?;
    Ok(Exit::Success)
}

fn grant(directory: &Path) -> String {
    format!("your own file trusts everything in {} (`trust`)", directory.display())
}

fn revoke(project: &Project, json: bool) -> Result<Exit, Failure> {
    let revoked = project.trust_records()?.revoke(project.directory())?;
    let directory = project.directory();
    // A file that is broken grants nothing.
    let granted = load(&project.load_options()).ok().and_then(|loaded| loaded.granted_by);
    let standing = if granted.is_some() { Standing::Trusted } else { Standing::Untrusted };
    if json {
        print_json(&json!({
            "directory": directory, "standing": standing, "revoked": revoked, "grantedBy": granted,
        }))?;
    } else if let Some(granted) = granted {
        print(&format!("{} is still trusted: {}", directory.display(), grant(&granted)))?;
    } else {
        let what = if revoked { "is no longer trusted" } else { "was not trusted" };
        print(&format!("{} {what}", directory.display()))?;
    }
    Ok(Exit::Success)
}
