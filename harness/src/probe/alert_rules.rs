//! `alertRules`: named alerting rules are loaded, healthy, recently evaluated, as declared and able to fire, and Prometheus
//! sends to an Alertmanager. A `ConfigMap` with rules proves none of this.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::{Rule, RuleGroup, RuleHealth, RuleKind, Target, Vector};
use meshdrill_checks::observe::promql::{self, LabelMatch, MatchKind, Mistake, Severity};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Answer, Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec};

/// Alerting rules of one cluster's Prometheus: loaded, healthy, recently evaluated, as declared and able to fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertRules {
    /// The cluster with the Prometheus.
    pub cluster: ClusterChoice,
    /// The rules that must be loaded. Without it, all alerting rules that are loaded, and at least one: each healthy and able
    /// to fire; of those with severity `critical` or `page`, each must be seen to be able to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<DeclaredRule>>,
    /// Whether an Alertmanager must be attached; default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<bool>,
}

/// A rule and its expected settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclaredRule {
    /// The name of the alert, such as `IstiodDown`.
    pub name: String,
    /// The expected label `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The expected `for`, such as `5m`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<TimeSpan>,
    /// Labels that tell it from other rules of the same name, such as `{ team: edge }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The comparison that its expression must have, such as `> 0.05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Comparison>,
}

impl DeclaredRule {
    /// A rule of which nothing is declared but its name.
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), severity: None, hold: None, labels: BTreeMap::new(), threshold: None }
    }
}

/// Whether somebody is paged for it.
fn is_critical(rule: &Rule) -> bool {
    rule.labels.get("severity").is_some_and(|severity| severity == "critical" || severity == "page")
}

