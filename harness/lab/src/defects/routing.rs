//! Routes and load balancing: `VirtualServices`, `DestinationRules`, locality and the ports of Services.

use serde_json::{Value, json};

use super::change::{edit_object, remove_object, set_field};
use super::row::{Planted, Row, in_all, in_secondary};
use crate::engine::settle;
use crate::store::resources;
use crate::world::World;

use Planted::{Objects, Proxies};

/// How long `remote-endpoints-ejected` ejects endpoints, milliseconds: a day.
const EJECTED: i64 = 86_400_000;
/// `distribute` of a `DestinationRule`, as a JSON pointer.
const DISTRIBUTE: &str = "/spec/trafficPolicy/loadBalancer/localityLbSetting/distribute";

/// Objects that several defects change, with their namespaces.
const REVIEWS: (&str, &str) = ("bookinfo", "reviews");
const TRAFFIC_SPLIT: (&str, &str) = ("bookinfo", "reviews-traffic-split");
const INGRESS_ROUTES: (&str, &str) = ("bookinfo", "bookinfo");

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "destination-rule-drifted",
        Objects,
        "DestinationRule reviews has other connection limits and outlier detection than the other clusters",
        |world, cluster| {
            let (rule, traffic) = (resources::destinationrules(), "/spec/trafficPolicy");
            let errors = format!("{traffic}/outlierDetection/consecutive5xxErrors");
            set_field(world, cluster, rule, REVIEWS, &errors, json!(7));
            let connections = format!("{traffic}/connectionPool/tcp/maxConnections");
            set_field(world, cluster, rule, REVIEWS, &connections, json!(10));
        },
    ),
    in_secondary("destination-rule-missing", Objects, "DestinationRule reviews does not exist", |world, cluster| {
        remove_object(world, cluster, resources::destinationrules(), "bookinfo", "reviews");
    }),
    in_secondary(
        "weights-changed",
        Objects,
        "VirtualService reviews-traffic-split has weights 90/10/0 for v1/v2/v3",
        |world, cluster| {
            let (namespace, name) = TRAFFIC_SPLIT;
            edit_object(world, cluster, resources::virtualservices(), namespace, name, |service| {
                for (route, weight) in [90, 10, 0].into_iter().enumerate() {
                    if let Some(field) = service.pointer_mut(&format!("/spec/http/0/route/{route}/weight")) {
                        *field = json!(weight);
                    }
                }
            });
        },
    ),
    in_secondary(
        "delay-in-route",
        Objects,
        "VirtualService reviews-traffic-split delays 20 % of requests by 3 s",
        |world, cluster| {
            let fault = json!({"delay": {"fixedDelay": "3s", "percentage": {"value": 20.0}}});
            set_field(world, cluster, resources::virtualservices(), TRAFFIC_SPLIT, "/spec/http/0/fault", fault);
        },
    ),
    in_secondary(
        "subset-undefined",
        Objects,
        "VirtualService reviews-traffic-split routes to subset v4, which no DestinationRule defines",
        |world, cluster| {
            let (namespace, name) = TRAFFIC_SPLIT;
            edit_object(world, cluster, resources::virtualservices(), namespace, name, |service| {
                if let Some(subset) = service.pointer_mut("/spec/http/0/route/2/destination/subset") {
                    *subset = json!("v4");
                }
            });
        },
    ),
    in_all(
        "second-virtual-service",
        Objects,
        "a second VirtualService claims host reviews; Istio uses the older one",
        |world, cluster| {
            let second = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"name": "reviews-delay", "namespace": "bookinfo"},
                "spec": {"hosts": ["reviews.bookinfo.svc.cluster.local"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}});
            world.create(cluster, resources::virtualservices(), second);
            settle(world);
        },
    ),
    in_secondary(
        "locality-100-0",
        Objects,
        "DestinationRule reviews distributes 100 % of traffic to the local region",
        keep_traffic_local,
    ),
    in_all(
        "reviews-no-redistribution",
        Objects,
        "DestinationRule reviews keeps traffic in the local region, even when no local endpoint is healthy",
        keep_traffic_local,
    ),
    in_secondary(
        "secondary-depends-on-primary",
        Objects,
        "DestinationRule reviews sends all traffic to the region of the first cluster",
        |world, cluster| {
            let first = usize::from(cluster == 0).min(world.clusters.len() - 1);
            distribute_to(world, cluster, world.clusters[first].ident.region);
        },
    ),
    in_secondary(
        "remote-endpoints-ejected",
        Proxies,
        "the proxy of productpage has ejected all remote endpoints of reviews",
        eject_remote_endpoints,
    ),
    in_secondary(
        "ingress-without-routes",
        Objects,
        "no VirtualService is bound to Gateway bookinfo/bookinfo-gateway",
        |world, cluster| remove_object(world, cluster, resources::virtualservices(), "bookinfo", "bookinfo"),
    ),
    in_secondary(
        "ingress-route-other-path",
        Objects,
        "VirtualService bookinfo/bookinfo matches prefix /shop only",
        |world, cluster| {
            let paths = json!([{"uri": {"prefix": "/shop"}}]);
            set_field(world, cluster, resources::virtualservices(), INGRESS_ROUTES, "/spec/http/0/match", paths);
        },
    ),
    in_secondary(
        "ingress-route-wrong-port",
        Objects,
        "VirtualService bookinfo/bookinfo routes to port 9081, which Service productpage does not have",
        |world, cluster| {
            let (port, number) = ("/spec/http/0/route/0/destination/port", json!({"number": 9081}));
            set_field(world, cluster, resources::virtualservices(), INGRESS_ROUTES, port, number);
        },
    ),
    in_secondary(
        "reviews-port-not-http",
        Objects,
        "Service reviews names its port tcp-reviews: Istio treats it as TCP and applies no HTTP routes",
        |world, cluster| {
            let name = "/spec/ports/0/name";
            set_field(world, cluster, resources::services(), REVIEWS, name, json!("tcp-reviews"));
        },
    ),
    in_secondary(
        "reviews-service-wrong-port",
        Objects,
        "Service reviews has targetPort 9999, on which no container listens",
        |world, cluster| {
            set_field(world, cluster, resources::services(), REVIEWS, "/spec/ports/0/targetPort", json!(9999));
        },
    ),
    in_secondary("reviews-service-missing", Objects, "Service reviews does not exist", |world, cluster| {
        remove_object(world, cluster, resources::services(), "bookinfo", "reviews");
    }),
];

