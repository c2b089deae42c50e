//! Sample sizes: where the author fixed neither period nor length, they are laid out so that a clean run is conclusive
//! for every criterion; where the author fixed them too small, the line to change is named.

use std::time::Duration;

use meshdrill_checks::criterion::{Claim, Criterion, During, Subject};
use meshdrill_checks::stats::Confidence;
use meshdrill_checks::stats::proportion::samples_for_failures;
use meshdrill_checks::units::TimeSpan;

use super::types::{Plan, PlanWarning, PlannedFault, PlannedProbe, faulted};

/// The highest rate that is chosen for a probe whose author named none.
const FASTEST: Duration = Duration::from_millis(20);
/// The longest observation that is chosen for a scenario whose author named none.
const LONGEST: Duration = Duration::from_mins(3);
/// The part of the bad samples that a criterion allows which a drill may well cause: the rate is chosen so that it passes
/// with those.
const EXPECTED: f64 = 0.7;
/// As many bad samples are reckoned with at most; fewer are that part of what is allowed at any usual confidence.
const MOST_BAD: u64 = 50;
/// The latency targets below this are near what the runner adds.
const NEAR: Duration = Duration::from_millis(10);
/// A run is never exactly as long as planned: a little more than needed.
const MARGIN: f64 = 1.02;
/// How far an outage may eat into what is observed afterwards.
const AFTER_OUTAGE: f64 = 1.5;

/// The longest that a run is observed to become conclusive.
pub const LONGEST_CONCLUSIVE: Duration = Duration::from_hours(1);

/// What the author wrote, and what may still be chosen.
pub(super) struct Layout<'a> {
    pub criteria: &'a [Criterion],
    pub faults: &'a [PlannedFault],
    pub baseline: TimeSpan,
    pub observe: Option<TimeSpan>,
    pub default_observe: TimeSpan,
}

/// What was chosen.
pub(super) struct Chosen {
    pub observe: TimeSpan,
    pub notes: Vec<String>,
    pub warnings: Vec<PlanWarning>,
}

impl Layout<'_> {
    /// Chooses the periods of the probes that name none, and the observation if the scenario names none.
    pub fn choose(&self, probes: &mut [(PlannedProbe, bool)]) -> Chosen {
        let mut chosen =
            Chosen { observe: self.observe.unwrap_or(self.default_observe), notes: Vec::new(), warnings: Vec::new() };
        chosen.warnings.extend(self.criteria.iter().filter_map(near_the_runner));
        for (probe, fixed) in probes.iter_mut() {
            for criterion in self.criteria.iter().filter(|one| one.subject == Subject::Probe(probe.name.clone())) {
                let Some(needed) = criterion.needed_samples() else { continue };
                let during = criterion.claim.sampled_in();
                let series = probe.series.len() as f64;
                let per_second = |every: TimeSpan| series / every.as_secs_f64();
                let wanted = (needed as f64 * MARGIN).ceil();
                let enough = self.window(during, chosen.observe) * per_second(probe.every) >= wanted;
                if enough && (*fixed || self.faults.is_empty()) {
                    continue;
                }
                if !*fixed {
                    let hurt = (needed_when_hurt(criterion) as f64 * MARGIN).ceil();
                    let aim = if self.faults.is_empty() { wanted } else { wanted.max(hurt) };
                    let every = (self.window(during, chosen.observe) * series / aim).max(FASTEST.as_secs_f64());
                    let millis = ((every * 1000.0).floor() as u64).max(1);
                    probe.every = probe.every.min(TimeSpan::millis(if millis >= 20 { millis / 5 * 5 } else { millis }));
                }
                let short = wanted - self.window(during, chosen.observe) * per_second(probe.every);
                if short > 0.0 && self.observe.is_none() && during != During::Baseline {
                    let factor = if during == During::Recovered { AFTER_OUTAGE } else { 1.0 };
                    let more = Duration::from_secs_f64((short / per_second(probe.every) * factor).ceil());
                    chosen.observe = TimeSpan((chosen.observe.0 + more).min(LONGEST.max(chosen.observe.0)));
                }
                let have = self.window(during, chosen.observe) * per_second(probe.every);
                if have < needed as f64 {
                    chosen.warnings.push(self.too_small(probe, *fixed, criterion, needed, have));
                }
            }
            if !*fixed {
                chosen.notes.push(format!("probes.{}.every: {}", probe.name, probe.every));
            }
        }
        chosen
    }

    /// Seconds in which a part of the run is sampled.
    fn window(&self, during: During, observe: TimeSpan) -> f64 {
        let faulted = faulted(self.faults).as_secs_f64();
        let baseline = if self.faults.is_empty() { 0.0 } else { self.baseline.as_secs_f64() };
        match during {
            During::All => baseline + faulted + observe.as_secs_f64(),
            During::Baseline => baseline,
            During::Fault => faulted,
            During::Recovered => observe.as_secs_f64() / AFTER_OUTAGE,
        }
    }

    /// Names the line that makes a clean run inconclusive.
    fn too_small(
        &self,
        probe: &PlannedProbe,
        fixed: bool,
        criterion: &Criterion,
        needed: u64,
        have: f64,
    ) -> PlanWarning {
        let missing = (needed as f64 - have) * probe.every.as_secs_f64() / probe.series.len() as f64;
        let seconds = match self.observe {
            Some(observe) => (observe.as_secs_f64() + missing * MARGIN).ceil(),
            None => (self.default_observe.as_secs_f64() + missing * MARGIN).ceil(),
        };
        let line = match (criterion.claim.sampled_in(), fixed, self.observe) {
            (During::Fault, ..) => "hold the fault longer (`for:` or `hold:`)".to_owned(),
            (During::Baseline, ..) => "make `baseline:` longer".to_owned(),
            (_, true, Some(_)) => format!(
                "make `observe: {}` at least {seconds:.0}s, or probes.{}.every shorter than {}",
                self.observe.unwrap_or_default(),
                probe.name,
                probe.every
            ),
            (_, true, None) => format!("make probes.{}.every shorter than {}", probe.name, probe.every),
            (_, false, _) => format!("write `observe: {seconds:.0}s`"),
        };
        PlanWarning::TooFewSamples { criterion: criterion.id.clone(), needed, planned: have, remedy: line }
    }
}

