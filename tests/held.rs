//! Faults that someone reverts while they are held: the hold ends at once, the drill is not valid, and nothing is left.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::cli::served::Served;
use crate::command::{Running, meshdrill, record, run, run_dirs, scorecard, scratch};

/// Name, the fault, how someone else reverts it, and what is observed.
const REVERTED: [(&str, &str, &str, &str); 7] = [
    (
        "scale",
        "scale: { cluster: primary, namespace: bookinfo, deployment: details-v1, replicas: 0 }",
        "scale: { cluster: primary, namespace: bookinfo, deployment: details-v1, replicas: 2 }",
        "bookinfo/details-v1: replicas set to 2",
    ),
    (
        "patch",
        "patch: { cluster: primary, apiVersion: networking.istio.io/v1, kind: DestinationRule, namespace: bookinfo, name: reviews, patch: { spec: { trafficPolicy: { outlierDetection: { consecutive5xxErrors: 7 } } } } }",
        "patch: { cluster: primary, apiVersion: networking.istio.io/v1, kind: DestinationRule, namespace: bookinfo, name: reviews, patch: { spec: { trafficPolicy: { outlierDetection: { consecutive5xxErrors: 9 } } } } }",
        "spec.trafficPolicy.outlierDetection.consecutive5xxErrors of DestinationRule bookinfo/reviews is set to 9",
    ),
    (
        "cordon",
        "cordon: { cluster: primary, node: primary-node-1 }",
        "patch: { cluster: primary, apiVersion: v1, kind: Node, name: primary-node-1, patch: { spec: { unschedulable: false } } }",
        "node primary-node-1 is schedulable",
    ),
    (
        "drain",
        "drain: { cluster: primary, node: primary-node-2 }",
        "patch: { cluster: primary, apiVersion: v1, kind: Node, name: primary-node-2, patch: { spec: { unschedulable: false } } }",
        "node primary-node-2 is schedulable",
    ),
    (
        "httpFault",
        "httpFault: { cluster: primary, namespace: bookinfo, host: reviews, abort: 503, control: { http: { via: forward/primary/bookinfo/deployment/productpage-v1:9080, path: /api/v1/products/0/reviews } } }",
        "patch: { cluster: primary, apiVersion: networking.istio.io/v1, kind: VirtualService, namespace: bookinfo, name: reviews-traffic-split, patch: { spec: { http: [{ timeout: 9s, route: [{ destination: { host: reviews, subset: v1 } }] }] } } }",
        "a route of VirtualService bookinfo/reviews-traffic-split lost the fault",
    ),
    (
        "clusterOutage",
        "clusterOutage: { cluster: primary, namespaces: [sample] }",
        "scale: { cluster: primary, namespace: sample, deployment: sleep, replicas: 2 }",
        "sample/sleep: replicas set to 2",
    ),
    (
        "command",
        "command: { argv: [\"true\"], undo: [\"true\"] }\n      effect: [{ deployment: { cluster: primary, namespace: bookinfo, name: ratings-v1 } }]",
        "scale: { cluster: primary, namespace: bookinfo, deployment: ratings-v1, replicas: 0 }",
        "deployment/ratings-v1: Deployment bookinfo/ratings-v1 (primary): rollout scaled to zero",
    ),
];

pub fn trials() -> Vec<Trial> {
    let trial = |(name, fault, other, observed): &(&str, &'static str, &'static str, &'static str)| {
        let (fault, other, observed) = (*fault, *other, *observed);
        Trial::test(format!("held::{name} that someone reverts"), move || reverted(fault, other, observed))
    };
    let who = Trial::test("held::who reverts is named", who_reverts);
    let gone = Trial::test("held::an object that someone deletes", deleted);
    let phase = Trial::test("held::the phase undo begins with the last undo", undo_phase);
    REVERTED.iter().map(trial).chain([who, gone, phase]).collect()
}

