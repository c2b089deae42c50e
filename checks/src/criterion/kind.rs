//! What every criterion can do.

use super::{During, Mismatch, ProbeFacts, SubjectFacts};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::stats::Confidence;
use crate::verdict::Verdict;

/// A claim of one kind.
pub(crate) trait CriterionKind {
    /// The name of the criterion in the scenario format.
    fn name(&self) -> &'static str;
    /// The part of the id after the subject.
    fn id_suffix(&self) -> String;
    /// The target as people write it: `>= 99.95%`, `< 5m`.
    fn target(&self) -> String;
    /// The limit of the measured value, in the unit of the value; none where the target is no single number.
    fn limit(&self) -> Option<Limit> {
        None
    }
    /// The part of the run that its row names; none for criteria that judge no part.
    fn during(&self) -> Option<During> {
        None
    }
    /// The part of the run whose samples decide it.
    fn sampled_in(&self) -> During {
        self.during().unwrap_or_default()
    }
    /// How many clean samples it needs to pass; none where a few are enough, or no number is.
    fn needed_samples(&self, _: Confidence) -> Option<u64> {
        None
    }
    /// The share of good samples that it asks for: a drill is laid out so that it passes with some bad ones.
    fn good_share(&self) -> Option<f64> {
        None
    }
    /// Whether more samples, of a kind that a longer observation yields, can decide it.
    fn is_decided_by_more(&self) -> bool {
        false
    }
    /// Whether it can judge a subject.
    fn accepts(&self, _: &SubjectFacts) -> Result<(), Mismatch> {
        Ok(())
    }
    /// Fills in what only the probe knows.
    fn resolve(&mut self, _: &ProbeFacts) {}
    /// Judges a probe.
    fn judge_probe(&self, _: &ProbeEvidence<'_>, _: &Context<'_>) -> Judgement {
        let message = format!("{} judges a fault, not a probe", self.name());
        Judgement::without_value(Verdict::Error, Unit::Seconds, message)
    }
    /// Judges a fault.
    fn judge_fault(&self, _fault: &str, _: &Context<'_>) -> Judgement {
        Judgement::without_value(Verdict::Error, Unit::None, "this criterion judges a probe, not a fault")
    }
}

/// Whether more samples of an observation after the fault add to a part of the run.
pub(super) const fn grows(during: During) -> bool {
    matches!(during, During::All | During::Recovered)
}
