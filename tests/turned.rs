//! Which rows of `readiness` a defect turns, and no others: a harness that flags everything says as little as one that
//! flags nothing. The same rows are expected of the embedded mesh and, where kubectl can plant the defect, of a real one.

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
pub struct Turned {
    /// The defect of the embedded mesh, or a word of its own for one that only kubectl can plant.
    pub defect: String,
    /// Whether the embedded mesh has it.
    #[serde(default = "yes")]
    lab: bool,
    /// The rows that must turn.
    turns: BTreeSet<String>,
    /// Rows that may: what they see depends on which requests were made, or on how long ago it began.
    #[serde(default)]
    may: BTreeSet<String>,
    /// Rows that must turn on the embedded mesh and may on a real one, whose proxies keep what they know for a while.
    #[serde(default, rename = "turnsOnTheLab")]
    on_the_lab: BTreeSet<String>,
}

const fn yes() -> bool {
    true
}

/// All of them.
pub fn all() -> Vec<Turned> {
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
    all()
        .into_iter()
        .filter(|row| row.lab)
        .enumerate()
        .filter(|(index, _)| is_of_today(*index))
        .map(|(_, row)| trial(row))
        .collect()
}

/// Whether a row is in the part that `MESHDRILL_SWEEP=PART/PARTS` selects, such as `0/2`; all are without it.
fn is_of_today(index: usize) -> bool {
    let part = std::env::var("MESHDRILL_SWEEP").ok();
    let part = part.as_deref().and_then(|part| part.split_once('/'));
    let part = part.and_then(|(part, parts)| Some((part.parse::<usize>().ok()?, parts.parse::<usize>().ok()?)));
    part.is_none_or(|(part, parts)| parts == 0 || index % parts == part)
}

fn on_the_lab(row: &Turned) -> Result<(), Failed> {
    let mut command = meshdrill();
    let command = command.args(["run", "--lab", "--lab-defect", &row.defect]);
    let (ran, runs) = outcome(command, &["readiness", "guide"].map(str::to_owned));
    let mut row = row.clone();
    row.turns.append(&mut row.on_the_lab);
    row.judge(&turned(&runs)?).map_err(|why| format!("{why}\n{}", ran.said()).into())
}

/// Runs scenarios to their end; what was said, and where their run directories are.
pub fn outcome(command: &mut Command, what: &[String]) -> (Ran, std::path::PathBuf) {
    let runs = scratch("turned");
    let ran = run(command.arg("--runs").arg(&runs).args(what));
    (ran, runs)
}

/// The rows that did not pass, those left out that the mesh file waives.
pub fn turned(runs: &Path) -> Result<BTreeSet<String>, Failed> {
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
    /// The same for some rows only.
    pub fn among(&self, rows: &BTreeSet<String>) -> Self {
        let kept = |all: &BTreeSet<String>| all.intersection(rows).cloned().collect();
        Self { turns: kept(&self.turns), may: kept(&self.may), on_the_lab: kept(&self.on_the_lab), ..self.clone() }
    }

    /// The rows that must turn and did not, and those that turned and must not.
    pub fn compare(&self, found: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
        let blind = self.turns.difference(found).cloned().collect();
        let known = [&self.turns, &self.may, &self.on_the_lab];
        let wrong = found.iter().filter(|row| !known.iter().any(|rows| rows.contains(*row))).cloned().collect();
        (blind, wrong)
    }

    /// Whether exactly these rows were to turn.
    fn judge(&self, found: &BTreeSet<String>) -> Result<(), String> {
        let (blind, wrong) = self.compare(found);
        if blind.is_empty() && wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{}: did not notice: {blind:?}; turned without being told to: {wrong:?}", self.defect))
    }
}
