//! The clusters that answered the requests of a command: every answer names the pod that sent it, and the pods of all
//! clusters of the mesh file show where that pod runs. What an application reports of itself, such as a version, does not
//! count as a location.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expect::bad_regex;
use super::role::SpecError;
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Permission, World, is_serving, select_pods};
use crate::format::{MeshSpec, Selector};

/// Requires answers from every cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnsweredBy {
    /// A regular expression for the pod name in each answer: its first group, or the whole match.
    pub instance: String,
    /// The namespace of the pods that may answer; by default that of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pods that may answer, by label.
    pub selector: Selector,
}

/// The pods of one cluster that may answer.
#[derive(Debug, Default)]
struct Responders {
    names: BTreeSet<String>,
    ready: usize,
}

impl AnsweredBy {
    pub(super) fn spec_errors(&self) -> Vec<SpecError> {
        bad_regex("answeredBy.instance", Some(&self.instance)).into_iter().collect()
    }

    /// The permissions to list the pods in every cluster.
    pub(super) fn permissions(&self, mesh: &MeshSpec, namespace: &str) -> Vec<Permission> {
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        mesh.keys().iter().map(|key| Permission::new(key, namespace, "", "pods", "list")).collect()
    }

    /// Judges the stdout of a command.
    pub(super) async fn judge(&self, world: &World, namespace: &str, stdout: &str) -> Result<Outcome, ProbeError> {
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        let regex = Regex::new(&self.instance).map_err(|error| ProbeError(error.to_string()))?;
        let named = regex.captures_iter(stdout).filter_map(|found| found.get(1).or_else(|| found.get(0)));
        let named: Vec<&str> = named.map(|name| name.as_str()).collect();
        let mut clusters = BTreeMap::new();
        for (key, cluster) in &world.clusters {
            let pods = select_pods(cluster, namespace, self.selector.as_str()).await?;
            let ready = pods.iter().filter(|pod| is_serving(pod)).count();
            let names = pods.iter().map(|pod| pod.object_ref().name).collect();
            clusters.insert(key.as_str(), Responders { names, ready });
        }
        Ok(judge(&named, &clusters, &format!("{namespace}/{}", self.selector)))
    }
}

fn judge(named: &[&str], clusters: &BTreeMap<&str, Responders>, which: &str) -> Outcome {
    let mut counts: BTreeMap<&str, usize> = clusters.keys().map(|key| (*key, 0)).collect();
    let (mut unknown, mut doubtful) = (BTreeSet::new(), BTreeSet::new());
    for name in named {
        let homes: Vec<&str> =
            clusters.iter().filter(|(_, pods)| pods.names.contains(*name)).map(|(key, _)| *key).collect();
        match homes.as_slice() {
            [home] => *counts.entry(home).or_default() += 1,
            [] => drop(unknown.insert(*name)),
            _ => drop(doubtful.insert(*name)),
        }
    }
    let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
    let seen = json!({ "answers": named.len(), "by": counts, "unknown": unknown, "inSeveralClusters": doubtful });
    let shares = counts.iter().map(|(key, count)| format!("{key} {count}")).collect::<Vec<_>>().join(", ");
    let mut message = format!("{} answers: {shares}", named.len());
    if !unknown.is_empty() {
        message += &format!("; unknown pods, not {which} of any cluster: {}", list(&unknown));
    }
    let empty: Vec<&str> = clusters.iter().filter(|(_, pods)| pods.ready == 0).map(|(key, _)| *key).collect();
    let silent: Vec<&str> = counts.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    if !empty.is_empty() {
        message += &format!("; no ready pod {which} in {}", empty.join(", "));
    } else if !silent.is_empty() {
        message += &format!("; no answer from {}", silent.join(", "));
    }
    if silent.is_empty() {
        return Outcome::judged(empty.is_empty(), message, seen);
    }
    if empty.is_empty() && !doubtful.is_empty() {
        message += &format!("; pods named {} exist in several clusters, so their cluster is unknown", list(&doubtful));
        return Outcome { seen, ..Outcome::new(Answer::NoData, message) };
    }
    Outcome::judged(false, message, seen)
}

/// The outcome of a command whose answers must also come from every cluster.
pub(super) fn both(ran: Outcome, answered: Outcome) -> Outcome {
    if ran.answer != Answer::Good {
        return ran;
    }
    let seen: Value = json!({ "command": ran.seen, "answered": answered.seen });
    Outcome { seen, ..answered }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(named: &[&str], pods: &[(&'static str, &[&str])]) -> (Answer, String) {
        let responders = |names: &[&str]| Responders {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ready: names.len(),
        };
        let clusters = pods.iter().map(|(key, names)| (*key, responders(names))).collect();
        let outcome = judge(named, &clusters, "sample/app=hello");
        (outcome.answer, outcome.message)
    }

    #[test]
    fn answers_are_counted_where_their_pods_run() {
        let pods: &[(&str, &[&str])] = &[("one", &["hello-v1-a", "hello-v2-a"]), ("two", &["hello-v1-b"])];
        let (answer, message) = judged(&["hello-v1-a", "hello-v1-b", "hello-v2-a"], pods);
        assert_eq!((answer, message.as_str()), (Answer::Good, "3 answers: one 2, two 1"));
        let (answer, message) = judged(&["hello-v1-a", "hello-v2-a"], pods);
        assert!(
            answer != Answer::Good && message.ends_with("no answer from two"),
            "both versions are no two clusters: {message}"
        );
        let (answer, message) = judged(&["hello-v1-a", "hello-v9-z"], pods);
        assert!(answer != Answer::Good && message.contains("of any cluster: hello-v9-z"), "{message}");
        assert_ne!(judged(&[], pods).0, Answer::Good);
    }

    #[test]
    fn a_cluster_without_pods_cannot_answer_and_equal_names_tell_nothing() {
        let (answer, message) = judged(&["a"], &[("one", &["a"]), ("two", &[])]);
        assert!(answer != Answer::Good && message.ends_with("no ready pod sample/app=hello in two"), "{message}");
        let (answer, message) = judged(&["hello-0"], &[("one", &["hello-0"]), ("two", &["hello-0"])]);
        assert_eq!(answer, Answer::NoData);
        assert!(message.contains("pods named hello-0 exist in several clusters"), "{message}");
    }
}
