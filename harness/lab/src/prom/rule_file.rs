//! The rule file: the guide's seven alerting rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::promql;
use super::rule::Rule;
use crate::world::World;

/// A rule in the file.
struct RuleSource {
    name: &'static str,
    query: String,
    wait_s: i64,
    severity: &'static str,
    summary: &'static str,
}

fn sources(world: &World, cluster: usize) -> Vec<RuleSource> {
    let quirks = &world.clusters[cluster].quirks;
    let istiod = if quirks.never_firing_istiod_rule {
        r#"up{job="kubernetes-pods",app="istiod"} == 0"#
    } else {
        r#"absent(up{job="kubernetes-pods",app="istiod",cluster=""} == 1)"#
    };
    let latency = if quirks.rule_error {
        r#"up{job="kubernetes-pods"} * on(job) istio_requests_total > 1000"#
    } else {
        r#"histogram_quantile(0.99, sum by (le) (rate(istio_request_duration_milliseconds_bucket{reporter="source"}[5m]))) > 1000"#
    };
    let (own, other) = match world.clusters.get(1) {
        Some(other) => (world.clusters[0].ident.istio.clone(), other.ident.istio.clone()),
        None => (world.clusters[0].ident.istio.clone(), "secondary-cluster".into()),
    };
    let cross = format!(
        r#"sum(rate(istio_requests_total{{reporter="source",source_cluster="{own}",destination_cluster="{other}"}}[5m])) == 0"#
    );
    let one = |name, query: &str, wait_s, severity, summary| RuleSource {
        name,
        query: query.to_owned(),
        wait_s,
        severity,
        summary,
    };
    vec![
        one(
            "HighErrorRate",
            r#"(sum(rate(istio_requests_total{reporter="source",response_code=~"5.."}[5m])) or vector(0)) / sum(rate(istio_requests_total{reporter="source"}[5m])) > 0.05"#,
            300,
            "critical",
            "High error rate detected",
        ),
        one(
            "IngressGatewayDown",
            r#"absent(up{job="kubernetes-pods",app="istio-ingressgateway",cluster=""} == 1)"#,
            60,
            "critical",
            "Ingress gateway is down",
        ),
        one("IstiodDown", istiod, 120, "critical", "Istio control plane is down"),
        one("HighLatency", latency, 300, "warning", "High latency detected"),
        one("CrossClusterConnectivityIssue", &cross, 300, "warning", "No cross-cluster traffic detected"),
        one(
            "CircuitBreakerTriggered",
            r#"sum(rate(istio_requests_total{reporter="source",response_flags=~".*UO.*"}[5m])) > 0"#,
            120,
            "warning",
            "Circuit breaker has been triggered",
        ),
        one(
            "HighConnectionPoolUsage",
            "sum by (pod) (envoy_cluster_upstream_cx_active) / 100 > 0.8",
            300,
            "warning",
            "High connection pool usage",
        ),
    ]
}

/// The rule file.
pub(crate) fn text(world: &World, cluster: usize) -> String {
    let mut out = String::from("groups:\n- name: mesh\n  rules:\n");
    for s in sources(world, cluster) {
        let _ = write!(
            out,
            "  - alert: {}\n    expr: {}\n    for: {}m\n    labels: {{severity: {}}}\n    annotations: {{summary: {}}}\n",
            s.name,
            s.query,
            s.wait_s / 60,
            s.severity,
            s.summary
        );
    }
    out
}

/// The rules that a starting Prometheus loads.
pub(crate) fn load(world: &World, cluster: usize) -> Vec<Rule> {
    if world.clusters[cluster].quirks.rules_unloaded {
        return Vec::new();
    }
    let rule = |s: RuleSource| Rule {
        expr: promql::parse(&s.query).ok(),
        name: s.name,
        query: s.query,
        wait: s.wait_s * 1000,
        severity: s.severity,
        summary: s.summary,
        error: None,
        evaluated: 0,
        active: BTreeMap::new(),
    };
    sources(world, cluster).into_iter().map(rule).collect()
}