fn scenario(faults: &str) -> String {
    format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: held }}\nspec:\n  baseline: 2s\n  observe: 5s\n  probes:\n    page:\n      http: {{ via: ingress/secondary, path: /productpage }}\n      every: 200ms\n  faults:\n{faults}  sla:\n    - {{ probe: page, errorRate: 95% }}\n"
    )
}

/// Two faults of which one is held longer: the record's phase changes when the last undo begins, not when it has ended.
fn undo_phase() -> Result<(), Failed> {
    let folder = scratch("undo-phase");
    let path = folder.join("held.yaml");
    let faults = "    - scale: { cluster: primary, namespace: bookinfo, deployment: details-v1, replicas: 0 }\n      for: 5s\n    - cordon: { cluster: primary, node: primary-node-1 }\n      for: 5s\n    - scale: { cluster: primary, namespace: bookinfo, deployment: ratings-v1, replicas: 0 }\n      after: 4s\n      for: 10s\n      repeat: { times: 2, every: 30s }\n";
    std::fs::write(&path, scenario(faults)).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
    ran.expect_code(0)?;
    let dir = run_dirs(&folder).pop().ok_or("no run directory")?;
    let record = record(&dir)?;
    let lines: Vec<Value> =
        record.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let places = |wanted: &dyn Fn(&Value) -> bool| -> Vec<usize> {
        lines.iter().enumerate().filter(|(_, line)| wanted(line)).map(|(place, _)| place).collect()
    };
    let phase = places(&|line| line["event"] == "phase" && line["phase"] == "undo");
    let undos = places(&|line| line["event"] == "undo-requested");
    let verified = places(&|line| line["event"] == "undo-verified");
    let (begun, ended) = (undos.last().copied().unwrap_or_default(), verified.last().copied().unwrap_or_default());
    let right = undos.len() == 4 && phase.len() == 1 && phase[0] > undos[2] && phase[0] < begun && begun < ended;
    if right {
        Ok(())
    } else {
        Err(format!("phase {phase:?}, undos {undos:?}, verified {verified:?}\n{}", ran.said()).into())
    }
}

/// The first fault is held for 40 s; another reverts it after 8 s.
fn reverted(fault: &str, other: &str, observed: &str) -> Result<(), Failed> {
    let folder = scratch("held");
    let path = folder.join("held.yaml");
    let faults = format!("    - {fault}\n      for: 40s\n    - {other}\n      after: 8s\n      for: 40s\n");
    std::fs::write(&path, scenario(&faults)).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
    ran.expect_code(13)?;
    let dir = run_dirs(&folder).pop().ok_or("no run directory")?;
    identified(&dir)?;
    let card = scorecard(&dir)?;
    lapsed(&card, observed, 5.0..12.0).map_err(|why| format!("{why}\n{}", ran.said()).into())
}

/// The evidence names each object that a fault touches by its UID.
fn identified(dir: &std::path::Path) -> Result<(), Failed> {
    let evidence: Value = serde_json::from_slice(&std::fs::read(dir.join("evidence.json"))?)?;
    let steps = evidence["timeline"].as_array().into_iter().flatten();
    let requested = steps.filter(|step| step["action"].as_str().is_some_and(|action| action.ends_with(" requested")));
    let requested: Vec<&Value> =
        requested.filter(|step| step["actor"] == "meshdrill" && !step["objects"].is_null()).collect();
    let is_uid = |uid: &Value| uid.as_str().is_some_and(|uid| uid.len() == 36 && uid.matches('-').count() == 4);
    let known = |step: &&Value| {
        let (objects, uids) = (step["objects"].as_array(), step["uids"].as_array());
        objects.map(Vec::len) == uids.map(Vec::len) && uids.is_some_and(|uids| uids.iter().all(is_uid))
    };
    // A command is no object.
    let command = |step: &&Value| step["objects"] == json!(["true"]);
    match requested.iter().find(|step| !known(step) && !command(step)) {
        Some(step) => Err(format!("no UIDs: {step:#}").into()),
        None if requested.is_empty() => Err("no fault was requested".into()),
        None => Ok(()),
    }
}

