//! How many notifications an Alertmanager has sent, from its own metrics: by integration, and by receiver where it was set
//! to count so. Whose alerts they were about they do not tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observe::prometheus::Exposition;

const TRIED: &str = "alertmanager_notifications_total";
const FAILED: &str = "alertmanager_notifications_failed_total";

/// Notifications since the Alertmanager began, by way: `webhook`, or `webhook/oncall` where it counts by receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications(BTreeMap<String, Notified>);

/// What became of notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// Taken by whom they were sent to.
    pub delivered: u64,
    /// Not taken.
    pub failed: u64,
}

impl Notifications {
    /// Reads them from the metrics; `None` where they are not counted.
    pub fn of(metrics: &Exposition) -> Option<Self> {
        let mut ways: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (name, is_tried) in [(TRIED, true), (FAILED, false)] {
            for sample in metrics.select(name, &[]) {
                let (kind, receiver) = (sample.label("integration"), sample.label("receiver_name"));
                let way = if receiver.is_empty() { kind.to_owned() } else { format!("{kind}/{receiver}") };
                let counts = ways.entry(way).or_default();
                let count = sample.number().filter(|count| count.is_finite()).unwrap_or_default();
                // Failures are counted by their reasons, too.
                *(if is_tried { &mut counts.0 } else { &mut counts.1 }) += count;
            }
        }
        let notified =
            |(tried, failed): (f64, f64)| Notified { delivered: (tried - failed) as u64, failed: failed as u64 };
        let counted = metrics.select(TRIED, &[]).next().is_some();
        counted.then(|| Self(ways.into_iter().map(|(way, counts)| (way, notified(counts))).collect()))
    }

    /// The way by which an integration of a receiver is counted: its own, or that of its kind.
    pub fn way(&self, kind: &str, receiver: &str) -> String {
        let own = format!("{kind}/{receiver}");
        if self.0.contains_key(&own) { own } else { kind.to_owned() }
    }

    /// What was notified by a way.
    pub fn by(&self, way: &str) -> Notified {
        self.0.get(way).copied().unwrap_or_default()
    }

    /// What was notified by all ways.
    pub fn all(&self) -> Notified {
        self.0.values().fold(Notified::default(), |sum, one| Notified {
            delivered: sum.delivered + one.delivered,
            failed: sum.failed + one.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::prometheus::parse_exposition;

    fn read(text: &str) -> Option<Notifications> {
        Notifications::of(&parse_exposition(200, text.as_bytes()).unwrap())
    }

    #[test]
    fn the_capture_counts_by_integration() {
        let text = include_str!("../../../tests/captures/alertmanager/metrics_notifications.txt");
        let counts = read(text).unwrap();
        assert_eq!(counts.way("webhook", "oncall"), "webhook");
        assert_eq!((counts.by("webhook"), counts.all()), (Notified::default(), Notified::default()));
    }

    #[test]
    fn receivers_are_told_apart_where_they_are_counted_apart() {
        let text = "# TYPE alertmanager_notifications_total counter\n\
            alertmanager_notifications_total{integration=\"webhook\",receiver_name=\"a\"} 5\n\
            alertmanager_notifications_total{integration=\"webhook\",receiver_name=\"b\"} 7\n\
            # TYPE alertmanager_notifications_failed_total counter\n\
            alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"clientError\",receiver_name=\"b\"} 2\n\
            alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"other\",receiver_name=\"b\"} 1\n";
        let counts = read(text).unwrap();
        assert_eq!(counts.way("webhook", "b"), "webhook/b");
        assert_eq!(counts.by("webhook/b"), Notified { delivered: 4, failed: 3 });
        assert_eq!(counts.all(), Notified { delivered: 9, failed: 3 });
        assert_eq!(read("# nothing\n"), None);
    }
}
