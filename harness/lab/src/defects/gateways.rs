//! The ingress and east-west gateways: their pods, Services and Gateway objects.

use serde_json::{Value, json};

use super::change::{break_new_pods, edit_found, remove_found, select_no_pod, set_found};
use super::find::{self, Place};
use super::row::{ISTIO_ROUTES, NETWORKS, Planted, Row, in_all, in_primary, in_secondary};
use crate::lab_mesh::LabMesh;
use crate::store::{object, resources};
use crate::world::{PodQuirk, World};

use Planted::{Objects, Start};

/// The meshes with east-west gateways that Istio's own Gateway objects configure.
const ISTIO_NETWORKS: &[LabMesh] = &[LabMesh::Guide, LabMesh::PrimaryRemote];

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "ingress-load-balancer-pending",
        Objects,
        "Service istio-ingressgateway has no load balancer address",
        |world, cluster| {
            let service = find::ingress(world, cluster);
            take_address(world, cluster, service);
        },
    ),
    in_secondary(
        "east-west-gateway-unaddressed",
        Objects,
        "Service istio-eastwestgateway has no load balancer address: remote proxies get pod addresses",
        |world, cluster| {
            let service = find::east_west(world, cluster);
            take_address(world, cluster, service);
        },
    )
    .on(NETWORKS),
    in_secondary(
        "gateway-port-missing",
        Objects,
        "Service istio-eastwestgateway has no port 15443",
        |world, cluster| {
            let found = find::east_west(world, cluster);
            edit_found(world, cluster, resources::services(), found, |service| {
                if let Some(ports) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut) {
                    ports.retain(|port| object::int(port, "/port") != Some(15443));
                }
            });
        },
    )
    .on(NETWORKS),
    in_secondary(
        "gateway-without-endpoints",
        Objects,
        "the selector of Service istio-ingressgateway matches no pod",
        |world, cluster| {
            if let Some(service) = find::ingress(world, cluster) {
                select_no_pod(world, cluster, &service);
            }
        },
    ),
    in_secondary(
        "east-west-gateway-without-endpoints",
        Objects,
        "the selector of Service istio-eastwestgateway matches no pod",
        |world, cluster| {
            if let Some(service) = find::east_west(world, cluster) {
                select_no_pod(world, cluster, &service);
            }
        },
    )
    .on(NETWORKS),
    in_secondary(
        "cross-network-gateway-missing",
        Objects,
        "Gateway istio-system/cross-network-gateway does not exist",
        |world, cluster| {
            let found = find::passthrough_gateway(world, cluster);
            remove_found(world, cluster, resources::gateways(), found);
        },
    )
    .on(ISTIO_NETWORKS)
    .configured(),
    in_secondary(
        "cross-network-gateway-wrong-selector",
        Objects,
        "the selector of Gateway istio-system/cross-network-gateway matches no gateway pod",
        |world, cluster| {
            let nothing = json!({"istio": "nothing"});
            let found = find::passthrough_gateway(world, cluster);
            set_found(world, cluster, resources::gateways(), found, "/spec/selector", nothing);
        },
    )
    .on(ISTIO_NETWORKS)
    .configured(),
    in_secondary(
        "bookinfo-gateway-missing",
        Objects,
        "Gateway bookinfo/bookinfo-gateway does not exist: the ingress gateway does not listen on port 80",
        |world, cluster| {
            let found = find::http_gateway(world, cluster);
            remove_found(world, cluster, resources::gateways(), found);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "bookinfo-gateway-wrong-selector",
        Objects,
        "the selector of Gateway bookinfo/bookinfo-gateway matches no gateway pod",
        |world, cluster| {
            let nothing = json!({"istio": "nothing"});
            let found = find::http_gateway(world, cluster);
            set_found(world, cluster, resources::gateways(), found, "/spec/selector", nothing);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "bookinfo-gateway-without-port",
        Objects,
        "Gateway bookinfo/bookinfo-gateway serves port 8081 instead of 80",
        |world, cluster| {
            let port = "/spec/servers/0/port/number";
            let found = find::http_gateway(world, cluster);
            set_found(world, cluster, resources::gateways(), found, port, json!(8081));
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "bookinfo-gateway-other-host",
        Objects,
        "Gateway bookinfo/bookinfo-gateway serves host shop.example only",
        |world, cluster| {
            let found = find::http_gateway(world, cluster);
            edit_found(world, cluster, resources::gateways(), found, |gateway| {
                let serves = object::text(gateway, "/spec/servers/0/hosts/0") == "shop.example";
                let host = if serves { "other.example" } else { "shop.example" };
                object::set(gateway, "/spec/servers/0/hosts", json!([host]));
            });
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary("one-503-in-ten", Start, "the ingress gateway answers 10 % of requests with 503", |world, cluster| {
        world.clusters[cluster].quirks.gateway_errors = 0.1;
    }),
    in_secondary(
        "one-503-in-thirty",
        Start,
        "the ingress gateway answers 1 of 30 requests with 503",
        |world, cluster| world.clusters[cluster].quirks.gateway_errors = 1.0 / 30.0,
    ),
    in_primary(
        "steady-state-errors",
        Start,
        "the ingress gateway answers 1 of 30 requests with 503, from the start of the baseline",
        |world, cluster| world.clusters[cluster].quirks.gateway_errors = 1.0 / 30.0,
    ),
    in_primary(
        "gateway-replacement-never-ready",
        Start,
        "a new pod of istio-ingressgateway never becomes ready",
        |world, cluster| {
            if let Some(app) = find::gateway_app(world, cluster, false) {
                break_new_pods(world, cluster, &app);
            }
        },
    ),
    in_primary(
        "gateway-slow-restart",
        Start,
        "a new pod of istio-ingressgateway takes 6 minutes to become ready",
        |world, cluster| {
            let Some(app) = find::gateway_app(world, cluster, false) else { return };
            let quirk = PodQuirk { app, version: "", from_start: false, broken: None, slow_ms: 360_000 };
            world.clusters[cluster].quirks.pods.push(quirk);
        },
    ),
    in_all(
        "east-west-never-readmitted",
        Start,
        "a new pod of istio-eastwestgateway becomes ready but forwards no traffic",
        |world, cluster| world.clusters[cluster].quirks.stuck_gateways = true,
    )
    .on(NETWORKS),
    in_all(
        "east-west-replacement-never-ready",
        Start,
        "a new pod of istio-eastwestgateway never becomes ready",
        |world, cluster| {
            if let Some(app) = find::gateway_app(world, cluster, true) {
                break_new_pods(world, cluster, &app);
            }
        },
    )
    .on(NETWORKS),
];

/// Takes the load balancer address of a Service away, and keeps it pending.
fn take_address(world: &mut World, cluster: usize, service: Option<Place>) {
    if let Some((_, name)) = &service {
        world.clusters[cluster].quirks.pending_balancers.push(name.clone());
    }
    edit_found(world, cluster, resources::services(), service, |service| {
        object::set(service, "/status", json!({"loadBalancer": {}}));
    });
}
