//! `meshdrill mesh init`: writes a mesh file from live clusters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meshdrill_checks::observe::kube::Image;
use serde_json::Value;

use super::Failure;
use super::args::{MeshArgs, MeshCommand, MeshInitArgs};
use crate::cluster::{AccessError, Cluster, Kubeconfigs, connect};
use crate::net::Net;
use crate::spec::{ClusterExpect, ClusterSpec, FaultPermission, USUAL};

const KEYS: [&str; 5] = ["primary", "secondary", "third", "fourth", "fifth"];

/// Writes it.
pub(super) fn mesh(args: &MeshArgs) -> Result<u8, Failure> {
    let MeshCommand::Init(init) = &args.command;
    let text = super::runtime()?.block_on(describe(init))?;
    match &init.out {
        None => super::say_part!("{text}"),
        Some(path) if path.exists() => {
            return Err(Failure::Usage(format!("{} exists already; remove it or name another --out", path.display())));
        }
        Some(path) => {
            std::fs::write(path, text)?;
            eprintln!("wrote {}; confirm the lines marked `# seen`", path.display());
        }
    }
    Ok(0)
}

async fn describe(args: &MeshInitArgs) -> Result<String, Failure> {
    let kubeconfigs = Kubeconfigs::file(args.kubeconfig.clone());
    let mut text =
        format!("apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: {{ name: {} }}\nspec:\n  clusters:\n", args.name);
    let mut mesh_id = None;
    let mut has_oci = false;
    let mut enforces = false;
    let mut routable = true;
    let mut vars = BTreeMap::new();
    for (index, context) in args.context.iter().enumerate() {
        let (key, context) = match context.split_once('=') {
            Some((key, context)) => (key.to_owned(), context),
            None => (
                KEYS.get(index).map_or_else(|| format!("cluster-{}", index + 1), |key| (*key).to_owned()),
                context.as_str(),
            ),
        };
        let spec = ClusterSpec {
            context: context.to_owned(),
            istio_cluster: None,
            network: None,
            region: None,
            uid: None,
            faults: FaultPermission::Forbidden,
            expect: ClusterExpect::default(),
            oci: None,
            ingress: Vec::new(),
            east_west: Vec::new(),
            prometheus: Vec::new(),
            alertmanager: Vec::new(),
        };
        let cluster =
            connect(&kubeconfigs, &key, &spec).await.map_err(|error| Failure::Environment(error.to_string()))?;
        let seen = Seen::of(&cluster).await.map_err(|error| Failure::Environment(error.to_string()))?;
        mesh_id = mesh_id.or_else(|| seen.mesh_id.clone());
        has_oci |= seen.oci;
        enforces |= seen.enforces_policies;
        routable &= crate::run::unroutable_pods(&Net::Machine, &cluster).await.is_none();
        vars.extend(layout(&cluster).await);
        let _ = writeln!(text, "    {key}:\n      context: {context}");
        let mut line = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "      {name}: {value}  # seen, confirm");
            }
        };
        line("istioCluster", &seen.istio_cluster);
        line("network", &seen.network);
        line("region", &seen.region);
        let _ = writeln!(
            text,
            "      uid: {}\n      faults: {}\n      expect:\n        nodes: {}  # seen, confirm",
            seen.uid, args.faults, seen.nodes
        );
        if let Some(version) = &seen.kubernetes {
            let _ = writeln!(text, "        kubernetes: {version}  # seen, confirm");
        }
        if let Some(version) = &seen.istio {
            let _ = writeln!(text, "        istio: \"{version}\"  # seen, confirm");
        }
        if !seen.pod_cidrs.is_empty() {
            let _ = writeln!(text, "        podCidrs: [{}]  # seen, confirm", seen.pod_cidrs.join(", "));
        }
    }
    if let Some(id) = mesh_id {
        let _ = writeln!(text, "  expect: {{ meshID: {id} }}  # seen, confirm");
    }
    let waivers = [
        (!has_oci, "oci", "no node has an OCI provider id"),
        (!enforces, "networkPolicy", "no enforcing CNI was found"),
        (args.context.len() == 1, "severalClusters", "the mesh has one cluster"),
        (true, "partitionAlert", "no alert is known to tell of a network partition; if one does, name it under vars"),
        (!routable, "routablePods", "no pod takes a connection from where this was written"),
    ];
    text.push_str(&without(&waivers));
    if !vars.is_empty() {
        text.push_str("  vars:\n");
        for (name, value) in vars {
            let _ = writeln!(text, "    {name}: \"{value}\"  # seen, confirm");
        }
    }
    text.push_str("  sla:\n    availability: 99.95%\n    over: 30d\n    recoveryTime: 5m\n    restartTime: 2m\n    latency: { p99: 500ms }\n    confidence: 95%\n");
    Ok(text)
}

/// The section that declares what this mesh does not have, for three months; empty if it has everything.
fn without(waivers: &[(bool, &str, &str)]) -> String {
    let until = jiff::Zoned::now().date().saturating_add(jiff::Span::new().months(3));
    let missing = waivers.iter().filter(|(missing, ..)| *missing);
    let lines = missing.fold(String::new(), |mut lines, (_, name, reason)| {
        let _ = writeln!(lines, "    {name}: {{ reason: {reason}, owner: mesh init, until: {until} }}");
        lines
    });
    if lines.is_empty() { lines } else { format!("  without:\n{lines}") }
}

