//! `queries`: queries read before it is asked, and then asked. What a dashboard or a guide asks must be accepted by the
//! server and mean what it says; where it does not, the correct form is given.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::promql::{self, Finding, Mistake, Severity};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Queries to one cluster's Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queries {
    /// The cluster whose Prometheus is asked.
    pub cluster: ClusterChoice,
    /// The queries.
    pub queries: Vec<Query>,
}

/// One query, with the mistakes in it that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Query {
    /// As it is written where it stands.
    pub query: String,
    /// The mistakes that are known to be in it; without this key it must be free of those that make it useless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistakes: Option<Vec<Mistake>>,
}

impl Observation for Queries {
    fn describe(&self) -> String {
        format!("{} queries, read and then asked of the Prometheus of {}", self.queries.len(), self.cluster)
    }

    fn subject(&self) -> String {
        "as-written".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let none = self.queries.is_empty();
        none.then(|| SpecError::new("queries", "no query", "write `queries: [{ query: up }]`")).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        Metrics::prometheus_permissions(mesh, self.cluster.key())
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let metrics = Arc::new(Metrics::prometheus(world, self.cluster.key()).await?);
            Ok(Box::new(QueriesObserver { metrics, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct QueriesObserver {
    metrics: Arc<Metrics>,
    spec: Queries,
}

impl QueriesObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let mut missed = Vec::new();
        let mut told: Vec<Value> = Vec::new();
        let mut reported = Vec::new();
        for one in &self.spec.queries {
            let findings = promql::check(&one.query);
            let invalid = findings.iter().any(|finding| finding.severity == Severity::Invalid);
            missed.extend(unexpected(one, &findings));
            let answer = self.metrics.accepts(&one.query).await?;
            match (&answer, invalid) {
                (Ok(()), true) => {
                    missed.push(format!("`{}` was taken for invalid, and the server accepts it", one.query))
                }
                (Err(why), false) => missed.push(format!("`{}` is refused: {why}", one.query)),
                _ => {}
            }
            if let Some(worst) = findings.first() {
                reported.push(format!("`{}`: {}", one.query, remedy(worst)));
            }
            for better in findings.iter().filter_map(|finding| repaired(finding)) {
                if let Err(why) = self.metrics.accepts(better).await? {
                    missed.push(format!("the correct form `{better}` is refused: {why}"));
                }
            }
            told.push(json!({ "query": one.query, "accepted": answer.is_ok(), "findings": findings }));
        }
        let seen = json!({ "queries": told });
        let sound = self.spec.queries.len() - reported.len();
        let message = match missed.as_slice() {
            [] if reported.is_empty() => format!("{sound} queries are sound and accepted"),
            [] => format!("{sound} queries are sound; known mistakes in {}: {}", reported.len(), reported.join("; ")),
            missed => missed.join("; "),
        };
        Ok(Outcome::judged(missed.is_empty(), format!("{message} ({})", self.metrics.name()), seen))
    }
}

/// What of the findings was not to be expected.
fn unexpected(one: &Query, findings: &[Finding]) -> Vec<String> {
    let Some(known) = &one.mistakes else {
        let useless = findings.iter().filter(|finding| finding.severity < Severity::Imprecise);
        return useless.map(|finding| format!("`{}`: {}", one.query, remedy(finding))).collect();
    };
    let found: Vec<Mistake> = findings.iter().map(|finding| finding.mistake).collect();
    let new = findings.iter().filter(|finding| !known.contains(&finding.mistake));
    let new = new.map(|finding| format!("`{}`: {}", one.query, remedy(finding)));
    let gone = known.iter().filter(|mistake| !found.contains(mistake));
    new.chain(gone.map(|mistake| format!("`{}` does not have the mistake {mistake:?}", one.query))).collect()
}

/// What is wrong and what to write instead.
fn remedy(finding: &Finding) -> String {
    let better = finding.correct.as_ref().map_or_else(String::new, |better| format!("; write {better}"));
    format!("{}{better}", finding.why)
}

/// The correct form of a finding, where that is one query and not advice.
fn repaired(finding: &Finding) -> Option<&str> {
    let better = finding.correct.as_deref()?;
    (finding.mistake != Mistake::LabelAgainstLiteral).then_some(better)
}

impl Observer for QueriesObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_mistakes_are_expected_and_others_are_not() {
        let query = "sum(rate(istio_requests_total[5m])) by (cluster)";
        let with = |mistakes| Query { query: query.to_owned(), mistakes };
        let findings = promql::check(query);
        assert!(unexpected(&with(None), &findings).is_empty(), "imprecise ones do no harm");
        let both = vec![Mistake::ForeignGrouping, Mistake::ReporterMissing];
        assert!(unexpected(&with(Some(both)), &findings).is_empty());
        assert_eq!(unexpected(&with(Some(vec![Mistake::ForeignGrouping])), &findings).len(), 1);
        let wrong = vec![Mistake::ForeignGrouping, Mistake::ReporterMissing, Mistake::Syntax];
        assert!(unexpected(&with(Some(wrong)), &findings)[0].contains("does not have the mistake Syntax"));
    }
}
