//! How fast a large `/clusters` answer is read: 2,000 clusters of 10 hosts, 34 MB of text.

use std::fmt::Write;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use meshdrill_checks::observe::envoy::{Select, parse_json, parse_text};

const CLUSTERS: usize = 2_000;
const HOSTS: usize = 10;
const HOST: &str = "svc-0042.mesh.svc.cluster.local";
const STATS: [&str; 9] = [
    "cx_active",
    "cx_connect_fail",
    "cx_total",
    "rq_active",
    "rq_error",
    "rq_pending_active",
    "rq_success",
    "rq_timeout",
    "rq_total",
];

fn main() {
    divan::main();
}

fn name(cluster: usize) -> String {
    format!("outbound|9080||svc-{cluster:04}.mesh.svc.cluster.local")
}

fn text() -> String {
    let mut text = String::new();
    for cluster in 0..CLUSTERS {
        let name = name(cluster);
        let _ = writeln!(text, "{name}::observability_name::{name};");
        for priority in ["default", "high"] {
            for limit in ["max_connections", "max_pending_requests", "max_requests", "max_retries"] {
                let _ = writeln!(text, "{name}::{priority}_priority::{limit}::1024");
            }
        }
        let _ = writeln!(text, "{name}::added_via_api::true");
        let _ = writeln!(text, "{name}::eds_service_name::{name}");
        for host in 0..HOSTS {
            let prefix = format!("{name}::10.{}.{}.{host}:9080", cluster / 256, cluster % 256);
            for (place, stat) in STATS.iter().enumerate() {
                let _ = writeln!(text, "{prefix}::{stat}::{}", cluster * host * place);
            }
            let _ = writeln!(text, "{prefix}::hostname::\n{prefix}::health_flags::healthy\n{prefix}::weight::1");
            let _ = writeln!(text, "{prefix}::region::us-sanjose-1\n{prefix}::zone::US-SANJOSE-1-AD-1");
            let _ = writeln!(text, "{prefix}::sub_zone::\n{prefix}::canary::false\n{prefix}::priority::0");
            let _ = writeln!(text, "{prefix}::success_rate::-1\n{prefix}::local_origin_success_rate::-1");
        }
    }
    text
}

fn json() -> String {
    let clusters: Vec<String> = (0..CLUSTERS)
        .map(|cluster| {
            let hosts: Vec<String> = (0..HOSTS)
                .map(|host| {
                    let stats: Vec<String> = STATS
                        .iter()
                        .enumerate()
                        .map(|(place, stat)| format!(r#"{{"value": "{}", "name": "{stat}"}}"#, cluster * host * place))
                        .collect();
                    format!(
                        r#"{{"address": {{"socket_address": {{"address": "10.{}.{}.{host}", "port_value": 9080}}}},
 "stats": [{}], "health_status": {{"eds_health_status": "HEALTHY"}}, "weight": 1,
 "locality": {{"region": "us-sanjose-1", "zone": "US-SANJOSE-1-AD-1"}}}}"#,
                        cluster / 256,
                        cluster % 256,
                        stats.join(",\n")
                    )
                })
                .collect();
            let name = name(cluster);
            format!(
                r#"{{"name": "{name}", "added_via_api": true, "host_statuses": [{}], "eds_service_name": "{name}"}}"#,
                hosts.join(",\n")
            )
        })
        .collect();
    format!(r#"{{"cluster_statuses": [{}]}}"#, clusters.join(",\n"))
}

#[divan::bench]
fn text_all(bencher: Bencher) {
    let text = text();
    let read = parse_text(text.as_bytes(), Select::All).expect("the text is one");
    assert_eq!(read.clusters.iter().map(|c| c.hosts.len()).sum::<usize>(), CLUSTERS * HOSTS);
    bencher.counter(BytesCount::of_str(&text)).bench(|| parse_text(black_box(text.as_bytes()), Select::All));
}

#[divan::bench]
fn text_one_host(bencher: Bencher) {
    let text = text();
    let read = parse_text(text.as_bytes(), Select::Host(HOST)).expect("the text is one");
    assert_eq!(read.clusters.len(), 1);
    bencher.counter(BytesCount::of_str(&text)).bench(|| parse_text(black_box(text.as_bytes()), Select::Host(HOST)));
}

#[divan::bench]
fn json_all(bencher: Bencher) {
    let json = json();
    bencher.counter(BytesCount::of_str(&json)).bench(|| parse_json(black_box(json.as_bytes()), Select::All));
}

#[divan::bench]
fn json_one_host(bencher: Bencher) {
    let json = json();
    bencher.counter(BytesCount::of_str(&json)).bench(|| parse_json(black_box(json.as_bytes()), Select::Host(HOST)));
}

/// The yardstick: counting newlines, which is what `grep -c ''` does.
#[divan::bench]
fn count_lines(bencher: Bencher) {
    let text = text();
    bencher.counter(BytesCount::of_str(&text)).bench(|| memchr::memchr_iter(b'\n', black_box(text.as_bytes())).count());
}
