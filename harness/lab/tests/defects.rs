//! Every defect starts and breaks what it describes, as seen by the requests of a harness.

mod support;

use std::time::Duration;

use meshdrill_lab::{Defect, Lab, LabConfig, LabMesh};
use serde_json::Value;
use support::{
    MERGE, Prober, REVIEWS, api, client, delete, exec, get, lab, number, outage, pass, pods, query, request, scale,
    write,
};

const PRIMARY: &str = "198.18.1.10";
const SECONDARY: &str = "198.18.2.10";
const HUB: &str = "198.18.1.20";

#[tokio::test(start_paused = true)]
async fn every_defect_starts_in_a_lab_of_one() {
    for info in Defect::all().iter().filter(|info| info.meshes.contains(&LabMesh::Guide)) {
        let defects = vec![info.name.parse().unwrap()];
        let lab = Lab::start(LabConfig { clusters: 1, defects, ..LabConfig::default() }).unwrap();
        assert_eq!(lab.clusters().len(), 1, "{}", info.name);
    }
    assert!(Lab::start(LabConfig { clusters: 0, ..LabConfig::default() }).is_err());
    assert!(
        Lab::start(LabConfig { defects: vec!["reviews-down@third".parse().unwrap()], ..LabConfig::default() }).is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn an_outline_is_what_the_lab_becomes() {
    let config = LabConfig { clusters: 3, seed: 7, ..LabConfig::default() };
    let outline = Lab::outline(&config).unwrap();
    assert!(outline.iter().all(|cluster| !cluster.uid.is_empty()));
    assert_eq!(outline, Lab::start(config.clone()).unwrap().clusters());
    assert!(Lab::outline(&LabConfig { clusters: 6, ..config }).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lab_of_five_serves_from_all() {
    let lab = Lab::start(LabConfig { clusters: 5, ..LabConfig::default() }).unwrap();
    for n in 1..=5 {
        assert_eq!(get(&lab, &format!("198.18.{n}.10"), 80, REVIEWS).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn reviews_down_hides_behind_a_page_of_200() {
    let lab = lab(&["reviews-down"]);
    assert_eq!(get(&lab, PRIMARY, 80, "/productpage").await.0, 200);
    assert!(get(&lab, PRIMARY, 80, REVIEWS).await.0 >= 500);
}

#[tokio::test(start_paused = true)]
async fn pages_titles_and_errors_are_as_the_defect_says() {
    let wrong = lab(&["wrong-title", "wrong-title@primary"]);
    assert!(!get(&wrong, PRIMARY, 80, "/productpage").await.1.contains("Simple Bookstore App"));
    let flaky = lab(&["one-503-in-ten"]);
    let samples = Prober::start(&flaky, SECONDARY, REVIEWS, Duration::from_millis(50), 300).finish().await;
    let bad = samples.iter().filter(|s| s.status == 503).count();
    assert!((12..=50).contains(&bad), "{bad}");
    let steady = lab(&["steady-state-errors"]);
    let samples = Prober::start(&steady, PRIMARY, REVIEWS, Duration::from_millis(50), 600).finish().await;
    assert!(samples.iter().any(|s| s.status == 503));
    let undefined = lab(&["subset-undefined"]);
    let samples = Prober::start(&undefined, SECONDARY, REVIEWS, Duration::from_millis(50), 200).finish().await;
    assert!(samples.iter().any(|s| s.status == 503));
}

#[tokio::test(start_paused = true)]
async fn gateways_that_do_not_come_back_cost_more_than_five_minutes() {
    for defect in ["gateway-replacement-never-ready", "gateway-slow-restart"] {
        let lab = lab(&[defect]);
        let prober = Prober::start(&lab, PRIMARY, REVIEWS, Duration::from_secs(1), 420);
        pass(5.0).await;
        let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
        delete(&lab, "primary", "istio-system", &names[0], None).await;
        let (bad, span) = outage(&prober.finish().await);
        assert!(span > Duration::from_mins(5), "{defect}: {bad} bad over {span:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn api_servers_fail_in_their_ways() {
    assert_eq!(
        lab(&["api-down"]).dial("api.secondary.lab", 6443).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    for (defect, status) in [("api-401", 401), ("api-403", 403)] {
        let lab = lab(&[defect]);
        assert_eq!(get(&lab, "api.secondary.lab", 6443, "/api/v1/nodes").await.0, status);
        assert_eq!(get(&lab, "api.primary.lab", 6443, "/api/v1/nodes").await.0, 200);
    }
    let hung = lab(&["api-hangs"]);
    let asked = tokio::time::timeout(Duration::from_secs(30), get(&hung, "api.secondary.lab", 6443, "/version")).await;
    assert!(asked.is_err());
    let other = lab(&["wrong-cluster"]);
    let uid = |v: &Value| v["metadata"]["uid"].as_str().unwrap_or("").to_owned();
    let seen = uid(&api(&other, "secondary", "/api/v1/namespaces/kube-system").await);
    assert_ne!(seen, other.clusters()[1].uid);
    assert_eq!(seen, other.clusters()[0].uid);
}

#[tokio::test(start_paused = true)]
async fn faults_without_effect_change_nothing() {
    let lab = lab(&["fault-has-no-effect"]);
    let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
    delete(&lab, "primary", "istio-system", &names[0], None).await;
    scale(&lab, "primary", "istio-system", "istiod", 0).await;
    pass(20.0).await;
    assert_eq!(pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await, names);
    assert_eq!(pods(&lab, "primary", "istio-system", "app=istiod").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_shows_only_in_istiods_own_view() {
    let lab = lab(&["remote-secret-dead-token"]);
    let system: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::namespaced(client(&lab, "secondary"), "istio-system");
    let pod = pods(&lab, "secondary", "istio-system", "app=istiod").await.remove(0);
    let mut forwarder = system.portforward(&pod, &[15014]).await.unwrap();
    let stream = forwarder.take_stream(15014).unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/debug/clusterz")
        .header("host", "x")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let body = http_body_util::BodyExt::collect(sender.send_request(request).await.unwrap().into_body())
        .await
        .unwrap()
        .to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("syncing"));
    let samples = Prober::start(&lab, SECONDARY, REVIEWS, Duration::from_millis(50), 200).finish().await;
    assert!(outage(&samples).0 == 0 && samples.iter().any(|s| s.body.contains("primary-cluster")));
}

#[tokio::test(start_paused = true)]
async fn federation_lies_in_three_ways() {
    let far = r#"sum(istio_requests_total{cluster="secondary-cluster",source_cluster="secondary-cluster"})"#;
    let fresh = r#"time() - max(timestamp(up{cluster="secondary-cluster"}))"#;
    let own = lab(&["federation-self-scrape"]);
    pass(10.0).await;
    assert!(number(&own, HUB, r#"count(up{cluster="secondary-cluster"})"#).await.is_some());
    assert_eq!(number(&own, HUB, far).await, None, "what is labelled secondary is the primary's");
    let stale = lab(&["federation-stale"]);
    assert!(number(&stale, HUB, fresh).await.unwrap() > 30.0);
    let empty = lab(&["federation-service-without-endpoints"]);
    assert_eq!(number(&empty, HUB, r#"up{job="federate-peer"}"#).await, Some(0.0));
    assert_eq!(number(&empty, HUB, far).await, None);
}

#[tokio::test(start_paused = true)]
async fn rules_and_prometheus_fail_in_their_ways() {
    let unloaded = lab(&["rules-not-loaded@primary"]);
    assert!(get(&unloaded, HUB, 9090, "/api/v1/rules").await.1.contains("\"groups\":[]"));
    let broken = lab(&["rule-error@primary"]);
    assert!(get(&broken, HUB, 9090, "/api/v1/rules").await.1.contains("\"health\":\"err\""));
    let html = lab(&["prometheus-html@primary"]);
    assert!(get(&html, HUB, 9090, "/api/v1/query?query=up").await.1.starts_with("<!DOCTYPE"));
    assert!(lab(&["prometheus-down@primary"]).dial(HUB, 9090).await.is_err());
    let frozen = lab(&["prometheus-stale@primary"]);
    pass(60.0).await;
    assert!(number(&frozen, HUB, "time() - max(timestamp(up))").await.unwrap() > 50.0);
    let never = lab(&["istiod-down-never-fires@primary"]);
    scale(&never, "primary", "istio-system", "istiod", 0).await;
    pass(240.0).await;
    let alerts = query(&never, HUB, r#"ALERTS{alertname="IstiodDown"}"#).await;
    assert_eq!(alerts["data"]["result"].as_array().map(Vec::len), Some(0));
    let silent = lab(&["cross-cluster-metrics-silent"]);
    let text = r#"sum(rate(istio_requests_total{source_cluster="secondary-cluster",destination_cluster="primary-cluster"}[5m]))"#;
    assert_eq!(number(&silent, "198.18.2.20", text).await, None);
}

#[tokio::test(start_paused = true)]
async fn restoring_replicas_can_be_forbidden() {
    let lab = lab(&["replica-restore-blocked"]);
    scale(&lab, "primary", "istio-system", "istiod", 0).await;
    pass(5.0).await;
    let path = "/apis/apps/v1/namespaces/istio-system/deployments/istiod/scale";
    let (status, _) = write(&lab, "primary", "PATCH", path, MERGE, serde_json::json!({"spec": {"replicas": 1}})).await;
    assert_eq!(status, 403);
}

#[tokio::test(start_paused = true)]
async fn drills_have_something_to_notice() {
    let depends = lab(&["data-plane-depends-on-control-plane"]);
    scale(&depends, "primary", "istio-system", "istiod", 0).await;
    pass(2.0).await;
    assert_eq!(get(&depends, PRIMARY, 80, REVIEWS).await.0, 503);
    let bound = lab(&["reviews-no-redistribution"]);
    let prober = Prober::start(&bound, PRIMARY, REVIEWS, Duration::from_millis(100), 200);
    pass(2.0).await;
    scale(&bound, "primary", "bookinfo", "reviews-v1", 0).await;
    assert!(outage(&prober.finish().await).0 > 20);
    let never = lab(&["east-west-never-readmitted"]);
    let old = pods(&never, "secondary", "istio-system", "app=istio-eastwestgateway").await;
    delete(&never, "secondary", "istio-system", &old[0], None).await;
    pass(120.0).await;
    let samples = Prober::start(&never, PRIMARY, REVIEWS, Duration::from_millis(100), 300).finish().await;
    assert!(samples.iter().all(|s| !s.body.contains("secondary-cluster")), "nothing crosses any more");
    let lost = lab(&["different-roots"]);
    let samples = Prober::start(&lost, PRIMARY, REVIEWS, Duration::from_millis(100), 100).finish().await;
    assert!(samples.iter().all(|s| !s.body.contains("secondary-cluster")));
}

#[tokio::test(start_paused = true)]
async fn policies_isolate_unless_the_network_ignores_them() {
    for (defects, expected) in [(&[][..], false), (&["cni-ignores-policies"][..], true)] {
        let lab = lab(defects);
        for cluster in ["primary", "secondary"] {
            let policy = serde_json::json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"},
                "spec": {"podSelector": {"matchLabels": {"app": "reviews"}}, "policyTypes": ["Ingress", "Egress"]}});
            let path = "/apis/networking.k8s.io/v1/namespaces/bookinfo/networkpolicies";
            let (status, _) =
                request(&lab, "POST", &format!("api.{cluster}.lab"), 6443, path, Some(("application/json", policy)))
                    .await
                    .unwrap();
            assert_eq!(status, 201);
        }
        let (status, _) = get(&lab, PRIMARY, 80, REVIEWS).await;
        assert_eq!(status == 200, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_felt_and_can_be_left_behind() {
    for (defects, stays) in [(&[][..], false), (&["delay-left-behind"][..], true)] {
        let lab = lab(defects);
        let path = "/apis/networking.istio.io/v1/namespaces/bookinfo/virtualservices/reviews-traffic-split";
        let old = api(&lab, "primary", path).await;
        let mut http = old["spec"]["http"].clone();
        http[0]["fault"] = serde_json::json!({"delay": {"percentage": {"value": 100.0}, "fixedDelay": "2s"}});
        for cluster in ["primary", "secondary"] {
            write(&lab, cluster, "PATCH", path, MERGE, serde_json::json!({"spec": {"http": http}})).await;
        }
        pass(3.0).await;
        let begun = tokio::time::Instant::now();
        assert_eq!(get(&lab, PRIMARY, 80, REVIEWS).await.0, 200);
        assert!(begun.elapsed() > Duration::from_secs(2));
        for cluster in ["primary", "secondary"] {
            write(&lab, cluster, "PATCH", path, MERGE, serde_json::json!({"spec": {"http": old["spec"]["http"]}}))
                .await;
        }
        pass(3.0).await;
        let begun = tokio::time::Instant::now();
        get(&lab, PRIMARY, 80, REVIEWS).await;
        assert_eq!(begun.elapsed() > Duration::from_secs(2), stays);
    }
}

/// The output of ping between the sleep pods of two clusters, in both directions.
async fn pings(lab: &Lab) -> Vec<String> {
    let mut said = Vec::new();
    for (from, to) in [("primary", "secondary"), ("secondary", "primary")] {
        let api: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(client(lab, from), "sample");
        let own = pods(lab, from, "sample", "app=sleep").await.remove(0);
        let path = "/api/v1/namespaces/sample/pods?labelSelector=app=sleep";
        let ip = support::api(lab, to, path).await["items"][0]["status"]["podIP"].as_str().unwrap_or("").to_owned();
        said.push(exec(&api, &own, "sleep", &["ping", "-q", "-c", "200", "-i", "0.05", "-W", "1", &ip]).await.0);
    }
    said
}

#[tokio::test(start_paused = true)]
async fn pings_are_lost_or_late() {
    let loss = |text: &str| {
        text.split(" received, ").nth(1).and_then(|t| t.split('%').next()?.parse::<f64>().ok()).unwrap_or(-1.0)
    };
    let healthy = pings(&lab(&[])).await;
    assert!(healthy.iter().all(|t| loss(t).abs() < f64::EPSILON && t.contains("= 44.")), "{healthy:?}");
    let lossy = pings(&lab(&["ping-loss-20"])).await;
    assert!(lossy.iter().all(|t| (8.0..35.0).contains(&loss(t))), "{lossy:?}");
    let one_way = pings(&lab(&["ping-one-direction-dead"])).await;
    assert!(loss(&one_way[0]) > 99.0 && loss(&one_way[1]).abs() < f64::EPSILON, "{one_way:?}");
    let slow = pings(&lab(&["ping-rtt-300ms"])).await;
    assert!(slow.iter().all(|t| t.contains("= 300.")), "{slow:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_survives_the_loss_of_the_other_unless_it_depends_on_it() {
    for (defects, survives) in [(&[][..], true), (&["secondary-depends-on-primary"][..], false)] {
        let lab = lab(defects);
        for (namespace, names) in [
            ("bookinfo", &["productpage-v1", "details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3"][..]),
            ("istio-system", &["istio-ingressgateway", "istio-eastwestgateway"][..]),
        ] {
            for name in names {
                scale(&lab, "primary", namespace, name, 0).await;
            }
        }
        pass(20.0).await;
        let samples = Prober::start(&lab, SECONDARY, REVIEWS, Duration::from_millis(100), 100).finish().await;
        let bad = outage(&samples).0;
        assert_eq!(bad == 0, survives, "{bad} bad of 100");
        assert!(lab.dial(PRIMARY, 80).await.is_err());
    }
}
