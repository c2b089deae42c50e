//! Alertmanager: groups alerts by name, waits, notifies the on-call receiver; silences.

pub(crate) mod api;
mod silences;

use std::collections::BTreeMap;

use serde_json::{Value, json};
pub(crate) use silences::{Silence, silence_all};

use crate::clock::Ms;
use crate::defects::ONCALL;
use crate::lab::Lab;
use crate::plane::call::{Answer, Call};
use crate::prom::labels::Labels;
use crate::prom::rules::Sent;
use crate::world::{Event, Role, World};

const GROUP_WAIT: Ms = 1_000;
const GROUP_INTERVAL: Ms = 5_000;
const REPEAT: Ms = 3_600_000;
/// How long an alert lives without being sent again.
const EXPIRY: Ms = 240_000;

/// One alert as Alertmanager holds it.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) labels: Labels,
    pub(crate) summary: &'static str,
    pub(crate) query: String,
    pub(crate) starts: Ms,
    pub(crate) updated: Ms,
    pub(crate) ends: Ms,
    pub(crate) resolved: bool,
}

#[derive(Debug, Default)]
struct Group {
    flushed: Option<Ms>,
    notified: Option<(Ms, Vec<(Labels, bool)>)>,
}

/// One Alertmanager.
#[derive(Debug, Default)]
pub(crate) struct Alertmanager {
    pub(crate) alerts: BTreeMap<Labels, Alert>,
    pub(crate) silences: Vec<Silence>,
    /// Notifications tried, and those of them that nobody took.
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    groups: BTreeMap<String, Group>,
    scheduled: bool,
}

/// The configuration file.
pub(crate) fn config_text(world: &World, c: usize) -> String {
    let quirks = &world.clusters[c].quirks;
    let shown = |url: &&'static str| if quirks.webhooks_hidden { "<secret>" } else { *url };
    let webhooks = quirks.webhooks.iter().map(|url| format!("  - send_resolved: true\n    url: {}\n", shown(url)));
    let (route, other) = if quirks.bystander {
        (
            format!("  routes:\n  - receiver: {FACILITIES}\n    matchers:\n    - team=\"{FACILITIES}\"\n"),
            format!(
                "- name: {FACILITIES}\n  webhook_configs:\n  - send_resolved: true\n    url: https://facilities.example/alerts\n"
            ),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        "route:\n  receiver: oncall\n  group_by:\n  - alertname\n  group_wait: 1s\n  group_interval: 5s\n  repeat_interval: 1h\n{route}receivers:\n\
         - name: oncall\n  webhook_configs:\n{}{other}",
        webhooks.collect::<String>()
    )
}

/// The alert of another team, and the receiver it is routed to: a webhook outside that always takes it.
pub(crate) const BYSTANDER: &str = "DiskAlmostFull";
const FACILITIES: &str = "facilities";

/// The other team's alert comes, or goes.
pub(crate) fn bystander(world: &mut World, c: usize) {
    let labels = Labels::new([("alertname", BYSTANDER), ("team", FACILITIES)]);
    let there = world.clusters[c].alertmanager.alerts.contains_key(&labels);
    let now = world.now;
    let sent = Sent {
        labels,
        summary: "A disk is almost full",
        query: "disk_free < 1".into(),
        starts: now,
        resolved: there.then_some(now),
    };
    receive(world, c, vec![sent]);
    world.after(2 * GROUP_INTERVAL, Event::Bystander(c));
}

/// The receiver of an alert.
fn receiver(labels: &Labels) -> &'static str {
    if labels.get("team") == FACILITIES { FACILITIES } else { "oncall" }
}

/// Prometheus sends alerts.
pub(crate) fn receive(world: &mut World, c: usize, sent: Vec<Sent>) {
    if world.clusters[c].ready(Role::Alertmanager).is_none() {
        return;
    }
    let now = world.now;
    let alertmanager = &mut world.clusters[c].alertmanager;
    for one in sent {
        let ends = one.resolved.unwrap_or(now + EXPIRY);
        let alert = Alert {
            labels: one.labels.clone(),
            summary: one.summary,
            query: one.query,
            starts: one.starts,
            updated: now,
            ends,
            resolved: one.resolved.is_some(),
        };
        alertmanager.alerts.insert(one.labels, alert);
    }
    schedule(world, c, GROUP_WAIT);
}

