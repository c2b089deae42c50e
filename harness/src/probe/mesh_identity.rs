//! `meshIdentity`: control plane, gateways and sidecars of a cluster have the declared version, and the mesh id, cluster id
//! and network of the mesh file. A part that does not report a value does not count as a match.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mesh_part::{self, Fact, Part, Source};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Cluster, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Version and identity of a cluster's control plane, gateways and sidecars: Istio version, mesh id, cluster id, network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshIdentity {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The version of Istio, such as `1.28.3`; by default `expect.istio` of the mesh file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The label with the network of a namespace or a gateway.
const NETWORK: &str = "topology.istio.io/network";

impl Observation for MeshIdentity {
    fn describe(&self) -> String {
        format!("version and identity of the mesh ({})", self.cluster)
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

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mesh_id = world.mesh.as_ref().and_then(|mesh| mesh.spec.expect.mesh_id.clone());
            let version = self.version.clone().or_else(|| cluster.spec.expect.istio.clone());
            let inventory = world.inventory();
            let others = inventory.control_planes.values().filter_map(|plane| plane.version.clone()).collect();
            let primary = inventory.primaries(&world.keys()).contains(&cluster.key);
            Ok(Box::new(IdentityObserver { cluster, mesh_id, version, others, primary }) as Box<dyn Observer>)
        })
    }
}

struct IdentityObserver {
    cluster: Arc<Cluster>,
    mesh_id: Option<String>,
    version: Option<String>,
    /// Versions of other revisions, such as a canary.
    others: Vec<String>,
    /// Whether it runs a control plane.
    primary: bool,
}

impl IdentityObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let mut parts: Vec<Part> = pods.iter().filter_map(Part::read).collect();
        let count = |what: &str| parts.iter().filter(|part| part.what == what).count();
        let (planes, proxies) = (count("istiod"), count("proxy"));
        if (planes == 0 && self.primary) || proxies == 0 {
            let message =
                format!("{planes} istiods and {proxies} proxies run in {key}, so there is nothing to compare");
            return Ok(Outcome::judged(false, message, Value::Null));
        }
        let wanted = self.wanted();
        let facts: Vec<Fact> = wanted.iter().map(|(fact, _)| *fact).collect();
        mesh_part::ask(&self.cluster, &mut parts, self.version.as_deref(), &facts).await;
        let labelled = self.networks().await?;
        let found = judge(&parts, self.version.as_deref(), &self.others, &wanted);
        let seen =
            json!({ "istiods": planes, "proxies": proxies, "versions": found.versions, "reported": found.reported });
        let missed: Vec<String> = found.missed.into_iter().chain(labelled).collect();
        if !missed.is_empty() {
            return Ok(Outcome::judged(false, format!("{} ({key})", missed.join("; ")), seen));
        }
        let flat = self.cluster.spec.network.is_none() && parts.iter().all(|part| part.fact(Fact::Network).is_none());
        let undeclared = [
            (self.version.is_none(), format!("clusters.{key}.expect.istio")),
            (self.mesh_id.is_none(), "expect.meshID".to_owned()),
            (self.cluster.spec.network.is_none() && !flat, format!("clusters.{key}.network")),
        ];
        let undeclared = undeclared.into_iter().filter(|(undeclared, _)| *undeclared);
        let undeclared = undeclared.map(|(_, name)| format!("nothing to compare with; set {name} in the mesh file"));
        let unknown: Vec<String> = found.unknown.into_iter().chain(undeclared).collect();
        let reported = found.reported.join(", ");
        if !unknown.is_empty() {
            let message = format!("{} ({key}; {reported})", unknown.join("; "));
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        let network = if flat { "; no network is declared or reported" } else { "" };
        let message =
            format!("{planes} istiods and {proxies} proxies match the mesh file: {reported}{network} ({key})");
        Ok(Outcome::judged(true, message, seen))
    }

    /// The values of the mesh file for this cluster.
    fn wanted(&self) -> Vec<(Fact, &str)> {
        let network = self.cluster.spec.network.as_deref().map(|network| (Fact::Network, network));
        let mesh_id = self.mesh_id.as_deref().map(|id| (Fact::Mesh, id));
        [(Fact::Cluster, self.cluster.istio_id())].into_iter().chain(network).chain(mesh_id).collect()
    }

    /// Reports namespaces and gateway Services with the label of another network.
    async fn networks(&self) -> Result<Vec<String>, ProbeError> {
        let Some(wanted) = self.cluster.spec.network.as_deref() else { return Ok(Vec::new()) };
        let mut missed = Vec::new();
        for (path, what) in [("/api/v1/namespaces", "namespace"), ("/api/v1/services", "Service")] {
            for object in self.cluster.list(path, Some(NETWORK)).await? {
                let found = object.label(NETWORK).unwrap_or_default();
                if found != wanted {
                    let name = object.name();
                    missed.push(format!("{what} {name} has the network label {found}, expected {wanted}"));
                }
            }
        }
        Ok(missed)
    }
}

/// The comparison of the parts with the expected values.
#[derive(Debug, Default)]
struct Findings {
    /// Differences.
    missed: Vec<String>,
    /// Values that no part reports, and parts that report nothing.
    unknown: Vec<String>,
    /// How many parts reported each fact.
    reported: Vec<String>,
    /// All versions found.
    versions: BTreeSet<String>,
}

