//! Names in a mesh file that lead to entries of its inventory: the gateways of entry points, and what drills may break.

use meshdrill_document::{Node, Path, Problem, nearest};

use crate::format::{Inventory, MeshFile};

/// Names that the inventory does not have, each with the nearest that it has.
pub(super) fn unknown_names(file: &MeshFile, node: &Node) -> Vec<Problem> {
    let inventory = file.spec.inventory();
    let known = Known::of(&inventory, file);
    let mut problems = Vec::new();
    if let Some(written) = &file.spec.inventory {
        for (name, entry) in &written.entrypoints {
            let place = Path::of(&["spec", "inventory", "entrypoints", name, "gateway"]);
            problems.extend(known.problem(node, &place, "gateways", &entry.gateway));
        }
    }
    let Some(drills) = &file.spec.drills else { return problems };
    for (part, names) in drills.lists() {
        for (index, name) in names.iter().enumerate() {
            problems.extend(known.problem(node, &Path::of(&["spec", "drills", part]).index(index), part, name));
        }
    }
    for (alert, target) in &drills.alerts {
        let place = Path::of(&["spec", "drills", "alerts", alert, "target"]);
        match target.target.split_once('/') {
            Some((part @ ("gateways" | "controlPlanes" | "workloads"), name)) => {
                problems.extend(known.problem(node, &place, part, name));
            }
            _ => {
                let problem = Problem::at(node.span_at(&place), format!("`{}` is not a target", target.target));
                let help = "write `gateways/NAME`, `controlPlanes/REVISION` or `workloads/NAME.NAMESPACE`";
                problems.push(problem.help(help));
            }
        }
    }
    problems
}

/// Removes the names that the inventory does not have; what was removed, such as `drills.gateways: edge`.
pub fn remove_unknown(file: &mut MeshFile) -> Vec<String> {
    let known = Known::of(&file.spec.inventory(), file);
    let mut removed = Vec::new();
    if let Some(inventory) = &mut file.spec.inventory {
        inventory.entrypoints.retain(|name, entry| {
            let keep = known.has("gateways", &entry.gateway);
            if !keep {
                removed.push(format!("entrypoints.{name}: its gateway {}", entry.gateway));
            }
            keep
        });
    }
    let Some(drills) = &mut file.spec.drills else { return removed };
    for (part, names) in drills.lists_mut() {
        removed.extend(names.iter().filter(|name| !known.has(part, name)).map(|name| format!("drills.{part}: {name}")));
        names.retain(|name| known.has(part, name));
    }
    drills.alerts.retain(|alert, target| {
        let keep = target.target.split_once('/').is_some_and(|(part, name)| known.has(part, name));
        if !keep {
            removed.push(format!("drills.alerts.{alert}: {}", target.target));
        }
        keep
    });
    removed
}

/// The names of the inventory, by part.
struct Known {
    gateways: Vec<String>,
    control_planes: Vec<String>,
    workloads: Vec<String>,
    clusters: Vec<String>,
    /// The lists of which not everything is known.
    unknown: Vec<&'static str>,
}

impl Known {
    fn of(inventory: &Inventory, file: &MeshFile) -> Self {
        let workloads = inventory.namespaces.iter().flat_map(|(namespace, entry)| {
            let name = |workload: &String| workload.rsplit('/').next().unwrap_or_default().to_owned();
            entry.workloads.keys().map(move |workload| format!("{}.{namespace}", name(workload)))
        });
        Self {
            gateways: inventory.gateways.keys().cloned().collect(),
            control_planes: inventory.control_planes.keys().cloned().collect(),
            workloads: workloads.collect(),
            clusters: file.spec.keys(),
            unknown: [("gateways", "gateways"), ("controlPlanes", "controlPlanes"), ("namespaces", "workloads")]
                .into_iter()
                .filter(|(part, _)| inventory.unknown.contains_key(*part))
                .map(|(_, list)| list)
                .collect(),
        }
    }

    fn names(&self, part: &str) -> (&'static str, &[String]) {
        match part {
            "gateways" => ("gateway", &self.gateways),
            "controlPlanes" => ("control plane", &self.control_planes),
            "workloads" => ("workload", &self.workloads),
            _ => ("cluster", &self.clusters),
        }
    }

    /// Whether there is one of the name. What could not be read may be there.
    fn has(&self, part: &str, name: &str) -> bool {
        self.unknown.contains(&part) || self.names(part).1.iter().any(|known| known == name)
    }

    fn problem(&self, node: &Node, place: &Path, part: &str, name: &str) -> Option<Problem> {
        if self.has(part, name) {
            return None;
        }
        let (what, names) = self.names(part);
        let where_ = if what == "cluster" { "the mesh file" } else { "the inventory" };
        let meant = nearest(name, names.iter().map(String::as_str));
        let begin = meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
        let list = match names {
            [] => "it has none".to_owned(),
            names => format!(
                "it has {}",
                names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        let more = if names.len() > LISTED { format!(" and {} more", names.len() - LISTED) } else { String::new() };
        let problem = Problem::at(node.span_at(place), format!("{where_} has no {what} `{name}`"));
        let again = if what == "cluster" { "" } else { "; `meshdrill mesh init --update` looks again" };
        Some(problem.help(format!("{begin}{list}{more}{again}")))
    }
}

/// How many names a remedy lists.
const LISTED: usize = 3;
