//! Which rows of `readiness` a defect turns, and no others: a harness that flags everything says as little as one that
//! flags nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;

use crate::command::{Ran, meshdrill, root, run, run_dirs, scorecard, scratch};
use crate::scenarios::waived;

/// What one defect turns, as `scenarios/must-fail/turned.json` has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turned {
    /// The defect of the embedded mesh.
    defect: String,
    /// The rows that must turn.
    turns: BTreeSet<String>,
    /// Rows that may: what they see depends on which requests were made, or on how long ago it began.
    #[serde(default)]
    may: BTreeSet<String>,
}

/// All of them.
fn all() -> Vec<Turned> {
    let path = root().join("scenarios/must-fail/turned.json");
    let text = std::fs::read_to_string(&path).expect("the table is there");
    let rows: Vec<Turned> = serde_json::from_str(&text).expect("the table can be read");
    assert!(!rows.is_empty(), "no defect turns anything");
    rows
}

/// One trial per defect of the embedded mesh: together a sweep of minutes, made with `--ignored`.
pub fn trials() -> Vec<Trial> {
    let trial = |row: Turned| {
        let name = format!("turned::{}", row.defect);
        Trial::test(name, move || on_the_lab(&row)).with_ignored_flag(true).with_kind("sweep")
    };
    all().into_iter().map(trial).collect()
}

fn on_the_lab(row: &Turned) -> Result<(), Failed> {
    let mut command = meshdrill();
    let (ran, runs) = readiness(command.args(["run", "--lab", "--lab-defect", &row.defect]));
    row.judge(&turned(&runs)?).map_err(|why| format!("{why}\n{}", ran.said()).into())
}

/// Runs `readiness` to its end; what it did, and where its run directories are.
fn readiness(command: &mut Command) -> (Ran, std::path::PathBuf) {
    let runs = scratch("turned");
    let ran = run(command.arg("--runs").arg(&runs).arg("readiness"));
    (ran, runs)
}

/// The rows that did not pass, those left out that the mesh file waives.
fn turned(runs: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut rows = BTreeSet::new();
    let dirs = run_dirs(runs);
    if dirs.is_empty() {
        return Err("nothing ran".into());
    }
    for dir in dirs {
        let card = scorecard(&dir)?;
        if card["verdict"] != "pass" && !waived(&[dir])? {
            rows.insert(card["run"]["scenario"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(rows)
}

impl Turned {
    /// Whether exactly these rows were to turn.
    fn judge(&self, found: &BTreeSet<String>) -> Result<(), String> {
        let blind: Vec<&String> = self.turns.difference(found).collect();
        let wrong: Vec<&String> =
            found.iter().filter(|row| !self.turns.contains(*row) && !self.may.contains(*row)).collect();
        if blind.is_empty() && wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{}: did not notice: {blind:?}; turned without being told to: {wrong:?}", self.defect))
    }
}
