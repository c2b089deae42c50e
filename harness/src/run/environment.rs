//! What the environment must have (`needs:`), what the mesh file declares as missing (`without:`), and what follows.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use indexmap::IndexMap;
use serde_json::Value;
use tokio::time::timeout;

use super::preflight::Obstacle;
use crate::cluster::{Cluster, Permission, World, is_ready, pod_addresses};
use crate::format::MeshSpec;
use crate::net::Net;
use crate::plan::Plan;

/// How many pods of a cluster are tried, and how long each.
const TRIED_PODS: usize = 8;
const CONNECT: Duration = Duration::from_secs(2);

/// Why something does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub reason: String,
    pub waived: bool,
}

/// The first need that is not met; none if all are.
pub(super) async fn first_missing(needs: &[String], world: &World, today: jiff::civil::Date) -> Option<Missing> {
    for need in needs {
        if named(need).is_some_and(|(_, value)| !value.is_empty()) {
            continue;
        }
        let spec = world.mesh.as_ref().map(|mesh| &mesh.spec);
        if let Some(missing) = waived(need, spec, today) {
            return Some(missing);
        }
        if let Some(what) = absent(need, world).await {
            let need = named(need).map_or(need.as_str(), |(name, _)| name);
            return Some(Missing { reason: format!("needs {need}: {what}"), waived: false });
        }
    }
    None
}

/// An entry of the inventory that nobody has confirmed: what is measured there proves nothing.
pub(super) fn unconfirmed(plan: &Plan, world: &World) -> Option<Missing> {
    let item = plan.binding.item.as_ref()?;
    let part = if item.kind == "prometheus" { "prometheus".to_owned() } else { format!("{}s", item.kind) };
    let entry = format!("{part}.{}", item.name);
    let waits = world.inventory().unconfirmed.contains(&entry);
    let reason =
        format!("{entry} of the inventory is not confirmed; look at it, correct it, and remove it from `unconfirmed`");
    waits.then_some(Missing { reason, waived: false })
}

/// `NAME: VALUE`: a name of `vars` that must have been given a value, and what it has.
fn named(need: &str) -> Option<(&str, &str)> {
    let (name, value) = need.split_once(':')?;
    (name != "command").then_some((name.trim(), value.trim()))
}

/// A declared absence; one that has run out counts as undeclared.
fn waived(need: &str, spec: Option<&MeshSpec>, today: jiff::civil::Date) -> Option<Missing> {
    let key = named(need).map_or_else(|| need.rsplit(':').next().unwrap_or(need).trim(), |(name, _)| name);
    let waiver = spec?.without.get(need).or_else(|| spec?.without.get(key))?;
    let until: jiff::civil::Date = waiver.until.parse().ok()?;
    let words = format!("{} ({}, until {})", waiver.reason, waiver.owner, waiver.until);
    Some(if today <= until {
        Missing { reason: format!("without {key}: {words}"), waived: true }
    } else {
        Missing { reason: format!("without {key}: the waiver has expired: {words}"), waived: false }
    })
}

/// Whether the mesh file declares it as missing.
pub(super) fn is_without(need: &str, mesh: &MeshSpec, today: jiff::civil::Date) -> bool {
    waived(need, Some(mesh), today).is_some()
}

/// What looking for a need takes.
pub(super) fn to_look(need: &str, clusters: &IndexMap<String, Arc<Cluster>>, mesh: &MeshSpec) -> Vec<Permission> {
    let of_each: fn(&MeshSpec, &str) -> Vec<Permission> = match need {
        "alertmanager" => |mesh, key| Permission::for_discovery(mesh, key, |spec| !spec.alertmanager.is_empty()),
        "routablePods" => |_, key| vec![Permission::new(key, "", "", "pods", "list")],
        _ => |_, _| Vec::new(),
    };
    clusters.keys().flat_map(|key| of_each(mesh, key)).collect()
}

