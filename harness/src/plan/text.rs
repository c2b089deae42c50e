//! A plan as text for a terminal: everything that would happen.

use std::fmt::Write as _;

use super::Plan;
use super::types::faulted;

/// The plan in words, one fact a line.
pub fn to_text(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |depth: usize, text: String| {
        let _ = writeln!(out, "{}{text}", "  ".repeat(depth));
    };
    line(0, format!("{}  ({})", plan.title(), plan.path.display()));
    if !plan.objective.is_empty() {
        line(1, plan.objective.clone());
    }
    if !plan.clusters.is_empty() {
        line(1, format!("clusters   {}", plan.clusters.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if plan.is_drill() {
        let breaks = if plan.broken.is_empty() {
            "nothing in a cluster".to_owned()
        } else {
            plan.broken.iter().cloned().collect::<Vec<_>>().join(", ")
        };
        line(1, format!("breaks     {breaks}"));
        line(
            1,
            format!(
                "timeline   baseline {}, then the faults for {}, then observe {} (recovery at most {}); about {} in all",
                plan.phases.baseline,
                faulted(&plan.faults),
                plan.phases.observe,
                plan.phases.recovery,
                plan.duration()
            ),
        );
    } else {
        line(1, format!("timeline   about {}, at most {}", plan.duration(), plan.phases.timeout));
    }
    for need in &plan.needs {
        line(1, format!("needs      {need}"));
    }
    for probe in &plan.probes {
        let series = if probe.series.len() > 1 { ", new and kept connections" } else { "" };
        line(
            1,
            format!(
                "probe      {}: {}; every {}, about {:.0} samples, timeout {}, late after {}{series}",
                probe.name,
                probe.kind.as_kind().describe(),
                probe.every,
                plan.samples(probe),
                probe.timeout,
                probe.slow
            ),
        );
    }
    for fault in &plan.faults {
        let mut text = format!("fault      {}: {}", fault.id, fault.kind.as_role().describe());
        if fault.kind.as_role().sustained() {
            let _ = write!(text, ", held for {}", fault.hold);
        }
        if !fault.after.0.is_zero() {
            let _ = write!(text, ", after {}", fault.after);
        }
        if let Some(repeat) = fault.repeat {
            let _ = write!(text, ", {} times every {}, the first at once", repeat.times, repeat.every);
        }
        line(1, text);
        for check in &fault.effect {
            line(2, format!("effect     {}: {}", check.id, check.kind.as_kind().describe()));
        }
    }
    for check in &plan.checks {
        line(1, format!("{:<10} {}: {}", check.stage.key(), check.id, check.kind.as_kind().describe()));
    }
    for criterion in &plan.criteria {
        line(
            1,
            format!("criterion  {}: {} at {} confidence", criterion.id, criterion.claim.target(), criterion.confidence),
        );
    }
    for criterion in &plan.abort_when {
        line(1, format!("abortWhen  {}: {}", criterion.id, criterion.claim.target()));
    }
    for default in &plan.defaults {
        line(1, format!("default    {default}"));
    }
    for warning in &plan.warnings {
        line(1, format!("warning    {warning}"));
    }
    out
}
