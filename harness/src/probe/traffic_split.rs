//! `trafficSplit`: exchanges whose answers tell who gave them, by version, by cluster, or by whatever else the traffic is
//! divided. One answer says nothing; the criterion `split` tests the counts of all of them against declared weights.

use futures::future::BoxFuture;
use indexmap::IndexMap;
use meshdrill_checks::criterion::BY_CLUSTER;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::{bad_json_path, bad_regex};
use super::http::HttpObserver;
use super::reader::Reader;
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{Answer, Http, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Exchanges and how their answers are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficSplit {
    /// What is asked, as for an `http` probe.
    pub http: Http,
    /// How the traffic is divided: `version`, `cluster` or other names, each with the way to read it from an answer.
    /// What is read for `cluster` is Istio's id of a cluster, and is written as the mesh file's key.
    pub by: IndexMap<String, Identity>,
}

/// How an answer tells who gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// A `JSONPath` into the body; the whole body without it or `header`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A regular expression over that; its first group, or the whole match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

impl Identity {
    fn reader(&self) -> Result<Reader, ProbeError> {
        Reader::new(self.json.as_deref(), self.header.as_deref(), self.regex.as_deref())
    }
}

impl TrafficSplit {
    /// The cluster that is asked, once it was expanded to one; none for a URL.
    pub fn home(&self) -> Option<String> {
        let mut http = self.http.clone();
        http.choices().first().map(|choice| choice.key().to_owned())
    }
}

impl Observation for TrafficSplit {
    fn describe(&self) -> String {
        let by = self.by.keys().cloned().collect::<Vec<_>>().join(" and ");
        format!("{}, answers told apart by {by}", self.http.describe())
    }

    fn subject(&self) -> String {
        self.http.subject()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.http.choices()
    }

    fn timing(&self) -> Timing {
        // A sample is laid out from the criterion; the bound is the exchange's own.
        Timing { every: TimeSpan::millis(100), ..self.http.timing() }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = self.http.spec_errors();
        if self.by.is_empty() {
            let help = "write `by: { version: { json: $.podname, regex: \"-(v[0-9]+)-\" } }`";
            found.push(SpecError::new("by", "nothing tells the answers apart", help));
        }
        for identity in self.by.values() {
            let help = "write `json:` or `header:`, with a `regex:` or without, or a `regex:` alone";
            match (&identity.json, &identity.header, &identity.regex) {
                (None, None, None) => found.push(SpecError::new("by", "an identity that is read from nothing", help)),
                (Some(_), Some(_), _) => {
                    found.push(SpecError::new("by", "an identity that is read from two places", help))
                }
                _ => {}
            }
            found.extend(bad_regex("by", identity.regex.as_deref()));
            found.extend(bad_json_path("by", identity.json.as_deref()));
        }
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        self.http.permissions(mesh)
    }

    fn only_sampled(&self) -> Option<SpecError> {
        let help = "write it under `probes:`, with a `split:` row in `sla:`";
        Some(SpecError::new("http", "one answer shows no split", help))
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let http = self.http.observer(world, role).await?;
            let readers = self.by.iter().map(|(name, identity)| Ok((name.clone(), identity.reader()?)));
            let by = readers.collect::<Result<_, ProbeError>>()?;
            Ok(Box::new(SplitObserver { http, by, world: world.clone() }) as Box<dyn Observer>)
        })
    }
}

struct SplitObserver {
    http: HttpObserver,
    by: Vec<(String, Reader)>,
    world: World,
}

impl Observer for SplitObserver {
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let (mut outcome, answer) = self.http.exchange(series).await;
            let Some(answer) = answer.filter(|_| outcome.answer == Answer::Good) else { return outcome };
            let mut told = serde_json::Map::new();
            for (name, reader) in &self.by {
                let Some(found) = reader.read(&answer) else {
                    let message = format!("the answer does not tell its {name}");
                    return Outcome::new(Answer::Bad(meshdrill_checks::record::Class::Body), message);
                };
                let found = if name == BY_CLUSTER { self.world.key_of_istio(&found) } else { found };
                told.insert(name.clone(), Value::String(found));
            }
            let parts: Vec<&str> = told.values().filter_map(Value::as_str).collect();
            outcome.responder = Some(parts.join(" "));
            outcome.seen = json!({ "by": told });
            outcome
        })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(self.http.why(outcome, outcome.answer == Answer::Good))
    }
}