impl Observation for AlertRules {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.rules.iter().flatten().map(|rule| rule.name.as_str()).collect();
        let which = if names.is_empty() {
            "all alerting rules".to_owned()
        } else {
            format!("alerting rules {}", names.join(", "))
        };
        format!("{which} at the Prometheus ({})", self.cluster)
    }

    fn subject(&self) -> String {
        match self.rules.as_deref() {
            Some([one]) => one.name.clone(),
            _ => "loaded".to_owned(),
        }
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let none = self.rules.as_ref().is_some_and(Vec::is_empty);
        let help = "write `rules: [{ name: IstiodDown }]`, or leave `rules` out for all that are loaded";
        none.then(|| SpecError::new("rules", "the list of rules is empty", help)).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        Metrics::prometheus_permissions(mesh, self.cluster.key())
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let prometheus = Metrics::prometheus(world, self.cluster.key()).await?;
            Ok(Box::new(RulesObserver { prometheus, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct RulesObserver {
    prometheus: Metrics,
    spec: AlertRules,
}

impl RulesObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let groups = self.prometheus.rules().await?;
        let now = self.prometheus.time().await?;
        let loaded = groups.iter().map(|group| group.rules.len()).sum::<usize>();
        let mut missed = Vec::new();
        let (mut remarks, mut doubts) = (Vec::new(), Vec::new());
        let (chosen, absent) = self.chosen(&groups);
        missed.extend(absent);
        for (declared, group, rule) in &chosen {
            missed.extend(off(declared, rule).into_iter().chain(stale(group, rule, now)));
            match self.unable(rule).await? {
                Ability::Unable(why) => missed.push(format!("rule {} {why}", rule.name)),
                Ability::Doubtful(why) if self.spec.rules.is_some() || is_critical(rule) => {
                    doubts.push(format!("rule {} {why}", rule.name));
                }
                Ability::Doubtful(why) => remarks.push(format!("{}: {why}", rule.name)),
                Ability::Able(remark) => remarks.extend(remark.map(|text| format!("{}: {text}", rule.name))),
            }
        }
        if loaded == 0 {
            let names: Vec<&str> = self.spec.rules.iter().flatten().map(|rule| rule.name.as_str()).collect();
            let missing =
                if names.is_empty() { String::new() } else { format!(", so {} is missing", names.join(", ")) };
            missed = vec![format!(
                "no rule is loaded{missing}; rules in a ConfigMap have no effect until rule_files names them"
            )];
        }
        let managers = self.prometheus.alertmanagers().await?;
        if self.spec.alertmanager.unwrap_or(true) && managers.active.is_empty() {
            missed.push(
                "no Alertmanager is attached, so alerts reach nobody; set `alerting:` in prometheus.yml".to_owned(),
            );
        }
        let seen = json!({ "loaded": loaded, "alertmanagers": managers.active, "missed": missed, "doubts": doubts, "remarks": remarks });
        let at = self.prometheus.name();
        if missed.is_empty() && !doubts.is_empty() {
            let message = format!("{} rules are loaded as declared, but {} ({at})", chosen.len(), doubts.join("; "));
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        let message = match missed.as_slice() {
            [] => {
                let remarks = if remarks.is_empty() {
                    String::new()
                } else {
                    format!("; worth checking: {}", remarks.join("; "))
                };
                format!("{} rules are loaded, as declared and able to fire at {at}{remarks}", chosen.len())
            }
            missed => format!("{} ({at})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }

    /// The rules to judge, each with what is declared of it, and what is not loaded.
    fn chosen<'a>(&self, groups: &'a [RuleGroup]) -> (Vec<(DeclaredRule, &'a RuleGroup, &'a Rule)>, Vec<String>) {
        let all = || groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        let Some(declared) = &self.spec.rules else {
            let alerting = all().filter(|(_, rule)| rule.kind == RuleKind::Alerting);
            let chosen: Vec<_> = alerting.map(|(group, rule)| (DeclaredRule::named(&rule.name), group, rule)).collect();
            let none = chosen.is_empty().then(|| "no alerting rule is loaded".to_owned());
            return (chosen, none.into_iter().collect());
        };
        let (mut chosen, mut absent) = (Vec::new(), Vec::new());
        for declared in declared {
            let found: Vec<_> = all().filter(|(_, rule)| rule.name == declared.name).collect();
            if found.is_empty() {
                absent.push(format!("rule {} is not loaded", declared.name));
            }
            chosen.extend(meant(declared, found).into_iter().map(|(group, rule)| (declared.clone(), group, rule)));
        }
        (chosen, absent)
    }

    /// Whether a rule that compares `up` fires when its targets are gone, by how Prometheus discovers them.
    async fn without_targets(&self, rule: &Rule, blind: &promql::Finding) -> Result<Ability, ProbeError> {
        let targets = self.prometheus.targets().await.map(|targets| targets.active).unwrap_or_default();
        let selectors = promql::selectors(&blind.part).unwrap_or_default();
        let lifetimes: Vec<Lifetime> = selectors.iter().map(|one| lifetime(&targets, &one.matches)).collect();
        let correct = blind.correct.as_ref().map_or_else(String::new, |better| format!("; write {better}"));
        let part = &blind.part;
        if !lifetimes.is_empty() && lifetimes.iter().all(|one| *one == Lifetime::Static) {
            return Ok(Ability::Able(None));
        }
        let with_pods = lifetimes.contains(&Lifetime::WithPods);
        if with_pods && promql::names_its_targets(&rule.query) {
            let why = format!(
                "cannot fire in the case it is for: {part} compares series that exist, and its targets are discovered from pods: once these are gone, there is nothing to compare{correct}"
            );
            return Ok(Ability::Unable(why));
        }
        if with_pods {
            let remark =
                format!("{part} fires for targets that exist and fail, not for a group whose pods are all gone");
            return Ok(Ability::Able(Some(remark)));
        }
        let why = format!(
            "fires only while its targets exist: {part} compares series of `up`, and Prometheus does not show whether its targets stay when they are gone{correct}"
        );
        Ok(Ability::Doubtful(why))
    }

    /// Whether a rule can fire: its expression is correct, and the series that it selects exist.
    async fn unable(&self, rule: &Rule) -> Result<Ability, ProbeError> {
        let findings = promql::check(&rule.query);
        let fatal = findings.iter().find(|finding| match finding.severity {
            Severity::Invalid | Severity::Wrong => true,
            Severity::Blind | Severity::Imprecise => false,
        });
        if let Some(finding) = fatal {
            let correct = finding.correct.as_ref().map_or_else(String::new, |better| format!("; write {better}"));
            let effect = match finding.severity {
                Severity::Invalid => "is invalid",
                Severity::Wrong | Severity::Blind | Severity::Imprecise => "is wrong",
            };
            return Ok(Ability::Unable(format!("{effect}: {} {}{correct}", finding.part, finding.why)));
        }
        let selectors = match promql::selectors(&rule.query) {
            Ok(selectors) => selectors,
            Err(error) => {
                return Ok(Ability::Unable(format!("could not be parsed, so nothing shows that it can fire: {error}")));
            }
        };
        for selector in selectors {
            let potential = selector.potential();
            if matches!(self.prometheus.query(&format!("count({potential})"), None).await?, Vector::NoData) {
                // What exports it may come later, such as with the first request that fails.
                return Ok(if selector.absent {
                    Ability::Unable(format!("always fires: there is no series {potential}"))
                } else {
                    Ability::Doubtful(format!("cannot be judged: there is no series {potential} now"))
                });
            }
        }
        // A target that is removed takes its own `up` with it; series that another target exports stay.
        let blind =
            findings.iter().find(|finding| finding.mistake == Mistake::AbsentMissing && asks_only_up(&finding.part));
        if let Some(blind) = blind {
            return self.without_targets(rule, blind).await;
        }
        Ok(Ability::Able(findings.first().map(|finding| format!("{} {}", finding.part, finding.why))))
    }
}

/// How the targets of a rule come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// With pods: a target is gone when its pod is.
    WithPods,
    /// They are written in the configuration of Prometheus: a target that is gone is down.
    Static,
    /// Prometheus does not show it, or it has no such target.
    Unknown,
}

/// How the targets that a selector of `up` matches come and go, by the labels of their discovery.
fn lifetime(targets: &[Target], matches: &[LabelMatch]) -> Lifetime {
    let meant: Vec<&Target> =
        targets.iter().filter(|target| matches.iter().all(|one| holds(one, &target.labels))).collect();
    let discovered =
        |target: &Target, prefix: &str| target.discovered_labels.keys().any(|name| name.starts_with(prefix));
    let with_pods = |target: &Target| {
        ["__meta_kubernetes_pod_", "__meta_kubernetes_endpoint"].iter().any(|prefix| discovered(target, prefix))
    };
    if meant.iter().any(|target| with_pods(target)) {
        Lifetime::WithPods
    } else if !meant.is_empty()
        && meant.iter().all(|one| !one.discovered_labels.is_empty() && !discovered(one, "__meta_"))
    {
        Lifetime::Static
    } else {
        Lifetime::Unknown
    }
}

/// Whether labels meet a condition.
fn holds(one: &LabelMatch, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&one.label).map_or("", String::as_str);
    let matches = || Regex::new(&format!("^(?:{})$", one.value)).is_ok_and(|regex| regex.is_match(value));
    match one.kind {
        MatchKind::Equal => value == one.value,
        MatchKind::NotEqual => value != one.value,
        MatchKind::Matches => matches(),
        MatchKind::MatchesNot => !matches(),
    }
}

/// The rules that a declared one can mean: those with its labels; of several with the same labels, the one that differs
/// least. Without any label, all of its name.
fn meant<'a>(declared: &DeclaredRule, named: Vec<(&'a RuleGroup, &'a Rule)>) -> Vec<(&'a RuleGroup, &'a Rule)> {
    if named.len() < 2 {
        return named;
    }
    let severity = declared.severity.as_ref().map(|severity| ("severity", severity));
    let wanted: Vec<(&str, &String)> =
        declared.labels.iter().map(|(name, value)| (name.as_str(), value)).chain(severity).collect();
    if wanted.is_empty() {
        return named;
    }
    let has_labels = |rule: &Rule| wanted.iter().all(|(name, value)| rule.labels.get(*name) == Some(*value));
    let labelled: Vec<_> = named.iter().copied().filter(|(_, rule)| has_labels(rule)).collect();
    let candidates = if labelled.is_empty() { named } else { labelled };
    candidates.into_iter().min_by_key(|(_, rule)| off(declared, rule).len()).into_iter().collect()
}

/// Whether a rule can fire.
enum Ability {
    /// Nothing shows that it can fire in the case it is for, nor that it cannot.
    Doubtful(String),
    /// It can; with a remark.
    Able(Option<String>),
    /// It cannot, or it always fires.
    Unable(String),
}

fn asks_only_up(part: &str) -> bool {
    promql::selectors(part)
        .is_ok_and(|selectors| !selectors.is_empty() && selectors.iter().all(|one| one.metric.as_deref() == Some("up")))
}

/// The settings of a loaded rule that differ from the declared ones.
fn off(declared: &DeclaredRule, rule: &Rule) -> Vec<String> {
    let mut missed = Vec::new();
    let name = &rule.name;
    if rule.health != RuleHealth::Ok {
        let why = if rule.last_error.is_empty() { "not evaluated yet" } else { &rule.last_error };
        missed.push(format!("rule {name} is not healthy: {why}"));
    }
    if let Some(wanted) = &declared.severity {
        let found = rule.labels.get("severity").map_or("none", String::as_str);
        if found != wanted {
            missed.push(format!("rule {name} has severity {found}, expected {wanted}"));
        }
    }
    for (label, wanted) in &declared.labels {
        let found = rule.labels.get(label).map_or("none", String::as_str);
        if found != wanted {
            missed.push(format!("rule {name} has {label} {found}, expected {wanted}"));
        }
    }
    if let Some(wanted) = declared.hold.filter(|wanted| wanted.0 != rule.hold) {
        missed.push(format!("rule {name} waits for {}, expected for: {wanted}", TimeSpan(rule.hold)));
    }
    if let Some(wanted) = declared.threshold {
        let found = promql::threshold(&rule.query).ok().flatten();
        if found.as_ref().and_then(|text| text.parse::<Comparison>().ok()) != Some(wanted) {
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            missed.push(format!("rule {name} compares with {found}, expected {wanted}"));
        }
    }
    missed
}

/// Reports a rule that was not evaluated for more than two intervals of its group.
fn stale(group: &RuleGroup, rule: &Rule, now: f64) -> Option<String> {
    let limit = (group.interval * 2).max(Duration::from_secs(30)).as_secs_f64();
    let last = rule.last_evaluation.or(group.last_evaluation)?;
    let age = now - last.as_millisecond() as f64 / 1000.0;
    (age > limit)
        .then(|| format!("rule {} was last evaluated {age:.0} s ago, expected at most {limit:.0} s", rule.name))
}

impl Observer for RulesObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(query: &str) -> Rule {
        serde_json::from_value(json!({ "name": "A", "type": "alerting", "query": query, "duration": 60, "health": "ok",
            "state": "inactive", "labels": { "severity": "warning" } }))
        .unwrap()
    }

    #[test]
    fn every_difference_is_named() {
        let declared = DeclaredRule {
            name: "A".to_owned(),
            severity: Some("critical".to_owned()),
            hold: Some(TimeSpan::secs(120)),
            labels: BTreeMap::new(),
            threshold: Some("> 0.05".parse().unwrap()),
        };
        let missed = off(&declared, &rule("x > 0.5"));
        assert_eq!(
            missed,
            [
                "rule A has severity warning, expected critical",
                "rule A waits for 1m, expected for: 2m",
                "rule A compares with > 0.5, expected > 0.05"
            ]
        );
        assert_eq!(off(&DeclaredRule::named("A"), &rule("x > 0.5")), Vec::<String>::new());
    }

    #[test]
    fn a_target_takes_its_own_up_with_it() {
        assert!(asks_only_up("up{app=\"istiod\"} == 0"));
        assert!(!asks_only_up("sum(rate(istio_requests_total[5m])) == 0") && !asks_only_up("1 == 0"));
    }

    #[test]
    fn rules_of_one_name_are_told_apart_by_their_labels() {
        let loaded = |severity: &str, hold: u64| -> Rule {
            serde_json::from_value(
                json!({ "name": "A", "type": "alerting", "query": "x > 1", "duration": hold, "health": "ok",
                "state": "inactive", "labels": { "severity": severity, "team": "edge" } }),
            )
            .unwrap()
        };
        let rules = [loaded("critical", 60), loaded("warning", 3600), loaded("warning", 60)];
        let group: RuleGroup = serde_json::from_value(json!({ "name": "g", "interval": 60, "rules": [] })).unwrap();
        let declared = |severity: Option<&str>, hold| DeclaredRule {
            name: "A".to_owned(),
            severity: severity.map(str::to_owned),
            hold: Some(TimeSpan::secs(hold)),
            labels: BTreeMap::new(),
            threshold: None,
        };
        let differences = |declared: &DeclaredRule| -> usize {
            let named = rules.iter().map(|rule| (&group, rule)).collect();
            meant(declared, named).into_iter().map(|(_, rule)| off(declared, rule).len()).sum()
        };
        assert_eq!(differences(&declared(Some("critical"), 60)), 0);
        assert_eq!(differences(&declared(Some("warning"), 3600)), 0);
        assert_eq!(differences(&declared(Some("warning"), 60)), 0);
        assert_eq!(differences(&declared(Some("critical"), 3600)), 1, "the critical one waits for a minute");
        assert_eq!(differences(&declared(Some("page"), 60)), 1);
        assert_eq!(differences(&declared(None, 60)), 1, "without labels all of its name are meant");
        let of_team =
            DeclaredRule { labels: BTreeMap::from([("team".to_owned(), "core".to_owned())]), ..declared(None, 60) };
        assert_eq!(differences(&of_team), 1);
    }

    #[test]
    fn targets_live_as_long_as_their_discovery_says() {
        let target = |discovered: serde_json::Value| -> Target {
            serde_json::from_value(json!({ "labels": { "app": "istiod" }, "scrapeUrl": "u", "health": "up", "discoveredLabels": discovered }))
                .unwrap()
        };
        let istiod = promql::selectors("up{app=~\"istio.*\"}").unwrap().remove(0).matches;
        let of = |discovered| lifetime(&[target(discovered)], &istiod);
        assert_eq!(of(json!({ "__address__": "a", "__meta_kubernetes_pod_name": "istiod-1" })), Lifetime::WithPods);
        assert_eq!(of(json!({ "__address__": "a" })), Lifetime::Static);
        assert_eq!(of(json!({ "__address__": "a", "__meta_consul_service": "x" })), Lifetime::Unknown);
        assert_eq!((of(json!({})), lifetime(&[], &istiod)), (Lifetime::Unknown, Lifetime::Unknown));
    }
}
