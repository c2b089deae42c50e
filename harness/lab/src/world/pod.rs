//! A pod as the kubelet and the network see it; its object is in the store.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Uid;
use crate::clock::Ms;
use crate::mesh::proxy::Proxy;
use crate::plane::metrics::{AppMetrics, Sender};
use crate::store::object;

/// What runs in the pod, derived from its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Istiod,
    /// A proxy that runs as a router.
    Gateway,
    Productpage,
    Reviews,
    Ratings,
    Details,
    Helloworld,
    Prometheus,
    Alertmanager,
    /// Answers 200 on one port: grafana, kiali, jaeger, oncall.
    Stub(u16),
    /// Answers with its identity on one port, and passes requests on to other services.
    Web(u16),
    Sleep,
    Dns,
    Other,
}

/// The stage of a pod's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Pending,
    Starting,
    Running,
    /// Has a deletion date; [`Pod::serving`] shows whether the processes still serve.
    Terminating,
    /// Completed.
    Done,
}

/// What open connections see of the pod that serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    /// Envoy drains: it still answers, with `connection: close`.
    Draining,
    /// The pod ended gracefully: connections are closed.
    Closed,
    /// The pod was killed: connections are reset.
    Reset,
}

/// One pod.
#[expect(clippy::struct_excessive_bools, reason = "they change one by one")]
pub(crate) struct Pod {
    pub(crate) uid: Uid,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: Map<String, Value>,
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) node: Option<usize>,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) stage: Stage,
    pub(crate) ready: bool,
    /// The application accepts requests.
    pub(crate) serving: bool,
    /// Packets to the pod's address arrive.
    pub(crate) network: bool,
    pub(crate) created: Ms,
    pub(crate) started: Ms,
    pub(crate) ready_since: Ms,
    pub(crate) restarts: i64,
    pub(crate) grace: i64,
    pub(crate) life: watch::Sender<Life>,
    pub(crate) proxy: Option<Box<Proxy>>,
    pub(crate) metrics: AppMetrics,
    /// Why the pod never becomes ready, if a defect breaks it.
    pub(crate) broken: Option<Broken>,
    /// Extra time before the pod is ready.
    pub(crate) slow: Ms,
    /// The revision of istiod that configures the proxy, or that the istiod in the pod has.
    pub(crate) revision: String,
    /// The tag of Istio's image in the pod, if it has one.
    pub(crate) istio_tag: Option<String>,
    /// The proxy forwards to endpoints of its own network only, as an east-west gateway does.
    pub(crate) network_view: bool,
    /// The services that the application requests.
    pub(crate) backends: Vec<Backend>,
}

/// A service that an application requests for paths that begin with its name.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why a pod does not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Runs but never passes its readiness probe.
    Unready,
    /// The main container crashes again and again.
    CrashLoop,
    /// The image cannot be pulled.
    Image,
}

impl Pod {
    pub(crate) fn new(value: &Value, now: Ms) -> Self {
        let role = role(value);
        let proxied = has_proxy(value);
        let uid: Uid = object::uid(value).into();
        Self {
            namespace: object::namespace(value).to_owned(),
            name: object::name(value).to_owned(),
            labels: object::labels(value).cloned().unwrap_or_default(),
            role,
            version: object::label(value, "version").unwrap_or("v1").to_owned(),
            node: None,
            ip: None,
            stage: Stage::Pending,
            ready: false,
            serving: false,
            network: false,
            created: now,
            started: now,
            ready_since: now,
            restarts: 0,
            grace: object::int(value, "/spec/terminationGracePeriodSeconds").unwrap_or(30),
            life: watch::Sender::new(Life::Up),
            proxy: proxied.then(|| Box::new(Proxy::new(now))),
            metrics: AppMetrics::default(),
            broken: None,
            slow: 0,
            revision: revision(value),
            istio_tag: istio_tag(value),
            network_view: has_network_view(value),
            backends: backends(value),
            uid,
        }
    }

    pub(crate) fn gateway(&self) -> bool {
        self.role == Role::Gateway
    }

    /// What the pod is called by its labels.
    pub(crate) fn app(&self) -> &str {
        let keys = ["app", "app.kubernetes.io/name", "gateway.networking.k8s.io/gateway-name"];
        keys.into_iter().map(|key| self.label(key)).find(|name| !name.is_empty()).unwrap_or("")
    }

