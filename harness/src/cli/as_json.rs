//! `list --json` and `plan --json`: what their text shows, for programs.

use std::collections::BTreeSet;

use meshdrill_checks::exit_code::ExitCode;
use serde_json::{Value, json};

use super::left_out::LeftOut;
use crate::cluster::Permission;
use crate::plan::Plan;
use crate::run::Findings;

/// The selected scenarios, one entry per instance, and those that the mesh has nothing for.
pub(super) fn list(plans: &[Plan], left_out: &[LeftOut]) -> Value {
    let entry = |plan: &Plan| {
        json!({
            "name": plan.name,
            "instance": plan.title(),
            "suite": plan.suite,
            "path": plan.path,
            "objective": plan.objective,
            "clusters": plan.clusters,
            "breaks": plan.broken,
            "faults": plan.faults.iter().map(|fault| fault.kind.name()).collect::<Vec<_>>(),
            "seconds": plan.duration().0.as_secs_f64(),
        })
    };
    json!({
        "scenarios": plans.iter().map(entry).collect::<Vec<_>>(),
        "notOnThisMesh": absent(left_out),
    })
}

fn absent(left_out: &[LeftOut]) -> Vec<Value> {
    left_out.iter().map(|one| json!({ "name": one.name, "why": one.why, "unknown": one.unknown })).collect()
}

/// One plan; with what preflight found, unless nothing was contacted.
pub(super) fn run(plan: &Plan, found: Option<&Findings>) -> Value {
    let mut entry = json!({ "instance": plan.title(), "plan": plan, "seconds": plan.duration().0.as_secs_f64() });
    if let (Some(found), Some(entry)) = (found, entry.as_object_mut()) {
        let obstacles = found.obstacles.iter().map(|one| json!({ "kind": one.label(), "what": one.to_string() }));
        entry.insert("targets".to_owned(), json!(found.targets));
        entry.insert("remarks".to_owned(), json!(found.remarks));
        let notes: Vec<String> = found.notes.iter().map(ToString::to_string).collect();
        entry.insert("notes".to_owned(), json!(notes));
        entry.insert("obstacles".to_owned(), obstacles.collect());
        entry.insert("exitCode".to_owned(), json!(found.exit_code().number()));
    }
    entry
}

/// All plans of a selection, the permissions that they need, and the exit code of a run of them.
pub(super) fn plan(runs: &[Value], permissions: &BTreeSet<Permission>, left_out: &[LeftOut], code: ExitCode) -> Value {
    let row = |((cluster, namespace, resource), verbs): ((&str, &str, String), Vec<&str>)| {
        // An empty namespace means all of them.
        json!({ "cluster": cluster, "namespace": namespace, "resource": resource, "verbs": verbs })
    };
    json!({
        "runs": runs,
        "notOnThisMesh": absent(left_out),
        "permissions": Permission::verbs_by_resource(permissions).into_iter().map(row).collect::<Vec<_>>(),
        "exitCode": code.number(),
    })
}
