//! Nodes and the Kubernetes version.

use super::row::{Planted, Row, in_secondary};

use Planted::Bootstrap;

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "kubernetes-version-drift",
        Bootstrap,
        "the API server and all nodes run Kubernetes v1.33.5; the other clusters run v1.34.1",
        |world, cluster| world.clusters[cluster].quirks.kubernetes_version = Some("v1.33.5".into()),
    ),
    in_secondary("kubelet-version-drift", Bootstrap, "the kubelet of one node is v1.33.5", |world, cluster| {
        world.clusters[cluster].quirks.kubelet_version = Some((2, "v1.33.5"));
    }),
    in_secondary("node-not-ready", Bootstrap, "one node is NotReady", |world, cluster| {
        world.clusters[cluster].quirks.unready_nodes.push(3);
    }),
    in_secondary("node-cordoned", Bootstrap, "one node is cordoned", |world, cluster| {
        world.clusters[cluster].quirks.cordoned_nodes.push(3);
    }),
    in_secondary("node-missing", Bootstrap, "the cluster has 2 nodes instead of 3", |world, cluster| {
        world.clusters[cluster].quirks.nodes = 2;
    }),
];
