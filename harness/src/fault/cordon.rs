//! `cordon`: nodes take no new pods until they are uncordoned. Nodes that were cordoned before stay cordoned.

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::{RestoreFields, find_same};
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData};
use crate::cluster::{Cluster, Object, Permission, World, is_ready};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::SpecError;

/// Cordons nodes: they take no new pods. At the end, nodes that were not cordoned before are uncordoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cordon {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The node, by name. Write this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The nodes, by label, such as `topology.kubernetes.io/zone=eu-1a`. Write this or `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl Cordon {
    fn choice(&self) -> NodeChoice<'_> {
        NodeChoice { node: self.node.as_deref(), selector: self.selector.as_ref() }
    }
}

/// A choice of nodes, by name or by label.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeChoice<'a> {
    pub node: Option<&'a str>,
    pub selector: Option<&'a Selector>,
}

impl NodeChoice<'_> {
    /// What is wrong with the keys.
    pub fn spec_errors(self) -> Vec<SpecError> {
        let one = self.node.is_some() != self.selector.is_some();
        let help = "write `node: NAME` or `selector: LABELS`";
        (!one)
            .then(|| SpecError::new("node", "exactly one of `node` and `selector` is needed", help))
            .into_iter()
            .collect()
    }

    /// The matching nodes. An error if there are none.
    pub async fn find(self, cluster: &Cluster) -> Result<Vec<Object>, FaultError> {
        let mut meant = cluster.list("/api/v1/nodes", self.selector.map(Selector::as_str)).await?;
        meant.retain(|node| self.node.is_none_or(|name| node.name() == name));
        if meant.is_empty() {
            return Err(FaultError::NoTarget(format!("no node matches {self} ({})", cluster.key)));
        }
        Ok(meant)
    }
}

impl std::fmt::Display for NodeChoice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.node.or(self.selector.map(Selector::as_str)).unwrap_or_default())
    }
}

#[derive(Debug, Clone)]
struct Node {
    name: String,
    uid: String,
}

impl Node {
    fn new(object: &Object) -> Self {
        Self { name: object.name().to_owned(), uid: object.uid().to_owned() }
    }
}

impl FaultBehavior for Cordon {
    fn describe(&self) -> String {
        format!("cordon node {} ({})", self.choice(), self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        self.choice().spec_errors()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        ["list", "get", "patch"].map(|verb| Permission::new(self.cluster.key(), "", "", "nodes", verb)).to_vec()
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let meant = self.choice().find(&cluster).await?;
            if !meant.iter().any(|node| is_ready(node)) {
                return Err(FaultError::Refused(format!(
                    "node {} ({}) is not Ready, so a cordon would prove nothing; wait until it is Ready",
                    self.choice(),
                    cluster.key
                )));
            }
            let cordoning = Cordoning::new(&cluster, &meant);
            if cordoning.nodes.is_empty() {
                let message = format!("node {} ({}) is already cordoned", self.choice(), cluster.key);
                return Err(FaultError::NothingToChange(message));
            }
            Ok(Box::new(cordoning) as Box<dyn Fault>)
        })
    }
}

/// The nodes to cordon: the matching nodes that are not cordoned yet.
pub(super) struct Cordoning {
    cluster: Arc<Cluster>,
    nodes: Vec<Node>,
}

impl Cordoning {
    pub(super) fn new(cluster: &Arc<Cluster>, meant: &[Object]) -> Self {
        let free = meant.iter().filter(|node| node["spec"]["unschedulable"] != true).map(Node::new);
        Self { cluster: Arc::clone(cluster), nodes: free.collect() }
    }

    async fn patch(&self, query: &str) -> Result<(), FaultError> {
        for node in &self.nodes {
            let path = format!("/api/v1/nodes/{}{query}", node.name);
            let patch = json!({ "metadata": { "uid": node.uid }, "spec": { "unschedulable": true } });
            self.cluster.merge_patch(&path, &patch).await?;
        }
        Ok(())
    }
}

impl Fault for Cordoning {
    fn targets(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    fn uids(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.uid.clone()).collect()
    }

    fn undo(&self) -> Vec<UndoData> {
        let undo = |node: &Node| -> UndoData {
            Arc::new(RestoreFields {
                cluster: self.cluster.key.clone(),
                path: format!("/api/v1/nodes/{}", node.name),
                uid: node.uid.clone(),
                before: json!({ "spec": { "unschedulable": null } }),
                wrote: json!({ "spec": { "unschedulable": true } }),
            })
        };
        self.nodes.iter().map(undo).collect()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            for node in &self.nodes {
                let path = format!("/api/v1/nodes/{}", node.name);
                match find_same(&self.cluster, &path, &node.uid).await {
                    Ok(object) if object["spec"]["unschedulable"] == true => {}
                    Ok(_) => return Effect::NotYet(format!("node {} is schedulable", node.name)),
                    Err(effect) => return effect,
                }
            }
            Effect::Seen(format!("node {} is unschedulable", self.targets().join(", ")))
        })
    }
}
