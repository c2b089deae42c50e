//! `scrapeTargets`: every target of a cluster's Prometheus is up, its stored samples are fresh by its own scrape interval,
//! and no scrape pool has lost all its targets. A target that disappears is not down: its series just end.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::{Series as Found, Target, Vector};
use meshdrill_checks::record::Series;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::expect::bad_regex;
use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Answer, Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// The targets of a cluster's Prometheus: all up, all fresh by their own scrape intervals, no scrape pool empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScrapeTargets {
    /// The cluster with the Prometheus.
    pub cluster: ClusterChoice,
    /// A regular expression for the full names of scrape pools that may be empty, such as `kubernetes-nodes|probes-.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}

/// The scrapes that may be missed before a sample counts as old.
const INTERVALS: f64 = 2.0;
/// The interval of a target that reports none: the default of Prometheus.
const USUAL_INTERVAL: f64 = 60.0;
/// The allowance beyond one interval, in seconds, for the scrape itself and the query.
const LEAST: f64 = 10.0;

impl Observation for ScrapeTargets {
    fn describe(&self) -> String {
        format!("scrape targets of the Prometheus ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "prometheus".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        bad_regex("idle", self.idle.as_deref()).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        Metrics::prometheus_permissions(mesh, self.cluster.key())
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let metrics = Metrics::prometheus(world, self.cluster.key()).await?;
            let idle = self.idle.as_ref().map(|idle| Regex::new(&format!("^(?:{idle})$"))).transpose();
            let idle = idle.map_err(|error| ProbeError(error.to_string()))?;
            Ok(Box::new(TargetsObserver { metrics, idle }) as Box<dyn Observer>)
        })
    }
}

struct TargetsObserver {
    metrics: Metrics,
    idle: Option<Regex>,
}

/// A scrape pool without a target.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Empty {
    /// It had targets within the last day.
    Lost,
    /// All targets that it finds are dropped; their number.
    Dropping(u64),
    /// It finds no target.
    Nothing,
    /// It may be empty.
    Declared,
}

impl TargetsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let targets = self.metrics.targets().await?.active;
        let up = self.metrics.query("up", None).await?;
        let scraped = self.metrics.query("timestamp(up)", None).await?;
        let now = self.metrics.time().await?;
        let mut empty = Vec::new();
        for pool in self.metrics.scrape_pools().await? {
            if !targets.iter().any(|target| target.scrape_pool == pool) {
                empty.push((pool.clone(), self.emptiness(&pool).await?));
            }
        }
        Ok(judge(&targets, &Stored::new(&up, &scraped, now), &empty, self.metrics.name()))
    }

    async fn emptiness(&self, pool: &str) -> Result<Empty, ProbeError> {
        if self.idle.as_ref().is_some_and(|idle| idle.is_match(pool)) {
            return Ok(Empty::Declared);
        }
        // Prometheus' own count of the pool's targets where it scrapes itself; else the series of the job, without federated ones.
        let name = pool.replace('\\', "\\\\").replace('"', "\\\"");
        let counted = format!("max_over_time(prometheus_target_scrape_pool_targets{{scrape_job=\"{name}\"}}[1d]) > 0");
        let foreign = self.metrics.config().await?.external_labels;
        let own = foreign.keys().fold(String::new(), |text, label| text + &format!(",{label}=\"\""));
        let left = format!("count_over_time(up{{job=\"{name}\"{own}}}[1d])");
        for query in [counted, left] {
            if !matches!(self.metrics.query(&query, None).await?, Vector::NoData) {
                return Ok(Empty::Lost);
            }
        }
        Ok(match self.metrics.dropped_in(pool).await? {
            0 => Empty::Nothing,
            count => Empty::Dropping(count),
        })
    }
}

/// The stored samples of `up`, by the labels of the target.
struct Stored(BTreeMap<BTreeMap<String, String>, (f64, f64)>);

