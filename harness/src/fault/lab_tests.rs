//! Faults against the API of an embedded mesh whose objects differ from those of the guide.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_lab::{Lab, LabConfig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Effect, Fault, FaultError, FaultKind, FaultOptions};
use crate::cluster::{Cluster, Kubeconfigs, World, connect};
use crate::format::MeshSpec;
use crate::net::Net;

const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/namespaces/bookinfo/virtualservices";

async fn world(defects: &[&str]) -> World {
    let defects = defects.iter().map(|defect| defect.parse().unwrap()).collect();
    of_lab(LabConfig { defects, ..LabConfig::default() }).await
}

async fn of_lab(config: LabConfig) -> World {
    let lab = Lab::start(config).unwrap();
    let mut world = World::without_clusters(Net::Lab(lab.clone()));
    for cluster in lab.clusters() {
        let spec = serde_json::from_value(json!({ "context": cluster.context, "uid": cluster.uid })).unwrap();
        let connected = connect(&Kubeconfigs::lab(lab.clone()), &cluster.key, &spec).await.unwrap();
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
    resolved(world, &kind).await
}

async fn resolved(world: &World, kind: &FaultKind) -> Result<Box<dyn Fault>, FaultError> {
    kind.as_behavior().resolve(world, FaultOptions { run: "r".into(), ..FaultOptions::default() }).await
}

/// Injects it, and waits for the proof.
async fn inject(fault: &dyn Fault) -> String {
    fault.dry_run().await.unwrap();
    fault.inject().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match fault.effect().await {
            Effect::Seen(proof) => return proof,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        fault.retry().await;
        sleep(Duration::from_millis(100)).await;
    }
}

/// How many proxies the proof says have the fault.
async fn carriers(fault: &dyn Fault) -> usize {
    inject(fault).await.split(' ').next().unwrap().parse().unwrap()
}

/// Undoes it; what is missing when there was time to see it gone.
async fn undo(fault: &dyn Fault, world: &World) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    for undo in fault.undo() {
        undo.apply(world).await.unwrap();
        while let Some(missing) = undo.missing(world).await.unwrap() {
            if Instant::now() > deadline {
                return Some(missing);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    None
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
    assert!(fault.remarks()[0].contains("Gateway bookinfo/gone, which does not exist"), "{:?}", fault.remarks());
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
    assert!(
        missing.is_some_and(|what| what.contains("still have the fault, such as istio-system/istio-ingressgateway"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_no_proxy_routes_to_is_no_target() {
    let world = world(&[]).await;
    let fault = shop(&world, &json!({ "istio": "ingressgateway", "and": "more" })).await;
    let refused = resolve(&world, fault).await.err();
    assert!(matches!(refused, Some(FaultError::NoTarget(why)) if why.contains("no proxy of all namespaces/")));
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
        matches!(refused, Some(FaultError::Refused(why)) if why.contains("VirtualService bookinfo/part, which already injects a fault"))
    );
}

/// A stateful application beside helloworld, with a Service of its own.
async fn stateful(world: &World) {
    let primary = world.cluster("primary").unwrap();
    let labels = json!({ "app": "store" });
    let meta = json!({ "name": "store", "namespace": "sample" });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": { "selector": labels,
        "ports": [{ "name": "http", "port": 5000 }] } });
    make(primary, "/api/v1/namespaces/sample/services", service).await;
    let container =
        json!({ "name": "store", "image": "registry.local/app:1", "args": ["helloworld", "-port", "5000"] });
    let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": { "replicas": 2,
        "serviceName": "store", "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } } });
    make(primary, "/apis/apps/v1/namespaces/sample/statefulsets", set).await;
    sleep(Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_stateful_sets_along_and_brings_them_back() {
    let world = world(&[]).await;
    stateful(&world).await;
    let outage = json!({ "clusterOutage": { "cluster": "primary", "namespaces": ["sample"] } });
    let fault = resolved(&world, &serde_json::from_value(outage).unwrap()).await.unwrap();
    assert!(fault.targets().contains(&"sample/store".to_owned()), "{:?}", fault.targets());
    inject(fault.as_ref()).await;
    let path = "/apis/apps/v1/namespaces/sample/statefulsets/store";
    let replicas = |set: Value| set["status"]["replicas"].as_i64().unwrap_or(0);
    let primary = world.cluster("primary").unwrap();
    assert_eq!(replicas(primary.get(path).await.unwrap()), 0);
    assert_eq!(undo(fault.as_ref(), &world).await, None);
    assert_eq!(replicas(primary.get(path).await.unwrap()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_cannot_be_scaled_is_not_overlooked() {
    let world = world(&[]).await;
    let primary = world.cluster("primary").unwrap();
    let gateway = |name: &str| format!("/api/v1/namespaces/istio-system/services/{name}");
    let ingress: Value = primary.get(&gateway("istio-ingressgateway")).await.unwrap();
    // A Service of a gateway in front of pods that nothing scales.
    let bare = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "edge", "namespace": "istio-system",
        "labels": { "app": "edge" } }, "spec": { "containers": [{ "name": "istio-proxy", "image": "registry.local/app:1" }] } });
    make(primary, "/api/v1/namespaces/istio-system/pods", bare).await;
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "edge", "namespace": "istio-system",
        "labels": ingress["metadata"]["labels"] }, "spec": { "selector": { "app": "edge" }, "ports": [{ "port": 80 }] } });
    make(primary, "/api/v1/namespaces/istio-system/services", service).await;
    sleep(Duration::from_secs(30)).await;
    let outage = json!({ "clusterOutage": { "cluster": "primary", "namespaces": ["bookinfo"] } });
    let refused = resolved(&world, &serde_json::from_value(outage).unwrap()).await.err();
    assert!(matches!(&refused, Some(FaultError::Refused(why)) if why.contains("istio-system/edge")), "{refused:?}");
}

/// Every kind of fault that speaks to a cluster, each in a mesh of its own.
fn kinds() -> Vec<Value> {
    let pods = json!({ "cluster": "primary", "namespace": "bookinfo", "selector": "app=ratings" });
    let node = json!({ "cluster": "primary", "node": "primary-node-2" });
    let rule = json!({ "cluster": "primary", "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "namespace": "bookinfo", "name": "reviews", "patch": { "spec": { "host": "reviews.bookinfo" } } });
    let map =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "made", "namespace": "bookinfo" } });
    let from = json!({ "cluster": "primary", "namespace": "bookinfo", "selector": "app=details" });
    let control = json!({ "tcp": { "from": from, "to": "ratings.bookinfo:9080", "timeout": "1s" } });
    let mut isolated = pods.clone();
    isolated["control"] = control;
    vec![
        json!({ "deletePods": pods }),
        json!({ "evictPods": pods }),
        json!({ "rolloutRestart": { "cluster": "primary", "namespace": "bookinfo", "deployment": "ratings-v1" } }),
        json!({ "cordon": node }),
        json!({ "drain": node }),
        json!({ "httpFault": of_reviews(&json!({})) }),
        json!({ "httpFault": of_reviews(&json!({ "clients": "app=productpage" })) }),
        json!({ "isolate": isolated }),
        json!({ "apply": { "cluster": "primary", "objects": [map] } }),
        json!({ "clusterOutage": { "cluster": "primary", "namespaces": ["bookinfo", "sample"] } }),
        json!({ "clusterOutage": { "cluster": "primary", "selector": "app=helloworld" } }),
        json!({ "patch": rule }),
        json!({ "scale": { "cluster": "primary", "namespace": "bookinfo", "deployment": "ratings-v1", "replicas": 0 } }),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_a_fault_says_that_it_must_be_permitted_is_enough_for_it_and_for_its_undo() {
    let mesh: MeshSpec = serde_json::from_value(json!({ "clusters": {
        "primary": { "context": "primary-cluster-context" }, "secondary": { "context": "secondary-cluster" } } }))
    .unwrap();
    for written in kinds() {
        // Nothing is permitted that was not asked about.
        let world = of_lab(LabConfig { least_privilege: true, ..LabConfig::default() }).await;
        let kind: FaultKind = serde_json::from_value(written.clone()).unwrap();
        for permission in kind.as_behavior().permissions(&mesh) {
            assert!(world.cluster(&permission.cluster).unwrap().permits(&permission).await.unwrap());
        }
        let fault = resolved(&world, &kind).await.unwrap_or_else(|error| panic!("{written}: {error}"));
        // An object that a fault creates has no UID before.
        let identified = if written.get("apply").is_some() { 0 } else { fault.targets().len() };
        assert_eq!(fault.uids().iter().filter(|uid| uid.len() == 36).count(), identified, "{written}");
        let proof = inject(fault.as_ref()).await;
        assert!(!proof.contains("not all other clusters"), "{written}: {proof}");
        fault.replacements().await.unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(undo(fault.as_ref(), &world).await, None, "{written}");
    }
}

#[tokio::test(start_paused = true)]
async fn victims_are_chosen_among_pods_that_serve() {
    let world = world(&["application-pod-unready"]).await;
    let delete = |extra: Value| {
        let mut spec = json!({ "cluster": "secondary", "namespace": "bookinfo", "selector": "app=reviews" });
        super::fields::merge(&mut spec, extra);
        serde_json::from_value::<FaultKind>(json!({ "deletePods": spec })).unwrap()
    };
    for seed in 0..20 {
        let kind = delete(json!({ "count": 2 }));
        let options = FaultOptions { seed, ..FaultOptions::default() };
        let targets = kind.as_behavior().resolve(&world, options).await.unwrap().targets();
        assert!(targets.len() == 2 && targets.iter().all(|pod| !pod.contains("reviews-v2")), "{targets:?}");
    }
    let too_many = resolved(&world, &delete(json!({ "count": 3 }))).await.err().unwrap().to_string();
    assert!(too_many.contains("only 2 Ready pods"), "{too_many}");
    let all = resolved(&world, &delete(json!({}))).await.err().unwrap().to_string();
    assert!(all.contains("1 of 3 pods") && all.contains("includeUnready"), "{all}");
    let named = resolved(&world, &delete(json!({ "includeUnready": true }))).await.unwrap();
    assert_eq!(named.targets().len(), 3);
    assert!(
        named.remarks().iter().any(|text| text.contains("was not Ready before the fault")),
        "{:?}",
        named.remarks()
    );
    let none = delete(json!({ "selector": "app=reviews,version=v2", "includeUnready": true }));
    let none = resolved(&world, &none).await.err().unwrap().to_string();
    assert!(none.contains("prove nothing"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn pods_that_nobody_replaces_are_missed() {
    let world = world(&["pods-nobody-replaces"]).await;
    let fault = |selector: &str| {
        let spec =
            json!({ "cluster": "primary", "namespace": "bookinfo", "selector": selector, "count": 1, "grace": "0s" });
        serde_json::from_value::<FaultKind>(json!({ "deletePods": spec })).unwrap()
    };
    let broker = resolved(&world, &fault("app=broker")).await.unwrap();
    assert_eq!(broker.missing().await.unwrap(), None, "nothing was removed yet");
    inject(broker.as_ref()).await;
    sleep(Duration::from_mins(1)).await;
    let missing = broker.missing().await.unwrap();
    assert_eq!(missing.as_deref(), Some("2 of 3 pods of StrimziPodSet bookinfo/shop-broker (primary) are Ready again"));
    let details = resolved(&world, &fault("app=details")).await.unwrap();
    inject(details.as_ref()).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(details.missing().await.unwrap(), None);
}
