//! What `forEach` binds: clusters, pairs of clusters, and entries of the inventory in each cluster that has them.

use meshdrill_checks::units::TimeSpan;
use meshdrill_document::{Node, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::scenario::ForEach;
use crate::format::{AlertTarget, ClusterChoice, DrillTargets, GatewayRole, Inventory, MeshFile, MeshSpec};

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
    let targets = mesh.spec.drills.clone().unwrap_or_default();
    let mut found = Found { inventory: &inventory, keys: &keys, targets: &targets, runs: Vec::new() };
    found.collect(for_each);
    let unknown = for_each.part().and_then(|part| {
        inventory.unknown.get(part).map(|why| format!("{part} of the inventory are not all known: {why}"))
    });
    let all = found.runs;
    let is_meant = |run: &&Binding| !breaks || run.item.as_ref().is_none_or(|item| is_target(&targets, item));
    let mut runs: Vec<Binding> = all.iter().filter(is_meant).cloned().collect();
    let meant = runs.len();
    let asks =
        |item: &Item| ["entrypoint", "via"].iter().any(|value| mentions(node, &format!("${{{}.{value}}}", item.kind)));
    runs.retain(|run| run.item.as_ref().is_none_or(|item| item.entrypoint().is_some() || !asks(item)));
    if meant > 0 && runs.is_empty() {
        return Bindings {
            unknown,
            ..Bindings::absent("the inventory has no confirmed entry point to measure it by".to_owned())
        };
    }
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

/// An example, of the quick-start guide's mesh: `check` replaces names by its values.
fn without_mesh(for_each: Option<ForEach>) -> Binding {
    let Some(for_each) = for_each else { return Binding::default() };
    let keys = ["primary", "secondary"].map(str::to_owned);
    let contexts = serde_json::json!({ "primary": { "context": "primary" }, "secondary": { "context": "secondary" } });
    let mesh = MeshSpec::deserialize(serde_json::json!({ "clusters": contexts }));
    let Ok(mesh) = mesh else { return cluster(&keys[0]) };
    let away = AlertTarget {
        target: "gateways/ingress".to_owned(),
        clusters: ClusterChoice::all(),
        within: TimeSpan::secs(120),
    };
    let targets = DrillTargets { alerts: [("IngressGatewayDown".to_owned(), away)].into(), ..DrillTargets::default() };
    let mut found = Found { inventory: &mesh.inventory(), keys: &keys, targets: &targets, runs: Vec::new() };
    found.collect(for_each);
    found.runs.into_iter().next().unwrap_or_else(|| cluster(&keys[0]))
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

/// Whether a text of the document has these words.
fn mentions(node: &Node, words: &str) -> bool {
    match &node.value {
        Value::Map(entries) => entries.iter().any(|entry| mentions(&entry.value, words)),
        Value::List(items) => items.iter().any(|item| mentions(item, words)),
        _ => node.text().is_some_and(|text| text.contains(words)),
    }
}

/// Whether drills may break an entry.
fn is_target(targets: &DrillTargets, item: &Item) -> bool {
    let list = list_of(item.kind);
    targets.lists().into_iter().find(|(name, _)| *name == list).is_none_or(|(_, names)| names.contains(&item.name))
}

/// The list of `drills` for a kind of entry; empty for what drills may always be about.
fn list_of(kind: &str) -> &'static str {
    match kind {
        "gateway" => "gateways",
        "controlPlane" => "controlPlanes",
        "workload" => "workloads",
        "lost" => "clusters",
        _ => "",
    }
}

struct Found<'a> {
    inventory: &'a Inventory,
    keys: &'a [String],
    targets: &'a DrillTargets,
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
                    let workload = format!("deployment/{}", entry.deployment);
                    self.add("controlPlane", name, &entry.clusters, &with_workload(json(entry), &workload));
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
            ForEach::Lost => self.lost(),
            ForEach::Alert => self.alerts(),
            ForEach::Dashboard => {
                for (name, entry) in &inventory.dashboards {
                    self.add("dashboard", name, &ClusterChoice::One(entry.cluster.clone()), &json(entry));
                }
            }
        }
    }

    /// One run per cluster that has the entry. `entrypoint` is the one by which it is measured, and `via` the way there: of an
    /// ingress gateway its own, of other entries one of the same cluster, or else of another.
    fn add(&mut self, kind: &'static str, name: &str, clusters: &ClusterChoice, values: &Json) {
        for key in clusters.expand(self.keys).0 {
            let mut values = values.clone();
            if kind != "entrypoint" {
                let gateway = (kind == "gateway" && values["role"] == "ingress").then_some(name);
                let entry = |at: &String| {
                    self.inventory.entrypoint_in(at, gateway, self.keys).map(|entry| (entry.to_owned(), at.clone()))
                };
                // A gateway is measured where it is; what is behind may be reached through another cluster only.
                let found = entry(&key).or_else(|| self.keys.iter().filter(|_| gateway.is_none()).find_map(entry));
                let via = found.as_ref().map(|(name, at)| format!("entrypoint/{name}/{at}"));
                values["entrypoint"] = found.map(|(name, _)| name).unwrap_or_default().into();
                values["via"] = via.unwrap_or_default().into();
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

    /// Clusters, each with an entry point that others serve.
    fn lost(&mut self) {
        for key in self.keys.iter().filter(|_| self.keys.len() > 1) {
            let mut others = self.keys.iter().filter(|other| *other != key);
            let entry = others.find_map(|other| self.inventory.entrypoint_in(other, None, self.keys));
            let values = serde_json::json!({ "entrypoint": entry.unwrap_or_default() });
            self.runs.push(Binding { item: Some(Item { kind: "lost", name: key.clone(), values }), ..cluster(key) });
        }
    }

    /// Alerts, each with the workload that it must notice and the cluster whose Prometheus has its rule.
    fn alerts(&mut self) {
        let inventory = self.inventory;
        for (name, alert) in &self.targets.alerts {
            let mut all = Found { inventory, keys: self.keys, targets: self.targets, runs: Vec::new() };
            let (part, target) = alert.target.split_once('/').unwrap_or_default();
            match part {
                "gateways" => all.collect(ForEach::Gateway),
                "controlPlanes" => all.collect(ForEach::ControlPlane),
                "workloads" => all.collect(ForEach::Workload),
                _ => {}
            }
            for run in all.runs {
                let (Some(item), Some(key)) = (run.item.filter(|item| item.name == target), run.cluster) else {
                    continue;
                };
                if !alert.clusters.includes(&key, self.keys) {
                    continue;
                }
                let values = serde_json::json!({
                    "target": alert.target, "within": alert.within, "workload": item.values["workload"],
                    "namespace": item.values["namespace"], "cluster": inventory.rules_for(&key).unwrap_or(&key),
                });
                let item = Item { kind: "alert", name: name.clone(), values };
                self.runs.push(Binding { item: Some(item), ..cluster(&key) });
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

/// `deployment/edge` as one value and as two, so that a scenario may write `deployment: { name: ${gateway.name} }`.
fn with_workload(mut values: Json, workload: &str) -> Json {
    let (kind, name) = workload.split_once('/').unwrap_or(("deployment", workload));
    values["workload"] = workload.into();
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

    fn text(value: &Json) -> &str {
        value.as_str().unwrap_or_default()
    }

    fn drill(for_each: &str, via: &str, inventory: &str, drills: &str) -> Bindings {
        let text = format!("{MESH}  inventory: {{ {inventory} }}\n  drills: {{ {drills} }}\n");
        let mesh = parse_mesh(Source::new(Path::new("mesh.yaml"), text)).unwrap();
        let scenario = format!(
            "spec:\n  forEach: {for_each}\n  probes: {{ p: {{ http: {{ via: \"{via}\" }} }} }}\n  faults: []\n"
        );
        let (_, node) = read(Source::new(Path::new("s.yaml"), scenario)).unwrap();
        bindings(&node, Some(&mesh))
    }

    #[test]
    fn what_has_no_entry_point_of_its_own_is_asked_through_another_cluster() {
        let shop = "namespaces: { shop: { dataPlane: sidecar, workloads: { deployment/cart: all } } }";
        let found = drill("workload", "${workload.via}", &format!("{EDGE}, {shop}"), "workloads: [cart.shop]");
        let vias: Vec<String> =
            found.runs.iter().map(|run| text(&run.item.as_ref().unwrap().values["via"]).to_owned()).collect();
        assert_eq!(vias, ["entrypoint/shop/eu", "entrypoint/shop/eu"]);
        let none = drill("workload", "${workload.via}", shop, "workloads: [cart.shop]");
        assert!(none.absent.is_some_and(|why| why.contains("no confirmed entry point")));
        assert_eq!(
            drill("workload", "ingress/eu", shop, "workloads: [cart.shop]").runs.len(),
            2,
            "it asks its own way"
        );
    }

    #[test]
    fn a_cluster_may_be_lost_where_another_serves() {
        let lost = |clusters: &str| labels(&drill("lost", "entrypoint/${lost.entrypoint}/!${cluster}", EDGE, clusters));
        assert_eq!(lost("clusters: [us]"), ["us"]);
        assert!(lost("clusters: [eu]").is_empty(), "eu alone has an entry point");
        assert!(lost("").is_empty(), "never by default");
    }

    #[test]
    fn an_alert_is_asked_of_the_prometheus_that_has_its_rule() {
        let hub = "prometheus: { us: { rules: true, federates: [eu] } }";
        let drills = "alerts: { EdgeDown: { target: gateways/edge, clusters: eu, within: 2m } }";
        let found = drill("alert", "ingress/eu", &format!("{EDGE}, {hub}"), drills);
        let [run] = found.runs.as_slice() else { panic!("{found:?}") };
        let values = &run.item.as_ref().unwrap().values;
        assert_eq!((run.label().as_str(), text(&values["cluster"])), ("EdgeDown-eu", "us"));
        assert_eq!((text(&values["workload"]), text(&values["within"])), ("deployment/edge", "2m"));
    }

    #[test]
    fn drills_run_for_what_the_mesh_file_lists() {
        let drill = of("ingress", "  faults: []\n", EDGE);
        let remedy = "write `drills: { gateways: [edge] }` in it to allow that";
        assert!(drill.runs.is_empty() && drill.absent.is_some_and(|why| why.ends_with(remedy)));
    }
}
