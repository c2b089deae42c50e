//! The decision, as scripts read it. Changes are additive only.

use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

use meshdrill_checks::findings::Finding;

/// GO or NO-GO, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// `meshdrill.io/signoff/v1`.
    pub schema: &'static str,
    /// What is signed off.
    pub name: String,
    /// `GO` only if every line is backed.
    pub decision: &'static str,
    /// When it was decided, RFC 3339 in UTC.
    pub decided: String,
    /// How old evidence may be.
    pub max_age: String,
    /// The clusters that the mesh file names, else those that most of the runs are of.
    pub clusters: Vec<Seen>,
    /// The lines, in order.
    pub lines: Vec<DecidedLine>,
    /// Runs that are not as they were made, whatever they are of.
    pub altered: Vec<String>,
    /// Failed criteria of drills that no later run has closed, and those that one has.
    pub findings: Vec<Finding>,
    /// Why it is NO-GO, one sentence for each reason.
    pub reasons: Vec<String>,
}

impl Decision {
    /// Whether it is GO.
    pub fn is_go(&self) -> bool {
        self.decision == GO
    }

    /// How many lines are in order.
    pub fn in_order(&self) -> usize {
        self.lines.iter().filter(|line| line.ok).count()
    }
}

pub(crate) const GO: &str = "GO";
pub(crate) const NO_GO: &str = "NO-GO";

/// A cluster, and its versions in the newest run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its key in the mesh file.
    pub cluster: String,
    /// The UID of its namespace kube-system.
    pub uid: String,
    /// The version of its API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// The version of its istiod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub istio: Option<String>,
}

/// One claim, decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedLine {
    /// The claim.
    pub claim: String,
    /// Whether all of it is in order.
    pub ok: bool,
    /// Its evidence.
    pub items: Vec<DecidedRun>,
}

/// One thing that a claim rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedRun {
    /// `SCENARIO@BINDING`, or the key of an attestation.
    pub title: String,
    /// What became of it.
    pub state: State,
    /// In words: what backs it, or what is wrong with it.
    pub message: String,
    /// The command that would settle it; none where none would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The directory of the run that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When that began, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// What that measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Backing>,
}

/// What became of a thing that a claim rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A fresh, intact run of these clusters passed.
    Backed,
    /// A person attests it.
    Attested,
    /// The mesh file waives it.
    Waived,
    /// There is no run of it on clusters.
    Missing,
    /// The newest run is too old.
    Stale,
    /// The newest run did not decide it.
    Inconclusive,
    /// The newest run failed.
    Failed,
    /// The newest run could not measure it, or was refused.
    Error,
    /// The newest run is not as it was made.
    Altered,
    /// The newest run is of other clusters, or does not say of which.
    OtherClusters,
    /// The newest run is of other versions of Istio or Kubernetes.
    OtherVersions,
    /// Nobody attests it.
    NotEvidenced,
}

impl State {
    /// Whether it makes the decision NO-GO.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Backed | Self::Attested | Self::Waived)
    }

    /// As people read it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backed => "backed",
            Self::Attested => "attested",
            Self::Waived => "waived",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Altered => "altered",
            Self::OtherClusters => "other clusters",
            Self::OtherVersions => "other versions",
            Self::NotEvidenced => "not evidenced",
        }
    }
}

/// One criterion of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backing {
    /// Its id.
    pub id: String,
    /// Its target.
    pub target: String,
    /// The measured value with its interval and n, in words.
    pub measured: String,
    /// The judgement.
    pub verdict: Verdict,
}
