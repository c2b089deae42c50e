//! The upstream clusters of one proxy and their hosts, the same value from text and from JSON.

use serde::{Deserialize, Serialize};

use super::{Address, Health, ServiceName};

/// Which clusters to keep while reading. Asking Envoy with `filter=` does not save this: older ones ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select<'a> {
    /// All of them.
    All,
    /// Those of exactly this service host, in every port, subset and direction.
    Host(&'a str),
}

impl Select<'_> {
    pub(super) fn keeps(self, service: Option<&ServiceName>) -> bool {
        match self {
            Self::All => true,
            Self::Host(host) => service.is_some_and(|s| s.host == host),
        }
    }
}

/// Everything one `/clusters` answer said, in its order, which means nothing: it changes between two answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// The clusters that were selected.
    pub clusters: Vec<Cluster>,
    /// Lines of text that have no form of `/clusters`; 0 for JSON.
    pub unreadable: u64,
    /// Whether a text ended in the middle of a line: its last figure may be wrong and hosts may be missing. Not noticed
    /// after `pilot-agent request`, which ends everything with a newline of its own.
    pub truncated: bool,
}

impl Clusters {
    /// The cluster of exactly this name.
    pub fn get(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|c| c.name == name)
    }

    /// All clusters of a service host: one per port and subset, beside the one of all subsets.
    pub fn of_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Cluster> {
        self.clusters.iter().filter(move |c| c.service.as_ref().is_some_and(|s| s.host == host))
    }
}

/// One upstream cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its full name.
    pub name: String,
    /// The parts of the name, where Istio made it for a service.
    pub service: Option<ServiceName>,
    /// Name in statistics; Istio's ends in `;`.
    pub observability_name: String,
    /// Name under which its endpoints are asked for; empty unless it is an EDS cluster.
    pub eds_service_name: String,
    /// False for clusters of the static bootstrap.
    pub added_via_api: bool,
    /// Circuit breaker limits of normal traffic.
    pub default_limits: Limits,
    /// Circuit breaker limits of high-priority traffic.
    pub high_limits: Limits,
    /// Success rates of outlier detection.
    pub outlier: Outlier,
    /// Its hosts. One per address and priority: Envoy drops repetitions, so a gateway that stands for several localities
    /// is listed once.
    pub hosts: Vec<Host>,
    /// Lines about the cluster that this version does not know.
    pub unknown: Vec<(String, String)>,
}

impl Cluster {
    pub(super) fn named(name: String) -> Self {
        Self { service: ServiceName::parse(&name), name, ..Self::default() }
    }
}

/// Limits of one circuit breaker; 4294967295 is Istio's "unlimited".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections.
    pub max_connections: Option<u64>,
    /// Requests that wait for a connection.
    pub max_pending_requests: Option<u64>,
    /// Requests.
    pub max_requests: Option<u64>,
    /// Retries.
    pub max_retries: Option<u64>,
}

/// Success rates of outlier detection in percent; `None` where there is none (`-1` in the text).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    /// Mean over the hosts. Only the text has it.
    pub success_rate_average: Option<f64>,
    /// Below this a host is ejected.
    pub success_rate_ejection_threshold: Option<f64>,
    /// Mean of errors of local origin. Only the text has it.
    pub local_origin_success_rate_average: Option<f64>,
    /// Below this, counting errors of local origin, a host is ejected.
    pub local_origin_success_rate_ejection_threshold: Option<f64>,
}

/// One endpoint of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Where it is.
    pub address: Address,
    /// The DNS name it was resolved from, else empty.
    pub hostname: String,
    /// Counters and gauges.
    pub stats: Stats,
    /// Health flags.
    pub health: Health,
    /// Load balancing weight; for a gateway the sum over the pods it stands for.
    pub weight: u32,
    /// Where it stands; a gateway entry carries that of the remote pods.
    pub locality: Locality,
    /// Priority, 0 first.
    pub priority: u32,
    /// Only the text has it.
    pub canary: Option<bool>,
    /// Success rate in percent as outlier detection sees it.
    pub success_rate: Option<f64>,
    /// The same, counting errors of local origin.
    pub local_origin_success_rate: Option<f64>,
    /// Lines about the host that this version does not know.
    pub unknown: Vec<(String, String)>,
}

impl Host {
    pub(super) fn at(address: Address) -> Self {
        Self {
            address,
            hostname: String::new(),
            stats: Stats::default(),
            health: Health::default(),
            weight: 0,
            locality: Locality::default(),
            priority: 0,
            canary: None,
            success_rate: None,
            local_origin_success_rate: None,
            unknown: Vec::new(),
        }
    }
}

/// Region, zone and sub-zone; empty where not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Locality {
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Sub-zone.
    pub sub_zone: String,
}

/// What Envoy counts per host. Kept even where Istio's default hides them from Prometheus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connections open now.
    pub cx_active: u64,
    /// Connections that failed.
    pub cx_connect_fail: u64,
    /// Connections made.
    pub cx_total: u64,
    /// Requests under way now.
    pub rq_active: u64,
    /// Requests that failed, those among them that never got a connection.
    pub rq_error: u64,
    /// Requests that wait for a connection now.
    pub rq_pending_active: u64,
    /// Requests answered well.
    pub rq_success: u64,
    /// Requests that timed out.
    pub rq_timeout: u64,
    /// Requests sent; one that never got a connection is not among them.
    pub rq_total: u64,
}

impl Stats {
    pub(super) fn slot(&mut self, name: &[u8]) -> Option<&mut u64> {
        Some(match name {
            b"cx_active" => &mut self.cx_active,
            b"cx_connect_fail" => &mut self.cx_connect_fail,
            b"cx_total" => &mut self.cx_total,
            b"rq_active" => &mut self.rq_active,
            b"rq_error" => &mut self.rq_error,
            b"rq_pending_active" => &mut self.rq_pending_active,
            b"rq_success" => &mut self.rq_success,
            b"rq_timeout" => &mut self.rq_timeout,
            b"rq_total" => &mut self.rq_total,
            _ => return None,
        })
    }
}
