//! Probes whose last samples are not good, and why.

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use futures::future::join_all;
use meshdrill_checks::record::{At, Event, Record, Sample};

use super::ask::causes;
use super::preflight::Prepared;
use crate::probe::{Answer, Outcome};

/// A probe whose last samples are not good.
pub(super) struct Unsteady {
    probe: String,
    why: String,
    last: Outcome,
}

impl Unsteady {
    /// Nothing was seen.
    pub fn silent(why: String) -> Self {
        Self { probe: String::new(), last: Outcome::new(Answer::NoData, ""), why }
    }

    /// What was seen.
    pub fn why(self) -> String {
        self.why
    }

    /// Why it may be so, as far as it can be told.
    async fn causes(&self, probes: &[Prepared]) -> Vec<String> {
        match probes.iter().find(|(probe, _)| probe.name == self.probe) {
            Some((_, observer)) => causes(observer.as_ref(), &self.last).await,
            None => Vec::new(),
        }
    }

    /// What was seen, with why it may be so.
    pub async fn explained(self, probes: &[Prepared]) -> String {
        let causes = self.causes(probes).await;
        iter::once(self.why).chain(causes).collect::<Vec<_>>().join("; ")
    }
}

/// Why probes may have bad samples: those for the same reasons together.
pub(super) async fn reasons(unsteady: &[Unsteady], probes: &[Prepared]) -> Vec<String> {
    let causes = join_all(unsteady.iter().map(|one| one.causes(probes))).await;
    let mut all: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for (one, causes) in unsteady.iter().zip(causes) {
        all.entry(causes).or_default().push(&one.probe);
    }
    let told = all.iter().filter(|(causes, _)| !causes.is_empty());
    told.map(|(causes, of)| format!("why {} may see bad answers: {}", of.join(", "), causes.join("; "))).collect()
}

/// What is not steady in the last part of a record. A probe that was left out has nothing to show.
pub(super) fn unsteady(record: &Record, now: At, length: Duration) -> impl Iterator<Item = Unsteady> {
    let left_out = move |name: &str| {
        record.events.iter().any(|line| matches!(&line.event, Event::NotRun { id, .. } if id == name))
    };
    let probes = record.header.probes.iter().filter(move |probe| !left_out(&probe.name));
    let of = move |name: &str| {
        let samples = record.samples(name);
        let recent: Vec<&Sample> = samples.iter().filter(|sample| now.since(sample.scheduled) <= length).collect();
        if samples.is_empty() {
            return Some(Unsteady::silent(format!("probe {name} has made no observation")));
        }
        let bad = recent.iter().rev().find(|sample| !sample.class.is_good())?;
        let count = recent.iter().filter(|sample| !sample.class.is_good()).count();
        let last = bad.seen.as_ref().map_or_else(String::new, |seen| format!(", last: {seen}"));
        let why =
            format!("probe {name}: {count} of the last {} samples are not good ({}{last})", recent.len(), bad.class);
        let seen = bad.seen.clone().unwrap_or_default();
        let answer = if bad.class.is_bad() { Answer::Bad(bad.class) } else { Answer::NoData };
        let last = Outcome { seen, ..Outcome::new(answer, "") };
        Some(Unsteady { probe: name.to_owned(), why, last })
    };
    probes.filter_map(move |probe| of(&probe.name))
}
