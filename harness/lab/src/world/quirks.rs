//! How a cluster differs from a healthy one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::{ApiMode, ISTIO, Ident, PodQuirk};
use crate::clock::Ms;
use crate::store::object;

/// What the hub Prometheus federates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Federation {
    /// The other clusters' Prometheus.
    #[default]
    Peers,
    /// Itself, with the label of the other cluster.
    Itself,
    /// A Service without endpoints.
    NoEndpoints,
    /// The other clusters' Prometheus, until a minute before the lab starts.
    Stopped,
}

/// The pods that Prometheus' service discovery returns and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Discovery {
    /// Those with annotation `prometheus.io/scrape: "true"`.
    #[default]
    Annotated,
    /// The same until a minute before the lab starts; from then on all are dropped.
    DroppedLately,
    /// Service discovery returns no pods.
    Nothing,
}

/// Everything that is broken in one cluster.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a defect of its own, and they combine")]
pub(crate) struct Quirks {
    pub(crate) api: ApiMode,
    /// The API server address leads to this cluster instead.
    pub(crate) api_alias: Option<usize>,
    /// How far the API server's clock is ahead, milliseconds.
    pub(crate) skew: Ms,
    pub(crate) nodes: usize,
    pub(crate) unready_nodes: Vec<usize>,
    pub(crate) cordoned_nodes: Vec<usize>,
    pub(crate) kubernetes_version: Option<String>,
    pub(crate) kubelet_version: Option<(usize, &'static str)>,
    pub(crate) istio_version: Option<String>,
    /// Istio's images are set by digest, so that no tag shows the version.
    pub(crate) images_by_digest: bool,
    /// istiod and the proxies have no `CLUSTER_ID`, `NETWORK` and `MESH_ID`.
    pub(crate) without_identity: bool,
    /// Pods have addresses of an overlay network.
    pub(crate) overlay: bool,
    /// Pods have addresses from the first cluster's pod CIDR.
    pub(crate) overlapping: bool,
    /// Pods also have an IPv6 address.
    pub(crate) dual_stack: bool,
    pub(crate) pods: Vec<PodQuirk>,
    /// Both versions of helloworld run in this cluster.
    pub(crate) every_helloworld: bool,
    /// The name of the client pod.
    pub(crate) client: &'static str,
    pub(crate) pending_balancers: Vec<String>,
    pub(crate) foreign_root: bool,
    pub(crate) expired_intermediate: bool,
    /// Deletions and scale requests are accepted but change nothing.
    pub(crate) ignores_changes: bool,
    /// Deployments that an admission webhook does not let scale up.
    pub(crate) no_scale_up: Vec<String>,
    pub(crate) ignore_policies: bool,
    /// Share of the ingress gateway's answers that are 503.
    pub(crate) gateway_errors: f64,
    /// The ingress gateway answers 503 while istiod is down.
    pub(crate) needs_istiod: bool,
    /// East-west gateway pods created after the start forward no traffic.
    pub(crate) stuck_gateways: bool,
    /// Proxies keep an injected fault after its removal.
    pub(crate) sticky_faults: bool,
    /// When the API server is down, and until when.
    pub(crate) api_away: Option<(Ms, Ms)>,
    /// Extra time every application takes, milliseconds.
    pub(crate) slow_apps: f64,
    pub(crate) title: String,
    pub(crate) federation: Federation,
    /// Prometheus answers every path with an HTML page.
    pub(crate) prometheus_html: bool,
    /// Prometheus stopped scraping a minute before the lab starts.
    pub(crate) prometheus_frozen: bool,
    /// Prometheus adds external label `prometheus_replica`.
    pub(crate) replica_label: bool,
    pub(crate) discovery: Discovery,
    /// The scrape interval, a multiple of five seconds.
    pub(crate) scrape_interval: Ms,
    pub(crate) rules_unloaded: bool,
    pub(crate) rule_error: bool,
    pub(crate) never_firing_istiod_rule: bool,
    pub(crate) alertmanager_detached: bool,
    /// The webhooks of receiver `oncall`.
    pub(crate) webhooks: Vec<&'static str>,
    /// Where the configuration of Alertmanager leads critical alerts.
    pub(crate) critical_route: CriticalRoute,
    /// An alert of another team fires and resolves at the same Alertmanager.
    pub(crate) bystander: bool,
    /// Alertmanager shows webhook URLs as `<secret>`, as newer versions do.
    pub(crate) webhooks_hidden: bool,
    /// productpage does not count requests to other clusters.
    pub(crate) uncounted_remote_requests: bool,
    /// Autoscalers that scale up again from 0 replicas.
    pub(crate) never_disabled: Vec<String>,
}

/// Where the configuration of Alertmanager leads critical alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CriticalRoute {
    /// To receiver `oncall`.
    Oncall,
    /// To a receiver without integrations.
    Nobody,
    /// To receiver `oncall`, but a time interval mutes the route around the clock.
    Muted,
}

