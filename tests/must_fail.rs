//! What must not pass: scenarios on a mesh with a defect, and scenarios that prove nothing. A harness that cannot fail
//! proves nothing.

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;

use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch};

/// One row of `scenarios/must-fail/expectations.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The scenario, below `scenarios/`.
    scenario: String,
    /// Defects of the embedded mesh.
    #[serde(default)]
    defects: Vec<String>,
    /// Other arguments.
    #[serde(default)]
    args: Vec<String>,
    /// The exit code.
    exit: i32,
    /// What the last line or a scorecard message says: the cause, not just a symptom.
    says: String,
}

pub fn trials() -> Vec<Trial> {
    let path = root().join("scenarios/must-fail/expectations.json");
    let text = std::fs::read_to_string(&path).expect("the expectations are there");
    let rows: Vec<Row> = serde_json::from_str(&text).expect("the expectations can be read");
    assert!(!rows.is_empty(), "nothing is expected to fail");
    let trial = |row: Row| {
        let defects = if row.defects.is_empty() { String::new() } else { format!("+{}", row.defects.join("+")) };
        Trial::test(format!("must-fail::{}{defects}", row.scenario), move || must_not_pass(&row))
    };
    rows.into_iter().map(trial).collect()
}

fn must_not_pass(row: &Row) -> Result<(), Failed> {
    let runs = scratch("must-fail");
    let mut command = meshdrill();
    command
        .args(["run", "--lab", "--runs"])
        .arg(&runs)
        .arg(root().join("scenarios").join(&row.scenario).with_extension("yaml"));
    for defect in &row.defects {
        command.args(["--lab-defect", defect]);
    }
    let ran = run(command.args(&row.args));
    ran.expect_code(row.exit)?;
    let cards = run_dirs(&runs).iter().map(|dir| scorecard(dir)).collect::<Result<Vec<_>, _>>()?;
    if cards.is_empty() {
        return Err(format!("no scorecard was written\n{}", ran.said()).into());
    }
    let said = cards.iter().any(|card| card["verdict"] != "pass" && card.to_string().contains(&row.says));
    if said { Ok(()) } else { Err(format!("no scorecard says `{}`\n{}", row.says, ran.said()).into()) }
}
