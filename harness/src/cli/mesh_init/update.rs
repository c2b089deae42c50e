//! `mesh init --update` and `mesh diff`: the inventory of an existing mesh file against the clusters of today.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use meshdrill_checks::exit_code::ExitCode;

use super::super::args::{MeshDiffArgs, MeshInitArgs};
use super::super::error::{CliError, FileError, UsageError};
use super::super::mesh_file::{find_mesh, read_mesh_to_update};
use super::{Clusters, DETECTED, faults, listed_once, mesh_file, mesh_file_text, report};
use crate::format::{Entrypoint, Inventory, MeshFile, Namespace};
use crate::inventory::{ask, changes, detect};
use crate::run::{WorldSource, write_atomically};
use crate::spec::remove_unknown;

/// Looks again at the clusters of a mesh file, and at those that are added, and writes the file again. The old file is kept
/// beside it.
pub(super) fn update(args: &MeshInitArgs) -> Result<ExitCode, CliError> {
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from("mesh.yaml"));
    let before = std::fs::read(&path).map_err(|error| FileError::unreadable(&path, error))?;
    let old = read_mesh_to_update(&path)?;
    let known = old.spec.clusters.iter().map(|(key, cluster)| format!("{key}={}", cluster.context));
    let contexts: Vec<String> = known.chain(args.context.iter().cloned()).collect();
    let file = super::super::runtime()?.block_on(listed_once(async {
        let clusters = Clusters::of_kubeconfig(args.kubeconfig.clone());
        let seen = clusters.survey(&contexts).await?;
        let fresh = mesh_file(&args.name, faults(args), &seen.surveys, jiff::Zoned::now().date());
        clusters.with_inventory(joined(&old, fresh), &seen, faults(args)).await
    }))?;
    let mut file = kept(&old, file);
    let removed = remove_unknown(&mut file);
    let found = changes(&inventory_of(&old), &inventory_of(&file));
    let text = mesh_file_text(Some(&path), &file)?;
    let backup = path.with_extension("yaml.before");
    write_atomically(&backup, &before).map_err(|error| FileError::unwritable(&backup, error))?;
    write_atomically(&path, text.as_bytes()).map_err(|error| FileError::unwritable(&path, error))?;
    found.iter().for_each(|change| super::super::say!("{change}"));
    removed.iter().for_each(|name| super::super::say_err!("removed {name}: the clusters do not have it any more"));
    super::super::say_err!(
        "wrote {}; {} as it was, with its comments: {}; confirm the lines marked `{DETECTED}`",
        path.display(),
        path.display(),
        backup.display()
    );
    report(&file);
    Ok(ExitCode::Pass)
}

/// Shows what changed since a mesh file was written.
pub(super) fn diff(args: &MeshDiffArgs) -> Result<ExitCode, CliError> {
    let Some(old) = find_mesh(args.mesh.as_deref())? else {
        return Err(UsageError::NoMesh.into());
    };
    if old.spec.inventory.is_none() {
        return Err(UsageError::NoInventory.into());
    }
    let mesh = Arc::new(old.clone());
    let source = WorldSource::of_clusters(Some(Arc::clone(&mesh)), args.kubeconfig.clone());
    let new = super::super::runtime()?.block_on(listed_once(async {
        let world = source.connect(mesh.spec.clusters.keys().map(String::as_str)).await?;
        let clusters: Vec<_> = world.clusters.values().cloned().collect();
        let mut inventory = detect(&clusters).await.inventory;
        ask(&world, &mut inventory).await;
        Ok::<_, CliError>(inventory)
    }))?;
    let before = old.spec.inventory().into_owned();
    let found = changes(&before, &comparable(&before, new.clone()));
    found.iter().for_each(|change| super::super::say!("{change}"));
    for (part, why) in &new.unknown {
        super::super::say_err!("{part} are not all known: {why}");
    }
    Ok(match (found.is_empty(), new.unknown.is_empty()) {
        (false, _) => {
            super::super::say_err!("`meshdrill mesh init --update` brings the mesh file up to date");
            ExitCode::Fail
        }
        (true, false) => ExitCode::Inconclusive,
        (true, true) => {
            super::super::say_err!("nothing changed");
            ExitCode::Pass
        }
    })
}

