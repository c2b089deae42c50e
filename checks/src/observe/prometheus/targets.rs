//! What a Prometheus scrapes and how that goes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::answer::{self, Answer, PrometheusError};
use super::duration::parse_duration;
use super::rules::moment;

/// All targets of a Prometheus.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Those it scrapes. A target that left service discovery is not down but gone.
    pub active: Vec<Target>,
    /// Number of those that were found and dropped.
    pub dropped: u64,
    /// The same for each scrape pool, where the version or the list has it.
    pub dropped_in: BTreeMap<String, u64>,
}

/// How the last scrape went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetHealth {
    /// Well.
    Up,
    /// It failed, see `last_error`.
    Down,
    /// Not scraped yet.
    #[serde(other)]
    Unknown,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Labels of its series, `job` and `instance` among them.
    pub labels: BTreeMap<String, String>,
    /// Labels of service discovery before relabelling.
    #[serde(default)]
    pub discovered_labels: BTreeMap<String, String>,
    /// The scrape job.
    #[serde(default)]
    pub scrape_pool: String,
    /// Where it is scraped.
    pub scrape_url: String,
    /// How the last scrape went.
    pub health: TargetHealth,
    /// What went wrong in it.
    #[serde(default)]
    pub last_error: String,
    /// When it was; `None` if never.
    #[serde(default, deserialize_with = "moment")]
    pub last_scrape: Option<Timestamp>,
    /// How often it is scraped; `None` where the version does not tell.
    #[serde(default, deserialize_with = "interval")]
    pub scrape_interval: Option<Duration>,
}

impl Target {
    /// The `job` label.
    pub fn job(&self) -> &str {
        self.labels.get("job").map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetsData {
    active_targets: Vec<Target>,
    #[serde(default)]
    dropped_targets: Vec<Dropped>,
    #[serde(default)]
    dropped_target_counts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dropped {
    /// Older versions do not report it; the job of service discovery is the same.
    scrape_pool: Option<String>,
    #[serde(default)]
    discovered_labels: BTreeMap<String, String>,
}

/// Reads the answer of `/api/v1/targets`.
pub fn parse_targets(status: u16, body: &[u8]) -> Result<Answer<Targets>, PrometheusError> {
    answer::open::<TargetsData>(status, body)?.map(|data| {
        let counted = data.dropped_target_counts.values().fold(0u64, |sum, n| sum.saturating_add(*n));
        let dropped = counted.max(data.dropped_targets.len() as u64);
        let mut dropped_in = data.dropped_target_counts;
        if dropped_in.is_empty() {
            for mut one in data.dropped_targets {
                let pool = one.scrape_pool.or_else(|| one.discovered_labels.remove("job"));
                *dropped_in.entry(pool.unwrap_or_default()).or_default() += 1;
            }
        }
        Ok(Targets { active: data.active_targets, dropped, dropped_in })
    })
}

fn interval<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<String>::deserialize(json)?.and_then(|text| parse_duration(&text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_capture() {
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_targets.json");
        let targets = parse_targets(200, body).unwrap().data;
        assert_eq!((targets.active.len(), targets.dropped), (4, 0));
        let down: Vec<_> = targets.active.iter().filter(|t| t.health == TargetHealth::Down).collect();
        assert_eq!(down.len(), 1);
        assert!(down[0].last_error.contains("connection refused"));
        let federate = &targets.active[0];
        assert_eq!((federate.job(), federate.scrape_interval), ("federate-secondary", Some(Duration::from_secs(15))));
        assert_eq!(federate.last_scrape.unwrap().as_second(), 1_795_348_644);
    }

    #[test]
    fn never_scraped_and_counted_drops() {
        let body = br#"{"status":"success","data":{"activeTargets":[{"labels":{},"scrapeUrl":"u","health":"unknown",
            "lastScrape":"0001-01-01T00:00:00Z"}],"droppedTargets":[{"discoveredLabels":{"job":"a"}}],"droppedTargetCounts":{"a":3,"b":4}}}"#;
        let targets = parse_targets(200, body).unwrap().data;
        assert_eq!((targets.active[0].health, targets.active[0].last_scrape), (TargetHealth::Unknown, None));
        assert_eq!((targets.dropped, targets.dropped_in["b"]), (7, 4));
        let body =
            br#"{"status":"success","data":{"activeTargets":[],"droppedTargets":[{"discoveredLabels":{"job":"a"}},
            {"discoveredLabels":{"job":"x"},"scrapePool":"a"}]}}"#;
        assert_eq!(parse_targets(200, body).unwrap().data.dropped_in["a"], 2, "counted where nothing else tells");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_targets(200, &body).is_err());
        }

        #[test]
        fn a_damaged_capture_is_survived(at in 0usize..2_800, byte in any::<u8>()) {
            let mut body = include_bytes!("../../../tests/captures/prometheus/api_v1_targets.json").to_vec();
            body[at] = byte;
            let _ = parse_targets(200, &body);
        }
    }
}
