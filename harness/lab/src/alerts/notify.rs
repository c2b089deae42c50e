//! Alertmanager at work: groups alerts by name, waits, and notifies the receivers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::alertmanager::{Alert, PostedAlert};
use super::config::{BYSTANDER, FACILITIES, NOBODY, is_muted, receiver};
use crate::clock::Ms;
use crate::prom::labels::Labels;
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Event, Role, World};

const GROUP_WAIT: Ms = 1_000;
const GROUP_INTERVAL: Ms = 5_000;
const REPEAT: Ms = 3_600_000;
/// How long an alert lives without an update, milliseconds.
const EXPIRY: Ms = 240_000;

/// Fires or resolves the alert of the other team.
pub(crate) fn bystander(world: &mut World, cluster: usize) {
    let labels = Labels::new([("alertname", BYSTANDER), ("team", FACILITIES)]);
    let there = world.clusters[cluster].alertmanager.alerts.contains_key(&labels);
    let now = world.now;
    let sent = PostedAlert {
        labels,
        summary: "A disk is almost full",
        query: "disk_free < 1".into(),
        starts: now,
        resolved: there.then_some(now),
    };
    receive(world, cluster, vec![sent]);
    world.after(2 * GROUP_INTERVAL, Event::Bystander(cluster));
}

/// Accepts alerts from Prometheus.
pub(crate) fn receive(world: &mut World, cluster: usize, sent: Vec<PostedAlert>) {
    if world.clusters[cluster].ready(Role::Alertmanager).is_none() {
        return;
    }
    let now = world.now;
    let alertmanager = &mut world.clusters[cluster].alertmanager;
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
    schedule(world, cluster, GROUP_WAIT);
}

fn schedule(world: &mut World, cluster: usize, delay: Ms) {
    if !world.clusters[cluster].alertmanager.scheduled {
        world.clusters[cluster].alertmanager.scheduled = true;
        world.after(delay, Event::Notify(cluster));
    }
}

/// Notifies receivers of every group that changed.
pub(crate) fn flush(world: &mut World, cluster: usize) {
    world.clusters[cluster].alertmanager.scheduled = false;
    if world.clusters[cluster].ready(Role::Alertmanager).is_none() {
        return;
    }
    let now = world.now;
    let mut notifications = Vec::new();
    let alertmanager = &mut world.clusters[cluster].alertmanager;
    alertmanager.alerts.values_mut().for_each(|a| a.resolved |= a.ends <= now);
    let mut by_name: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in alertmanager.alerts.values() {
        if !alertmanager.silences.iter().any(|s| s.active(now) && s.matches(&alert.labels)) {
            by_name.entry(alert.labels.get("alertname").to_owned()).or_default().push(alert.clone());
        }
    }
    for (name, alerts) in by_name {
        let group = alertmanager.groups.entry(name).or_default();
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
        notify(world, cluster, &alerts);
    }
    if more {
        schedule(world, cluster, GROUP_INTERVAL);
    }
}

/// Sends one notification to every webhook.
fn notify(world: &mut World, cluster: usize, alerts: &[Alert]) {
    let (lab, all) = (&*world, alerts);
    let alerts: Vec<Alert> = alerts
        .iter()
        .filter(|a| receiver(lab, cluster, &a.labels) != NOBODY && !is_muted(lab, cluster, &a.labels))
        .cloned()
        .collect();
    if alerts.is_empty() && !all.is_empty() {
        return;
    }
    if alerts.iter().all(|a| receiver(world, cluster, &a.labels) == FACILITIES) {
        world.clusters[cluster].alertmanager.sent += 1;
        return;
    }
    let webhooks = world.clusters[cluster].quirks.webhooks.clone();
    let taken = webhooks.iter().filter(|url| accepts(world, cluster, url)).count();
    let alertmanager = &mut world.clusters[cluster].alertmanager;
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
    world.clusters[cluster].oncall.push(body);
}

/// Whether a webhook accepts notifications: its URL leads to a Service with a ready receiver.
fn accepts(world: &World, cluster: usize, url: &str) -> bool {
    let Some(host) = url.strip_prefix("http://").and_then(|rest| rest.split([':', '/']).next()) else { return false };
    let mut parts = host.split('.');
    let (Some(name), Some(namespace)) = (parts.next(), parts.next()) else { return false };
    let here = &world.clusters[cluster];
    let Some(service) = here.store.get(resources::services(), namespace, name) else { return false };
    let selector = Selector::map(service.pointer("/spec/selector"));
    let receives = |role: Role| matches!(role, Role::Stub(_));
    let mut pods = here.pods.values().filter(|pod| pod.namespace == object::namespace(service) && pod.ready);
    pods.any(|pod| receives(pod.role) && selector.matches(Some(&pod.labels)))
}
