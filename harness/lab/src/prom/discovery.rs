//! Service discovery: the targets of a Prometheus.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::config;
use super::labels::Labels;
use super::target::{Target, TargetSource};
use crate::store::{object, resources};
use crate::world::{Discovery, World};

/// Whether relabelling keeps a pod.
fn is_kept(world: &World, cluster: usize, pod: &Value) -> bool {
    let annotated = object::annotation(pod, "prometheus.io/scrape") == Some("true");
    let lately = world.now >= -60_000 && world.clusters[cluster].quirks.discovery == Discovery::DroppedLately;
    annotated
        && !lately
        && object::text(pod, "/status/phase") == "Running"
        && !object::text(pod, "/status/podIP").is_empty()
}

/// The pods that service discovery returns.
fn pods(world: &World, cluster: usize) -> impl Iterator<Item = &Arc<Value>> {
    let any = world.clusters[cluster].quirks.discovery != Discovery::Nothing;
    world.clusters[cluster].store.list(resources::pods(), None).filter(move |_| any)
}

/// How many pods relabelling drops.
pub(super) fn dropped(world: &World, cluster: usize) -> usize {
    pods(world, cluster).filter(|pod| !is_kept(world, cluster, pod)).count()
}

pub(super) fn discover(world: &World, cluster: usize) -> Vec<Target> {
    let target = |job: &'static str, url: String, instance: String, extra: Vec<(&str, String)>, source, foreign| {
        let mut pairs = vec![("job", job.to_owned()), ("instance", instance)];
        pairs.extend(extra);
        Target {
            job,
            url,
            labels: Labels::new(pairs),
            source,
            up: false,
            error: String::new(),
            scraped: world.now,
            series: BTreeSet::new(),
            foreign,
        }
    };
    let mut found = vec![target(
        "prometheus",
        "http://localhost:9090/metrics".into(),
        "localhost:9090".into(),
        vec![],
        TargetSource::Itself,
        false,
    )];
    for pod in pods(world, cluster).filter(|pod| is_kept(world, cluster, pod)) {
        let annotation = |key: &str| object::annotation(pod, &format!("prometheus.io/{key}"));
        let ip = object::text(pod, "/status/podIP");
        let port = annotation("port").unwrap_or("80");
        let path = annotation("path").unwrap_or("/metrics");
        let labels = vec![
            ("namespace", object::namespace(pod).to_owned()),
            ("pod", object::name(pod).to_owned()),
            ("app", object::label(pod, "app").unwrap_or("").to_owned()),
        ];
        let source = TargetSource::Pod(object::uid(pod).into(), port.parse().unwrap_or(0));
        found.push(target(
            "kubernetes-pods",
            format!("http://{ip}:{port}{path}"),
            format!("{ip}:{port}"),
            labels,
            source,
            false,
        ));
    }
    for peer in config::peers(world, cluster) {
        let address = config::peer_address(world, cluster, peer);
        let url = format!(
            "http://{address}/federate?match%5B%5D=%7B__name__%3D~%22istio_.%2A%22%7D&match%5B%5D=up%7Bjob%3D%22kubernetes-pods%22%7D"
        );
        found.push(target("federate-peer", url, address, vec![], TargetSource::Peer(peer), true));
    }
    found
}
