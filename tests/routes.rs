//! The way of critical alerts through an Alertmanager, with configurations as people write them.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::stand_in::{Answer, Asked, Folder, Server, api_server, expect};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("routes::a critical alert reaches a receiver", reached),
        Trial::test("routes::a critical alert that is dropped", dropped),
        Trial::test("routes::a critical alert that is inhibited by what fires", inhibited),
        Trial::test("routes::a route by a label of the expression is not guessed", not_guessed),
        Trial::test("routes::mute and active time intervals", intervals),
    ]
}

const CHECK: &str = "alertmanager: { cluster: one }";

/// Checks an Alertmanager with this configuration for an alert with a label `team`.
fn check(name: &str, query: &str, config: &str, firing: &Value) -> Result<crate::command::Ran, Failed> {
    let rule = json!({ "state": "inactive", "name": "ShopDown", "query": query, "duration": 60, "health": "ok", "type": "alerting",
        "labels": { "severity": "critical", "team": "infra" }, "annotations": {}, "alerts": [], "lastEvaluation": "2026-11-23T12:00:00Z" });
    let rules = json!({ "groups": [{ "name": "g", "file": "g.yml", "interval": 30, "rules": [rule], "lastEvaluation": "2026-11-23T12:00:00Z" }] });
    let prometheus = Server::start(move |asked| {
        // A Monday.
        let data = match asked.path.split('?').next().unwrap_or_default() {
            "/api/v1/rules" => rules.clone(),
            "/api/v1/status/config" => json!({ "yaml": "global: { external_labels: { cluster: a } }" }),
            "/api/v1/alertmanagers" => {
                json!({ "activeAlertmanagers": [{ "url": "http://am/api/v2/alerts" }], "droppedAlertmanagers": [] })
            }
            _ => json!({ "resultType": "scalar", "result": [1_795_435_200, "1795435200"] }),
        };
        Answer::json(200, &json!({ "status": "success", "data": data }))
    })?;
    let (config, firing) = (config.to_owned(), firing.clone());
    let alertmanager = Server::start(move |asked| match asked.path.as_str() {
        "/-/ready" => Answer::text(200, "OK"),
        "/api/v2/status" => Answer::json(
            200,
            &json!({ "cluster": { "status": "disabled", "peers": [] },
            "config": { "original": config }, "uptime": "2026-11-23T11:00:00Z", "versionInfo": { "version": "0.28.0" } }),
        ),
        "/api/v2/alerts" => Answer::json(200, &firing),
        "/api/v2/silences" => Answer::json(200, &json!([])),
        "/metrics" => Answer::text(
            200,
            "alertmanager_notifications_total{integration=\"pagerduty\"} 4\nalertmanager_notifications_failed_total{integration=\"pagerduty\"} 0\n",
        ),
        _ => Answer::text(404, "404 page not found\n"),
    })?;
    let api = api_server(|asked: &Asked| {
        let list = json!({ "kind": "List", "metadata": {}, "items": [] });
        asked
            .path
            .starts_with("/api/v1/namespaces?")
            .then(|| Answer::json(200, &list))
            .or_else(|| (asked.path == "/api/v1/namespaces").then(|| Answer::json(200, &list)))
    })?;
    let places = format!("prometheus: [\"{}\"], alertmanager: [\"{}\"]", prometheus.url, alertmanager.url);
    Folder::new(name, &api.url, &places)?.check(CHECK)
}

const UP: &str = "sum(up{job=\"shop\"}) == 0";

fn tree(routes: &str) -> String {
    format!(
        "route: {{ receiver: 'null', routes: [{routes}] }}\nreceivers: [{{ name: 'null' }}, {{ name: pagerduty, pagerduty_configs: [{{ routing_key: <secret> }}] }}]\n"
    )
}

fn reached() -> Result<(), Failed> {
    let config = tree("{ receiver: pagerduty, matchers: ['team=\"infra\"'] }");
    let config = config.replace("receiver: 'null',", "receiver: pagerduty,");
    let ran = check("routes-reached", UP, &config, &json!([]))?;
    expect(&ran, 0, &["critical alert ShopDown: root -> team=infra -> pagerduty"])
}

fn dropped() -> Result<(), Failed> {
    let config = tree("{ receiver: pagerduty, match_re: { team: 'shop|pay' } }");
    let ran = check("routes-dropped", UP, &config, &json!([]))?;
    let says = "critical alert ShopDown: root -> null: receiver null has no integration, so nobody is notified";
    expect(&ran, 10, &[says])?;
    // A sibling is tried only after a route that continues.
    let routes = "{ receiver: 'null', matchers: ['severity=critical'] }, { receiver: pagerduty }";
    let first = check("routes-first", UP, &tree(routes), &json!([]))?;
    expect(&first, 10, &["root -> severity=critical -> null: receiver null has no integration"])
}

fn inhibited() -> Result<(), Failed> {
    let config = tree("{ receiver: pagerduty }").replace("receiver: 'null',", "receiver: pagerduty,")
        + "inhibit_rules: [{ source_matchers: ['alertname = ClusterDown'], target_match: { severity: critical }, equal: [cluster] }]\n";
    let firing = |cluster: &str| {
        json!([{ "labels": { "alertname": "ClusterDown", "cluster": cluster }, "annotations": {}, "fingerprint": "f",
            "startsAt": "2026-11-23T11:00:00Z", "endsAt": "2026-11-23T13:00:00Z", "updatedAt": "2026-11-23T11:00:00Z",
            "receivers": [{ "name": "pagerduty" }], "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] } }])
    };
    let ran = check("routes-inhibited", UP, &config, &firing("a"))?;
    expect(&ran, 10, &["ClusterDown, which fires now, inhibits it, so nobody is notified"])?;
    let elsewhere = check("routes-elsewhere", UP, &config, &firing("b"))?;
    expect(&elsewhere, 0, &["critical alert ShopDown: root -> (all) -> pagerduty"])
}

fn not_guessed() -> Result<(), Failed> {
    let config = tree("{ receiver: 'null', matchers: [namespace=\"shop\"] }, { receiver: pagerduty }");
    let open = check("routes-open", "up{job=\"shop\"} == 0", &config, &json!([]))?;
    let says = "critical alert ShopDown: its route depends on label namespace, which its expression may give";
    expect(&open, 11, &[says])?;
    let closed = check("routes-closed", UP, &config, &json!([]))?;
    expect(&closed, 0, &["critical alert ShopDown: root -> (all) -> pagerduty"])
}

fn intervals() -> Result<(), Failed> {
    let config = tree("{ receiver: pagerduty, mute_time_intervals: [weekends] }")
        .replace("receiver: 'null',", "receiver: pagerduty,")
        + "time_intervals: [{ name: weekends, time_intervals: [{ weekdays: [saturday, sunday] }] }]\n";
    let ran = check("routes-muted", UP, &config, &json!([]))?;
    expect(&ran, 10, &["time interval weekends mutes it from Sat ", "48 h of the coming week, so nobody is notified"])?;
    let always =
        config.replace("mute_time_intervals", "active_time_intervals").replace("saturday, sunday", "'sunday:saturday'");
    let ran = check("routes-active", UP, &always, &json!([]))?;
    expect(&ran, 0, &["critical alert ShopDown: root -> (all) -> pagerduty"])
}
