//! What `forEach` binds: clusters, pairs of clusters, and entries of the inventory in each cluster that has them.

use meshdrill_document::Node;
use serde::Serialize;
use serde_json::Value as Json;

use super::scenario::ForEach;
use crate::format::{ClusterChoice, DrillTargets, GatewayRole, Inventory, MeshFile};

/// What `forEach` binds for one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Binding {
    /// `${cluster}`.
    pub cluster: Option<String>,
    /// `${other}`.
    pub other: Option<String>,
    /// The entry of the inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

/// An entry of the inventory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// The word of `forEach`, such as `gateway`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its values, for `${gateway.namespace}` and the like.
    #[serde(skip)]
    pub values: Json,
}

impl Item {
    /// The entry point by which it is measured, if it has one.
    pub fn entrypoint(&self) -> Option<&str> {
        self.values["entrypoint"].as_str().filter(|name| !name.is_empty())
    }
}

impl Binding {
    /// `primary`, `primary-secondary`, `edge-primary`, or nothing. A name that ends in its cluster says it once.
    pub fn label(&self) -> String {
        let item = self.item.as_ref().map(|item| item.name.clone());
        let said = |cluster: &&String| {
            item.as_ref().is_some_and(|name| name == *cluster || name.ends_with(&format!("-{cluster}")))
        };
        let cluster = self.cluster.as_ref().filter(|cluster| !said(cluster)).cloned();
        item.iter().cloned().chain(cluster).chain(self.other.clone()).collect::<Vec<_>>().join("-")
    }
}

/// The bindings of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bindings {
    /// One run each.
    pub runs: Vec<Binding>,
    /// Why there is none: the mesh does not have what it is about.
    pub absent: Option<String>,
    /// What is not known of the mesh, so that there may be more.
    pub unknown: Option<String>,
}

impl Bindings {
    fn of(runs: Vec<Binding>) -> Self {
        Self { runs, ..Self::default() }
    }

    fn absent(why: String) -> Self {
        Self { absent: Some(why), ..Self::default() }
    }
}

/// The bindings of a scenario. Without a mesh file, one is enough.
pub fn bindings(node: &Node, mesh: Option<&MeshFile>) -> Bindings {
    let spec = node.get("spec");
    let for_each = spec.and_then(|spec| spec.get("forEach")).and_then(Node::text).and_then(ForEach::of_text);
    let Some(mesh) = mesh else { return Bindings::of(vec![without_mesh(for_each)]) };
    if let Some(reason) = absent_part(node, mesh) {
        return Bindings::absent(reason);
    }
    let Some(for_each) = for_each else { return Bindings::of(vec![Binding::default()]) };
    let breaks = spec.and_then(|spec| spec.get("faults")).is_some();
    let keys = mesh.spec.keys();
    let inventory = mesh.spec.inventory();
    let mut found = Found { inventory: &inventory, keys: &keys, runs: Vec::new() };
    found.collect(for_each);
    let unknown = for_each.part().and_then(|part| {
        inventory.unknown.get(part).map(|why| format!("{part} of the inventory are not all known: {why}"))
    });
    let all = found.runs;
    let targets = mesh.spec.drills.clone().unwrap_or_default();
    let is_meant = |run: &&Binding| !breaks || run.item.as_ref().is_none_or(|item| is_target(&targets, item));
    let runs: Vec<Binding> = all.iter().filter(is_meant).cloned().collect();
    let absent = runs.is_empty().then(|| match all.iter().find_map(|run| run.item.as_ref()) {
        Some(item) => {
            let list = list_of(item.kind);
            format!(
                "the mesh file lists none as a target; write `drills: {{ {list}: [{}] }}` in it to allow that",
                item.name
            )
        }
        None => for_each.absence().to_owned(),
    });
    Bindings { runs, absent, unknown }
}

fn without_mesh(for_each: Option<ForEach>) -> Binding {
    let cluster = |key: &str| Some(key.to_owned());
    match for_each {
        None => Binding::default(),
        Some(ForEach::Pair) => Binding { cluster: cluster("primary"), other: cluster("secondary"), item: None },
        Some(_) => Binding { cluster: cluster("primary"), ..Binding::default() },
    }
}

/// Why a mesh whose parts are listed does not have what a scenario is about.
fn absent_part(node: &Node, mesh: &MeshFile) -> Option<String> {
    let inventory = mesh.spec.inventory.as_ref()?;
    let needs = node.get("spec")?.get("needs")?.items().iter().filter_map(Node::text);
    needs.into_iter().find_map(|need| match need {
        "severalClusters" => (mesh.spec.clusters.len() < 2).then(|| "the mesh has one cluster".to_owned()),
        "guide" => {
            let application = mesh.spec.var("appNamespace");
            let there = inventory.namespaces.contains_key(&application);
            (!there).then(|| {
                format!(
                    "the inventory has no namespace {application}: the quick-start guide's application is not there"
                )
            })
        }
        "severalPrimaries" => {
            let primaries = inventory.primaries(&mesh.spec.keys()).len();
            (primaries < 2).then(|| "the mesh has one cluster with a control plane".to_owned())
        }
        "services" => inventory.services.is_empty().then(|| "the inventory has no service".to_owned()),
        "workloads" => inventory.namespaces.is_empty().then(|| "the inventory has no namespace".to_owned()),
        "severalNetworks" => (!mesh.spec.has_several_networks()).then(|| "the mesh has one network".to_owned()),
        _ => None,
    })
}

