//! Port-forwards: byte streams to a port of a pod, opened through the API server.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::{AccessError, Cluster, ObjectRef, Permission, WorkloadKind, ready_pods};
use super::{Object, pods::workload_selector};
use crate::net::{ByteStream, Dial, NoAccess, Opened, Phases};

/// `CLUSTER/NS/(deployment|pod|service)/NAME:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTarget {
    /// The cluster's key.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// What `name` names.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl ForwardTarget {
    /// The permissions that it needs.
    pub fn permissions(&self) -> Vec<Permission> {
        let mut all = Permission::for_port_forward(&self.cluster, &self.namespace);
        match self.kind {
            WorkloadKind::Deployment => {
                all.push(Permission::new(&self.cluster, &self.namespace, "apps", "deployments", "get"));
            }
            WorkloadKind::Service => all.push(Permission::new(&self.cluster, &self.namespace, "", "services", "get")),
            WorkloadKind::Pod => {}
        }
        all
    }
}

impl FromStr for ForwardTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a port-forward; write CLUSTER/NAMESPACE/(deployment|pod|service)/NAME:PORT");
        // Without a mesh file its names stand for any value.
        let open = |part: &str| part.starts_with("${") && part.ends_with('}');
        let (path, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let parts: Vec<&str> = path.split('/').collect();
        let &[cluster, namespace, kind, name] = parts.as_slice() else { return Err(wrong()) };
        let kind = match kind {
            "deployment" => WorkloadKind::Deployment,
            "pod" => WorkloadKind::Pod,
            "service" => WorkloadKind::Service,
            kind if open(kind) => WorkloadKind::Service,
            _ => return Err(wrong()),
        };
        let port = if open(port) { 1 } else { port.parse().map_err(|_| wrong())? };
        Ok(Self { cluster: cluster.into(), namespace: namespace.into(), kind, name: name.into(), port })
    }
}

impl fmt::Display for ForwardTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            WorkloadKind::Deployment => "deployment",
            WorkloadKind::Pod => "pod",
            WorkloadKind::Service => "service",
        };
        write!(f, "{}/{}/{kind}/{}:{}", self.cluster, self.namespace, self.name, self.port)
    }
}

/// Opens forwarded streams, each to a ready pod of the target.
#[derive(Debug)]
pub struct Forwarder {
    cluster: Arc<Cluster>,
    target: ForwardTarget,
}

impl Forwarder {
    /// A forwarder to a target of a cluster.
    pub const fn new(cluster: Arc<Cluster>, target: ForwardTarget) -> Self {
        Self { cluster, target }
    }

    /// The pod and port that the next stream goes to.
    pub async fn resolve(&self) -> Result<(ObjectRef, u16), AccessError> {
        let target = &self.target;
        if target.kind == WorkloadKind::Pod {
            let pod: Object =
                self.cluster.get(&format!("/api/v1/namespaces/{}/pods/{}", target.namespace, target.name)).await?;
            return Ok((pod.object_ref(), target.port));
        }
        let (selector, object) = workload_selector(&self.cluster, &target.namespace, target.kind, &target.name).await?;
        let pods = ready_pods(&self.cluster, &target.namespace, &selector).await?;
        let Some(pod) = pods.first() else {
            return Err(self.cluster.other(format!("no ready pod behind {target}")));
        };
        let port = match target.kind {
            WorkloadKind::Service => target_port(&object, pod, target.port)
                .ok_or_else(|| self.cluster.other(format!("{target}: the Service has no such port")))?,
            WorkloadKind::Deployment | WorkloadKind::Pod => target.port,
        };
        Ok((pod.object_ref(), port))
    }

    async fn open(&self) -> Result<Box<dyn ByteStream>, AccessError> {
        let (pod, port) = self.resolve().await?;
        let pods = self.cluster.pods(&pod.namespace);
        let mut forward = self.cluster.bounded(pods.portforward(&pod.name, &[port])).await?;
        let stream = forward.take_stream(port);
        stream
            .map(|stream| Box::new(stream) as Box<dyn ByteStream>)
            .ok_or_else(|| self.cluster.other("the port-forward opened no stream"))
    }
}

impl Dial for Forwarder {
    fn dial(&self) -> BoxFuture<'_, io::Result<Opened>> {
        Box::pin(async {
            let opened = self.open().await.map(|stream| Opened { stream, phases: Phases::default() });
            opened.map_err(|error| {
                if error.is_access_problem() {
                    io::Error::other(NoAccess(error.to_string()))
                } else {
                    io::Error::other(error)
                }
            })
        })
    }

    /// Every new port-forward costs the API server, the kubelet and the container runtime about 50 ms of CPU. A client that opens
    /// one whenever all others are busy would turn one slow response into a CPU shortage on the node.
    fn is_costly(&self) -> bool {
        true
    }
}

/// The container port behind a Service's port, by number or by name.
fn target_port(service: &Value, pod: &Value, port: u16) -> Option<u16> {
    let ports = service["spec"]["ports"].as_array()?;
    let port = ports.iter().find(|one| one["port"].as_u64() == Some(u64::from(port)))?;
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match &port["targetPort"] {
        Value::String(name) => {
            let containers = ["containers", "initContainers"].into_iter();
            containers
                .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
                .flat_map(|container| container["ports"].as_array().into_iter().flatten())
                .find(|one| one["name"] == name.as_str())
                .and_then(|one| number(&one["containerPort"]))
        }
        value => number(value).or_else(|| number(&port["port"])),
    }
}
