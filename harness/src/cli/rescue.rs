//! `status`, `recover`, `halt`, `resume`: for when something was left behind, or must stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{ClustersArgs, RecoverArgs};
use super::error::{CliError, UsageError};
use super::evidence;
use super::mesh_file::find_mesh;
use crate::cluster::{AccessError, World};
use crate::net::Net;
use crate::run::{self, Leftover, WorldSource};
use meshdrill_checks::exit_code::ExitCode;

/// Where the mesh file leads.
fn source(args: &ClustersArgs) -> Result<WorldSource, CliError> {
    let mesh = find_mesh(args.mesh.as_deref())?;
    let mesh = mesh.ok_or(UsageError::NoMesh)?;
    Ok(WorldSource::of_clusters(Some(Arc::new(mesh)), args.kubeconfig.clone()))
}

/// Every cluster of the mesh that can be reached, and the access problems of the others.
async fn reachable(source: &WorldSource) -> (World, Vec<(String, AccessError)>) {
    let mut world = World::without_clusters(source.net.clone());
    world.mesh.clone_from(&source.mesh);
    let mut away = Vec::new();
    let keys: Vec<String> = source.mesh.iter().flat_map(|mesh| mesh.spec.keys()).collect();
    for key in keys {
        match source.connect([key.as_str()]).await {
            Ok(one) => world.clusters.extend(one.clusters),
            Err(error) => away.push((key, error)),
        }
    }
    (world, away)
}

fn namespace(world: &World) -> String {
    world.state_namespace().to_owned()
}

/// Shows the holder and the leftovers of each cluster.
pub(super) fn status(args: &ClustersArgs) -> Result<ExitCode, CliError> {
    let source = source(args)?;
    super::runtime()?.block_on(async {
        let (world, away) = reachable(&source).await;
        for cluster in world.clusters.values() {
            for line in run::status(cluster, &namespace(&world)).await? {
                super::say!("{}: {line}", cluster.key);
            }
        }
        for (key, error) in &away {
            super::say!("{key}: {error}");
        }
        Ok(if away.is_empty() { ExitCode::Pass } else { ExitCode::Refused })
    })
}

/// Undoes everything that is recorded; exit 0 means that nothing is left.
pub(super) fn recover(args: &RecoverArgs) -> Result<ExitCode, CliError> {
    let local = run::local_leftovers(&args.runs);
    let source = match source(&args.clusters) {
        Ok(source) => Some(source),
        // Without a mesh file there may still be something to undo on this machine.
        Err(CliError::Usage(why)) if !local.is_empty() && args.clusters.mesh.is_none() => {
            super::say_err!("{why}; only what runs broke on this machine is undone");
            None
        }
        Err(error) => return Err(error),
    };
    super::runtime()?.block_on(async {
        let mut all = recover_local(args, local).await?;
        if let Some(source) = source {
            all &= recover_clusters(args, &source).await?;
        }
        Ok(if all { ExitCode::Pass } else { ExitCode::NotRecovered })
    })
}

/// What runs broke outside of clusters.
async fn recover_local(args: &RecoverArgs, local: Vec<(PathBuf, Leftover)>) -> Result<bool, CliError> {
    let world = World::without_clusters(Net::Machine);
    let mut all = true;
    for (journal, leftover) in local {
        if args.list {
            super::say!("this machine: {} (run {}, {})", leftover.undo, leftover.run, leftover.scenario);
            continue;
        }
        let dir = journal.parent().map(Path::to_path_buf).unwrap_or_default();
        let intact = evidence::is_intact(&dir);
        let (line, good) = run::recover_local(&world, &journal, &leftover).await?;
        // The journal of the run has a line more: what was intact stays so.
        if intact {
            evidence::renew(&dir)?;
        }
        all &= good;
        super::say!("this machine: {line}");
    }
    Ok(all)
}

async fn recover_clusters(args: &RecoverArgs, source: &WorldSource) -> Result<bool, CliError> {
    let (world, away) = reachable(source).await;
    let namespace = namespace(&world);
    let mut all = true;
    for cluster in world.clusters.values() {
        if args.list {
            for leftover in run::leftovers(cluster, &namespace).await? {
                super::say!("{}: {} (run {}, {})", cluster.key, leftover.undo, leftover.run, leftover.scenario);
            }
            continue;
        }
        let holder = format!("recover@{}", run::hostname());
        let waiting = |text: String| super::say_err!("{}: {text}", cluster.key);
        match run::recover(&world, cluster, &namespace, &holder, &waiting).await {
            Ok((lines, good)) => {
                all &= good;
                if lines.is_empty() {
                    super::say!("{}: nothing to undo", cluster.key);
                }
                lines.iter().for_each(|line| super::say!("{}: {line}", cluster.key));
            }
            Err(error) => {
                all = false;
                super::say_err!("{}: {error}", cluster.key);
            }
        }
    }
    for (key, error) in &away {
        all = false;
        super::say_err!("{key}: {error}; leftovers of runs on this cluster were not undone");
    }
    Ok(all)
}

/// Stops and blocks all runs.
pub(super) fn halt(args: &ClustersArgs) -> Result<ExitCode, CliError> {
    let source = source(args)?;
    super::runtime()?.block_on(async {
        let (world, away) = reachable(&source).await;
        let by = format!("{}@{}", std::env::var("USER").unwrap_or_else(|_| "someone".to_owned()), run::hostname());
        for cluster in world.clusters.values() {
            run::halt(cluster, &namespace(&world), &by).await?;
            super::say!("{}: halted; runs on it stop within seconds", cluster.key);
        }
        Ok(finish(&away))
    })
}

/// Lifts the halt.
pub(super) fn resume(args: &ClustersArgs) -> Result<ExitCode, CliError> {
    let source = source(args)?;
    super::runtime()?.block_on(async {
        let (world, away) = reachable(&source).await;
        for cluster in world.clusters.values() {
            run::resume(cluster, &namespace(&world)).await?;
            super::say!("{}: free", cluster.key);
        }
        Ok(finish(&away))
    })
}

fn finish(away: &[(String, AccessError)]) -> ExitCode {
    away.iter().for_each(|(key, error)| super::say_err!("{key}: {error}"));
    if away.is_empty() { ExitCode::Pass } else { ExitCode::Refused }
}
