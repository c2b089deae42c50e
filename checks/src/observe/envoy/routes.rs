//! The HTTP routes of one Envoy, as its control plane configured it: `/config_dump?resource=dynamic_route_configs`.
//!
//! Of each route only what a fault injected by Istio shows in is read: which object it was made from, and the fault
//! filter's configuration.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::{EnvoyError, dump};

/// An injected fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteFault {
    /// Requests wait this long.
    pub delay: Option<Duration>,
    /// Requests are answered with this status.
    pub abort: Option<u16>,
}

/// One route of a virtual host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Its name; the one in the `VirtualService` where that names its routes.
    pub name: String,
    /// The path of the object it was made from, as Istio notes it; empty if it does not.
    pub config: String,
    /// The fault injected into its requests.
    pub fault: Option<RouteFault>,
}

impl Route {
    /// Whether it was made from a `VirtualService`.
    pub fn is_of(&self, namespace: &str, name: &str) -> bool {
        self.config.ends_with(&format!("/namespaces/{namespace}/virtual-service/{name}"))
    }
}

/// Reads the dump, whole or of `resource=dynamic_route_configs` alone. A proxy without routes, such as that of a gateway
/// that only passes through, answers `{}`.
pub fn parse(body: &[u8]) -> Result<Vec<Route>, EnvoyError> {
    if body.trim_ascii() == b"{}" {
        return Ok(Vec::new());
    }
    let configs: Vec<Config<'_>> = dump::configs(body, "/config_dump?resource=dynamic_route_configs")?;
    let tables = configs.into_iter().flat_map(|config| {
        let listed = config.dynamic_route_configs.into_iter().chain(config.static_route_configs);
        listed.map(|one| one.table).chain(config.alone)
    });
    let routes = tables.flat_map(|table| table.virtual_hosts).flat_map(|host| host.routes);
    Ok(routes.map(RawRoute::read).collect())
}

/// Any configuration; only those of routes have these fields.
#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow, default)]
    dynamic_route_configs: Vec<RouteConfig<'a>>,
    #[serde(borrow, default)]
    static_route_configs: Vec<RouteConfig<'a>>,
    #[serde(borrow, rename = "route_config")]
    alone: Option<Table<'a>>,
}

#[derive(Deserialize)]
struct RouteConfig<'a> {
    #[serde(borrow, rename = "route_config", default)]
    table: Table<'a>,
}

#[derive(Default, Deserialize)]
struct Table<'a> {
    #[serde(borrow, default)]
    virtual_hosts: Vec<VirtualHost<'a>>,
}

#[derive(Deserialize)]
struct VirtualHost<'a> {
    #[serde(borrow, default)]
    routes: Vec<RawRoute<'a>>,
}

#[derive(Deserialize)]
struct RawRoute<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    typed_per_filter_config: Filters<'a>,
}

impl RawRoute<'_> {
    fn read(self) -> Route {
        let fault = self.typed_per_filter_config.fault.map(|fault| RouteFault {
            delay: fault.delay.and_then(|delay| seconds(&delay.fixed_delay)),
            abort: fault.abort.and_then(|abort| abort.http_status),
        });
        let config = self.metadata.filter_metadata.istio.map(|istio| istio.config.into_owned());
        Route { name: self.name.into_owned(), config: config.unwrap_or_default(), fault }
    }
}

/// A duration as protobuf's JSON has it: `2s`, `0.500s`.
pub fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

#[derive(Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    filter_metadata: FilterMetadata<'a>,
}

#[derive(Default, Deserialize)]
struct FilterMetadata<'a> {
    #[serde(borrow)]
    istio: Option<Istio<'a>>,
}

#[derive(Deserialize)]
struct Istio<'a> {
    #[serde(borrow, default)]
    config: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Filters<'a> {
    #[serde(borrow, rename = "envoy.filters.http.fault")]
    fault: Option<FaultFilter<'a>>,
}

#[derive(Deserialize)]
struct FaultFilter<'a> {
    #[serde(borrow)]
    delay: Option<Delay<'a>>,
    abort: Option<Abort>,
}

#[derive(Deserialize)]
struct Delay<'a> {
    #[serde(borrow, default)]
    fixed_delay: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Abort {
    http_status: Option<u16>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTE: &str = r#"{"name":"slow","match":{"prefix":"/"},"route":{"cluster":"c"},
        "metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/shop/virtual-service/cart"}}},
        "typed_per_filter_config":{"envoy.filters.http.fault":{"@type":"t","delay":{"fixed_delay":"0.250s",
            "percentage":{"numerator":1000000,"denominator":"MILLION"}},"abort":{"http_status":503}}}}"#;

    #[test]
    fn faults_are_read_from_either_shape() {
        let table = format!(r#"{{"virtual_hosts":[{{"name":"cart:80","routes":[{ROUTE},{{"match":{{}}}}]}}]}}"#);
        let alone = format!(r#"{{"configs":[{{"@type":"x","version_info":"1","route_config":{table}}}]}}"#);
        let whole =
            format!(r#"{{"configs":[{{"@type":"b"}},{{"dynamic_route_configs":[{{"route_config":{table}}}]}}]}}"#);
        for body in [alone, whole] {
            let routes = parse(body.as_bytes()).unwrap();
            let [slow, plain] = routes.as_slice() else { panic!("{routes:?}") };
            assert_eq!(slow.fault, Some(RouteFault { delay: Some(Duration::from_millis(250)), abort: Some(503) }));
            assert!(slow.is_of("shop", "cart") && !slow.is_of("op", "cart") && !slow.is_of("shop", "car"));
            assert_eq!(*plain, Route::default());
        }
    }

    #[test]
    fn what_is_not_a_dump_is_an_error() {
        for body in [&b"{\"error\":1}"[..], b"<html>", b"", b"[]"] {
            assert!(parse(body).is_err());
        }
        assert!(parse(br#"{"configs":[]}"#).unwrap().is_empty() && parse(b"{}\n").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse(&body).is_err());
        }
    }
}
