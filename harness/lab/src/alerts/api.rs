//! Alertmanager's API v2.

use serde_json::{Value, json};

use super::alertmanager::Alert;
use super::config::{BYSTANDER, config_text, receiver};
use super::silences::{Matcher, Silence};
use crate::api::query::{Query, decode};
use crate::plane::call::{HttpAnswer, HttpCall, JSON, TEXT};
use crate::world::World;

/// Answers one request.
pub(crate) fn answer(world: &mut World, cluster: usize, call: &HttpCall) -> HttpAnswer {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let query = Query::parse(query);
    let json = |value: Value| HttpAnswer::new(200, JSON, format!("{value}\n"));
    match (call.method.as_str(), path) {
        ("GET" | "HEAD", "/-/ready" | "/-/healthy") => HttpAnswer::new(200, TEXT, "OK"),
        ("GET", "/metrics") => {
            HttpAnswer::new(200, "text/plain; version=0.0.4; charset=utf-8", metrics(world, cluster))
        }
        ("GET", "/api/v2/status") => json(status(world, cluster)),
        ("GET", "/api/v2/receivers") => json(json!([{"name": "oncall"}])),
        ("GET", "/api/v2/alerts") => match filtered(world, cluster, &query) {
            Ok(list) => json(json!(list.iter().map(|a| alert(world, cluster, a)).collect::<Vec<_>>())),
            Err(why) => HttpAnswer::new(400, JSON, json!(why).to_string()),
        },
        ("GET", "/api/v2/alerts/groups") => json(groups(world, cluster)),
        ("GET", "/api/v2/silences") => json(json!(
            world.clusters[cluster]
                .alertmanager
                .silences
                .iter()
                .map(|s| s.json(world.now, world.dates))
                .collect::<Vec<_>>()
        )),
        ("POST", "/api/v2/silences") => create(world, cluster, &call.body),
        ("GET" | "DELETE", path) if path.starts_with("/api/v2/silence/") => {
            one(world, cluster, call.method.as_str(), path.trim_start_matches("/api/v2/silence/"))
        }
        ("GET", "/") => HttpAnswer::new(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><head><title>Alertmanager</title></head></html>\n",
        ),
        (_, path) if path.starts_with("/api/v2/") => HttpAnswer::new(
            405,
            JSON,
            json!({"code": 405, "message": format!("method {} is not allowed", call.method)}).to_string(),
        ),
        _ => HttpAnswer::new(404, TEXT, "404 page not found\n"),
    }
}

fn status(world: &World, cluster: usize) -> Value {
    json!({"cluster": {"peers": [], "status": "disabled"}, "config": {"original": config_text(world, cluster)}, "uptime": world.dates.millis(-3_600_000),
        "versionInfo": {"branch": "HEAD", "buildDate": "20221222-14:51:36", "buildUser": "", "goVersion": "go1.19.4",
            "revision": "258fab7cdd551f2cf251ed0348f0ad7289aee789", "version": "0.25.0"}})
}

fn metrics(world: &World, cluster: usize) -> String {
    let alertmanager = &world.clusters[cluster].alertmanager;
    let counter = |name: &str, help: &str, value: u64| {
        format!(
            "# HELP {name} {help}\n# TYPE {name} counter\n{name}{{integration=\"email\"}} 0\n{name}{{integration=\"webhook\"}} {value}\n"
        )
    };
    counter("alertmanager_notifications_total", "Notifications that were tried.", alertmanager.sent)
        + &counter("alertmanager_notifications_failed_total", "Notifications that failed.", alertmanager.failed)
}

fn fingerprint(alert: &Alert) -> String {
    let hash = alert.labels.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, (k, v)| {
        k.bytes().chain(v.bytes()).fold(h, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    });
    format!("{hash:016x}")
}

fn silenced_by(world: &World, cluster: usize, alert: &Alert) -> Vec<String> {
    let silences = world.clusters[cluster].alertmanager.silences.iter();
    silences.filter(|s| s.active(world.now) && s.matches(&alert.labels)).map(|s| s.id.clone()).collect()
}

fn alert(world: &World, cluster: usize, alert: &Alert) -> Value {
    let silenced = silenced_by(world, cluster, alert);
    let state = if silenced.is_empty() { "active" } else { "suppressed" };
    json!({"annotations": {"summary": alert.summary}, "endsAt": world.dates.millis(alert.ends), "fingerprint": fingerprint(alert),
        "receivers": [{"name": receiver(world, cluster, &alert.labels)}], "startsAt": world.dates.millis(alert.starts),
        "status": {"inhibitedBy": [], "silencedBy": silenced, "state": state}, "updatedAt": world.dates.millis(alert.updated),
        "generatorURL": format!("http://prometheus:9090/graph?g0.expr={}&g0.tab=1", alert.query.replace(' ', "+")), "labels": alert.labels.json()})
}

