//! Routes and load balancing: `VirtualServices`, `DestinationRules`, locality and the ports of Services.

use serde_json::{Value, json};

use super::change::{edit_found, remove_found, set_found};
use super::find;
use super::row::{ISTIO_ROUTES, Planted, Row, SEVERAL, in_all, in_secondary};
use crate::engine::settle;
use crate::lab_mesh::LabMesh;
use crate::store::{object, resources};
use crate::world::{Pod, Role, World};

use Planted::{Objects, Proxies};

/// How long `remote-endpoints-ejected` ejects endpoints, milliseconds: a day.
const EJECTED: i64 = 86_400_000;
/// `distribute` of a `DestinationRule`, as a JSON pointer.
const DISTRIBUTE: &str = "/spec/trafficPolicy/loadBalancer/localityLbSetting/distribute";

/// The meshes of several clusters with a `DestinationRule`.
const ISTIO_LOCALITY: &[LabMesh] = &[LabMesh::Guide, LabMesh::FlatThree, LabMesh::PrimaryRemote];
/// The meshes beside the guide's that route with Istio's own objects.
const OTHERS: &[LabMesh] = &[LabMesh::FlatThree, LabMesh::Single, LabMesh::PrimaryRemote];

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "destination-rule-drifted",
        Objects,
        "DestinationRule reviews has other connection limits and outlier detection than the other clusters",
        |world, cluster| {
            let (rule, traffic) = (resources::destinationrules(), "/spec/trafficPolicy");
            let errors = format!("{traffic}/outlierDetection/consecutive5xxErrors");
            let found = find::rule(world, cluster);
            set_found(world, cluster, rule, found.clone(), &errors, json!(7));
            let connections = format!("{traffic}/connectionPool/tcp/maxConnections");
            set_found(world, cluster, rule, found, &connections, json!(10));
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary("destination-rule-missing", Objects, "DestinationRule reviews does not exist", |world, cluster| {
        let found = find::rule(world, cluster);
        remove_found(world, cluster, resources::destinationrules(), found);
    })
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "weights-changed",
        Objects,
        "VirtualService reviews-traffic-split has weights 90/10/0 for v1/v2/v3",
        |world, cluster| {
            let found = find::split(world, cluster);
            edit_found(world, cluster, resources::virtualservices(), found, |service| {
                let first = object::int(service, "/spec/http/0/route/0/weight");
                let weights = if first == Some(90) { [10, 90, 0] } else { [90, 10, 0] };
                for (route, weight) in weights.into_iter().enumerate() {
                    if let Some(field) = service.pointer_mut(&format!("/spec/http/0/route/{route}/weight")) {
                        *field = json!(weight);
                    }
                }
            });
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "delay-in-route",
        Objects,
        "VirtualService reviews-traffic-split delays 20 % of requests by 3 s",
        |world, cluster| {
            let fault = json!({"delay": {"fixedDelay": "3s", "percentage": {"value": 20.0}}});
            let found = find::split(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, "/spec/http/0/fault", fault);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "subset-undefined",
        Objects,
        "VirtualService reviews-traffic-split routes to subset v4, which no DestinationRule defines",
        |world, cluster| {
            let found = find::split(world, cluster);
            edit_found(world, cluster, resources::virtualservices(), found, |service| {
                let routes = service.pointer_mut("/spec/http/0/route").and_then(Value::as_array_mut);
                if let Some(last) = routes.and_then(|routes| routes.last_mut()) {
                    object::set(last, "/destination/subset", json!("v4"));
                }
            });
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_all(
        "second-virtual-service",
        Objects,
        "a second VirtualService claims host reviews; Istio uses the older one",
        |world, cluster| {
            let Some((namespace, host)) = find::split_service(world, cluster) else { return };
            let second = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"name": format!("{host}-delay"), "namespace": namespace},
                "spec": {"hosts": [format!("{host}.{namespace}.svc.cluster.local")], "http": [{"route": [{"destination": {"host": host}}]}]}});
            world.create(cluster, resources::virtualservices(), second);
            settle(world);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "locality-100-0",
        Objects,
        "DestinationRule reviews distributes 100 % of traffic to the local region",
        keep_traffic_local,
    )
    .on(ISTIO_LOCALITY)
    .configured(),
    in_all(
        "reviews-no-redistribution",
        Objects,
        "DestinationRule reviews keeps traffic in the local region, even when no local endpoint is healthy",
        keep_traffic_local,
    )
    .on(ISTIO_LOCALITY)
    .configured(),
    in_secondary(
        "secondary-depends-on-primary",
        Objects,
        "DestinationRule reviews sends all traffic to the region of the first cluster",
        |world, cluster| {
            let first = usize::from(cluster == 0).min(world.clusters.len() - 1);
            distribute_to(world, cluster, world.clusters[first].ident.region);
        },
    )
    .on(&[LabMesh::Guide, LabMesh::FlatThree]),
    in_secondary(
        "remote-endpoints-ejected",
        Proxies,
        "the proxy of productpage has ejected all remote endpoints of reviews",
        eject_remote_endpoints,
    )
    .on(SEVERAL),
    in_secondary(
        "ingress-without-routes",
        Objects,
        "no VirtualService is bound to Gateway bookinfo/bookinfo-gateway",
        |world, cluster| {
            let found = find::entry_point(world, cluster);
            remove_found(world, cluster, resources::virtualservices(), found);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "ingress-route-other-path",
        Objects,
        "VirtualService bookinfo/bookinfo matches prefix /shop only",
        |world, cluster| {
            let paths = json!([{"uri": {"prefix": "/shop"}}]);
            let found = find::entry_point(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, "/spec/http/0/match", paths);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "ingress-route-wrong-port",
        Objects,
        "VirtualService bookinfo/bookinfo routes to port 9081, which Service productpage does not have",
        |world, cluster| {
            let (port, number) = ("/spec/http/0/route/0/destination/port", json!({"number": 9081}));
            let found = find::entry_point(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, port, number);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "reviews-port-not-http",
        Objects,
        "Service reviews names its port tcp-reviews: Istio treats it as TCP and applies no HTTP routes",
        |world, cluster| {
            let name = "/spec/ports/0/name";
            let found = find::split_service(world, cluster);
            set_found(world, cluster, resources::services(), found, name, json!("tcp-reviews"));
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "reviews-service-wrong-port",
        Objects,
        "Service reviews has targetPort 9999, on which no container listens",
        |world, cluster| {
            let found = find::application(world, cluster);
            set_found(world, cluster, resources::services(), found, "/spec/ports/0/targetPort", json!(9999));
        },
    ),
    in_secondary("reviews-service-missing", Objects, "Service reviews does not exist", |world, cluster| {
        let found = find::application(world, cluster);
        remove_found(world, cluster, resources::services(), found);
    }),
    in_secondary(
        "virtual-service-drifted",
        Objects,
        "the VirtualService that splits traffic has another timeout than in the other clusters",
        |world, cluster| {
            let found = find::split(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, "/spec/http/0/timeout", json!("1s"));
        },
    )
    .on(&[LabMesh::FlatThree]),
    in_secondary(
        "route-to-missing-host",
        Objects,
        "the VirtualService of the entry point routes to a host that does not exist",
        |world, cluster| {
            let host = "/spec/http/0/route/0/destination/host";
            let found = find::entry_point(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, host, json!("nowhere"));
        },
    )
    .on(OTHERS)
    .configured(),
    in_secondary(
        "entry-point-503",
        Objects,
        "the VirtualService of the entry point answers every request with 503",
        |world, cluster| {
            let fault = json!({"abort": {"httpStatus": 503, "percentage": {"value": 100.0}}});
            let found = find::entry_point(world, cluster);
            set_found(world, cluster, resources::virtualservices(), found, "/spec/http/0/fault", fault);
        },
    )
    .on(OTHERS)
    .configured(),
];

/// Sends all traffic to reviews from a cluster's region to one region.
fn distribute_to(world: &mut World, cluster: usize, region: &str) {
    let from = world.clusters[cluster].ident.region;
    let rule: Value = json!([{"from": format!("{from}/*"), "to": {format!("{region}/*"): 100}}]);
    let found = find::rule(world, cluster);
    edit_found(world, cluster, resources::destinationrules(), found, |object| {
        object::set(object, DISTRIBUTE, rule);
        object::set(object, "/spec/trafficPolicy/loadBalancer/localityLbSetting/enabled", json!(true));
    });
}

fn keep_traffic_local(world: &mut World, cluster: usize) {
    distribute_to(world, cluster, world.clusters[cluster].ident.region);
}

fn eject_remote_endpoints(world: &mut World, cluster: usize) {
    let now = world.now;
    let Some((_, app)) = find::application(world, cluster) else { return };
    let requests = |pod: &Pod| pod.role == Role::Productpage || pod.backends.iter().any(|one| one.name == app);
    // Where no application requests it, the gateways do.
    let gateways = !world.clusters[cluster].pods.values().any(requests);
    for pod in world.clusters[cluster].pods.values_mut().filter(|pod| requests(pod) || gateways && pod.gateway()) {
        let Some(proxy) = pod.proxy.as_mut() else { continue };
        let Some(snapshot) = proxy.snapshot.clone() else { continue };
        for upstream in snapshot.upstreams.values().filter(|upstream| upstream.host.starts_with(&app)) {
            let balancer = proxy.balancers.entry(upstream.name.clone()).or_default();
            for endpoint in upstream.endpoints.iter().filter(|endpoint| endpoint.owner != cluster) {
                balancer.hosts.entry((endpoint.ip, endpoint.port)).or_default().eject(now, EJECTED);
            }
        }
    }
}