impl Stored {
    /// From the results of `up` and `timestamp(up)`: value and age in seconds.
    fn new(up: &Vector, scraped: &Vector, now: f64) -> Self {
        let own = |series: &Found| -> BTreeMap<String, String> {
            let labels = series.labels.iter().filter(|(name, _)| *name != "__name__");
            labels.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let values: BTreeMap<_, f64> = up.samples().iter().filter_map(|one| Some((own(one), one.number()?))).collect();
        let ages = scraped.samples().iter().filter_map(|one| Some((own(one), now - one.number()?)));
        Self(
            ages.filter_map(|(labels, age)| values.get(&labels).map(|value| (labels.clone(), (*value, age)))).collect(),
        )
    }
}

/// The maximum age of a target's sample, in seconds, and its interval.
fn limit(target: &Target) -> (f64, f64) {
    let interval = target.scrape_interval.map_or(USUAL_INTERVAL, |interval| interval.as_secs_f64());
    ((INTERVALS * interval).max(interval + LEAST), interval)
}

fn judge(targets: &[Target], stored: &Stored, empty: &[(String, Empty)], at: &str) -> Outcome {
    let (mut down, mut old) = (Vec::new(), Vec::new());
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut oldest, mut longest) = (0.0_f64, 0.0_f64);
    for target in targets {
        *pools.entry(&target.scrape_pool).or_default() += 1;
        let name = format!("{} {}", target.scrape_pool, target.scrape_url);
        match stored.0.get(&target.labels) {
            None => down.push(format!("{name} has no series `up`{}", reason(target))),
            Some((value, _)) if *value < 1.0 => down.push(format!("{name} is down{}", reason(target))),
            Some((_, age)) => {
                let (limit, interval) = limit(target);
                (oldest, longest) = (oldest.max(*age), longest.max(interval));
                if *age > limit {
                    old.push(format!(
                        "{name} is {age:.0} s old, expected at most {limit:.0} s (scraped every {interval:.0} s)"
                    ));
                }
            }
        }
    }
    let count = targets.len();
    let mut missed = Vec::new();
    if count == 0 {
        missed.push("Prometheus has no target".to_owned());
    }
    for (what, found) in [("are not up", &down), ("have stale samples", &old)] {
        missed.extend(found.first().map(|first| format!("{} of {count} targets {what}: {first}", found.len())));
    }
    let lost = empty.iter().filter(|(_, how)| *how == Empty::Lost).map(|(pool, _)| pool.as_str()).collect::<Vec<_>>();
    if !lost.is_empty() {
        missed.push(format!("{} had targets within a day and has none now", lost.join(", ")));
    }
    let seen = json!({ "targets": count, "pools": pools, "down": down, "stale": old,
        "empty": empty.iter().map(|(pool, _)| pool).collect::<Vec<_>>() });
    if !missed.is_empty() {
        return Outcome::judged(false, format!("{} ({at})", missed.join("; ")), seen);
    }
    let per_pool = pools.iter().map(|(pool, count)| format!("{pool} {count}")).collect::<Vec<_>>().join(", ");
    let up = format!(
        "all {count} targets are up ({per_pool}), the oldest sample {oldest:.0} s at intervals of up to {longest:.0} s"
    );
    let nothing = empty.iter().filter(|(_, how)| *how == Empty::Nothing).map(|(pool, _)| pool.as_str());
    let nothing = nothing.collect::<Vec<_>>().join(", ");
    if !nothing.is_empty() {
        let message = format!("{up}, but {nothing} finds no target; if that is intended, set `idle:` ({at})");
        return Outcome { seen, ..Outcome::new(Answer::NoData, message) };
    }
    let dropping = empty.iter().filter_map(|(pool, how)| match how {
        Empty::Dropping(found) => Some(format!("{pool} drops all {found} it finds")),
        Empty::Lost | Empty::Nothing | Empty::Declared => None,
    });
    let words: Vec<String> = [up].into_iter().chain(dropping).collect();
    Outcome::judged(true, format!("{} ({at})", words.join("; ")), seen)
}

