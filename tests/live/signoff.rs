//! The sign-off of the runs that the trials before made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::command::{Ran, meshdrill, run, scratch};

/// The directories of runs that passed, or were waived.
static KEPT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Keeps runs as evidence.
pub fn keep(dirs: &[PathBuf]) {
    KEPT.lock().expect("no holder panics").extend_from_slice(dirs);
}

fn signoff(dirs: &[PathBuf], mesh: &Path, out: &Path, more: &[&str]) -> Ran {
    run(meshdrill().arg("signoff").args(dirs).arg("--mesh").arg(mesh).arg("--out").arg(out).args(more))
}

/// GO with a run of everything; what has none is named. Then less and less of it.
pub fn of_these_runs(mesh: &Path) -> Result<(), Failed> {
    let dirs = KEPT.lock().expect("no holder panics").clone();
    if dirs.is_empty() {
        return Err("no run is kept: run it with the trials of live::drills and live::readiness".into());
    }
    let folder = scratch("live-signoff");
    let out = folder.join("signoff.json");
    let ran = signoff(&dirs, mesh, &out, &[]);
    let decision: Value = serde_json::from_slice(&std::fs::read(&out)?)?;
    let state = |wanted: &str| -> BTreeSet<String> {
        let lines = decision["lines"].as_array().into_iter().flatten();
        let items = lines.flat_map(|line| line["items"].as_array().into_iter().flatten());
        items.filter(|item| item["state"] == wanted).map(|item| item["title"].to_string()).collect()
    };
    let (backed, waived, missing) = (state("backed"), state("waived"), state("missing"));
    let all = decision["lines"].as_array().map_or(0, Vec::len);
    eprintln!("{} backed, {} waived, {} missing of {all} lines", backed.len(), waived.len(), missing.len());
    ran.expect_code(if missing.is_empty() { 0 } else { 10 })?;
    if backed.is_empty() || backed.len() + waived.len() + missing.len() != all {
        return Err(format!("a line is neither backed, waived nor missing\n{}", ran.said()).into());
    }

    // One run deleted.
    let removed =
        dirs.iter().find(|dir| backed.iter().any(|title| dir.to_string_lossy().contains(title.trim_matches('"'))));
    let removed = removed.ok_or("no run of a backed line")?;
    let fewer: Vec<PathBuf> = dirs.iter().filter(|dir| *dir != removed).cloned().collect();
    let ran = signoff(&fewer, mesh, &out, &[]);
    ran.expect_code(10)?;
    if !ran.stdout.contains(": missing: no run of it was given") {
        return Err(ran.said().into());
    }
    // All of them too old.
    let ran = signoff(&dirs, mesh, &out, &["--max-age", "1s"]);
    ran.expect_code(10)?;
    if !ran.stdout.contains(": stale: ") {
        return Err(ran.said().into());
    }
    // The record of one edited, in a copy.
    let edited = folder.join(removed.file_name().ok_or("no name")?);
    std::fs::create_dir(&edited)?;
    for file in std::fs::read_dir(removed)?.flatten() {
        std::fs::copy(file.path(), edited.join(file.file_name()))?;
    }
    let record = edited.join("run.jsonl.gz");
    let mut bytes = std::fs::read(&record)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&record, bytes)?;
    let ran = signoff(&[fewer, vec![edited]].concat(), mesh, &out, &[]);
    ran.expect_code(10)?;
    let name = removed.file_name().unwrap_or_default().to_string_lossy();
    if ran.stdout.contains("altered") && ran.stdout.contains(&*name) { Ok(()) } else { Err(ran.said().into()) }
}
