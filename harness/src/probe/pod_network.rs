//! `podNetwork`: pod addresses are in the ranges that the mesh file declares for their cluster, and no two clusters share a
//! range. Pods on the host network are left out. Without declared ranges there is nothing to compare, and no pass.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::Cidr;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Cluster, Object, Permission, World, pod_addresses};
use crate::format::{ClusterChoice, MeshSpec};

/// The addresses of a cluster's pods, IPv4 and IPv6: inside the declared ranges, which no other cluster shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodNetwork {
    /// The cluster; its ranges are `expect.podCidrs` in the mesh file.
    pub cluster: ClusterChoice,
}

impl Observation for PodNetwork {
    fn describe(&self) -> String {
        format!("addresses of the pods ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "addresses".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        vec![Permission::new(self.cluster.key(), "", "", "pods", "list")]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mut others = Vec::new();
            for (key, spec) in world.mesh.iter().flat_map(|mesh| &mesh.spec.clusters) {
                if *key != cluster.key {
                    others.push((key.clone(), ranges(&spec.expect.pod_cidrs)?));
                }
            }
            let own = ranges(&cluster.spec.expect.pod_cidrs)?;
            let declared = Declared { key: cluster.key.clone(), own, others };
            Ok(Box::new(PodNetworkObserver { cluster, declared }) as Box<dyn Observer>)
        })
    }
}

fn ranges(texts: &[String]) -> Result<Vec<Cidr>, ProbeError> {
    texts.iter().map(|text| text.parse().map_err(|error| ProbeError(format!("podCidrs: {error}")))).collect()
}

struct PodNetworkObserver {
    cluster: Arc<Cluster>,
    declared: Declared,
}

/// The ranges of the mesh file.
struct Declared {
    key: String,
    own: Vec<Cidr>,
    others: Vec<(String, Vec<Cidr>)>,
}

impl PodNetworkObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        Ok(self.declared.judge(&pods))
    }
}

impl Declared {
    fn judge(&self, pods: &[Object]) -> Outcome {
        let key = &self.key;
        let found = self.addresses(pods);
        let declared = listed(&self.own);
        let seen =
            json!({ "pods": found.pods, "addresses": found.count, "outside": found.outside, "declared": declared });
        let mut missed: Vec<String> = self.overlaps();
        if let Some(first) = found.outside.first() {
            let (count, all) = (found.outside.len(), found.count);
            missed.push(format!("{count} of {all} pod addresses are outside {declared}: {first}"));
        }
        if !missed.is_empty() && !self.own.is_empty() {
            return Outcome::judged(false, format!("{} ({key})", missed.join("; ")), seen);
        }
        let no_data = |why: String| Outcome { seen: seen.clone(), ..Outcome::new(Answer::NoData, why) };
        if self.own.is_empty() {
            let field = format!("clusters.{key}.expect.podCidrs");
            return no_data(format!("nothing to compare with; set {field} in the mesh file"));
        }
        if found.pods == 0 {
            return no_data(format!("no pod of {key} has an address"));
        }
        let inside =
            format!("{} addresses of {} pods are inside {declared}", found.count - found.of_another_kind, found.pods);
        let mut unproven = Vec::new();
        if let Some(first) = found.undeclared {
            let count = found.of_another_kind;
            let field = format!("add the range to clusters.{key}.expect.podCidrs");
            unproven.push(format!("{count} have no declared range of their IP version: {first}; {field}"));
        }
        let bare: Vec<String> =
            self.others.iter().filter(|(_, ranges)| ranges.is_empty()).map(|(key, _)| key.clone()).collect();
        if !bare.is_empty() {
            let fields =
                bare.iter().map(|key| format!("clusters.{key}.expect.podCidrs")).collect::<Vec<_>>().join(", ");
            let apart = format!("whether they differ from those of {} is unknown", bare.join(", "));
            unproven.push(format!("{apart}; set {fields} in the mesh file"));
        }
        if !unproven.is_empty() {
            return no_data(format!("{inside}, but {} ({key})", unproven.join("; ")));
        }
        let others = self.others.iter().map(|(key, ranges)| format!("{key} ({})", listed(ranges))).collect::<Vec<_>>();
        let apart = if others.is_empty() { String::new() } else { format!(", separate from {}", others.join(", ")) };
        Outcome::judged(true, format!("all {inside}{apart} ({key})"), seen)
    }

