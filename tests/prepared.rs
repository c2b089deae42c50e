//! What an API reports about answers that are not samples: read while something is prepared, and in preflight.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::stand_in::{Answer, Folder, Server, api_server, expect, record};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("prepared::every sample rests on what was read once", every_sample),
        Trial::test("prepared::targets are not taken from a stale list", stale_targets),
        Trial::test("prepared::a remark in preflight is recorded", remark_in_preflight),
    ]
}

/// A Prometheus whose scrape targets, which are read once, come with a warning.
fn every_sample() -> Result<(), Failed> {
    let prometheus = Server::start(|asked| {
        let series = |metric: Value| json!([{ "metric": metric, "value": [1_700_000_000, "0.2"] }]);
        if asked.path.starts_with("/api/v1/targets") {
            let target = json!({ "discoveredLabels": {}, "labels": { "job": "shop", "instance": "a" }, "scrapePool": "shop",
                "scrapeUrl": "http://a/metrics", "globalUrl": "http://a/metrics", "lastError": "", "lastScrape": "2026-11-23T12:00:00Z",
                "lastScrapeDuration": 0.1, "health": "up", "scrapeInterval": "15s", "scrapeTimeout": "10s" });
            let data = json!({ "activeTargets": [target], "droppedTargets": [] });
            return Answer::json(200, &json!({ "status": "success", "data": data, "warnings": ["store eu is gone"] }));
        }
        let metric = if asked.body.contains("count") { json!({ "job": "shop", "instance": "a" }) } else { json!({}) };
        let data = json!({ "resultType": "vector", "result": series(metric) });
        Answer::json(200, &json!({ "status": "success", "data": data }))
    })?;
    let folder =
        Folder::new("every-sample", &api_server(|_| None)?.url, &format!("prometheus: [\"{}\"]", prometheus.url))?;
    folder.write("probe.yaml", "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: probe }\nspec:\n  observe: 2s\n  probes:\n    rate: { promql: { cluster: one, query: 'sum(rate(x_total[$__rate_interval]))', expect: '< 1' }, every: 200ms }\n  sla:\n    - { probe: rate, errorRate: 50% }\n")?;
    let ran = folder.run(&["probe.yaml"]);
    if ran.code == 0 {
        return Err(format!("it passed\n{}", ran.said()).into());
    }
    let record = record(&folder.runs())?;
    let samples = record.lines().filter(|line| line.contains("\"event\":\"sample\"")).count();
    let noted = record
        .lines()
        .filter(|line| line.contains("\"event\":\"sample\"") && line.contains("store eu is gone"))
        .count();
    if samples > 5 && samples == noted {
        Ok(())
    } else {
        Err(format!("{noted} of {samples} samples have the warning").into())
    }
}

/// Runs a fault on two pods, whose list has this `Warning` header.
fn evict(name: &str, warning: &'static str) -> Result<(Folder, crate::command::Ran), Failed> {
    let api = api_server(move |asked| {
        let named = |name: &str| json!({ "metadata": { "name": name, "uid": name } });
        let pod = |name: &str| {
            json!({ "metadata": { "name": name, "namespace": "shop", "uid": name, "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "c" }] },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } })
        };
        let forbidden = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "not today" });
        match asked.path.as_str() {
            "/api/v1/namespaces" => Some(Answer::json(200, &json!({ "items": [named("shop"), named("kube-system")] }))),
            "/api/v1/namespaces/shop" => Some(Answer::json(200, &named("shop"))),
            path if path.split('?').next().is_some_and(|path| path.ends_with("/eviction")) => {
                Some(Answer::json(403, &forbidden))
            }
            path if path.starts_with("/api/v1/namespaces/shop/pods") => {
                let list = json!({ "kind": "PodList", "items": [pod("a"), pod("b")], "metadata": {} });
                Some(Answer::json(200, &list).header("Warning", warning))
            }
            _ => None,
        }
    })?;
    let folder = Folder::new(name, &api.url, &format!("faults: allowed, uid: {}", crate::stand_in::UID))?;
    let ran = folder.fault("evictPods: { cluster: one, namespace: shop, selector: app=x }")?;
    Ok((folder, ran))
}

fn stale_targets() -> Result<(), Failed> {
    let (_, ran) = evict("stale-targets", "110 - \"Response is Stale\"")?;
    expect(&ran, 3, &["its targets are not known for certain: the answer may be incomplete: Warning: 110"])
}

fn remark_in_preflight() -> Result<(), Failed> {
    let (folder, ran) = evict("remark-in-preflight", "299 - \"v1 pods are deprecated\"")?;
    let record = record(&folder.runs())?;
    let says = "preflight: warning of an API: v1 pods are deprecated";
    if record.contains(says) { Ok(()) } else { Err(format!("the record lacks `{says}`\n{}", ran.said()).into()) }
}
