//! Faults that no drill of the catalogue uses alone: each takes effect on the lab, is undone, and the undo is seen.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::command::{Ran, meshdrill, record, run, run_dirs, scorecard, scratch};

/// Name and the `faults:` row.
const FAULTS: [(&str, &str); 14] = [
    ("cordon", "cordon: { cluster: primary, node: primary-node-1 }"),
    ("cordon by label", "cordon: { cluster: all, selector: kubernetes.io/os=linux }"),
    (
        "patch",
        "patch: { cluster: secondary, apiVersion: networking.istio.io/v1, kind: DestinationRule, namespace: bookinfo, name: reviews, patch: { spec: { trafficPolicy: { outlierDetection: { consecutive5xxErrors: 7 }, tls: { mode: ISTIO_MUTUAL } } } } }",
    ),
    ("evictPods", "evictPods: { cluster: primary, namespace: bookinfo, selector: app=details }"),
    ("drain", "drain: { cluster: primary, node: primary-node-2 }"),
    (
        "httpFault abort",
        "httpFault: { cluster: primary, namespace: bookinfo, host: reviews.bookinfo.svc.cluster.local, abort: 503, control: { http: { via: forward/primary/bookinfo/deployment/productpage-v1:9080, path: /api/v1/products/0/reviews } } }",
    ),
    (
        "httpFault of a share of the requests, seen by some clients",
        "httpFault: { cluster: primary, namespace: bookinfo, host: reviews, delay: 1500ms, percent: 40%, clients: app=productpage, control: { http: { via: ingress/primary, path: /api/v1/products/0/reviews } } }",
    ),
    (
        "isolate, one direction",
        "isolate: { cluster: primary, namespace: bookinfo, selector: \"app=details,version in (v1)\", direction: ingress, control: { tcp: { from: { cluster: primary, namespace: sample, selector: app=sleep }, to: \"details.bookinfo:9080\", timeout: 1s } } }",
    ),
    (
        "apply",
        "apply: { cluster: all, objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: bookinfo }, data: { x: \"1\" } }], where: [{ path: $.data.x, equals: \"1\" }] }",
    ),
    ("apply of a file", "apply: { cluster: secondary, file: manifest.yaml }"),
    ("clusterOutage by label", "clusterOutage: { cluster: primary, namespaces: [sample], selector: app=helloworld }"),
    (
        "apply with an effect of its own",
        "apply: { cluster: primary, objects: [{ apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: { name: closed, namespace: sample }, spec: { podSelector: { matchLabels: { app: helloworld } }, policyTypes: [Ingress] } }] }\n      effect: [{ resource: { cluster: primary, apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, namespace: sample, name: closed } }]",
    ),
    (
        "drain waits for a disruption budget",
        "apply: { cluster: primary, objects: [{ apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: { name: closed, namespace: bookinfo }, spec: { maxUnavailable: 0, selector: { matchExpressions: [{ key: app, operator: Exists }] } } }] }\n      for: 10s\n    - drain: { cluster: primary, node: primary-node-2 }\n      after: 2s\n      for: 15s",
    ),
    (
        "two faults of one cluster",
        "cordon: { cluster: primary, node: primary-node-1 }\n    - scale: { cluster: primary, namespace: bookinfo, deployment: ratings-v1, replicas: 0 }",
    ),
];

/// What `file: manifest.yaml` holds.
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: one, namespace: sample }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: two, namespace: sample }\n";

pub fn trials() -> Vec<Trial> {
    let trial = |(name, row): &(&str, &'static str)| {
        let row = *row;
        Trial::test(format!("faults::{name}"), move || takes_effect_and_is_undone(row))
    };
    let again = Trial::test("faults::a second round without effect is undone as well", second_round);
    let early = Trial::test("faults::what is whole while another undo is waited for is so in time", whole_early);
    FAULTS.iter().map(trial).chain([again, early]).collect()
}

/// Runs a scenario on the lab, which must end with this exit code: what it said, and its run directory.
fn on_the_lab(folder: &Path, text: &str, code: i32) -> Result<(Ran, PathBuf), Failed> {
    let path = folder.join("fault.yaml");
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(folder).arg(&path));
    ran.expect_code(code)?;
    let dir = run_dirs(folder).pop().ok_or("no run directory")?;
    Ok((ran, dir))
}

