//! The defects of the meshes beside the guide's: each starts where it applies, is refused elsewhere, and changes what it says.

mod support;

use meshdrill_lab::{Defect, Lab, LabConfig, LabMesh};
use serde_json::{Value, json};
use support::{MERGE, api, balancer, delete, get, get_of, mesh, number, pass, pods, responders, synced, write};

fn start(mesh: LabMesh, defect: &str) -> Result<Lab, String> {
    let defects = vec![defect.parse::<Defect>().map_err(|error| error.to_string())?];
    Lab::start(LabConfig { mesh, defects, ..LabConfig::default() }).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn every_defect_starts_where_it_applies_and_is_refused_elsewhere() {
    let mut wrong = Vec::new();
    for mesh in LabMesh::ALL {
        for info in Defect::all() {
            match (start(mesh, info.name), info.meshes.contains(&mesh)) {
                (Ok(_), true) => {}
                (Err(error), false) if error.contains("it is for ") && error.contains(info.meshes[0].name()) => {}
                (found, _) => wrong.push(format!("{mesh}: {}: {:?}", info.name, found.map(|_| "started"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(start(LabMesh::FlatThree, "node-cordoned@ap").is_ok());
    assert!(start(LabMesh::FlatThree, "node-cordoned@primary").unwrap_err().contains("does not have"));
    assert!(start(LabMesh::FlatThree, "alertmanager-down@us").unwrap_err().contains("nothing to change in cluster us"));
}

const SHOP: &str = "shop.example";

async fn shop(lab: &Lab, cluster: &str) -> String {
    balancer(lab, cluster, "istio-ingress", "edge").await
}

#[tokio::test(start_paused = true)]
async fn what_the_shop_answers_follows_from_its_routes() {
    let all = ["ap", "eu", "us"];
    let ejected = mesh(LabMesh::FlatThree, &["remote-endpoints-ejected"]);
    let found = responders(&ejected, &shop(&ejected, "us").await, SHOP, "/reviews", "/reviews/cluster").await;
    // Each front that answers has its own view; those of us see reviews of us only.
    assert!(found["us"] > found["eu"] && found["us"] > found["ap"], "{found:?}");
    for (defect, status) in [("entry-point-503", 503), ("route-to-missing-host", 503), ("ingress-without-routes", 404)]
    {
        let lab = mesh(LabMesh::FlatThree, &[defect]);
        assert_eq!(get_of(&lab, (&shop(&lab, "us").await, 80), SHOP, "/").await.0, status, "{defect}");
        assert_eq!(get_of(&lab, (&shop(&lab, "eu").await, 80), SHOP, "/").await.0, 200, "{defect}");
    }
    let undefined = mesh(LabMesh::FlatThree, &["subset-undefined@all"]);
    let found = responders(&undefined, &shop(&undefined, "us").await, SHOP, "/reviews", "/reviews/cluster").await;
    assert!(found.contains_key("503") && all.iter().all(|cluster| found.contains_key(*cluster)), "{found:?}");
    let secrets = mesh(LabMesh::FlatThree, &["remote-secret-missing"]);
    let found = responders(&secrets, &shop(&secrets, "us").await, SHOP, "/", "/cluster").await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["us"]);
    let roots = mesh(LabMesh::FlatThree, &["different-roots"]);
    let found = responders(&roots, &shop(&roots, "us").await, SHOP, "/", "/cluster").await;
    assert!(!found.contains_key("eu") && found.contains_key("us"), "{found:?}");
    let gateway = mesh(LabMesh::FlatThree, &["gateway-without-endpoints"]);
    assert!(gateway.dial(&shop(&gateway, "us").await, 80).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn objects_of_the_shop_differ_where_a_defect_says_so() {
    let lab = mesh(
        LabMesh::FlatThree,
        &["virtual-service-drifted", "sidecar-missing", "deployment-missing@ap", "stateful-pod-unready"],
    );
    let timeout = |value: &Value| value["spec"]["http"][0]["timeout"].clone();
    let path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews";
    assert_eq!(
        [timeout(&api(&lab, "eu", path).await), timeout(&api(&lab, "us", path).await)],
        [json!("5s"), json!("1s")]
    );
    let reviews = api(&lab, "us", "/api/v1/namespaces/shop/pods?labelSelector=app=reviews,version=v2").await;
    assert!(reviews["items"][0].is_object() && !reviews.to_string().contains("\"istio-proxy\""));
    assert!(pods(&lab, "ap", "shop", "app=reviews,version=v2").await.is_empty());
    let cart = api(&lab, "us", "/apis/apps/v1/namespaces/shop/statefulsets/cart").await;
    assert!(cart["status"]["readyReplicas"].is_null() && cart["status"]["replicas"] == 1, "{cart}");
}

#[tokio::test(start_paused = true)]
async fn monitoring_of_the_shop_fails_as_a_defect_says() {
    let lab = mesh(LabMesh::FlatThree, &["prometheus-finds-no-pods", "rule-error@ap", "rules-not-loaded@eu"]);
    pass(10.0).await;
    let at = |cluster: &'static str| balancer(&lab, cluster, "monitoring", "prom");
    assert_eq!(number(&lab, &at("us").await, "count(up)").await, Some(1.0));
    assert!(get(&lab, &at("ap").await, 9090, "/api/v1/rules").await.1.contains("\"health\":\"err\""));
    assert!(get(&lab, &at("eu").await, 9090, "/api/v1/rules").await.1.contains("\"groups\":[]"));
    let down = mesh(LabMesh::FlatThree, &["prometheus-down", "alertmanager-down"]);
    assert!(down.dial(&balancer(&down, "us", "monitoring", "prom").await, 9090).await.is_err());
    assert!(down.dial(&balancer(&down, "eu", "monitoring", "alerts").await, 9093).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn alerts_of_every_cluster_reach_the_one_alertmanager() {
    let lab = mesh(LabMesh::FlatThree, &[]);
    support::scale(&lab, "us", "istio-ingress", "edge", 0).await;
    pass(150.0).await;
    let alerts = balancer(&lab, "eu", "monitoring", "alerts").await;
    let (_, posted) = get(&lab, &alerts, 9093, "/api/v2/alerts").await;
    assert!(posted.contains("EdgeGone") && posted.contains("\"cluster\":\"us\""), "{posted}");
    let pager = api(&lab, "eu", "/api/v1/namespaces/monitoring/services/pager").await;
    let (_, heard) = get(&lab, pager["spec"]["clusterIP"].as_str().unwrap(), 8080, "/alerts").await;
    assert!(heard.contains("EdgeGone"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn istiod_and_its_webhooks_fail_for_their_revision_only() {
    let lab = mesh(LabMesh::Single, &["canary-webhook-without-endpoints"]);
    for (namespace, app) in [("orders", "payments"), ("stock", "stock")] {
        let name = pods(&lab, "prod", namespace, &format!("app={app}")).await.remove(0);
        delete(&lab, "prod", namespace, &name, Some(0)).await;
    }
    pass(30.0).await;
    assert!(pods(&lab, "prod", "orders", "app=payments").await.is_empty());
    assert_eq!(pods(&lab, "prod", "stock", "app=stock").await.len(), 2);
    let endpoints = api(&lab, "prod", "/api/v1/namespaces/istio-system/endpoints/istiod-canary").await;
    assert!(endpoints["subsets"].as_array().is_none_or(Vec::is_empty), "{endpoints}");
    let down = mesh(LabMesh::FlatThree, &["istiod-crash-looping"]);
    let list = api(&down, "us", "/api/v1/namespaces/istio-system/pods?labelSelector=app=istiod").await;
    pass(60.0).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    let patch = json!({"spec": {"http": []}});
    let path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews";
    assert_eq!(write(&down, "us", "PATCH", path, MERGE, patch).await.0, 500);
    assert!(synced(&down, "eu").await.len() > 5);
}

/// The condition of a type of an `HTTPRoute` or a Gateway.
fn condition(list: &Value, kind: &str) -> (String, String) {
    let found = list.as_array().into_iter().flatten().find(|one| one["type"] == kind).cloned().unwrap_or_default();
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[tokio::test(start_paused = true)]
async fn defects_of_the_gateway_api_show_in_status_and_traffic() {
    let route = "/apis/gateway.networking.k8s.io/v1/namespaces/store/httproutes/store";
    for (defect, reason, path) in [
        ("http-route-missing-backend", "BackendNotFound", "/"),
        ("reference-grant-missing", "RefNotPermitted", "/products"),
    ] {
        let lab = mesh(LabMesh::GatewayApi, &[defect]);
        let found = api(&lab, "south", route).await;
        let conditions = &found["status"]["parents"][0]["conditions"];
        assert_eq!(condition(conditions, "ResolvedRefs"), ("False".into(), reason.into()), "{found}");
        let web = balancer(&lab, "south", "istio-ingress", "web-istio").await;
        let answers = responders(&lab, &web, "www.store.example", path, "/cluster").await;
        assert!(answers.contains_key("500"), "{defect}: {answers:?}");
        let north = api(&lab, "north", route).await;
        assert_eq!(condition(&north["status"]["parents"][0]["conditions"], "ResolvedRefs").0, "True");
    }
    let weights = mesh(LabMesh::GatewayApi, &["http-route-weights-changed"]);
    let web = balancer(&weights, "south", "istio-ingress", "web-istio").await;
    let versions = responders(&weights, &web, "www.store.example", "/", "/version").await;
    assert!(versions["v2"] > 40, "{versions:?}");
    let down = mesh(LabMesh::GatewayApi, &["gateway-not-programmed", "ingress-load-balancer-pending@north"]);
    let gateway = "/apis/gateway.networking.k8s.io/v1/namespaces/istio-ingress/gateways/web";
    let south = api(&down, "south", gateway).await;
    assert_eq!(condition(&south["status"]["conditions"], "Programmed"), ("False".into(), "Invalid".into()));
    let north = api(&down, "north", gateway).await;
    assert_eq!(condition(&north["status"]["conditions"], "Programmed").1, "AddressNotAssigned");
}

#[tokio::test(start_paused = true)]
async fn networks_of_the_gateway_api_depend_on_their_gateways() {
    let lab = mesh(LabMesh::GatewayApi, &["east-west-gateway-without-endpoints"]);
    let web = balancer(&lab, "north", "istio-ingress", "web-istio").await;
    let found = responders(&lab, &web, "www.store.example", "/", "/cluster").await;
    assert!(found.contains_key("north") && !found.contains_key("south"), "{found:?}");
    let remote = mesh(LabMesh::PrimaryRemote, &["remote-secret-missing"]);
    let ingress = balancer(&remote, "hub", "istio-system", "istio-ingressgateway").await;
    let found = responders(&remote, &ingress, "bank.example", "/accounts", "/accounts/cluster").await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["hub"], "{found:?}");
}
