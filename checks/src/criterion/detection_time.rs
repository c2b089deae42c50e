//! Detection time: from the fault's effect to an alert that fires and reaches somebody, each stage by the observations around
//! it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notification::{Look, Notified, notified};
use super::{Claim, CriterionKind, CriterionRow, Measure, Mismatch, ProbeFacts, RowKey, RowOptions, SubjectFacts};
use crate::detection::Stage;
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::observe::alertmanager::AlertState as Received;
use crate::observe::prometheus::AlertState;
use crate::record::{At, Sample};
use crate::units::{TimeSpan, seconds};
use crate::verdict::Verdict;

/// The last stage must be reached before the target, by the observation that shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionTime {
    /// Less than this.
    pub target: TimeSpan,
    /// The last stage.
    pub until: Stage,
    /// The fault whose effect is detected; the first without it.
    pub fault: Option<String>,
}

impl CriterionRow for DetectionTime {
    type Value = TimeSpan;
    const NAME: &'static str = "detectionTime";
    const KEYS: &'static [RowKey] = &[RowKey::Fault];
    const WITHOUT_FAULT: Option<&'static str> = Some("a validation breaks nothing, so there is nothing to detect");

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let fault = options.fault.map(str::to_owned);
        vec![Self { target: *value, until: Stage::Receiver, fault }.into()]
    }
}

impl CriterionKind for DetectionTime {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "detection-time".into()
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        subject.needs(Measure::Alert, "only `alert` probes observe a detection", "name an alert probe")
    }

    fn resolve(&mut self, probe: &ProbeFacts) {
        self.until = probe.last_stage.unwrap_or(self.until);
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let (target, until, fault) = (self.target, self.until, self.fault.as_deref());
        let looks: Vec<Look<'_>> = probe.samples.iter().filter_map(|sample| look(sample)).collect();
        let n = looks.len();
        if n == 0 {
            return Judgement::no_samples(Unit::Seconds);
        }
        let Some(t0) = context.evidence.effective(fault) else {
            return Judgement::without_value(
                Verdict::NotRun,
                Unit::Seconds,
                "no fault took effect, so there was nothing to detect",
            );
        };
        if let Some(early) = looks.iter().rfind(|look| look.sample.scheduled < t0)
            && early.standing.state != AlertState::Inactive
        {
            let message = format!("the alert was {} before the fault took effect", early.standing);
            return Judgement { n, ..Judgement::without_value(Verdict::Inconclusive, Unit::Seconds, message) };
        }
        let during: Vec<&Look<'_>> = looks.iter().filter(|look| look.sample.completed >= t0).collect();
        let (reached, unclear) = stages(&looks, &during, until, t0);
        let stages = reached.iter().map(|one| format!("{} {}", one.stage.word(), words(one.by.since(t0))));
        let stages = stages.collect::<Vec<_>>().join(", ");
        let resolved = resolved(&during).map_or_else(String::new, |at| format!("; resolved {}", words(at.since(t0))));
        let Some(last) = reached.last().filter(|last| last.stage == until) else {
            let held = context.evidence.undo_requested(fault).unwrap_or(context.evidence.end);
            return Missed { looks: &during, reached: &reached, unclear, n }.judge(target, until, held.since(t0), t0);
        };
        let (low, high) = (last.after.since(t0), last.by.since(t0));
        let verdict = if high < target.0 {
            Verdict::Pass
        } else if low >= target.0 {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let message = format!("{} after the fault took effect ({stages}{resolved}; n {n})", words(high));
        let value = Some(high.as_secs_f64());
        Judgement {
            value,
            low: Some(low.as_secs_f64()),
            high: value,
            unit: Unit::Seconds,
            n,
            verdict,
            message,
            need: None,
        }
    }
}

/// When a stage was reached: after the one observation and by the other.
struct Reached {
    stage: Stage,
    after: At,
    by: At,
}

fn look(sample: &Sample) -> Option<Look<'_>> {
    let standing = serde_json::from_value(sample.seen.as_deref()?.clone()).ok()?;
    Some(Look { sample, standing })
}

