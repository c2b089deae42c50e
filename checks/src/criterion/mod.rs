//! Criteria: one SLA line each, with a target and the confidence at which it is judged. One file per criterion.
//!
//! A new criterion is a file with its struct and its `impl`s of [`CriterionRow`] and `CriterionKind`, its `mod` and `use` lines
//! here, and its entry in the list below.

mod availability;
mod data_loss;
mod detection_time;
mod endpoints;
mod error_budget;
mod error_rate;
mod jitter;
mod kind;
mod latency;
mod max_outage;
mod notification;
mod packet_loss;
mod quantile;
mod recovery_time;
mod restart_time;
mod row;
mod rtt;
mod share;
mod split;
mod subject;
mod target;
mod time_limit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::window::During;
pub use availability::Availability;
pub use data_loss::DataLoss;
pub use detection_time::DetectionTime;
pub use endpoints::{Endpoints, EndpointsClaim};
pub use error_budget::ErrorBudget;
pub use error_rate::ErrorRate;
pub use jitter::Jitter;
pub(crate) use kind::CriterionKind;
pub use latency::Latency;
pub use max_outage::MaxOutage;
pub use packet_loss::PacketLoss;
pub use recovery_time::RecoveryTime;
pub use restart_time::RestartTime;
pub use row::{CriterionRow, RowKey, RowOptions, RowProblem, SlaDefaults, SubjectKind};
pub use rtt::Rtt;
pub use split::{BY_CLUSTER, Split};
pub use subject::{Measure, Mismatch, ProbeFacts, Subject, SubjectFacts};
pub use target::{DEFAULT_WORD, DrillWord, LossTarget, OrDefault, Over, Quantiles, Word};

use crate::figure::Limit;
use crate::stats::Confidence;
use crate::units::Ratio;

