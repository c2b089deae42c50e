//! What a proxy does with a request: route, inject faults, pick an endpoint, connect, retry, time out, count.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::apps;
use super::call::{HttpAnswer, HttpCall};
use super::connect::{Connected, connect};
use super::latency;
use crate::engine::Engine;
use crate::mesh::balance::{Address, Outcome};
use crate::mesh::control;
use crate::mesh::hosts::host_matches;
use crate::mesh::snapshot::{Snapshot, Upstream, upstream_name};
use crate::mesh::virtual_service::{Retries, Route};
use crate::world::{Uid, World};

/// Istio's default `connectTimeout`.
const CONNECT: Duration = Duration::from_secs(10);

const UNAVAILABLE: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, \
                           transport failure reason: delayed connect error: Connection refused";
const RESET: &str = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";

/// What the proxy of a pod will do with a request.
pub(crate) struct ForwardPlan {
    route: Option<Arc<Route>>,
    upstream: Option<Arc<Upstream>>,
}

/// Plans for a request to a mesh service from the sidecar of a pod; `None` when the proxy does not know the host.
pub(crate) fn plan(
    world: &mut World,
    cluster: usize,
    uid: &Uid,
    host: &str,
    port: u16,
    call: &HttpCall,
) -> Option<ForwardPlan> {
    let pod = world.clusters[cluster].pods.get(uid)?;
    let snapshot = pod.proxy.as_ref()?.snapshot.clone()?;
    snapshot.hosts.get(host).filter(|ports| ports.contains(&port))?;
    let route = match snapshot.routes_at(host, port, &pod.namespace) {
        // A host whose routes do not match answers 404.
        Some(routes) => match routes.iter().find(|r| matches(r, call)) {
            Some(found) => Some(found.clone()),
            None => return Some(ForwardPlan { route: None, upstream: None }),
        },
        None => None,
    };
    Some(choose(world, &snapshot, route, host, port))
}

fn matches(route: &Route, call: &HttpCall) -> bool {
    route.matches(&call.path) && route.headers.iter().all(|(k, v)| call.header(k) == Some(v))
}

fn choose(world: &mut World, snapshot: &Snapshot, route: Option<Arc<Route>>, host: &str, port: u16) -> ForwardPlan {
    let name = match route.as_ref().map(|route| &route.destinations).filter(|destination| !destination.is_empty()) {
        Some(destinations) => {
            let total: u32 = destinations.iter().map(|destination| destination.weight).sum();
            let mut at = (world.rng.unit() * f64::from(total)) as u32;
            let chosen = destinations
                .iter()
                .find(|destination| {
                    let hit = at < destination.weight;
                    at = at.saturating_sub(destination.weight);
                    hit
                })
                .unwrap_or(&destinations[0]);
            let port = chosen.port.or_else(|| {
                snapshot.hosts.get(&chosen.host).map(|ports| if ports.contains(&port) { port } else { ports[0] })
            });
            upstream_name(port.unwrap_or(port_of(port)), &chosen.subset, &chosen.host)
        }
        None => upstream_name(port, "", host),
    };
    ForwardPlan { upstream: snapshot.upstreams.get(&name).cloned(), route }
}

fn port_of(port: Option<u16>) -> u16 {
    port.unwrap_or(80)
}

/// A request that arrived at a gateway's HTTP server on the Gateway object's port `number`.
pub(crate) async fn gateway(engine: &Engine, cluster: usize, uid: &Uid, number: u16, call: &HttpCall) -> HttpAnswer {
    let plan = engine.with(|world| {
        let pod = world.clusters[cluster].pods.get_mut(uid)?;
        let draining = pod.terminating();
        let (labels, namespace) = (&pod.labels, &pod.namespace);
        let proxy = pod.proxy.as_mut()?;
        proxy.downstream += 1;
        let snapshot = proxy.snapshot.clone()?;
        let servers = snapshot.servers.iter().filter(|s| s.port == number && s.selector.matches(Some(labels)));
        let host = call.header("host").unwrap_or("").split(':').next().unwrap_or("");
        // The most specific virtual host answers, even if none of its routes matches.
        let known = servers.flat_map(|s| s.hosts(namespace).into_iter().map(move |own| (s, own)));
        let chosen = known.filter(|(_, own)| host_matches(own, host)).min_by_key(|(_, own)| own.starts_with('*'));
        let route = chosen.and_then(|(s, own)| s.routes_of_host(own, namespace).find(|r| matches(r, call)).cloned());
        let noise = latency::gateway(&mut world.rng);
        Some((route.map(|r| choose(world, &snapshot, Some(r), "", number)), draining, noise))
    });
    let Some((plan, draining, noise)) = plan else { return HttpAnswer::local(503, RESET) };
    let mut answer = match plan {
        Some(plan) => execute(engine, cluster, uid, plan, call, noise).await,
        None => HttpAnswer { body: bytes::Bytes::new(), ..HttpAnswer::local(404, "") },
    };
    let quirk = engine.with(|world| {
        let here = &world.clusters[cluster];
        let revision = here.pods.get(uid).map_or("default", |pod| pod.revision.as_str());
        let lost = here.quirks.needs_istiod && !control::serves(world, cluster, revision);
        let rate = here.quirks.gateway_errors;
        lost || world.rng.chance(rate)
    });
    if quirk {
        answer = HttpAnswer::local(503, "no healthy upstream");
    }
    answer.close = draining;
    answer
}

