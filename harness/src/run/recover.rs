//! Undoing what earlier runs left behind, from what they stored in the clusters, from any machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::journal::{Entry, RUN_LABEL, remove_record};
use super::{Interrupts, lease};
use crate::cluster::{AccessError, Cluster, World};
use crate::fault::{Undo, UndoOutcome};
use crate::probe::CannotAsk;

/// Something an earlier run has broken and not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// The scenario.
    pub scenario: String,
    /// What undoes it.
    pub undo: Undo,
}

/// What the records in a cluster say is left there, oldest first.
pub async fn leftovers(cluster: &Cluster, namespace: &str) -> Result<Vec<Leftover>, AccessError> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let mut records = cluster.list(&path, Some(RUN_LABEL)).await?;
    records.sort_by_key(|record| record["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned());
    let mut found = Vec::new();
    for record in records {
        let journal = record["data"]["journal"].as_str().unwrap_or("[]");
        let entries: Vec<Entry> = serde_json::from_str(journal).map_err(|error| {
            let name = record["metadata"]["name"].as_str().unwrap_or_default();
            cluster.other(format!("the record {namespace}/{name} cannot be read ({error}); it is kept"))
        })?;
        found.extend(entries.into_iter().map(|entry| Leftover {
            run: entry.run,
            scenario: entry.scenario,
            undo: entry.undo,
        }));
    }
    Ok(found)
}

/// Undoes everything that is left in a cluster; one line for each, and whether all of it is done.
pub async fn recover(
    world: &World,
    cluster: &Arc<Cluster>,
    namespace: &str,
    holder: &str,
) -> Result<(Vec<String>, bool), CannotAsk> {
    // A holder that still lives is not disturbed; one that is dead has lost its lease within its duration.
    let held = lease::acquire(cluster, namespace, holder, true, &Interrupts::default()).await?;
    let mut left = leftovers(cluster, namespace).await?;
    left.reverse();
    let mut lines = Vec::new();
    let mut all = true;
    let mut runs: Vec<(String, bool)> = Vec::new();
    for leftover in left {
        let (line, good) = replay(world, &leftover).await;
        lines.push(line);
        all &= good;
        match runs.iter_mut().find(|(run, _)| *run == leftover.run) {
            Some((_, whole)) => *whole &= good,
            None => runs.push((leftover.run, good)),
        }
    }
    for (run, _) in runs.iter().filter(|(_, good)| *good) {
        remove_record(cluster, namespace, run).await?;
    }
    held.release().await?;
    Ok((lines, all))
}

async fn replay(world: &World, leftover: &Leftover) -> (String, bool) {
    let undo = &leftover.undo;
    let outcome = match undo.apply(world).await {
        Ok(UndoOutcome::Restored) => "done",
        Ok(UndoOutcome::AlreadyRight) => "it was so already",
        Ok(UndoOutcome::ChangedByOthers(_)) => "left as others have set it since",
        Ok(UndoOutcome::Gone) => "the object is gone",
        Err(error) => return (format!("{undo}: failed: {error}"), false),
    };
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        match undo.missing(world).await {
            Ok(None) => return (format!("{undo}: {outcome} (run {}, {})", leftover.run, leftover.scenario), true),
            Ok(Some(what)) if Instant::now() >= deadline => return (format!("{undo}: {outcome}, but {what}"), false),
            Err(error) if Instant::now() >= deadline => return (format!("{undo}: {outcome}, but {error}"), false),
            _ => sleep(Duration::from_millis(250)).await,
        }
    }
}

/// Who holds a cluster, what is left there, and whether it is halted, as lines of text.
pub async fn status(cluster: &Cluster, namespace: &str) -> Result<Vec<String>, AccessError> {
    let mut lines = Vec::new();
    let holder = lease::holder(cluster, namespace).await?;
    lines.push(holder.map_or_else(|| "free".to_owned(), |holder| format!("held by {holder}")));
    if let Some(by) = super::halted(cluster, namespace).await? {
        lines.push(format!("halted by {by}"));
    }
    for leftover in leftovers(cluster, namespace).await? {
        lines.push(format!("left over from run {} ({}): {}", leftover.run, leftover.scenario, leftover.undo));
    }
    Ok(lines)
}
