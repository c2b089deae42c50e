//! Service discovery and scraping, with the staleness rules of the real one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::labels::{Labels, NAME};
use super::{config, federate, rules};
use crate::clock::Ms;
use crate::defects::{Discovery, Federation};
use crate::plane::listen::{Kind, listener};
use crate::store::{object, resources};
use crate::world::{Cluster, Event, Pod, Role, Uid, World};

/// Evaluation interval of the rules, and the shortest scrape interval.
pub(crate) const INTERVAL: Ms = 5_000;

/// One target with what came of its last scrape.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) job: &'static str,
    pub(crate) url: String,
    pub(crate) labels: Labels,
    pub(crate) source: Source,
    pub(crate) up: bool,
    pub(crate) error: String,
    pub(crate) scraped: Ms,
    /// Series of the last scrape, `up` among them.
    series: BTreeSet<usize>,
    /// Series with timestamps of their own: they are not ended when the target is.
    foreign: bool,
}

/// Where a target's samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Itself,
    Pod(Uid, u16),
    Peer(usize),
}

/// Begins scraping, at an instant of the cluster's own.
pub(crate) fn begin(world: &mut World, c: usize) {
    let offset = 900 + 1_400 * i64::try_from(c).unwrap_or(0);
    world.after(offset % INTERVAL, Event::Scrape(c));
}

/// One round, and the next one scheduled.
pub(crate) fn tick(world: &mut World, c: usize) {
    world.after(INTERVAL, Event::Scrape(c));
    if !world.clusters[c].quirks.prometheus_frozen {
        round(world, c, true);
    }
}

/// Scrapes every target when it is time to and, to `judge`, evaluates the rules.
pub(crate) fn round(world: &mut World, c: usize, judge: bool) {
    let Some(instance) =
        world.clusters[c].pods.values().find(|p| p.role == Role::Prometheus && p.serving).map(|p| p.uid.clone())
    else {
        return;
    };
    if world.clusters[c].prometheus.instance.as_ref() != Some(&instance) {
        let rules = rules::load(world, c);
        let prometheus = &mut world.clusters[c].prometheus;
        *prometheus = super::Prometheus { instance: Some(instance), rules, ..super::Prometheus::default() };
    }
    let every = world.clusters[c].quirks.scrape_interval;
    if world.clusters[c].prometheus.scraped.is_none_or(|last| world.now - last > every - INTERVAL / 2) {
        scrape_all(world, c);
    }
    if judge {
        rules::evaluate(world, c);
    }
}

fn scrape_all(world: &mut World, c: usize) {
    let now = world.dates.unix_ms(world.now);
    let mut old = std::mem::take(&mut world.clusters[c].prometheus.targets);
    let mut targets = discover(world, c);
    for target in &mut targets {
        if let Some(at) = old.iter().position(|o| o.source == target.source && o.url == target.url) {
            let previous = old.swap_remove(at);
            target.series = previous.series;
        }
        scrape(world, c, target, now);
    }
    // Targets that are gone from discovery end their series.
    let db = &mut world.clusters[c].prometheus.db;
    for gone in old.iter().filter(|t| !t.foreign) {
        gone.series.iter().for_each(|i| db.push(*i, now, super::tsdb::stale()));
    }
    world.clusters[c].prometheus.targets = targets;
    world.clusters[c].prometheus.scraped = Some(world.now);
    world.clusters[c].prometheus.scrapes += 1;
}

/// Whether a pod is scraped, of those that service discovery gives.
fn kept(world: &World, c: usize, pod: &Value) -> bool {
    let asked = object::annotation(pod, "prometheus.io/scrape") == Some("true");
    let lately = world.now >= -60_000 && world.clusters[c].quirks.discovery == Discovery::DroppedLately;
    asked
        && !lately
        && object::text(pod, "/status/phase") == "Running"
        && !object::text(pod, "/status/podIP").is_empty()
}