fn schedule(world: &mut World, c: usize, delay: Ms) {
    if !world.clusters[c].alertmanager.scheduled {
        world.clusters[c].alertmanager.scheduled = true;
        world.after(delay, Event::Notify(c));
    }
}

/// Notifies for every group with news.
pub(crate) fn flush(world: &mut World, c: usize) {
    world.clusters[c].alertmanager.scheduled = false;
    if world.clusters[c].ready(Role::Alertmanager).is_none() {
        return;
    }
    let now = world.now;
    let mut notifications = Vec::new();
    let alertmanager = &mut world.clusters[c].alertmanager;
    alertmanager.alerts.values_mut().for_each(|a| a.resolved |= a.ends <= now);
    let mut by_name: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in alertmanager.alerts.values() {
        if !alertmanager.silences.iter().any(|s| s.active(now) && s.covers(&alert.labels)) {
            by_name.entry(alert.labels.get("alertname").to_owned()).or_default().push(alert.clone());
        }
    }
    for (name, alerts) in by_name {
        let group = alertmanager.groups.entry(name).or_default();
        group.flushed = Some(now);
        let state: Vec<(Labels, bool)> = alerts.iter().map(|a| (a.labels.clone(), a.resolved)).collect();
        let firing = state.iter().any(|(_, resolved)| !resolved);
        let news = match &group.notified {
            None => firing,
            Some((at, before)) => *before != state || firing && now - at >= REPEAT,
        };
        if news {
            group.notified = Some((now, state));
            notifications.push(alerts);
        }
    }
    let resolved: Vec<Labels> = alertmanager.alerts.values().filter(|a| a.resolved).map(|a| a.labels.clone()).collect();
    for labels in resolved {
        alertmanager.alerts.remove(&labels);
        if !alertmanager.alerts.values().any(|a| a.labels.get("alertname") == labels.get("alertname")) {
            alertmanager.groups.remove(labels.get("alertname"));
        }
    }
    let more = !alertmanager.alerts.is_empty();
    for alerts in notifications {
        notify(world, c, &alerts);
    }
    if more {
        schedule(world, c, GROUP_INTERVAL);
    }
}

/// Sends one notification by every webhook; only the on-call receiver takes any, when it is there.
fn notify(world: &mut World, c: usize, alerts: &[Alert]) {
    if alerts.iter().all(|a| receiver(&a.labels) == FACILITIES) {
        world.clusters[c].alertmanager.sent += 1;
        return;
    }
    let oncall = world.clusters[c].pods.values().any(|p| p.label("app") == "oncall" && p.ready);
    let webhooks = world.clusters[c].quirks.webhooks.clone();
    let taken = webhooks.iter().filter(|url| oncall && **url == ONCALL).count();
    let alertmanager = &mut world.clusters[c].alertmanager;
    alertmanager.sent += webhooks.len() as u64;
    alertmanager.failed += (webhooks.len() - taken) as u64;
    if taken == 0 {
        return;
    }
    let list: Vec<Value> = alerts
        .iter()
        .map(|a| {
            let ends = if a.resolved { world.dates.millis(a.ends) } else { "0001-01-01T00:00:00Z".into() };
            json!({"status": if a.resolved { "resolved" } else { "firing" }, "labels": a.labels.json(),
                "annotations": {"summary": a.summary}, "startsAt": world.dates.millis(a.starts), "endsAt": ends})
        })
        .collect();
    let firing = alerts.iter().any(|a| !a.resolved);
    let name = alerts.first().map_or("", |a| a.labels.get("alertname")).to_owned();
    let body = json!({"receiver": "oncall", "status": if firing { "firing" } else { "resolved" }, "alerts": list, "groupLabels": {"alertname": name},
        "version": "4", "receivedAt": world.dates.millis(world.now)});
    world.clusters[c].oncall.push(body);
}

/// The on-call receiver: takes notifications and lists what it got.
pub(crate) fn oncall(lab: &Lab, c: usize, call: &Call) -> Answer {
    if call.method == http::Method::POST {
        if let Ok(value) = serde_json::from_slice::<Value>(&call.body) {
            lab.with(|world| world.clusters[c].oncall.push(value));
        }
        return Answer::new(200, crate::plane::call::TEXT, "ok\n");
    }
    let list = lab.with(|world| world.clusters[c].oncall.clone());
    Answer::json(200, &json!(list))
}
