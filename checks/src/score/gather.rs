//! Evidence from a record: the samples of every probe, with their outages, and the instants that divide the run.

use crate::evidence::{Evidence, ProbeEvidence};
use crate::outage;
use crate::record::{History, Record, Sample};

/// The evidence of a run.
pub(super) fn evidence<'a>(record: &'a Record, history: &'a History<'a>) -> Evidence<'a> {
    let probes = record.header.probes.iter().map(|probe| (probe.name.as_str(), of_probe(record, history, &probe.name)));
    Evidence { history, marks: history.marks.clone(), end: record.end(), lost: None, probes: probes.collect() }
}

fn of_probe<'a>(record: &'a Record, history: &History<'a>, name: &str) -> ProbeEvidence<'a> {
    let mut samples: Vec<&Sample> = record.samples(name).iter().collect();
    samples.sort_by_key(|sample| (sample.scheduled, sample.series));
    let probe = history.probes.get(name);
    ProbeEvidence {
        planned: probe.and_then(|probe| probe.planned).unwrap_or(samples.len() as u64),
        outages: outage::find(&samples),
        samples,
        timings: record.timings().iter().filter(|timings| timings.probe == name).collect(),
        failed: probe.and_then(|probe| probe.failed),
        read_back: probe.and_then(|probe| probe.read_back),
    }
}
