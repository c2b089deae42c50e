//! `podNetwork`: pods have addresses of the ranges that the mesh file declares for their cluster, and no two clusters
//! share a range. Pods on their node's network are left out.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::Cidr;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Kind, Observer, Role};
use super::outcome::settle;
use super::{Answer, CannotAsk, Outcome};
use crate::cluster::{Cluster, Permission, PodRef, World};
use crate::spec::{ClusterChoice, MeshSpec};

/// The addresses of a cluster's pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodNetwork {
    /// The cluster; its ranges are `expect.podCidrs` of the mesh file.
    pub cluster: ClusterChoice,
}

impl Kind for PodNetwork {
    fn describe(&self) -> String {
        format!("addresses of the pods of {}", self.cluster)
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

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mut others = Vec::new();
            for (key, spec) in world.mesh.iter().flat_map(|mesh| &mesh.spec.clusters) {
                if *key != cluster.key {
                    others.push((key.clone(), ranges(&spec.expect.pod_cidrs)?));
                }
            }
            let own = ranges(&cluster.spec.expect.pod_cidrs)?;
            Ok(Box::new(PodNetworkObserver { cluster, own, others }) as Box<dyn Observer>)
        })
    }
}

fn ranges(texts: &[String]) -> Result<Vec<Cidr>, CannotAsk> {
    texts.iter().map(|text| text.parse().map_err(|error| CannotAsk(format!("podCidrs: {error}")))).collect()
}

struct PodNetworkObserver {
    cluster: Arc<Cluster>,
    own: Vec<Cidr>,
    others: Vec<(String, Vec<Cidr>)>,
}

impl PodNetworkObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let key = &self.cluster.key;
        let mut missed = Vec::new();
        for (other, theirs) in &self.others {
            let clash =
                self.own.iter().find_map(|own| theirs.iter().find(|their| own.overlaps(their)).map(|t| (own, t)));
            if let Some((own, their)) = clash {
                missed.push(format!("the declared ranges overlap: {own} of {key} and {their} of {other}"));
            }
        }
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let mut outside = Vec::new();
        let mut looked_at = 0;
        for (pod, address) in pods.iter().filter(|pod| pod["spec"]["hostNetwork"] != true).filter_map(addressed) {
            looked_at += 1;
            if self.own.iter().any(|range| range.holds(address)) {
                continue;
            }
            let of = self.others.iter().find(|(_, ranges)| ranges.iter().any(|range| range.holds(address)));
            let of = of.map_or_else(String::new, |(other, _)| format!(", which is in the range of {other}"));
            outside.push(format!("pod {pod} has {address}{of}"));
        }
        let declared = self.own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let seen = json!({ "pods": looked_at, "outside": outside, "declared": declared });
        if self.own.is_empty() {
            let message = format!("the mesh file declares no range to compare with: clusters.{key}.expect.podCidrs");
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        if looked_at == 0 {
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, format!("no pod of {key} has an address")) });
        }
        if let Some(first) = outside.first() {
            missed.push(format!("{} of {looked_at} pods are outside {declared}: {first}", outside.len()));
        }
        let message = match missed.as_slice() {
            [] => format!("all {looked_at} pods are inside {declared}, apart from every other cluster ({key})"),
            missed => format!("{} ({key})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

/// A pod that runs, with its address.
fn addressed(pod: &Value) -> Option<(PodRef, IpAddr)> {
    Some((PodRef::of(pod), pod["status"]["podIP"].as_str()?.parse().ok()?))
}

impl Observer for PodNetworkObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