/// The warning about a latency target that is not far from what the runner adds.
fn near_the_runner(criterion: &Criterion) -> Option<PlanWarning> {
    let Claim::Latency(latency) = &criterion.claim else { return None };
    let target = latency.target;
    (target.0 < NEAR).then(|| PlanWarning::NearTheRunner { criterion: criterion.id.clone(), target })
}

/// Makes a plan's phases as long as a clean run needs to decide every criterion, whatever its file says; what bad samples
/// ask for beyond that is seen when the run is under way.
pub fn lengthen(plan: &mut Plan) {
    plan.phases.conclusive = true;
    for criterion in &plan.criteria {
        let Subject::Probe(name) = &criterion.subject else { continue };
        let Some(probe) = plan.probes.iter().find(|probe| probe.name == *name) else { continue };
        let Some(needed) = criterion.needed_samples() else { continue };
        let during = criterion.claim.sampled_in();
        let (observe, baseline) = (plan.phases.observe, plan.phases.baseline);
        let layout = Layout { criteria: &[], faults: &plan.faults, baseline, observe: None, default_observe: observe };
        let wanted = needed as f64 * MARGIN * probe.every.as_secs_f64() / probe.series.len() as f64;
        let missing = wanted - layout.window(during, observe);
        // A fault that ends by itself cannot be held.
        let held = |fault: &PlannedFault| fault.kind.as_behavior().sustained();
        if missing > 0.0 && during == During::Fault && !plan.faults.iter().any(held) {
            continue;
        }
        // What was too small is not any more.
        plan.warnings.retain(|warning| match warning {
            PlanWarning::TooFewSamples { criterion: id, .. } => *id != criterion.id,
            PlanWarning::NearTheRunner { .. } => true,
        });
        if missing <= 0.0 {
            continue;
        }
        let more = |factor: f64| Duration::from_secs_f64((missing * factor).ceil()).min(LONGEST_CONCLUSIVE);
        match during {
            During::All => plan.phases.observe.0 += more(1.0),
            During::Recovered => plan.phases.observe.0 += more(AFTER_OUTAGE),
            During::Baseline => plan.phases.baseline.0 += more(1.0),
            During::Fault => {
                plan.faults.iter_mut().filter(|fault| held(fault)).for_each(|fault| fault.hold.0 += more(1.0));
            }
        }
    }
    plan.phases.timeout.0 = plan.phases.timeout.0.max(LONGEST_CONCLUSIVE + plan.phases.observe.0);
    let mut note = |text: String| plan.defaults.push(format!("{text} (--conclusive)"));
    note(format!("observe: at least {}", plan.phases.observe));
}

/// How many samples a criterion needs to pass when some are as bad as it allows, in a drill that hurts; 0 where it allows
/// none, or no share of them.
fn needed_when_hurt(criterion: &Criterion) -> u64 {
    let (Ok(confidence), Some(target)) = (Confidence::new(criterion.confidence.get()), criterion.claim.good_share())
    else {
        return 0;
    };
    let enough = (1..=MOST_BAD).filter_map(|bad| Some((bad, samples_for_failures(bad, target, confidence).ok()?)));
    let share = |(bad, needed): &(u64, u64)| *bad as f64 >= *needed as f64 * (1.0 - target) * EXPECTED;
    enough.into_iter().find(share).map_or(0, |(_, needed)| needed)
}

#[cfg(test)]
mod tests {
    use meshdrill_checks::criterion::{Claim, ErrorRate, Latency};
    use meshdrill_checks::units::Ratio;

    use super::*;

    #[test]
    fn a_drill_is_sampled_so_that_it_passes_with_much_of_what_it_may_hurt() {
        let of = |claim| Criterion {
            id: "c".into(),
            subject: Subject::Probe("p".into()),
            claim,
            confidence: Ratio::new(0.95),
        };
        let target = TimeSpan::millis(300);
        let p99 = of(Claim::from(Latency { quantile: Ratio::new(0.99), target, during: During::Fault }));
        let (clean, hurt) = (p99.needed_samples().unwrap(), needed_when_hurt(&p99));
        assert_eq!(clean, 299);
        assert!((1_500..3_500).contains(&hurt), "{hurt}");
        let confidence = Confidence::new(0.95).unwrap();
        let bad = (hurt as f64 * 0.01 * EXPECTED) as u64;
        assert!(samples_for_failures(bad, 0.99, confidence).unwrap() <= hurt);
        let none = of(Claim::from(ErrorRate { target: Ratio::new(0.0), during: During::All }));
        assert_eq!(needed_when_hurt(&none), 0);
    }
}
