//! The guide's seven alerting rules: evaluation, `for`, and what is sent to Alertmanager.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use promql_parser::parser::Expr;

use super::labels::{Labels, NAME};
use super::promql::{self, Value};
use crate::clock::Ms;
use crate::world::World;

/// How long a resolved alert keeps being sent.
const RESOLVED: Ms = 900_000;
/// How often a firing alert is sent again.
const RESEND: Ms = 60_000;

/// One alert of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) since: Ms,
    pub(crate) fired: Option<Ms>,
    pub(crate) resolved: Option<Ms>,
    pub(crate) value: f64,
    sent: Option<Ms>,
}

/// One rule with its state.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) query: String,
    pub(crate) wait: Ms,
    pub(crate) severity: &'static str,
    pub(crate) summary: &'static str,
    expr: Option<Expr>,
    pub(crate) error: Option<String>,
    pub(crate) evaluated: Ms,
    pub(crate) active: BTreeMap<Labels, Active>,
}

struct Source {
    name: &'static str,
    query: String,
    wait_s: i64,
    severity: &'static str,
    summary: &'static str,
}

fn sources(world: &World, c: usize) -> Vec<Source> {
    let quirks = &world.clusters[c].quirks;
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
    let one = |name, query: &str, wait_s, severity, summary| Source {
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
pub(crate) fn text(world: &World, c: usize) -> String {
    let mut out = String::from("groups:\n- name: mesh\n  rules:\n");
    for s in sources(world, c) {
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

/// The rules as a starting Prometheus loads them.
pub(crate) fn load(world: &World, c: usize) -> Vec<Rule> {
    if world.clusters[c].quirks.rules_unloaded {
        return Vec::new();
    }
    let rule = |s: Source| Rule {
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
    sources(world, c).into_iter().map(rule).collect()
}

/// Forgets alerts; the mesh was well when the lab starts.
pub(crate) fn forget(world: &mut World, c: usize) {
    for rule in &mut world.clusters[c].prometheus.rules {
        rule.active.retain(|_, active| active.fired.is_none() || active.resolved.is_none());
    }
}

/// An alert on its way to Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) labels: Labels,
    pub(crate) summary: &'static str,
    pub(crate) query: String,
    pub(crate) starts: Ms,
    pub(crate) resolved: Option<Ms>,
}

/// Evaluates every rule now.
pub(crate) fn evaluate(world: &mut World, c: usize) {
    let (now, at) = (world.now, world.dates.unix_ms(world.now));
    let mut rules = std::mem::take(&mut world.clusters[c].prometheus.rules);
    let mut sent = Vec::new();
    let cluster_label = world.clusters[c].ident.istio.clone();
    for rule in &mut rules {
        rule.evaluated = now;
        let db = &world.clusters[c].prometheus.db;
        let found = match rule.expr.as_ref().map(|e| promql::eval(db, e, at)) {
            Some(Ok(Value::Vector(list))) => list,
            Some(Ok(Value::Scalar(n))) => vec![promql::Sample { labels: Labels::default(), value: n, at }],
            Some(Ok(_)) | None => Vec::new(),
            Some(Err(why)) => {
                rule.error = Some(why.message);
                continue;
            }
        };
        rule.error = None;
        let label = |l: &Labels| l.without_name().with("alertname", rule.name).with("severity", rule.severity);
        let present: BTreeMap<Labels, f64> = found.iter().map(|s| (label(&s.labels), s.value)).collect();
        for (labels, value) in &present {
            let fresh = || Active { since: now, fired: None, resolved: None, value: *value, sent: None };
            let active = rule.active.entry(labels.clone()).or_insert_with(fresh);
            if active.resolved.is_some() {
                *active = fresh();
            }
            active.value = *value;
            if active.fired.is_none() && now - active.since >= rule.wait {
                active.fired = Some(now);
            }
        }
        for (labels, active) in &mut rule.active {
            if !present.contains_key(labels) && active.resolved.is_none() {
                active.resolved = Some(now);
            }
        }
        rule.active.retain(|_, a| a.resolved.is_none_or(|r| a.fired.is_some() && now - r < RESOLVED));
        for (labels, active) in &mut rule.active {
            let Some(fired) = active.fired else { continue };
            let due = active.sent.is_none_or(|s| now - s >= RESEND || active.resolved.is_some_and(|r| r >= s));
            if due {
                active.sent = Some(now + i64::from(active.resolved.is_some()));
                let labels = labels.with("cluster", &cluster_label);
                sent.push(Sent {
                    labels,
                    summary: rule.summary,
                    query: rule.query.clone(),
                    starts: fired,
                    resolved: active.resolved,
                });
            }
        }
    }
    write_series(world, c, &rules, at);
    world.clusters[c].prometheus.rules = rules;
    world.clusters[c].prometheus.evaluated = now;
    if !sent.is_empty() && !world.clusters[c].quirks.alertmanager_detached && !world.booting {
        crate::alerts::receive(world, c, sent);
    }
}

/// The `ALERTS` series.
fn write_series(world: &mut World, c: usize, rules: &[Rule], at: i64) {
    let db = &mut world.clusters[c].prometheus.db;
    for rule in rules {
        for (labels, active) in &rule.active {
            let state = if active.fired.is_some() { "firing" } else { "pending" };
            let on = labels.with(NAME, "ALERTS").with("alertstate", state);
            let other =
                labels.with(NAME, "ALERTS").with("alertstate", if state == "firing" { "pending" } else { "firing" });
            if active.resolved.is_none() {
                db.append(&on, at, 1.0);
            } else {
                db.append(&on, at, super::tsdb::stale());
            }
            if active.fired == Some(active.since.max(active.fired.unwrap_or(0))) && state == "firing" {
                db.append(&other, at, super::tsdb::stale());
            }
        }
    }
}
