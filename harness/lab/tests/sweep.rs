//! The same faults with many seeds: some must never cost a request, others must always cost seconds.

mod support;

use std::time::Duration;

use meshdrill_lab::{Lab, LabConfig};
use support::{Prober, REVIEWS, delete, outage, pass, pods, scale};

const EVERY: Duration = Duration::from_millis(50);
const PRIMARY: &str = "198.18.1.10";

fn seeded(seed: u64) -> Lab {
    Lab::start(LabConfig { seed, ..LabConfig::default() }).expect("the lab starts")
}

#[tokio::test(start_paused = true)]
async fn graceful_deletes_of_gateways_never_cost_a_request() {
    for seed in 10..22 {
        let lab = seeded(seed);
        let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 600);
        pass(3.0).await;
        for (cluster, app) in [("primary", "app=istio-ingressgateway"), ("secondary", "app=istio-eastwestgateway")] {
            let names = pods(&lab, cluster, "istio-system", app).await;
            delete(&lab, cluster, "istio-system", &names[0], None).await;
            pass(12.0).await;
        }
        let samples = prober.finish().await;
        assert_eq!(outage(&samples).0, 0, "seed {seed}: {:?}", samples.iter().find(|s| !s.good()));
    }
}

#[tokio::test(start_paused = true)]
async fn forced_deletes_and_outages_cost_what_they_do_on_a_real_mesh() {
    for seed in 10..18 {
        let lab = seeded(seed);
        let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 300);
        pass(3.0).await;
        let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
        delete(&lab, "primary", "istio-system", &names[0], Some(0)).await;
        let (bad, span) = outage(&prober.finish().await);
        assert!(
            span >= Duration::from_secs(2) && span <= Duration::from_secs(7),
            "seed {seed}: {bad} bad over {span:?}"
        );

        let prober = Prober::start(&lab, PRIMARY, REVIEWS, EVERY, 900);
        pass(3.0).await;
        scale(&lab, "secondary", "istio-system", "istio-eastwestgateway", 0).await;
        pass(15.0).await;
        scale(&lab, "secondary", "istio-system", "istio-eastwestgateway", 1).await;
        let (bad, span) = outage(&prober.finish().await);
        println!("seed {seed}: {bad} bad over {span:?}");
        assert!(
            span >= Duration::from_secs(9) && span <= Duration::from_secs(15),
            "seed {seed}: {bad} bad over {span:?}"
        );
        assert!((90..230).contains(&bad), "seed {seed}: {bad} bad over {span:?}");
    }
}
