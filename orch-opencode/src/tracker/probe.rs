//! Asks once what became of a prompt, for instance after a restart.

use tokio::time::Instant;

use super::follow::look_around;
use super::judge::{Reading, judge};
use super::lineage::Lineage;
use super::meter::add_descendants;
use super::turn::Settled;
use super::watch::Patience;
use crate::error::{HostError, HostErrorKind};
use crate::host::OpenCode;
use crate::id::{MessageId, SessionId};
use crate::session::SessionStatus;

/// What became of a prompt.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Probed {
    /// It has ended, well or badly; never with [`Settled::Interrupted`] or [`Settled::NeverStarted`].
    Finished(Box<Settled>),
    /// It goes on; follow it.
    Running,
    /// It was admitted, the session is at rest, and there is no answer.
    Interrupted,
    /// The session is there and our message is not: it may be sent, with the same ids.
    NeverArrived,
    /// The session is gone; nothing can be said.
    Unknown,
}

/// Finds out what became of a prompt. Takes up to [`Patience::linger`], because one look at a session at rest proves
/// nothing. Changes nothing on the host.
///
/// # Errors
/// When the host cannot be asked; then nothing is known either, and asking again is safe.
pub async fn probe(
    host: &dyn OpenCode,
    session: &SessionId,
    message: &MessageId,
    patience: &Patience,
) -> Result<Probed, HostError> {
    match host.session(session).await {
        Err(error) if error.kind() == HostErrorKind::NotFound => return Ok(Probed::Unknown),
        other => other?,
    };
    let begun = Instant::now();
    let mut lineage = Lineage::of(session.clone());
    loop {
        let snapshot = look_around(host, session, &mut lineage).await?;
        let messages = host.messages_from(session, message).await?;
        let at_work = snapshot.status.as_ref().is_some_and(|status| *status != SessionStatus::Idle);
        let (probed, needed) = match judge(&messages, message) {
            Reading::Final(mut settled) => {
                add_descendants(host, &mut settled).await;
                return Ok(Probed::Finished(Box::new(settled)));
            }
            // A request that was on its way when its sender died is taken a moment later.
            Reading::Absent => (Probed::NeverArrived, patience.linger),
            _ if at_work => return Ok(Probed::Running),
            Reading::Unanswered | Reading::AtRest(Settled::Interrupted(_)) => {
                (Probed::Interrupted, patience.linger)
            }
            Reading::AtRest(settled) => (Probed::Finished(Box::new(settled)), patience.settle),
        };
        let seen = begun.elapsed();
        if seen >= needed {
            let mut probed = probed;
            if let Probed::Finished(settled) = &mut probed {
                add_descendants(host, settled).await;
            }
            return Ok(probed);
        }
        tokio::time::sleep((needed - seen).min(patience.settle)).await;
    }
}
