//! `meshIdentity`: control plane, gateways and sidecars of a cluster are of the declared version and agree with the mesh
//! file on who they are: mesh id, cluster id, network.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Image;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Kind, Observer, Role};
use super::outcome::settle;
use super::{Answer, CannotAsk, Outcome};
use crate::cluster::{Cluster, Permission, PodRef, World};
use crate::spec::{ClusterChoice, MeshSpec};

/// Version and identity of a cluster's part of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshIdentity {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The version of Istio; `expect.istio` of the mesh file without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The label that puts a namespace or a gateway into a network.
const NETWORK: &str = "topology.istio.io/network";

impl Kind for MeshIdentity {
    fn describe(&self) -> String {
        format!("version and identity of the mesh in {}", self.cluster)
    }

    fn subject(&self) -> String {
        "istio".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        ["pods", "services", "namespaces"]
            .map(|what| Permission::new(self.cluster.key(), "", "", what, "list"))
            .to_vec()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mesh_id = world.mesh.as_ref().and_then(|mesh| mesh.spec.expect.mesh_id.clone());
            let version = self.version.clone().or_else(|| cluster.spec.expect.istio.clone());
            Ok(Box::new(IdentityObserver { cluster, mesh_id, version }) as Box<dyn Observer>)
        })
    }
}

struct IdentityObserver {
    cluster: Arc<Cluster>,
    mesh_id: Option<String>,
    version: Option<String>,
}

/// One running part of the mesh.
struct Part {
    pod: PodRef,
    what: &'static str,
    image: String,
    environment: BTreeMap<String, String>,
}

impl IdentityObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let key = &self.cluster.key;
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let parts: Vec<Part> = pods.iter().filter_map(part).collect();
        let count = |what: &str| parts.iter().filter(|part| part.what == what).count();
        let (planes, proxies) = (count("istiod"), count("proxy"));
        if planes == 0 || proxies == 0 {
            let message = format!("{planes} istiods and {proxies} proxies run in {key}: nothing to look at");
            return Ok(Outcome::judged(false, message, Value::Null));
        }
        let mut missed: Vec<String> = self.versions(&parts).into_iter().collect();
        missed.extend(self.identities(&parts));
        missed.extend(self.networks().await?);
        let mut versions: Vec<String> = parts.iter().map(|part| version_of(&part.image)).collect();
        versions.sort_unstable();
        versions.dedup();
        let seen = json!({ "istiods": planes, "proxies": proxies, "versions": versions });
        if !missed.is_empty() {
            return Ok(Outcome::judged(false, format!("{} ({key})", missed.join("; ")), seen));
        }
        let unsaid = [
            (self.version.is_none(), format!("clusters.{key}.expect.istio")),
            (self.mesh_id.is_none(), "expect.meshID".to_owned()),
            (self.cluster.spec.network.is_none(), format!("clusters.{key}.network")),
        ];
        if let Some((_, name)) = unsaid.iter().find(|(unsaid, _)| *unsaid) {
            let message =
                format!("versions {}; the mesh file says nothing to compare with: {name}", versions.join(", "));
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        let message = format!(
            "{planes} istiods and {proxies} proxies are {}, as the mesh file says ({key})",
            versions.join(", ")
        );
        Ok(Outcome::judged(true, message, seen))
    }

    /// Parts of another version than declared.
    fn versions(&self, parts: &[Part]) -> Option<String> {
        let wanted = self.version.as_deref()?;
        let other = |part: &&Part| version_of(&part.image) != wanted;
        let first = parts.iter().find(other)?;
        let count = parts.iter().filter(other).count();
        Some(format!(
            "{count} of {} images are not {wanted}: {} {} is {}",
            parts.len(),
            first.what,
            first.pod,
            version_of(&first.image)
        ))
    }

    /// Parts that take themselves for something else than the mesh file does.
    fn identities(&self, parts: &[Part]) -> Vec<String> {
        let wanted = [
            ("ISTIO_META_CLUSTER_ID", "cluster id", Some(self.cluster.istio_id())),
            ("CLUSTER_ID", "cluster id", Some(self.cluster.istio_id())),
            ("ISTIO_META_NETWORK", "network", self.cluster.spec.network.as_deref()),
            ("ISTIO_META_MESH_ID", "mesh id", self.mesh_id.as_deref()),
        ];
        let mut missed = Vec::new();
        for (variable, word, wanted) in wanted {
            let Some(wanted) = wanted else { continue };
            let other = parts.iter().find_map(|part| {
                let found = part.environment.get(variable).filter(|found| *found != wanted && !found.is_empty())?;
                Some((part, found))
            });
            if let Some((part, found)) = other {
                missed.push(format!("{} {} has the {word} {found}, expected {wanted}", part.what, part.pod));
            }
        }
        missed
    }

    /// Namespaces and gateway Services that are labelled with another network.
    async fn networks(&self) -> Result<Vec<String>, CannotAsk> {
        let Some(wanted) = self.cluster.spec.network.as_deref() else { return Ok(Vec::new()) };
        let mut missed = Vec::new();
        for (path, what) in [("/api/v1/namespaces", "namespace"), ("/api/v1/services", "Service")] {
            for object in self.cluster.list(path, Some(NETWORK)).await? {
                let found = object["metadata"]["labels"][NETWORK].as_str().unwrap_or_default();
                if found != wanted {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    missed.push(format!("{what} {name} is labelled with network {found}, expected {wanted}"));
                }
            }
        }
        Ok(missed)
    }
}

/// The version in an image's tag, or the reference where it has none.
fn version_of(image: &str) -> String {
    Image::parse(image).version().map_or_else(|| image.to_owned(), str::to_owned)
}

/// The part of the mesh that a pod is or carries: istiod, a gateway's or an application's proxy. Sidecars stand among the
/// containers or, as native sidecars, among the init containers.
fn part(pod: &Value) -> Option<Part> {
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let containers = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    let found = containers.flatten().find_map(|container| match container["name"].as_str()? {
        "discovery" => Some(("istiod", container)),
        "istio-proxy" => Some(("proxy", container)),
        _ => None,
    });
    let (what, container) = found?;
    let environment = container["env"].as_array().into_iter().flatten();
    let pair = |one: &Value| Some((one["name"].as_str()?.to_owned(), one["value"].as_str()?.to_owned()));
    Some(Part {
        pod: PodRef::of(pod),
        what,
        image: container["image"].as_str().unwrap_or_default().to_owned(),
        environment: environment.filter_map(pair).collect(),
    })
}

impl Observer for IdentityObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_sidecars_are_found_among_the_init_containers() {
        let pod = json!({ "metadata": { "name": "a", "namespace": "b" }, "spec": {
            "containers": [{ "name": "app", "image": "app:1" }],
            "initContainers": [{ "name": "istio-init", "image": "x" }, { "name": "istio-proxy", "image": "istio/proxyv2:1.28.3-distroless",
                "env": [{ "name": "ISTIO_META_CLUSTER_ID", "value": "one" }, { "name": "POD_NAME", "valueFrom": {} }] }] } });
        let part = part(&pod).unwrap();
        assert_eq!((part.what, version_of(&part.image).as_str()), ("proxy", "1.28.3"));
        assert_eq!(part.environment.get("ISTIO_META_CLUSTER_ID").map(String::as_str), Some("one"));
    }
}