/// The scorecard of a drill whose first fault ended before its time; the length of its effect in seconds.
fn lapsed(card: &Value, observed: &str, length: std::ops::Range<f64>) -> Result<(), String> {
    let fault = &card["faults"][0];
    let message = card["message"].as_str().unwrap_or_default();
    if !message.contains(observed) || !message.contains(" of 40 s, so the drill is not valid") {
        return Err(format!("`{message}` does not say `{observed}`"));
    }
    let words = fault["flaw"]["what"].as_str().unwrap_or_default();
    let lasted: Vec<f64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
    if lasted.len() < 2 || !lasted[..lasted.len() - 1].iter().all(|seconds| length.contains(seconds)) {
        return Err(format!("`{words}`: not {length:?} s"));
    }
    if fault["tookEffect"] != true || fault["undo"] != "verified" || card["recovery"]["verified"] != true {
        return Err(format!("{fault}"));
    }
    Ok(())
}

/// A run on a served lab, during which someone sends a request once the fault is in effect.
fn disturbed(name: &str, faults: &str, change: impl Fn(&Served) -> Result<(), Failed>) -> Result<Value, Failed> {
    let served = Served::start(name)?;
    let (path, runs) = (served.folder.join("held.yaml"), served.folder.join("runs"));
    std::fs::write(&path, scenario(faults)).map_err(|error| error.to_string())?;
    let mut command = meshdrill();
    command.args(["run", "--yes", "--runs"]).arg(&runs).arg("--mesh").arg(&served.mesh);
    command.arg("--kubeconfig").arg(&served.kubeconfig).arg(&path);
    let mut running = Running::start(&mut command)?;
    running.wait_for(" effective: ", 1)?;
    change(&served)?;
    let ran = running.end();
    ran.expect_code(13)?;
    Ok(scorecard(&run_dirs(&runs).pop().ok_or("no run directory")?)?)
}

/// Whoever writes the object is named by `managedFields`. A change through `/scale` leaves no name there: what manages the object
/// is named instead.
fn who_reverts() -> Result<(), Failed> {
    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/bookinfo/deployments/details-v1";
    let faults =
        "    - scale: { cluster: primary, namespace: bookinfo, deployment: details-v1, replicas: 0 }\n      for: 40s\n";
    let card = disturbed("who-reverts", faults, |served| {
        let path = format!("{DEPLOYMENT}?fieldManager=argocd-controller");
        served.patch("primary", &path, &json!({ "spec": { "replicas": 1 } }))
    })?;
    lapsed(&card, "bookinfo/details-v1: replicas set back to 1 by argocd-controller", 0.0..10.0)?;
    let card = disturbed("what-manages", faults, |served| {
        let tracked = json!({ "metadata": { "annotations": { "argocd.argoproj.io/tracking-id": "shop:details" } } });
        served.patch("primary", &format!("{DEPLOYMENT}?fieldManager=helm"), &tracked)?;
        served.patch("primary", &format!("{DEPLOYMENT}/scale"), &json!({ "spec": { "replicas": 1 } }))
    })?;
    Ok(lapsed(&card, "set back to 1 (managedFields do not say by whom; Argo CD manages it)", 0.0..10.0)?)
}

fn deleted() -> Result<(), Failed> {
    let object = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: sample } }";
    let faults = format!("    - apply: {{ cluster: primary, objects: [{object}] }}\n      for: 40s\n");
    let card =
        disturbed("deleted", &faults, |served| served.delete("primary", "/api/v1/namespaces/sample/configmaps/made"))?;
    Ok(lapsed(&card, "ConfigMap sample/made does not exist", 0.0..10.0)?)
}
