//! What `plan` shows of a run, and where its output goes.

use std::fs::File;

use libtest_mimic::{Failed, Trial};

use crate::command::{Ran, meshdrill, run, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("plan::every fact of the catalogue reads well", facts),
        Trial::test("plan::permissions, targets and time of several drills", several),
        Trial::test("plan::a hold that is shorter than the alert takes", short_hold),
        Trial::test("cli::stdout on a full disk is an error", full_disk),
    ]
}

fn says(ran: &Ran, texts: &[&str]) -> Result<(), Failed> {
    match texts.iter().find(|text| !ran.stdout.contains(**text)) {
        Some(missing) => Err(format!("it does not say `{missing}`\n{}", ran.said()).into()),
        None => Ok(()),
    }
}

fn several() -> Result<(), Failed> {
    let drills = ["drills/ingress-gateway-failover", "drills/data-plane-pod-failure", "drills/alert-detection"];
    let ran = run(meshdrill().args(["plan", "--lab"]).args(drills));
    ran.expect_code(0)?;
    says(
        &ran,
        &[
            "CLUSTER    NAMESPACE     RESOURCE",
            "primary    istio-system  deployments.apps/scale                patch",
            "target     f1: 1 of 1 pods: bookinfo/reviews-v1-",
            "0 validations and 3 drills; virtual time, one after the other",
        ],
    )
}

fn short_hold() -> Result<(), Failed> {
    let path = scratch("short-hold").join("short-hold.yaml");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: short-hold }\nspec:\n  probes:\n    down:\n      alert: { cluster: primary, name: IngressGatewayDown }\n  faults:\n    - scale: { cluster: primary, namespace: istio-system, deployment: istio-ingressgateway, replicas: 0 }\n      for: 30s\n  sla:\n    - { probe: down, detectionTime: 5m }\n";
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["plan", "--lab"]).arg(&path));
    ran.expect_code(0)?;
    says(&ran, &["down/detection-time: the fault is held for 30s, and detection takes at least 1m11s"])
}

/// Exit code 2 before anything ran, 1 after it.
fn full_disk() -> Result<(), Failed> {
    let full = || File::options().write(true).open("/dev/full").map_err(|error| error.to_string());
    let runs = scratch("full-disk");
    let runs = runs.to_str().ok_or("the path is no text")?;
    for (arguments, code) in [
        (vec!["list", "--lab"], 2),
        (vec!["explain"], 2),
        (vec!["run", "--lab", "week3/ingress-access", "--runs", runs], 1),
    ] {
        let mut child = meshdrill();
        let output = child.args(&arguments).stdout(full()?).output().map_err(|error| error.to_string())?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(code) || !stderr.contains("stdout cannot be written: No space left on device") {
            return Err(format!("{arguments:?}: {:?}\n{stderr}", output.status).into());
        }
    }
    // Damage is not hidden by a report that could not be written.
    for (scenario, defect, code) in [
        ("scenarios/must-fail/broker-loss.yaml", "pods-nobody-replaces", 12),
        ("week3/ingress-access", "remote-secret-missing", 1),
    ] {
        let arguments = ["run", "--lab", scenario, "--lab-defect", defect, "--junit", "/dev/full", "--runs", runs];
        let ran = run(meshdrill().args(arguments));
        ran.expect_code(code)?;
        if !ran.stderr.contains("/dev/full") || !ran.stderr.contains("No space left on device") {
            return Err(ran.said().into());
        }
    }
    Ok(())
}

/// Nothing is left out of a sentence: no name that is empty, no object without its run.
fn facts() -> Result<(), Failed> {
    let ran = run(meshdrill().args(["plan", "--lab", "drills", "readiness"]));
    let facts =
        ran.stdout.lines().filter_map(|line| line.strip_prefix("  ")).filter_map(|line| line.split_at_checked(11));
    let (mut count, mut bad) = (0, String::new());
    for (label, fact) in facts {
        count += 1;
        if fact.trim().contains("  ") || fact.contains("meshdrill--") || fact.contains("()") || fact.contains(" ,") {
            bad += &format!("{label}{fact}\n");
        }
    }
    if count > 300 && bad.is_empty() { Ok(()) } else { Err(format!("{count} facts\n{bad}").into()) }
}
