//! `queries`: `PromQL` queries, analyzed and then sent. A query of a dashboard or a guide must be accepted by the server and
//! mean what it claims; a wrong one is reported with its correct form.

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

/// Queries of a dashboard or a guide: accepted by the Prometheus, and without mistakes that make them useless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queries {
    /// The cluster with the Prometheus.
    pub cluster: ClusterChoice,
    /// The queries.
    pub queries: Vec<Query>,
}

/// One query and its known mistakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Query {
    /// The query, exactly as the dashboard or the guide has it.
    pub query: String,
    /// Its known mistakes. Without this key, it must have none that make it useless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistakes: Option<Vec<Mistake>>,
}

impl Observation for Queries {
    fn describe(&self) -> String {
        format!("{} queries at the Prometheus ({})", self.queries.len(), self.cluster)
    }

    fn subject(&self) -> String {
        "as-written".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let none = self.queries.is_empty();
        none.then(|| SpecError::new("queries", "the list of queries is empty", "write `queries: [{ query: up }]`"))
            .into_iter()
            .collect()
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
        let mut details: Vec<Value> = Vec::new();
        let mut reported = Vec::new();
        for one in &self.spec.queries {
            let findings = promql::check(&one.query);
            let invalid = findings.iter().any(|finding| finding.severity == Severity::Invalid);
            missed.extend(unexpected(one, &findings));
            let answer = self.metrics.accepts(&one.query).await?;
            match (&answer, invalid) {
                (Ok(()), true) => {
                    missed.push(format!("`{}` was analyzed as invalid, but the server accepts it", one.query))
                }
                (Err(why), false) => missed.push(format!("the server rejects `{}`: {why}", one.query)),
                _ => {}
            }
            if let Some(worst) = findings.first() {
                reported.push(format!("`{}`: {}", one.query, remedy(worst)));
            }
            for better in findings.iter().filter_map(|finding| repaired(finding)) {
                if let Err(why) = self.metrics.accepts(better).await? {
                    missed.push(format!("the server rejects the correct form `{better}`: {why}"));
                }
            }
            details.push(json!({ "query": one.query, "accepted": answer.is_ok(), "findings": findings }));
        }
        let seen = json!({ "queries": details });
        let sound = self.spec.queries.len() - reported.len();
        let message = match missed.as_slice() {
            [] if reported.is_empty() => format!("{sound} queries are correct and accepted"),
            [] => format!("{sound} queries are correct; known mistakes in {}: {}", reported.len(), reported.join("; ")),
            missed => missed.join("; "),
        };
        Ok(Outcome::judged(missed.is_empty(), format!("{message} ({})", self.metrics.name()), seen))
    }
}

/// The findings that were not expected, and known mistakes that were not found.
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

/// What is wrong, and what to write instead.
fn remedy(finding: &Finding) -> String {
    let better = finding.correct.as_ref().map_or_else(String::new, |better| format!("; write {better}"));
    format!("{}{better}", finding.why)
}

/// The correct form, where that is a query and not advice.
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
