//! `promql`: an instant query to one cluster's Prometheus. An empty result is no data, never 0.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::{Target, Vector};
use meshdrill_checks::observe::promql::selectors;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Answer, Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec};
use crate::notes::NotedCell;

/// An instant query to one cluster's Prometheus. An empty result is no data, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promql {
    /// The cluster with the Prometheus.
    pub cluster: ClusterChoice,
    /// The query. `$__rate_interval` stands for four scrape intervals of the targets with its metrics, and at least one minute,
    /// as in Grafana.
    pub query: String,
    /// The comparison that every value of the result must meet, such as `< 0.01`; by default at least one value must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Comparison>,
    /// The maximum age of a sample, such as `1m`. The query must then be a plain selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<TimeSpan>,
}

impl Observation for Promql {
    fn describe(&self) -> String {
        format!("query {} at the Prometheus ({})", self.query, self.cluster)
    }

    fn subject(&self) -> String {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = self
            .query
            .split(|c| !word(c))
            .filter(|part| part.contains('_') || *part == "up")
            .max_by_key(|part| part.len());
        name.unwrap_or("query").to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let empty = self.query.trim().is_empty();
        empty.then(|| SpecError::new("query", "the query is empty", "write a PromQL expression")).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        Metrics::prometheus_permissions(mesh, self.cluster.key())
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let metrics = Metrics::prometheus(world, self.cluster.key()).await?;
            let observer = PromqlObserver { metrics: Arc::new(metrics), spec: self.clone(), query: NotedCell::new() };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

struct PromqlObserver {
    metrics: Arc<Metrics>,
    spec: Promql,
    /// The query with its window, once that is known.
    query: NotedCell<String>,
}

/// Grafana's variable for a window that fits every rate.
const RATE_INTERVAL: &str = "$__rate_interval";
/// The number of scrape intervals in the window.
const INTERVALS: u32 = 4;
/// The shortest window.
const SHORTEST: Duration = Duration::from_mins(1);

impl PromqlObserver {
    /// The query with its window filled in, from the live scrape interval.
    async fn filled_in(&self) -> Result<String, ProbeError> {
        let query = &self.spec.query;
        if !query.contains(RATE_INTERVAL) {
            return Ok(query.clone());
        }
        let selectors = selectors(&query.replace(RATE_INTERVAL, "1m"))
            .map_err(|error| ProbeError(format!("{query}: {error}; write the window instead of {RATE_INTERVAL}")))?;
        let targets = self.metrics.targets().await?.active;
        let mut having = Vec::new();
        for metric in selectors.iter().filter_map(|selector| selector.metric.as_deref()) {
            let series = self.metrics.query(&format!("count by (job, instance) ({metric})"), None).await?;
            having.extend(
                series.samples().iter().map(|one| (one.label("job").to_owned(), one.label("instance").to_owned())),
            );
        }
        let window = rate_window(&targets, &having).ok_or_else(|| {
            ProbeError(format!(
                "{}: no scrape target reports its interval; write the window instead of {RATE_INTERVAL}",
                self.metrics.name()
            ))
        })?;
        Ok(query.replace(RATE_INTERVAL, &format!("{}s", window.as_secs())))
    }

    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let query = self.query.get_or_try_read(async || self.filled_in().await).await?;
        let vector = self.metrics.query(query, None).await?;
        let values = vector.numbers();
        let seen = json!({ "values": values, "series": vector.samples().iter().take(20).map(|series| &series.labels).collect::<Vec<_>>() });
        if let Vector::NoData = vector {
            let message = format!("no data: {query} selects nothing at {}", self.metrics.name());
            return Ok(Outcome::new(Answer::NoData, message));
        }
        let out = |value: f64| value.is_finite() && self.spec.expect.is_some_and(|expect| !expect.holds(value));
        if let Some(expect) = self.spec.expect
            && let Some(missed) = values.iter().find(|value| out(**value))
        {
            let of = vector.samples().iter().find(|series| series.number().is_some_and(out));
            let of = of.filter(|series| !series.labels.is_empty()).map_or_else(String::new, |series| {
                format!(" of {}", serde_json::to_string(&series.labels).unwrap_or_default())
            });
            let bad = values.iter().filter(|value| out(**value)).count();
            let message = format!(
                "{missed}{of}, expected {expect}; {bad} of {} values at {} are out of range",
                values.len(),
                self.metrics.name()
            );
            return Ok(Outcome::judged(false, message, seen));
        }
        if let Some(strange) = values.iter().find(|value| !value.is_finite()) {
            let message = format!("no data: the result contains {strange}, which is no measured value ({query})");
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        if values.is_empty() {
            return Ok(Outcome::new(Answer::NoData, "no data: the result contains no number"));
        }
        if let Some(limit) = self.spec.fresh {
            let ages = self.metrics.query(&format!("time() - timestamp({query})"), None).await?.numbers();
            let oldest = ages.iter().copied().fold(0.0, f64::max);
            if oldest > limit.as_secs_f64() {
                return Ok(Outcome::judged(
                    false,
                    format!("the oldest sample is {oldest:.0} s old, expected at most {limit}"),
                    seen,
                ));
            }
        }
        Ok(Outcome::judged(true, format!("{} ({} values)", values[0], values.len()), seen))
    }
}

/// Four times the longest interval of the targets with these jobs and instances; of all targets if none match.
fn rate_window(targets: &[Target], having: &[(String, String)]) -> Option<Duration> {
    let of = |target: &&Target| {
        let label = |name: &str| target.labels.get(name).map_or("", String::as_str);
        having.iter().any(|(job, instance)| job == label("job") && instance == label("instance"))
    };
    let interval = targets.iter().filter(of).filter_map(|target| target.scrape_interval).max();
    let interval = interval.or_else(|| targets.iter().filter_map(|target| target.scrape_interval).max())?;
    Some((INTERVALS * interval).max(SHORTEST))
}

impl Observer for PromqlObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::observe::prometheus::parse_targets;

    #[test]
    fn a_rate_is_taken_over_four_scrapes_of_what_has_the_metric() {
        let target = |instance: &str, every: &str| json!({ "labels": { "job": "pods", "instance": instance }, "scrapeUrl": "u", "health": "up", "scrapeInterval": every });
        let body = json!({ "status": "success", "data": { "activeTargets": [target("fast", "5s"), target("usual", "30s"), target("slow", "5m")] } });
        let targets = parse_targets(200, body.to_string().as_bytes()).unwrap().data.active;
        let window = |instances: &[&str]| {
            let having: Vec<_> = instances.iter().map(|one| ("pods".to_owned(), (*one).to_owned())).collect();
            rate_window(&targets, &having).map(|window| window.as_secs())
        };
        assert_eq!(window(&["fast"]), Some(60), "a minute at least");
        assert_eq!(window(&["fast", "usual"]), Some(120));
        assert_eq!(window(&["elsewhere"]), Some(1200), "the longest of all without a match");
        assert_eq!(rate_window(&[], &[]), None);
    }
}