    /// The other clusters whose declared ranges overlap with those of this one.
    fn overlaps(&self) -> Vec<String> {
        let clash = |(other, theirs): &(String, Vec<Cidr>)| {
            let of = |own: &Cidr| theirs.iter().find(|their| own.overlaps(their)).map(|their| (*own, *their));
            let (own, their) = self.own.iter().find_map(of)?;
            let key = &self.key;
            Some(format!("the declared ranges overlap: {own} of {key} and {their} of {other}"))
        };
        self.others.iter().filter_map(clash).collect()
    }

    fn addresses(&self, pods: &[Object]) -> Addresses {
        let mut found = Addresses::default();
        for pod in pods.iter().filter(|pod| pod["spec"]["hostNetwork"] != true) {
            let addresses = pod_addresses(pod);
            found.pods += usize::from(!addresses.is_empty());
            found.count += addresses.len();
            for address in addresses {
                if self.own.iter().any(|range| range.holds(address)) {
                    continue;
                }
                let of = self.others.iter().find(|(_, ranges)| ranges.iter().any(|range| range.holds(address)));
                let found_at = format!("pod {} has {address}", pod.object_ref());
                if let Some((other, _)) = of {
                    found.outside.push(format!("{found_at}, which is in the range of {other}"));
                } else if self.own.iter().any(|range| range.is_ipv4() == address.is_ipv4()) {
                    found.outside.push(found_at);
                } else {
                    found.of_another_kind += 1;
                    found.undeclared.get_or_insert(found_at);
                }
            }
        }
        found
    }
}

/// The addresses of pods, compared with the declared ranges.
#[derive(Debug, Default)]
struct Addresses {
    pods: usize,
    count: usize,
    /// Outside every declared range of their IP version, or inside the range of another cluster.
    outside: Vec<String>,
    /// Of an IP version without a declared range, and the first of them.
    of_another_kind: usize,
    undeclared: Option<String>,
}

fn listed(ranges: &[Cidr]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Observer for PodNetworkObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(own: &[&str], other: &[&str]) -> Declared {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Declared { key: "one".to_owned(), own: ranges(own), others: vec![("two".to_owned(), ranges(other))] }
    }

    fn pod(ips: &[&str]) -> Object {
        let ips: Vec<serde_json::Value> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
        Object::from(
            json!({ "metadata": { "name": "a", "namespace": "b" }, "status": { "podIP": ips[0]["ip"], "podIPs": ips } }),
        )
    }

    fn judged(declared: &Declared, pods: &[Object]) -> (Answer, String) {
        let outcome = declared.judge(pods);
        (outcome.answer, outcome.message)
    }

    #[test]
    fn every_address_of_a_pod_is_compared() {
        let both = declared(&["10.0.0.0/16", "fd00:1::/64"], &["10.1.0.0/16", "fd00:2::/64"]);
        let (answer, message) = judged(&both, &[pod(&["10.0.0.7", "fd00:1::7"])]);
        assert_eq!(answer, Answer::Good, "{message}");
        assert!(message.starts_with("all 2 addresses of 1 pods are inside"), "{message}");
        let (answer, message) = judged(&both, &[pod(&["10.0.0.7", "fd00:2::7"])]);
        assert!(answer != Answer::Good && message.contains("fd00:2::7, which is in the range of two"), "{message}");
        let (answer, message) = judged(&both, &[pod(&["10.0.0.7", "fd00:9::7"])]);
        assert!(answer != Answer::Good && message.starts_with("1 of 2 pod addresses are outside"), "{message}");
    }

    #[test]
    fn an_ip_version_without_a_range_is_not_compared() {
        let four = declared(&["10.0.0.0/16"], &["10.1.0.0/16"]);
        let (answer, message) = judged(&four, &[pod(&["10.0.0.7", "fd00:1::7"])]);
        assert_eq!(answer, Answer::NoData);
        assert!(
            message.starts_with("1 addresses of 1 pods are inside 10.0.0.0/16, but 1 have no declared range"),
            "{message}"
        );
    }

    #[test]
    fn a_cluster_without_a_range_is_not_apart() {
        let (answer, message) = judged(&declared(&["10.0.0.0/16"], &[]), &[pod(&["10.0.0.7"])]);
        assert_eq!(answer, Answer::NoData);
        assert!(message.contains("set clusters.two.expect.podCidrs in the mesh file"), "{message}");
        let (answer, _) = judged(&declared(&["10.0.0.0/16"], &[]), &[pod(&["10.3.0.7"])]);
        assert_ne!(answer, Answer::NoData, "outside is outside");
    }
}