/// Carries out a plan: faults, timeout, attempts.
pub(crate) async fn execute(
    engine: &Engine,
    cluster: usize,
    uid: &Uid,
    plan: ForwardPlan,
    call: &HttpCall,
    noise: f64,
) -> HttpAnswer {
    let Some(upstream) = plan.upstream else {
        let status = plan.route.as_ref().map_or(404, |route| route.unresolved);
        return HttpAnswer { body: bytes::Bytes::new(), ..HttpAnswer::local(status, "") };
    };
    let fault = plan.route.as_ref().map(|r| r.fault.clone()).unwrap_or_default();
    if let Some((delay, share)) = fault.delay
        && engine.with(|world| world.rng.chance(share))
    {
        sleep(Duration::from_millis(u64::try_from(delay).unwrap_or(0))).await;
    }
    if let Some((status, share)) = fault.abort
        && engine.with(|world| world.rng.chance(share))
    {
        return HttpAnswer::local(status, "fault filter abort");
    }
    let retries = plan.route.as_ref().map(|r| r.retries.clone()).unwrap_or_default();
    let attempts = attempts(engine, cluster, uid, &upstream, &retries, call, noise);
    match plan.route.as_ref().and_then(|r| r.timeout) {
        Some(limit) => timeout(Duration::from_millis(u64::try_from(limit).unwrap_or(0)), attempts)
            .await
            .unwrap_or_else(|_| HttpAnswer::local(504, "upstream request timeout")),
        None => attempts.await,
    }
}

async fn attempts(
    engine: &Engine,
    cluster: usize,
    uid: &Uid,
    upstream: &Arc<Upstream>,
    retries: &Retries,
    call: &HttpCall,
    noise: f64,
) -> HttpAnswer {
    let mut tried = Vec::new();
    loop {
        let (answer, outcome) = attempt(engine, cluster, uid, upstream, retries, call, &mut tried, noise).await;
        let again = match outcome {
            Outcome::Success | Outcome::NoHost => false,
            Outcome::ConnectFail => retries.on_connect,
            Outcome::Reset => retries.on_reset,
            Outcome::Error | Outcome::Timeout => retries.on_5xx,
        };
        if !again || answer.cut || u32::try_from(tried.len()).is_ok_and(|tries| tries > retries.attempts) {
            return answer;
        }
        let backoff = engine.with(|world| world.rng.between(1, 25 << tried.len().min(4)));
        sleep(Duration::from_millis(u64::try_from(backoff).unwrap_or(1))).await;
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one attempt")]
async fn attempt(
    engine: &Engine,
    cluster: usize,
    uid: &Uid,
    upstream: &Arc<Upstream>,
    retries: &Retries,
    call: &HttpCall,
    tried: &mut Vec<Address>,
    noise: f64,
) -> (HttpAnswer, Outcome) {
    let picked = engine.with(|world| {
        let now = world.now;
        let World { clusters, rng, .. } = world;
        let proxy = clusters[cluster].pods.get_mut(uid)?.proxy.as_mut()?;
        proxy.pick(upstream, now, tried, rng).cloned()
    });
    let Some(endpoint) = picked else { return (HttpAnswer::local(503, "no healthy upstream"), Outcome::NoHost) };
    tried.push((endpoint.ip, endpoint.port));
    let limit = retries.per_try.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    let connecting = async {
        let mut waits = latency::RETRANSMIT.iter();
        loop {
            match engine.with(|world| connect(world, cluster, uid, upstream, &endpoint)) {
                Connected::Dropped => match waits.next() {
                    Some(ms) => sleep(Duration::from_millis(*ms)).await,
                    None => return Connected::Refused,
                },
                other => return other,
            }
        }
    };
    let whole = async {
        let reached = timeout(CONNECT, connecting).await.unwrap_or(Connected::Refused);
        match reached {
            Connected::Pod { cluster: there, uid: target, port, remote } => {
                let answer = apps::deliver(engine, (there, &target), port, call, remote, noise).await;
                match answer {
                    Some(answer) if answer.status >= 500 => (answer, Outcome::Error),
                    Some(answer) => (answer, Outcome::Success),
                    None => (HttpAnswer::local(503, RESET), Outcome::Reset),
                }
            }
            Connected::Refused | Connected::Dropped => (HttpAnswer::local(503, UNAVAILABLE), Outcome::ConnectFail),
        }
    };
    let (answer, outcome) = match limit {
        Some(limit) => timeout(limit, whole)
            .await
            .unwrap_or_else(|_| (HttpAnswer::local(504, "upstream request timeout"), Outcome::Timeout)),
        None => whole.await,
    };
    engine.with(|world| {
        let now = world.now;
        if let Some(proxy) = world.clusters[cluster].pods.get_mut(uid).and_then(|pod| pod.proxy.as_mut()) {
            proxy.report(upstream, (endpoint.ip, endpoint.port), outcome, now);
        }
    });
    (answer, outcome)
}
