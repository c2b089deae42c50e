//! What a proxy does with a request: route, fault, pick, connect, retry, time out, report.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::apps;
use super::call::{Answer, Call};
use super::connect::{Connected, connect};
use super::latency;
use crate::engine::Engine;
use crate::mesh::balance::{Address, Outcome};
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
pub(crate) struct Plan {
    route: Option<Arc<Route>>,
    upstream: Option<Arc<Upstream>>,
}

/// Plans for a request to a mesh service from the sidecar of a pod; `None` when the proxy does not know the host.
pub(crate) fn plan(world: &mut World, c: usize, uid: &Uid, host: &str, port: u16, call: &Call) -> Option<Plan> {
    let pod = world.clusters[c].pods.get(uid)?;
    let snapshot = pod.proxy.as_ref()?.snapshot.clone()?;
    snapshot.hosts.get(host).filter(|ports| ports.contains(&port))?;
    let route = match snapshot.routes_at(host, port, &pod.namespace) {
        // A host with routes of which none matches answers 404.
        Some(routes) => match routes.iter().find(|r| matches(r, call)) {
            Some(found) => Some(found.clone()),
            None => return Some(Plan { route: None, upstream: None }),
        },
        None => None,
    };
    Some(choose(world, &snapshot, route, host, port))
}

fn matches(route: &Route, call: &Call) -> bool {
    route.matches(&call.path) && route.headers.iter().all(|(k, v)| call.header(k) == Some(v))
}

fn choose(world: &mut World, snapshot: &Snapshot, route: Option<Arc<Route>>, host: &str, port: u16) -> Plan {
    let name = match route.as_ref().map(|r| &r.destinations).filter(|d| !d.is_empty()) {
        Some(destinations) => {
            let total: u32 = destinations.iter().map(|d| d.weight).sum();
            let mut at = (world.rng.unit() * f64::from(total)) as u32;
            let chosen = destinations
                .iter()
                .find(|d| {
                    let hit = at < d.weight;
                    at = at.saturating_sub(d.weight);
                    hit
                })
                .unwrap_or(&destinations[0]);
            let port = chosen
                .port
                .or_else(|| snapshot.hosts.get(&chosen.host).map(|p| if p.contains(&port) { port } else { p[0] }));
            upstream_name(port.unwrap_or(port_of(port)), &chosen.subset, &chosen.host)
        }
        None => upstream_name(port, "", host),
    };
    Plan { upstream: snapshot.upstreams.get(&name).cloned(), route }
}

fn port_of(port: Option<u16>) -> u16 {
    port.unwrap_or(80)
}

/// A request that arrived at a gateway's HTTP server on the Gateway object's port `number`.
pub(crate) async fn gateway(engine: &Engine, c: usize, uid: &Uid, number: u16, call: &Call) -> Answer {
    let plan = engine.with(|world| {
        let pod = world.clusters[c].pods.get_mut(uid)?;
        let draining = pod.terminating();
        let (labels, namespace) = (&pod.labels, &pod.namespace);
        let proxy = pod.proxy.as_mut()?;
        proxy.downstream += 1;
        let snapshot = proxy.snapshot.clone()?;
        let servers = snapshot.servers.iter().filter(|s| s.port == number && s.selector.matches(Some(labels)));
        let host = call.header("host").unwrap_or("").split(':').next().unwrap_or("");
        // The most exact of the virtual hosts answers, whether or not one of its routes matches.
        let known = servers.flat_map(|s| s.hosts(namespace).into_iter().map(move |own| (s, own)));
        let chosen = known.filter(|(_, own)| host_matches(own, host)).min_by_key(|(_, own)| own.starts_with('*'));
        let route = chosen.and_then(|(s, own)| s.of_host(own, namespace).find(|r| matches(r, call)).cloned());
        let noise = latency::gateway(&mut world.rng);
        Some((route.map(|r| choose(world, &snapshot, Some(r), "", number)), draining, noise))
    });
    let Some((plan, draining, noise)) = plan else { return Answer::local(503, RESET) };
    let mut answer = match plan {
        Some(plan) => carry(engine, c, uid, plan, call, noise).await,
        None => Answer { body: bytes::Bytes::new(), ..Answer::local(404, "") },
    };
    let quirk = engine.with(|world| {
        let cluster = &world.clusters[c];
        let lost = cluster.quirks.needs_istiod && !cluster.istiod_serving();
        let rate = cluster.quirks.gateway_errors;
        lost || world.rng.chance(rate)
    });
    if quirk {
        answer = Answer::local(503, "no healthy upstream");
    }
    answer.close = draining;
    answer
}