/// Names under which the catalogue looks for parts of the mesh, where this cluster has others than the usual ones.
async fn layout(cluster: &Cluster) -> BTreeMap<&'static str, String> {
    let parts = [
        ("app=istiod", ["istioNamespace", "istiod", "istiodSelector"]),
        ("istio=ingressgateway", ["gatewayNamespace", "ingressGateway", "ingressSelector"]),
        ("istio=eastwestgateway", ["eastWestNamespace", "eastWestGateway", "eastWestSelector"]),
    ];
    let mut found = BTreeMap::new();
    for (selector, [namespace, name, by]) in parts {
        let deployments = cluster.list("/apis/apps/v1/deployments", Some(selector)).await.unwrap_or_default();
        let Some(object) = deployments.first() else { continue };
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let app = object["spec"]["selector"]["matchLabels"]["app"].as_str();
        let selector = app.map_or_else(|| selector.to_owned(), |app| format!("app={app}"));
        found.extend([(namespace, text("namespace")), (name, text("name")), (by, selector)]);
    }
    let services = cluster.list("/api/v1/services", None).await.unwrap_or_default();
    let prometheus = services.iter().find(|service| service["metadata"]["name"] == "prometheus");
    if let Some(namespace) = prometheus.and_then(|service| service["metadata"]["namespace"].as_str()) {
        found.insert("monitoringNamespace", namespace.to_owned());
    }
    // The sample application, and the pod beside it that asks: Istio has called it by two names.
    let sample = services.iter().find(|service| service["metadata"]["name"] == "helloworld");
    if let Some(namespace) = sample.and_then(|service| service["metadata"]["namespace"].as_str()) {
        found.insert("sampleNamespace", namespace.to_owned());
        for selector in ["app=sleep", "app=curl"] {
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            if !cluster.list(&path, Some(selector)).await.unwrap_or_default().is_empty() {
                found.insert("clientSelector", selector.to_owned());
                break;
            }
        }
    }
    found.retain(|name, value| USUAL.iter().any(|(usual, default)| usual == name && default != value));
    found
}

/// The pod ranges of a node, one for each IP version.
fn pod_cidrs(node: &Value) -> Vec<String> {
    let all: Vec<&Value> = node["spec"]["podCIDRs"].as_array().into_iter().flatten().collect();
    let all = if all.is_empty() { vec![&node["spec"]["podCIDR"]] } else { all };
    all.into_iter().filter_map(|range| range.as_str().map(str::to_owned)).collect()
}

/// What a cluster shows of itself.
struct Seen {
    uid: String,
    nodes: usize,
    region: Option<String>,
    kubernetes: Option<String>,
    istio: Option<String>,
    istio_cluster: Option<String>,
    network: Option<String>,
    mesh_id: Option<String>,
    pod_cidrs: Vec<String>,
    oci: bool,
    enforces_policies: bool,
}

impl Seen {
    async fn of(cluster: &Cluster) -> Result<Self, AccessError> {
        let namespace: Value = cluster.get("/api/v1/namespaces/kube-system").await?;
        let version: Value = cluster.get("/version").await?;
        let nodes = cluster.list("/api/v1/nodes", None).await?;
        let label = |node: &Value, key: &str| node["metadata"]["labels"][key].as_str().map(str::to_owned);
        let istiods = cluster.list("/api/v1/pods", Some("app=istiod")).await.unwrap_or_default();
        let env = |name: &str| {
            let containers = istiods.iter().flat_map(|pod| pod["spec"]["containers"].as_array().into_iter().flatten());
            let variables = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
            variables.filter(|one| one["name"] == name).find_map(|one| one["value"].as_str().map(str::to_owned))
        };
        let image = istiods.iter().find_map(|pod| pod["spec"]["containers"][0]["image"].as_str());
        let gateways = cluster.list("/api/v1/services", Some("topology.istio.io/network")).await.unwrap_or_default();
        let system: Value = cluster.get("/api/v1/namespaces/istio-system").await.unwrap_or_default();
        let proxies = cluster.list("/api/v1/pods", Some("istio=ingressgateway")).await.unwrap_or_default();
        let proxy_env = |name: &str| {
            let containers = proxies.iter().flat_map(|pod| pod["spec"]["containers"].as_array().into_iter().flatten());
            let variables = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
            variables.filter(|one| one["name"] == name).find_map(|one| one["value"].as_str().map(str::to_owned))
        };
        let agents = cluster.list("/api/v1/pods", None).await.unwrap_or_default();
        let names = agents.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
        let enforcing = ["calico", "cilium", "antrea", "weave", "kube-router"];
        Ok(Self {
            uid: namespace["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            nodes: nodes.len(),
            region: nodes.first().and_then(|node| label(node, "topology.kubernetes.io/region")),
            kubernetes: version["gitVersion"].as_str().map(str::to_owned),
            istio: image.and_then(|image| Image::parse(image).version().map(str::to_owned)),
            istio_cluster: env("CLUSTER_ID"),
            network: system["metadata"]["labels"]["topology.istio.io/network"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| gateways.first().and_then(|gateway| label(gateway, "topology.istio.io/network"))),
            mesh_id: proxy_env("ISTIO_META_MESH_ID"),
            pod_cidrs: nodes.iter().flat_map(pod_cidrs).collect(),
            oci: nodes.iter().any(|node| {
                node["spec"]["providerID"]
                    .as_str()
                    .is_some_and(|id| id.starts_with("ocid1.") || id.starts_with("oci://"))
            }),
            enforces_policies: names.into_iter().any(|name| enforcing.iter().any(|agent| name.contains(agent))),
        })
    }
}