/// Whether drills may break an entry.
fn is_target(targets: &DrillTargets, item: &Item) -> bool {
    let listed = match list_of(item.kind) {
        "gateways" => &targets.gateways,
        "controlPlanes" => &targets.control_planes,
        "workloads" => &targets.workloads,
        _ => return true,
    };
    listed.contains(&item.name)
}

/// The list of `drills` for a kind of entry; empty for what drills may always be about.
fn list_of(kind: &str) -> &'static str {
    match kind {
        "gateway" => "gateways",
        "controlPlane" => "controlPlanes",
        "workload" => "workloads",
        _ => "",
    }
}

struct Found<'a> {
    inventory: &'a Inventory,
    keys: &'a [String],
    runs: Vec<Binding>,
}

impl Found<'_> {
    fn collect(&mut self, for_each: ForEach) {
        let inventory = self.inventory;
        match for_each {
            ForEach::Cluster => self.runs.extend(self.keys.iter().map(|key| cluster(key))),
            ForEach::Primary => self.runs.extend(inventory.primaries(self.keys).iter().map(|key| cluster(key))),
            ForEach::Pair => self.runs.extend(pairs(self.keys)),
            ForEach::ControlPlane => {
                for (name, entry) in &inventory.control_planes {
                    self.add("controlPlane", name, &entry.clusters, &json(entry));
                }
            }
            ForEach::Gateway => self.gateways(|_| true),
            ForEach::Ingress => {
                self.gateways(|role| role == GatewayRole::Ingress);
                self.runs.retain(|run| run.item.as_ref().is_some_and(|item| item.entrypoint().is_some()));
            }
            ForEach::EastWest => self.gateways(|role| role == GatewayRole::EastWest),
            ForEach::Entrypoint => {
                for (name, entry) in &inventory.entrypoints {
                    let clusters = inventory.clusters_of_entrypoint(entry, self.keys);
                    self.add("entrypoint", name, &ClusterChoice::Many(clusters), &entrypoint(entry));
                }
            }
            ForEach::Namespace => {
                for (name, entry) in &inventory.namespaces {
                    self.add("namespace", name, &entry.clusters, &json(entry));
                }
            }
            ForEach::Workload => self.workloads(),
            ForEach::Service => {
                for (name, entry) in &inventory.services {
                    let mut values = json(entry);
                    let (service, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
                    values["name"] = service.into();
                    values["namespace"] = namespace.into();
                    values["port"] = entry.ports.first().copied().unwrap_or_default().into();
                    self.add("service", name, &entry.clusters, &values);
                }
            }
            ForEach::Prometheus => self.prometheus(|_| true),
            ForEach::Hub => self.prometheus(|entry| !entry.federates.is_empty()),
            ForEach::Alerting => self.prometheus(|entry| entry.rules),
            ForEach::Alertmanager => self.prometheus(|entry| entry.alertmanager),
            ForEach::Dashboard => {
                for (name, entry) in &inventory.dashboards {
                    self.add("dashboard", name, &ClusterChoice::One(entry.cluster.clone()), &json(entry));
                }
            }
        }
    }

    /// One run per cluster that has the entry. `entrypoint` is the one by which it is measured: of an ingress gateway its own, of
    /// other entries one of the same cluster.
    fn add(&mut self, kind: &'static str, name: &str, clusters: &ClusterChoice, values: &Json) {
        for key in clusters.expand(self.keys).0 {
            let mut values = values.clone();
            if kind != "entrypoint" {
                let gateway = (kind == "gateway" && values["role"] == "ingress").then_some(name);
                values["entrypoint"] =
                    self.inventory.entrypoint_in(&key, gateway, self.keys).unwrap_or_default().into();
            }
            let item = Item { kind, name: name.to_owned(), values };
            self.runs.push(Binding { item: Some(item), ..cluster(&key) });
        }
    }

    fn gateways(&mut self, is_meant: fn(GatewayRole) -> bool) {
        let inventory = self.inventory;
        for (name, entry) in inventory.gateways.iter().filter(|(_, entry)| is_meant(entry.role)) {
            self.add("gateway", name, &entry.clusters, &with_workload(json(entry), &entry.workload));
        }
    }

    fn workloads(&mut self) {
        let inventory = self.inventory;
        for (namespace, entry) in &inventory.namespaces {
            for (workload, clusters) in &entry.workloads {
                let mut values = with_workload(serde_json::json!({ "namespace": namespace }), workload);
                values["dataPlane"] = json(&entry.data_plane);
                let name = values["name"].as_str().unwrap_or_default().to_owned();
                self.add("workload", &format!("{name}.{namespace}"), clusters, &values);
            }
        }
    }

    fn prometheus(&mut self, is_meant: fn(&crate::format::PrometheusEntry) -> bool) {
        let inventory = self.inventory;
        for (key, entry) in inventory.prometheus.iter().filter(|(_, entry)| is_meant(entry)) {
            self.add("prometheus", key, &ClusterChoice::One(key.clone()), &json(entry));
        }
    }
}

