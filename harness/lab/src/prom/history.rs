//! Eleven minutes of scrapes before the lab starts, with requests to the applications.

use super::{config, rules, scrape};
use crate::clock::Ms;
use crate::mesh::hosts::full_host;
use crate::mesh::snapshot::upstream_name;
use crate::rng::Rng;
use crate::world::{Backend, Pod, Role, Uid, World};

/// How far back the data goes, milliseconds.
const SPAN: Ms = 660_000;
/// Scrapes are rarer until a minute before the start.
const COARSE: Ms = 20_000;
const FINE: Ms = 60_000;
/// Requests per second and productpage.
const RATE: i64 = 2;
/// The service that productpage requests.
const REVIEWS: &str = "reviews.bookinfo";

/// Fills every Prometheus with the recent past, and loads its rules.
pub(crate) fn backfill(world: &mut World) {
    let mut rng = Rng::new(world.rng.next());
    let mut at = -SPAN;
    while at < 0 {
        let step = if at < -FINE { COARSE } else { scrape::INTERVAL };
        world.now = at;
        for cluster in 0..world.clusters.len() {
            traffic(world, cluster, step, &mut rng);
            web_traffic(world, cluster, step, &mut rng);
        }
        // The hub scrapes last, because it federates the others.
        for cluster in (0..world.clusters.len()).rev() {
            if world.clusters[cluster].quirks.prometheus_frozen && at >= -FINE {
                continue;
            }
            world.now = at + 300 * (i64::try_from(world.clusters.len() - cluster).unwrap_or(0) - 1);
            scrape::round(world, cluster, at >= -FINE);
        }
        at += step;
    }
    for cluster in 0..world.clusters.len() {
        debug_assert!(config::peers(world, cluster).len() < 5);
        rules::drop_resolved(world, cluster);
    }
}

/// The requests to reviews in one interval, distributed by the locality weights.
fn traffic(world: &mut World, cluster: usize, span: Ms, rng: &mut Rng) {
    let ids: Vec<String> = world.clusters.iter().map(|here| here.ident.istio.clone()).collect();
    let alive: Vec<bool> = world
        .clusters
        .iter()
        .map(|serving| serving.pods.values().any(|pod| pod.label("app") == "reviews" && pod.ready))
        .collect();
    let rtt = world.rtt_ms;
    let silent = world.clusters[cluster].quirks.uncounted_remote_requests;
    let snapshot = world.clusters[cluster].istiod.snapshot.clone();
    let reachable = |serving: usize| {
        let name = upstream_name(9080, "", "reviews.bookinfo.svc.cluster.local");
        let found = snapshot.as_ref().and_then(|s| s.upstreams.get(&name).cloned());
        found.is_some_and(|upstream| upstream.endpoints.iter().any(|endpoint| endpoint.owner == serving))
    };
    let remote: Vec<usize> =
        (0..ids.len()).filter(|serving| *serving != cluster && alive[*serving] && reachable(*serving)).collect();
    for _ in 0..RATE * span / 1000 {
        let far = !remote.is_empty() && rng.chance(0.3);
        let serving = if far { remote[rng.index(remote.len())] } else { cluster };
        let ms = 3.0 + rng.exponential(3.0) + if far { rtt } else { 0.0 };
        let (destination, code) = if alive[serving] { (ids[serving].as_str(), 200) } else { ("unknown", 503) };
        if far && silent {
            continue;
        }
        for pod in world.clusters[cluster].pods.values_mut().filter(|pod| pod.role == Role::Productpage && pod.ready) {
            pod.metrics.record(REVIEWS, destination, code, ms);
        }
    }
}

/// The requests of applications to their backends in one interval, spread over the clusters with endpoints.
fn web_traffic(world: &mut World, cluster: usize, span: Ms, rng: &mut Rng) {
    let here = &world.clusters[cluster];
    let senders: Vec<(Uid, Vec<(String, String)>)> = here
        .pods
        .values()
        .filter(|pod| pod.ready && pod.proxy.is_some() && !pod.backends.is_empty())
        .map(|pod| (pod.uid.clone(), pod.backends.iter().map(|backend| destination(pod, backend)).collect()))
        .collect();
    let Some(snapshot) = here.istiod.snapshot.clone() else { return };
    for (uid, backends) in senders {
        for (service, upstream) in backends {
            let Some(upstream) = snapshot.upstreams.get(&upstream) else { continue };
            let priority = upstream.endpoints.iter().map(|endpoint| endpoint.priority).min();
            let used = upstream.endpoints.iter().filter(|endpoint| Some(endpoint.priority) == priority);
            let owners: Vec<usize> = used.map(|endpoint| endpoint.owner).collect();
            for _ in 0..RATE * span / 1000 {
                let owner = owners.get(rng.index(owners.len().max(1))).copied();
                let far = owner.is_some_and(|owner| owner != cluster);
                if far && world.clusters[cluster].quirks.uncounted_remote_requests {
                    continue;
                }
                let ms = 3.0 + rng.exponential(3.0) + if far { world.rtt_ms } else { 0.0 };
                let id = owner.map_or("unknown", |owner| world.clusters[owner].ident.istio.as_str()).to_owned();
                if let Some(pod) = world.clusters[cluster].pods.get_mut(&uid) {
                    pod.metrics.record(&service, &id, if owner.is_some() { 200 } else { 503 }, ms);
                }
            }
        }
    }
}

/// The service that an application requests, as `NAME.NAMESPACE`, and the Envoy cluster of it.
fn destination(pod: &Pod, backend: &Backend) -> (String, String) {
    let host = full_host(&backend.host, &pod.namespace);
    let service = host.trim_end_matches(".svc.cluster.local").to_owned();
    (service, upstream_name(backend.port, "", &host))
}