/// Carries out a plan: faults, timeout, attempts.
pub(crate) async fn carry(engine: &Engine, c: usize, uid: &Uid, plan: Plan, call: &Call, noise: f64) -> Answer {
    let Some(upstream) = plan.upstream else {
        let status = if plan.route.is_some() { 503 } else { 404 };
        return Answer { body: bytes::Bytes::new(), ..Answer::local(status, "") };
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
        return Answer::local(status, "fault filter abort");
    }
    let retries = plan.route.as_ref().map(|r| r.retries.clone()).unwrap_or_default();
    let attempts = attempts(engine, c, uid, &upstream, &retries, call, noise);
    match plan.route.as_ref().and_then(|r| r.timeout) {
        Some(limit) => timeout(Duration::from_millis(u64::try_from(limit).unwrap_or(0)), attempts)
            .await
            .unwrap_or_else(|_| Answer::local(504, "upstream request timeout")),
        None => attempts.await,
    }
}

async fn attempts(
    engine: &Engine,
    c: usize,
    uid: &Uid,
    upstream: &Arc<Upstream>,
    retries: &Retries,
    call: &Call,
    noise: f64,
) -> Answer {
    let mut tried = Vec::new();
    loop {
        let (answer, outcome) = attempt(engine, c, uid, upstream, retries, call, &mut tried, noise).await;
        let again = match outcome {
            Outcome::Success | Outcome::NoHost => false,
            Outcome::ConnectFail => retries.on_connect,
            Outcome::Reset => retries.on_reset,
            Outcome::Error | Outcome::Timeout => retries.on_5xx,
        };
        if !again || answer.cut || tried.len() > retries.attempts as usize {
            return answer;
        }
        let backoff = engine.with(|world| world.rng.between(1, 25 << tried.len().min(4)));
        sleep(Duration::from_millis(u64::try_from(backoff).unwrap_or(1))).await;
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one attempt")]
async fn attempt(
    engine: &Engine,
    c: usize,
    uid: &Uid,
    upstream: &Arc<Upstream>,
    retries: &Retries,
    call: &Call,
    tried: &mut Vec<Address>,
    noise: f64,
) -> (Answer, Outcome) {
    let picked = engine.with(|world| {
        let now = world.now;
        let World { clusters, rng, .. } = world;
        let proxy = clusters[c].pods.get_mut(uid)?.proxy.as_mut()?;
        proxy.pick(upstream, now, tried, rng).cloned()
    });
    let Some(endpoint) = picked else { return (Answer::local(503, "no healthy upstream"), Outcome::NoHost) };
    tried.push((endpoint.ip, endpoint.port));
    let limit = retries.per_try.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    let connecting = async {
        let mut waits = latency::RETRANSMIT.iter();
        loop {
            match engine.with(|world| connect(world, c, uid, upstream, &endpoint)) {
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
            Connected::Pod { c: there, uid: target, port, remote } => {
                let answer = apps::deliver(engine, (there, &target), port, call, remote, noise).await;
                match answer {
                    Some(answer) if answer.status >= 500 => (answer, Outcome::Error),
                    Some(answer) => (answer, Outcome::Success),
                    None => (Answer::local(503, RESET), Outcome::Reset),
                }
            }
            Connected::Refused | Connected::Dropped => (Answer::local(503, UNAVAILABLE), Outcome::ConnectFail),
        }
    };
    let (answer, outcome) = match limit {
        Some(limit) => timeout(limit, whole)
            .await
            .unwrap_or_else(|_| (Answer::local(504, "upstream request timeout"), Outcome::Timeout)),
        None => whole.await,
    };
    engine.with(|world| {
        let now = world.now;
        if let Some(proxy) = world.clusters[c].pods.get_mut(uid).and_then(|pod| pod.proxy.as_mut()) {
            proxy.report(upstream, (endpoint.ip, endpoint.port), outcome, now);
        }
    });
    (answer, outcome)
}
