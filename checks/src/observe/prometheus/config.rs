//! The configuration a Prometheus runs with: what it adds to the series it hands on, and its scrape jobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{self, Answer, PrometheusError};

/// What of the configuration matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Labels it adds to series that it hands on, where a series has none of that name; not to those it is asked for itself.
    pub external_labels: BTreeMap<String, String>,
    /// Its scrape jobs, those of files beside the configuration left out.
    pub jobs: Vec<String>,
    /// Whether it changes the labels of alerts before it sends them.
    pub relabels_alerts: bool,
}

#[derive(Deserialize)]
struct Data {
    yaml: String,
}

#[derive(Deserialize, Default)]
struct Raw {
    #[serde(default)]
    global: Global,
    #[serde(default)]
    scrape_configs: Vec<Job>,
    #[serde(default)]
    alerting: Alerting,
}

#[derive(Deserialize, Default)]
struct Alerting {
    #[serde(default)]
    alert_relabel_configs: Vec<Value>,
}

#[derive(Deserialize, Default)]
struct Global {
    #[serde(default)]
    external_labels: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Job {
    job_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pools {
    #[serde(default)]
    scrape_pools: Vec<String>,
}

/// Reads the answer of `/api/v1/status/config`.
pub fn parse_config(status: u16, body: &[u8]) -> Result<Answer<Config>, PrometheusError> {
    answer::open::<Data>(status, body)?.map(|data| {
        let raw: Raw =
            serde_saphyr::from_str(&data.yaml).map_err(|error| PrometheusError::Shape { why: error.to_string() })?;
        let plain = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let labels = raw.global.external_labels.into_iter().map(|(name, value)| (name, plain(value)));
        let jobs = raw.scrape_configs.into_iter().map(|job| job.job_name).collect();
        let relabels_alerts = !raw.alerting.alert_relabel_configs.is_empty();
        Ok(Config { external_labels: labels.collect(), jobs, relabels_alerts })
    })
}

/// Reads the answer of `/api/v1/scrape_pools`, which versions before 2.42 do not have.
pub fn parse_scrape_pools(status: u16, body: &[u8]) -> Result<Answer<Vec<String>>, PrometheusError> {
    answer::open::<Pools>(status, body)?.map(|data| Ok(data.scrape_pools))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_capture() {
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_status_config.json");
        let config = parse_config(200, body).unwrap().data;
        assert_eq!(config.external_labels, BTreeMap::from([("cluster".to_owned(), "primary-cluster".to_owned())]));
        assert_eq!(config.jobs, ["prometheus", "kubernetes-pods", "federate-peer"]);
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_scrape_pools.json");
        let pools = parse_scrape_pools(200, body).unwrap().data;
        assert_eq!(pools, ["federate-peer", "kubernetes-pods", "prometheus"]);
    }

    #[test]
    fn configurations_without_either() {
        let read = |yaml: &str| {
            let body = serde_json::json!({ "status": "success", "data": { "yaml": yaml } }).to_string();
            parse_config(200, body.as_bytes()).map(|answer| answer.data)
        };
        assert_eq!(read("global:\n  scrape_interval: 15s\n").unwrap(), Config::default());
        assert_eq!(read("global:\n  external_labels:\n    shard: 0\n").unwrap().external_labels["shard"], "0");
        assert!(
            read("alerting: { alert_relabel_configs: [{ action: labeldrop, regex: replica }] }")
                .unwrap()
                .relabels_alerts
        );
        assert!(read("a: [").is_err());
        assert!(parse_scrape_pools(404, b"404 page not found").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_config(200, &body).is_err() && parse_scrape_pools(200, &body).is_err());
        }
    }
}