/// Whether a program can be run by its name.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// What is missing of what can be detected.
async fn absent(need: &str, world: &World) -> Option<String> {
    if let Some(program) = need.strip_prefix("command:").or_else(|| need.strip_prefix("command ")).map(str::trim) {
        return (!on_path(program)).then(|| format!("there is no program `{program}` on the PATH"));
    }
    if let Some((name, _)) = named(need) {
        return Some(format!(
            "it has no value; write `vars: {{ {name}: … }}` in the mesh file or give `--set {name}=…`, or list it under `without:`"
        ));
    }
    match need {
        // Whether policies are enforced shows only when one is made; the mesh file settles it.
        "networkPolicy" => None,
        // The inventory decides, before there is a run.
        "guide" | "services" | "workloads" => None,
        "severalPrimaries" => {
            let count = world.inventory().primaries(&world.keys()).len();
            (count < 2).then(|| format!("{count} cluster(s) of the mesh file run a control plane"))
        }
        "severalNetworks" => {
            let several = world.mesh.as_ref().is_some_and(|mesh| mesh.spec.has_several_networks());
            (!several).then(|| "the clusters of the mesh file have one network".to_owned())
        }
        "severalClusters" => {
            let count = world.mesh.as_ref().map_or(0, |mesh| mesh.spec.clusters.len());
            (count < 2).then(|| format!("the mesh file has {count} cluster(s)"))
        }
        "alertmanager" => missing_alertmanager(world).await,
        "routablePods" => {
            let asked = world.clusters.values().map(|cluster| unroutable_pods(&world.net, cluster));
            join_all(asked).await.into_iter().flatten().next()
        }
        other => Some(format!(
            "`{other}` is not a known need; known are `command: NAME`, `NAME: ${{NAME}}`, alertmanager, guide, networkPolicy, routablePods, services, severalClusters, severalNetworks, severalPrimaries and workloads; correct it, list it under `without:` of the mesh file, or remove it"
        )),
    }
}

/// The first cluster in which no Alertmanager is found.
async fn missing_alertmanager(world: &World) -> Option<String> {
    for cluster in world.clusters.values() {
        if let Err(error) = crate::cluster::discover_alertmanager(cluster).await {
            return Some(error.to_string());
        }
    }
    None
}

/// Why pods of a cluster are not routable from here: none takes a connection at a port that it declares.
pub async fn unroutable_pods(net: &Net, cluster: &Cluster) -> Option<String> {
    let pods = cluster.list("/api/v1/pods", None).await.unwrap_or_default();
    let places: Vec<(String, u16)> = pods.iter().flat_map(|pod| listening(pod)).take(TRIED_PODS).collect();
    let tries = places
        .iter()
        .map(|(address, port)| async move { matches!(timeout(CONNECT, net.connect(address, *port)).await, Ok(Ok(_))) });
    let connected = join_all(tries).await.into_iter().any(|connected| connected);
    (!connected).then(|| format!("no pod of `{}` takes a connection from here ({} tried)", cluster.key, places.len()))
}

/// The addresses of a ready pod on a network of its own, each with a port that it declares.
fn listening(pod: &Value) -> Vec<(String, u16)> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.filter_map(|container| container["ports"].as_array()).flatten();
    let port = ports.find_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok());
    let (Some(port), true) = (port, is_ready(pod) && pod["spec"]["hostNetwork"] != true) else { return Vec::new() };
    pod_addresses(pod).into_iter().map(|address| (address.to_string(), port)).collect()
}

impl Missing {
    /// The scenario, probe or check that it keeps from running.
    pub fn of(self, id: &str) -> Obstacle {
        Obstacle::NotRun { id: id.to_owned(), reason: self.reason, waived: self.waived }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_must_have_a_value_is_waived_by_that_name() {
        assert_eq!(named("partitionAlert: Split"), Some(("partitionAlert", "Split")));
        assert_eq!(named("partitionAlert: "), Some(("partitionAlert", "")));
        assert_eq!((named("command: oci"), named("alertmanager")), (None, None));
        let waiver = |until: &str| {
            let spec = serde_json::json!({ "clusters": {}, "without": {
                "partitionAlert": { "reason": "none", "owner": "ops", "until": until },
                "oci": { "reason": "no cloud", "owner": "ops", "until": until } } });
            serde_json::from_value::<MeshSpec>(spec).unwrap()
        };
        let today = jiff::civil::date(2026, 5, 1);
        for need in ["partitionAlert: ", "command: oci"] {
            assert!(waived(need, Some(&waiver("2026-05-01")), today).is_some_and(|missing| missing.waived), "{need}");
            assert!(waived(need, Some(&waiver("2026-04-30")), today).is_some_and(|missing| !missing.waived), "{need}");
        }
        assert!(waived("other: ", Some(&waiver("2026-05-01")), today).is_none());
    }
}