/// Two faults are undone together; what the first brings back takes seconds, and the second is whole at once.
fn whole_early() -> Result<(), Failed> {
    let folder = scratch("whole-early");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: whole-early }\nspec:\n  probes:\n    page:\n      http: { via: ingress/secondary, path: /productpage }\n  faults:\n    - scale: { cluster: primary, namespace: istio-system, deployment: istio-ingressgateway, replicas: 0 }\n      for: 5s\n    - cordon: { cluster: secondary, node: secondary-node-1 }\n      for: 5s\n  recovered:\n    - nodes: { cluster: secondary }\n      within: 1500ms\n  sla:\n    - { probe: page, errorRate: 5% }\n";
    let (_, dir) = on_the_lab(&folder, text, 0)?;
    let record = record(&dir)?;
    let at = |event: &str, fault: &str| {
        let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_default());
        let line = lines.rev().find(|line| line["event"] == event && line["fault"] == fault);
        line.and_then(|line| line["at"].as_f64()).unwrap_or(f64::NAN)
    };
    let waited = at("undo-verified", "f1") - at("undo-requested", "f2");
    if waited > 1.5 { Ok(()) } else { Err(format!("the trial proves nothing: f1 was undone after {waited} s").into()) }
}

/// The first round of a repeated fault is undone; in the second its effect cannot be seen, and it is undone all the same.
fn second_round() -> Result<(), Failed> {
    let folder = scratch("second-round");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: second-round }\nspec:\n  probes:\n    page:\n      http: { via: ingress/primary, path: /productpage }\n  faults:\n    - scale: { cluster: primary, namespace: bookinfo, deployment: reviews-v1, replicas: 0 }\n      for: 5s\n      repeat: { every: 40s, times: 2 }\n      effect: [{ deployment: { cluster: primary, namespace: bookinfo, name: ratings-v1 } }]\n    - scale: { cluster: primary, namespace: bookinfo, deployment: ratings-v1, replicas: 0 }\n      after: 30s\n      for: 60s\n  sla:\n    - { probe: page, errorRate: 5% }\n";
    let (ran, dir) = on_the_lab(&folder, text, 13)?;
    let record = record(&dir)?;
    let of_f1 = |line: &&str| line.contains(r#""fault":"f1""#);
    let last =
        |event: &str| record.lines().filter(of_f1).collect::<Vec<_>>().iter().rposition(|line| line.contains(event));
    match (last("fault-requested"), last("undo-verified")) {
        (Some(requested), Some(undone)) if undone > requested => Ok(()),
        found => Err(format!("the last injection and the last undo are {found:?}\n{}", ran.said()).into()),
    }
}

fn takes_effect_and_is_undone(row: &str) -> Result<(), Failed> {
    let folder = scratch("fault");
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: fault }}\nspec:\n  probes:\n    page:\n      http: {{ via: ingress/secondary, path: /productpage }}\n  faults:\n    - {row}\n  sla:\n    - {{ probe: page, errorRate: 95% }}\n"
    );
    std::fs::write(folder.join("manifest.yaml"), MANIFEST).map_err(|error| error.to_string())?;
    let (ran, dir) = on_the_lab(&folder, &text, 0)?;
    let card = scorecard(&dir)?;
    for fault in card["faults"].as_array().into_iter().flatten() {
        let undone = fault["undo"] == "verified" || (fault["kind"] == "evictPods" && fault["undo"] == "not-needed");
        if fault["tookEffect"] != true || !undone {
            return Err(format!("{fault}\n{}", ran.said()).into());
        }
        let at = |key: &str| fault[key].as_f64().unwrap_or(f64::NAN);
        let accepted_at_once = (0.0..1.0).contains(&(at("effective") - at("requested")));
        if !accepted_at_once || at("seen").is_nan() || at("seen") < at("effective") {
            return Err(format!("t0 is not when the cluster accepted it: {fault}\n{}", ran.said()).into());
        }
        // Two requests that wait a second each show that pods are cut off.
        if fault["kind"] == "isolate" && at("seen") - at("effective") < 1.5 {
            return Err(format!("its effect was seen before the control requests could show it: {fault}").into());
        }
    }
    Ok(())
}
