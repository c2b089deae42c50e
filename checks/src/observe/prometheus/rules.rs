//! Rules that a Prometheus has loaded. A `ConfigMap` with rules proves a file, this proves the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::alerts::{Alert, AlertState};
use super::answer::{self, Answer, PrometheusError};

/// A group of rules, evaluated together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleGroup {
    /// Its name.
    pub name: String,
    /// The file it was loaded from.
    #[serde(default)]
    pub file: String,
    /// How often it is evaluated. A rule's `for` is rounded up to a multiple of this.
    #[serde(deserialize_with = "seconds")]
    pub interval: Duration,
    /// When it was last evaluated; `None` if never.
    #[serde(default, deserialize_with = "moment")]
    pub last_evaluation: Option<Timestamp>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// What a rule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Alerts.
    Alerting,
    /// A series.
    Recording,
}

/// How the last evaluation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleHealth {
    /// Well.
    Ok,
    /// It failed, see `last_error`.
    Err,
    /// Not evaluated yet.
    #[serde(other)]
    Unknown,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name of the alert or of the recorded series.
    pub name: String,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: RuleKind,
    /// Its expression.
    pub query: String,
    /// Where an alerting rule stands: the furthest of its alerts. `None` for a recording rule.
    pub state: Option<AlertState>,
    /// How long the expression must hold before the alert fires, `for:`. Zero for a recording rule.
    #[serde(rename = "duration", default, deserialize_with = "seconds")]
    pub hold: Duration,
    /// How long the alert keeps firing after the expression no longer holds.
    #[serde(default, deserialize_with = "seconds")]
    pub keep_firing_for: Duration,
    /// Labels it adds, such as `severity`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations, templates not filled in.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// How the last evaluation went.
    pub health: RuleHealth,
    /// What went wrong in it.
    #[serde(default)]
    pub last_error: String,
    /// When it was last evaluated; `None` if never.
    #[serde(default, deserialize_with = "moment")]
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    #[serde(default, deserialize_with = "seconds")]
    pub evaluation_time: Duration,
    /// Its alerts, pending and firing.
    #[serde(default)]
    pub alerts: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RulesData {
    groups: Vec<RuleGroup>,
    /// Not empty if this is one page of several.
    #[serde(default)]
    group_next_token: String,
}

/// Reads the answer of `/api/v1/rules`.
pub fn parse_rules(status: u16, body: &[u8]) -> Result<Answer<Vec<RuleGroup>>, PrometheusError> {
    let answer = answer::open::<RulesData>(status, body)?;
    let more = !answer.data.group_next_token.is_empty();
    let mut groups = answer.map(|data| Ok(data.groups))?;
    if more {
        groups.warnings.push("this is one page of the rule groups (groupNextToken)".to_owned());
    }
    Ok(groups)
}

fn seconds<'de, D: Deserializer<'de>>(json: D) -> Result<Duration, D::Error> {
    let seconds = Option::<f64>::deserialize(json)?.unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

/// A time, where Go's zero (year 1) means never.
pub(super) fn moment<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Timestamp>, D::Error> {
    let at = Option::<Timestamp>::deserialize(json)?;
    Ok(at.filter(|at| at.as_second() > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_capture() {
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_rules.json");
        let groups = parse_rules(200, body).unwrap().data;
        assert_eq!((groups.len(), groups[0].interval, groups[0].rules.len()), (1, Duration::from_secs(30), 7));
        let rule = |name: &str| groups[0].rules.iter().find(|r| r.name == name).unwrap();
        let down = rule("IstiodDown");
        assert_eq!(
            (down.kind, down.health, down.state),
            (RuleKind::Alerting, RuleHealth::Ok, Some(AlertState::Inactive))
        );
        assert_eq!((down.hold, down.labels["severity"].as_str()), (Duration::from_mins(2), "critical"));
        assert_eq!(down.last_evaluation.unwrap().to_string(), "2026-11-22T11:57:18.03222836Z");
        assert_eq!(rule("IngressGatewayDown").alerts.len(), 1);
        assert_eq!(rule("HighConnectionPoolUsage").state, Some(AlertState::Pending));
    }

    #[test]
    fn never_evaluated_and_failed() {
        let body = br#"{"status":"success","data":{"groups":[{"name":"g","file":"f","interval":15,"rules":[
            {"name":"a:b","type":"recording","query":"1","health":"unknown","lastEvaluation":"0001-01-01T00:00:00Z"},
            {"name":"c","type":"alerting","query":"1","health":"err","lastError":"boom","state":"unknown"}]}]}}"#;
        let groups = parse_rules(200, body).unwrap().data;
        let [recording, alerting] = &groups[0].rules[..] else { panic!("two rules") };
        assert_eq!((recording.health, recording.last_evaluation, recording.state), (RuleHealth::Unknown, None, None));
        assert_eq!((alerting.health, alerting.last_error.as_str()), (RuleHealth::Err, "boom"));
        assert_eq!(groups[0].last_evaluation, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_rules(200, &body).is_err());
        }

        #[test]
        fn a_damaged_capture_is_survived(at in 0usize..6_000, byte in any::<u8>()) {
            let mut body = include_bytes!("../../../tests/captures/prometheus/api_v1_rules.json").to_vec();
            body[at] = byte;
            let _ = parse_rules(200, &body);
        }
    }
}
