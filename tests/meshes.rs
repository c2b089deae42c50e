//! Other meshes than the guide's: the same suite holds for each, and what is wrong turns the rows that it should.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

/// A mesh of the lab, a defect, the rows that must turn, and words of one of them.
type Row = (&'static str, &'static str, &'static [&'static str], &'static str);

const MESHES: [&str; 4] = ["flat-three", "single", "gateway-api", "primary-remote"];

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
    let turned = DEFECTS.map(|row| Trial::test(format!("meshes::{} with {}", row.0, row.1), move || turns(row)));
    ready.into_iter().chain(turned).collect()
}

fn is_ready(mesh: &str) -> Result<(), Failed> {
    let runs = scratch("mesh-ready");
    run(meshdrill().args(["run", "--lab", "--lab-mesh", mesh, "readiness", "--runs"]).arg(&runs)).expect_code(0)?;
    if run_dirs(&runs).len() < 15 {
        return Err("hardly anything ran".into());
    }
    Ok(())
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