fn cluster(key: &str) -> Binding {
    Binding { cluster: Some(key.to_owned()), ..Binding::default() }
}

/// Every ordered pair.
fn pairs(keys: &[String]) -> impl Iterator<Item = Binding> + '_ {
    keys.iter().flat_map(move |one| {
        let others = keys.iter().filter(move |other| *other != one);
        others.map(move |other| Binding { other: Some(other.clone()), ..cluster(one) })
    })
}

fn json(entry: &impl Serialize) -> Json {
    serde_json::to_value(entry).unwrap_or_default()
}

/// `deployment/edge` as two values, so that a scenario may write `deployment: { name: ${gateway.name} }`.
fn with_workload(mut values: Json, workload: &str) -> Json {
    let (kind, name) = workload.split_once('/').unwrap_or(("deployment", workload));
    values["kind"] = kind.into();
    values["name"] = name.into();
    values
}

fn entrypoint(entry: &crate::format::Entrypoint) -> Json {
    let mut values = json(entry);
    values["path"] = entry.path.clone().into();
    values["status"] = entry.expect.status.into();
    values["body"] = entry.expect.body.clone().unwrap_or_default().into();
    values
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use meshdrill_document::{Source, read};

    use super::*;
    use crate::spec::parse_mesh;

    const MESH: &str = "apiVersion: meshdrill.io/v1\nkind: Mesh\nmetadata: { name: m }\nspec:\n  clusters: { eu: { context: a }, us: { context: b } }\n";

    fn of(for_each: &str, more: &str, inventory: &str) -> Bindings {
        let text = format!("{MESH}  inventory: {{ {inventory} }}\n");
        let mesh = parse_mesh(Source::new(Path::new("mesh.yaml"), text)).unwrap();
        let scenario = format!("spec:\n  forEach: {for_each}\n{more}");
        let (_, node) = read(Source::new(Path::new("s.yaml"), scenario)).unwrap();
        bindings(&node, Some(&mesh))
    }

    fn labels(found: &Bindings) -> Vec<String> {
        found.runs.iter().map(Binding::label).collect()
    }

    const EDGE: &str = "gateways: { edge: { role: ingress, namespace: in, workload: deployment/edge, selector: app=edge }, ew: { role: eastWest, clusters: us, namespace: in, workload: daemonset/ew, selector: app=ew } }, entrypoints: { shop: { gateway: edge, clusters: eu } }";

    #[test]
    fn every_entry_runs_in_every_cluster_that_has_it() {
        assert_eq!(labels(&of("gateway", "", EDGE)), ["edge-eu", "edge-us", "ew-us"]);
        assert_eq!(labels(&of("eastWest", "", EDGE)), ["ew-us"]);
        assert_eq!(labels(&of("ingress", "", EDGE)), ["edge-eu"], "in us it has no entry point");
        assert_eq!(labels(&of("entrypoint", "", EDGE)), ["shop-eu"]);
        assert_eq!(labels(&of("pair", "", "")), ["eu-us", "us-eu"]);
        let services = "services: { reviews.shop: { ports: [80], clusters: [us] } }";
        assert_eq!(labels(&of("service", "", services)), ["reviews.shop-us"]);
        let dashboards = "dashboards: { grafana-eu: { cluster: eu, namespace: m, service: g, port: 1 } }";
        assert_eq!(labels(&of("dashboard", "", dashboards)), ["grafana-eu"], "the cluster is said once");
    }

    #[test]
    fn what_is_absent_does_not_run_and_what_is_unknown_is_told() {
        let none = of("gateway", "", "");
        assert_eq!((none.runs.len(), none.absent.as_deref()), (0, Some("the inventory has no gateway")));
        let unknown = of("ingress", "", &format!("{EDGE}, unknown: {{ gateways: why }}"));
        assert_eq!(labels(&unknown), ["edge-eu"]);
        assert_eq!(unknown.unknown.as_deref(), Some("gateways of the inventory are not all known: why"));
        let unconfirmed = format!("{EDGE}, unconfirmed: [entrypoints.shop]");
        assert!(labels(&of("ingress", "", &unconfirmed)).is_empty(), "one that nobody confirmed measures nothing");
        assert!(of("cluster", "  needs: [severalNetworks]\n", "").absent.is_some());
    }

    #[test]
    fn drills_run_for_what_the_mesh_file_lists() {
        let drill = of("ingress", "  faults: []\n", EDGE);
        let remedy = "write `drills: { gateways: [edge] }` in it to allow that";
        assert!(drill.runs.is_empty() && drill.absent.is_some_and(|why| why.ends_with(remedy)));
    }
}
