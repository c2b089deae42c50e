//! The ingress and east-west gateways: their pods, Services and Gateway objects.

use serde_json::{Value, json};

use super::change::{break_new_pods, edit_object, remove_object, select_no_pod, set_field};
use super::row::{Planted, Row, in_all, in_primary, in_secondary};
use crate::store::{object, resources};
use crate::world::PodQuirk;

use Planted::{Bootstrap, Objects, Start};

const INGRESS: &str = "istio-ingressgateway";
const EAST_WEST: &str = "istio-eastwestgateway";
/// The Gateway objects, with their namespaces.
const BOOKINFO_GATEWAY: (&str, &str) = ("bookinfo", "bookinfo-gateway");
const CROSS_NETWORK_GATEWAY: (&str, &str) = ("istio-system", "cross-network-gateway");

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "ingress-load-balancer-pending",
        Bootstrap,
        "Service istio-ingressgateway has no load balancer address",
        |world, cluster| world.clusters[cluster].quirks.pending_balancers.push(INGRESS.into()),
    ),
    in_secondary(
        "east-west-gateway-unaddressed",
        Bootstrap,
        "Service istio-eastwestgateway has no load balancer address: remote proxies get pod addresses",
        |world, cluster| world.clusters[cluster].quirks.pending_balancers.push(EAST_WEST.into()),
    ),
    in_secondary(
        "gateway-port-missing",
        Objects,
        "Service istio-eastwestgateway has no port 15443",
        |world, cluster| {
            edit_object(world, cluster, resources::services(), "istio-system", EAST_WEST, |service| {
                if let Some(ports) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut) {
                    ports.retain(|port| object::int(port, "/port") != Some(15443));
                }
            });
        },
    ),
    in_secondary(
        "gateway-without-endpoints",
        Objects,
        "the selector of Service istio-ingressgateway matches no pod",
        |world, cluster| select_no_pod(world, cluster, INGRESS),
    ),
    in_secondary(
        "east-west-gateway-without-endpoints",
        Objects,
        "the selector of Service istio-eastwestgateway matches no pod",
        |world, cluster| select_no_pod(world, cluster, EAST_WEST),
    ),
    in_secondary(
        "cross-network-gateway-missing",
        Objects,
        "Gateway istio-system/cross-network-gateway does not exist",
        |world, cluster| remove_object(world, cluster, resources::gateways(), "istio-system", "cross-network-gateway"),
    ),
    in_secondary(
        "cross-network-gateway-wrong-selector",
        Objects,
        "the selector of Gateway istio-system/cross-network-gateway matches no gateway pod",
        |world, cluster| {
            let nothing = json!({"istio": "nothing"});
            set_field(world, cluster, resources::gateways(), CROSS_NETWORK_GATEWAY, "/spec/selector", nothing);
        },
    ),
    in_secondary(
        "bookinfo-gateway-missing",
        Objects,
        "Gateway bookinfo/bookinfo-gateway does not exist: the ingress gateway does not listen on port 80",
        |world, cluster| remove_object(world, cluster, resources::gateways(), "bookinfo", "bookinfo-gateway"),
    ),
    in_secondary(
        "bookinfo-gateway-wrong-selector",
        Objects,
        "the selector of Gateway bookinfo/bookinfo-gateway matches no gateway pod",
        |world, cluster| {
            let nothing = json!({"istio": "nothing"});
            set_field(world, cluster, resources::gateways(), BOOKINFO_GATEWAY, "/spec/selector", nothing);
        },
    ),
    in_secondary(
        "bookinfo-gateway-without-port",
        Objects,
        "Gateway bookinfo/bookinfo-gateway serves port 8081 instead of 80",
        |world, cluster| {
            let port = "/spec/servers/0/port/number";
            set_field(world, cluster, resources::gateways(), BOOKINFO_GATEWAY, port, json!(8081));
        },
    ),
    in_secondary(
        "bookinfo-gateway-other-host",
        Objects,
        "Gateway bookinfo/bookinfo-gateway serves host shop.example only",
        |world, cluster| {
            let hosts = json!(["shop.example"]);
            set_field(world, cluster, resources::gateways(), BOOKINFO_GATEWAY, "/spec/servers/0/hosts", hosts);
        },
    ),
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
        Bootstrap,
        "a new pod of istio-ingressgateway never becomes ready",
        |world, cluster| break_new_pods(world, cluster, INGRESS),
    ),
    in_primary(
        "gateway-slow-restart",
        Bootstrap,
        "a new pod of istio-ingressgateway takes 6 minutes to become ready",
        |world, cluster| {
            let quirk = PodQuirk { app: INGRESS, version: "", from_start: false, broken: None, slow_ms: 360_000 };
            world.clusters[cluster].quirks.pods.push(quirk);
        },
    ),
    in_all(
        "east-west-never-readmitted",
        Start,
        "a new pod of istio-eastwestgateway becomes ready but forwards no traffic",
        |world, cluster| world.clusters[cluster].quirks.stuck_gateways = true,
    ),
    in_all(
        "east-west-replacement-never-ready",
        Bootstrap,
        "a new pod of istio-eastwestgateway never becomes ready",
        |world, cluster| break_new_pods(world, cluster, EAST_WEST),
    ),
];
