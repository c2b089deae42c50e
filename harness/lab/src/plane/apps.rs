//! The applications: what helloworld, the bookstore services and the stand-ins for dashboards answer.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::call::{Answer, Call, JSON, TEXT};
use super::listen::listener;
use super::{forward, latency};
use crate::lab::Lab;
use crate::world::{Role, Uid};

/// The applications' HTTP clients give up after this long.
const PATIENCE: Duration = Duration::from_secs(3);
const SORRY: &str = r#"{"error":"Sorry, product reviews are currently unavailable for this book."}"#;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Who {
    role: Role,
    pod: String,
    cluster: String,
    version: String,
    work: f64,
    far: f64,
}

enum Found {
    Gone,
    /// The sidecar is there, the application is not.
    Closed,
    Open(Who),
}

/// Hands a request to the application in a pod, `None` when the connection broke. A remote caller is a round trip away.
pub(crate) fn deliver<'a>(
    lab: &'a Lab,
    (c, uid): (usize, &'a Uid),
    port: u16,
    call: &'a Call,
    remote: bool,
    noise: f64,
) -> Boxed<'a, Option<Answer>> {
    Box::pin(async move {
        let look = || {
            lab.with(|world| {
                let work = latency::work(&mut world.rng) + world.clusters[c].quirks.slow_apps;
                let far = if remote { world.rtt_ms } else { 0.0 };
                let cluster = &world.clusters[c];
                match cluster.pods.get(uid).filter(|pod| pod.network) {
                    None => Found::Gone,
                    // Seen from its sidecar, which takes connections to every port.
                    Some(pod) if !pod.serving || listener(cluster, pod, port, true).is_none() => Found::Closed,
                    Some(pod) => Found::Open(Who {
                        role: pod.role,
                        pod: pod.name.clone(),
                        cluster: cluster.ident.istio.clone(),
                        version: pod.version.clone(),
                        work,
                        far,
                    }),
                }
            })
        };
        let who = match look() {
            Found::Gone => return None,
            // Nobody had begun an answer. The sidecar says so; a route with retries for that tries another pod.
            Found::Closed => return Some(refused()),
            Found::Open(who) => who,
        };
        sleep(latency::wait(noise + who.far / 2.0 + who.work)).await;
        let answer = match look() {
            Found::Gone => return None,
            Found::Closed => return Some(closed(lab)),
            Found::Open(_) => serve(lab, c, uid, &who, port, call).await,
        };
        if remote {
            sleep(latency::wait(who.far / 2.0)).await;
        }
        lab.with(|world| world.clusters[c].pods.get(uid).is_some_and(|pod| pod.network)).then_some(answer)
    })
}

/// How often an application that ends takes an answer down with it that had begun.
const CUT: f64 = 0.5;

/// What a caller gets from a pod whose application ended while it had the request in its hands.
fn closed(lab: &Lab) -> Answer {
    if lab.with(|world| world.rng.chance(CUT)) {
        Answer { cut: true, ..Answer::new(500, JSON, SORRY) }
    } else {
        refused()
    }
}

fn refused() -> Answer {
    Answer::local(
        503,
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure \
         reason: delayed connect error: Connection refused",
    )
}

/// The application itself.
async fn serve(lab: &Lab, c: usize, uid: &Uid, who: &Who, port: u16, call: &Call) -> Answer {
    let title = || lab.with(|world| world.clusters[c].quirks.title.clone());
    match (who.role, call.bare_path()) {
        (Role::Helloworld, "/hello") => {
            Answer::new(200, TEXT, format!("Hello version: {}, instance: {}\n", who.version, who.pod))
        }
        (Role::Ratings, "/ratings/0") => Answer::new(200, JSON, "{\"stars\":5}\n"),
        (Role::Details, "/details/0") => Answer::new(200, JSON, "{\"id\":0,\"pages\":200,\"type\":\"paperback\"}\n"),
        (Role::Reviews, "/reviews/0") => reviews(lab, c, uid, who, call).await,
        (Role::Productpage, "/api/v1/products/0/reviews") => {
            let (status, body) = ask_reviews(lab, c, uid, &who.cluster, call).await;
            Answer::new(status, JSON, body)
        }
        (Role::Productpage, "/api/v1/products") => Answer::new(
            200,
            JSON,
            "[{\"id\":0,\"title\":\"The Comedy of Errors\",\"descriptionHtml\":\"<a href=\\\"https://en.wikipedia.org/wiki/The_Comedy_of_Errors\\\">Wikipedia Summary</a>\"}]\n",
        ),
        (Role::Productpage, "/api/v1/products/0") => {
            let (status, body) = get(lab, c, uid, "details", "/details/0", call).await;
            Answer::new(status, JSON, body)
        }
        (Role::Productpage, "/api/v1/products/0/ratings") => {
            let (status, body) = get(lab, c, uid, "ratings", "/ratings/0", call).await;
            Answer::new(status, JSON, body)
        }
        (Role::Productpage, "/productpage") => {
            let (status, body) = ask_reviews(lab, c, uid, &who.cluster, call).await;
            let (detail, _) = get(lab, c, uid, "details", "/details/0", call).await;
            let mut text = String::from_utf8_lossy(&body).into_owned();
            if status != 200 {
                text =
                    "Error fetching product reviews! Sorry, product reviews are currently unavailable for this book."
                        .into();
            }
            if detail != 200 {
                text.push_str(" Error fetching product details!");
            }
            let title = title();
            let page = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{text}</body></html>\n");
            Answer::new(200, "text/html", page)
        }
        (Role::Stub(8080), "/alerts") => crate::alerts::oncall(lab, c, call),
        (Role::Stub(_), _) => Answer::new(200, TEXT, format!("stub {} ok\n", who.pod)),
        (role, _) if known_port(role, port) => {
            Answer::new(200, TEXT, format!("{} {} ok\n", format!("{role:?}").to_lowercase(), who.pod))
        }
        // A sidecar passed a connection on to a port nobody listens on.
        _ => refused(),
    }
}

