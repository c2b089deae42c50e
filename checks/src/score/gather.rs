//! Evidence from a record: the samples of every probe, with their outages, and the instants that divide the run.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, ProbeEvidence, Restarts};
use crate::outage;
use crate::record::{At, Event, Line, Record, Sample};
use crate::window::Marks;

/// The evidence of a run.
pub(super) fn evidence(record: &Record) -> Evidence<'_> {
    let probes = record.header.probes.iter().map(|probe| (probe.name.as_str(), of_probe(record, &probe.name)));
    let effects: Vec<(&str, At)> = record.events.iter().filter_map(Line::took_hold).collect();
    let undos = record.events.iter().filter_map(|line| match &line.event {
        Event::UndoRequested { fault, .. } => Some((fault.as_str(), line.at)),
        _ => None,
    });
    let not_run = record.events.iter().filter_map(|line| match &line.event {
        Event::NotRun { id, reason, .. } => Some((id.as_str(), reason.as_str())),
        _ => None,
    });
    let infeasible = record.events.iter().filter_map(|line| match &line.event {
        Event::Infeasible { criterion, why } => Some((criterion.as_str(), why.as_str())),
        _ => None,
    });
    Evidence {
        marks: Marks::of(record),
        end: record.end(),
        injections: effects.iter().map(|(_, at)| *at).collect(),
        lost: None,
        restarts: restarts(record),
        infeasible: infeasible.collect(),
        not_run: not_run.collect(),
        effects,
        undos: undos.collect(),
        probes: probes.collect(),
    }
}

fn of_probe<'a>(record: &'a Record, name: &str) -> ProbeEvidence<'a> {
    let mut samples: Vec<&Sample> = record.samples(name).iter().collect();
    samples.sort_by_key(|sample| (sample.scheduled, sample.series));
    let mut planned = None;
    let mut failed = None;
    let mut read_back = None;
    for line in &record.events {
        match &line.event {
            Event::ProbeStopped { probe, planned: slots } if probe == name => planned = Some(*slots),
            Event::ProbeFailed { probe, why } if probe == name => failed = Some(why.clone()),
            Event::ReadBack { probe, found } if probe == name => read_back = Some(found),
            _ => {}
        }
    }
    let outages = outage::find(&samples);
    ProbeEvidence { planned: planned.unwrap_or(samples.len() as u64), samples, outages, failed, read_back }
}

/// Reads what was removed and replaced; a removal counts from when it was asked for.
fn restarts(record: &Record) -> BTreeMap<&str, Restarts> {
    let mut all: BTreeMap<&str, Restarts> = BTreeMap::new();
    let mut removed: BTreeMap<(&str, &str), At> = BTreeMap::new();
    for line in &record.events {
        match &line.event {
            Event::FaultRequested { fault, targets } => {
                let restarts = all.entry(fault).or_default();
                restarts.first.get_or_insert(line.at);
                restarts.removed += targets.len();
                removed.extend(targets.iter().map(|target| ((fault.as_str(), target.as_str()), line.at)));
            }
            Event::TargetReplaced { fault, target, .. } => {
                if let Some(since) = removed.get(&(fault.as_str(), target.as_str())) {
                    all.entry(fault).or_default().replaced.push(line.at.since(*since));
                }
            }
            _ => {}
        }
    }
    all
}