fn filtered(world: &World, cluster: usize, query: &Query) -> Result<Vec<Alert>, String> {
    let matchers: Vec<Matcher> = query.all("filter").map(parse_matcher).collect::<Result<_, _>>()?;
    let off = |key: &str| query.get(key) == Some("false");
    let list = world.clusters[cluster].alertmanager.alerts.values().filter(|a| !a.resolved && a.ends > world.now);
    Ok(list
        .filter(|a| matchers.iter().all(|m| m.matches(&a.labels)))
        .filter(|a| {
            let suppressed = !silenced_by(world, cluster, a).is_empty();
            !(suppressed && off("silenced") || !suppressed && off("active"))
        })
        .cloned()
        .collect())
}

fn parse_matcher(text: &str) -> Result<Matcher, String> {
    let text = decode(text);
    let bad = || format!("bad matcher format: {text}");
    let at = text.find(['=', '!']).ok_or_else(bad)?;
    let rest = &text[at..];
    let (op, value) =
        ["=~", "!~", "!=", "="].iter().find_map(|op| rest.strip_prefix(op).map(|v| (*op, v))).ok_or_else(bad)?;
    Matcher::new(text[..at].trim(), value.trim().trim_matches('"'), op.ends_with('~'), op.starts_with('='))
        .ok_or_else(bad)
}

fn groups(world: &World, cluster: usize) -> Value {
    let mut groups: std::collections::BTreeMap<&str, Vec<Value>> = std::collections::BTreeMap::new();
    for a in world.clusters[cluster].alertmanager.alerts.values().filter(|a| !a.resolved) {
        groups.entry(a.labels.get("alertname")).or_default().push(alert(world, cluster, a));
    }
    let one = |(name, alerts): (&str, Vec<Value>)| {
        json!({"alerts": alerts, "labels": {"alertname": name},
        "receiver": {"name": if name == BYSTANDER { "facilities" } else { "oncall" }}})
    };
    json!(groups.into_iter().map(one).collect::<Vec<_>>())
}

fn create(world: &mut World, cluster: usize, body: &[u8]) -> HttpAnswer {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return HttpAnswer::new(400, JSON, json!({"code": 400, "message": "parsing silence body failed"}).to_string());
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let flag = |m: &Value, key: &str, default: bool| m.get(key).and_then(Value::as_bool).unwrap_or(default);
    let list = value.get("matchers").and_then(Value::as_array).cloned().unwrap_or_default();
    let matchers: Option<Vec<Matcher>> = list
        .iter()
        .map(|m| {
            let get = |key: &str| m.get(key).and_then(Value::as_str).unwrap_or("");
            Matcher::new(get("name"), get("value"), flag(m, "isRegex", false), flag(m, "isEqual", true))
        })
        .collect();
    let dates = (world.dates.parse(&text("startsAt")), world.dates.parse(&text("endsAt")));
    let (Some(matchers), (Some(starts), Some(ends))) = (matchers.filter(|m| !m.is_empty()), dates) else {
        return HttpAnswer::new(
            400,
            JSON,
            json!("invalid silence: at least one matcher and valid dates are required").to_string(),
        );
    };
    let given = text("id");
    let id = if given.is_empty() { world.rng.uuid() } else { given };
    let now = world.now;
    let silences = &mut world.clusters[cluster].alertmanager.silences;
    silences.retain(|s| s.id != id);
    silences.push(Silence {
        id: id.clone(),
        matchers,
        starts: starts.max(now),
        ends,
        updated: now,
        author: text("createdBy"),
        comment: text("comment"),
    });
    HttpAnswer::new(200, JSON, format!("{}\n", json!({"silenceID": id})))
}

fn one(world: &mut World, cluster: usize, method: &str, id: &str) -> HttpAnswer {
    if id.len() != 36 {
        let message = format!("silenceID in path must be of type uuid: \"{id}\"");
        return HttpAnswer::new(422, JSON, json!({"code": 601, "message": message}).to_string());
    }
    let now = world.now;
    let Some(at) = world.clusters[cluster].alertmanager.silences.iter().position(|s| s.id == id) else {
        return HttpAnswer::new(404, JSON, "");
    };
    if method == "DELETE" {
        let silence = &mut world.clusters[cluster].alertmanager.silences[at];
        silence.ends = silence.ends.min(now);
        silence.updated = now;
        return HttpAnswer::new(200, JSON, "");
    }
    let value = world.clusters[cluster].alertmanager.silences[at].json(world.now, world.dates);
    HttpAnswer::new(200, JSON, format!("{value}\n"))
}
