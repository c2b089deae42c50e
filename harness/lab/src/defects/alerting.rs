//! Alerting rules, Alertmanager and its receivers.

use super::change::{scale_deployment, scale_workload};
use super::find;
use super::row::{Planted, Row, in_all, in_secondary};
use crate::alerts::{Matcher, Silence};
use crate::world::{CriticalRoute, Event, Role, World};

use Planted::{Bootstrap, Objects, Start};

/// Alertmanager's own address, as a webhook in its configuration.
const ITSELF: &str = "http://localhost:9093/webhook";

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "rules-not-loaded",
        Bootstrap,
        "Prometheus has not loaded the alerting rules of ConfigMap prometheus-rules",
        |world, cluster| world.clusters[cluster].quirks.rules_unloaded = true,
    ),
    in_secondary("rule-error", Bootstrap, "alerting rule HighLatency fails to evaluate", |world, cluster| {
        world.clusters[cluster].quirks.rule_error = true;
    }),
    in_secondary(
        "istiod-down-never-fires",
        Bootstrap,
        "alerting rule IstiodDown tests up == 0, which has no series once the target is gone",
        |world, cluster| world.clusters[cluster].quirks.never_firing_istiod_rule = true,
    ),
    in_secondary("alertmanager-detached", Bootstrap, "Prometheus has no Alertmanager configured", |world, cluster| {
        world.clusters[cluster].quirks.alertmanager_detached = true
    }),
    in_secondary("alertmanager-down", Objects, "Deployment alertmanager has 0 replicas", |world, cluster| {
        scale_workload(world, cluster, Role::Alertmanager);
    })
    .alerting(),
    in_secondary(
        "alertmanager-loop-receiver",
        Bootstrap,
        "the webhook of receiver oncall is Alertmanager itself",
        |world, cluster| world.clusters[cluster].quirks.webhooks = vec![ITSELF],
    )
    .alerting(),
    in_secondary(
        "alertmanager-second-webhook-loops",
        Bootstrap,
        "receiver oncall has a second webhook, which is Alertmanager itself",
        |world, cluster| world.clusters[cluster].quirks.webhooks.push(ITSELF),
    )
    .alerting(),
    in_secondary(
        "alertmanager-second-webhook-dead",
        Bootstrap,
        "receiver oncall has a second webhook, to a Service that does not exist",
        |world, cluster| world.clusters[cluster].quirks.webhooks.push("http://pager.istio-system:8080/alerts"),
    )
    .alerting(),
    in_secondary(
        "alertmanager-hides-webhooks",
        Bootstrap,
        "Alertmanager shows webhook URLs as <secret> and has sent no notification yet",
        |world, cluster| world.clusters[cluster].quirks.webhooks_hidden = true,
    )
    .alerting(),
    in_secondary(
        "critical-alerts-to-nobody",
        Bootstrap,
        "the route for critical alerts leads to a receiver without integrations",
        |world, cluster| world.clusters[cluster].quirks.critical_route = CriticalRoute::Nobody,
    )
    .alerting(),
    in_secondary(
        "critical-alerts-muted",
        Bootstrap,
        "a time interval mutes the route for critical alerts around the clock",
        |world, cluster| world.clusters[cluster].quirks.critical_route = CriticalRoute::Muted,
    )
    .alerting(),
    in_all("alert-silenced", Start, "a silence in Alertmanager matches every alert", silence_all).alerting(),
    in_all(
        "another-teams-alert",
        Start,
        "an alert of another team fires and resolves; its receiver is facilities",
        |world, cluster| {
            world.clusters[cluster].quirks.bystander = true;
            world.after(0, Event::Bystander(cluster));
        },
    )
    .alerting(),
    in_all(
        "receiver-dead",
        Objects,
        "Deployment oncall, the webhook of receiver oncall, has 0 replicas",
        |world, cluster| {
            if let Some((namespace, name)) = find::receiver(world, cluster) {
                scale_deployment(world, cluster, &namespace, &name, 0);
            }
        },
    )
    .alerting(),
];

/// Silences every alert for a day.
fn silence_all(world: &mut World, cluster: usize) {
    let id = world.rng.uuid();
    let now = world.now;
    world.clusters[cluster].alertmanager.silences.push(Silence {
        id,
        matchers: Matcher::new("alertname", ".+", true, true).into_iter().collect(),
        starts: now,
        ends: now + 86_400_000,
        updated: now,
        author: "someone".into(),
        comment: "maintenance".into(),
    });
}