/// The pods that service discovery gives.
fn pods(world: &World, c: usize) -> impl Iterator<Item = &Arc<Value>> {
    let any = world.clusters[c].quirks.discovery != Discovery::Nothing;
    world.clusters[c].store.list(resources::pods(), None).filter(move |_| any)
}

/// How many of the pods found are dropped.
pub(super) fn dropped(world: &World, c: usize) -> usize {
    pods(world, c).filter(|pod| !kept(world, c, pod)).count()
}

fn discover(world: &World, c: usize) -> Vec<Target> {
    let target = |job, url: String, instance: String, extra: Vec<(&str, String)>, source, foreign| {
        let mut pairs = vec![("job", job_name(job)), ("instance", instance)];
        pairs.extend(extra);
        Target {
            job,
            url,
            labels: Labels::new(pairs),
            source,
            up: false,
            error: String::new(),
            scraped: world.now,
            series: BTreeSet::new(),
            foreign,
        }
    };
    let mut found = vec![target(
        "prometheus",
        "http://localhost:9090/metrics".into(),
        "localhost:9090".into(),
        vec![],
        Source::Itself,
        false,
    )];
    for pod in pods(world, c).filter(|pod| kept(world, c, pod)) {
        let annotation = |key: &str| object::annotation(pod, &format!("prometheus.io/{key}"));
        let ip = object::text(pod, "/status/podIP");
        let port = annotation("port").unwrap_or("80");
        let path = annotation("path").unwrap_or("/metrics");
        let labels = vec![
            ("namespace", object::namespace(pod).to_owned()),
            ("pod", object::name(pod).to_owned()),
            ("app", object::label(pod, "app").unwrap_or("").to_owned()),
        ];
        let source = Source::Pod(object::uid(pod).into(), port.parse().unwrap_or(0));
        found.push(target(
            "kubernetes-pods",
            format!("http://{ip}:{port}{path}"),
            format!("{ip}:{port}"),
            labels,
            source,
            false,
        ));
    }
    for peer in config::peers(world, c) {
        let address = config::peer_address(world, c, peer);
        let url = format!(
            "http://{address}/federate?match%5B%5D=%7B__name__%3D~%22istio_.%2A%22%7D&match%5B%5D=up%7Bjob%3D%22kubernetes-pods%22%7D"
        );
        found.push(target("federate-peer", url, address, vec![], Source::Peer(peer), true));
    }
    found
}

fn job_name(job: &str) -> String {
    job.to_owned()
}

type Samples = Vec<(Labels, Option<i64>, f64)>;

fn scrape(world: &mut World, c: usize, target: &mut Target, now: i64) {
    let got: Result<Samples, String> = match &target.source {
        Source::Itself => Ok(own(world, c)),
        Source::Pod(uid, port) => pod(world, c, uid, *port),
        Source::Peer(peer) => peer_samples(world, c, *peer, now),
    };
    let db = &mut world.clusters[c].prometheus.db;
    let mut series = BTreeSet::new();
    let count = got.as_ref().map_or(0, Vec::len);
    match got {
        Ok(samples) => {
            target.up = true;
            target.error.clear();
            for (labels, at, value) in samples {
                let labels = if target.foreign { labels } else { target.labels.and(&labels) };
                series.insert(db.append(&labels, at.unwrap_or(now), value));
            }
        }
        Err(why) => {
            target.up = false;
            target.error = why;
        }
    }
    for (name, value) in
        [("up", f64::from(target.up)), ("scrape_samples_scraped", count as f64), ("scrape_duration_seconds", 0.004)]
    {
        series.insert(db.append(&target.labels.with(NAME, name), now, value));
    }
    if !target.foreign {
        for gone in target.series.difference(&series) {
            if db.live(*gone, now) {
                db.push(*gone, now, super::tsdb::stale());
            }
        }
    }
    target.series = series;
    target.scraped = world.now;
}

fn metric(name: &str, pairs: &[(&str, &str)], value: f64) -> (Labels, Option<i64>, f64) {
    let all = std::iter::once((NAME, name)).chain(pairs.iter().copied());
    (Labels::new(all), None, value)
}

