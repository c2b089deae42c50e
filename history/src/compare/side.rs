//! One of the two runs: its judgement, and of its record what a comparison needs.

use std::collections::BTreeMap;

use meshdrill_checks::record::{Header, Record, Series};
use meshdrill_checks::score::score;
use serde::Serialize;
use serde_json::Value;

use crate::card::{Card, CardError, versions};

/// A run that is compared.
#[derive(Debug)]
pub struct Side {
    /// Its judgement by this version of meshdrill, from its record.
    pub card: Card,
    /// Where it is.
    pub path: String,
    /// Probes, faults and periods as its record has them, by name.
    pub(super) shape: BTreeMap<(&'static str, String), String>,
    /// The versions that the record names.
    pub(super) versions: BTreeMap<String, String>,
    /// Latencies of right answers, in time or late, in seconds, in the order in which they were due.
    pub(super) latencies: BTreeMap<(String, &'static str), Vec<f64>>,
}

/// A run in a report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRef {
    /// The run's id.
    pub id: String,
    /// When it started.
    pub started: String,
    /// Where it is.
    pub path: String,
    /// Its verdict.
    pub verdict: meshdrill_checks::verdict::Verdict,
    /// The versions that it names.
    pub versions: BTreeMap<String, String>,
}

impl Side {
    /// Judges a record.
    pub fn new(record: &Record, path: String) -> Result<Self, CardError> {
        let card = Card::of(&score(record))?;
        let mut latencies: BTreeMap<(String, &'static str), Vec<f64>> = BTreeMap::new();
        for probe in &record.header.probes {
            let mut samples: Vec<_> =
                record.samples(&probe.name).iter().filter(|one| one.class.is_answered()).collect();
            samples.sort_by_key(|one| one.scheduled);
            for sample in samples {
                let series = (probe.name.clone(), series_word(sample.series));
                latencies.entry(series).or_default().push(sample.latency().as_secs_f64());
            }
        }
        Ok(Self { card, path, shape: shape(&record.header), versions: versions_of(&record.header), latencies })
    }

    pub(super) fn reference(&self) -> RunRef {
        RunRef {
            id: self.card.run.id.clone(),
            started: self.card.run.started.clone(),
            path: self.path.clone(),
            verdict: self.card.verdict,
            versions: self.versions.clone(),
        }
    }
}

const fn series_word(series: Series) -> &'static str {
    match series {
        Series::New => "new",
        Series::Kept => "kept",
    }
}

/// The versions that a record names. Records of older versions name that of meshdrill alone; the others are unknown.
fn versions_of(header: &Header) -> BTreeMap<String, String> {
    let identity = serde_json::to_value(header).map_or(Value::Null, |header| header["identity"].clone());
    let mut found = versions(&identity);
    found.insert("meshdrill".to_owned(), header.tool.clone());
    found
}

/// What was planned, by name: a scenario that was edited has another.
fn shape(header: &Header) -> BTreeMap<(&'static str, String), String> {
    let mut shape = BTreeMap::new();
    for probe in &header.probes {
        let series: Vec<&str> = probe.series.iter().map(|series| series_word(*series)).collect();
        let text = format!(
            "{} {}, every {}, late after {}, {} connections",
            probe.kind,
            probe.what,
            probe.every,
            probe.slow,
            series.join(" and ")
        );
        shape.insert(("probe", probe.name.clone()), text);
    }
    for fault in &header.faults {
        shape.insert(("fault", fault.id.clone()), format!("{} in {}", fault.what, fault.clusters.join(", ")));
    }
    for check in &header.checks {
        shape.insert(("check", format!("{} in {}", check.id, check.stage.key())), String::new());
    }
    shape
}
