//! The configuration an Alertmanager runs with: who is notified, and how long a notification waits.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::interval::{RawInterval, TimeInterval};
use super::matchers::parse_matchers;
use super::{AlertmanagerError, Matcher};
use crate::observe::prometheus::parse_duration;

/// What of the configuration matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// All receivers.
    pub receivers: Vec<Receiver>,
    /// Where alerts enter.
    pub route: Route,
    /// The time intervals by their name.
    pub intervals: BTreeMap<String, TimeInterval>,
    /// What inhibits notifications while something else fires.
    pub inhibit_rules: Vec<InhibitRule>,
}

/// An alert that meets the target is not notified of while one that meets the source fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InhibitRule {
    /// Conditions on what fires.
    pub source: Vec<Matcher>,
    /// Conditions on the alerts whose notifications are inhibited.
    pub target: Vec<Matcher>,
    /// Labels that both must have with the same value, or both lack.
    pub equal: Vec<String>,
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Its integrations. None means that it is never notified.
    pub integrations: Vec<Integration>,
}

/// One way of telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Integration {
    /// `webhook`, `email`, `slack`, `pagerduty` …
    pub kind: String,
    /// Where it goes.
    pub destination: Destination,
}

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// This URL.
    Url(String),
    /// A URL that the Alertmanager keeps to itself, as newer versions do with those of webhooks.
    Hidden,
    /// None is written: the kind has its own, or it is taken from a file.
    Implied,
}

/// A node of the routing tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Its receiver; inherited where not written.
    pub receiver: String,
    /// Conditions as written, in whichever of the three notations.
    pub matchers: Vec<String>,
    /// The same, read; all must hold.
    pub conditions: Vec<Matcher>,
    /// Names of the time intervals in which it does not notify; not inherited.
    pub mute_intervals: Vec<String>,
    /// Names of the time intervals in which alone it notifies; not inherited.
    pub active_intervals: Vec<String>,
    /// Labels by which alerts are put together.
    pub group_by: Vec<String>,
    /// Wait before the first notification of a group; 30 s where not written.
    pub group_wait: Duration,
    /// Wait before news of a group; 5 min where not written.
    pub group_interval: Duration,
    /// Wait before it is repeated; 4 h where not written.
    pub repeat_interval: Duration,
    /// Whether siblings after it are tried as well.
    pub carries_on: bool,
    /// Its children, tried in order.
    pub routes: Vec<Route>,
}

#[derive(Deserialize)]
struct RawConfig {
    route: RawRoute,
    #[serde(default)]
    receivers: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    time_intervals: Vec<RawInterval>,
    #[serde(default)]
    mute_time_intervals: Vec<RawInterval>,
    #[serde(default)]
    inhibit_rules: Vec<RawInhibitRule>,
}

#[derive(Deserialize)]
struct RawInhibitRule {
    #[serde(default)]
    source_match: BTreeMap<String, Value>,
    #[serde(default)]
    source_match_re: BTreeMap<String, Value>,
    #[serde(default)]
    source_matchers: Vec<String>,
    #[serde(default)]
    target_match: BTreeMap<String, Value>,
    #[serde(default)]
    target_match_re: BTreeMap<String, Value>,
    #[serde(default)]
    target_matchers: Vec<String>,
    #[serde(default)]
    equal: Vec<String>,
}

