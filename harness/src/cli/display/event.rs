//! One event of a run as a line of text.

use meshdrill_checks::record::{Event, Phase, Sample};
use meshdrill_checks::units::counted;

/// What an event looks like while a run goes on.
pub(super) enum Shown<'a> {
    /// A sample of a probe.
    Sample(&'a str, &'a Sample),
    /// A phase began.
    Phase(Phase),
    /// A line of text.
    Text(String),
    /// A line about something that went wrong.
    Trouble(String),
    /// The run ended.
    End,
    /// It only fills the record.
    Nothing,
}

impl<'a> Shown<'a> {
    pub fn of(event: &'a Event) -> Self {
        Self::Text(match event {
            Event::Sample { probe, sample } => return Self::Sample(probe, sample),
            Event::Phase { phase } => return Self::Phase(*phase),
            Event::Finished => return Self::End,
            Event::ProbeReady { .. }
            | Event::ProbeStopped { .. }
            | Event::Control { .. }
            | Event::ClusterIdentified { .. }
            | Event::ClockChecked { .. } => return Self::Nothing,
            Event::Crashed { why } => return Self::Trouble(format!("CRASHED: {why}")),
            Event::FaultIneffective { fault, why } => return Self::Trouble(format!("{fault} WITHOUT EFFECT: {why}")),
            Event::UndoFailed { fault, why } => return Self::Trouble(format!("UNDO of {fault} FAILED: {why}")),
            Event::FaultLapsed { fault, why, .. } => {
                return Self::Trouble(format!("{fault} ENDED BEFORE ITS TIME: {why}"));
            }
            Event::Aborted { why } => return Self::Trouble(format!("aborted: {why}")),
            Event::Interrupted { by, injected: true } => return Self::Trouble(format!("interrupted by {by}")),
            Event::Interrupted { by, injected: false } => format!("interrupted by {by}"),
            Event::Started(header) => format!("started, run {}", header.id),
            Event::Refused { why } => format!("refused: {why}"),
            Event::ProbeFailed { probe, why } => format!("{probe} cannot measure: {why}"),
            Event::Check { id, stage, verdict, message, .. } => format!("{} {id}: {verdict}: {message}", stage.key()),
            Event::Infeasible { criterion, why } => format!("{criterion} is infeasible: {why}"),
            Event::ReadBack { probe, found } => {
                format!("{probe}: {} of {} acknowledged writes lost", found.lost.len(), found.acknowledged)
            }
            Event::NotRun { id, reason, .. } => format!("{id}: not run: {reason}"),
            Event::SteadyState { met: true, message } => format!("steady state: {message}"),
            Event::SteadyState { met: false, message } => format!("NO steady state: {message}"),
            Event::FaultRequested { fault, targets, .. } => format!("{fault} requested: {}", targets.join(", ")),
            Event::FaultEffective { fault, proof, .. } => format!("{fault} effective: {proof}"),
            Event::FaultHeld { fault, observations, .. } => {
                format!("{fault} held: observed in effect {observations} times")
            }
            Event::TargetReplaced { target, by, .. } => format!("{target} replaced by {by}"),
            Event::UndoRequested { undo, .. } => format!("undo: {undo}"),
            Event::UndoVerified { proof, .. } => format!("undo verified: {proof}"),
            // The final screen has the whole text.
            Event::Recovery { verified: true, .. } => "recovery verified".to_owned(),
            Event::Recovery { verified: false, leftovers, .. } => {
                return Self::Trouble(format!("RECOVERY NOT VERIFIED: {}", counted(leftovers.len(), "problem")));
            }
            Event::Note { text } => format!("note: {text}"),
        })
    }
}
