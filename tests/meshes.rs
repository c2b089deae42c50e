//! Other meshes than the guide's: the same suite holds for each, and what is wrong turns the rows that it should.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

/// A mesh of the lab, a defect, the rows that must turn, and words of one of them.
type Row = (&'static str, &'static str, &'static [&'static str], &'static str);

const MESHES: [&str; 4] = ["flat-three", "single", "gateway-api", "primary-remote"];

/// Drills that every mesh has something for.
const EVERYWHERE: [&str; 6] = [
    "control-plane-outage",
    "gateway-crash",
    "gateway-replacement",
    "workload-isolation",
    "workload-pod-loss",
    "workload-restart",
];

const DEFECTS: [Row; 10] = [
    (
        "flat-three",
        "virtual-service-drifted",
        &["configuration-drift"],
        "VirtualService shop/reviews: spec.http[0].timeout is ap \\\"5s\\\", eu \\\"5s\\\", us \\\"1s\\\"",
    ),
    (
        "flat-three",
        "route-to-missing-host",
        &["configuration", "configuration-drift", "entry-point-traffic", "entry-points"],
        "VirtualService shop/shop: it routes to host nowhere, which no Service and no ServiceEntry has",
    ),
    (
        "flat-three",
        "entry-point-503",
        &["configuration-drift", "entry-point-traffic", "entry-points"],
        "VirtualService shop/shop in us injects faults",
    ),
    (
        "flat-three",
        "stateful-pod-unready",
        &["services", "workloads"],
        "shop statefulset/cart: rollout waiting: 0 of 1 pods are ready",
    ),
    (
        "single",
        "canary-webhook-without-endpoints",
        &["control-plane-ready"],
        "Service istio-system/istiod-canary behind the webhooks has no ready endpoint",
    ),
    (
        "gateway-api",
        "gateway-not-programmed",
        &["alerting", "configuration", "entry-point-traffic", "entry-points", "gateways"],
        "Gateway istio-ingress/web: Programmed is False",
    ),
    (
        "gateway-api",
        "http-route-missing-backend",
        &["configuration", "configuration-drift", "entry-point-traffic"],
        "its backend Service store/nowhere does not exist",
    ),
    (
        "gateway-api",
        "http-route-weights-changed",
        &["configuration-drift"],
        "HTTPRoute store/store: spec.rules[1].backendRefs[0].weight is north 90, south 50",
    ),
    (
        "gateway-api",
        "reference-grant-missing",
        &["configuration", "configuration-drift", "entry-point-traffic", "entry-points"],
        "ReferenceGrant catalog/from-store: it is in north and not in south",
    ),
    (
        "primary-remote",
        "entry-point-503",
        &["entry-point-traffic", "entry-points"],
        "VirtualService bank/bank in hub injects faults",
    ),
];

pub fn trials() -> Vec<Trial> {
    let ready = MESHES.map(|mesh| Trial::test(format!("meshes::{mesh} is ready"), move || is_ready(mesh)));
    let drilled =
        MESHES.map(|mesh| Trial::test(format!("meshes::the drills of {mesh} pass"), move || drills_pass(mesh)));
    let turned = DEFECTS.map(|row| Trial::test(format!("meshes::{} with {}", row.0, row.1), move || turns(row)));
    ready.into_iter().chain(drilled).chain(turned).collect()
}

fn is_ready(mesh: &str) -> Result<(), Failed> {
    let runs = scratch("mesh-ready");
    run(meshdrill().args(["run", "--lab", "--lab-mesh", mesh, "readiness", "--runs"]).arg(&runs)).expect_code(0)?;
    if run_dirs(&runs).len() < 15 {
        return Err("hardly anything ran".into());
    }
    Ok(())
}

/// Every drill by inventory runs for what the mesh has, and passes.
fn drills_pass(mesh: &str) -> Result<(), Failed> {
    let runs = scratch("mesh-drills");
    let ran = run(meshdrill().args(["run", "--lab", "--lab-mesh", mesh, "drills", "--runs"]).arg(&runs));
    ran.expect_code(0)?;
    let mut names = BTreeSet::new();
    for dir in run_dirs(&runs) {
        let card = scorecard(&dir)?;
        if card["verdict"] != "pass" {
            return Err(format!("{} did not pass\n{}", card["run"]["scenario"], ran.said()).into());
        }
        names.insert(card["run"]["scenario"].as_str().unwrap_or_default().to_owned());
    }
    let mut wanted = BTreeSet::from(EVERYWHERE.map(str::to_owned));
    wanted.extend((mesh != "single").then(|| "cluster-outage".to_owned()));
    wanted.extend(["gateway-api", "primary-remote"].contains(&mesh).then(|| "east-west-outage".to_owned()));
    let missing: Vec<&String> = wanted.difference(&names).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} did not run on {mesh}").into()) }
}

fn turns((mesh, defect, rows, says): Row) -> Result<(), Failed> {
    let runs = scratch("mesh-turned");
    let arguments = ["run", "--lab", "--lab-mesh", mesh, "--lab-defect", defect, "readiness", "--runs"];
    let ran = run(meshdrill().args(arguments).arg(&runs));
    ran.expect_code(10)?;
    let (mut turned, mut said) = (BTreeSet::new(), String::new());
    for dir in run_dirs(&runs) {
        let card = scorecard(&dir)?;
        if card["verdict"] != "pass" {
            turned.insert(card["run"]["scenario"].as_str().unwrap_or_default().to_owned());
            said += &card.to_string();
        }
    }
    let wanted: BTreeSet<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    if turned != wanted {
        return Err(format!("{turned:?} turned, and {wanted:?} should\n{}", ran.said()).into());
    }
    if said.contains(says) { Ok(()) } else { Err(format!("`{says}` was not said\n{said}").into()) }
}
