//! Ten minutes of scrapes before the lab starts, with the requests someone made in them.

use super::{config, rules, scrape};
use crate::clock::Ms;
use crate::rng::Rng;
use crate::world::{Role, World};

/// How far back the data goes.
const SPAN: Ms = 660_000;
/// Scrapes are rarer until shortly before the start, when they come as often as they will.
const COARSE: Ms = 20_000;
const FINE: Ms = 60_000;
/// Requests per second and productpage, while the history lasts.
const RATE: i64 = 2;

/// Fills every Prometheus with the recent past, and loads its rules.
pub(crate) fn rehearse(world: &mut World) {
    let mut rng = Rng::new(world.rng.next());
    let mut at = -SPAN;
    while at < 0 {
        let step = if at < -FINE { COARSE } else { scrape::INTERVAL };
        world.now = at;
        for c in 0..world.clusters.len() {
            traffic(world, c, step, &mut rng);
        }
        // The hub goes last, as it copies from the others.
        for c in (0..world.clusters.len()).rev() {
            if world.clusters[c].quirks.prometheus_frozen && at >= -FINE {
                continue;
            }
            world.now = at + 300 * (i64::try_from(world.clusters.len() - c).unwrap_or(0) - 1);
            scrape::round(world, c, at >= -FINE);
        }
        at += step;
    }
    for c in 0..world.clusters.len() {
        debug_assert!(config::peers(world, c).len() < 5);
        rules::forget(world, c);
    }
}

/// What the pages served in one interval asked of reviews, as the locality weights share it out.
fn traffic(world: &mut World, c: usize, span: Ms, rng: &mut Rng) {
    let ids: Vec<String> = world.clusters.iter().map(|c| c.ident.istio.clone()).collect();
    let alive: Vec<bool> =
        world.clusters.iter().map(|d| d.pods.values().any(|p| p.label("app") == "reviews" && p.ready)).collect();
    let rtt = world.rtt_ms;
    let silent = world.clusters[c].quirks.silent_cross_metrics;
    let snapshot = world.clusters[c].istiod.snapshot.clone();
    let reachable = |d: usize| {
        let name = crate::mesh::snapshot::upstream_name(9080, "", "reviews.bookinfo.svc.cluster.local");
        let found = snapshot.as_ref().and_then(|s| s.upstreams.get(&name).cloned());
        found.is_some_and(|u| u.endpoints.iter().any(|e| e.owner == d))
    };
    let remote: Vec<usize> = (0..ids.len()).filter(|d| *d != c && alive[*d] && reachable(*d)).collect();
    for _ in 0..RATE * span / 1000 {
        let far = !remote.is_empty() && rng.chance(0.3);
        let d = if far { remote[rng.index(remote.len())] } else { c };
        let ms = 3.0 + rng.exponential(3.0) + if far { rtt } else { 0.0 };
        let (destination, code) = if alive[d] { (ids[d].as_str(), 200) } else { ("unknown", 503) };
        if far && silent {
            continue;
        }
        for pod in world.clusters[c].pods.values_mut().filter(|p| p.role == Role::Productpage && p.ready) {
            pod.metrics.record(destination, code, ms);
        }
    }
}
