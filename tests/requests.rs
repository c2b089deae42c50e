//! What a suite asks the API servers for: one list per kind and cluster, however many checks there are.

use std::collections::BTreeMap;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::cli::served::Served;
use crate::command::scratch;

/// The checks of the suite that judge by lists. Its other rows sample for 20 s.
const ROWS: [&str; 9] = [
    "configuration",
    "configuration-drift",
    "crossing",
    "entry-points",
    "gateways",
    "pod-network",
    "services",
    "workloads",
    "control-plane-ready",
];
const CLUSTERS: [&str; 3] = ["eu", "us", "ap"];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("requests::a suite lists each kind once per cluster", each_kind_once),
        Trial::test("requests::what is wrong is read again before it is reported", wrong_is_read_again),
    ]
}

/// How often each list was asked for, and each page of a proxy's admin interface.
fn asked(served: &Served, cluster: &str) -> Result<BTreeMap<String, u64>, Failed> {
    let answer = served.get(cluster, "api", "/lab/requests")?;
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    let body: Value = serde_json::from_str(body)?;
    let rows = body["requests"].as_array().into_iter().flatten();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let name = format!("{} {} {}", text(row, "verb"), text(row, "what"), text(row, "scope"));
        (name.trim_end().to_owned(), row["count"].as_u64().unwrap_or(0))
    };
    Ok(rows.map(row).collect())
}

fn each_kind_once() -> Result<(), Failed> {
    let served = Served::start_mesh("requests", "flat-three")?;
    let before = CLUSTERS.map(|cluster| asked(&served, cluster));
    let runs = scratch("requests-runs");
    let arguments: Vec<&str> = [&["run"], &ROWS[..], &["--runs"]].concat();
    let ran = served.meshdrill(&[&arguments[..], &[runs.to_str().ok_or("path")?]].concat());
    ran.expect_code(0)?;
    let mut again = Vec::new();
    for (cluster, before) in CLUSTERS.into_iter().zip(before) {
        let before = before?;
        let after = asked(&served, cluster)?;
        if !after.contains_key("list pods all") || !after.contains_key("admin /clusters") {
            return Err(format!("nothing was counted in {cluster}: {after:?}").into());
        }
        for (what, count) in after {
            let count = count - before.get(&what).unwrap_or(&0);
            // The slices of one Service are listed by its name.
            if what.contains("endpointslices") {
                continue;
            }
            // A proxy of the ingress gateway, and one of an application.
            let most = if what.starts_with("admin") { 2 } else { 1 };
            let lists =
                what.starts_with("list") || what.starts_with("admin /clusters") || what.starts_with("admin /config");
            if lists && count > most {
                again.push(format!("{cluster}: {count} x {what}"));
            }
        }
    }
    if again.is_empty() { Ok(()) } else { Err(again.join("\n").into()) }
}

/// A workload is broken after the first suite: the second one begins without what the first has read, and finds it.
fn wrong_is_read_again() -> Result<(), Failed> {
    let served = Served::start_mesh("requests-wrong", "flat-three")?;
    let runs = scratch("requests-wrong-runs");
    let runs = runs.to_str().ok_or("path")?;
    served.meshdrill(&["run", "workloads", "pod-network", "--runs", runs]).expect_code(0)?;
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "front", "image": "registry.local/app:missing",
        "args": ["web", "-port", "8080"] }] } } } });
    served.patch("us", "/apis/apps/v1/namespaces/shop/deployments/front", &image)?;
    let ran = served.meshdrill(&["run", "workloads", "pod-network", "--runs", runs]);
    ran.expect_code(10)?;
    let said = ran.said();
    if !said.contains("3 of 4 workloads ready") || !said.contains("shop deployment/front: rollout waiting") {
        return Err(format!("the broken workload is not named\n{said}").into());
    }
    // Only failures stand one by one.
    if said.contains("deployment/reviews-v1") {
        Err(format!("what is ready is listed too\n{said}").into())
    } else {
        Ok(())
    }
}
