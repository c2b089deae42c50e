//! Probes that do not see what they should, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::time::Duration;

use futures::future::join_all;
use meshdrill_checks::control;
use meshdrill_checks::criterion::Claim;
use meshdrill_checks::record::{At, Class, Record, Sample};
use meshdrill_checks::score;

use super::ask::causes;
use super::preflight::Prepared;
use crate::probe::{Answer, Outcome};

/// A probe that does not see what it should.
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

    /// What a sample shows.
    fn of(probe: &str, sample: &Sample, why: String) -> Self {
        let seen = sample.seen.as_deref().cloned().unwrap_or_default();
        let answer = match sample.class {
            Class::Good => Answer::Good,
            class if class.is_bad() => Answer::Bad(class),
            _ => Answer::NoData,
        };
        Self { probe: probe.to_owned(), why, last: Outcome { seen, ..Outcome::new(answer, "") } }
    }

    /// Possible causes; empty if none was found.
    async fn causes(&self, probes: &[Prepared]) -> Vec<String> {
        match probes.iter().find(|(probe, _)| probe.name == self.probe) {
            Some((_, observer)) if self.last.answer != Answer::NoData => causes(observer.as_ref(), &self.last).await,
            _ => Vec::new(),
        }
    }

    /// What was observed, with possible causes.
    pub async fn explained(self, probes: &[Prepared]) -> String {
        let causes = self.causes(probes).await;
        iter::once(self.why).chain(causes).collect::<Vec<_>>().join("; ")
    }
}

/// Why probes may not see what they should: those for the same reasons together.
pub(super) async fn reasons(unsteady: &[Unsteady], probes: &[Prepared]) -> Vec<String> {
    let causes = join_all(unsteady.iter().map(|one| one.causes(probes))).await;
    let mut all: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for (one, causes) in unsteady.iter().zip(causes) {
        let of = all.entry(causes).or_default();
        if !of.contains(&one.probe.as_str()) {
            of.push(&one.probe);
        }
    }
    let told = all.iter().filter(|(causes, _)| !causes.is_empty());
    told.map(|(causes, of)| format!("why {} may not be as expected: {}", of.join(", "), causes.join("; "))).collect()
}

/// What is not steady in the last part of a record. A probe that does not run is skipped.
pub(super) fn unsteady(record: &Record, now: At, length: Duration) -> impl Iterator<Item = Unsteady> {
    let left_out: BTreeSet<&str> = record.history().not_run.iter().map(|one| one.id).collect();
    let probes = record.header.probes.iter().filter(move |probe| !left_out.contains(probe.name.as_str()));
    let of = move |name: &str| {
        let samples = record.samples(name);
        let recent: Vec<&Sample> = samples.iter().filter(|sample| now.since(sample.scheduled) <= length).collect();
        if samples.is_empty() {
            return Some(Unsteady::silent(format!("probe {name} has made no observation")));
        }
        let bad = recent.iter().rev().find(|sample| sample.class.is_bad());
        let bad = bad.or_else(|| recent.iter().rev().find(|sample| !sample.class.is_good()))?;
        let count = recent.iter().filter(|sample| !sample.class.is_good()).count();
        let last = bad.observed().map_or_else(String::new, |observed| format!(", last: {observed}"));
        let why =
            format!("probe {name}: {count} of the last {} samples are not good ({}{last})", recent.len(), bad.class);
        Some(Unsteady::of(name, bad, why))
    };
    probes.filter_map(move |probe| of(&probe.name))
}

/// What a whole record contradicts, and what else was not steady in the last part of it.
pub(super) fn unhealthy(record: &Record, now: At, length: Duration) -> Vec<Unsteady> {
    let mut unhealthy = contradicted(record);
    let known: BTreeSet<String> = unhealthy.iter().map(|one| one.probe.clone()).collect();
    unhealthy.extend(unsteady(record, now, length).filter(|one| !known.contains(&one.probe)));
    unhealthy
}

/// What a whole record contradicts: the probes of the criteria that are missed, each by its last bad sample. Of a split it is any
/// answer, as each of them is right by itself.
fn contradicted(record: &Record) -> Vec<Unsteady> {
    let record = control::excused(record, &control::lost(record));
    let mut found: Vec<Unsteady> = Vec::new();
    for (criterion, missed) in score::contradicted(&record, &record.header.criteria) {
        let Some(probe) = missed.probe else { continue };
        let split = matches!(criterion.claim, Claim::Split(_));
        let tells = |sample: &&Sample| if split { sample.class.is_answered() } else { sample.class.is_bad() };
        let Some(sample) = record.samples(&probe).iter().rev().find(tells) else { continue };
        let mut one = Unsteady::of(&probe, sample, missed.message);
        if split {
            one.last.answer = Answer::Good;
        }
        let known = |other: &Unsteady| other.probe == one.probe && (other.last.answer == Answer::Good) == split;
        if !found.iter().any(known) {
            found.push(one);
        }
    }
    found
}
