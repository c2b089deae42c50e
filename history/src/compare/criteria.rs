//! Criteria of two runs side by side: whether their intervals leave open that nothing differs.

use std::collections::BTreeMap;

use meshdrill_checks::scorecard::Unit;
use meshdrill_checks::units::grouped;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::figure;
use serde::Serialize;

use super::Outcome;
use crate::area::{Direction, is_one_event};
use crate::card::{Card, CriterionFacts};
use crate::measured::Measured;

/// A criterion of two runs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CriterionComparison {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The unit of its values.
    pub unit: Unit,
    /// The first run; none if it does not have the criterion.
    pub before: Option<Measured>,
    /// The second run.
    pub after: Option<Measured>,
    /// The second value minus the first.
    pub difference: Option<f64>,
    /// What can be concluded.
    pub outcome: Outcome,
    /// The same in words.
    pub message: String,
}

/// The share by which a single event, such as a recovery, must differ to be called a difference: other runs of the same mesh differ by less.
const ONE_EVENT: f64 = 0.5;

/// All criteria that either run has.
pub(super) fn compare(before: &Card, after: &Card) -> Vec<CriterionComparison> {
    let new: BTreeMap<&str, &CriterionFacts> = after.criteria.iter().map(|one| (one.id.as_str(), one)).collect();
    let known = |id: &str| before.criteria.iter().any(|one| one.id == id);
    let both = before.criteria.iter().map(|old| one(Some(old), new.get(old.id.as_str()).copied()));
    both.chain(after.criteria.iter().filter(|new| !known(&new.id)).map(|new| one(None, Some(new)))).flatten().collect()
}

fn one(old: Option<&CriterionFacts>, new: Option<&CriterionFacts>) -> Option<CriterionComparison> {
    let facts = new.or(old)?;
    let (outcome, message) = match (old, new) {
        (Some(old), Some(new)) => conclusion(old, new),
        (Some(_), None) => (Outcome::CannotTell, "cannot tell: B does not have this criterion".to_owned()),
        _ => (Outcome::CannotTell, "cannot tell: A does not have this criterion".to_owned()),
    };
    let value = |side: Option<&CriterionFacts>| side.and_then(|one| one.value);
    Some(CriterionComparison {
        id: facts.id.clone(),
        kind: facts.kind.clone(),
        unit: facts.unit,
        before: old.map(Measured::from),
        after: new.map(Measured::from),
        difference: value(old).zip(value(new)).map(|(old, new)| new - old),
        outcome,
        message,
    })
}

fn conclusion(old: &CriterionFacts, new: &CriterionFacts) -> (Outcome, String) {
    for (side, one) in [("A", old), ("B", new)] {
        if matches!(one.verdict, Verdict::Error | Verdict::NotRun) {
            return (Outcome::CannotTell, format!("cannot tell: {side} did not judge it ({})", one.verdict));
        }
    }
    let (Some(before), Some(after)) = (old.value, new.value) else {
        let side = if old.value.is_none() { "A" } else { "B" };
        return (Outcome::CannotTell, format!("cannot tell: {side} measured nothing"));
    };
    if old.unit != new.unit {
        return (Outcome::CannotTell, "cannot tell: the two runs measured in different units".to_owned());
    }
    let change = signed(after - before, new.unit);
    let one_event = is_one_event(&new.kind, new.unit);
    // The ends of both intervals that face each other; an end that was not seen is anywhere.
    let facing = if after >= before { old.high.zip(new.low) } else { old.low.zip(new.high) };
    let apart = facing.is_some_and(|(old, new)| if after >= before { new > old } else { new < old });
    let small = (after - before).abs() < ONE_EVENT * before.abs().min(after.abs());
    if apart && !(one_event && small) {
        let outcome = match Direction::of(new.limit.or(old.limit), before, after) {
            Direction::Worse => Outcome::Worse,
            Direction::Better => Outcome::Better,
            Direction::Changed => Outcome::Changed,
        };
        let events = if one_event { "; one event in each run, so other runs may differ as much" } else { "" };
        return (outcome, format!("{} by {change}{events}", outcome.word()));
    }
    let why = if apart { "less than half as much again" } else { "within the intervals" };
    let settle = if one_event {
        "one event in each run: `meshdrill history` compares many runs".to_owned()
    } else {
        settle(old, new, before, after)
    };
    (Outcome::CannotTell, format!("cannot tell: {change}, {why}; {settle}"))
}

/// With how many samples the difference would stand out, if it stays as it is: intervals narrow with the root of the samples.
fn settle(old: &CriterionFacts, new: &CriterionFacts, before: f64, after: f64) -> String {
    let reach = if after >= before {
        old.high.zip(new.low).map(|(high, low)| (high - before) + (after - low))
    } else {
        old.low.zip(new.high).map(|(low, high)| (before - low) + (high - after))
    };
    let Some(reach) = reach else {
        return "the criterion has one bound, and that decides nothing here; see the latency of the probe".to_owned();
    };
    let least = old.n.min(new.n);
    let difference = (after - before).abs();
    let needed = least as f64 * (reach / difference).powi(2);
    // For so small a difference, no run is long enough.
    if difference <= f64::EPSILON * before.abs() || needed > 1e9 {
        return format!(
            "a difference below {} does not show with {} samples",
            figure(reach, new.unit),
            grouped(least as u64)
        );
    }
    let needed = (needed.ceil() as u64).max(least as u64 + 1);
    format!(
        "needs about {} samples in each run, has {} and {}",
        grouped(needed),
        grouped(old.n as u64),
        grouped(new.n as u64)
    )
}

/// A difference with its sign.
pub(crate) fn signed(difference: f64, unit: Unit) -> String {
    if difference == 0.0 {
        return "no difference measured".to_owned();
    }
    let sign = if difference > 0.0 { "+" } else { "-" };
    match unit {
        Unit::Ratio => format!("{sign}{} points", figure(difference.abs(), unit)),
        _ => format!("{sign}{}", figure(difference.abs(), unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::tests::card;

    fn outcome(before: f64, after: f64, change: impl Fn(&mut serde_json::Value)) -> (Outcome, String) {
        let found = compare(&card(1, before, &change), &card(2, after, &change)).remove(0);
        (found.outcome, found.message)
    }

    #[test]
    fn intervals_decide() {
        assert_eq!(outcome(0.10, 0.16, |_| {}), (Outcome::Worse, "worse by +60 ms".to_owned()));
        assert_eq!(outcome(0.16, 0.10, |_| {}).0, Outcome::Better);
        let (near, message) = outcome(0.100, 0.108, |_| {});
        assert_eq!(near, Outcome::CannotTell);
        // Twice 5 ms of width against 8 ms: (10/8)^2 of 900 samples.
        assert!(message.contains("1,407 samples"), "{message}");
        assert_eq!(outcome(0.1, 0.1, |_| {}).0, Outcome::CannotTell, "equal values do not show that nothing changed");
        let (unseen, _) = outcome(0.1, 0.3, |card| card["criteria"][0]["low"] = serde_json::Value::Null);
        assert_eq!(unseen, Outcome::CannotTell);
    }

    #[test]
    fn one_event_is_one_event() {
        let recovery = |card: &mut serde_json::Value| card["criteria"][0]["kind"] = "recoveryTime".into();
        let (outcome_near, message) = outcome(0.300, 0.320, recovery);
        assert_eq!(outcome_near, Outcome::CannotTell, "{message}");
        let (far, message) = outcome(0.1, 0.3, recovery);
        assert_eq!(far, Outcome::Worse);
        assert!(message.contains("one event"), "{message}");
    }
}
