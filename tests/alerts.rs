//! A receiver that is asked itself tells an alert from the others of the same Alertmanager, which only counts.

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, defects: &'static [&'static str], exit: i32, says: &'static str| {
        Trial::test(format!("alerts::{name}"), move || heard(defects, exit, says))
    };
    vec![
        trial("a receiver that is told among others", &["another-teams-alert"], 0, "receiver"),
        trial("a receiver that is not told among others", &["another-teams-alert", "alert-silenced"], 10, "suppressed"),
    ]
}

/// Takes the ingress gateway of the embedded mesh away and asks the on-call receiver what it heard.
fn heard(defects: &[&str], exit: i32, says: &str) -> Result<(), Failed> {
    let folder = scratch("alerts");
    let path = folder.join("alerts.yaml");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: alerts }\nspec:\n  probes:\n    gone:\n      alert: { cluster: primary, name: IngressGatewayDown, heard: { via: \"forward/primary/istio-system/service/oncall:8080\", path: /alerts } }\n  faults:\n    - scale: { cluster: primary, namespace: istio-system, deployment: istio-ingressgateway, replicas: 0 }\n      for: 2m\n  sla:\n    - { probe: gone, detectionTime: 100s }\n";
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let mut command = meshdrill();
    command.args(["run", "--lab", "--runs"]).arg(folder.join("runs")).arg(&path);
    for defect in defects {
        command.args(["--lab-defect", defect]);
    }
    run(&mut command).expect_code(exit)?;
    let card = scorecard(&run_dirs(&folder.join("runs")).pop().ok_or("no run directory")?)?;
    let message = card["criteria"][0]["message"].as_str().unwrap_or_default();
    if message.contains(says) { Ok(()) } else { Err(format!("`{says}` is not in: {message}").into()) }
}
