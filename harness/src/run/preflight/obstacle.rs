//! What keeps a run, or a part of it, from taking place, and the exit code that follows.

use std::fmt;

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::{Event, SCENARIO};

/// One reason why a run, or a part of it, does not take place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The run is refused: nothing is injected.
    Refused(String),
    /// The environment lacks what the scenario, a probe or a check needs.
    NotRun {
        /// The id of the probe or check, or `scenario`.
        id: String,
        /// What is missing.
        reason: String,
        /// Whether a valid waiver of the mesh file covers it.
        waived: bool,
    },
    /// No run on this mesh can meet a criterion.
    Infeasible {
        /// The criterion's id.
        criterion: String,
        /// The floor of what it waits for.
        why: String,
    },
    /// A probe of a validation cannot be asked.
    Unprepared {
        /// Its name.
        probe: String,
        /// Why.
        why: String,
    },
}

impl Obstacle {
    /// Whether it ends the run.
    pub fn stops(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Infeasible { .. } => true,
            Self::NotRun { id, .. } => id == SCENARIO,
            Self::Unprepared { .. } => false,
        }
    }

    /// The exit code of a run that meets it and nothing else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::Refused,
            Self::Infeasible { .. } => ExitCode::Fail,
            Self::NotRun { id, waived, .. } => {
                if *waived && id != SCENARIO {
                    ExitCode::Pass
                } else {
                    ExitCode::Inconclusive
                }
            }
            Self::Unprepared { .. } => ExitCode::Invalid,
        }
    }

    /// Whether it is a waived scenario, which does not count in a suite.
    pub fn is_waived_scenario(&self) -> bool {
        matches!(self, Self::NotRun { id, waived: true, .. } if id == SCENARIO)
    }

    /// The word it is listed under.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NotRun { .. } => "not-run",
            Self::Infeasible { .. } => "infeasible",
            Self::Unprepared { .. } => "error",
        }
    }

    /// The entry of the record.
    pub(crate) fn event(&self) -> Event {
        match self.clone() {
            Self::Refused(why) => Event::Refused { why },
            Self::NotRun { id, reason, waived } => Event::NotRun { id, reason, waived },
            Self::Infeasible { criterion, why } => Event::Infeasible { criterion, why },
            Self::Unprepared { probe, why } => Event::ProbeFailed { probe, why },
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::NotRun { id, reason, waived } => {
                write!(f, "{id}: {reason}{}", if *waived { " (waived)" } else { "" })
            }
            Self::Infeasible { criterion, why } => write!(f, "{criterion}: {why}"),
            Self::Unprepared { probe, why } => write!(f, "probe {probe} cannot start: {why}"),
        }
    }
}
