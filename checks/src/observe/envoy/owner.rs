//! Which cluster of the mesh owns an endpoint. Topology decides what an endpoint looks like, so nothing is assumed: every
//! source is asked, in the order of its reliability, and a disagreement is reported instead of being resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::config_dump::Endpoints;
use super::{Address, Cluster, Host, Locality};

/// Where an opinion comes from, most reliable first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The control plane's own metadata in `/config_dump`.
    Metadata,
    /// The address is that of a cluster's east-west gateway.
    Gateway,
    /// The locality of the host. Of no use where two clusters share a region.
    Locality,
    /// The address is that of a pod of the cluster. Of no use where pod ranges overlap.
    PodIp,
}

/// What is known about the clusters of the mesh. Names are Istio cluster ids throughout.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Endpoint metadata of the proxy that was asked; empty if it could not be read.
    pub endpoints: Endpoints,
    /// Addresses and ports of every east-west gateway, those of hostnames resolved.
    pub gateways: BTreeMap<SocketAddr, BTreeSet<String>>,
    /// Regions and zones in which a cluster has nodes. An empty zone stands for the whole region.
    pub localities: BTreeMap<(String, String), BTreeSet<String>>,
    /// Pod addresses.
    pub pods: BTreeMap<IpAddr, BTreeSet<String>>,
}

/// How traffic reaches the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Through an east-west gateway that is known.
    Gateway,
    /// Straight to a pod that is known. For a remote cluster on a multi-network mesh that means: the gateway is missing.
    Pod,
    /// Through a tunnel of ambient mode.
    Tunnel,
    /// Neither.
    Unknown,
}

/// One source's view: every cluster that it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The source of it.
    pub source: Source,
    /// Never empty; more than one where the source cannot tell.
    pub clusters: BTreeSet<String>,
}

/// The cluster that owns an endpoint, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// This one, by the most reliable source that could tell; no other source contradicts.
    Cluster {
        /// Istio cluster id.
        cluster: String,
        /// The source.
        by: Source,
    },
    /// Sources contradict each other.
    Disputed(Vec<Opinion>),
    /// No source could tell one from another.
    Unknown,
}

impl Known {
    /// Classifies one host of a cluster.
    pub fn owner(&self, cluster: &Cluster, host: &Host) -> Owner {
        let opinions = self.opinions(cluster, host);
        let Some((by, owner)) = opinions.iter().find_map(|o| Some((o.source, only(&o.clusters)?))) else {
            return Owner::Unknown;
        };
        if opinions.iter().all(|o| o.clusters.contains(owner)) {
            Owner::Cluster { cluster: owner.to_owned(), by }
        } else {
            Owner::Disputed(opinions)
        }
    }

    /// What every source reports about a host, most reliable first.
    pub fn opinions(&self, cluster: &Cluster, host: &Host) -> Vec<Opinion> {
        let socket = host.address.socket();
        let assignment = if cluster.eds_service_name.is_empty() { &cluster.name } else { &cluster.eds_service_name };
        [
            (Source::Metadata, self.endpoints.get(assignment, &host.address).map(|info| &*info.clusters)),
            (Source::Gateway, socket.and_then(|s| self.gateways.get(&s))),
            (Source::Locality, self.at(&host.locality)),
            (Source::PodIp, socket.and_then(|s| self.pods.get(&canonical(s.ip())))),
        ]
        .into_iter()
        .filter_map(|(source, clusters)| {
            let clusters = clusters.filter(|c| !c.is_empty())?.clone();
            Some(Opinion { source, clusters })
        })
        .collect()
    }

    /// How traffic reaches a host.
    pub fn reach(&self, host: &Host) -> Reach {
        if matches!(host.address, Address::Internal { .. }) {
            return Reach::Tunnel;
        }
        match host.address.socket() {
            Some(socket) if self.gateways.contains_key(&socket) => Reach::Gateway,
            Some(socket) if self.pods.contains_key(&canonical(socket.ip())) => Reach::Pod,
            _ => Reach::Unknown,
        }
    }

    fn at(&self, locality: &Locality) -> Option<&BTreeSet<String>> {
        if locality.region.is_empty() {
            return None;
        }
        let zone = (locality.region.clone(), locality.zone.clone());
        self.localities.get(&zone).or_else(|| self.localities.get(&(zone.0, String::new())))
    }
}

