//! Rules, alerts and targets over HTTP.

use serde_json::{Value, json};

use super::labels::Labels;
use super::response::success;
use super::rule::{ActiveAlert, Rule};
use super::target::TargetSource;
use super::{config, discovery};
use crate::api::query::Query;
use crate::plane::call::HttpAnswer;
use crate::world::World;

/// The value of an alert: `1e+00`.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return super::promql::number(value);
    }
    let text = format!("{value:e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn alert(world: &World, rule: &Rule, labels: &Labels, active: &ActiveAlert) -> Value {
    let state = if active.fired.is_some() { "firing" } else { "pending" };
    json!({"labels": labels.json(), "annotations": {"summary": rule.summary}, "state": state,
        "activeAt": world.dates.millis(active.since), "value": exponent(active.value)})
}

fn live<'a>(world: &'a World, rule: &'a Rule) -> impl Iterator<Item = Value> + 'a {
    rule.active.iter().filter(|(_, a)| a.resolved.is_none()).map(move |(labels, a)| alert(world, rule, labels, a))
}

pub(super) fn rules(world: &World, cluster: usize, kind: Option<&str>) -> HttpAnswer {
    let (prometheus, monitoring) = (&world.clusters[cluster].prometheus, &world.clusters[cluster].monitoring);
    let one = |rule: &Rule| {
        let alerts: Vec<Value> = live(world, rule).collect();
        let state = if alerts.iter().any(|a| a["state"] == "firing") {
            "firing"
        } else if alerts.is_empty() {
            "inactive"
        } else {
            "pending"
        };
        let mut value = json!({"state": state, "name": rule.name, "query": rule.query, "duration": rule.wait / 1000, "keepFiringFor": 0,
            "labels": {"severity": rule.severity}, "annotations": {"summary": rule.summary}, "alerts": alerts,
            "health": if rule.error.is_some() { "err" } else { "ok" }, "evaluationTime": 0.000_412,
            "lastEvaluation": world.dates.millis(rule.evaluated), "type": "alerting"});
        if let Some(error) = &rule.error {
            value["lastError"] = json!(error);
        }
        value
    };
    let list: Vec<Value> = if kind == Some("record") { Vec::new() } else { prometheus.rules.iter().map(one).collect() };
    let groups = if prometheus.rules.is_empty() {
        json!([])
    } else {
        json!([{"name": monitoring.group, "file": monitoring.file, "rules": list, "interval": 5, "limit": 0, "evaluationTime": 0.002,
            "lastEvaluation": world.dates.millis(prometheus.evaluated)}])
    };
    success(&json!({"groups": groups}))
}

pub(super) fn alerts(world: &World, cluster: usize) -> HttpAnswer {
    let list: Vec<Value> = world.clusters[cluster].prometheus.rules.iter().flat_map(|rule| live(world, rule)).collect();
    success(&json!({"alerts": list}))
}

/// The targets, filtered by state and scrape pool.
pub(super) fn targets(world: &World, cluster: usize, query: &Query) -> HttpAnswer {
    let state = query.get("state").unwrap_or("any");
    let wanted = |pool: &str| query.get("scrapePool").is_none_or(|only| only == pool);
    let every = config::interval(world, cluster);
    let active = world.clusters[cluster].prometheus.targets.iter().filter(|t| state != "dropped" && wanted(t.job)).map(|t| {
        let mut discovered = json!({"__address__": t.labels.get("instance"), "__scheme__": "http", "job": t.job});
        if let TargetSource::Pod(..) = t.source {
            for (label, meta) in [("pod", "__meta_kubernetes_pod_name"), ("namespace", "__meta_kubernetes_namespace")] {
                discovered[meta] = json!(t.labels.get(label));
            }
        }
        json!({"discoveredLabels": discovered, "labels": t.labels.json(),
            "scrapePool": t.job, "scrapeUrl": t.url, "globalUrl": t.url, "lastError": t.error, "lastScrape": world.dates.millis(t.scraped),
            "lastScrapeDuration": 0.004_1, "health": if t.up { "up" } else { "down" }, "scrapeInterval": every, "scrapeTimeout": "5s"})
    });
    let active: Vec<Value> = active.collect();
    let (mut dropped, mut counts) = (Vec::new(), json!(null));
    if state != "active" {
        let found = discovery::dropped(world, cluster);
        let count = |job: &str| if job == "kubernetes-pods" { found } else { 0 };
        counts = config::jobs(world, cluster).into_iter().map(|job| (job.to_owned(), json!(count(job)))).collect();
        if wanted("kubernetes-pods") {
            dropped =
                vec![json!({"discoveredLabels": {"job": "kubernetes-pods"}, "scrapePool": "kubernetes-pods"}); found];
        }
    }
    success(&json!({"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_written_with_an_exponent() {
        assert_eq!(super::exponent(0.0), "0e+00");
        assert_eq!(super::exponent(0.4617), "4.617e-01");
        assert_eq!(super::exponent(f64::INFINITY), "+Inf");
    }
}
