//! The samples of every probe, with their outages, and the instants that divide the run: worked out once per record.

use std::collections::BTreeMap;

use crate::outage::{self, Outage};
use crate::record::{At, History, ReadBack, SCENARIO, Sample, Series, Timings};
use crate::window::{During, Marks};

/// What is known of one probe.
#[derive(Debug)]
pub struct ProbeEvidence<'a> {
    /// Its samples in the order in which they were due.
    pub samples: Vec<&'a Sample>,
    /// The phases of its good requests, as far as they are not in the samples.
    pub timings: Vec<&'a Timings>,
    /// How many slots its schedule held.
    pub planned: u64,
    /// Its outages, over all its series.
    pub outages: Vec<Outage>,
    /// Why it could not measure, if it could not.
    pub failed: Option<&'a str>,
    /// What became of what it wrote; none for probes that write nothing.
    pub read_back: Option<&'a ReadBack>,
}

/// The evidence of a run.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What happened.
    pub history: &'a History<'a>,
    /// The instants that divide it.
    pub marks: Marks,
    /// When it ends.
    pub end: At,
    /// When the runner itself had no network, as a clause; none if it always had.
    pub lost: Option<String>,
    /// The probes by name.
    pub probes: BTreeMap<&'a str, ProbeEvidence<'a>>,
}

/// The least coverage at which a probe's figures speak for the whole time.
pub const COVERAGE: f64 = 0.99;

impl<'a> Evidence<'a> {
    /// The same without the samples that were due before an instant.
    #[must_use]
    pub fn since(mut self, from: At) -> Self {
        for probe in self.probes.values_mut() {
            let before = probe.samples.len();
            probe.samples.retain(|sample| sample.scheduled >= from);
            probe.timings.retain(|timings| timings.from >= from);
            let cut = before - probe.samples.len();
            if cut > 0 {
                probe.planned = probe.planned.saturating_sub(cut as u64);
                probe.outages = outage::find(&probe.samples);
            }
        }
        self
    }

    /// The outages of all probes, those that have not ended last.
    pub(crate) fn all_outages(&self) -> Vec<Outage> {
        let mut all: Vec<Outage> = self.probes.values().flat_map(|probe| probe.outages.iter().cloned()).collect();
        all.sort_by_key(|outage| (outage.end.is_none(), outage.end));
        all
    }

    /// When a fault, or without a name any, first took hold.
    pub fn effective(&self, fault: Option<&str>) -> Option<At> {
        first(&self.history.effects, fault)
    }

    /// When the undo of a fault, or without a name of any, was first asked for.
    pub(crate) fn undo_requested(&self, fault: Option<&str>) -> Option<At> {
        first(&self.history.undo_requests, fault)
    }

    /// Why a probe, or the whole scenario, did not run.
    pub(crate) fn why_not_run(&self, probe: &str) -> Option<&'a str> {
        let reason = |id| self.history.not_run.iter().rfind(|one| one.id == id).map(|one| one.reason);
        reason(probe).or_else(|| reason(SCENARIO))
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

    /// The entries of timings that lie wholly in one part of the run.
    pub fn timed(&self, marks: &Marks, during: During) -> Vec<&'a Timings> {
        let inside = |timings: &&&Timings| {
            [timings.from, timings.until].iter().all(|at| marks.is_inside(*at, &self.outages, during))
        };
        self.timings.iter().filter(inside).copied().collect()
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