/// An IPv4 address in IPv6 clothes is the IPv4 address.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn only(clusters: &BTreeSet<String>) -> Option<&str> {
    clusters.first().filter(|_| clusters.len() == 1).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::envoy::{Clusters, Select, config_dump, parse_json, parse_text};

    const REVIEWS: &str = "outbound|9080||reviews.bookinfo.svc.cluster.local";
    const RATINGS: &str = "outbound|9080||ratings.bookinfo.svc.cluster.local";

    fn names(clusters: &[&str]) -> BTreeSet<String> {
        clusters.iter().map(|c| (*c).to_owned()).collect()
    }

    fn capture() -> Clusters {
        parse_text(include_bytes!("../../../tests/captures/envoy/clusters.txt"), Select::All).unwrap()
    }

    fn dump() -> Endpoints {
        config_dump::parse(include_bytes!("../../../tests/captures/envoy/config_dump_include_eds.json")).unwrap()
    }

    fn owners(known: &Known, clusters: &Clusters, name: &str) -> Vec<(String, Owner)> {
        let cluster = clusters.get(name).unwrap();
        cluster.hosts.iter().map(|host| (host.address.to_string(), known.owner(cluster, host))).collect()
    }

    fn owned(cluster: &str, by: Source) -> Owner {
        Owner::Cluster { cluster: cluster.to_owned(), by }
    }

    #[test]
    fn metadata_tells_in_both_topologies() {
        let known = Known { endpoints: dump(), ..Known::default() };
        let clusters = capture();
        let reviews = owners(&known, &clusters, REVIEWS);
        let remote = |list: &[(String, Owner)]| {
            list.iter().filter(|(_, o)| *o == owned("secondary-cluster", Source::Metadata)).count()
        };
        assert_eq!((reviews.len(), remote(&reviews)), (6, 3));
        assert_eq!(remote(&owners(&known, &clusters, RATINGS)), 1);
        let details = "outbound|9080||details.bookinfo.svc.cluster.local";
        assert!(owners(&known, &clusters, details).iter().all(|(_, owner)| *owner == Owner::Unknown));
    }

    #[test]
    fn gateways_and_localities_tell_without_metadata() {
        let body = include_bytes!("../../../tests/captures/envoy/clusters_real_istio_multinetwork.json");
        let clusters = parse_json(body, Select::All).unwrap();
        let mut known = Known::default();
        known.gateways.insert("198.18.2.11:15443".parse().unwrap(), names(&["secondary"]));
        known.localities.insert(("us-sanjose-1".to_owned(), String::new()), names(&["primary"]));
        known.localities.insert(("us-chicago-1".to_owned(), "us-chicago-1-ad-1".to_owned()), names(&["secondary"]));
        let cluster = clusters.get(REVIEWS).unwrap();
        assert_eq!(cluster.hosts.len(), 4);
        for host in &cluster.hosts {
            let gateway = host.address.to_string() == "198.18.2.11:15443";
            let wanted = if gateway { owned("secondary", Source::Gateway) } else { owned("primary", Source::Locality) };
            assert_eq!(known.owner(cluster, host), wanted);
            assert_eq!(known.reach(host), if gateway { Reach::Gateway } else { Reach::Unknown });
        }
    }

    #[test]
    fn a_source_that_cannot_tell_is_no_dispute() {
        let mut known = Known { endpoints: dump(), ..Known::default() };
        // Both clusters in one region, pod ranges overlapping.
        known
            .localities
            .insert(("us-sanjose-1".to_owned(), String::new()), names(&["primary-cluster", "secondary-cluster"]));
        known
            .localities
            .insert(("us-chicago-1".to_owned(), String::new()), names(&["primary-cluster", "secondary-cluster"]));
        known.pods.insert("10.0.10.119".parse().unwrap(), names(&["primary-cluster", "secondary-cluster"]));
        let reviews = owners(&known, &capture(), REVIEWS);
        assert!(reviews.iter().all(|(_, owner)| matches!(owner, Owner::Cluster { by: Source::Metadata, .. })));
    }

    #[test]
    fn a_contradiction_is_reported() {
        let mut known = Known { endpoints: dump(), ..Known::default() };
        known.pods.insert("10.1.1.87".parse().unwrap(), names(&["primary-cluster"]));
        let reviews = owners(&known, &capture(), REVIEWS);
        let (_, disputed) = reviews.iter().find(|(address, _)| address == "10.1.1.87:9080").unwrap();
        let Owner::Disputed(opinions) = disputed else { panic!("{disputed:?}") };
        assert_eq!(opinions.iter().map(|o| o.source).collect::<Vec<_>>(), [Source::Metadata, Source::PodIp]);
    }

    #[test]
    fn pods_by_their_address_and_waypoints_by_their_tunnel() {
        let mut known = Known::default();
        known.pods.insert("10.0.0.9".parse().unwrap(), names(&["a"]));
        known.pods.insert("10.0.10.119".parse().unwrap(), names(&["b"]));
        let clusters = capture();
        let v6 = clusters.get("outbound|80||v6svc.bookinfo.svc.cluster.local").unwrap();
        let mapped = v6.hosts.iter().find(|h| h.address.to_string().contains("ffff")).unwrap();
        assert_eq!((known.owner(v6, mapped), known.reach(mapped)), (owned("a", Source::PodIp), Reach::Pod));
        let waypoint = clusters.get("inbound-vip|9080|http|reviews.bookinfo.svc.cluster.local").unwrap();
        assert_eq!(known.owner(waypoint, &waypoint.hosts[0]), owned("b", Source::PodIp));
        assert_eq!(known.reach(&waypoint.hosts[0]), Reach::Tunnel);
    }
}
