//! Names that Istio gives to Envoy clusters: `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`.

use serde::{Deserialize, Serialize};

/// Which way traffic of a cluster goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From this proxy to a service.
    Outbound,
    /// From this proxy to its own workload.
    Inbound,
    /// From a waypoint to a service it fronts.
    InboundVip,
}

/// The parts of such a name. Specials like `BlackHoleCluster` and `xds-grpc` have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServiceName {
    /// Which way its traffic goes.
    pub direction: Direction,
    /// Service port.
    pub port: u16,
    /// Subset of the `DestinationRule`, empty for the cluster of all subsets; the protocol on a waypoint.
    pub subset: String,
    /// Service host; empty on inbound clusters.
    pub host: String,
    /// Whether it is the form of an east-west gateway, `outbound_.9080_.v1_.host`.
    pub passthrough: bool,
}

impl ServiceName {
    /// Reads a cluster name; `None` if Istio did not make it for a service.
    pub fn parse(name: &str) -> Option<Self> {
        let passthrough = !name.contains('|');
        let mut parts = name.splitn(4, if passthrough { "_." } else { "|" });
        let direction = match parts.next()? {
            "outbound" => Direction::Outbound,
            "inbound" => Direction::Inbound,
            "inbound-vip" => Direction::InboundVip,
            _ => return None,
        };
        let port = parts.next()?.parse().ok()?;
        let (subset, host) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { direction, port, subset, host, passthrough })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_istio_makes() {
        let reviews = ServiceName::parse("outbound|9080|v1|reviews.bookinfo.svc.cluster.local").unwrap();
        assert_eq!((reviews.direction, reviews.port, reviews.passthrough), (Direction::Outbound, 9080, false));
        assert_eq!((&*reviews.subset, &*reviews.host), ("v1", "reviews.bookinfo.svc.cluster.local"));
        let gateway = ServiceName::parse("outbound_.9080_._.reviews.bookinfo.svc.cluster.local").unwrap();
        assert_eq!((&*gateway.subset, &*gateway.host, gateway.passthrough), ("", &*reviews.host, true));
        assert_eq!(ServiceName::parse("inbound|9080||").unwrap().host, "");
        let waypoint = ServiceName::parse("inbound-vip|9080|http|reviews.bookinfo.svc.cluster.local").unwrap();
        assert_eq!((waypoint.direction, &*waypoint.subset), (Direction::InboundVip, "http"));
    }

    #[test]
    fn specials_have_no_service() {
        for name in ["BlackHoleCluster", "xds-grpc", "weird::name with::colons", "", "outbound|x||h", "outbound|1|v1"] {
            assert_eq!(ServiceName::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_survived(name in ".{0,60}") {
            let _ = ServiceName::parse(&name);
        }
    }
}
