//! The sample workloads: helloworld and sleep, and the bookstore with the guide's traffic rules.

use serde_json::{Value, json};

use crate::seed::build::workload::{deployment, service};
use crate::seed::put::put;
use crate::store::resources;
use crate::world::World;

pub(crate) fn seed(world: &mut World, cluster: usize) {
    let hello = if cluster == 0 { "v1" } else { "v2" };
    let mut service = service("sample", "helloworld", 5000);
    service["metadata"]["labels"] = json!({"app": "helloworld"});
    put(world, cluster, resources::services(), service);
    let both = world.clusters[cluster].quirks.every_helloworld;
    for version in ["v1", "v2"].into_iter().filter(|version| both || *version == hello) {
        let container = json!({"name": "helloworld", "image": "registry.local/app:1", "args": ["helloworld", "-port", "5000", "-version", version]});
        let labels = json!({"app": "helloworld", "version": version});
        let name = format!("helloworld-{version}");
        put(world, cluster, resources::deployments(), deployment("sample", &name, &labels, container, 2));
    }
    let client = world.clusters[cluster].quirks.client;
    let container = json!({"name": client, "image": "registry.local/app:1", "command": ["/bin/sleep", "2147483647"]});
    put(world, cluster, resources::deployments(), deployment("sample", client, &json!({"app": client}), container, 0));
    bookinfo(world, cluster);
}

fn bookinfo(world: &mut World, cluster: usize) {
    let istio = world.clusters[cluster].ident.istio.clone();
    for name in ["productpage", "details", "ratings", "reviews"] {
        put(world, cluster, resources::services(), service("bookinfo", name, 9080));
    }
    for (app, version) in [
        ("productpage", "v1"),
        ("details", "v1"),
        ("ratings", "v1"),
        ("reviews", "v1"),
        ("reviews", "v2"),
        ("reviews", "v3"),
    ] {
        let name = format!("{app}-{version}");
        let container = json!({"name": app, "image": "registry.local/app:1", "args": [app, "-version", version],
            "env": [{"name": "CLUSTER_NAME", "value": istio}], "ports": [{"containerPort": 9080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 9080}, "periodSeconds": 1}});
        let mut value = deployment("bookinfo", &name, &json!({"app": app, "version": version}), container, 2);
        if app == "productpage" {
            value["spec"]["template"]["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9091",
                "prometheus.io/path": "/metrics", "traffic.sidecar.istio.io/excludeInboundPorts": "9091"});
        }
        // This one has a distroless proxy, without a shell: many meshes use it everywhere.
        if app == "details" {
            value["spec"]["template"]["metadata"]["annotations"] =
                json!({"sidecar.istio.io/proxyImageType": "distroless"});
        }
        put(world, cluster, resources::deployments(), value);
    }
    put(
        world,
        cluster,
        resources::gateways(),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": {"name": "bookinfo-gateway", "namespace": "bookinfo"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}}),
    );
    put(
        world,
        cluster,
        resources::virtualservices(),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "bookinfo", "namespace": "bookinfo"},
        "spec": {"hosts": ["*"], "gateways": ["bookinfo-gateway"], "http": [{"match": [{"uri": {"exact": "/productpage"}}, {"uri": {"prefix": "/api/v1/products"}}],
            "route": [{"destination": {"host": "productpage", "port": {"number": 9080}}}]}]}}),
    );
    put(
        world,
        cluster,
        resources::destinationrules(),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": "bookinfo"},
        "spec": {"host": "reviews", "trafficPolicy": {
            "connectionPool": {"tcp": {"maxConnections": 100}, "http": {"http1MaxPendingRequests": 50, "http2MaxRequests": 100}},
            "loadBalancer": {"localityLbSetting": {"enabled": true, "distribute": distribution(world)}},
            "outlierDetection": {"consecutive5xxErrors": 3, "interval": "10s", "baseEjectionTime": "30s", "maxEjectionPercent": 50}},
            "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}, {"name": "v3", "labels": {"version": "v3"}}]}}),
    );
    put(
        world,
        cluster,
        resources::virtualservices(),
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "reviews-traffic-split", "namespace": "bookinfo"},
        "spec": {"hosts": ["reviews"], "http": [{"timeout": "10s",
            "retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,reset,connect-failure,refused-stream"},
            "route": [{"destination": {"host": "reviews", "subset": "v1"}, "weight": 50}, {"destination": {"host": "reviews", "subset": "v2"}, "weight": 30},
                {"destination": {"host": "reviews", "subset": "v3"}, "weight": 20}]}]}}),
    );
}

/// 70 % in the local region, and 30 % shared by the other regions.
fn distribution(world: &World) -> Value {
    let regions: Vec<&str> = world.clusters.iter().map(|cluster| cluster.ident.region).collect();
    let others = i64::try_from(regions.len()).unwrap_or(1) - 1;
    let rules: Vec<Value> = regions
        .iter()
        .filter(|_| others > 0)
        .map(|from| {
            let mut to = serde_json::Map::new();
            let (mut given, mut seen) = (0, 0);
            for region in &regions {
                let weight = if region == from {
                    70
                } else {
                    seen += 1;
                    if seen == others { 30 - given } else { 30 / others }
                };
                if region != from {
                    given += weight;
                }
                to.insert(format!("{region}/*"), json!(weight));
            }
            json!({"from": format!("{from}/*"), "to": to})
        })
        .collect();
    json!(rules)
}
