//! `nodes`: count, readiness, schedulability, version.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Node;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Outcome, ProbeError};
use crate::cluster::{Cluster, Permission, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec};

/// The nodes of a cluster: count, readiness, schedulability, version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The expectations; by default all nodes are ready and schedulable.
    #[serde(default)]
    pub expect: NodesExpect,
}

/// The expectations of nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodesExpect {
    /// The number of nodes, such as `3`; by default `expect.nodes` of the mesh file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Comparison>,
    /// The number of ready and schedulable nodes, such as `>= 2`; default all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Comparison>,
    /// Whether all kubelets must have one version.
    #[serde(default)]
    pub same_version: bool,
}

impl Observation for Nodes {
    fn describe(&self) -> String {
        format!("nodes ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "all".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        vec![Permission::new(self.cluster.key(), "", "", "nodes", "list")]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(NodesObserver { cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct NodesObserver {
    cluster: Arc<Cluster>,
    spec: Nodes,
}

impl NodesObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let objects = self.cluster.list("/api/v1/nodes", None).await?;
        let nodes = objects
            .iter()
            .map(|node| Node::read(node))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ProbeError(error.to_string()))?;
        let usable = nodes.iter().filter(|node| node.ready && node.schedulable).count();
        let expect = &self.spec.expect;
        let mut missed = Vec::new();
        let declared = self.cluster.spec.expect.nodes.map(|count| Comparison::exactly(f64::from(count)));
        if let Some(comparison) = expect.count.or(declared).filter(|one| !one.holds(nodes.len() as f64)) {
            missed.push(format!("{} nodes, expected {comparison}", nodes.len()));
        }
        match expect.ready {
            Some(comparison) if !comparison.holds(usable as f64) => {
                missed.push(format!("{usable} nodes ready and schedulable, expected {comparison}"))
            }
            Some(_) => {}
            None if nodes.is_empty() => missed.push("the cluster has no nodes".to_owned()),
            None => {
                let unusable = nodes.iter().filter(|node| !(node.ready && node.schedulable));
                missed.extend(unusable.map(|node| {
                    format!("node {} is {}", node.name, if node.ready { "cordoned" } else { "not ready" })
                }));
            }
        }
        let mut versions: Vec<&str> = nodes.iter().map(|node| node.kubelet.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        if expect.same_version && versions.len() > 1 {
            missed.push(format!("kubelet versions differ: {}", versions.join(", ")));
        }
        let seen = json!({ "nodes": nodes.len(), "ready": usable, "versions": versions });
        let message = match missed.as_slice() {
            [] => format!("{usable} of {} nodes ready and schedulable in {}", nodes.len(), self.cluster.key),
            missed => format!("{} ({})", missed.join("; "), self.cluster.key),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for NodesObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
