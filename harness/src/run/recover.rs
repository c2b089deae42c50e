//! Undoing what earlier runs left behind, from what they stored in the clusters, from any machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use tokio::time::{Instant, sleep};

use super::journal::{Entry, remove_record};
use super::{Interrupts, lease};
use crate::cluster::{AccessError, Cluster, World};
use crate::fault::{RUN_LABEL, Undo, UndoOutcome};
use crate::probe::ProbeError;

/// How long undos are waited for after they were sent.
const VERIFIED_WITHIN: Duration = Duration::from_mins(2);

/// Something an earlier run has broken and not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// The scenario.
    pub scenario: String,
    /// The fault.
    pub fault: String,
    /// What undoes it.
    pub undo: Undo,
}

/// What the records in a cluster say is left there, oldest first.
pub async fn leftovers(cluster: &Cluster, namespace: &str) -> Result<Vec<Leftover>, AccessError> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let mut records = cluster.list(&path, Some(RUN_LABEL)).await?;
    records.sort_by_key(|record| record.creation_time().to_owned());
    let mut found = Vec::new();
    for record in records {
        let journal = record["data"]["journal"].as_str().unwrap_or("[]");
        let entries: Vec<Entry> = serde_json::from_str(journal).map_err(|error| {
            let name = record.name();
            cluster.other(format!("the record {namespace}/{name} cannot be read ({error}); it is kept"))
        })?;
        found.extend(entries.into_iter().map(|entry| Leftover {
            run: entry.run,
            scenario: entry.scenario,
            fault: entry.fault,
            undo: entry.undo,
        }));
    }
    Ok(found)
}

/// Undoes everything that is left in a cluster, once nobody holds it; `waiting` gets who does. One line for each, and whether all of it is done.
pub async fn recover(
    world: &World,
    cluster: &Arc<Cluster>,
    namespace: &str,
    holder: &str,
    waiting: &(dyn Fn(String) + Sync),
) -> Result<(Vec<String>, bool), ProbeError> {
    // A holder that still lives is not disturbed; one that is dead has lost its lease within its duration.
    let held = lease::acquire(cluster, namespace, holder, None, Some(waiting), &Interrupts::default()).await?;
    let mut left = leftovers(cluster, namespace).await?;
    left.reverse();
    let mut lines = Vec::new();
    let mut all = true;
    let mut runs: Vec<(String, bool)> = Vec::new();
    // All are sent before any is waited for: one that cannot be undone keeps no other waiting.
    let mut sent = Vec::new();
    for leftover in left {
        let outcome = leftover.undo.apply(world).await;
        sent.push((leftover, outcome));
    }
    let deadline = Instant::now() + VERIFIED_WITHIN;
    for (leftover, outcome) in sent {
        let (line, good) = verified(world, &leftover, outcome, deadline).await;
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

/// What runs of this machine broke outside of clusters and did not undo, with its journal.
pub fn local_leftovers(runs: &Path) -> Vec<(PathBuf, Leftover)> {
    let journals =
        std::fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path().join("journal.jsonl"));
    let mut found = Vec::new();
    for path in journals {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        found.extend(open_entries(&text).into_iter().filter(|entry| entry.undo.cluster().is_none()).map(|entry| {
            let leftover = Leftover { run: entry.run, scenario: entry.scenario, fault: entry.fault, undo: entry.undo };
            (path.clone(), leftover)
        }));
    }
    found
}

/// The entries of a journal that are not undone: `done` closes the entries before it, not those after it.
fn open_entries(journal: &str) -> Vec<Entry> {
    let mut open: Vec<Entry> = Vec::new();
    for line in journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(fault) = line["done"].as_str() {
            open.retain(|entry| entry.fault != fault);
        } else if let Ok(entry) = serde_json::from_value::<Entry>(line["intend"].clone())
            && !open.contains(&entry)
        {
            open.push(entry);
        }
    }
    open
}

/// Undoes an entry of a journal of this machine, and records that it is done.
pub async fn recover_local(world: &World, journal: &Path, leftover: &Leftover) -> std::io::Result<(String, bool)> {
    let outcome = leftover.undo.apply(world).await;
    let (line, good) = verified(world, leftover, outcome, Instant::now() + VERIFIED_WITHIN).await;
    if good {
        let mut file = std::fs::OpenOptions::new().append(true).open(journal)?;
        writeln!(file, "{}", json!({ "done": leftover.fault }))?;
        file.sync_all()?;
    }
    Ok((line, good))
}

/// Waits until an undo that was sent is seen; a line about it, and whether it is done.
async fn verified(
    world: &World,
    leftover: &Leftover,
    outcome: Result<UndoOutcome, ProbeError>,
    deadline: Instant,
) -> (String, bool) {
    let undo = &leftover.undo;
    let outcome = match outcome {
        Ok(UndoOutcome::Restored) => "done",
        Ok(UndoOutcome::AlreadyRight) => "it was so already",
        Ok(UndoOutcome::ChangedByOthers(_)) => "left as others have set it since",
        Ok(UndoOutcome::Gone) => "the object is gone",
        Err(error) => return (format!("{undo}: failed: {error}"), false),
    };
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
    let halted = super::halted(cluster, namespace).await?;
    let live = holder.as_ref().filter(|holder| holder.is_live()).map(|holder| holder.run().to_owned());
    match holder {
        Some(holder) => lines.push(holder.to_string()),
        None if halted.is_none() => lines.push("free".to_owned()),
        None => {}
    }
    if let Some(by) = halted {
        lines.push(format!("halted by {by}; lift it with `meshdrill resume`"));
    }
    for leftover in leftovers(cluster, namespace).await? {
        let Leftover { run, scenario, undo, .. } = leftover;
        lines.push(if live.as_deref() == Some(run.as_str()) {
            format!("pending undo of the live run {run} ({scenario}): {undo}")
        } else {
            format!("left over from run {run} ({scenario}): {undo}; undo it with `meshdrill recover`")
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_round_is_open_until_it_is_done_as_well() {
        let undo = json!({ "kind": "runCommand", "argv": ["true"], "env": {} });
        let entry =
            json!({ "schema": "meshdrill.io/journal/v1", "run": "r", "scenario": "s", "fault": "f1", "undo": undo });
        let (intend, done) = (json!({ "intend": entry }).to_string(), json!({ "done": "f1" }).to_string());
        let open =
            |lines: &[&String]| open_entries(&lines.iter().map(|l| l.as_str()).collect::<Vec<_>>().join("\n")).len();
        assert_eq!(open(&[&intend]), 1, "the entry is understood");
        assert_eq!(open(&[&intend, &done]), 0);
        assert_eq!(open(&[&intend, &done, &intend]), 1);
        assert_eq!(open(&[&intend, &done, &intend, &done]), 0);
    }
}
