//! Requests to and from the applications in pods.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};

use super::application::{Application, SORRY, Services};
use super::call::{HttpAnswer, HttpCall, JSON};
use super::listen::listener;
use super::reach::{Caller, Reach, reach};
use super::{forward, latency, programs, resolve};
use crate::alerts::oncall;
use crate::engine::Engine;
use crate::world::{Role, Uid};

/// The timeout of the applications' HTTP clients.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The share of requests whose response breaks off when an application ends.
const CUT: f64 = 0.5;

/// The headers that applications pass on.
const TRACING: [&str; 6] = ["x-request-id", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "traceparent", "end-user"];

/// The state of an application when a request arrives.
enum AppState {
    /// The pod has no network.
    Gone,
    /// The sidecar runs, the application does not.
    Closed,
    /// The application with the milliseconds its work takes, and the round trip to its caller.
    Open(Application, f64, f64),
}

/// Hands a request to the application in a pod, `None` when the connection broke. A remote caller is a round trip away.
pub(crate) fn deliver<'a>(
    engine: &'a Engine,
    (cluster, uid): (usize, &'a Uid),
    port: u16,
    call: &'a HttpCall,
    remote: bool,
    noise: f64,
) -> BoxFuture<'a, Option<HttpAnswer>> {
    Box::pin(async move {
        let (application, work, far) = match state(engine, cluster, uid, port, remote) {
            AppState::Gone => return None,
            // No answer had begun. The sidecar reports that; a route that retries on it tries another pod.
            AppState::Closed => return Some(refused()),
            AppState::Open(application, work, far) => (application, work, far),
        };
        sleep(latency::wait(noise + far / 2.0 + work)).await;
        let answer = match state(engine, cluster, uid, port, remote) {
            AppState::Gone => return None,
            AppState::Closed => return Some(closed(engine)),
            AppState::Open(..) if application.role == Role::Stub(8080) && call.bare_path() == "/alerts" => {
                engine.with(|world| oncall::respond(world, cluster, call))
            }
            AppState::Open(..) => {
                let services = Sidecar { engine, cluster, uid, call };
                // A sidecar passes connections on to ports that nothing listens on.
                application.answer(port, call, &services).await.unwrap_or_else(refused)
            }
        };
        if remote {
            sleep(latency::wait(far / 2.0)).await;
        }
        engine.with(|world| world.clusters[cluster].pods.get(uid).is_some_and(|pod| pod.network)).then_some(answer)
    })
}

fn state(engine: &Engine, cluster: usize, uid: &Uid, port: u16, remote: bool) -> AppState {
    engine.with(|world| {
        let work = latency::work(&mut world.rng) + world.clusters[cluster].quirks.slow_apps;
        let far = if remote { world.rtt_ms } else { 0.0 };
        let cluster = &world.clusters[cluster];
        match cluster.pods.get(uid).filter(|pod| pod.network) {
            None => AppState::Gone,
            // As its sidecar sees it, which accepts connections to every port.
            Some(pod) if !pod.serving || listener(pod, port, true).is_none() => AppState::Closed,
            Some(pod) => {
                let application = Application {
                    role: pod.role,
                    pod: pod.name.clone(),
                    cluster: cluster.ident.istio.clone(),
                    version: pod.version.clone(),
                    title: cluster.quirks.title.clone(),
                    app: pod.label("app").to_owned(),
                    backends: pod.backends.clone(),
                };
                AppState::Open(application, work, far)
            }
        }
    })
}

/// What a caller gets from a pod whose application ended while it worked on the request.
fn closed(engine: &Engine) -> HttpAnswer {
    if engine.with(|world| world.rng.chance(CUT)) {
        HttpAnswer { cut: true, ..HttpAnswer::new(500, JSON, SORRY) }
    } else {
        refused()
    }
}

fn refused() -> HttpAnswer {
    HttpAnswer::local(
        503,
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure \
         reason: delayed connect error: Connection refused",
    )
}

/// The other services, through the sidecar of a pod, for one request that it got.
struct Sidecar<'a> {
    engine: &'a Engine,
    cluster: usize,
    uid: &'a Uid,
    call: &'a HttpCall,
}

impl Services for Sidecar<'_> {
    fn get<'a>(&'a self, service: &'a str, port: u16, path: &'a str) -> BoxFuture<'a, (u16, Bytes)> {
        Box::pin(async move {
            let mut call = HttpCall::get(path);
            let headers = self.call.headers.iter().filter(|(name, _)| TRACING.contains(&name.as_str()));
            call.headers = headers.cloned().collect();
            match timeout(TIMEOUT, request(self.engine, self.cluster, self.uid, service, port, &call)).await {
                Ok(Some(answer)) => (answer.status, answer.body),
                Ok(None) | Err(_) => (500, Bytes::from_static(SORRY.as_bytes())),
            }
        })
    }

    fn count_request(&self, service: &str, destination: &str, status: u16, ms: f64) {
        self.engine.with(|world| {
            let cluster = &mut world.clusters[self.cluster];
            if cluster.quirks.uncounted_remote_requests && destination != cluster.ident.istio {
                return;
            }
            if let Some(pod) = cluster.pods.get_mut(self.uid) {
                let host = crate::mesh::hosts::full_host(service, &pod.namespace);
                pod.metrics.record(host.trim_end_matches(".svc.cluster.local"), destination, status, ms);
            }
        });
    }
}

/// A request from within a pod to a name of the mesh: by its proxy where that has the host, else straight to the Service.
/// `None` when there is no connection.
pub(crate) async fn request(
    engine: &Engine,
    cluster: usize,
    uid: &Uid,
    host: &str,
    port: u16,
    call: &HttpCall,
) -> Option<HttpAnswer> {
    let planned = engine.with(|world| {
        let pod = world.clusters[cluster].pods.get(uid)?;
        // The proxy has hosts that only another cluster has; but the name is resolved in the own cluster.
        resolve::pod(world, cluster, &pod.namespace, host)?;
        let full = crate::mesh::hosts::full_host(host, &pod.namespace);
        let noise = world.rng.unit() * 0.4;
        Some((forward::plan(world, cluster, uid, &full, port, call), noise))
    })?;
    match planned {
        (Some(plan), noise) => Some(forward::execute(engine, cluster, uid, plan, call, noise).await),
        (None, noise) => direct(engine, cluster, uid, host, port, call, noise).await,
    }
}

/// Past the mesh: kube-proxy's path to a pod of the same cluster.
pub(crate) async fn direct(
    engine: &Engine,
    cluster: usize,
    uid: &Uid,
    host: &str,
    port: u16,
    call: &HttpCall,
    noise: f64,
) -> Option<HttpAnswer> {
    let ip = engine.with(|world| {
        let namespace = world.clusters[cluster].pods.get(uid)?.namespace.clone();
        Some(resolve::pod(world, cluster, &namespace, host)?.0)
    })?;
    let caller = Caller::Pod(cluster, uid.clone());
    let mut waits = latency::RETRANSMIT.iter();
    loop {
        match engine.with(|world| reach(world, &caller, ip, port)) {
            Reach::To(place) => return programs::answer(engine, &place, call, noise).await,
            Reach::Dropped => sleep(Duration::from_millis(*waits.next()?)).await,
            Reach::Refused | Reach::Unreachable => return None,
        }
    }
}
