//! Alertmanager's configuration file and its receivers.

use crate::prom::labels::Labels;
use crate::world::{CriticalRoute, World};

/// The configuration file.
pub(crate) fn config_text(world: &World, cluster: usize) -> String {
    let quirks = &world.clusters[cluster].quirks;
    let shown = |url: &&'static str| if quirks.webhooks_hidden { "<secret>" } else { *url };
    let webhooks = quirks.webhooks.iter().map(|url| format!("  - send_resolved: true\n    url: {}\n", shown(url)));
    let (route, other) = if quirks.bystander {
        (
            format!("  - receiver: {FACILITIES}\n    matchers:\n    - team=\"{FACILITIES}\"\n"),
            format!(
                "- name: {FACILITIES}\n  webhook_configs:\n  - send_resolved: true\n    url: https://facilities.example/alerts\n"
            ),
        )
    } else {
        (String::new(), String::new())
    };
    let (critical, mute, nobody, intervals) = match quirks.critical_route {
        CriticalRoute::Oncall => (ONCALL, "", "", ""),
        CriticalRoute::Nobody => (NOBODY, "", "- name: nobody\n", ""),
        CriticalRoute::Muted => (
            ONCALL,
            "    mute_time_intervals:\n    - release-freeze\n",
            "",
            "time_intervals:\n- name: release-freeze\n  time_intervals:\n  - times:\n    - start_time: \"00:00\"\n      end_time: \"24:00\"\n",
        ),
    };
    format!(
        "route:\n  receiver: {ONCALL}\n  group_by:\n  - alertname\n  group_wait: 1s\n  group_interval: 5s\n  repeat_interval: 1h\n  routes:\n{route}\
         \x20 - receiver: {critical}\n    matchers:\n    - severity=\"critical\"\n{mute}\
         inhibit_rules:\n- source_matchers:\n  - alertname=\"ClusterUnreachable\"\n  target_matchers:\n  - severity=~\"critical|warning\"\n  equal:\n  - cluster\n\
         {intervals}receivers:\n- name: {ONCALL}\n  webhook_configs:\n{}{nobody}{other}",
        webhooks.collect::<String>()
    )
}

const ONCALL: &str = "oncall";
/// A receiver without integrations.
pub(super) const NOBODY: &str = "nobody";

/// The alert of another team, and its receiver: a webhook outside the mesh that always accepts.
pub(crate) const BYSTANDER: &str = "DiskAlmostFull";
pub(super) const FACILITIES: &str = "facilities";

/// The receiver of an alert.
pub(super) fn receiver(world: &World, cluster: usize, labels: &Labels) -> &'static str {
    let route = world.clusters[cluster].quirks.critical_route;
    if labels.get("team") == FACILITIES {
        FACILITIES
    } else if route == CriticalRoute::Nobody && is_critical(labels) {
        NOBODY
    } else {
        ONCALL
    }
}

/// Whether a time interval keeps notifications of an alert back.
pub(super) fn is_muted(world: &World, cluster: usize, labels: &Labels) -> bool {
    world.clusters[cluster].quirks.critical_route == CriticalRoute::Muted && is_critical(labels)
}

fn is_critical(labels: &Labels) -> bool {
    labels.get("team") != FACILITIES && labels.get("severity") == "critical"
}
