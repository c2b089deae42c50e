//! `istio_requests_total` and `istio_request_duration_milliseconds` of the requests that an application sends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Upper bounds of the buckets, milliseconds.
const BOUNDS: [f64; 12] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0];

const REQUESTS: &str = "istio_requests_total";

#[derive(Debug, Clone, Default)]
struct Series {
    count: u64,
    sum: f64,
    buckets: [u64; BOUNDS.len()],
}

/// The samples of requests with the same labels: metric, upper bound of the bucket, value.
pub(crate) struct Calls {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) samples: Vec<(&'static str, String, f64)>,
}

/// Who sends the requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// Istio's id of the cluster.
    pub(crate) cluster: &'a str,
    pub(crate) workload: &'a str,
    pub(crate) namespace: &'a str,
}

/// Counters by destination service (`NAME.NAMESPACE`), destination cluster and response code.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppMetrics(BTreeMap<(String, String, u16), Series>);

impl AppMetrics {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn record(&mut self, service: &str, destination: &str, code: u16, ms: f64) {
        let series = self.0.entry((service.to_owned(), destination.to_owned(), code)).or_default();
        series.count += 1;
        series.sum += ms;
        for (bucket, bound) in series.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(ms <= bound);
        }
    }

    /// Every sample, grouped by the labels of its requests.
    pub(crate) fn calls(&self, sender: Sender<'_>) -> impl Iterator<Item = Calls> {
        self.0.iter().map(move |((service, destination, code), series)| {
            let mut samples = vec![(REQUESTS, String::new(), series.count as f64)];
            let buckets = BOUNDS.iter().zip(series.buckets).map(|(bound, n)| (bound.to_string(), n));
            let all = buckets.chain(std::iter::once(("+Inf".to_owned(), series.count)));
            samples.extend(all.map(|(le, n)| ("istio_request_duration_milliseconds_bucket", le, n as f64)));
            samples.push(("istio_request_duration_milliseconds_sum", String::new(), series.sum));
            samples.push(("istio_request_duration_milliseconds_count", String::new(), series.count as f64));
            Calls { labels: labels(sender, service, destination, *code), samples }
        })
    }

    /// The text format.
    pub(crate) fn text(&self, sender: Sender<'_>) -> String {
        let mut counters = format!("# TYPE {REQUESTS} counter\n");
        let mut histograms = String::from("# TYPE istio_request_duration_milliseconds histogram\n");
        for calls in self.calls(sender) {
            let labels: Vec<String> = calls.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            let labels = labels.join(",");
            for (name, le, value) in calls.samples {
                let out = if name == REQUESTS { &mut counters } else { &mut histograms };
                let le = if le.is_empty() { le } else { format!(",le={le:?}") };
                let _ = writeln!(out, "{name}{{{labels}{le}}} {value}");
            }
        }
        counters + &histograms
    }
}

fn labels(sender: Sender<'_>, service: &str, destination: &str, code: u16) -> Vec<(&'static str, String)> {
    let name = service.split('.').next().unwrap_or(service);
    vec![
        ("reporter", "source".into()),
        ("source_cluster", sender.cluster.into()),
        ("source_workload", sender.workload.to_owned()),
        ("source_workload_namespace", sender.namespace.to_owned()),
        ("destination_cluster", destination.into()),
        ("destination_service", format!("{service}.svc.cluster.local")),
        ("destination_service_name", name.into()),
        ("destination_app", name.into()),
        ("request_protocol", "http".into()),
        ("response_code", code.to_string()),
        ("response_flags", if code == 200 { "-".into() } else { "URX".into() }),
        ("connection_security_policy", "mutual_tls".into()),
    ]
}
