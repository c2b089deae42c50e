//! A plan as text for a terminal: everything that would happen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::types::{PlannedFault, PlannedProbe, faulted};
use super::{Plan, PlannedCheck};

/// The plan in words, one fact a line.
pub fn to_text(plan: &Plan) -> String {
    let mut out = format!("{}  ({})\n", plan.title(), plan.path.display());
    if !plan.objective.is_empty() {
        let _ = writeln!(out, "  {}", plan.objective);
    }
    let mut facts: Vec<(&str, String)> = Vec::new();
    if !plan.clusters.is_empty() {
        facts.push(("clusters", listed(&plan.clusters)));
    }
    if plan.is_drill() {
        let broken = if plan.broken.is_empty() { "nothing in a cluster".to_owned() } else { listed(&plan.broken) };
        facts.push(("breaks", broken));
    }
    facts.push(("timeline", timeline(plan)));
    facts.extend(plan.needs.iter().map(|need| ("needs", need.clone())));
    facts.extend(plan.probes.iter().map(|probe| ("probe", probe_text(plan, probe))));
    for fault in &plan.faults {
        facts.push(("fault", fault_text(fault)));
        facts.extend(fault.effect.iter().map(|check| ("effect", check_text(check))));
    }
    facts.extend(plan.checks.iter().map(|check| (check.stage.key(), check_text(check))));
    for criterion in &plan.criteria {
        let (id, target, confidence) = (&criterion.id, criterion.claim.target(), criterion.confidence);
        facts.push(("criterion", format!("{id}: {target} at {confidence} confidence")));
    }
    let aborts = plan.abort_when.iter().map(|one| ("abortWhen", format!("{}: {}", one.id, one.claim.target())));
    facts.extend(aborts);
    facts.extend(plan.defaults.iter().map(|default| ("default", default.clone())));
    facts.extend(plan.warnings.iter().map(|warning| ("warning", warning.to_string())));
    for (label, fact) in facts {
        let _ = writeln!(out, "  {label:<10} {fact}");
    }
    out
}

fn listed(keys: &BTreeSet<String>) -> String {
    keys.iter().cloned().collect::<Vec<_>>().join(", ")
}

fn timeline(plan: &Plan) -> String {
    if !plan.is_drill() {
        return format!("about {}, at most {}", plan.duration(), plan.phases.timeout);
    }
    format!(
        "baseline {}, then the faults for {}, then observe {} (recovery at most {}); about {} in all",
        plan.phases.baseline,
        faulted(&plan.faults),
        plan.phases.observe,
        plan.phases.recovery,
        plan.duration()
    )
}

fn probe_text(plan: &Plan, probe: &PlannedProbe) -> String {
    let series = if probe.series.len() > 1 { ", new and kept connections" } else { "" };
    format!(
        "{}: {}; every {}, about {:.0} samples, timeout {}, late after {}{series}",
        probe.name,
        probe.kind.as_observation().describe(),
        probe.every,
        plan.samples(probe),
        probe.timeout,
        probe.slow
    )
}

fn fault_text(fault: &PlannedFault) -> String {
    let mut text = format!("{}: {}", fault.id, fault.kind.as_behavior().describe());
    if fault.kind.as_behavior().sustained() {
        let _ = write!(text, ", held for {}", fault.hold);
    }
    if !fault.after.0.is_zero() {
        let _ = write!(text, ", after {}", fault.after);
    }
    if let Some(repeat) = fault.repeat {
        let _ = write!(text, ", {} times every {}, the first at once", repeat.times, repeat.every);
    }
    text
}

fn check_text(check: &PlannedCheck) -> String {
    format!("{}: {}", check.id, check.kind.as_observation().describe())
}
