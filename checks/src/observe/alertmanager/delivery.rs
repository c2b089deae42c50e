//! Who is notified of an alert: its way through the tree of routes, and what stops a notification.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::expected::{ExpectedLabels, Holds};
use super::{Config, Matcher, Route};

/// The most ways that are followed where labels are not known.
const MOST_WAYS: usize = 100;
/// How far ahead time intervals are looked at.
const AHEAD_MINUTES: i64 = 7 * 24 * 60;

/// What deliveries are judged with.
pub struct DeliveryContext<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The labels of the alerts that fire now.
    pub firing: &'a [BTreeMap<String, String>],
    /// The time.
    pub now: Timestamp,
    /// The time zones that are known, by name.
    pub zone: &'a dyn Fn(&str) -> Option<TimeZone>,
}

/// Who is notified of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its ways, such as `root -> team=infra -> pagerduty`; several where a route continues or a label is not known.
    pub paths: Vec<String>,
    /// Whether somebody is notified, now and in the coming week.
    pub reach: DeliveryReach,
}

/// Whether somebody is notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryReach {
    /// By each way that the alert can take.
    Somebody,
    /// By none, for this reason.
    Nobody(String),
    /// It depends on what is not known, for this reason.
    Undecided(String),
}

/// The end of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leaf<'a> {
    route: &'a Route,
    path: String,
}

/// The minutes of the coming week in which a route does not notify.
struct Mute {
    minutes: Vec<bool>,
    intervals: Vec<String>,
}

impl DeliveryContext<'_> {
    /// Who is notified of an alert with these labels.
    pub fn delivery(&self, labels: &ExpectedLabels) -> Delivery {
        let ways = ways(&self.config.route, labels, "root");
        let Some(ways) = ways.filter(|ways| ways.len() <= MOST_WAYS) else {
            let why = "its route depends on more labels than can be followed, which its expression may give".to_owned();
            return Delivery { paths: Vec::new(), reach: DeliveryReach::Undecided(why) };
        };
        let mut paths: Vec<String> = Vec::new();
        for leaf in ways.iter().flatten() {
            if !paths.contains(&leaf.path) {
                paths.push(leaf.path.clone());
            }
        }
        let judged: Vec<DeliveryReach> = ways.iter().map(|leaves| self.judge(leaves)).collect();
        let mut reach = judged.iter().find(|one| **one != DeliveryReach::Somebody).cloned();
        if let Some(DeliveryReach::Nobody(why)) = &reach
            && judged.iter().any(|one| !matches!(one, DeliveryReach::Nobody(_)))
        {
            let label = self.open_label(labels);
            reach = Some(DeliveryReach::Undecided(format!(
                "its route depends on label {label}, which its expression may give; on one way {why}"
            )));
        }
        let reach = match (reach, self.inhibited(labels)) {
            (reach @ Some(DeliveryReach::Nobody(_)), _) | (reach, None) => reach.unwrap_or(DeliveryReach::Somebody),
            (_, Some(inhibited)) => inhibited,
        };
        Delivery { paths, reach }
    }

    /// The name of the first label that decides a route and is not known.
    fn open_label(&self, labels: &ExpectedLabels) -> String {
        fn all<'a>(route: &'a Route, found: &mut Vec<&'a Matcher>) {
            found.extend(&route.conditions);
            route.routes.iter().for_each(|child| all(child, found));
        }
        let mut matchers = Vec::new();
        all(&self.config.route, &mut matchers);
        labels.first_open(matchers.into_iter()).unwrap_or("?").to_owned()
    }

    /// Whether one of the receivers at these ends is notified, at every minute of the coming week.
    fn judge(&self, leaves: &[Leaf<'_>]) -> DeliveryReach {
        let mut mutes = Vec::new();
        let mut problems = Vec::new();
        for leaf in leaves {
            let name = &leaf.route.receiver;
            match self.config.receiver(name) {
                None => problems.push(format!("receiver {name} is not defined")),
                Some(receiver) if receiver.integrations.is_empty() => {
                    problems.push(format!("receiver {name} has no integration"));
                }
                Some(_) => match self.mute(leaf.route) {
                    Ok(None) => return DeliveryReach::Somebody,
                    Ok(Some(mute)) => mutes.push(mute),
                    Err(why) => return DeliveryReach::Undecided(why),
                },
            }
        }
        let Some(first) = mutes.first() else { return DeliveryReach::Nobody(problems.join("; ")) };
        let muted = |minute: usize| mutes.iter().all(|mute| mute.minutes[minute]);
        let Some(begin) = (0..first.minutes.len()).find(|minute| muted(*minute)) else {
            return DeliveryReach::Somebody;
        };
        let end = (begin..first.minutes.len()).find(|minute| !muted(*minute));
        let total = (0..first.minutes.len()).filter(|minute| muted(*minute)).count();
        let mut names: Vec<&str> = mutes.iter().flat_map(|mute| &mute.intervals).map(String::as_str).collect();
        names.dedup();
        let from = if begin == 0 { "now".to_owned() } else { format!("from {}", self.minute(begin)) };
        let until = end.map_or_else(|| "for more than a week".to_owned(), |end| format!("until {}", self.minute(end)));
        let hours = total.div_ceil(60);
        DeliveryReach::Nobody(format!(
            "time interval {} mutes it {from} {until}, {hours} h of the coming week",
            names.join(", ")
        ))
    }

    fn minute(&self, after: usize) -> String {
        let after = SignedDuration::from_mins(i64::try_from(after).unwrap_or(i64::MAX));
        (self.now + after).strftime("%a %Y-%m-%d %H:%M UTC").to_string()
    }

    /// When a route does not notify in the coming week; none if it always does.
    fn mute(&self, route: &Route) -> Result<Option<Mute>, String> {
        if route.mute_intervals.is_empty() && route.active_intervals.is_empty() {
            return Ok(None);
        }
        let named = |names: &[String]| {
            let intervals = names.iter().map(|name| {
                let interval = self.config.intervals.get(name);
                interval.ok_or_else(|| format!("time interval {name} is not defined"))
            });
            intervals.collect::<Result<Vec<_>, _>>()
        };
        let (mute, active) = (named(&route.mute_intervals)?, named(&route.active_intervals)?);
        let mut minutes = Vec::new();
        for minute in 0..AHEAD_MINUTES {
            let at = self.now + SignedDuration::from_mins(minute);
            let any = |intervals: &[&super::TimeInterval]| {
                intervals.iter().try_fold(false, |held, one| Ok(held || one.holds(at, self.zone)?))
            };
            let zone =
                |zone: super::UnknownZone| format!("the time zone {} of a time interval is not known here", zone.0);
            let muted = any(&mute).map_err(zone)?;
            minutes.push(muted || (!active.is_empty() && !any(&active).map_err(zone)?));
        }
        let intervals = route.mute_intervals.iter().chain(&route.active_intervals).cloned().collect();
        Ok(minutes.contains(&true).then_some(Mute { minutes, intervals }))
    }

    /// Whether what fires now inhibits an alert.
    fn inhibited(&self, labels: &ExpectedLabels) -> Option<DeliveryReach> {
        let mut undecided = None;
        for rule in &self.config.inhibit_rules {
            let target = labels.meet_all(&rule.target);
            let also_source = labels.meet_all(&rule.source);
            if target == Holds::No {
                continue;
            }
            for source in self.firing.iter().filter(|source| all_match(&rule.source, source)) {
                // An alert that is both source and target is not inhibited by another that is both.
                if also_source == Holds::Yes && all_match(&rule.target, source) {
                    continue;
                }
                let value = |label: &String| source.get(label).map_or("", String::as_str);
                let equal = Holds::all(rule.equal.iter().map(|label| labels.has(label, value(label))));
                let name = source.get("alertname").map_or("an alert", String::as_str);
                match Holds::all([target, equal]) {
                    Holds::No => {}
                    Holds::Yes => {
                        return Some(DeliveryReach::Nobody(format!("{name}, which fires now, inhibits it")));
                    }
                    Holds::Unknown => {
                        undecided.get_or_insert_with(|| {
                            DeliveryReach::Undecided(format!("{name}, which fires now, may inhibit it"))
                        });
                    }
                }
            }
        }
        undecided
    }
}

