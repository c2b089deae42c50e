//! Alertmanager's configuration file and its receivers.

use crate::prom::labels::Labels;
use crate::world::World;

/// The configuration file.
pub(crate) fn config_text(world: &World, cluster: usize) -> String {
    let quirks = &world.clusters[cluster].quirks;
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

/// The alert of another team, and its receiver: a webhook outside the mesh that always accepts.
pub(crate) const BYSTANDER: &str = "DiskAlmostFull";
pub(super) const FACILITIES: &str = "facilities";

/// The receiver of an alert.
pub(super) fn receiver(labels: &Labels) -> &'static str {
    if labels.get("team") == FACILITIES { FACILITIES } else { "oncall" }
}
