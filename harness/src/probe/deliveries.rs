//! Who is notified of the alerts that must reach somebody: routes, time intervals, inhibition and silences together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use meshdrill_checks::observe::alertmanager::{
    Config, Delivery, DeliveryContext, DeliveryReach, ExpectedLabels, Silence, SilenceState,
};
use meshdrill_checks::observe::prometheus::{self, Rule, RuleKind};
use meshdrill_checks::observe::promql::result_labels;

use super::{Metrics, ProbeError};

/// The severities of alerts that must reach somebody.
const MUST_REACH: [&str; 2] = ["critical", "page"];
/// Where this machine has its time zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// Who is notified of the alerts that must reach somebody.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// The ways of each alert, as text.
    pub paths: BTreeMap<String, Vec<String>>,
    /// What keeps notifications from somebody.
    pub missed: Vec<String>,
    /// What cannot be decided.
    pub undecided: Vec<String>,
}

impl Deliveries {
    /// Asks a Prometheus for its rules and an Alertmanager for what it does with them.
    pub async fn find(prometheus: &Metrics, alertmanager: &Metrics, config: &Config) -> Result<Self, ProbeError> {
        let groups = prometheus.rules().await?;
        let sent = prometheus.config().await?;
        let alerts: Vec<(&str, ExpectedLabels)> = groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|rule| must_reach(rule))
            .map(|rule| (rule.name.as_str(), expected(rule, &sent)))
            .collect();
        let firing: Vec<_> = alertmanager.received().await?.into_iter().map(|alert| alert.labels).collect();
        let silences = alertmanager.silences().await?;
        let now = timestamp(prometheus.time().await?);
        let context = DeliveryContext { config, firing: &firing, now, zone: &zone };
        let mut found = Self::default();
        let mut known: Vec<(Delivery, Vec<&str>)> = Vec::new();
        for (name, labels) in &alerts {
            let delivery = context.delivery(labels);
            found.paths.entry((*name).to_owned()).or_default().extend(delivery.paths.clone());
            match known.iter_mut().find(|(one, _)| *one == delivery) {
                Some((_, names)) if names.contains(name) => {}
                Some((_, names)) => names.push(name),
                None => known.push((delivery, vec![name])),
            }
        }
        for (delivery, names) in known {
            let alerts = named(&names);
            let paths = delivery.paths.join(" and ");
            match delivery.reach {
                DeliveryReach::Somebody => {}
                DeliveryReach::Nobody(why) => {
                    found.missed.push(format!("{alerts}: {paths}: {why}, so nobody is notified"))
                }
                DeliveryReach::Undecided(why) => found.undecided.push(format!("{alerts}: {why}")),
            }
        }
        found.missed.extend(silenced(&silences, &alerts));
        if sent.relabels_alerts && !alerts.is_empty() {
            found.undecided.push(
                "alert_relabel_configs of Prometheus change the labels of alerts, which is not followed".to_owned(),
            );
        }
        Ok(found)
    }

    /// The ways of all alerts, those with the same ways together: `critical alerts A, B: root -> oncall`.
    pub fn text(&self) -> String {
        let mut same: Vec<(&Vec<String>, Vec<&str>)> = Vec::new();
        for (name, paths) in &self.paths {
            match same.iter_mut().find(|(known, _)| *known == paths) {
                Some((_, names)) => names.push(name),
                None => same.push((paths, vec![name])),
            }
        }
        let line = |(paths, names): (&Vec<String>, Vec<&str>)| format!("; {}: {}", named(&names), paths.join(" and "));
        same.into_iter().map(line).collect()
    }
}

fn named(names: &[&str]) -> String {
    let kind = if names.len() == 1 { "critical alert" } else { "critical alerts" };
    format!("{kind} {}", names.join(", "))
}

fn must_reach(rule: &Rule) -> bool {
    let severity = rule.labels.get("severity").map(String::as_str);
    rule.kind == RuleKind::Alerting && severity.is_some_and(|severity| MUST_REACH.contains(&severity))
}

/// The labels with which a rule's alerts reach Alertmanager.
fn expected(rule: &Rule, sent: &prometheus::Config) -> ExpectedLabels {
    ExpectedLabels::new(&rule.name, &rule.labels, &sent.external_labels, result_labels(&rule.query))
}

/// Active silences that cover alerts for certain.
fn silenced(silences: &[Silence], alerts: &[(&str, ExpectedLabels)]) -> Option<String> {
    let active = silences.iter().filter(|silence| silence.state == SilenceState::Active);
    active.into_iter().find_map(|silence| {
        let covered = alerts.iter().filter(|(_, labels)| labels.covered_by(silence)).map(|(name, _)| *name);
        let covered: Vec<&str> = covered.collect();
        (!covered.is_empty()).then(|| {
            format!(
                "silence {} by {} covers {} until {}",
                silence.id,
                silence.created_by,
                covered.join(", "),
                silence.ends_at.strftime("%Y-%m-%d %H:%M")
            )
        })
    })
}

/// A Unix time.
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or_default()
}

/// A time zone of this machine.
fn zone(name: &str) -> Option<TimeZone> {
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c)) && !name.starts_with('/');
    let data = is_name.then(|| std::fs::read(std::path::Path::new(ZONES).join(name)).ok())??;
    TimeZone::tzif(name, &data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_time_zones() {
        assert!(zone("../../etc/passwd").is_none() && zone("/etc/localtime").is_none() && zone("Nowhere").is_none());
    }
}
