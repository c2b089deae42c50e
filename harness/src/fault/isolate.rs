//! `isolate`: a `NetworkPolicy` that blocks all traffic to and from some pods. A control request shows whether the CNI
//! enforces it. Whether open connections break depends on the CNI.

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control::{self, Control};
use super::create::{self, Creation};
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData, system_namespace_error};
use crate::cluster::{ObjectName, Permission, World, is_serving, select_pods};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::{Answer, ProbeKind, SpecError};

/// Cuts pods off by a `NetworkPolicy` that allows no traffic. The policy is deleted at the end. Needs a CNI that enforces
/// `NetworkPolicies`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Isolate {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pods, by label.
    pub selector: Selector,
    /// The blocked traffic: `ingress`, `egress` or `both`; default `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// A request, of any probe kind, that passes before the fault and fails while it lasts.
    pub control: Box<ProbeKind>,
}

/// The blocked traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Traffic to the pods.
    Ingress,
    /// Traffic from the pods.
    Egress,
    /// Traffic to and from the pods.
    Both,
}

impl Isolate {
    fn object(&self) -> ObjectName<'_> {
        ObjectName {
            api_version: "networking.k8s.io/v1",
            kind: "NetworkPolicy",
            namespace: Some(&self.namespace),
            name: "",
        }
    }

    fn manifest(&self, run: &str) -> Value {
        let types = match self.direction.unwrap_or(Direction::Both) {
            Direction::Ingress => json!(["Ingress"]),
            Direction::Egress => json!(["Egress"]),
            Direction::Both => json!(["Ingress", "Egress"]),
        };
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": { "name": format!("meshdrill-{run}-{:08x}", hash(self.selector.as_str())), "namespace": self.namespace },
            "spec": { "podSelector": self.selector.to_object(), "policyTypes": types }
        })
    }
}

/// FNV-1a: a stable suffix that distinguishes the policies of one run.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl FaultBehavior for Isolate {
    fn describe(&self) -> String {
        let what = match self.direction.unwrap_or(Direction::Both) {
            Direction::Ingress => "traffic to",
            Direction::Egress => "traffic from",
            Direction::Both => "all traffic of",
        };
        format!("block {what} {}/{} ({}) by a NetworkPolicy", self.namespace, self.selector, self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let help = "name a namespace of the mesh";
        let system = system_namespace_error("namespace", Some(&self.namespace), help);
        system.into_iter().chain(control::spec_errors(&self.control)).collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let mut all = create::permissions(key, self.object());
        all.push(Permission::new(key, &self.namespace, "", "pods", "list"));
        all.extend(self.control.as_observation().permissions(mesh));
        all
    }

    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = world.cluster(self.cluster.key())?;
            let pods = select_pods(cluster, &self.namespace, self.selector.as_str()).await?;
            if pods.is_empty() {
                let place = format!("{}/{}", cluster.key, self.namespace);
                return Err(FaultError::NoTarget(format!("no pod in {place} matches {}", self.selector)));
            }
            if !pods.iter().any(is_serving) {
                let (count, key) = (pods.len(), &cluster.key);
                let which = format!("none of the {count} pods that match {}/{} ({key})", self.namespace, self.selector);
                return Err(FaultError::none_ready(&which, "to isolate them"));
            }
            let policy = Creation::new(cluster, self.manifest(&options.run), &options.run).await?;
            let control = Control::prepare(&self.control, world, None).await?;
            let uids = pods.iter().map(|pod| pod.uid().to_owned()).collect();
            let pods = pods.iter().map(|pod| pod.object_ref().to_string()).collect();
            Ok(Box::new(Isolation { policy, control, pods, uids, what: self.control.as_observation().describe() })
                as Box<dyn Fault>)
        })
    }
}

struct Isolation {
    policy: Creation,
    control: Control,
    pods: Vec<String>,
    uids: Vec<String>,
    what: String,
}

impl Fault for Isolation {
    fn targets(&self) -> Vec<String> {
        self.pods.clone()
    }

    fn uids(&self) -> Vec<String> {
        self.uids.clone()
    }

    fn undo(&self) -> Vec<UndoData> {
        vec![self.policy.undo()]
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.policy.send("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.policy.send(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            match self.policy.found().await {
                Ok(Some(_)) => {}
                Ok(None) => return Effect::NotYet(format!("{} does not exist", self.policy.name())),
                Err(error) => return Effect::Unknown(error.to_string()),
            }
            // A single lost request may be chance.
            let mut last = String::new();
            for _ in 0..2 {
                let (outcome, took) = self.control.ask().await;
                if outcome.answer == Answer::Error {
                    return Effect::Unknown(outcome.message);
                }
                if !matches!(outcome.answer, Answer::Bad(_)) {
                    let key = &self.policy.cluster.key;
                    return Effect::NotYet(format!(
                        "{} exists in {key}, but {} still passes ({}): the CNI of {key} seems not to enforce NetworkPolicies; if so, add `without: {{ networkPolicy: … }}` to the mesh file and `needs: [networkPolicy]` to the scenario",
                        self.policy.name(),
                        self.what,
                        outcome.message
                    ));
                }
                last = format!("{} after {} ms", outcome.message, took.as_millis());
            }
            Effect::Seen(format!("{} exists, and {} fails: {last}", self.policy.name(), self.what))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn isolate(selector: &str) -> Isolate {
        let control = json!({ "http": { "via": "ingress/a", "path": "/" } });
        let spec = json!({ "cluster": "a", "namespace": "shop", "selector": selector, "control": control });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn the_policy_selects_what_the_selector_does_and_admits_nothing() {
        let policy = isolate("app=x,tier in (a,b),!canary").manifest("r1");
        assert_eq!(policy["metadata"]["name"], format!("meshdrill-r1-{:08x}", hash("app=x,tier in (a,b),!canary")));
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(policy["spec"]["podSelector"]["matchExpressions"].as_array().map(Vec::len), Some(3));
        assert!(policy["spec"]["ingress"].is_null() && policy["spec"]["egress"].is_null());
        assert_ne!(policy["metadata"]["name"], isolate("app=y").manifest("r1")["metadata"]["name"]);
    }

    #[test]
    fn making_and_deleting_it_must_be_permitted() {
        let all = isolate("app=x").permissions(&serde_json::from_value(json!({ "clusters": {} })).unwrap());
        for verb in ["get", "create", "delete"] {
            assert!(
                all.contains(&Permission::new("a", "shop", "networking.k8s.io", "networkpolicies", verb)),
                "{verb}"
            );
        }
    }
}
