//! Faults against the API of an embedded mesh whose objects are laid out otherwise than the guide lays them out.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_lab::{Lab, LabConfig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Effect, Fault, FaultError, FaultKind, Options};
use crate::cluster::{Cluster, Kubeconfigs, World, connect};
use crate::net::Net;

const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/namespaces/bookinfo/virtualservices";

async fn world(defects: &[&str]) -> World {
    let defects = defects.iter().map(|defect| defect.parse().unwrap()).collect();
    let lab = Lab::start(LabConfig { defects, ..LabConfig::default() }).unwrap();
    let mut world = World::without_clusters(Net::Lab(lab.clone()));
    for cluster in lab.clusters() {
        let spec = serde_json::from_value(json!({ "context": cluster.context, "uid": cluster.uid })).unwrap();
        let connected = connect(&Kubeconfigs::Lab(lab.clone()), &cluster.key, &spec).await.unwrap();
        world.clusters.insert(cluster.key, connected);
    }
    world
}

async fn make(cluster: &Cluster, path: &str, object: Value) {
    cluster.send(http::Method::POST, path, "application/json", &object).await.unwrap();
    // istiod pushes it.
    sleep(Duration::from_secs(2)).await;
}

fn virtual_service(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "name": name, "namespace": "bookinfo" }, "spec": spec })
}

async fn resolve(world: &World, fault: Value) -> Result<Box<dyn Fault>, FaultError> {
    let kind: FaultKind = serde_json::from_value(json!({ "httpFault": fault })).unwrap();
    kind.as_role().resolve(world, Options { run: "r".into(), ..Options::default() }).await
}

/// Injects it, and waits for the proof.
async fn inject(fault: &dyn Fault) -> String {
    fault.rehearse().await.unwrap();
    fault.inject().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match fault.effect().await {
            Effect::Seen(proof) => return proof,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// How many proxies are said to carry it.
async fn carriers(fault: &dyn Fault) -> usize {
    inject(fault).await.split(' ').next().unwrap().parse().unwrap()
}

/// Undoes it; what is missing when there was time to see it gone.
async fn undo(fault: &dyn Fault, world: &World) -> Option<String> {
    let undos = fault.undo();
    undos[0].apply(world).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let missing = undos[0].missing(world).await.unwrap();
        if missing.is_none() || Instant::now() > deadline {
            return missing;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn of_reviews(extra: &Value) -> Value {
    let mut fault = json!({ "cluster": "primary", "namespace": "bookinfo", "host": "reviews", "abort": 503,
        "control": { "http": { "via": "forward/primary/bookinfo/deployment/productpage-v1:9080",
            "path": "/api/v1/products/0/reviews" } } });
    super::fields::merge(&mut fault, extra.clone());
    fault
}

/// A host that is entered by a gateway only, one of three that its `VirtualService` names, and in another namespace.
async fn shop(world: &World, selector: &Value) -> Value {
    let primary = Arc::clone(world.cluster("primary").unwrap());
    let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "edge" } });
    make(&primary, "/api/v1/namespaces", space).await;
    let gateway = |name: &str, selector: &Value| {
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": { "name": name, "namespace": "edge" }, "spec": { "selector": selector,
                "servers": [{ "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] } })
    };
    let gateways = "/apis/networking.istio.io/v1/namespaces/edge/gateways";
    make(&primary, gateways, gateway("nobody", &json!({ "istio": "another" }))).await;
    make(&primary, gateways, gateway("edge", selector)).await;
    let route = json!([{ "route": [{ "destination": { "host": "productpage", "port": { "number": 9080 } } }] }]);
    let spec =
        json!({ "hosts": ["shop.example.com"], "gateways": ["gone", "edge/nobody", "edge/edge"], "http": route });
    make(&primary, VIRTUAL_SERVICES, virtual_service("shop", &spec)).await;
    json!({ "cluster": "primary", "namespace": "bookinfo", "host": "shop.example.com", "delay": "2s",
        "control": { "http": { "via": "ingress/primary", "host": "shop.example.com", "path": "/productpage" } } })
}

#[tokio::test(start_paused = true)]
async fn every_gateway_that_a_virtual_service_names_is_looked_at() {
    let world = world(&[]).await;
    let fault = shop(&world, &json!({ "istio": "ingressgateway" })).await;
    let fault = resolve(&world, fault).await.unwrap();
    assert!(fault.remarks()[0].contains("Gateway bookinfo/gone, which is not there"), "{:?}", fault.remarks());
    assert_eq!(carriers(fault.as_ref()).await, 1);
    assert_eq!(undo(fault.as_ref(), &world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_keeps_the_fault_is_noticed() {
    let world = world(&["delay-left-behind@primary"]).await;
    let fault = shop(&world, &json!({ "istio": "ingressgateway" })).await;
    let fault = resolve(&world, fault).await.unwrap();
    inject(fault.as_ref()).await;
    let missing = undo(fault.as_ref(), &world).await;
    assert!(missing.is_some_and(|what| what.contains("still carry it, such as istio-system/istio-ingressgateway")));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_no_proxy_routes_to_is_no_target() {
    let world = world(&[]).await;
    let fault = shop(&world, &json!({ "istio": "ingressgateway", "and": "more" })).await;
    let refused = resolve(&world, fault).await.err();
    assert!(matches!(refused, Some(FaultError::NoTarget(why)) if why.contains("no proxy of any namespace/")));
}

#[tokio::test(start_paused = true)]
async fn sidecars_of_all_namespaces_count_that_it_is_exported_to() {
    let world = world(&[]).await;
    let primary = Arc::clone(world.cluster("primary").unwrap());
    let fault = resolve(&world, of_reviews(&json!({}))).await.unwrap();
    // Six of bookinfo, and in another namespace helloworld and sleep.
    assert_eq!(carriers(fault.as_ref()).await, 8);
    assert_eq!(undo(fault.as_ref(), &world).await, None);
    let path = format!("{VIRTUAL_SERVICES}/reviews-traffic-split");
    primary.merge_patch(&path, &json!({ "spec": { "exportTo": ["."] } })).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let fault = resolve(&world, of_reviews(&json!({}))).await.unwrap();
    assert_eq!(carriers(fault.as_ref()).await, 6);
    assert_eq!(undo(fault.as_ref(), &world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_delegates_hands_the_fault_on() {
    let world = world(&[]).await;
    let primary = Arc::clone(world.cluster("primary").unwrap());
    let part = |fault: Value| json!({ "http": [{ "name": "part", "fault": fault, "route": [{ "destination": { "host": "reviews" } }] }] });
    make(&primary, VIRTUAL_SERVICES, virtual_service("part", &part(Value::Null))).await;
    let path = format!("{VIRTUAL_SERVICES}/reviews-traffic-split");
    let root = json!({ "spec": { "http": [{ "name": "all", "delegate": { "name": "part" } }] } });
    primary.merge_patch(&path, &root).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let named = of_reviews(&json!({ "route": "all" }));
    let fault = resolve(&world, named.clone()).await.unwrap();
    assert_eq!(carriers(fault.as_ref()).await, 8);
    assert_eq!(undo(fault.as_ref(), &world).await, None);
    let with_fault = json!({ "spec": part(json!({ "delay": { "fixedDelay": "1s" } })) });
    primary.merge_patch(&format!("{VIRTUAL_SERVICES}/part"), &with_fault).await.unwrap();
    let refused = resolve(&world, named).await.err();
    assert!(
        matches!(refused, Some(FaultError::Refused(why)) if why.contains("VirtualService bookinfo/part, which injects a fault already"))
    );
}