fn all_match(matchers: &[Matcher], labels: &BTreeMap<String, String>) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels) == Some(true))
}

/// The ways from a route on, as Alertmanager takes them: one list of ends for each way that labels which are not known allow; none
/// if there are too many.
fn ways<'a>(route: &'a Route, labels: &ExpectedLabels, path: &str) -> Option<Vec<Vec<Leaf<'a>>>> {
    let mut states: Vec<(Vec<Leaf<'a>>, bool)> = vec![(Vec::new(), false)];
    for child in &route.routes {
        let holds = labels.meet_all(&child.conditions);
        if holds == Holds::No {
            continue;
        }
        let below = ways(child, labels, &format!("{path} -> {}", step(child)))?;
        let mut next = Vec::new();
        for (leaves, stopped) in states {
            if stopped || holds == Holds::Unknown {
                next.push((leaves.clone(), stopped));
            }
            if !stopped {
                next.extend(below.iter().map(|more| ([leaves.clone(), more.clone()].concat(), !child.carries_on)));
            }
        }
        if next.len() > 2 * MOST_WAYS {
            return None;
        }
        states = next;
    }
    let mut found: Vec<Vec<Leaf<'a>>> = Vec::new();
    for (leaves, _) in states {
        let leaves = if leaves.is_empty() {
            vec![Leaf { route, path: format!("{path} -> {}", route.receiver) }]
        } else {
            leaves
        };
        if !found.contains(&leaves) {
            found.push(leaves);
        }
    }
    Some(found)
}

/// A route in a path: its matchers.
fn step(route: &Route) -> String {
    let matchers: Vec<String> = route.conditions.iter().map(ToString::to_string).collect();
    if matchers.is_empty() { "(all)".to_owned() } else { matchers.join(",") }
}

#[cfg(test)]
mod tests;
