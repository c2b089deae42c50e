//! `cordon`: nodes take no new pods, until they are uncordoned. Nodes that were cordoned before stay so.

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Effect, Fault, FaultError, FaultRole, Options, Undo};
use crate::cluster::{Cluster, World};
use crate::probe::{Complaint, Permission};
use crate::spec::{ClusterChoice, Selector};

/// Nodes to cordon: by name or by label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cordon {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The node; this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The nodes, by label; this or `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl Cordon {
    /// The nodes meant that are schedulable now.
    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Node>, FaultError> {
        let all = cluster.list("/api/v1/nodes", self.selector.as_ref().map(Selector::as_str)).await?;
        let named = |node: &&Value| self.node.as_ref().is_none_or(|name| node["metadata"]["name"] == name.as_str());
        let meant: Vec<&Value> = all.iter().filter(named).collect();
        let which = self.node.clone().or_else(|| self.selector.as_ref().map(ToString::to_string)).unwrap_or_default();
        if meant.is_empty() {
            return Err(FaultError::NoTarget(format!("cluster `{}` has no node {which}", cluster.key)));
        }
        let free: Vec<Node> =
            meant.into_iter().filter(|node| node["spec"]["unschedulable"] != true).map(Node::of).collect();
        if free.is_empty() {
            return Err(FaultError::NothingToChange(format!("{which} of {} is cordoned already", cluster.key)));
        }
        Ok(free)
    }
}

#[derive(Debug, Clone)]
struct Node {
    name: String,
    uid: String,
}

impl Node {
    fn of(object: &Value) -> Self {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        Self { name: text("name"), uid: text("uid") }
    }
}

impl FaultRole for Cordon {
    fn describe(&self) -> String {
        let which = self.node.clone().or_else(|| self.selector.as_ref().map(ToString::to_string)).unwrap_or_default();
        format!("cordon {which} of {}", self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn complaints(&self) -> Vec<Complaint> {
        let one = self.node.is_some() != self.selector.is_some();
        let help = "write exactly one of `node` and `selector`";
        (!one).then(|| Complaint::new("node", "which nodes are meant is not clear", help)).into_iter().collect()
    }

    fn permissions(&self) -> Vec<Permission> {
        ["list", "get", "patch"].map(|verb| Permission::new(self.cluster.key(), "", "", "nodes", verb)).to_vec()
    }

    fn resolve<'a>(&'a self, world: &'a World, _: Options) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let nodes = self.nodes(&cluster).await?;
            Ok(Box::new(Cordoning { cluster, nodes }) as Box<dyn Fault>)
        })
    }
}

struct Cordoning {
    cluster: Arc<Cluster>,
    nodes: Vec<Node>,
}

impl Cordoning {
    async fn patch(&self, query: &str) -> Result<(), FaultError> {
        for node in &self.nodes {
            let path = format!("/api/v1/nodes/{}{query}", node.name);
            let patch = json!({ "metadata": { "uid": node.uid }, "spec": { "unschedulable": true } });
            self.cluster.send(http::Method::PATCH, &path, "application/merge-patch+json", &patch).await?;
        }
        Ok(())
    }
}

impl Fault for Cordoning {
    fn targets(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    fn undo(&self) -> Vec<Undo> {
        let undo = |node: &Node| Undo::RestoreFields {
            cluster: self.cluster.key.clone(),
            path: format!("/api/v1/nodes/{}", node.name),
            uid: node.uid.clone(),
            before: json!({ "spec": { "unschedulable": null } }),
            wrote: json!({ "spec": { "unschedulable": true } }),
        };
        self.nodes.iter().map(undo).collect()
    }

    fn rehearse(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            for node in &self.nodes {
                match self.cluster.get::<Value>(&format!("/api/v1/nodes/{}", node.name)).await {
                    Ok(object) if object["spec"]["unschedulable"] == true => {}
                    Ok(_) => return Effect::NotYet(format!("node {} still takes pods", node.name)),
                    Err(error) => return Effect::NotYet(error.to_string()),
                }
            }
            Effect::Seen(format!("{} unschedulable", self.targets().join(", ")))
        })
    }
}
