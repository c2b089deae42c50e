//! Address ranges for `expect.podCidrs`, from the ranges of nodes and the addresses of pods.
//!
//! Clouds whose CNI gives pods addresses of the VPC (OKE VCN-native, EKS, Azure CNI) set no `podCIDR` on nodes, and nodes
//! that are added later bring ranges of their own. So every range that was seen is widened, as far as it stays apart from
//! the other clusters.

use std::net::IpAddr;

use meshdrill_checks::observe::Cidr;
use serde_json::Value;

use crate::cluster::{Object, pod_addresses};

/// The widest range that is proposed: what a VPC and its subnets usually have.
const WIDEST_IPV4: u32 = 16;
const WIDEST_IPV6: u32 = 56;

/// The ranges in which pods of one cluster were seen: those of its nodes, and the addresses outside of them. Ranges of
/// nodes that no pod uses are left out where pods have other addresses: a CNI with its own address management ignores them.
pub(super) fn seen(nodes: &[Object], pods: &[Object]) -> Vec<Cidr> {
    let addresses: Vec<IpAddr> =
        pods.iter().filter(|pod| pod["spec"]["hostNetwork"] != true).flat_map(|pod| pod_addresses(pod)).collect();
    let of_nodes: Vec<Cidr> = nodes.iter().flat_map(|node| node_ranges(node)).collect();
    let outside = addresses.iter().filter(|address| !of_nodes.iter().any(|range| range.holds(**address)));
    let outside: Vec<Cidr> = outside.map(|address| Cidr::host(*address)).collect();
    let used = |range: &&Cidr| outside.is_empty() || addresses.iter().any(|address| range.holds(*address));
    of_nodes.iter().filter(used).chain(&outside).copied().collect()
}

fn node_ranges(node: &Value) -> Vec<Cidr> {
    let all = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
    let mut ranges: Vec<Cidr> =
        all.chain([&node["spec"]["podCIDR"]]).filter_map(|range| range.as_str()?.parse().ok()).collect();
    ranges.dedup();
    ranges
}

/// Ranges for every cluster that cover what was seen there and nothing that was seen in another one.
pub(super) fn propose(seen: &[&[Cidr]]) -> Vec<Vec<String>> {
    let proposed = seen.iter().enumerate().map(|(own, ranges)| {
        let others: Vec<Cidr> = seen
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != own)
            .flat_map(|(_, ranges)| ranges.iter().copied())
            .collect();
        let wide: Vec<Cidr> = ranges.iter().map(|range| widened(*range, &others)).collect();
        let mut kept: Vec<Cidr> = Vec::new();
        for range in wide {
            if !kept.iter().any(|wider| wider.contains(&range)) {
                kept.retain(|narrow| !range.contains(narrow));
                kept.push(range);
            }
        }
        let mut kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        kept.sort_unstable();
        kept
    });
    proposed.collect()
}

/// The widest range around this one that has no address in common with the others.
fn widened(range: Cidr, others: &[Cidr]) -> Cidr {
    let widest = if range.is_ipv4() { WIDEST_IPV4 } else { WIDEST_IPV6 };
    (widest..range.bits())
        .map(|bits| range.widened_to(bits))
        .find(|wide| !others.iter().any(|other| wide.overlaps(other)))
        .unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ranges(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn pod(ip: &str) -> Object {
        json!({ "status": { "podIP": ip } }).into()
    }

    #[test]
    fn ranges_are_as_wide_as_a_vpc_and_apart_from_other_clusters() {
        let (one, two) = (ranges(&["10.0.1.7/32", "10.0.200.9/32"]), ranges(&["10.1.3.3/32"]));
        assert_eq!(propose(&[&one, &two]), [["10.0.0.0/16"], ["10.1.0.0/16"]]);
        // Subnets of one VPC, a cluster each.
        let (one, two) = (ranges(&["10.0.10.0/24", "10.0.10.7/32"]), ranges(&["10.0.20.0/24"]));
        assert_eq!(propose(&[&one, &two]), [["10.0.0.0/20"], ["10.0.16.0/20"]]);
        let (one, two) = (ranges(&["fd00:1::/64", "10.0.0.1/32"]), ranges(&["fd00:2::/64"]));
        assert_eq!(propose(&[&one, &two])[0], ["10.0.0.0/16", "fd00:1::/56"]);
    }

    #[test]
    fn clusters_that_share_addresses_are_not_made_apart() {
        let both = ranges(&["10.244.0.0/24"]);
        assert_eq!(propose(&[&both, &both]), [["10.244.0.0/24"], ["10.244.0.0/24"]]);
    }

    #[test]
    fn nodes_without_ranges_and_ranges_without_pods() {
        let cloud = json!({ "spec": { "providerID": "aws:///x" } });
        assert_eq!(seen(&[cloud.into()], &[pod("10.0.0.7")]), ranges(&["10.0.0.7/32"]));
        let node = Object::from(json!({ "spec": { "podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"] } }));
        assert_eq!(seen(std::slice::from_ref(&node), &[pod("10.244.0.3")]), ranges(&["10.244.0.0/24"]));
        assert_eq!(seen(std::slice::from_ref(&node), &[pod("192.168.7.3")]), ranges(&["192.168.7.3/32"]));
        assert_eq!(seen(&[node], &[]), ranges(&["10.244.0.0/24"]));
    }

    #[test]
    fn pods_on_the_network_of_their_node_do_not_count() {
        let host = json!({ "spec": { "hostNetwork": true }, "status": { "podIP": "172.16.0.1" } });
        assert_eq!(seen(&[], &[host.into()]), Vec::new());
    }
}
