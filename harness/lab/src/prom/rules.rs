//! Evaluates the alerting rules, and posts alerts to Alertmanager.

use std::collections::BTreeMap;

use super::config;
use super::labels::{Labels, NAME};
use super::promql::{self, Value};
use super::rule::{ActiveAlert, Rule};
use super::tsdb::stale;
use crate::alerts::{PostedAlert, notify};
use crate::clock::Ms;
use crate::world::World;

/// How long a resolved alert is still sent.
const RESOLVED: Ms = 900_000;
/// How often a firing alert is sent again.
const RESEND: Ms = 60_000;

/// Evaluates every rule now.
pub(crate) fn evaluate(world: &mut World, cluster: usize) {
    let (now, at) = (world.now, world.dates.unix_ms(world.now));
    let mut rules = std::mem::take(&mut world.clusters[cluster].prometheus.rules);
    let mut sent = Vec::new();
    let cluster_label = world.clusters[cluster].ident.istio.clone();
    for rule in &mut rules {
        rule.evaluated = now;
        let db = &world.clusters[cluster].prometheus.db;
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
            let fresh = || ActiveAlert { since: now, fired: None, resolved: None, value: *value, sent: None };
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
                sent.push(PostedAlert {
                    labels,
                    summary: rule.summary,
                    query: rule.query.clone(),
                    starts: fired,
                    resolved: active.resolved,
                });
            }
        }
    }
    write_series(world, cluster, &rules, at);
    world.clusters[cluster].prometheus.rules = rules;
    world.clusters[cluster].prometheus.evaluated = now;
    if !sent.is_empty()
        && !world.booting
        && let Some(receiver) = config::alertmanager_cluster(world, cluster)
    {
        notify::receive(world, receiver, sent);
    }
}

/// The `ALERTS` series.
fn write_series(world: &mut World, cluster: usize, rules: &[Rule], at: i64) {
    let db = &mut world.clusters[cluster].prometheus.db;
    for rule in rules {
        for (labels, active) in &rule.active {
            let state = if active.fired.is_some() { "firing" } else { "pending" };
            let on = labels.with(NAME, "ALERTS").with("alertstate", state);
            let other =
                labels.with(NAME, "ALERTS").with("alertstate", if state == "firing" { "pending" } else { "firing" });
            if active.resolved.is_none() {
                db.append(&on, at, 1.0);
            } else {
                db.append(&on, at, stale());
            }
            if active.fired == Some(active.since.max(active.fired.unwrap_or(0))) && state == "firing" {
                db.append(&other, at, stale());
            }
        }
    }
}

/// Drops resolved alerts: the mesh was healthy before the lab started.
pub(crate) fn drop_resolved(world: &mut World, cluster: usize) {
    for rule in &mut world.clusters[cluster].prometheus.rules {
        rule.active.retain(|_, active| active.fired.is_none() || active.resolved.is_none());
    }
}