/// An entry is a criterion as a scenario names it; more claims after it are what one row may mean as well.
macro_rules! criteria {
    ($($(#[doc = $doc:literal])+ $row:ident $(, $(#[doc = $also_doc:literal])+ $also:ident)* ;)*) => {
        /// What is claimed.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum CriterionSpec {
            $($(#[doc = $doc])+ $row(<$row as CriterionRow>::Value),)*
        }

        impl CriterionSpec {
            /// The claims of a row. What is wrong with the row is added to the problems of `options`.
            pub fn claims(&self, options: &mut RowOptions<'_>) -> Vec<Claim> {
                match self { $(Self::$row(value) => $row::claims(value, options),)* }
            }

            /// The keys that a row with this criterion takes.
            pub const fn keys(&self) -> &'static [RowKey] {
                match self { $(Self::$row(_) => $row::KEYS,)* }
            }

            /// Whether it judges a probe or a fault.
            pub const fn subject(&self) -> SubjectKind {
                match self { $(Self::$row(_) => $row::SUBJECT,)* }
            }

            /// Why it means nothing in a scenario without faults; none if it does mean something.
            pub const fn without_fault(&self) -> Option<&'static str> {
                match self { $(Self::$row(_) => $row::WITHOUT_FAULT,)* }
            }

            /// The names of the criteria whose rows take a key.
            pub fn names_with(key: RowKey) -> Vec<&'static str> {
                let all = [$(($row::NAME, $row::KEYS),)*];
                all.into_iter().filter(|(_, keys)| keys.contains(&key)).map(|(name, _)| name).collect()
            }
        }

        /// What is claimed, with nothing left to resolve.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "camelCase")]
        pub enum Claim {
            $($(#[doc = $doc])+ $row($row), $($(#[doc = $also_doc])+ $also($also),)*)*
        }

        impl Claim {
            /// The claim, as what every criterion can do.
            pub(crate) fn as_kind(&self) -> &dyn CriterionKind {
                match self { $(Self::$row(claim) => claim, $(Self::$also(claim) => claim,)*)* }
            }

            fn as_kind_mut(&mut self) -> &mut dyn CriterionKind {
                match self { $(Self::$row(claim) => claim, $(Self::$also(claim) => claim,)*)* }
            }
        }

        $(
            impl From<$row> for Claim {
                fn from(claim: $row) -> Self {
                    Self::$row(claim)
                }
            }
            $(
                impl From<$also> for Claim {
                    fn from(claim: $also) -> Self {
                        Self::$also(claim)
                    }
                }
            )*
        )*
    };
}

criteria! {
    /// The share of good samples: right, and not later than `slow` of the probe; with `over: 30d`, the part of that window's error budget that the drill spent.
    Availability,
        /// The down time of the run as a part of a longer window's error budget.
        ErrorBudget;
    /// The time from when the fault took effect to the end of the outage.
    RecoveryTime;
    /// The longest stretch of down time.
    MaxOutage;
    /// The share of bad samples: failed, wrong, or later than `slow` of the probe.
    ErrorRate;
    /// The share of lost packets.
    PacketLoss;
    /// Quantiles of the time to a good answer: `{ p99: 300ms }`. A failed request counts as infinitely slow.
    Latency;
    /// Quantiles of the difference between the latencies of consecutive good samples: `{ p99: 50ms }`. A failed request has
    /// no latency and breaks the pair.
    Jitter;
    /// Quantiles of the round-trip time.
    Rtt;
    /// The time from the removal of a pod until its replacement is ready; for faults that remove pods (`deletePods`, `evictPods`).
    RestartTime;
    /// Which endpoints of a proxy answered requests.
    Endpoints;
    /// Whether the answers match the declared weights: `{ version: { v1: 50, v2: 50 }, cluster: { home: 70, others: 30 } }`.
    Split;
    /// The time from when the fault took effect to the last stage of an alert: by default, a receiver is notified.
    DetectionTime;
    /// The share of acknowledged writes that cannot be read back; 0 or `0%` for none.
    DataLoss;
}

impl Claim {
    /// The name of the criterion in the scenario format.
    pub fn kind(&self) -> &'static str {
        self.as_kind().name()
    }

    /// The part of the id after the subject.
    pub fn id_suffix(&self) -> String {
        self.as_kind().id_suffix()
    }

    /// The target as people write it: `>= 99.95%`, `< 5m`.
    pub fn target(&self) -> String {
        self.as_kind().target()
    }

    /// The limit of the measured value, in the unit of the value; none where the target is no single number.
    pub fn limit(&self) -> Option<Limit> {
        self.as_kind().limit()
    }

    /// The part of the run that its row names; none for criteria that judge no part.
    pub fn during(&self) -> Option<During> {
        self.as_kind().during()
    }

    /// The part of the run whose samples decide it.
    pub fn sampled_in(&self) -> During {
        self.as_kind().sampled_in()
    }

    /// Whether more samples, of a kind that a longer observation yields, can decide it.
    pub(crate) fn is_decided_by_more(&self) -> bool {
        self.as_kind().is_decided_by_more()
    }

    /// The share of good samples that it asks for; none where it asks for no share.
    pub fn good_share(&self) -> Option<f64> {
        self.as_kind().good_share()
    }

    /// Whether it can judge a subject.
    pub fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        self.as_kind().accepts(subject)
    }

    /// The same claim with what only the probe knows filled in.
    #[must_use]
    pub fn on_probe(mut self, probe: &ProbeFacts) -> Self {
        self.as_kind_mut().resolve(probe);
        self
    }
}

/// One criterion of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Criterion {
    /// `SUBJECT/KIND[-QUALIFIER]`; never a measured value in it.
    pub id: String,
    /// The probe or fault that it judges.
    pub subject: Subject,
    /// What is claimed.
    #[serde(flatten)]
    pub claim: Claim,
    /// The one-sided confidence of its bounds.
    pub confidence: Ratio,
}

impl Criterion {
    /// How many clean samples it needs to pass; none where a few are enough, or no number is.
    pub fn needed_samples(&self) -> Option<u64> {
        self.claim.as_kind().needed_samples(Confidence::new(self.confidence.get()).ok()?)
    }
}
