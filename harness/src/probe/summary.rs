//! Many things of one kind in one outcome: a count, and one by one only what is not as expected.

use serde_json::Value;

use super::{Answer, Outcome};

/// How many are named in a message; the record has all.
const NAMED: usize = 12;

/// The results of many things of one kind.
#[derive(Debug, Default)]
pub(super) struct Summary {
    good: usize,
    missed: Vec<String>,
}

impl Summary {
    /// One is as expected.
    pub(super) const fn ok(&mut self) {
        self.good += 1;
    }

    /// One is not as expected.
    pub(super) fn missed(&mut self, why: String) {
        self.missed.push(why);
    }

    /// How many are as expected.
    pub(super) const fn good(&self) -> usize {
        self.good
    }

    /// How many there are.
    pub(super) const fn total(&self) -> usize {
        self.good + self.missed.len()
    }

    /// `412 of 412`.
    pub(super) fn of(&self) -> String {
        format!("{} of {}", self.good, self.total())
    }

    /// The outcome: bad with any that is not as expected, no data where there is nothing.
    pub(super) fn outcome(self, counted: &str, place: &str, seen: Value) -> Outcome {
        if !self.missed.is_empty() {
            let message = format!("{} ({counted}; {place})", named(&self.missed));
            return Outcome::judged(false, message, seen);
        }
        if self.good == 0 {
            return Outcome { seen, ..Outcome::new(Answer::NoData, format!("nothing to judge ({counted}; {place})")) };
        }
        Outcome::judged(true, format!("{counted} ({place})"), seen)
    }
}

/// The first of several, and how many more there are.
fn named(all: &[String]) -> String {
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_evidence_and_one_that_is_wrong_is_named() {
        let outcome = |good, missed: &[&str]| {
            let mut summary = Summary::default();
            (0..good).for_each(|_| summary.ok());
            missed.iter().for_each(|why| summary.missed((*why).to_owned()));
            let counted = format!("{} ready", summary.of());
            summary.outcome(&counted, "eu", Value::Null)
        };
        assert_eq!(outcome(0, &[]).answer, Answer::NoData);
        assert_eq!(outcome(3, &[]).message, "3 of 3 ready (eu)");
        let bad = outcome(3, &["a: gone"]);
        assert_eq!(bad.message, "a: gone (3 of 4 ready; eu)");
        assert_eq!(bad.verdict(), meshdrill_checks::verdict::Verdict::Fail);
    }
}
