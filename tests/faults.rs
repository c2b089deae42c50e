//! Faults that no drill of the catalogue uses alone: each takes effect on the lab, is undone, and the undo is seen.

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

/// Name and the `faults:` row.
const FAULTS: [(&str, &str); 4] = [
    ("cordon", "cordon: { cluster: primary, node: primary-node-1 }"),
    ("cordon by label", "cordon: { cluster: all, selector: kubernetes.io/os=linux }"),
    (
        "patch",
        "patch: { cluster: secondary, apiVersion: networking.istio.io/v1, kind: DestinationRule, namespace: bookinfo, name: reviews, patch: { spec: { trafficPolicy: { outlierDetection: { consecutive5xxErrors: 7 }, tls: { mode: ISTIO_MUTUAL } } } } }",
    ),
    ("evictPods", "evictPods: { cluster: primary, namespace: bookinfo, selector: app=details }"),
];

pub fn trials() -> Vec<Trial> {
    let trial = |(name, row): &(&str, &'static str)| {
        let row = *row;
        Trial::test(format!("faults::{name}"), move || takes_effect_and_is_undone(row))
    };
    FAULTS.iter().map(trial).collect()
}

fn takes_effect_and_is_undone(row: &str) -> Result<(), Failed> {
    let folder = scratch("fault");
    let path = folder.join("fault.yaml");
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: fault }}\nspec:\n  probes:\n    page:\n      http: {{ via: ingress/primary, path: /productpage }}\n  faults:\n    - {row}\n  sla:\n    - {{ probe: page, errorRate: 5% }}\n"
    );
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
    ran.expect_code(0)?;
    let card = scorecard(&run_dirs(&folder).pop().ok_or("no run directory")?)?;
    for fault in card["faults"].as_array().into_iter().flatten() {
        let undone = fault["undo"] == "verified" || (fault["kind"] == "evictPods" && fault["undo"] == "not-needed");
        if fault["tookEffect"] != true || !undone {
            return Err(format!("{fault}\n{}", ran.said()).into());
        }
    }
    Ok(())
}
