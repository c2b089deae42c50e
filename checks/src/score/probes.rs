//! What each probe saw, in counts and figures.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::evidence::{Evidence, ProbeEvidence};
use crate::figure::Unit;
use crate::outage::{self, Outage};
use crate::record::{At, Class, ProbeHeader, RequestPhases, Sample, Series, Timings};
use crate::scorecard::{LatencyResult, OutageResult, PhaseResult, ProbeResult, SeriesResult};
use crate::stats::latency::Latency;

/// The figures of one probe.
pub(super) fn summarise(header: &ProbeHeader, evidence: &Evidence<'_>) -> ProbeResult {
    let empty = ProbeEvidence {
        samples: Vec::new(),
        timings: Vec::new(),
        planned: 0,
        outages: Vec::new(),
        failed: None,
        read_back: None,
    };
    let probe = evidence.probe(&header.name).unwrap_or(&empty);
    let mut responders = BTreeMap::new();
    for responder in probe.samples.iter().filter_map(|sample| sample.responder.as_deref()) {
        *responders.entry(responder).or_default() += 1;
    }
    let responders = responders.into_iter().map(|(responder, count): (&str, usize)| (responder.to_owned(), count));
    let mut series = BTreeMap::new();
    if header.series.len() > 1 {
        for one_series in &header.series {
            let samples = probe.series(*one_series);
            let name = if *one_series == Series::New { "new" } else { "kept" };
            let planned = samples.len() as u64;
            let timings: Vec<&Timings> =
                probe.timings.iter().copied().filter(|one| one.series == *one_series).collect();
            let outages = outage::find(&samples);
            series.insert(name.to_owned(), figures(&samples, &timings, planned, &outages, evidence.end));
        }
    }
    ProbeResult {
        name: header.name.clone(),
        kind: header.kind.clone(),
        all: figures(&probe.samples, &probe.timings, probe.planned, &probe.outages, evidence.end),
        series,
        responders: responders.collect(),
    }
}

fn figures(samples: &[&Sample], timings: &[&Timings], planned: u64, outages: &[Outage], end: At) -> SeriesResult {
    let count = |wanted: fn(Class) -> bool| samples.iter().filter(|sample| wanted(sample.class)).count() as u64;
    let not_sent = planned - (samples.len() as u64 - count(|class| class == Class::NotSent)).min(planned);
    let (good, bad) = (count(Class::is_good), count(Class::is_bad));
    SeriesResult {
        planned,
        sent: planned - not_sent,
        not_sent,
        good,
        bad,
        no_data: count(|class| class == Class::NoData),
        coverage: if planned == 0 { 0.0 } else { (good + bad) as f64 / planned as f64 },
        outages: outages.iter().map(|outage| of_outage(outage, end)).collect(),
        latency: latency(samples),
        phases: phases(samples, timings),
    }
}

fn of_outage(outage: &Outage, run_end: At) -> OutageResult {
    let bounds = outage.bounds();
    OutageResult {
        start: outage.start.secs(),
        end: outage.end.map(At::secs),
        low: bounds.low.as_secs_f64(),
        high: bounds.high.map(|high| high.as_secs_f64()),
        down: outage.down(run_end).as_secs_f64(),
        longest: outage.longest(run_end).as_secs_f64(),
        bad: outage.bad(),
        classes: outage.classes.iter().map(|(class, count)| (class.word().to_owned(), *count)).collect(),
    }
}

/// Of the right answers, late ones included.
fn latency(samples: &[&Sample]) -> Option<LatencyResult> {
    let mut histogram = Latency::new().ok()?;
    for sample in samples.iter().filter(|sample| sample.class.is_answered()) {
        histogram.record(sample.latency());
    }
    let figures = histogram.summary()?;
    Some(LatencyResult {
        p50: figures.p50?,
        p90: figures.p90?,
        p99: figures.p99?,
        p999: figures.p99_9?,
        max: figures.max?,
        unit: Unit::Seconds,
    })
}

/// Of the right answers, late ones included: what the runner added, and the phases of those that have times of them.
fn phases(samples: &[&Sample], timings: &[&Timings]) -> Vec<PhaseResult> {
    let lags = samples.iter().filter(|sample| sample.class.is_answered()).map(|sample| (sample.lag(), 1));
    let runner = phase("runner", lags).filter(|lag| lag.max > 0.0);
    let lengths = crate::timings::lengths(samples, timings);
    let names = RequestPhases::NAMES.iter().zip(lengths);
    runner.into_iter().chain(names.filter_map(|(name, lengths)| phase(name, lengths.into_iter()))).collect()
}

/// The figures of one phase; none if no request had it.
fn phase(name: &str, lengths: impl Iterator<Item = (Duration, u64)>) -> Option<PhaseResult> {
    let mut histogram = Latency::new().ok()?;
    lengths.for_each(|(length, count)| histogram.record_many(length, count));
    let figures = histogram.summary()?;
    let (p50, p99, max) = (figures.p50?, figures.p99?, figures.max?);
    Some(PhaseResult { phase: name.to_owned(), n: histogram.len(), p50, p99, max })
}