/// Sends all traffic to reviews from a cluster's region to one region.
fn distribute_to(world: &mut World, cluster: usize, region: &str) {
    let from = world.clusters[cluster].ident.region;
    let rule: Value = json!([{"from": format!("{from}/*"), "to": {format!("{region}/*"): 100}}]);
    set_field(world, cluster, resources::destinationrules(), REVIEWS, DISTRIBUTE, rule);
}

fn keep_traffic_local(world: &mut World, cluster: usize) {
    distribute_to(world, cluster, world.clusters[cluster].ident.region);
}

fn eject_remote_endpoints(world: &mut World, cluster: usize) {
    let now = world.now;
    for pod in world.clusters[cluster].pods.values_mut().filter(|pod| pod.label("app") == "productpage") {
        let Some(proxy) = pod.proxy.as_mut() else { continue };
        let Some(snapshot) = proxy.snapshot.clone() else { continue };
        for upstream in snapshot.upstreams.values().filter(|upstream| upstream.host.starts_with("reviews.")) {
            let balancer = proxy.balancers.entry(upstream.name.clone()).or_default();
            for endpoint in upstream.endpoints.iter().filter(|endpoint| endpoint.owner != cluster) {
                balancer.hosts.entry((endpoint.ip, endpoint.port)).or_default().eject(now, EJECTED);
            }
        }
    }
}
