//! The API through the kube client: objects, watches, exec and port-forward, on virtual time.

mod support;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use support::{MERGE, client, delete, exec, lab, pass, pods, write};
use tokio::io::AsyncWriteExt as _;

async fn first(api: &Api<Pod>, selector: &str) -> Pod {
    api.list(&ListParams::default().labels(selector)).await.unwrap().items.remove(0)
}

#[tokio::test(start_paused = true)]
async fn objects_are_created_changed_and_deleted_with_the_usual_errors() {
    let lab = lab(&[]);
    let maps: Api<ConfigMap> = Api::namespaced(client(&lab, "primary"), "istio-system");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    let again = maps.create(&PostParams::default(), &map).await.unwrap_err();
    assert!(
        matches!(&again, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"),
        "{again}"
    );
    let patched = maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "w"}}))).await.unwrap();
    assert_eq!(patched.data.unwrap()["k"], "w");
    let conflict = maps.replace("a", &PostParams::default(), &made).await.unwrap_err();
    assert!(
        matches!(&conflict, kube::Error::Api(status) if status.code == 409 && status.reason == "Conflict"),
        "{conflict}"
    );
    let wrong = DeleteParams {
        preconditions: Some(Preconditions { uid: Some("x".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert!(matches!(maps.delete("a", &wrong).await, Err(kube::Error::Api(status)) if status.code == 409));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let other: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "b"}})).unwrap();
    maps.create(&dry, &other).await.unwrap();
    assert!(maps.get_opt("b").await.unwrap().is_none(), "a dry run stores nothing");
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(matches!(maps.get("a").await, Err(kube::Error::Api(status)) if status.code == 404));
    let applied = maps
        .patch(
            "c",
            &PatchParams::apply("test"),
            &Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})),
        )
        .await;
    assert_eq!(applied.unwrap().metadata.name.as_deref(), Some("c"));
    let leases: Api<Lease> = Api::namespaced(client(&lab, "secondary"), "istio-system");
    let lease: Lease = serde_json::from_value(
        json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}),
    )
    .unwrap();
    leases.create(&PostParams::default(), &lease).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_delivers_and_virtual_time_does_not_hang_on_it() {
    let lab = lab(&[]);
    let client = client(&lab, "primary");
    let pods: Api<Pod> = Api::namespaced(client.clone(), "bookinfo");
    let old = first(&pods, "app=reviews,version=v2").await;
    let mut events =
        Box::pin(watcher(pods.clone(), watcher::Config::default().labels("app=reviews,version=v2")).applied_objects());
    assert_eq!(events.next().await.unwrap().unwrap().metadata.uid, old.metadata.uid);
    pods.delete(old.metadata.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    let begun = tokio::time::Instant::now();
    loop {
        let pod = events.next().await.unwrap().unwrap();
        let ready = pod
            .status
            .as_ref()
            .and_then(|s| s.conditions.as_ref())
            .is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
        if ready && pod.metadata.uid != old.metadata.uid {
            break;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    assert!((1.0..5.0).contains(&took), "a new pod is ready after {took} s");
    pass(600.0).await;
}

#[tokio::test(start_paused = true)]
async fn deployments_scale_roll_and_report_as_kubectl_expects() {
    let lab = lab(&[]);
    let deployments: Api<Deployment> = Api::namespaced(client(&lab, "secondary"), "bookinfo");
    let scale = deployments
        .patch_scale("reviews-v1", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 3}})))
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    pass(6.0).await;
    let status = deployments.get("reviews-v1").await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.updated_replicas), (Some(3), Some(3)));
    let before = deployments.restart("reviews-v1").await.unwrap();
    pass(30.0).await;
    let after = deployments.get("reviews-v1").await.unwrap();
    let status = after.status.unwrap();
    assert!(status.observed_generation >= before.metadata.generation);
    assert_eq!((status.ready_replicas, status.updated_replicas, status.replicas), (Some(3), Some(3), Some(3)));
    let progressing = status.conditions.unwrap().into_iter().find(|c| c.type_ == "Progressing").unwrap();
    assert_eq!(progressing.reason.as_deref(), Some("NewReplicaSetAvailable"));
    deployments
        .patch_scale("reviews-v1", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 0}})))
        .await
        .unwrap();
    pass(5.0).await;
    assert_eq!(deployments.get("reviews-v1").await.unwrap().status.unwrap().ready_replicas, None);
}

