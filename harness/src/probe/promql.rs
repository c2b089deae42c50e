//! `promql`: an instant query to one cluster's Prometheus. An empty result is no data, never 0.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::Vector;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Complaint, Kind, Observer, Role};
use super::outcome::settle;
use super::{Answer, CannotAsk, Metrics, Outcome};
use crate::cluster::{Permission, World};
use crate::spec::{ClusterChoice, Comparison, MeshSpec};

/// An instant query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promql {
    /// The cluster whose Prometheus is asked.
    pub cluster: ClusterChoice,
    /// The query.
    pub query: String,
    /// What every value of the result must be; without it there must be at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Comparison>,
    /// The oldest that any sample may be; the query must then be a plain selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<TimeSpan>,
}

impl Kind for Promql {
    fn describe(&self) -> String {
        format!("query {} at the Prometheus of {}", self.query, self.cluster)
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

    fn complaints(&self) -> Vec<Complaint> {
        let empty = self.query.trim().is_empty();
        empty.then(|| Complaint::new("query", "an empty query", "write a PromQL expression")).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        Metrics::prometheus_permissions(mesh, self.cluster.key())
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let metrics = Metrics::prometheus(world, self.cluster.key()).await?;
            Ok(Box::new(PromqlObserver { metrics: Arc::new(metrics), spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct PromqlObserver {
    metrics: Arc<Metrics>,
    spec: Promql,
}

impl PromqlObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let vector = self.metrics.query(&self.spec.query, None).await?;
        let values = vector.numbers();
        let seen = json!({ "values": values, "series": vector.samples().iter().take(20).map(|series| &series.labels).collect::<Vec<_>>() });
        if let Vector::NoData = vector {
            let message = format!("no data: {} at {} selects nothing", self.spec.query, self.metrics.name());
            return Ok(Outcome::new(Answer::NoData, message));
        }
        if let Some(expect) = self.spec.expect
            && let Some(missed) = values.iter().find(|value| !expect.holds(**value))
        {
            let of = vector.samples().iter().find(|series| series.number().is_some_and(|number| !expect.holds(number)));
            let of = of.filter(|series| !series.labels.is_empty()).map_or_else(String::new, |series| {
                format!(" of {}", serde_json::to_string(&series.labels).unwrap_or_default())
            });
            let bad = values.iter().filter(|value| !expect.holds(**value)).count();
            let message = format!(
                "{missed}{of}, expected {expect}; {bad} of {} values at {} are not",
                values.len(),
                self.metrics.name()
            );
            return Ok(Outcome::judged(false, message, seen));
        }
        if values.is_empty() {
            return Ok(Outcome::new(Answer::NoData, "no data: the result holds no number"));
        }
        if let Some(limit) = self.spec.fresh {
            let ages = self.metrics.query(&format!("time() - timestamp({})", self.spec.query), None).await?.numbers();
            let oldest = ages.iter().copied().fold(0.0, f64::max);
            if oldest > limit.as_secs_f64() {
                return Ok(Outcome::judged(false, format!("{oldest:.0} s old, expected at most {limit}"), seen));
            }
        }
        Ok(Outcome::judged(true, format!("{} ({} values)", values[0], values.len()), seen))
    }
}

impl Observer for PromqlObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