fn judge(parts: &[Part], version: Option<&str>, others: &[String], wanted: &[(Fact, &str)]) -> Findings {
    let mut found = Findings::default();
    found.versions(parts, version, others);
    for (fact, wanted) in wanted {
        found.fact(parts, *fact, wanted);
    }
    let silent = |part: &&Part| wanted.iter().all(|(fact, _)| part.fact(*fact).is_none());
    if let Some(part) = parts.iter().find(silent) {
        let count = parts.iter().filter(silent).count();
        let why = if part.why.is_empty() { String::new() } else { format!(" ({})", part.why) };
        let message =
            format!("{count} of {} parts do not report their identity: {} {}{why}", parts.len(), part.what, part.pod);
        found.unknown.push(message);
    }
    found
}

impl Findings {
    fn versions(&mut self, parts: &[Part], wanted: Option<&str>, also: &[String]) {
        let known = parts.iter().filter_map(|part| part.version.as_ref().map(|version| (part, version)));
        let mut sources: BTreeMap<Source, usize> = BTreeMap::new();
        let mut others: Vec<String> = Vec::new();
        for (part, (version, source)) in known {
            *sources.entry(*source).or_default() += 1;
            self.versions.insert(version.clone());
            if wanted.is_some_and(|wanted| wanted != version) && !also.contains(version) {
                others.push(format!("{} {} is {version} {}", part.what, part.pod, source.word()));
            }
        }
        if let (Some(wanted), Some(first)) = (wanted, others.first()) {
            let wanted =
                std::iter::once(wanted).chain(also.iter().map(String::as_str)).collect::<Vec<_>>().join(" or ");
            self.missed.push(format!("{} of {} parts are not {wanted}: {first}", others.len(), parts.len()));
        }
        let mut nameless = parts.iter().filter(|part| part.version.is_none());
        if let Some(part) = nameless.next() {
            let (count, all) = (nameless.count() + 1, parts.len());
            let why = if part.why.is_empty() { "nothing reports it" } else { &part.why };
            let image = &part.image;
            self.unknown.push(format!(
                "the version of {count} of {all} parts is unknown: {} {}, image {image} ({why})",
                part.what, part.pod
            ));
        }
        let versions = self.versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let sources: Vec<String> = sources.iter().map(|(source, count)| format!("{count} {}", source.word())).collect();
        if !sources.is_empty() {
            self.reported.push(format!("version {versions} ({})", sources.join(", ")));
        }
    }

    fn fact(&mut self, parts: &[Part], fact: Fact, wanted: &str) {
        let able = parts.iter().filter(|part| part.can_report(fact)).count();
        let reported: Vec<(&Part, &str)> = parts.iter().filter_map(|part| Some((part, part.fact(fact)?))).collect();
        let word = fact.word();
        if let Some((part, other)) = reported.iter().find(|(_, reported)| *reported != wanted) {
            self.missed.push(format!("{} {} has the {word} {other}, expected {wanted}", part.what, part.pod));
        }
        if reported.is_empty() {
            self.unknown.push(format!("no part reports its {word}, expected {wanted}"));
        }
        self.reported.push(format!("{word} reported by {} of {able}", reported.len()));
    }
}

impl Observer for IdentityObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy with an image and an environment.
    fn proxy(image: &str, environment: &[(&str, &str)]) -> Part {
        let env: Vec<Value> = environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let container = json!({ "name": "istio-proxy", "image": image, "env": env });
        let pod = json!({ "metadata": { "name": "a", "namespace": "b" }, "spec": { "containers": [container] } });
        Part::read(&pod.into()).unwrap()
    }

    const TAGGED: &str = "proxyv2:1.28.3";
    const WHO: [(&str, &str); 2] = [("ISTIO_META_CLUSTER_ID", "one"), ("ISTIO_META_NETWORK", "net")];
    const WANTED: [(Fact, &str); 2] = [(Fact::Cluster, "one"), (Fact::Network, "net")];

    #[test]
    fn parts_that_tell_are_counted_and_no_others() {
        let found = judge(&[proxy(TAGGED, &WHO), proxy(TAGGED, &WHO[..1])], Some("1.28.3"), &[], &WANTED);
        assert!(found.missed.is_empty() && found.unknown.is_empty(), "{found:?}");
        let reported =
            ["version 1.28.3 (2 by image tag)", "cluster id reported by 2 of 2", "network reported by 1 of 2"];
        assert_eq!(found.reported, reported);
    }

    #[test]
    fn what_nobody_tells_is_not_agreed_upon() {
        let found = judge(&[proxy(TAGGED, &WHO[..1])], Some("1.28.3"), &[], &WANTED);
        assert_eq!(found.unknown, ["no part reports its network, expected net"]);
        let found = judge(&[proxy(TAGGED, &WHO), proxy(TAGGED, &[])], Some("1.28.3"), &[], &WANTED);
        assert_eq!(found.unknown, ["1 of 2 parts do not report their identity: proxy b/a"]);
        let found = judge(&[proxy(TAGGED, &[("ISTIO_META_CLUSTER_ID", "two")])], None, &[], &WANTED);
        assert_eq!(found.missed, ["proxy b/a has the cluster id two, expected one"]);
    }

    #[test]
    fn a_version_that_nothing_tells_is_unknown_and_not_another() {
        let found = judge(&[proxy("proxyv2@sha256:00ff", &WHO), proxy(TAGGED, &WHO)], Some("1.28.3"), &[], &WANTED);
        let unknown =
            "the version of 1 of 2 parts is unknown: proxy b/a, image proxyv2@sha256:00ff (nothing reports it)";
        assert_eq!((found.missed.len(), found.unknown), (0, vec![unknown.to_owned()]));
        let found = judge(&[proxy(TAGGED, &WHO)], Some("1.28.4"), &[], &WANTED);
        assert_eq!(found.missed, ["1 of 1 parts are not 1.28.4: proxy b/a is 1.28.3 by image tag"]);
    }
}
