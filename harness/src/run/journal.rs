//! The undo journal: what would undo a fault, written before the fault acts, on this machine and in the cluster itself.
//! If either write fails, nothing is injected.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::{AccessError, Cluster, World};
use crate::fault::{RUN_LABEL, Undo};
use crate::probe::ProbeError;

/// The schema of journal entries; recovery reads every past one.
const SCHEMA: &str = "meshdrill.io/journal/v1";

/// One undo, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The schema.
    pub schema: String,
    /// The run's id.
    pub run: String,
    /// The scenario.
    pub scenario: String,
    /// The fault.
    pub fault: String,
    /// The undo.
    pub undo: Undo,
}

/// The journal of one run.
#[derive(Debug)]
pub struct Journal {
    run: String,
    scenario: String,
    namespace: String,
    file: File,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens the journal of a run.
    pub fn open(path: &Path, run: &str, scenario: &str, namespace: &str) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (run, scenario, namespace) = (run.to_owned(), scenario.to_owned(), namespace.to_owned());
        Ok(Self { run, scenario, namespace, file, entries: Vec::new() })
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Writes down how a fault will be undone, durably, before it acts.
    pub async fn intend(&mut self, world: &World, fault: &str, undos: &[Undo]) -> Result<(), ProbeError> {
        let all: Vec<Entry> = undos.iter().map(|undo| self.entry(fault, undo)).collect();
        // Each round is written down, also where it is undone like the one before: that one may be done already.
        for entry in &all {
            self.line(&json!({ "intend": entry }))?;
        }
        let fresh: Vec<Entry> = all.into_iter().filter(|entry| !self.entries.contains(entry)).collect();
        self.entries.extend(fresh.iter().cloned());
        let mut clusters: Vec<&str> = fresh.iter().filter_map(|entry| entry.undo.cluster()).collect();
        clusters.dedup();
        for key in clusters {
            self.store(world.cluster(key)?, key).await?;
        }
        Ok(())
    }

    /// Writes down that a fault is undone.
    pub fn done(&mut self, fault: &str) -> Result<(), ProbeError> {
        self.line(&json!({ "done": fault }))
    }

    /// The undos of a fault, newest first.
    pub fn undos(&self, fault: &str) -> Vec<Undo> {
        self.entries.iter().rev().filter(|entry| entry.fault == fault).map(|entry| entry.undo.clone()).collect()
    }

    /// Removes the in-cluster record once everything is undone and verified.
    pub async fn clear(&mut self, world: &World) -> Result<(), ProbeError> {
        let mut clusters: Vec<&str> = self.entries.iter().filter_map(|entry| entry.undo.cluster()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        for key in clusters {
            remove_record(world.cluster(key)?, &self.namespace, &self.run).await?;
        }
        self.line(&json!({ "cleared": self.run }))
    }

    fn entry(&self, fault: &str, undo: &Undo) -> Entry {
        Entry {
            schema: SCHEMA.to_owned(),
            run: self.run.clone(),
            scenario: self.scenario.clone(),
            fault: fault.to_owned(),
            undo: undo.clone(),
        }
    }

    fn line(&mut self, value: &Value) -> Result<(), ProbeError> {
        let written = writeln!(self.file, "{value}").and_then(|()| self.file.sync_all());
        written.map_err(|error| ProbeError(format!("the undo journal cannot be written: {error}")))
    }

    /// Puts the entries of one cluster into that cluster.
    async fn store(&self, cluster: &Cluster, key: &str) -> Result<(), AccessError> {
        let entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.undo.cluster() == Some(key)).collect();
        let name = record_name(&self.run);
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": self.namespace, "labels": { RUN_LABEL: self.run, "app.kubernetes.io/managed-by": "meshdrill" } },
            "data": { "journal": json!(entries).to_string() }
        });
        let path = format!("/api/v1/namespaces/{}/configmaps", self.namespace);
        match cluster.send(http::Method::POST, &path, "application/json", &object).await {
            Err(error) if error.is_conflict() => {
                let patch = json!({ "data": object["data"] });
                cluster.merge_patch(&format!("{path}/{name}"), &patch).await.map(|_| ())
            }
            stored => stored.map(|_| ()),
        }
    }
}

/// The name of a run's in-cluster record.
pub(super) fn record_name(run: &str) -> String {
    format!("meshdrill-{run}")
}

/// Removes a run's in-cluster record; one that is gone already is all right.
pub(super) async fn remove_record(cluster: &Cluster, namespace: &str, run: &str) -> Result<(), AccessError> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{}", record_name(run));
    cluster.delete(&path, &json!({})).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One journal per kind of sustained fault, as earlier versions wrote them; never changed.
    const JOURNALS: [&str; 9] = [
        include_str!("fixtures/journals/apply.jsonl"),
        include_str!("fixtures/journals/cluster-outage.jsonl"),
        include_str!("fixtures/journals/command.jsonl"),
        include_str!("fixtures/journals/cordon.jsonl"),
        include_str!("fixtures/journals/drain.jsonl"),
        include_str!("fixtures/journals/http-fault.jsonl"),
        include_str!("fixtures/journals/isolate.jsonl"),
        include_str!("fixtures/journals/patch.jsonl"),
        include_str!("fixtures/journals/scale.jsonl"),
    ];

    #[test]
    fn every_journal_that_was_ever_written_can_be_read() {
        for journal in JOURNALS {
            let lines: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let intended = lines.iter().filter_map(|line| line.get("intend"));
            let entries: Vec<Entry> =
                intended.clone().map(|one| serde_json::from_value(one.clone()).unwrap()).collect();
            assert!(!entries.is_empty(), "{journal}");
            // What is read is all that was written.
            assert!(entries.iter().zip(intended).all(|(entry, written)| json!(entry) == *written), "{journal}");
        }
    }
}
