//! `DestinationRules`, read from their JSON into what a proxy needs.

use serde_json::Value;

use crate::clock::{Ms, duration};
use crate::store::object;

/// Outlier detection of a `DestinationRule`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlier {
    pub(crate) consecutive: u32,
    pub(crate) interval: Ms,
    pub(crate) base: Ms,
    pub(crate) max_percent: u32,
}

/// Circuit breaker limits as `/clusters` prints them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    pub(crate) pending: u32,
    pub(crate) requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: u32::MAX, pending: u32::MAX, requests: u32::MAX }
    }
}

/// The traffic policy of a `DestinationRule` for a host.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrafficPolicy {
    pub(crate) outlier: Option<Outlier>,
    pub(crate) limits: Limits,
    /// `from` and `to` of each `distribute` entry.
    pub(crate) distribute: Vec<(String, Vec<(String, u32)>)>,
    /// Endpoints of other regions are used only when those nearby fail.
    pub(crate) by_locality: bool,
    pub(crate) subsets: Vec<(String, Value)>,
    pub(crate) rule: String,
    /// The TLS mode, if one is set.
    pub(crate) tls: Option<String>,
}

/// Reads a `DestinationRule`.
pub(crate) fn parse(value: &Value) -> TrafficPolicy {
    let traffic = value.pointer("/spec/trafficPolicy").cloned().unwrap_or_default();
    let number = |pointer: &str| object::int(&traffic, pointer).and_then(|number| u32::try_from(number).ok());
    let outlier = traffic.get("outlierDetection").map(|outlier| Outlier {
        consecutive: object::int(outlier, "/consecutive5xxErrors")
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(5),
        interval: duration(object::text(outlier, "/interval")).unwrap_or(10_000).max(1),
        base: duration(object::text(outlier, "/baseEjectionTime")).unwrap_or(30_000),
        max_percent: object::int(outlier, "/maxEjectionPercent")
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(10),
    });
    let enabled = traffic.pointer("/loadBalancer/localityLbSetting/enabled").and_then(Value::as_bool).unwrap_or(true);
    let distribute = object::items(&traffic, "/loadBalancer/localityLbSetting/distribute")
        .iter()
        .filter(|_| enabled)
        .map(|rule| {
            let to = rule.get("to").and_then(Value::as_object).into_iter().flatten();
            let to = to
                .map(|(locality, weight)| {
                    (locality.clone(), weight.as_u64().and_then(|share| u32::try_from(share).ok()).unwrap_or(0))
                })
                .collect();
            (object::text(rule, "/from").to_owned(), to)
        })
        .collect();
    TrafficPolicy {
        outlier,
        limits: Limits {
            connections: number("/connectionPool/tcp/maxConnections").unwrap_or(u32::MAX),
            pending: number("/connectionPool/http/http1MaxPendingRequests").unwrap_or(u32::MAX),
            requests: number("/connectionPool/http/http2MaxRequests").unwrap_or(u32::MAX),
        },
        distribute,
        by_locality: enabled,
        tls: traffic.pointer("/tls/mode").and_then(Value::as_str).map(str::to_owned),
        subsets: object::items(value, "/spec/subsets")
            .iter()
            .map(|subset| (object::text(subset, "/name").to_owned(), subset.get("labels").cloned().unwrap_or_default()))
            .collect(),
        rule: format!("{}/{}", object::namespace(value), object::name(value)),
    }
}
