//! The requests that faults cost, measured open loop through the ingress.

mod support;

use std::time::Duration;

use meshdrill_lab::{Lab, LabConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use support::{Prober, REVIEWS, delete, get, lab, outage, pass, pods, scale};

const EVERY: Duration = Duration::from_millis(50);
const PRIMARY: &str = "198.18.1.10";
const SECONDARY: &str = "198.18.2.10";

#[tokio::test(start_paused = true)]
async fn a_healthy_mesh_answers_everything() {
    let lab = lab(&[]);
    let (status, body) = get(&lab, PRIMARY, 80, "/productpage").await;
    assert!(status == 200 && body.contains("<title>Simple Bookstore App</title>"), "{status} {body}");
    let samples = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 400).finish().await;
    assert_eq!(outage(&samples).0, 0);
    let near = samples.iter().filter(|s| s.body.contains("\"clustername\":\"primary-cluster\"")).count();
    assert!((150..=250).contains(&near), "about half each: {near}");
    let mut times: Vec<_> = samples.iter().map(|s| s.took).collect();
    times.sort();
    println!("P50 {:?} P99 {:?}", times[200], times[396]);
    assert!(times[396] < Duration::from_millis(250), "P99 {:?}", times[396]);
}

#[tokio::test(start_paused = true)]
async fn a_graceful_delete_of_the_ingress_costs_nothing() {
    let lab = lab(&[]);
    let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 500);
    pass(5.0).await;
    let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
    delete(&lab, "primary", "istio-system", &names[0], None).await;
    let samples = prober.finish().await;
    assert_eq!(outage(&samples).0, 0, "{:?}", samples.iter().find(|s| !s.good()));
    let after = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
    assert!(after.len() == 1 && after != names);
}

#[tokio::test(start_paused = true)]
async fn a_forced_delete_of_the_ingress_costs_seconds() {
    let lab = lab(&[]);
    let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 400);
    pass(5.0).await;
    let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
    delete(&lab, "primary", "istio-system", &names[0], Some(0)).await;
    let (bad, span) = outage(&prober.finish().await);
    println!("forced: {bad} bad over {span:?}");
    assert!(span >= Duration::from_secs(2) && span <= Duration::from_secs(7), "{bad} bad over {span:?}");
}

#[tokio::test(start_paused = true)]
async fn istiod_at_zero_costs_nothing_and_keeps_new_pods_away() {
    let lab = lab(&[]);
    let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 600);
    pass(3.0).await;
    scale(&lab, "primary", "istio-system", "istiod", 0).await;
    pass(5.0).await;
    let names = pods(&lab, "primary", "sample", "app=sleep").await;
    delete(&lab, "primary", "sample", &names[0], None).await;
    pass(5.0).await;
    assert!(pods(&lab, "primary", "sample", "app=sleep").await.is_empty(), "injection fails closed");
    scale(&lab, "primary", "istio-system", "istiod", 1).await;
    pass(12.0).await;
    assert_eq!(pods(&lab, "primary", "sample", "app=sleep").await.len(), 1);
    assert_eq!(outage(&prober.finish().await).0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_graceful_delete_of_the_east_west_gateway_costs_nothing() {
    let lab = lab(&[]);
    let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 600);
    pass(5.0).await;
    let names = pods(&lab, "secondary", "istio-system", "app=istio-eastwestgateway").await;
    delete(&lab, "secondary", "istio-system", &names[0], None).await;
    assert_eq!(outage(&prober.finish().await).0, 0);
}

