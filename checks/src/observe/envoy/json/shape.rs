//! The objects of the JSON form, as Envoy's `envoy/admin/v3/clusters.proto` has them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::observe::envoy::{Address, Cluster, Flag, Health, Host, Limits, Locality, Outlier};

#[derive(Deserialize)]
pub(super) struct ClusterStatus<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    added_via_api: bool,
    #[serde(borrow, default)]
    observability_name: Cow<'a, str>,
    #[serde(borrow, default)]
    eds_service_name: Cow<'a, str>,
    success_rate_ejection_threshold: Option<Percent>,
    local_origin_success_rate_ejection_threshold: Option<Percent>,
    #[serde(default)]
    circuit_breakers: CircuitBreakers,
    #[serde(borrow, default)]
    host_statuses: Vec<HostStatus<'a>>,
}

impl ClusterStatus<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_cluster(self, named: Cluster) -> Cluster {
        let (mut default_limits, mut high_limits) = (Limits::default(), Limits::default());
        for threshold in self.circuit_breakers.thresholds {
            let limits =
                if threshold.priority.as_deref() == Some("HIGH") { &mut high_limits } else { &mut default_limits };
            *limits = threshold.limits;
        }
        Cluster {
            observability_name: self.observability_name.into_owned(),
            eds_service_name: self.eds_service_name.into_owned(),
            added_via_api: self.added_via_api,
            default_limits,
            high_limits,
            outlier: Outlier {
                success_rate_ejection_threshold: self.success_rate_ejection_threshold.map(|p| p.value),
                local_origin_success_rate_ejection_threshold: self
                    .local_origin_success_rate_ejection_threshold
                    .map(|p| p.value),
                ..Outlier::default()
            },
            hosts: self.host_statuses.into_iter().map(HostStatus::into_host).collect(),
            ..named
        }
    }
}

#[derive(Deserialize)]
struct Percent {
    #[serde(default)]
    value: f64,
}

#[derive(Default, Deserialize)]
struct CircuitBreakers {
    #[serde(default)]
    thresholds: Vec<Threshold>,
}

#[derive(Deserialize)]
struct Threshold {
    priority: Option<String>,
    #[serde(flatten)]
    limits: Limits,
}

#[derive(Deserialize)]
struct HostStatus<'a> {
    #[serde(borrow)]
    address: JsonAddress<'a>,
    #[serde(borrow, default)]
    stats: Vec<Stat<'a>>,
    health_status: Option<HealthStatus>,
    success_rate: Option<Percent>,
    local_origin_success_rate: Option<Percent>,
    #[serde(default)]
    weight: u32,
    #[serde(default)]
    priority: u32,
    #[serde(borrow, default)]
    hostname: Cow<'a, str>,
    #[serde(borrow, default)]
    locality: JsonLocality<'a>,
}

impl HostStatus<'_> {
    fn into_host(self) -> Host {
        let mut host = Host::at(self.address.into_address());
        for stat in self.stats {
            match (host.stats.slot(stat.name.as_bytes()), stat.value) {
                (Some(slot), value) => *slot = value.0,
                (None, value) => host.unknown.push((stat.name.into_owned(), value.0.to_string())),
            }
        }
        host.health = self.health_status.map(HealthStatus::into_health).unwrap_or_default();
        host.success_rate = self.success_rate.map(|p| p.value);
        host.local_origin_success_rate = self.local_origin_success_rate.map(|p| p.value);
        host.weight = self.weight;
        host.priority = self.priority;
        host.hostname = self.hostname.into_owned();
        host.locality = Locality {
            region: self.locality.region.into_owned(),
            zone: self.locality.zone.into_owned(),
            sub_zone: self.locality.sub_zone.into_owned(),
        };
        host
    }
}

/// An address as `/clusters` and `/config_dump` write it.
#[derive(Deserialize)]
pub(in crate::observe::envoy) struct JsonAddress<'a> {
    #[serde(borrow)]
    socket_address: Option<SocketAddress<'a>>,
    #[serde(borrow)]
    pipe: Option<Pipe<'a>>,
    #[serde(borrow)]
    envoy_internal_address: Option<Internal<'a>>,
}

impl JsonAddress<'_> {
    pub(in crate::observe::envoy) fn into_address(self) -> Address {
        match (self.socket_address, self.pipe, self.envoy_internal_address) {
            (Some(socket), _, _) => Address::from_parts(&socket.address, socket.port_value),
            (_, Some(pipe), _) => Address::Pipe(pipe.path.into_owned()),
            (_, _, Some(internal)) => Address::Internal {
                listener: internal.server_listener_name.into_owned(),
                endpoint: internal.endpoint_id.into_owned(),
            },
            (None, None, None) => Address::Other(String::new()),
        }
    }
}

#[derive(Deserialize)]
struct SocketAddress<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    #[serde(default)]
    port_value: u16,
}

#[derive(Deserialize)]
struct Pipe<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Internal<'a> {
    #[serde(borrow, default)]
    server_listener_name: Cow<'a, str>,
    #[serde(borrow, default)]
    endpoint_id: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct JsonLocality<'a> {
    #[serde(borrow, default)]
    region: Cow<'a, str>,
    #[serde(borrow, default)]
    zone: Cow<'a, str>,
    #[serde(borrow, default)]
    sub_zone: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Stat<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    value: Whole,
}

/// A 64-bit number, which proto JSON writes as a string.
#[derive(Clone, Copy, Default)]
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a string of one")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Whole, E> {
                Ok(Whole(value))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Whole, E> {
                value.parse().map(Whole).map_err(E::custom)
            }
        }
        json.deserialize_any(Either)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the shape is Envoy's")]
struct HealthStatus {
    #[serde(rename = "eds_health_status")]
    eds: Option<String>,
    failed_active_health_check: bool,
    failed_outlier_check: bool,
    failed_active_degraded_check: bool,
    pending_dynamic_removal: bool,
    pending_active_hc: bool,
    excluded_via_immediate_hc_fail: bool,
    active_hc_timeout: bool,
}

impl HealthStatus {
    fn into_health(self) -> Health {
        let mut flags: Vec<Flag> = [
            (self.failed_active_health_check, Flag::FailedActiveHc),
            (self.failed_outlier_check, Flag::FailedOutlierCheck),
            (self.failed_active_degraded_check, Flag::DegradedActiveHc),
            (self.pending_dynamic_removal, Flag::PendingDynamicRemoval),
            (self.pending_active_hc, Flag::PendingActiveHc),
            (self.excluded_via_immediate_hc_fail, Flag::ExcludedViaImmediateHcFail),
            (self.active_hc_timeout, Flag::ActiveHcTimeout),
        ]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
        match self.eds.as_deref() {
            Some("HEALTHY") => {}
            // A timeout declared by the control plane is reported as UNHEALTHY; kept apart in case that changes.
            Some("UNHEALTHY" | "TIMEOUT") => flags.push(Flag::FailedEdsHealth),
            Some("DEGRADED") => flags.push(Flag::DegradedEdsHealth),
            Some("DRAINING") => flags.push(Flag::EdsStatusDraining),
            Some(other) => flags.push(Flag::Other(format!("eds_{}", other.to_ascii_lowercase()))),
            None if flags.is_empty() => return Health::default(),
            None => {}
        }
        Health::of(flags)
    }
}