/// The stages that were reached, in their order, up to the first that was not; and what is in the way of knowing whether
/// that is the last.
fn stages(all: &[Look<'_>], during: &[&Look<'_>], until: Stage, t0: At) -> (Vec<Reached>, Option<String>) {
    // What was delivered before Alertmanager had this alert was of others.
    let arrived = during.iter().find(|look| look.standing.received.is_some()).map(|look| look.sample.scheduled);
    let earlier = |look: &&Look<'_>| arrived.is_none_or(|arrived| look.sample.scheduled < arrived);
    let before = all.iter().filter(earlier).rfind(|look| look.standing.delivered.is_some());
    let mut reached: Vec<Reached> = Vec::new();
    let mut unclear: Option<(usize, String)> = None;
    for stage in until.up_to() {
        let index = during.iter().enumerate().position(|(index, look)| match (stage, before) {
            (Stage::Receiver, Some(before)) => match notified(all, before, look) {
                Notified::Yes => true,
                Notified::No => false,
                Notified::Unclear(count, others) => {
                    let first = unclear.take().map_or(index, |(first, _)| first);
                    let others = others.join(", ");
                    let why = format!(
                        "{count} notifications were delivered, for this alert or for {others}: Alertmanager does not count them apart; ask the receiver (`heard:`)"
                    );
                    unclear = Some((first, why));
                    false
                }
            },
            (Stage::Receiver, None) => false,
            (stage, _) => look.standing.has_reached(stage),
        });
        let Some(index) = index else { break };
        // What was unclear first may have been it.
        let first = unclear.as_ref().map_or(index, |(first, _)| *first);
        let after = first.checked_sub(1).map_or(t0, |previous| during[previous].sample.scheduled.max(t0));
        reached.push(Reached { stage, after, by: during[index].sample.completed });
    }
    (reached, unclear.map(|(_, why)| why))
}

/// When the alert was first seen inactive again.
fn resolved(during: &[&Look<'_>]) -> Option<At> {
    let fired = during.iter().rposition(|look| look.standing.state == AlertState::Firing)?;
    during[fired..].iter().find(|look| look.standing.state == AlertState::Inactive).map(|look| look.sample.completed)
}

/// A stretch without an observation longer than this may have held what was looked for.
const BLIND: Duration = Duration::from_secs(10);

/// The longest time without an observation in a stretch.
fn widest_gap(looks: &[&Look<'_>], from: At, to: At) -> Duration {
    let inside = looks.iter().map(|look| look.sample.completed).filter(|at| *at <= to);
    let mut widest = Duration::ZERO;
    let mut last = from;
    for at in inside.chain([to]) {
        widest = widest.max(at.since(last));
        last = at;
    }
    widest
}

/// A detection that did not come to its end.
struct Missed<'a> {
    looks: &'a [&'a Look<'a>],
    reached: &'a [Reached],
    /// Why it is not known whether a receiver was notified.
    unclear: Option<String>,
    n: usize,
}

impl Missed<'_> {
    /// Missed for good where the fault was held for as long as the target.
    fn judge(&self, target: TimeSpan, until: Stage, watched: Duration, t0: At) -> Judgement {
        let far = self.reached.last().map_or_else(
            || "the alert stayed inactive".to_owned(),
            |last| format!("last stage: {}, after {}", last.stage.word(), words(last.by.since(t0))),
        );
        let suppressed = self.looks.iter().find(|look| look.standing.received == Some(Received::Suppressed));
        let undelivered = |look: &&&Look<'_>| look.standing.undelivered.is_some_and(|count| count > 0);
        let why = match (suppressed, self.looks.iter().rev().find(undelivered)) {
            (Some(look), _) => format!(": {}", look.standing),
            (None, Some(look)) if self.reached.last().is_some_and(|last| last.stage >= Stage::Alertmanager) => {
                format!(": {} notifications could not be delivered", look.standing.undelivered.unwrap_or_default())
            }
            _ => String::new(),
        };
        if let Some(unclear) = &self.unclear {
            let message = format!("{far}; {unclear}");
            return Judgement { n: self.n, ..Judgement::without_value(Verdict::Inconclusive, Unit::Seconds, message) };
        }
        let verdict = if watched >= target.0 { Verdict::Fail } else { Verdict::Inconclusive };
        let needed = watched.min(target.0);
        let gap = widest_gap(self.looks, t0, t0.plus(needed));
        if gap > BLIND {
            let blind = words(gap);
            let message = format!(
                "no observation for {blind} while the fault was held, so the detection time is unknown: {far}{why}"
            );
            return Judgement { n: self.n, ..Judgement::without_value(Verdict::Inconclusive, Unit::Seconds, message) };
        }
        let held = if verdict == Verdict::Fail {
            String::new()
        } else {
            format!("; the fault was held for {}, less than the target: hold it longer (`for:`)", words(watched))
        };
        let message = format!("not detected: the alert did not reach the stage {}; {far}{why}{held}", until.word());
        Judgement {
            low: Some(watched.as_secs_f64()),
            n: self.n,
            ..Judgement::without_value(verdict, Unit::Seconds, message)
        }
    }
}

fn words(length: Duration) -> String {
    seconds(length.as_secs_f64())
}