#[derive(Deserialize)]
struct RawRoute {
    receiver: Option<String>,
    #[serde(default)]
    group_by: Option<Vec<String>>,
    group_wait: Option<String>,
    group_interval: Option<String>,
    repeat_interval: Option<String>,
    #[serde(default, rename = "continue")]
    carries_on: bool,
    #[serde(default)]
    r#match: BTreeMap<String, Value>,
    #[serde(default)]
    match_re: BTreeMap<String, Value>,
    #[serde(default)]
    matchers: Vec<String>,
    #[serde(default)]
    mute_time_intervals: Vec<String>,
    #[serde(default)]
    active_time_intervals: Vec<String>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

impl Config {
    /// Reads the YAML of `config.original`.
    pub fn parse(yaml: &str) -> Result<Self, AlertmanagerError> {
        let raw: RawConfig = serde_saphyr::from_str(yaml).map_err(|e| AlertmanagerError::Config(e.to_string()))?;
        let root = Route {
            receiver: String::new(),
            matchers: Vec::new(),
            conditions: Vec::new(),
            mute_intervals: Vec::new(),
            active_intervals: Vec::new(),
            group_by: Vec::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
            carries_on: false,
            routes: Vec::new(),
        };
        let intervals = raw.time_intervals.into_iter().chain(raw.mute_time_intervals).map(|interval| {
            let read = TimeInterval::new(interval.time_intervals);
            let failed = |what| AlertmanagerError::Config(format!("time interval {}: `{what}`", interval.name));
            read.map_err(failed).map(|read| (interval.name.clone(), read))
        });
        Ok(Self {
            receivers: raw.receivers.iter().map(receiver).collect(),
            route: raw.route.under(&root)?,
            intervals: intervals.collect::<Result<_, _>>()?,
            inhibit_rules: raw.inhibit_rules.into_iter().map(RawInhibitRule::read).collect::<Result<_, _>>()?,
        })
    }

    /// The receiver of this name.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|r| r.name == name)
    }
}

/// How long a change of an alert may wait before its receiver is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waits {
    /// The shortest time between two notifications of one group.
    pub between: Duration,
    /// The longest time after which a receiver was notified of every change of a group.
    pub settled: Duration,
    /// The shortest time after which a notification is repeated.
    pub repeated: Duration,
}

impl Waits {
    /// Of two receivers of the same alert.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self {
            between: self.between.min(other.between),
            settled: self.settled.max(other.settled),
            repeated: self.repeated.min(other.repeated),
        }
    }
}

impl Config {
    /// The waits of the routes that lead to a receiver; `None` if there is no such route.
    pub fn waits(&self, receiver: &str) -> Option<Waits> {
        fn all<'a>(route: &'a Route, found: &mut Vec<&'a Route>) {
            found.push(route);
            route.routes.iter().for_each(|child| all(child, found));
        }
        let mut routes = Vec::new();
        all(&self.route, &mut routes);
        routes.retain(|route| route.receiver == receiver);
        Some(Waits {
            between: routes.iter().map(|route| route.group_interval).min()?,
            settled: routes.iter().map(|route| route.group_wait + route.group_interval).max()?,
            repeated: routes.iter().map(|route| route.repeat_interval).min()?,
        })
    }
}