    /// The name of the Deployment or `StatefulSet` that the pod belongs to.
    pub(crate) fn workload(&self) -> &str {
        let hashed = !self.label("pod-template-hash").is_empty();
        let parts = if hashed { 3 } else { 2 };
        self.name.rsplitn(parts, '-').nth(parts - 1).unwrap_or(&self.name)
    }

    /// The pod as the sender of requests, in the cluster of an id.
    pub(crate) fn sender<'a>(&'a self, cluster: &'a str) -> Sender<'a> {
        Sender { cluster, workload: self.workload(), namespace: &self.namespace }
    }

    pub(crate) fn terminating(&self) -> bool {
        self.stage == Stage::Terminating
    }

    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).and_then(Value::as_str).unwrap_or("")
    }
}

fn role(value: &Value) -> Role {
    let containers = object::items(value, "/spec/containers");
    if containers.iter().any(|container| is_proxy(container) && arguments(container).any(|word| word == "router")) {
        return Role::Gateway;
    }
    let Some(main) = containers.iter().find(|container| !is_proxy(container)) else { return Role::Other };
    let image = object::text(main, "/image");
    let arg = |i: usize| arguments(main).nth(i).unwrap_or("");
    match arg(0) {
        "productpage" => Role::Productpage,
        "reviews" => Role::Reviews,
        "ratings" => Role::Ratings,
        "details" => Role::Details,
        "helloworld" => Role::Helloworld,
        "stub" => Role::Stub(arg(2).parse().unwrap_or(8080)),
        "web" => Role::Web(arg(2).parse().unwrap_or(8080)),
        "discovery" => Role::Istiod,
        _ if image.contains("/prometheus:") => Role::Prometheus,
        _ if image.contains("/alertmanager:") => Role::Alertmanager,
        _ if image.contains("coredns") => Role::Dns,
        _ if object::items(main, "/command")
            .iter()
            .any(|word| word.as_str().is_some_and(|word| word.ends_with("sleep"))) =>
        {
            Role::Sleep
        }
        _ => Role::Other,
    }
}

fn is_proxy(container: &Value) -> bool {
    object::text(container, "/name") == "istio-proxy"
}

fn arguments(container: &Value) -> impl Iterator<Item = &str> {
    object::items(container, "/args").iter().filter_map(Value::as_str)
}

fn all_containers(value: &Value) -> impl Iterator<Item = &Value> {
    ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|list| object::items(value, list))
}

fn has_proxy(value: &Value) -> bool {
    all_containers(value).any(is_proxy)
}

/// The revision in the annotation that injection sets, else in the label; `default` if neither is set.
fn revision(value: &Value) -> String {
    let found = object::annotation(value, "istio.io/rev").or_else(|| object::label(value, "istio.io/rev"));
    found.unwrap_or("default").to_owned()
}

fn istio_tag(value: &Value) -> Option<String> {
    let own = all_containers(value)
        .find(|container| is_proxy(container) || arguments(container).next().is_some_and(|word| word == "discovery"))?;
    let image = object::text(own, "/image").rsplit('/').next()?;
    let (_, tag) = image.split_once(':').filter(|_| !image.contains('@'))?;
    Some(tag.trim_end_matches("-distroless").to_owned())
}

fn has_network_view(value: &Value) -> bool {
    let mut env = all_containers(value).filter(|one| is_proxy(one)).flat_map(|one| object::items(one, "/env"));
    env.any(|one| object::text(one, "/name") == "ISTIO_META_REQUESTED_NETWORK_VIEW")
}

/// `-calls NAME=HOST:PORT,…` of an application.
fn backends(value: &Value) -> Vec<Backend> {
    let words: Vec<&str> = all_containers(value).filter(|one| !is_proxy(one)).flat_map(arguments).collect();
    let Some(at) = words.iter().position(|word| *word == "-calls") else { return Vec::new() };
    let list = words.get(at + 1).copied().unwrap_or_default().split(',');
    let parsed = list.filter_map(|one| {
        let (name, target) = one.split_once('=')?;
        let (host, port) = target.rsplit_once(':')?;
        Some(Backend { name: name.to_owned(), host: host.to_owned(), port: port.parse().ok()? })
    });
    parsed.collect()
}
