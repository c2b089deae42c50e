//! What faults cost, measured as a user would: open loop, through the ingress.

mod support;

use std::time::Duration;

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
    // The page of productpage pods in the primary is asked through the secondary's own gateway only from elsewhere.
    let remote = |from: f64, to: f64| {
        let inside =
            samples.iter().filter(|s| s.at.as_secs_f64() >= from && s.at.as_secs_f64() < to && s.status == 200);
        let list: Vec<_> = inside.collect();
        list.iter().filter(|s| s.body.contains("secondary-cluster")).count() as f64 / list.len() as f64
    };
    println!(
        "remote share before {:.2}, hidden {:.2}, after {:.2}",
        remote(0.0, 5.0),
        remote(25.0, 40.0),
        remote(65.0, 80.0)
    );
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
