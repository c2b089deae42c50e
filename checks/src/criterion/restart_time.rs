//! Restart time: from the removal of each target to its replacement being ready.

use serde::{Deserialize, Serialize};

use super::{Claim, CriterionKind, CriterionRow, Mismatch, OrDefault, RowOptions, SubjectFacts, SubjectKind};
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::units::{TimeSpan, seconds};
use crate::verdict::Verdict;

/// Every target must have a ready replacement in less than the target time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestartTime {
    /// Less than this.
    pub target: TimeSpan,
}

impl CriterionRow for RestartTime {
    type Value = OrDefault<TimeSpan>;
    const NAME: &'static str = "restartTime";
    const SUBJECT: SubjectKind = SubjectKind::Fault;
    const WITHOUT_FAULT: Option<&'static str> = Some("a validation breaks nothing, so nothing is restarted");

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let default = options.defaults.restart_time;
        options.value(Self::NAME, *value, default).map(|target| Self { target }.into()).into_iter().collect()
    }
}

impl CriterionKind for RestartTime {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "restart-time".into()
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        let removes = matches!(subject, SubjectFacts::Fault { removes_pods: true });
        removes.then_some(()).ok_or(Mismatch {
            message: "this fault removes no pods, so nothing is replaced",
            help: "name a fault that deletes pods",
        })
    }

    fn judge_fault(&self, fault: &str, context: &Context<'_>) -> Judgement {
        let Some(restarts) = context.evidence.history.faults.get(fault).filter(|fault| fault.requested.is_some())
        else {
            return Judgement::without_value(Verdict::Error, Unit::Seconds, "this fault removed no pod");
        };
        let n = restarts.removed;
        let missing = n.saturating_sub(restarts.replaced.len());
        let slowest = restarts.replaced.iter().max().copied();
        let waited = restarts.first_requested.map_or(0.0, |first| context.evidence.end.since(first).as_secs_f64());
        let (verdict, message) = match (missing, slowest) {
            (0, Some(slowest)) => {
                let verdict = if slowest < self.target.0 { Verdict::Pass } else { Verdict::Fail };
                (verdict, format!("{} until the last of {n} replacements was ready", seconds(slowest.as_secs_f64())))
            }
            (0, None) => (Verdict::Error, "this fault removed no pod".to_owned()),
            (missing, _) if waited >= self.target.as_secs_f64() => {
                (Verdict::Fail, format!("{missing} of {n} pods had no ready replacement after {}", seconds(waited)))
            }
            (missing, _) => (
                Verdict::Inconclusive,
                format!(
                    "{missing} of {n} pods had no ready replacement when the run ended {} after the removal",
                    seconds(waited)
                ),
            ),
        };
        let value = slowest.filter(|_| missing == 0).map(|slowest| slowest.as_secs_f64());
        Judgement { value, low: value, high: value, unit: Unit::Seconds, n, verdict, message, need: None }
    }
}
