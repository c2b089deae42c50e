//! A pod as the kubelet and the network see it; its object is in the store.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Uid;
use crate::clock::Ms;
use crate::mesh::proxy::Proxy;
use crate::plane::metrics::AppMetrics;
use crate::store::object;

/// What runs in the pod, derived from its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Istiod,
    IngressGateway,
    EastWestGateway,
    Productpage,
    Reviews,
    Ratings,
    Details,
    Helloworld,
    Prometheus,
    Alertmanager,
    /// Answers 200 on one port: grafana, kiali, jaeger, oncall.
    Stub(u16),
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
            uid,
        }
    }

    pub(crate) fn gateway(&self) -> bool {
        matches!(self.role, Role::IngressGateway | Role::EastWestGateway)
    }

    pub(crate) fn terminating(&self) -> bool {
        self.stage == Stage::Terminating
    }

    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).and_then(Value::as_str).unwrap_or("")
    }
}

fn role(value: &Value) -> Role {
    match object::label(value, "istio") {
        Some("ingressgateway") => return Role::IngressGateway,
        Some("eastwestgateway") => return Role::EastWestGateway,
        _ => {}
    }
    let Some(main) = object::items(value, "/spec/containers")
        .iter()
        .find(|container| object::text(container, "/name") != "istio-proxy")
    else {
        return Role::Other;
    };
    let image = object::text(main, "/image");
    let args = object::items(main, "/args");
    let arg = |i: usize| args.get(i).and_then(Value::as_str).unwrap_or("");
    match arg(0) {
        "productpage" => Role::Productpage,
        "reviews" => Role::Reviews,
        "ratings" => Role::Ratings,
        "details" => Role::Details,
        "helloworld" => Role::Helloworld,
        "stub" => Role::Stub(arg(2).parse().unwrap_or(8080)),
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

fn has_proxy(value: &Value) -> bool {
    ["/spec/containers", "/spec/initContainers"].iter().any(|list| {
        object::items(value, list).iter().any(|container| object::text(container, "/name") == "istio-proxy")
    })
}
