//! The routes of a service in two versions.

use serde_json::json;

use super::workload::istio_object;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::World;

/// A `DestinationRule` with outlier detection and a `VirtualService` that splits traffic 90/10 over two versions.
pub(crate) fn split(world: &mut World, cluster: usize, namespace: &str, host: &str) {
    let rule = json!({"host": host, "trafficPolicy": {
            "connectionPool": {"tcp": {"maxConnections": 200}, "http": {"http1MaxPendingRequests": 100, "http2MaxRequests": 200}},
            "loadBalancer": {"simple": "LEAST_REQUEST", "localityLbSetting": {"enabled": false}},
            "outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s", "baseEjectionTime": "30s", "maxEjectionPercent": 50}},
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]});
    put(world, cluster, resources::destinationrules(), istio_object("DestinationRule", namespace, host, rule));
    let split = json!({"hosts": [host], "http": [{"timeout": "5s",
        "retries": {"attempts": 2, "perTryTimeout": "2s", "retryOn": "5xx,reset,connect-failure,refused-stream"},
        "route": [{"destination": {"host": host, "subset": "v1"}, "weight": 90}, {"destination": {"host": host, "subset": "v2"}, "weight": 10}]}]});
    put(world, cluster, resources::virtualservices(), istio_object("VirtualService", namespace, host, split));
}
