//! The text exposition: `/federate`, the metrics of Envoy and istiod, of anything that is scraped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_parse::{Scrape, Value};
use serde::Serialize;

use super::answer::PrometheusError;
use super::guard::{guard, unguard, unguard_name};
use crate::observe::Excerpt;

/// Everything one scrape showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Exposition {
    /// The samples, in no particular order.
    pub metrics: Vec<Metric>,
    /// Lines that are neither comment nor sample.
    pub unreadable: u64,
    /// Whether the text ended in the middle of a line.
    pub truncated: bool,
}

/// One sample, or one histogram or summary put together from its lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Its name; a histogram's without `_bucket`.
    pub name: String,
    /// Its labels, without `le` or `quantile`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: Sampled,
    /// When it was taken; only federated samples say so.
    pub at: Option<Timestamp>,
}

/// A value as its type has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampled {
    /// Only grows, until its process restarts.
    Counter(f64),
    /// Goes up and down.
    Gauge(f64),
    /// Type not declared, as everything federated.
    Untyped(f64),
    /// Cumulative buckets: upper bound and count. Its `_sum` and `_count` are samples of their own.
    Histogram(Vec<(f64, f64)>),
    /// Quantiles and their values.
    Summary(Vec<(f64, f64)>),
}

impl Metric {
    /// The number, `None` for histograms and summaries.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Sampled::Counter(n) | Sampled::Gauge(n) | Sampled::Untyped(n) => Some(n),
            Sampled::Histogram(_) | Sampled::Summary(_) => None,
        }
    }

    /// The value of a label, empty where it is not set, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Exposition {
    /// Samples of this name whose labels have these values; other labels may be anything.
    pub fn select<'a>(&'a self, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = &'a Metric> {
        self.metrics
            .iter()
            .filter(move |m| m.name == name && labels.iter().all(|(label, value)| m.label(label) == *value))
    }

    /// Sum of the selected samples; `None` if nothing is selected or a value is not a number: no data is not 0.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let numbers: Vec<f64> = self.select(name, labels).filter_map(Metric::number).collect();
        let sum: f64 = numbers.iter().sum();
        (!numbers.is_empty() && !sum.is_nan()).then_some(sum)
    }
}

/// Reads a text exposition. An empty body is one without samples, which is what a federation without a match gives.
///
/// Fails when a body that is not empty has neither comment nor sample: an error page is not "no metrics".
pub fn parse_exposition(status: u16, body: &[u8]) -> Result<Exposition, PrometheusError> {
    let not_prometheus = || PrometheusError::NotPrometheus { status, came: Excerpt::of(body) };
    if !(200..300).contains(&status) {
        return Err(not_prometheus());
    }
    let text = String::from_utf8_lossy(body);
    let (mut lines, mut comments, mut samples) = (Vec::new(), 0u64, 0u64);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.trim_start().starts_with('#') {
            comments += 1;
        } else {
            samples += 1;
        }
        lines.extend(guard(line).map(Ok));
    }
    // Its other constructor would take the time of a clock for samples without one; none here is of 1970.
    #[expect(clippy::default_trait_access, reason = "the type is of a crate that only prometheus-parse uses")]
    let scrape = Scrape::parse_at(lines.into_iter(), Default::default()).map_err(|_| not_prometheus())?;
    let metrics: Vec<Metric> = scrape.samples.into_iter().map(metric).collect();
    let read: u64 = metrics.iter().map(lines_of).sum();
    if metrics.is_empty() && comments == 0 && samples > 0 {
        return Err(not_prometheus());
    }
    let truncated = body.last().is_some_and(|last| *last != b'\n');
    Ok(Exposition { metrics, unreadable: samples.saturating_sub(read), truncated })
}

fn lines_of(metric: &Metric) -> u64 {
    match &metric.value {
        Sampled::Counter(_) | Sampled::Gauge(_) | Sampled::Untyped(_) => 1,
        Sampled::Histogram(parts) | Sampled::Summary(parts) => parts.len() as u64,
    }
}