#[tokio::test(start_paused = true)]
async fn exec_runs_commands_and_reports_their_exit() {
    let lab = lab(&[]);
    let api: Api<Pod> = Api::namespaced(client(&lab, "primary"), "sample");
    let pod = first(&api, "app=sleep").await.metadata.name.unwrap();
    let (mut one, mut two) = (0, 0);
    for _ in 0..40 {
        let (out, _, _) = exec(&api, &pod, "sleep", &["curl", "-s", "http://helloworld:5000/hello"]).await;
        one += usize::from(out.contains("version: v1"));
        two += usize::from(out.contains("version: v2"));
    }
    assert!(one > 8 && two > 8, "both versions answer: {one} {two}");
    let (_, _, status) = exec(&api, &pod, "sleep", &["sh", "-c", "exit 3"]).await;
    let status = serde_json::to_value(status.unwrap()).unwrap();
    assert_eq!(status["details"]["causes"][0]["message"], "3", "{status}");
    let (_, _, status) = exec(&api, &pod, "sleep", &["nosuch"]).await;
    assert!(
        serde_json::to_value(status.unwrap()).unwrap()["message"]
            .as_str()
            .unwrap()
            .contains("executable file not found in $PATH")
    );
    let there: Api<Pod> = Api::namespaced(client(&lab, "secondary"), "sample");
    let ip = first(&there, "app=sleep").await.status.unwrap().pod_ip.unwrap();
    let begun = tokio::time::Instant::now();
    let (out, _, status) = exec(&api, &pod, "sleep", &["ping", "-c", "20", "-i", "0.2", "-q", &ip]).await;
    assert!(
        out.contains("20 packets transmitted, 20 received, 0% packet loss") && out.contains("min/avg/max/mdev = 44."),
        "{out}"
    );
    assert!(begun.elapsed().as_secs_f64() > 3.8);
    assert_eq!(serde_json::to_value(status.unwrap()).unwrap()["status"], "Success");
    let system: Api<Pod> = Api::namespaced(client(&lab, "primary"), "istio-system");
    let istiod = first(&system, "app=istiod").await.metadata.name.unwrap();
    let (out, _, _) =
        exec(&system, &istiod, "discovery", &["pilot-discovery", "request", "GET", "/debug/clusterz"]).await;
    assert!(out.contains("\"id\":\"secondary-cluster\"") && !out.contains("syncing"), "{out}");
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_port_carries_http() {
    let lab = lab(&[]);
    let api: Api<Pod> = Api::namespaced(client(&lab, "primary"), "bookinfo");
    let pod = first(&api, "app=productpage").await.metadata.name.unwrap();
    let mut forwarder = api.portforward(&pod, &[15000]).await.unwrap();
    let stream = forwarder.take_stream(15000).unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let request = http::Request::get("/clusters?format=json&filter=reviews")
            .header("host", "x")
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let text = value.to_string();
        assert!(text.contains("198.18.2.11") && text.contains("15443") && text.contains("us-chicago-1"), "{text}");
    }
    let mut refused = api.portforward(&pod, &[1234]).await.unwrap();
    let error = refused.take_error(1234).unwrap().await;
    assert!(error.unwrap_or_default().contains("connection refused"));
    let mut stream = refused.take_stream(1234).unwrap();
    let _ = stream.write_all(b"x").await;
}

#[tokio::test(start_paused = true)]
async fn lists_take_selectors() {
    let lab = lab(&[]);
    let pods: Api<Pod> = Api::all(client(&lab, "primary"));
    let named = |selector: &str| ListParams::default().labels(selector);
    assert_eq!(pods.list(&named("app=reviews,version notin (v3)")).await.unwrap().items.len(), 2);
    let running = ListParams::default().fields("status.phase=Running,metadata.namespace=bookinfo");
    assert_eq!(pods.list(&running).await.unwrap().items.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_pod_keeps_its_name_and_comes_back_when_the_old_one_is_gone() {
    let lab = lab(&[]);
    let labels = json!({"app": "store"});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store", "namespace": "sample"},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "store", "image": "registry.local/app:1"}]}}}});
    write(&lab, "primary", "POST", "/apis/apps/v1/namespaces/sample/statefulsets", "application/json", set).await;
    pass(30.0).await;
    let all = ["store-0", "store-1", "store-2"];
    assert_eq!(pods(&lab, "primary", "sample", "app=store").await, all);
    delete(&lab, "primary", "sample", "store-1", None).await;
    pass(60.0).await;
    assert_eq!(pods(&lab, "primary", "sample", "app=store").await, all);
    let path = "/apis/apps/v1/namespaces/sample/statefulsets/store/scale";
    write(&lab, "primary", "PATCH", path, MERGE, json!({"spec": {"replicas": 1}})).await;
    pass(60.0).await;
    assert_eq!(pods(&lab, "primary", "sample", "app=store").await, ["store-0"]);
}
