//! Monitoring: a Prometheus of any name, by the programs in its pods and by asking it; and dashboards.

use std::collections::BTreeSet;

use futures::future::join_all;
use indexmap::IndexMap;
use meshdrill_checks::observe::prometheus::{RuleKind, Vector};
use serde_json::Value;

use super::facts::{Facts, leads_to, tcp_ports};
use crate::cluster::{Cluster, Object, World, discover_alertmanager, pod_addresses};
use crate::format::{Dashboard, Inventory, MonitoringPlace, PrometheusEntry};
use crate::probe::{Metrics, ask_dashboard};

/// The programs that answer the API of Prometheus, by their images, with its port and the argument that makes them do it.
const PROGRAMS: [(&str, u16, Option<&str>); 5] = [
    ("prometheus", 9090, None),
    ("thanos", 10902, Some("query")),
    ("victoria-metrics", 8428, None),
    ("vmselect", 8481, None),
    ("mimir", 8080, None),
];

/// The dashboards that are known: the word in the name or label of their pods, and the paths that answer 200.
const DASHBOARDS: [(&str, &[&str]); 4] = [
    ("grafana", &["/api/health", "/login"]),
    ("kiali", &["/kiali/healthz", "/healthz"]),
    ("jaeger", &["/jaeger", "/jaeger/search", "/", "/search"]),
    ("zipkin", &["/health", "/zipkin/"]),
];

/// By cluster, a Service before a program that answers the API of Prometheus.
pub(super) fn places(facts: &[Facts]) -> Vec<(String, MonitoringPlace)> {
    let place = |facts: &Facts| {
        let (service, port) = PROGRAMS.iter().find_map(|(program, port, argument)| {
            let pod = facts.pods.iter().find(|pod| runs(pod, program, *argument))?;
            let service = facts.services_of(pod).min_by_key(|service| service["spec"]["clusterIP"] == "None")?;
            let ports = tcp_ports(service);
            let port = ports.iter().find(|one| **one == *port).or_else(|| ports.first()).copied()?;
            Some((service, port))
        })?;
        let url = format!("forward/{}/{}/service/{}:{port}", facts.key, service.namespace(), service.name());
        Some((facts.key.clone(), MonitoringPlace::Url(url)))
    };
    facts.iter().filter_map(place).collect()
}

/// Whether a container of a pod runs an image of this name, with this argument.
fn runs(pod: &Object, program: &str, argument: Option<&str>) -> bool {
    pod["spec"]["containers"].as_array().into_iter().flatten().any(|container| {
        let image = container["image"].as_str().unwrap_or_default();
        let base = image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
        let words = |list: &str| {
            container[list]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|word| Some(word) == argument)
        };
        base == program && (argument.is_none() || words("args") || words("command"))
    })
}

/// Services before pods of known dashboards.
pub(super) fn dashboards(facts: &[Facts]) -> IndexMap<String, Dashboard> {
    let mut found: Vec<(&str, Dashboard)> = Vec::new();
    for facts in facts {
        for (name, paths) in DASHBOARDS {
            let is_one = |pod: &&Object| {
                let labels = ["app.kubernetes.io/name", "app"].into_iter().filter_map(|key| pod.label(key));
                labels.into_iter().any(|label| label == name) || runs(pod, name, None)
            };
            let Some(pod) = facts.pods.iter().find(is_one) else { continue };
            let Some(service) = facts.services_of(pod).min_by_key(|service| rank(service, name)) else { continue };
            let Some(port) = tcp_ports(service).first().copied() else { continue };
            let dashboard = Dashboard {
                cluster: facts.key.clone(),
                namespace: service.namespace().to_owned(),
                service: service.name().to_owned(),
                port,
                path: paths[0].to_owned(),
            };
            found.push((name, dashboard));
        }
    }
    let several = |name: &str| found.iter().filter(|(other, _)| *other == name).count() > 1;
    let named = found.iter().map(|(name, dashboard)| {
        let key = if several(name) { format!("{name}-{}", dashboard.cluster) } else { (*name).to_owned() };
        (key, dashboard.clone())
    });
    named.collect()
}

/// Of several Services before a dashboard, the one for people: not that of its collector, and not a headless one.
fn rank(service: &Object, name: &str) -> u8 {
    let called = service.name();
    match called {
        "tracing" => 0,
        _ if called.contains("query") => 1,
        _ if called == name => 2,
        _ if called.contains("collector") || service["spec"]["clusterIP"] == "None" => 9,
        _ => 3,
    }
}