fn metric(sample: prometheus_parse::Sample) -> Metric {
    let millis = sample.timestamp.timestamp_millis();
    Metric {
        name: unguard_name(&sample.metric),
        labels: sample.labels.iter().map(|(label, value)| (label.clone(), unguard(value))).collect(),
        value: match sample.value {
            Value::Counter(n) => Sampled::Counter(n),
            Value::Gauge(n) => Sampled::Gauge(n),
            Value::Untyped(n) => Sampled::Untyped(n),
            Value::Histogram(buckets) => Sampled::Histogram(buckets.iter().map(|b| (b.less_than, b.count)).collect()),
            Value::Summary(parts) => Sampled::Summary(parts.iter().map(|p| (p.quantile, p.count)).collect()),
        },
        at: if millis == 0 { None } else { Timestamp::from_millisecond(millis).ok() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Exposition {
        parse_exposition(200, text.as_bytes()).unwrap()
    }

    #[test]
    fn an_envoys_metrics() {
        let body = include_bytes!("../../../tests/captures/envoy/stats_prometheus_istio_default_matcher.txt");
        let metrics = parse_exposition(200, body).unwrap();
        assert_eq!((metrics.unreadable, metrics.truncated), (0, false));
        let histogram = metrics.select("envoy_cluster_upstream_cx_connect_ms", &[("cluster_name", "xds-grpc")]).next();
        let Some(Sampled::Histogram(buckets)) = histogram.map(|m| &m.value) else { panic!("{histogram:?}") };
        assert_eq!(buckets.len(), 20);
        assert!(buckets[19].0.is_infinite());
        assert!(metrics.sum("envoy_server_uptime", &[]).is_some());
        assert_eq!(metrics.sum("envoy_cluster_upstream_rq_total", &[("cluster_name", "outbound|9080||x")]), None);
    }

    #[test]
    fn federated_samples_carry_their_time() {
        let body = include_bytes!("../../../tests/captures/prometheus/federate_head.txt");
        let metrics = parse_exposition(200, body).unwrap();
        // The capture is the beginning of an answer: its last line is cut off.
        assert!(metrics.truncated && metrics.unreadable <= 1);
        let alert = metrics.select("ALERTS", &[("alertname", "IngressGatewayDown")]).next().unwrap();
        assert_eq!(alert.at.unwrap().as_millisecond(), 1_795_348_638_030);
        assert_eq!(alert.value, Sampled::Untyped(1.0));
        assert_eq!(alert.label("cluster"), "primary-cluster");
    }

    #[test]
    fn awkward_values_keep_all_their_labels() {
        let metrics = read(
            "# TYPE istio_requests_total counter\n\
             istio_requests_total{response_flags=\"UF,URX\",a=\"x=y\",b=\"{}\",c=\"q\\\"\\\\\",reporter=\"source\"} 3\n\
             job:rate5m{} NaN\nempty{} +Inf 1795348638030\n",
        );
        let total = metrics.select("istio_requests_total", &[("reporter", "source")]).next().unwrap();
        let labels: Vec<&str> = ["response_flags", "a", "b", "c"].into_iter().map(|l| total.label(l)).collect();
        assert_eq!((labels, &total.value), (vec!["UF,URX", "x=y", "{}", "q\"\\"], &Sampled::Counter(3.0)));
        assert!(metrics.select("job:rate5m", &[]).next().unwrap().number().unwrap().is_nan());
        assert_eq!((metrics.sum("job:rate5m", &[]), metrics.sum("empty", &[])), (None, Some(f64::INFINITY)));
        assert_eq!(metrics.unreadable, 0);
    }

    #[test]
    fn nothing_is_not_an_error_but_an_error_page_is() {
        assert_eq!(read(""), Exposition::default());
        assert_eq!(read("# EOF\n").unreadable, 0);
        assert!(parse_exposition(200, b"<html>\n<body>no</body></html>\n").is_err());
        assert!(parse_exposition(503, b"up 1\n").is_err());
        assert_eq!(read("up 1\nup one\nhalf{a=\"b\n").unreadable, 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_exposition(200, &body);
        }

        #[test]
        fn any_arrangement_is_survived(parts in prop::collection::vec(prop::sample::select(vec![
            "a", "{", "}", "=", "\"", ",", " ", "1", "\n", "\\", "# TYPE a histogram\n", "# TYPE a summary\n", "le", "_bucket", "NaN", ":",
        ]), 0..60)) {
            let _ = parse_exposition(200, parts.concat().as_bytes());
        }
    }
}