#[tokio::test(start_paused = true)]
async fn the_east_west_gateway_at_zero_costs_about_twelve_seconds() {
    let lab = lab(&[]);
    let far = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 1600);
    let own = Prober::start(&lab, SECONDARY, REVIEWS, EVERY, 1600);
    pass(5.0).await;
    scale(&lab, "secondary", "istio-system", "istio-eastwestgateway", 0).await;
    pass(15.0).await;
    scale(&lab, "secondary", "istio-system", "istio-eastwestgateway", 1).await;
    let samples = far.finish().await;
    let (bad, span) = outage(&samples);
    println!("east-west: {bad} bad over {span:?}");
    assert!(span >= Duration::from_secs(9) && span <= Duration::from_secs(15), "{bad} bad over {span:?}");
    assert!(bad > 60 && bad < 260, "a mixture: {bad}");
    let (bad, span) = outage(&own.finish().await);
    println!("own ingress: {bad} bad over {span:?}");
    // The share of responses from the secondary, before, during and after the outage.
    let remote = |from: f64, to: f64| {
        let inside =
            samples.iter().filter(|s| s.at.as_secs_f64() >= from && s.at.as_secs_f64() < to && s.status == 200);
        let list: Vec<_> = inside.collect();
        list.iter().filter(|s| s.body.contains("secondary-cluster")).count() as f64 / list.len() as f64
    };
    let (before, hidden, after) = (remote(0.0, 5.0), remote(25.0, 40.0), remote(65.0, 80.0));
    println!("remote share before {before:.2}, hidden {hidden:.2}, after {after:.2}");
    let falls = hidden + 0.07 < before && hidden + 0.07 < after;
    assert!(falls, "ejection hides the remote for a while: {before:.2} {hidden:.2} {after:.2}");
}

#[tokio::test(start_paused = true)]
async fn a_plain_delete_of_a_reviews_pod_costs_a_little() {
    let lab = lab(&[]);
    let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 800);
    pass(5.0).await;
    let names = pods(&lab, "primary", "bookinfo", "app=reviews,version=v1").await;
    delete(&lab, "primary", "bookinfo", &names[0], None).await;
    let (bad, span) = outage(&prober.finish().await);
    println!("reviews: {bad} bad over {span:?}");
    assert!(bad <= 40 && span < Duration::from_secs(15), "{bad} bad over {span:?}");
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_history() {
    let mut histories = Vec::new();
    for seed in [7, 7, 8] {
        let epoch = Some(std::time::SystemTime::UNIX_EPOCH + Duration::from_hours(500_000));
        let lab = Lab::start(LabConfig { seed, epoch, ..LabConfig::default() }).expect("the lab starts");
        let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 200);
        pass(3.0).await;
        let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
        delete(&lab, "primary", "istio-system", &names[0], Some(0)).await;
        let samples = prober.finish().await;
        histories.push(samples.into_iter().map(|s| (s.status, s.took, s.body)).collect::<Vec<_>>());
    }
    assert!(histories[0] == histories[1]);
    assert!(histories[0] != histories[2]);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_is_reset_by_a_forced_delete_and_closed_by_a_graceful_one() {
    for (grace, kind) in [(Some(0), Some(std::io::ErrorKind::ConnectionReset)), (None, None)] {
        let lab = lab(&[]);
        let mut kept = lab.dial(PRIMARY, 80).await.expect("a connection");
        let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
        delete(&lab, "primary", "istio-system", &names[0], grace).await;
        let mut buffer = [0; 16];
        let end = tokio::time::timeout(Duration::from_secs(10), kept.read(&mut buffer)).await.expect("an end");
        assert_eq!(end.as_ref().err().map(std::io::Error::kind), kind, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_nobody_has_behave_as_a_network_does() {
    let lab = lab(&[]);
    let refused = lab.dial(PRIMARY, 81).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(lab.dial("192.0.2.1", 80).await.unwrap_err().kind(), std::io::ErrorKind::HostUnreachable);
    assert_eq!(lab.dial("nosuch.example", 80).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(
        tokio::time::timeout(Duration::from_mins(1), lab.dial("198.18.80.249", 9080)).await.is_err(),
        "lost for good"
    );
    let address = PRIMARY.parse().expect("an address");
    let took = lab.echo(address).await.expect("a reply");
    assert!(took < Duration::from_millis(2) && !took.is_zero());
}

#[tokio::test]
async fn a_served_lab_answers_on_real_sockets() {
    let lab = lab(&[]);
    let served = lab.serve().await.expect("sockets");
    assert!(served.kubeconfig.contains("primary-cluster-context") && served.kubeconfig.contains("secondary-cluster"));
    let ingress =
        served.addresses.iter().find(|a| a.cluster == "secondary" && a.lab == "198.18.2.10:80").expect("the ingress");
    let mut stream = tokio::net::TcpStream::connect(ingress.local).await.expect("a connection");
    stream.write_all(b"GET /productpage HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("Simple Bookstore App"), "{text}");
}
