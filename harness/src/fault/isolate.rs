//! `isolate`: a `NetworkPolicy` that blocks all traffic to and from some pods. A control request shows whether the CNI
//! enforces it. Whether open connections break depends on the CNI.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control::{self, Control};
use super::create::{self, Creation};
use super::workload::{pods_errors, selector_of};
use super::{
    Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData, WorkloadResource, system_namespace_error,
};
use crate::cluster::{
    Object, ObjectName, ObjectRef, Permission, World, has_proxy, is_serving, pod_addresses, select_pods,
};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::{Answer, ProbeKind, ProxyPlace, SpecError, Tcp, pod_with_proxy};

/// Cuts pods off by a `NetworkPolicy` that allows no traffic. The policy is deleted at the end. Needs a CNI that enforces
/// `NetworkPolicies`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Isolate {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pods, by label. Write this or `workload`.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub selector: Selector,
    /// The workload whose pods are meant: `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The blocked traffic: `ingress`, `egress` or `both`; default `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// A request, of any probe kind, that passes before the fault and fails while it lasts. Without it, the proxy of another
    /// pod of the mesh connects to one of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Box<ProbeKind>>,
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
        let whose = self.workload.as_deref().unwrap_or(self.selector.as_str());
        format!("block {what} {}/{whose} ({}) by a NetworkPolicy", self.namespace, self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let help = "name a namespace of the mesh";
        let system = system_namespace_error("namespace", Some(&self.namespace), help);
        let mut found: Vec<SpecError> = system.into_iter().collect();
        found.extend(pods_errors(&self.selector, self.workload.as_deref()));
        if self.control.is_none() && self.direction == Some(Direction::Egress) {
            let help = "write a request that these pods send, such as `exec` or `tcp` with `from`";
            found.push(SpecError::new("control", "traffic from the pods needs a `control` of its own", help));
        }
        found.extend(self.control.iter().flat_map(|control| control::spec_errors(control)));
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let mut all = create::permissions(key, self.object());
        all.push(Permission::new(key, &self.namespace, "", "pods", "list"));
        let workload = self.workload.as_deref().and_then(WorkloadResource::parse);
        all.extend(workload.map(|(kind, _)| Permission::new(key, &self.namespace, "apps", kind.plural(), "get")));
        match &self.control {
            Some(control) => all.extend(control.as_observation().permissions(mesh)),
            None => {
                all.push(Permission::new(key, "", "", "pods", "list"));
                all.extend(["get", "create"].map(|verb| Permission::new(key, "", "", "pods/exec", verb)));
            }
        }
        all
    }

    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = world.cluster(self.cluster.key())?;
            let workload = self.workload.as_deref();
            let selector = selector_of(world, &self.cluster, &self.namespace, &self.selector, workload).await?;
            let spec = Self { selector, ..self.clone() };
            let pods = select_pods(cluster, &spec.namespace, spec.selector.as_str()).await?;
            if pods.is_empty() {
                let place = format!("{}/{}", cluster.key, self.namespace);
                return Err(FaultError::NoTarget(format!("no pod in {place} matches {}", spec.selector)));
            }
            let Some(serving) = pods.iter().find(|pod| is_serving(pod)) else {
                let (count, key) = (pods.len(), &cluster.key);
                let which = format!("none of the {count} pods that match {}/{} ({key})", self.namespace, spec.selector);
                return Err(FaultError::none_ready(&which, "to isolate them"));
            };
            let policy = Creation::new(cluster, spec.manifest(&options.run), &options.run).await?;
            let (kind, answers) = match &self.control {
                Some(kind) => (kind.clone(), None),
                None => (Box::new(self.connection(world, &pods, serving).await?), Some(serving.object_ref())),
            };
            let control = Control::prepare(&kind, world, None).await?;
            let uids = pods.iter().map(|pod| pod.uid().to_owned()).collect();
            let pods = pods.iter().map(|pod| pod.object_ref().to_string()).collect();
            let what = kind.as_observation().describe();
            Ok(Box::new(Isolation { policy, control, pods, uids, what, answers }) as Box<dyn Fault>)
        })
    }
}

impl Isolate {
    /// The control request where none is written: a connection to one of the pods, past the mesh, from the proxy of a pod that
    /// stays on the network.
    async fn connection(&self, world: &World, cut_off: &[Object], to: &Object) -> Result<ProbeKind, FaultError> {
        let cluster = world.cluster(self.cluster.key())?;
        let all = cluster.list("/api/v1/pods", None).await?;
        let stays = |pod: &Object| cut_off.iter().all(|one| one.uid() != pod.uid());
        let no_proxy = || {
            FaultError::Refused(format!(
                "no pod in {} has a ready proxy that could show the effect; write a `control` request",
                cluster.key
            ))
        };
        let from = pod_with_proxy(&world.inventory(), &all, stays).ok_or_else(no_proxy)?;
        let from =
            ProxyPlace::of_pod(self.cluster.clone(), from).map_err(|error| FaultError::Refused(error.to_string()))?;
        let address = pod_addresses(to).into_iter().next();
        let (Some(address), Some(port)) = (address, port_of(to)) else {
            return Err(FaultError::Refused(format!(
                "{} declares no port to connect to; write a `control` request",
                to.object_ref()
            )));
        };
        let timeout = Some(TimeSpan::secs(1));
        let to = SocketAddr::new(address, port).to_string();
        Ok(ProbeKind::Tcp(Tcp { from: Some(from), to: Some(to), via: None, timeout, slow: None }))
    }
}

/// The first port that a container of the application declares, or else that of its proxy's readiness.
fn port_of(pod: &Object) -> Option<u16> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut own = containers.filter(|container| container["name"] != "istio-proxy");
    let declared = own.find_map(|container| container["ports"][0]["containerPort"].as_u64()?.try_into().ok());
    declared.or_else(|| has_proxy(pod).then_some(STATUS_PORT))
}

/// The port of every Istio proxy's readiness.
const STATUS_PORT: u16 = 15021;

struct Isolation {
    policy: Creation,
    control: Control,
    pods: Vec<String>,
    uids: Vec<String>,
    what: String,
    /// The pod that the control request connects to, where nobody wrote one.
    answers: Option<ObjectRef>,
}

impl Isolation {
    /// A control request that fails because its pod is gone shows nothing.
    async fn gone(&self) -> Option<String> {
        let pod = self.answers.as_ref()?;
        let cluster = &self.policy.cluster;
        let path = format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name);
        match cluster.find::<Object>(&path).await {
            Ok(Some(found)) if self.uids.iter().any(|uid| uid == found.uid()) => None,
            Ok(_) => Some(format!("{pod} ({}), to which {} connects, is gone", cluster.key, self.what)),
            Err(error) => Some(error.to_string()),
        }
    }
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
            if let Some(why) = self.gone().await {
                return Effect::Unknown(why);
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