/// Asks each cluster's Prometheus what it has, and each dashboard for a path that works. By cluster, the Services before
/// Alertmanagers that only Prometheus knows.
pub(super) async fn ask(world: &World, inventory: &mut Inventory) -> Vec<(String, MonitoringPlace)> {
    let mut managers = Vec::new();
    for (key, cluster) in &world.clusters {
        let Ok(metrics) = Metrics::prometheus(world, key).await else { continue };
        match entry(world, key, cluster.istio_id(), &metrics).await {
            Ok(mut entry) => {
                if entry.alertmanager && discover_alertmanager(cluster).await.is_err() {
                    let place = alertmanager(cluster, &metrics).await;
                    // One that is in no cluster's Services, or in another cluster, is not judged here.
                    entry.alertmanager = place.is_some();
                    managers.extend(place.map(|place| (key.clone(), place)));
                }
                inventory.prometheus.insert(key.clone(), entry);
            }
            Err(why) => {
                let why = format!("{key}: the Prometheus at {} does not answer: {why}", metrics.name());
                inventory.unknown.entry("prometheus".to_owned()).or_insert(why);
            }
        }
    }
    let asked = inventory.dashboards.iter().map(|(name, dashboard)| async move {
        let kind = DASHBOARDS.iter().find(|(kind, _)| name.starts_with(kind));
        for path in kind.map_or(&["/"][..], |(_, paths)| *paths) {
            if ask_dashboard(world, dashboard, path).await == Ok(200) {
                return (name.clone(), Some((*path).to_owned()));
            }
        }
        (name.clone(), None)
    });
    for (name, path) in join_all(asked).await {
        match (path, inventory.dashboards.get_mut(&name)) {
            (Some(path), Some(dashboard)) => dashboard.path = path,
            _ => inventory.unconfirmed.push(format!("dashboards.{name}")),
        }
    }
    managers
}

/// The Service before an Alertmanager that a Prometheus sends to: by the name of the Service, or by the address of a pod.
async fn alertmanager(cluster: &Cluster, metrics: &Metrics) -> Option<MonitoringPlace> {
    let managers = metrics.alertmanagers().await.ok()?;
    let url: http::Uri = managers.active.first()?.parse().ok()?;
    let (host, port) = (url.host()?, url.port_u16().unwrap_or(9093));
    let services = cluster.list("/api/v1/services", None).await.ok()?;
    let by_name = host.split_once('.').and_then(|(name, rest)| {
        let namespace = rest.split('.').next()?;
        services.iter().find(|service| service.name() == name && service.namespace() == namespace)
    });
    let service = match by_name {
        Some(service) => service,
        None => {
            let pods = cluster.list("/api/v1/pods", None).await.ok()?;
            let address: std::net::IpAddr = host.parse().ok()?;
            let pod = pods.iter().find(|pod| pod_addresses(pod).contains(&address))?;
            services.iter().find(|service| service.namespace() == pod.namespace() && leads_to(service, pod))?
        }
    };
    let ports = tcp_ports(service);
    let port = ports.iter().find(|one| **one == port).or_else(|| ports.first())?;
    Some(MonitoringPlace::Url(format!(
        "forward/{}/{}/service/{}:{port}",
        cluster.key,
        service.namespace(),
        service.name()
    )))
}

async fn entry(world: &World, key: &str, own: &str, metrics: &Metrics) -> Result<PrometheusEntry, String> {
    let text = |error: crate::probe::ProbeError| error.to_string();
    metrics.query("vector(1)", None).await.map_err(text)?;
    let groups = metrics.rules().await.map_err(text)?;
    let managers = metrics.alertmanagers().await.map_err(text)?;
    let mut clusters = BTreeSet::new();
    for label in ["cluster", "source_cluster"] {
        if let Ok(Vector::Samples(series)) = metrics.query(&format!("group by ({label}) (up)"), None).await {
            clusters.extend(series.into_iter().filter_map(|one| one.labels.get(label).cloned()));
        }
    }
    let others = clusters.iter().filter(|id| *id != own && !id.is_empty()).map(|id| world.key_of_istio(id));
    let federates = others.filter(|other| other != key && world.clusters.contains_key(other)).collect();
    Ok(PrometheusEntry {
        federates,
        alertmanager: !managers.active.is_empty(),
        rules: groups.iter().flat_map(|group| &group.rules).any(|rule| rule.kind == RuleKind::Alerting),
    })
}