fn reason(target: &Target) -> String {
    if target.last_error.is_empty() { String::new() } else { format!(": {}", target.last_error) }
}

impl Observer for TargetsObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::observe::prometheus::{parse_query, parse_targets};
    use serde_json::Value;

    const NOW: f64 = 1_000_000.0;

    fn target(instance: &str, every: &str) -> Target {
        let body = json!({ "status": "success", "data": { "activeTargets": [{ "labels": { "instance": instance, "job": "pods" },
            "scrapePool": "pods", "scrapeUrl": format!("http://{instance}"), "health": "up", "lastError": "", "scrapeInterval": every }] } });
        parse_targets(200, body.to_string().as_bytes()).unwrap().data.active.remove(0)
    }

    /// What is stored of instances: value and age.
    fn stored(series: &[(&str, f64, f64)]) -> Stored {
        let vector = |value: fn(&(&str, f64, f64)) -> f64| {
            let result: Vec<Value> = series
                .iter()
                .map(|one| json!({ "metric": { "__name__": "up", "instance": one.0, "job": "pods" }, "value": [NOW, value(one).to_string()] }))
                .collect();
            let body = json!({ "status": "success", "data": { "resultType": "vector", "result": result } });
            parse_query(200, body.to_string().as_bytes()).unwrap().data
        };
        Stored::new(&vector(|one| one.1), &vector(|one| NOW - one.2), NOW)
    }

    fn judged(targets: &[Target], series: &[(&str, f64, f64)], empty: &[(String, Empty)]) -> (Answer, String) {
        let outcome = judge(targets, &stored(series), empty, "prometheus");
        (outcome.answer, outcome.message)
    }

    #[test]
    fn freshness_is_that_of_each_targets_own_interval() {
        let both = [target("a", "15s"), target("b", "1m")];
        let (answer, message) = judged(&both, &[("a", 1.0, 14.0), ("b", 1.0, 59.0)], &[]);
        assert_eq!(answer, Answer::Good);
        assert_eq!(
            message,
            "all 2 targets are up (pods 2), the oldest sample 59 s at intervals of up to 60 s (prometheus)"
        );
        let (answer, message) = judged(&both, &[("a", 1.0, 59.0), ("b", 1.0, 59.0)], &[]);
        assert_ne!(answer, Answer::Good);
        assert!(
            message.starts_with("1 of 2 targets have stale samples: pods http://a is 59 s old, expected at most 30 s"),
            "{message}"
        );
    }

    #[test]
    fn a_target_that_is_down_or_left_nothing_is_named() {
        let both = [target("a", "15s"), target("b", "15s")];
        let (_, message) = judged(&both, &[("a", 1.0, 1.0), ("b", 0.0, 1.0)], &[]);
        assert!(message.starts_with("1 of 2 targets are not up: pods http://b is down"), "{message}");
        let (_, message) = judged(&both, &[("a", 1.0, 1.0)], &[]);
        assert!(message.contains("http://b has no series `up`"), "{message}");
        assert_ne!(judged(&[], &[], &[]).0, Answer::Good, "no target is no pass");
    }

    #[test]
    fn pools_without_targets_are_noticed() {
        let one = [target("a", "15s")];
        let series = [("a", 1.0, 1.0)];
        let with = |how: Empty| judged(&one, &series, &[("slow".to_owned(), how)]);
        let (answer, message) = with(Empty::Lost);
        assert!(answer != Answer::Good && message.starts_with("slow had targets within a day"), "{message}");
        let (answer, message) = with(Empty::Nothing);
        assert!(answer == Answer::NoData && message.contains("but slow finds no target"), "{message}");
        let (answer, message) = with(Empty::Dropping(24));
        assert!(answer == Answer::Good && message.contains("slow drops all 24 it finds"), "{message}");
        assert_eq!(with(Empty::Declared).0, Answer::Good);
    }
}