/// The old file with the clusters that are new, and without the inventory.
fn joined(old: &MeshFile, fresh: MeshFile) -> MeshFile {
    let mut file = old.clone();
    for (key, cluster) in fresh.spec.clusters {
        file.spec.clusters.entry(key).or_insert(cluster);
    }
    file.spec.inventory = None;
    file
}

/// The inventory of a file; an empty one if it has none yet.
fn inventory_of(file: &MeshFile) -> Inventory {
    file.spec.inventory.as_deref().cloned().unwrap_or_default()
}

/// What was detected, with what people wrote into the entries that are still there.
fn kept(old: &MeshFile, mut new: MeshFile) -> MeshFile {
    if let Some(after) = new.spec.inventory.take() {
        let before = &inventory_of(old);
        let mut inventory = comparable(before, *after);
        inventory.differences.clone_from(&before.differences);
        // What is not known now stays as it was.
        for (part, _) in inventory.unknown.clone() {
            restore(&mut inventory, before, &part);
        }
        new.spec.inventory = Some(Box::new(inventory));
    }
    new
}

fn restore(inventory: &mut Inventory, before: &Inventory, part: &str) {
    match part {
        "controlPlanes" => inventory.control_planes.clone_from(&before.control_planes),
        "gateways" => inventory.gateways.clone_from(&before.gateways),
        "entrypoints" => inventory.entrypoints.clone_from(&before.entrypoints),
        "namespaces" => inventory.namespaces.clone_from(&before.namespaces),
        "services" => inventory.services.clone_from(&before.services),
        "prometheus" => inventory.prometheus.clone_from(&before.prometheus),
        "dashboards" => inventory.dashboards.clone_from(&before.dashboards),
        _ => {}
    }
}

/// What was detected, as far as it says more than people did: the expectations of an entry point, its path and CA, its name,
/// and workloads that are without a proxy on purpose are theirs.
fn comparable(before: &Inventory, mut after: Inventory) -> Inventory {
    let mut entrypoints: IndexMap<String, Entrypoint> = IndexMap::new();
    let mut detected = std::mem::take(&mut after.entrypoints);
    for (name, old) in &before.entrypoints {
        let same = |one: &Entrypoint| one.route == old.route && one.host == old.host && one.gateway == old.gateway;
        let found = detected.iter().find(|(_, one)| same(one) && one.path == old.path);
        let found = found.or_else(|| detected.iter().find(|(_, one)| same(one)));
        let by_hand = old.route.is_none();
        if let Some((key, one)) = found.map(|(key, one)| (key.clone(), one.clone())) {
            detected.shift_remove(&key);
            let kept = Entrypoint { clusters: one.clusters, ..old.clone() };
            let unconfirmed = format!("entrypoints.{key}");
            after.unconfirmed.retain(|entry| *entry != unconfirmed || before.unconfirmed.contains(entry));
            entrypoints.insert(name.clone(), kept);
        } else if by_hand {
            entrypoints.insert(name.clone(), old.clone());
        }
    }
    entrypoints.extend(detected);
    after.entrypoints = entrypoints;
    for (name, entry) in &mut after.namespaces {
        if let Some(Namespace { without_proxy, .. }) = before.namespaces.get(name) {
            for id in without_proxy.iter().filter(|id| !entry.without_proxy.contains(*id)).cloned().collect::<Vec<_>>()
            {
                entry.without_proxy.push(id);
            }
        }
    }
    for (name, entry) in &mut after.dashboards {
        if let Some(old) = before.dashboards.get(name) {
            entry.path.clone_from(&old.path);
        }
    }
    after
}