impl RawRoute {
    /// Fills in what is inherited.
    fn under(self, parent: &Route) -> Result<Route, AlertmanagerError> {
        let wait = |text: Option<String>, inherited: Duration| match text {
            None => Ok(inherited),
            Some(text) => {
                parse_duration(&text).ok_or_else(|| AlertmanagerError::Config(format!("`{text}` is not a duration")))
            }
        };
        let equal = self.r#match.iter().map(|(label, value)| format!("{label}={:?}", plain(value)));
        let regex = self.match_re.iter().map(|(label, value)| format!("{label}=~{:?}", plain(value)));
        let written: Vec<String> = equal.chain(regex).chain(self.matchers.iter().cloned()).collect();
        let mut route = Route {
            receiver: self.receiver.filter(|r| !r.is_empty()).unwrap_or_else(|| parent.receiver.clone()),
            matchers: written,
            conditions: conditions(&self.r#match, &self.match_re, &self.matchers)?,
            mute_intervals: self.mute_time_intervals,
            active_intervals: self.active_time_intervals,
            group_by: self.group_by.unwrap_or_else(|| parent.group_by.clone()),
            group_wait: wait(self.group_wait, parent.group_wait)?,
            group_interval: wait(self.group_interval, parent.group_interval)?,
            repeat_interval: wait(self.repeat_interval, parent.repeat_interval)?,
            carries_on: self.carries_on,
            routes: Vec::new(),
        };
        route.routes = self.routes.into_iter().map(|child| child.under(&route)).collect::<Result<_, _>>()?;
        Ok(route)
    }
}

impl RawInhibitRule {
    fn read(self) -> Result<InhibitRule, AlertmanagerError> {
        Ok(InhibitRule {
            source: conditions(&self.source_match, &self.source_match_re, &self.source_matchers)?,
            target: conditions(&self.target_match, &self.target_match_re, &self.target_matchers)?,
            equal: self.equal,
        })
    }
}

/// A scalar as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The conditions of all three notations.
fn conditions(
    equal: &BTreeMap<String, Value>,
    regex: &BTreeMap<String, Value>,
    matchers: &[String],
) -> Result<Vec<Matcher>, AlertmanagerError> {
    let one = |is_regex: bool| {
        move |(name, value): (&String, &Value)| Matcher {
            name: name.clone(),
            value: plain(value),
            is_regex,
            is_equal: true,
        }
    };
    let mut all: Vec<Matcher> = equal.iter().map(one(false)).chain(regex.iter().map(one(true))).collect();
    for text in matchers {
        let read = parse_matchers(text);
        all.extend(read.ok_or_else(|| AlertmanagerError::Config(format!("`{text}` is not a matcher")))?);
    }
    Ok(all)
}

fn receiver(raw: &BTreeMap<String, Value>) -> Receiver {
    let integrations = raw.iter().filter_map(|(key, list)| Some((key.strip_suffix("_configs")?, list.as_array()?)));
    Receiver {
        name: raw.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        integrations: integrations
            .flat_map(|(kind, list)| {
                list.iter().map(|one| Integration { kind: kind.to_owned(), destination: destination(one) })
            })
            .collect(),
    }
}

fn destination(integration: &Value) -> Destination {
    match ["url", "api_url", "webhook_url"].into_iter().find_map(|key| integration.get(key)?.as_str()) {
        Some("<secret>") => Destination::Hidden,
        Some(url) => Destination::Url(url.to_owned()),
        None => Destination::Implied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 10s
  routes:
  - matchers: [ 'severity=\"critical\"' ]
    receiver: pager
    group_wait: 0s
    routes:
    - match: { team: 7 }
      match_re: { app: 'istio.*' }
      continue: true
receivers:
- name: default
- name: pager
  webhook_configs:
  - url: http://localhost:9093/webhook
  - url: <secret>
  pagerduty_configs:
  - routing_key: <secret>
";

    #[test]
    fn settings_are_inherited() {
        let config = Config::parse(YAML).unwrap();
        let pager = &config.route.routes[0];
        assert_eq!((pager.receiver.as_str(), pager.group_wait), ("pager", Duration::ZERO));
        assert_eq!(
            (pager.group_interval, &pager.group_by[..]),
            (Duration::from_mins(5), &["alertname".to_owned()][..])
        );
        let deep = &pager.routes[0];
        assert_eq!((deep.receiver.as_str(), deep.carries_on), ("pager", true));
        let waits = Waits {
            between: Duration::from_mins(5),
            settled: Duration::from_mins(5),
            repeated: Duration::from_hours(4),
        };
        assert_eq!((config.waits("pager"), config.waits("nobody")), (Some(waits), None));
        assert_eq!(deep.matchers, ["team=\"7\"", "app=~\"istio.*\""]);
    }

    #[test]
    fn destinations_are_told_as_far_as_they_are() {
        let config = Config::parse(YAML).unwrap();
        assert!(config.receiver("default").unwrap().integrations.is_empty());
        let seen: Vec<_> =
            config.receiver("pager").unwrap().integrations.iter().map(|i| (i.kind.as_str(), &i.destination)).collect();
        let url = Destination::Url("http://localhost:9093/webhook".to_owned());
        assert_eq!(seen, [("pagerduty", &Destination::Implied), ("webhook", &url), ("webhook", &Destination::Hidden)]);
    }

    #[test]
    fn what_is_no_configuration_is_an_error() {
        for text in ["", "receivers: []", "route: { group_wait: soon }", "<html>", "route: [1]"] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }
}
