//! What can happen in a run. `History` and the live progress display match exhaustively; everything else
//! reads the history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, CheckStage, ClusterFacts, Header, Sample};
use crate::units::TimeSpan;
use crate::verdict::Verdict;

/// The fixed phases of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Everything that must be true before anything is touched.
    Preflight,
    /// Probes run, nothing is broken yet.
    Baseline,
    /// Faults are being injected.
    Inject,
    /// A sustained fault is held.
    Hold,
    /// The damage is undone.
    Undo,
    /// Probes go on until recovery is sustained.
    Observe,
    /// The last checks, and the proof that nothing is left.
    Verify,
}

impl Phase {
    /// The word used in files and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Baseline => "baseline",
            Self::Inject => "inject",
            Self::Hold => "hold",
            Self::Undo => "undo",
            Self::Observe => "observe",
            Self::Verify => "verify",
        }
    }
}

/// What became of what a probe wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadBack {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Those of them that are not there.
    pub lost: Vec<String>,
    /// Those of which it could not be found out.
    pub unread: u64,
    /// Why not.
    pub why: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began; always the first event.
    Started(Box<Header>),
    /// A phase began.
    Phase {
        /// Which one.
        phase: Phase,
    },
    /// Preflight ended the run: nothing was injected.
    Refused {
        /// What stood in the way, and the remedy.
        why: String,
    },
    /// The runner itself failed: a bug of ours, whatever was measured.
    Crashed {
        /// Where.
        why: String,
    },
    /// A probe's sampler is running and has made its first observation.
    ProbeReady {
        /// The probe.
        probe: String,
    },
    /// A probe could not start, or died.
    ProbeFailed {
        /// The probe.
        probe: String,
        /// Why.
        why: String,
    },
    /// A probe ended its schedule.
    ProbeStopped {
        /// The probe.
        probe: String,
        /// How many observations its schedule held until then, over all its series.
        planned: u64,
    },
    /// One observation of a probe.
    Sample {
        /// The probe.
        probe: String,
        /// What was observed.
        #[serde(flatten)]
        sample: Sample,
    },
    /// A control target was asked whether anything reaches the runner at all.
    Control {
        /// Which.
        target: String,
        /// Whether nothing that the run breaks can touch it.
        outside: bool,
        /// When it was asked.
        asked: At,
        /// Whether anything came back, even an error.
        answered: bool,
    },
    /// What a probe wrote was read back at the end.
    ReadBack {
        /// The probe.
        probe: String,
        /// What came of it.
        found: ReadBack,
    },
    /// A criterion that no run on this mesh can meet, known before anything is broken.
    Infeasible {
        /// Its id.
        criterion: String,
        /// What its target stands against.
        why: String,
    },
    /// A check was asked; the last answer under its id counts.
    Check {
        /// Its id.
        id: String,
        /// Where it stands in the scenario.
        stage: CheckStage,
        /// Its verdict.
        verdict: Verdict,
        /// The measured value first, then what was expected.
        message: String,
        /// The facts that it is judged by.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        observed: Value,
    },
    /// A check, a probe or the whole scenario was left out because the environment lacks what it needs.
    NotRun {
        /// The id of the check or probe; `scenario` for all of it.
        id: String,
        /// What is missing, and who waived it.
        reason: String,
        /// Whether a valid waiver of the mesh file covers it.
        waived: bool,
    },
    /// The steady state was judged before injection.
    SteadyState {
        /// Whether it held.
        met: bool,
        /// What was seen.
        message: String,
    },
    /// A fault was requested of the cluster.
    FaultRequested {
        /// The fault.
        fault: String,
        /// The objects it targets, as namespace/name or name.
        targets: Vec<String>,
        /// Their UIDs, in the same order; empty where an object has none, such as one that the fault creates. Records of
        /// older versions have none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uids: Vec<String>,
    },
    /// A fault took effect, as its proof shows.
    FaultEffective {
        /// The fault.
        fault: String,
        /// When the cluster accepted it, or it was asked for, if no answer came back: the earliest that it can have taken
        /// hold. Records of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<At>,
        /// What proves it.
        proof: String,
    },
    /// A fault was requested and no effect was observed.
    FaultIneffective {
        /// The fault.
        fault: String,
        /// What was looked for.
        why: String,
    },
    /// A sustained fault was in effect until its undo.
    FaultHeld {
        /// The fault.
        fault: String,
        /// When it was last observed to be in effect.
        seen: At,
        /// How often it was observed while it was held, its effect at the beginning included.
        observations: u32,
        /// The longest time between two observations.
        gap: TimeSpan,
    },
    /// A sustained fault was not in effect for as long as it was meant to be held, or could not be observed to be.
    FaultLapsed {
        /// The fault.
        fault: String,
        /// When it was last observed to be in effect.
        seen: At,
        /// How long it was meant to be held.
        hold: TimeSpan,
        /// What was observed instead, and who did it where that is known.
        why: String,
    },
    /// A target that the fault removed has a replacement that is ready.
    TargetReplaced {
        /// The fault.
        fault: String,
        /// The object removed.
        target: String,
        /// The object that took its place.
        by: String,
    },
    /// An undo was begun.
    UndoRequested {
        /// The fault.
        fault: String,
        /// What it does.
        undo: String,
    },
    /// An undo was verified.
    UndoVerified {
        /// The fault.
        fault: String,
        /// What proves it.
        proof: String,
    },
    /// An undo could not be done or not be verified.
    UndoFailed {
        /// The fault.
        fault: String,
        /// Why.
        why: String,
    },
    /// A live criterion of `abortWhen` was breached.
    Aborted {
        /// Which, and by what.
        why: String,
    },
    /// A signal, a halt object or a lost lease ended the run early.
    Interrupted {
        /// Which.
        by: String,
        /// Whether a fault had been requested by then.
        injected: bool,
    },
    /// Recovery was judged at the end.
    Recovery {
        /// Whether everything is as it was before.
        verified: bool,
        /// What is left over, each with its place.
        leftovers: Vec<String>,
        /// What was looked at.
        message: String,
    },
    /// A cluster of the run was identified in preflight.
    ClusterIdentified {
        /// Its key in the mesh file.
        cluster: String,
        /// What was read.
        #[serde(flatten)]
        facts: ClusterFacts,
    },
    /// The wall clock of this machine was compared with its monotonic clock at the end.
    ClockChecked {
        /// How far the wall clock moved against the monotonic one since the start, in seconds.
        moved: f64,
    },
    /// Something a reader of the report should know.
    Note {
        /// What.
        text: String,
    },
    /// The run ended; always the last event of a complete record.
    Finished,
}

/// One line of the record: an event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// When.
    pub at: At,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
