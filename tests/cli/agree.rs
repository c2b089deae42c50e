//! `plan` promises the exit code that `run` would have: whatever refuses a run is in the plan, in the same words.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::environment::mesh_file;
use super::served::Served;
use crate::command::{Ran, meshdrill, run, run_dirs, scratch};

/// A drill that breaks the primary cluster.
const DRILL: &str = "drills/control-plane-failover";

pub fn trials() -> Vec<Trial> {
    let lab = |name: &str, scenario: &'static str, defects: &'static [&'static str], code, says: &'static str| {
        Trial::test(format!("agree::{name}"), move || on_the_lab(scenario, defects, code, says))
    };
    vec![
        lab("nothing is in the way", DRILL, &[], 0, "a run would begin"),
        lab("a wrong UID", DRILL, &["wrong-cluster@primary"], 3, "leads to another cluster"),
        lab("an API server away", DRILL, &["api-down@primary"], 3, "the API server cannot be reached"),
        lab("an API server that hangs", DRILL, &["api-hangs@primary"], 3, "did not respond within 10 s"),
        lab("missing permissions", DRILL, &["api-read-only@primary"], 3, "the credentials do not permit"),
        lab("zero targets", "must-fail/no-target", &[], 3, "matches app=reviewz"),
        lab("a target as the fault would make it", "must-fail/nothing-to-change", &[], 3, "already has 1 replicas"),
        lab("a fault the cluster would not accept", "must-fail/apply-over-an-object", &[], 3, "already exists"),
        lab("an undeclared need", "must-fail/needs-undeclared", &[], 11, "no program `no-such-program-anywhere`"),
        lab("a waived scenario", "week1/remote-peering", &[], 11, "without oci"),
        lab("an infeasible target", "must-fail/alert-within-a-minute", &[], 10, "infeasible"),
        lab("a probe that cannot start", "must-fail/probe-cannot-start", &[], 3, "cannot start"),
        Trial::test("agree::faults forbidden", forbidden),
        Trial::test("agree::a held lease, a halt, leftovers", on_a_served_lab),
    ]
}

/// Fails unless both end with the code, for the reason; a run that begins is not made.
fn agree(arguments: &dyn Fn(&str) -> Ran, code: i32, says: &str) -> Result<(), Failed> {
    let plan = arguments("plan");
    plan.expect_code(code)?;
    if !plan.stdout.contains(says) {
        return Err(format!("the plan does not contain `{says}`\n{}", plan.said()).into());
    }
    let dry = arguments("run --dry-run");
    if (dry.code, &dry.stdout) != (plan.code, &plan.stdout) {
        return Err(format!("`run --dry-run` differs from `plan`\n{}\n{}", plan.said(), dry.said()).into());
    }
    if code == 0 {
        return Ok(());
    }
    let ran = arguments("run --yes");
    ran.expect_code(code)?;
    let reason = says == "infeasible" || ran.stdout.contains(says);
    if reason { Ok(()) } else { Err(format!("the run does not contain `{says}`\n{}", ran.said()).into()) }
}

fn on_the_lab(scenario: &str, defects: &[&str], code: i32, says: &str) -> Result<(), Failed> {
    let runs = scratch("agree");
    let path = crate::command::root().join("scenarios").join(scenario).with_extension("yaml");
    let path = if path.is_file() { path.display().to_string() } else { scenario.to_owned() };
    let arguments = |verb: &str| {
        let mut command = meshdrill();
        command.args(verb.split_whitespace()).args(["--lab", &path]);
        if verb == "run --yes" {
            command.arg("--runs").arg(&runs);
        }
        for defect in defects {
            command.args(["--lab-defect", defect]);
        }
        run(&mut command)
    };
    agree(&arguments, code, says)
}

/// Against a mesh file and a kubeconfig; the run directories go to the folder.
fn against(folder: &Path, mesh: &Path, kubeconfig: &Path) -> impl Fn(&str) -> Ran {
    move |verb: &str| {
        let mut command = meshdrill();
        command.args(verb.split_whitespace()).arg("--mesh").arg(mesh).arg("--kubeconfig").arg(kubeconfig).arg(DRILL);
        if verb == "run --yes" {
            command.arg("--runs").arg(folder.join("runs"));
        }
        run(&mut command)
    }
}

/// A cluster that must not be broken is not even asked.
fn forbidden() -> Result<(), Failed> {
    let folder = scratch("agree-forbidden");
    let mesh = mesh_file(&folder, "known", "forbidden");
    agree(&against(&folder, &mesh, &folder.join("no-kubeconfig")), 3, "`faults: forbidden`")
}

/// What other runs hold and leave in a cluster, put there as they would.
fn on_a_served_lab() -> Result<(), Failed> {
    let served = Served::start("agree")?;
    let arguments = against(&served.folder, &served.mesh, &served.kubeconfig);
    agree(&arguments, 0, "a run would begin")?;

    let leases = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases";
    let now = jiff::Timestamp::now();
    served.post("primary", leases, &lease(now))?;
    agree(&arguments, 3, "is locked by another run: someone@elsewhere")?;
    served.delete("primary", &format!("{leases}/meshdrill"))?;
    // One whose holder has been dead for long keeps nobody out.
    served.post("primary", leases, &lease(now - jiff::SignedDuration::from_mins(30)))?;
    agree(&arguments, 0, "a run would begin")?;
    served.delete("primary", &format!("{leases}/meshdrill"))?;

    served.meshdrill(&["halt"]).expect_code(0)?;
    agree(&arguments, 3, "is halted by")?;
    let status = served.meshdrill(&["status"]);
    if status.stdout.contains("free") || !status.stdout.contains("lift it with `meshdrill resume`") {
        return Err(status.said().into());
    }
    served.meshdrill(&["resume"]).expect_code(0)?;

    let records = "/api/v1/namespaces/istio-system/configmaps";
    served.post("primary", records, &record())?;
    agree(&arguments, 3, "has leftovers of 1 earlier run(s)")?;
    served.meshdrill(&["recover"]).expect_code(0)?;
    agree(&arguments, 0, "a run would begin")?;
    // Refused runs leave no more than their own directories.
    if run_dirs(&served.folder.join("runs")).len() == 3 { Ok(()) } else { Err("other runs were made".into()) }
}

fn lease(renewed: jiff::Timestamp) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "meshdrill", "namespace": "istio-system" },
        "spec": { "holderIdentity": "someone@elsewhere", "leaseDurationSeconds": 15, "renewTime": format!("{renewed:.6}") },
    })
}

/// The record of a run that died after it had scaled a workload which is back since.
fn record() -> Value {
    let undo = json!({
        "kind": "deleteObject", "cluster": "primary", "path": "/api/v1/namespaces/sample/configmaps/gone", "run": "dead-run",
    });
    let entry = json!({
        "schema": "meshdrill.io/journal/v1", "run": "dead-run", "scenario": "s", "fault": "f1", "undo": undo,
    });
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "meshdrill-dead-run", "namespace": "istio-system",
            "labels": { "app.kubernetes.io/managed-by": "meshdrill", "meshdrill.io/run": "dead-run" },
        },
        "data": { "journal": json!([entry]).to_string() },
    })
}
