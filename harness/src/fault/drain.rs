//! `drain`: cordons nodes and evicts their pods, like `kubectl drain --ignore-daemonsets --delete-emptydir-data`. Respects
//! disruption budgets, and does not touch pods in kube-system. The undo uncordons the nodes; it does not move pods
//! back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::cordon::{Cordoning, NodeChoice};
use super::evict_pods::evict;
use super::population::{Population, pods_in};
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, SYSTEM, UndoData};
use crate::cluster::{AccessError, Cluster, Object, ObjectRef, Owner, Permission, World, is_ready};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::SpecError;

/// The pause before an eviction is retried that a disruption budget has refused.
const PAUSE: Duration = Duration::from_secs(2);

/// Drains nodes like `kubectl drain`: cordons them and evicts their pods, within disruption budgets. At the end the nodes
/// are uncordoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The node, by name. Write this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The nodes, by label, such as `topology.kubernetes.io/zone=eu-1a`. Write this or `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl Drain {
    fn choice(&self) -> NodeChoice<'_> {
        NodeChoice { node: self.node.as_deref(), selector: self.selector.as_ref() }
    }
}

/// What a drain does with a pod.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    Evicted,
    Left(&'static str),
    /// A pod without an owner: nothing would replace it.
    Orphan,
}

fn class(pod: &Object) -> Class {
    let mirror = pod.annotation("kubernetes.io/config.mirror").is_some();
    let owner = Owner::of(pod);
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        Class::Left("it has ended")
    } else if mirror {
        Class::Left("it mirrors a static pod")
    } else if owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet") {
        Class::Left("it belongs to a DaemonSet")
    } else if pod.namespace() == SYSTEM {
        Class::Left("faults never change kube-system")
    } else if owner.is_none() {
        Class::Orphan
    } else {
        Class::Evicted
    }
}

/// Whether a node is ready and schedulable.
fn takes_pods(node: &Value) -> bool {
    node["spec"]["unschedulable"] != true && is_ready(node)
}

impl FaultBehavior for Drain {
    fn describe(&self) -> String {
        format!("drain node {} ({})", self.choice(), self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        self.choice().spec_errors()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |resource, verb| Permission::new(self.cluster.key(), "", "", resource, verb);
        let nodes = ["list", "get", "patch"].map(|verb| need("nodes", verb));
        nodes.into_iter().chain([need("pods", "list"), need("pods/eviction", "create")]).collect()
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let meant = self.choice().find(&cluster).await?;
            let names: Vec<String> = meant.iter().map(|node| node.name().to_owned()).collect();
            let all = cluster.list("/api/v1/nodes", None).await?;
            if !all.iter().any(|node| takes_pods(node) && !names.iter().any(|name| name == node.name())) {
                return Err(FaultError::Refused(format!(
                    "no other node in {} is ready and schedulable, so the pods on {} have nowhere to go; drain fewer nodes",
                    cluster.key,
                    names.join(", ")
                )));
            }
            let mut pods = Vec::new();
            let mut left: BTreeSet<(&'static str, String)> = BTreeSet::new();
            for pod in pods_on(&cluster, &names).await? {
                let named = pod.object_ref();
                match class(&pod) {
                    Class::Evicted => pods.push(named),
                    Class::Left(why) => drop(left.insert((why, named.to_string()))),
                    Class::Orphan => {
                        return Err(FaultError::Refused(format!(
                            "pod {named} ({}) has no owner, so nothing would replace it; delete it before the run if that is intended",
                            cluster.key
                        )));
                    }
                }
            }
            if pods.is_empty() {
                return Err(FaultError::NoTarget(format!(
                    "no pod on {} ({}) can be evicted",
                    names.join(", "),
                    cluster.key
                )));
            }
            let remarks = left.into_iter().map(|(why, pod)| format!("pod {pod} is not evicted: {why}")).collect();
            let population = population(&cluster, &pods).await?;
            let cordoning = Cordoning::new(&cluster, &meant);
            let refused = Mutex::new(None);
            let uids = meant.iter().map(|node| node.uid().to_owned()).collect();
            Ok(Box::new(Draining { cluster, cordoning, names, uids, pods, population, remarks, refused })
                as Box<dyn Fault>)
        })
    }
}

async fn pods_on(cluster: &Cluster, nodes: &[String]) -> Result<Vec<Object>, AccessError> {
    let mut found = Vec::new();
    for node in nodes {
        let query = crate::cluster::encode(&format!("spec.nodeName={node}"));
        found.extend(cluster.list(&format!("/api/v1/pods?fieldSelector={query}"), None).await?);
    }
    Ok(found)
}

/// The pods of the owners of these pods, wherever they run. An error if none of these is Ready: to evict them would prove nothing.
async fn population(cluster: &Arc<Cluster>, pods: &[ObjectRef]) -> Result<Population, FaultError> {
    let before = pods_in(cluster, pods.iter().map(|pod| pod.namespace.as_str()), None).await?;
    let is_victim = |pod: &&Object| pods.iter().any(|victim| victim.uid == pod.uid());
    if !before.iter().filter(is_victim).any(|pod| is_ready(pod)) {
        let which = format!("none of the {} pods that would be evicted ({})", pods.len(), cluster.key);
        return Err(FaultError::none_ready(&which, "the drain"));
    }
    Ok(Population::count(cluster, None, &before, pods))
}

