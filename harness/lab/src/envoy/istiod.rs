//! istiod's debug pages and metrics.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::format::{TEXT, pretty};
use crate::mesh::control;
use crate::mesh::istiod::RemoteSync;
use crate::plane::call::{HttpAnswer, HttpCall, JSON};
use crate::store::object;
use crate::world::{Cluster, Pod, Uid, World};

/// Answers one request to istiod's HTTP port.
pub(crate) fn answer(world: &World, cluster: usize, uid: &Uid, call: &HttpCall) -> HttpAnswer {
    let here = &world.clusters[cluster];
    let own = here.pods.get(uid);
    let version = own.map_or_else(|| here.quirks.istio().to_owned(), |pod| control::version(here, pod));
    match call.bare_path() {
        "/debug/clusterz" => HttpAnswer::new(200, JSON, clusterz(world, cluster).to_string()),
        "/debug/syncz" => HttpAnswer::new(200, JSON, pretty(&syncz(world, uid)).trim_end().to_owned()),
        "/debug/registryz" => HttpAnswer::new(200, JSON, registryz(world, cluster).to_string()),
        "/debug" | "/debug/" => HttpAnswer::new(
            200,
            "text/html; charset=utf-8",
            "<html><body>/debug/clusterz /debug/registryz /debug/syncz</body></html>\n",
        ),
        "/version" => HttpAnswer::new(200, TEXT, format!("{version}-93248f9ae092f571eb870b7664c534bfc7d00f03-Clean")),
        "/ready" | "/healthz/ready" => HttpAnswer::new(200, TEXT, ""),
        "/metrics" => {
            HttpAnswer::new(200, "text/plain; version=0.0.4; charset=utf-8", metrics(world, cluster, uid, &version))
        }
        _ => HttpAnswer::new(404, TEXT, "404 page not found\n"),
    }
}

fn clusterz(world: &World, cluster: usize) -> Value {
    let here = &world.clusters[cluster];
    let mut list = vec![json!({"id": here.ident.istio, "secretName": "", "syncStatus": "synced"})];
    for (other, state) in here.istiod.sync.iter().enumerate().filter(|(other, _)| *other != cluster) {
        let id = &world.clusters[other].ident.istio;
        let secret = control::remote_secret(&here.store, id);
        let secret = secret.map(|secret| format!("{}/{}", object::namespace(secret), object::name(secret)));
        let status = match state {
            RemoteSync::Unknown => continue,
            RemoteSync::Synced => "synced",
            RemoteSync::Syncing => "syncing",
        };
        list.push(json!({"id": id, "secretName": secret.unwrap_or_default(), "syncStatus": status}));
    }
    json!(list)
}

/// The proxies that are connected to a pod of istiod, with their clusters.
fn proxies<'a>(world: &'a World, uid: &'a Uid) -> impl Iterator<Item = (&'a Cluster, &'a Pod)> {
    world.clusters.iter().enumerate().flat_map(move |(cluster, here)| {
        let configured = |pod: &&Pod| pod.proxy.as_ref().is_some_and(|x| x.snapshot.is_some()) && pod.network;
        let own =
            move |pod: &&Pod| control::instance_of(world, cluster, pod).is_some_and(|instance| instance.uid == *uid);
        here.pods.values().filter(configured).filter(own).map(move |pod| (here, pod))
    })
}

fn syncz(world: &World, uid: &Uid) -> Value {
    let mut list: Vec<(String, Value)> = proxies(world, uid)
        .map(|(here, pod)| {
            let latest = here.istiod.snapshot.as_ref().map_or((0, 0), |s| (s.version, s.at));
            let version = control::version(here, pod);
            let acked = pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref()).map_or((0, 0), |s| (s.version, s.at));
            let mut entry = json!({"cluster_id": here.ident.istio, "proxy": format!("{}.{}", pod.name, pod.namespace),
                "proxy_type": if pod.gateway() { "router" } else { "sidecar" }, "istio_version": version});
            let mut resources = serde_json::Map::new();
            for (short, url) in [
                ("cluster", "envoy.config.cluster.v3.Cluster"),
                ("listener", "envoy.config.listener.v3.Listener"),
                ("route", "envoy.config.route.v3.RouteConfiguration"),
                ("endpoint", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
            ] {
                let nonce = |(version, at): (u64, i64)| {
                    let mut rng = crate::rng::Rng::new(version ^ short.len() as u64);
                    format!("{}/{}", world.dates.seconds(at), rng.uuid())
                };
                entry[format!("{short}_sent")] = json!(nonce(latest));
                entry[format!("{short}_acked")] = json!(nonce(acked));
                let at = world.dates.millis(latest.1);
                resources.insert(
                    format!("type.googleapis.com/{url}"),
                    json!({"sent": nonce(latest), "acked": nonce(acked), "sentTime": at}),
                );
            }
            entry["resources"] = Value::Object(resources);
            (pod.name.clone(), entry)
        })
        .collect();
    list.sort_by(|a, b| a.0.cmp(&b.0));
    json!(list.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>())
}

fn registryz(world: &World, cluster: usize) -> Value {
    let snapshot = world.clusters[cluster].istiod.snapshot.as_ref();
    let mut hosts: Vec<&String> = snapshot.map(|s| s.hosts.keys().collect()).unwrap_or_default();
    hosts.sort();
    json!(
        hosts
            .iter()
            .map(|h| json!({"hostname": h, "Attributes": {"ServiceRegistry": "Kubernetes"}}))
            .collect::<Vec<_>>()
    )
}

fn metrics(world: &World, cluster: usize, uid: &Uid, version: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# TYPE istio_build gauge\nistio_build{{component=\"pilot\",tag=\"{version}\"}} 1");
    let _ = writeln!(out, "# TYPE pilot_info gauge\npilot_info{{version=\"{version}\"}} 1");
    let _ = writeln!(out, "# TYPE pilot_xds gauge\npilot_xds{{version=\"{version}\"}} {}", proxies(world, uid).count());
    let pushes = world.clusters[cluster].istiod.snapshot.as_ref().map_or(0, |s| s.version);
    let _ = writeln!(out, "# TYPE pilot_xds_pushes counter\npilot_xds_pushes{{type=\"eds\"}} {pushes}");
    let synced = world.clusters[cluster].istiod.sync.iter().filter(|s| **s == RemoteSync::Synced).count();
    let _ = writeln!(
        out,
        "# TYPE istiod_managed_clusters gauge\nistiod_managed_clusters{{cluster_type=\"remote\"}} {}",
        synced.saturating_sub(1)
    );
    out
}