/// The webhook that receiver `oncall` should have.
pub(crate) const ONCALL: &str = "http://oncall.istio-system:8080/alerts";

impl Default for Quirks {
    fn default() -> Self {
        Self {
            api: ApiMode::Normal,
            api_away: None,
            api_alias: None,
            skew: 0,
            nodes: 3,
            unready_nodes: Vec::new(),
            cordoned_nodes: Vec::new(),
            kubernetes_version: None,
            kubelet_version: None,
            istio_version: None,
            images_by_digest: false,
            without_identity: false,
            overlay: false,
            overlapping: false,
            dual_stack: false,
            pods: Vec::new(),
            every_helloworld: false,
            client: "sleep",
            pending_balancers: Vec::new(),
            foreign_root: false,
            expired_intermediate: false,
            ignores_changes: false,
            no_scale_up: Vec::new(),
            ignore_policies: false,
            gateway_errors: 0.0,
            needs_istiod: false,
            stuck_gateways: false,
            sticky_faults: false,
            slow_apps: 0.0,
            title: "Simple Bookstore App".into(),
            federation: Federation::Peers,
            prometheus_html: false,
            prometheus_frozen: false,
            replica_label: false,
            discovery: Discovery::Annotated,
            scrape_interval: 5_000,
            rules_unloaded: false,
            rule_error: false,
            never_firing_istiod_rule: false,
            alertmanager_detached: false,
            webhooks: vec![ONCALL],
            critical_route: CriticalRoute::Oncall,
            bystander: false,
            webhooks_hidden: false,
            uncounted_remote_requests: false,
            never_disabled: Vec::new(),
        }
    }
}

impl Quirks {
    /// The version of Istio that runs here.
    pub(crate) fn istio(&self) -> &str {
        self.istio_version.as_deref().unwrap_or(ISTIO)
    }

    /// The image of a part of Istio, such as `proxyv2`.
    pub(crate) fn istio_image(&self, name: &str) -> String {
        if self.images_by_digest {
            let half = crate::rng::Rng::new(name.len() as u64).uuid().replace('-', "");
            return format!("registry.local/{name}@sha256:{half}{half}");
        }
        format!("registry.local/{name}:{}", self.istio())
    }

    /// How the API server treats requests at an instant.
    pub(crate) fn api_at(&self, now: Ms) -> ApiMode {
        if self.api_away.is_some_and(|(from, until)| (from..until).contains(&now)) { ApiMode::Down } else { self.api }
    }

    /// The external labels of the cluster's Prometheus.
    pub(crate) fn external_labels(&self, ident: &Ident) -> Vec<(&'static str, String)> {
        let replica = self.replica_label.then(|| ("prometheus_replica", format!("prometheus-{}-0", ident.key)));
        [("cluster", ident.istio.clone())].into_iter().chain(replica).collect()
    }

    /// The environment variables with the identity of a proxy.
    pub(crate) fn identity(&self, ident: &Ident) -> Vec<Value> {
        let identity = [("CLUSTER_ID", ident.istio.as_str()), ("NETWORK", &ident.network), ("MESH_ID", ident.mesh_id)];
        let identity = identity.into_iter().filter(|(_, value)| !self.without_identity && !value.is_empty());
        identity.map(|(name, value)| json!({"name": format!("ISTIO_META_{name}"), "value": value})).collect()
    }

    /// The address of a pod's `slot` on a node.
    pub(crate) fn pod_ip(&self, ident: &Ident, node: usize, slot: u16) -> Ipv4Addr {
        if self.overlay {
            let third = u8::try_from(node).unwrap_or(1) + 10 * ident.number;
            return Ipv4Addr::new(10, 244, third, u8::try_from(slot % 250).unwrap_or(0) + 2);
        }
        if self.overlapping {
            return Ident { number: 1, ..ident.clone() }.pod_ip(node, slot + 100);
        }
        ident.pod_ip(node, slot)
    }

    /// All addresses of a pod, as its status lists them.
    pub(crate) fn pod_ips(&self, first: Ipv4Addr) -> Vec<IpAddr> {
        let [.., third, fourth] = first.octets();
        let second = Ipv6Addr::new(0xfd00, 0x1818, 0, u16::from(third), 0, 0, 0, u16::from(fourth));
        let second = self.dual_stack.then_some(IpAddr::V6(second));
        [IpAddr::V4(first)].into_iter().chain(second).collect()
    }

    pub(crate) fn kubelet(&self, node: usize) -> Option<String> {
        self.kubelet_version.filter(|(n, _)| *n == node).map(|(_, v)| v.to_owned())
    }

    pub(crate) fn scale_up_blocked(&self, old: &Value, replicas: i64) -> bool {
        let name = object::name(old);
        self.no_scale_up.iter().any(|n| n == name) && replicas > object::int(old, "/spec/replicas").unwrap_or(0)
    }
}