struct Draining {
    cluster: Arc<Cluster>,
    cordoning: Cordoning,
    names: Vec<String>,
    /// The UIDs of the nodes.
    uids: Vec<String>,
    pods: Vec<ObjectRef>,
    population: Population,
    remarks: Vec<String>,
    /// When a disruption budget last refused an eviction, and its message.
    refused: Mutex<Option<(Instant, String)>>,
}

impl Draining {
    /// The targets that are not terminating.
    async fn staying(&self) -> Result<Vec<&ObjectRef>, AccessError> {
        let there = pods_on(&self.cluster, &self.names).await?;
        let stays = |pod: &&ObjectRef| {
            let found = there.iter().find(|object| object.uid() == pod.uid);
            found.is_some_and(|object| !object.is_terminating())
        };
        Ok(self.pods.iter().filter(stays).collect())
    }

    /// Evicts the remaining pods. A budget that refuses now may allow it once replacements are ready.
    async fn evict_left(&self) -> Result<(), FaultError> {
        let mut refused = None;
        for pod in self.staying().await? {
            match evict(&self.cluster, pod, false).await {
                Err(FaultError::Refused(why)) => refused = Some((Instant::now(), why)),
                Err(FaultError::Access(error)) if error.is_not_found() => {}
                done => done?,
            }
        }
        *self.refused.lock().await = refused;
        Ok(())
    }
}

impl Fault for Draining {
    fn targets(&self) -> Vec<String> {
        let pods = self.pods.iter().map(ToString::to_string);
        self.names.iter().map(|name| format!("node {name}")).chain(pods).collect()
    }

    fn uids(&self) -> Vec<String> {
        let pods = self.pods.iter().map(|pod| pod.uid.clone());
        self.uids.iter().cloned().chain(pods).collect()
    }

    fn undo(&self) -> Vec<UndoData> {
        self.cordoning.undo()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move {
            self.cordoning.dry_run().await?;
            for pod in &self.pods {
                evict(&self.cluster, pod, true).await?;
            }
            Ok(())
        })
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move {
            self.cordoning.inject().await?;
            self.evict_left().await
        })
    }

    fn missing(&self) -> BoxFuture<'_, Result<Option<String>, FaultError>> {
        Box::pin(async move { Ok(self.population.missing().await?) })
    }

    fn retry(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let waited = self.refused.lock().await.as_ref().is_none_or(|(at, _)| at.elapsed() >= PAUSE);
            if waited && let Err(error) = self.evict_left().await {
                *self.refused.lock().await = Some((Instant::now(), error.to_string()));
            }
        })
    }

    /// Pods cannot come back to a node that takes none.
    fn held(&self) -> BoxFuture<'_, Effect> {
        self.cordoning.effect()
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            match self.cordoning.effect().await {
                Effect::Seen(_) => {}
                other => return other,
            }
            match self.staying().await {
                Ok(left) if left.is_empty() => {
                    Effect::Seen(format!("{} unschedulable, {} pods evicted", self.names.join(", "), self.pods.len()))
                }
                Ok(left) => {
                    let why =
                        self.refused.lock().await.as_ref().map_or_else(String::new, |(_, why)| format!(": {why}"));
                    Effect::NotYet(format!(
                        "{} of {} pods are still on {}{why}",
                        left.len(),
                        self.pods.len(),
                        self.names.join(", ")
                    ))
                }
                Err(error) => Effect::Unknown(error.to_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_told_apart_as_kubectl_does() {
        let pod = |namespace: &str, owner: &str, phase: &str| {
            let owners =
                if owner.is_empty() { json!([]) } else { json!([{ "kind": owner, "name": "x", "controller": true }]) };
            Object::from(
                json!({ "metadata": { "namespace": namespace, "ownerReferences": owners }, "status": { "phase": phase } }),
            )
        };
        assert_eq!(class(&pod("shop", "ReplicaSet", "Running")), Class::Evicted);
        assert_eq!(class(&pod("shop", "", "Running")), Class::Orphan);
        assert!(matches!(class(&pod("shop", "DaemonSet", "Running")), Class::Left(_)));
        assert!(matches!(class(&pod("shop", "", "Succeeded")), Class::Left(_)));
        assert!(matches!(class(&pod("kube-system", "ReplicaSet", "Running")), Class::Left(_)));
        let mut mirror = pod("shop", "Node", "Running");
        mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
        assert!(matches!(class(&mirror), Class::Left(_)));
    }

    #[test]
    fn a_node_that_is_cordoned_or_not_ready_takes_no_pods() {
        let node = |ready: &str, cordoned: bool| json!({ "spec": { "unschedulable": cordoned }, "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        assert!(takes_pods(&node("True", false)));
        assert!(!takes_pods(&node("True", true)) && !takes_pods(&node("Unknown", false)));
    }
}
