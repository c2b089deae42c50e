//! `istio_requests_total` and `istio_request_duration_milliseconds` of a productpage's calls to reviews.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Upper bounds of the buckets, milliseconds.
const BOUNDS: [f64; 12] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0];

#[derive(Debug, Clone, Default)]
struct Series {
    count: u64,
    sum: f64,
    buckets: [u64; BOUNDS.len()],
}

/// Counters by destination cluster and response code.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppMetrics(BTreeMap<(String, u16), Series>);

impl AppMetrics {
    pub(crate) fn record(&mut self, destination: &str, code: u16, ms: f64) {
        // Looked up first: the hit needs no new key.
        let key = (destination.to_owned(), code);
        let series = self.0.entry(key).or_default();
        series.count += 1;
        series.sum += ms;
        for (bucket, bound) in series.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(ms <= bound);
        }
    }

    /// Every sample: name, labels and value.
    pub(crate) fn samples(&self, source: &str, mut emit: impl FnMut(&'static str, Vec<(&'static str, String)>, f64)) {
        for ((destination, code), series) in &self.0 {
            let labels = labels(source, destination, *code);
            emit("istio_requests_total", labels.clone(), series.count as f64);
            for (bound, n) in BOUNDS.iter().zip(series.buckets) {
                let mut with = labels.clone();
                with.push(("le", bound.to_string()));
                emit("istio_request_duration_milliseconds_bucket", with, n as f64);
            }
            let mut with = labels.clone();
            with.push(("le", "+Inf".into()));
            emit("istio_request_duration_milliseconds_bucket", with, series.count as f64);
            emit("istio_request_duration_milliseconds_sum", labels.clone(), series.sum);
            emit("istio_request_duration_milliseconds_count", labels, series.count as f64);
        }
    }

    /// The text format.
    pub(crate) fn text(&self, source: &str) -> String {
        let mut counters = String::from("# TYPE istio_requests_total counter\n");
        let mut histograms = String::from("# TYPE istio_request_duration_milliseconds histogram\n");
        self.samples(source, |name, labels, value| {
            let inner: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            let out = if name == "istio_requests_total" { &mut counters } else { &mut histograms };
            let _ = writeln!(out, "{name}{{{}}} {value}", inner.join(","));
        });
        counters + &histograms
    }
}

fn labels(source: &str, destination: &str, code: u16) -> Vec<(&'static str, String)> {
    vec![
        ("reporter", "source".into()),
        ("source_cluster", source.into()),
        ("source_workload", "productpage-v1".into()),
        ("source_workload_namespace", "bookinfo".into()),
        ("destination_cluster", destination.into()),
        ("destination_service", "reviews.bookinfo.svc.cluster.local".into()),
        ("destination_service_name", "reviews".into()),
        ("destination_app", "reviews".into()),
        ("request_protocol", "http".into()),
        ("response_code", code.to_string()),
        ("response_flags", if code == 200 { "-".into() } else { "URX".into() }),
        ("connection_security_policy", "mutual_tls".into()),
    ]
}