fn known_port(role: Role, port: u16) -> bool {
    matches!(
        (role, port),
        (Role::Productpage | Role::Reviews | Role::Ratings | Role::Details, 9080)
            | (Role::Helloworld, 5000)
            | (Role::Prometheus, 9533)
    )
}

async fn reviews(lab: &Lab, c: usize, uid: &Uid, who: &Who, call: &Call) -> Answer {
    let rating = if who.version == "v1" {
        String::new()
    } else {
        match get(lab, c, uid, "ratings", "/ratings/0", call).await {
            (200, body) => format!(",\"rating\":{}", String::from_utf8_lossy(&body).trim()),
            _ => ",\"rating\":{\"error\":\"Ratings service is currently unavailable\"}".into(),
        }
    };
    let texts = [("Reviewer1", "An extremely entertaining play."), ("Reviewer2", "Absolutely fun.")];
    let list = texts.map(|(name, text)| format!("{{\"reviewer\":\"{name}\",\"text\":\"{text}\"{rating}}}"));
    let body = format!(
        "{{\"clustername\":\"{}\",\"id\":\"0\",\"podname\":\"{}\",\"reviews\":[{}]}}\n",
        who.cluster,
        who.pod,
        list.join(",")
    );
    Answer::new(200, JSON, body)
}

/// productpage asks for reviews and counts what came of it.
async fn ask_reviews(lab: &Lab, c: usize, uid: &Uid, cluster: &str, call: &Call) -> (u16, bytes::Bytes) {
    let begun = Instant::now();
    let (status, body) = get(lab, c, uid, "reviews", "/reviews/0", call).await;
    let text = std::str::from_utf8(&body).unwrap_or("");
    let responder =
        text.split_once("\"clustername\":\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown");
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    lab.with(|world| {
        if world.clusters[c].quirks.silent_cross_metrics && responder != cluster {
            return;
        }
        if let Some(pod) = world.clusters[c].pods.get_mut(uid) {
            pod.metrics.record(responder, status, ms);
        }
    });
    (status, body)
}

/// A GET the application makes through its own sidecar, or past it where it has none.
pub(crate) fn get<'a>(
    lab: &'a Lab,
    c: usize,
    uid: &'a Uid,
    service: &'a str,
    path: &'a str,
    from: &'a Call,
) -> Boxed<'a, (u16, bytes::Bytes)> {
    Box::pin(async move {
        let mut call = Call::get(path);
        call.headers = from.headers.iter().filter(|(name, _)| TRACING.contains(&name.as_str())).cloned().collect();
        let asked = timeout(PATIENCE, request(lab, c, uid, service, 9080, &call)).await;
        match asked {
            Ok(Some(answer)) => (answer.status, answer.body),
            _ => (500, bytes::Bytes::from_static(SORRY.as_bytes())),
        }
    })
}

const TRACING: [&str; 6] = ["x-request-id", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "traceparent", "end-user"];

/// A request from within a pod to a name of the mesh: by its proxy where that knows the host, else straight to the Service.
/// `None` when there is no connection.
pub(crate) async fn request(lab: &Lab, c: usize, uid: &Uid, host: &str, port: u16, call: &Call) -> Option<Answer> {
    let planned = lab.with(|world| {
        let pod = world.clusters[c].pods.get(uid)?;
        // What another cluster alone has, the proxy knows; the name is the own cluster's to resolve.
        super::resolve::pod(world, c, &pod.namespace, host)?;
        let full = crate::mesh::config::full_host(host, &pod.namespace);
        let noise = world.rng.unit() * 0.4;
        Some((forward::plan(world, c, uid, &full, port, call), noise))
    })?;
    match planned {
        (Some(plan), noise) => Some(forward::carry(lab, c, uid, plan, call, noise).await),
        (None, noise) => direct(lab, c, uid, host, port, call, noise).await,
    }
}

/// Past the mesh: kube-proxy's path to a pod of the same cluster.
pub(crate) async fn direct(
    lab: &Lab,
    c: usize,
    uid: &Uid,
    host: &str,
    port: u16,
    call: &Call,
    noise: f64,
) -> Option<Answer> {
    use super::reach::{Caller, Reach, reach};
    let (namespace, caller) = lab.with(|world| {
        let pod = world.clusters[c].pods.get(uid)?;
        Some((pod.namespace.clone(), Caller::Pod(c, uid.clone())))
    })?;
    let ip = lab.with(|world| super::resolve::pod(world, c, &namespace, host))?.0;
    let mut waits = forward::RETRANSMIT.iter();
    loop {
        match lab.with(|world| reach(world, &caller, ip, port)) {
            Reach::To(place) => return super::stream::answer(lab, &place, call, noise).await,
            Reach::Dropped => sleep(Duration::from_millis(*waits.next()?)).await,
            Reach::Refused | Reach::Unreachable => return None,
        }
    }
}
