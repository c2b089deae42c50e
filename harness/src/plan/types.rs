//! A plan: one run, with nothing left to decide before the clusters are asked.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use meshdrill_checks::criterion::Criterion;
use meshdrill_checks::record::Series;
use meshdrill_checks::scorecard::titled;
use meshdrill_checks::units::TimeSpan;
use serde::Serialize;

use crate::fault::FaultKind;
use crate::probe::ProbeKind;
use crate::spec::{Binding, Repeat, Stage};

/// One run, as it would happen.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// Names that it had before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its suite; empty if it has none.
    pub suite: String,
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the text of its file, in hex.
    #[serde(skip)]
    pub sha256: String,
    /// What it shows if it passes.
    pub objective: String,
    /// What `forEach` bound.
    pub binding: Binding,
    /// What the environment must have.
    pub needs: Vec<String>,
    /// The clusters that it contacts.
    pub clusters: BTreeSet<String>,
    /// The clusters it breaks.
    pub broken: BTreeSet<String>,
    /// The timeline.
    pub phases: Phases,
    /// The probes.
    pub probes: Vec<PlannedProbe>,
    /// The faults.
    pub faults: Vec<PlannedFault>,
    /// The checks of all stages.
    pub checks: Vec<PlannedCheck>,
    /// The criteria.
    pub criteria: Vec<Criterion>,
    /// The criteria that end the fault when they are breached.
    pub abort_when: Vec<Criterion>,
    /// Every default that was filled in, in words.
    pub defaults: Vec<String>,
    /// What the author should know: lines that make a conclusive pass impossible, and the like.
    pub warnings: Vec<PlanWarning>,
}

/// What the author of a scenario should know. Written as text.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanWarning {
    /// A clean run has too few samples for a criterion to pass.
    TooFewSamples {
        /// Its id.
        criterion: String,
        /// How many samples it needs.
        needed: u64,
        /// About how many there will be.
        planned: f64,
        /// Which line to change, and how.
        remedy: String,
    },
    /// A latency target is so short that what the runner adds decides it.
    NearTheRunner {
        /// The criterion's id.
        criterion: String,
        /// The target.
        target: TimeSpan,
    },
}

impl fmt::Display for PlanWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewSamples { criterion, needed, planned, remedy } => write!(
                f,
                "{criterion} cannot be conclusive: a clean run needs {needed} samples and this plan yields {planned:.0}; {remedy}"
            ),
            Self::NearTheRunner { criterion, target } => write!(
                f,
                "{criterion}: the runner adds about 0.1 ms at P99 on a quiet machine and 1 ms or more on a busy one, which counts against the target of {target}; the report shows it as the phase `runner`"
            ),
        }
    }
}

impl Serialize for PlanWarning {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The timeline of a run.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// Before the fault.
    pub baseline: TimeSpan,
    /// After the undo.
    pub observe: TimeSpan,
    /// The longest that recovery is waited for: that of the probes, and that of a recovered check without a `within`.
    pub recovery: TimeSpan,
    /// The longest that an undo is waited for until it is seen, however soon the probes must recover.
    pub undo: TimeSpan,
    /// The longest a validation may take.
    pub timeout: TimeSpan,
    /// Whether it is observed longer while that may decide a criterion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conclusive: bool,
}

/// A probe.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedProbe {
    /// Its key in the scenario, with `@CLUSTER` where that was expanded.
    pub name: String,
    /// What it observes.
    pub kind: ProbeKind,
    /// Its period.
    pub every: TimeSpan,
    /// The longest one observation may take.
    pub timeout: TimeSpan,
    /// The bound beyond which a right answer is late.
    pub slow: TimeSpan,
    /// The connections it samples with.
    pub series: Vec<Series>,
    /// Observations made in one go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<TimeSpan>,
    /// What the environment must have.
    pub needs: Vec<String>,
}

/// A check.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCheck {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub stage: Stage,
    /// What it observes.
    pub kind: ProbeKind,
    /// Poll until it holds, at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<TimeSpan>,
    /// What the environment must have.
    pub needs: Vec<String>,
}

/// From the first fault to the end of the last, if each takes hold at once; a second for one that ends by itself.
pub fn faulted(faults: &[PlannedFault]) -> TimeSpan {
    let held = faults.iter().map(|fault| {
        let repeats =
            fault.repeat.map_or(Duration::ZERO, |repeat| repeat.every.0.saturating_mul(repeat.times.max(1) - 1));
        let held = if fault.kind.as_behavior().sustained() { fault.hold.0 } else { Duration::from_secs(1) };
        fault.after.0.saturating_add(repeats).saturating_add(held)
    });
    TimeSpan(held.max().unwrap_or_default())
}

/// A fault.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedFault {
    /// `f1`, `f2`, … with `@CLUSTER` where that was expanded.
    pub id: String,
    /// What it breaks.
    pub kind: FaultKind,
    /// Offset from the start of injection.
    pub after: TimeSpan,
    /// How long it is held, if it is sustained.
    pub hold: TimeSpan,
    /// Repetition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Proof of effect beyond its own.
    pub effect: Vec<PlannedCheck>,
    /// Picks targets where not all are meant; the run's.
    #[serde(skip)]
    pub seed: u64,
}

impl Plan {
    /// Whether something is broken.
    pub fn is_drill(&self) -> bool {
        !self.faults.is_empty()
    }

    /// `name`, or `name@binding`.
    pub fn title(&self) -> String {
        titled(&self.name, &self.binding.label())
    }

    /// About how long it takes if nothing goes wrong.
    pub fn duration(&self) -> TimeSpan {
        if !self.is_drill() {
            let sampled = if self.probes.is_empty() { TimeSpan::secs(1) } else { self.phases.observe };
            return sampled;
        }
        TimeSpan(self.phases.baseline.0 + faulted(&self.faults).0 + self.phases.observe.0)
    }

    /// About how many samples a probe makes if nothing goes wrong.
    pub fn samples(&self, probe: &PlannedProbe) -> f64 {
        self.duration().as_secs_f64() / probe.every.as_secs_f64() * probe.series.len() as f64
    }

    /// Whether something in it judges by every cluster of the mesh, not only by those it names.
    pub fn needs_all_clusters(&self) -> bool {
        let kinds = self.probes.iter().map(|probe| &probe.kind).chain(self.checks.iter().map(|check| &check.kind));
        let faults = self.faults.iter().any(|fault| fault.kind.as_behavior().needs_all_clusters());
        faults || kinds.into_iter().any(ProbeKind::needs_all_clusters)
    }
}