fn own(world: &World, c: usize) -> Samples {
    let prometheus = &world.clusters[c].prometheus;
    vec![
        metric("prometheus_build_info", &[("version", "3.5.0"), ("goversion", "go1.24.4")], 1.0),
        metric("prometheus_tsdb_head_series", &[], prometheus.db.all().count() as f64),
        metric("prometheus_target_scrapes_total", &[], prometheus.scrapes as f64),
        metric("prometheus_config_last_reload_successful", &[], 1.0),
    ]
}

fn pod(world: &World, c: usize, uid: &Uid, port: u16) -> Result<Samples, String> {
    let cluster = &world.clusters[c];
    let Some(pod) = cluster.pods.get(uid) else { return Err("context deadline exceeded".into()) };
    let address = pod.ip.map(|ip| format!("{ip}:{port}")).unwrap_or_default();
    let agent = pod.proxy.is_some() && !pod.gateway() && pod.network;
    if !(pod.serving || agent) || listener(cluster, pod, port, false).is_none() {
        return Err(format!("Get \"http://{address}/metrics\": dial tcp {address}: connect: connection refused"));
    }
    let version = cluster.quirks.istio().to_owned();
    let age = (world.now - pod.started) as f64 / 1000.0;
    Ok(match listener(cluster, pod, port, false) {
        Some(Kind::AppMetrics) => application(cluster, pod),
        Some(Kind::Istiod(_)) => vec![
            metric("pilot_info", &[("version", &version)], 1.0),
            metric("istio_build", &[("component", "pilot"), ("tag", &version)], 1.0),
            metric(
                "pilot_xds",
                &[("version", &version)],
                cluster.pods.values().filter(|p| p.proxy.is_some()).count() as f64,
            ),
            metric("pilot_services", &[], cluster.store.list(resources::services(), None).count() as f64),
            metric("process_start_time_seconds", &[], world.dates.unix_ms(pod.started) as f64 / 1000.0),
        ],
        _ => {
            let mut samples = application(cluster, pod);
            samples.extend([
                metric("istio_build", &[("component", "proxy"), ("tag", &version)], 1.0),
                metric("envoy_server_uptime", &[], age),
                metric("envoy_server_live", &[], 1.0),
                metric("envoy_cluster_upstream_cx_active", &[("cluster_name", "xds-grpc")], 1.0),
            ]);
            samples
        }
    })
}

/// What the application in a pod counts itself.
fn application(cluster: &Cluster, pod: &Pod) -> Samples {
    let mut samples = Vec::new();
    for calls in pod.metrics.calls(&cluster.ident.istio) {
        let labels = Labels::new(calls.labels);
        for (name, le, value) in calls.samples {
            let named = labels.with(NAME, name);
            samples.push((if le.is_empty() { named } else { named.with("le", &le) }, None, value));
        }
    }
    samples
}

fn peer_samples(world: &World, c: usize, peer: usize, now: i64) -> Result<Samples, String> {
    let (from, label) = match world.clusters[c].quirks.federation {
        Federation::Itself => (c, Some(world.clusters[peer].ident.istio.clone())),
        Federation::Nobody => return Err("dial tcp: connect: connection refused".into()),
        Federation::Stopped if world.now > -60_000 => return Err("context deadline exceeded".into()),
        Federation::Peers | Federation::Stopped => (peer, None),
    };
    let there = &world.clusters[from];
    if there.ready(Role::Prometheus).is_none() || there.quirks.prometheus_html {
        return Err(format!(
            "Get \"http://{}:9090/federate\": dial tcp {}:9090: connect: connection refused",
            there.ident.lb_ip(20),
            there.ident.lb_ip(20)
        ));
    }
    let mut samples: Samples = federate::wanted(&there.prometheus.db, now)
        .map(|(labels, at, value)| (federate::handed_on(&labels, there), Some(at), value))
        .collect();
    if let Some(label) = label {
        for sample in &mut samples {
            sample.0 = sample.0.with("cluster", &label);
        }
    }
    Ok(samples)
}
