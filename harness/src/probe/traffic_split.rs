//! `trafficSplit`: HTTP requests whose responses identify their responder, by version, cluster or another name. A single
//! response shows no split; the criterion `split` tests the counts of all responses against the declared weights.

use futures::future::BoxFuture;
use indexmap::IndexMap;
use meshdrill_checks::criterion::BY_CLUSTER;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::{bad_json_path, bad_regex};
use super::http_observer::HttpObserver;
use super::reader::Reader;
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{Answer, Http, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// HTTP requests whose responders are counted, for the criterion `split`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficSplit {
    /// The request, as in an `http` probe.
    pub http: Http,
    /// The names to count by, such as `version` or `cluster`, each with the way to read it from a response. The value for
    /// `cluster` is an Istio cluster id, and is counted under the cluster's key in the mesh file.
    pub by: IndexMap<String, Identity>,
}

/// How to read a name from a response.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// A `JSONPath` into the body, such as `$.podname`; without it and `header`, the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A regular expression over that value, such as `-(v[0-9]+)-`: its first group, or the whole match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

impl Identity {
    fn reader(&self) -> Result<Reader, ProbeError> {
        Reader::new(self.json.as_deref(), self.header.as_deref(), self.regex.as_deref())
    }
}

impl TrafficSplit {
    /// The cluster that the requests enter, after `all` was expanded; none for a URL.
    pub fn home(&self) -> Option<String> {
        let mut http = self.http.clone();
        http.choices().first().map(|choice| choice.key().to_owned())
    }
}

impl Observation for TrafficSplit {
    fn describe(&self) -> String {
        let by = self.by.keys().cloned().collect::<Vec<_>>().join(" and ");
        format!("{}, counted by {by}", self.http.describe())
    }

    fn subject(&self) -> String {
        self.http.subject()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.http.choices()
    }

    fn timing(&self) -> Timing {
        // The criterion sets the number of samples; the timeout is that of the request.
        Timing { every: TimeSpan::millis(100), ..self.http.timing() }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = self.http.spec_errors();
        if self.by.is_empty() {
            let help = "write `by: { version: { json: $.podname, regex: \"-(v[0-9]+)-\" } }`";
            found.push(SpecError::new("by", "nothing identifies the responders", help));
        }
        for identity in self.by.values() {
            let help = "write `json:` or `header:`, each with or without `regex:`, or `regex:` alone";
            match (&identity.json, &identity.header, &identity.regex) {
                (None, None, None) => found.push(SpecError::new("by", "the value has no source", help)),
                (Some(_), Some(_), _) => found.push(SpecError::new("by", "the value has two sources", help)),
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
        Some(SpecError::new("http", "a check gets a single response, which shows no split", help))
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
            let mut names = serde_json::Map::new();
            for (name, reader) in &self.by {
                let Some(found) = reader.read(&answer) else {
                    let message = format!("the response does not contain its {name}");
                    return Outcome::new(Answer::Bad(meshdrill_checks::record::Class::Body), message);
                };
                let found = if name == BY_CLUSTER { self.world.key_of_istio(&found) } else { found };
                names.insert(name.clone(), Value::String(found));
            }
            let parts: Vec<&str> = names.values().filter_map(Value::as_str).collect();
            outcome.responder = Some(parts.join(" "));
            outcome.seen = json!({ "by": names });
            outcome
        })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(self.http.why(outcome, outcome.answer == Answer::Good))
    }
}
