//! The rule file of a cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::monitoring::RuleSource;
use super::promql;
use super::rule::Rule;
use crate::world::World;

/// The rule file.
pub(crate) fn text(world: &World, cluster: usize) -> String {
    let monitoring = &world.clusters[cluster].monitoring;
    let mut out = format!("groups:\n- name: {}\n  rules:\n", monitoring.group);
    for s in &monitoring.rules {
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
    world.clusters[cluster].monitoring.rules.iter().cloned().map(rule).collect()
}
