//! The samples of every probe, with their outages, and the instants that divide the run: worked out once per record.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::criterion::During;
use crate::outage::{self, Outage};
use crate::record::{At, Event, Line, ReadBack, Record, Sample, Series};
use crate::window::Marks;

/// What is known of one probe.
#[derive(Debug)]
pub struct ProbeEvidence<'a> {
    /// Its samples in the order in which they were due.
    pub samples: Vec<&'a Sample>,
    /// How many slots its schedule held.
    pub planned: u64,
    /// Its outages, over all its series.
    pub outages: Vec<Outage>,
    /// Why it could not measure, if it could not.
    pub failed: Option<String>,
    /// What became of what it wrote; none for probes that write nothing.
    pub read_back: Option<&'a ReadBack>,
}

/// The evidence of a run.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The instants that divide it.
    pub marks: Marks,
    /// When it ends.
    pub end: At,
    /// Every instant at which a fault took hold.
    pub injections: Vec<At>,
    /// When the runner itself had no network, in words; none if it always had.
    pub lost: Option<String>,
    /// What each fault removed, and when its replacements were ready.
    pub restarts: BTreeMap<&'a str, Restarts>,
    /// Criteria that no run can meet, by id, and why.
    pub infeasible: BTreeMap<&'a str, &'a str>,
    /// Probes that the environment lacks something for, and what.
    pub not_run: BTreeMap<&'a str, &'a str>,
    effects: Vec<(&'a str, At)>,
    undos: Vec<(&'a str, At)>,
    probes: BTreeMap<&'a str, ProbeEvidence<'a>>,
}

/// What one fault removed.
#[derive(Debug, Default)]
pub struct Restarts {
    /// When the first removal was asked for.
    pub first: Option<At>,
    /// How many objects were removed.
    pub removed: usize,
    /// How long each replacement took, from the removal it replaces.
    pub replaced: Vec<Duration>,
}

/// The least coverage at which a probe's figures speak for the whole time.
pub const COVERAGE: f64 = 0.99;

impl<'a> Evidence<'a> {
    /// Works it out.
    pub fn of(record: &'a Record) -> Self {
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
        Self {
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

    /// The outages of all probes, those that have not ended last.
    pub fn all_outages(&self) -> Vec<Outage> {
        let mut all: Vec<Outage> = self.probes.values().flat_map(|probe| probe.outages.iter().cloned()).collect();
        all.sort_by_key(|outage| (outage.end.is_none(), outage.end));
        all
    }

    /// When a fault, or without a name any, first took hold.
    pub fn effective(&self, fault: Option<&str>) -> Option<At> {
        first(&self.effects, fault)
    }

    /// When the undo of a fault, or without a name of any, was first asked for.
    pub fn undo_requested(&self, fault: Option<&str>) -> Option<At> {
        first(&self.undos, fault)
    }

    /// Why a probe, or the whole scenario, did not run.
    pub fn why_not_run(&self, probe: &str) -> Option<&'a str> {
        self.not_run.get(probe).or_else(|| self.not_run.get("scenario")).copied()
    }

    /// One probe's evidence.
    pub fn probe(&self, name: &str) -> Option<&ProbeEvidence<'a>> {
        self.probes.get(name)
    }
}

/// The first instant of a fault, or without a name of any.
fn first(instants: &[(&str, At)], fault: Option<&str>) -> Option<At> {
    let mut meant = instants.iter().filter(|(id, _)| fault.is_none_or(|fault| fault == *id));
    meant.next().map(|(_, at)| *at)
}

impl<'a> ProbeEvidence<'a> {
    /// The samples of one part of the run that were really made.
    pub fn valid(&self, marks: &Marks, during: During) -> Vec<&'a Sample> {
        let mut selected = marks.select(&self.samples, &self.outages, during);
        selected.retain(|sample| sample.class.is_valid());
        selected
    }

    /// The share of the schedule for which there is an answer.
    pub fn coverage(&self) -> f64 {
        let valid = self.samples.iter().filter(|sample| sample.class.is_valid()).count();
        if self.planned == 0 { 0.0 } else { valid as f64 / self.planned as f64 }
    }

    /// The samples of one series.
    pub fn series(&self, series: Series) -> Vec<&'a Sample> {
        self.samples.iter().copied().filter(|sample| sample.series == series).collect()
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
