//! What must not pass: scenarios on a mesh with a defect, and scenarios that prove nothing. A harness that cannot fail
//! proves nothing.

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;

use crate::command::{meshdrill, root, run, run_dirs, scorecard, scratch, stand_in};

/// One row of `scenarios/must-fail/expectations.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The scenario, below `scenarios/`.
    pub scenario: String,
    /// Defects of the embedded mesh.
    #[serde(default)]
    pub defects: Vec<String>,
    /// Other arguments.
    #[serde(default)]
    args: Vec<String>,
    /// The answers of the stand-in for the cloud's command line; without it there is no such program.
    #[serde(default)]
    oci: Option<String>,
    /// The exit code.
    pub exit: i32,
    /// What the last line or a scorecard message says: the cause, not just a symptom.
    pub says: String,
    /// What the same scorecard also says: what was measured.
    #[serde(default)]
    measured: String,
}

impl Row {
    /// Everything that is wrong with the mesh or around it.
    pub fn wrong(&self) -> Vec<String> {
        self.defects.iter().cloned().chain(self.oci.iter().map(|answer| format!("oci: {answer}"))).collect()
    }
}

/// The rows, in their order.
pub fn rows() -> Vec<Row> {
    let path = root().join("scenarios/must-fail/expectations.json");
    let text = std::fs::read_to_string(&path).expect("the expectations are there");
    let rows: Vec<Row> = serde_json::from_str(&text).expect("the expectations can be read");
    assert!(!rows.is_empty(), "nothing is expected to fail");
    rows
}

pub fn trials(rows: &[Row]) -> Vec<Trial> {
    let trial = |row: Row| {
        let wrong = row.wrong();
        let wrong = if wrong.is_empty() { String::new() } else { format!("+{}", wrong.join("+")) };
        Trial::test(format!("must-fail::{}{wrong}", row.scenario), move || must_not_pass(&row))
    };
    rows.iter().cloned().map(trial).collect()
}

fn must_not_pass(row: &Row) -> Result<(), Failed> {
    let runs = scratch("must-fail");
    let mut command = meshdrill();
    command
        // One run that notices is enough.
        .args(["run", "--lab", "--fail-fast", "--runs"])
        .arg(&runs)
        .arg(root().join("scenarios").join(&row.scenario).with_extension("yaml"));
    for defect in &row.defects {
        command.args(["--lab-defect", defect]);
    }
    if let Some(answer) = &row.oci {
        stand_in(&mut command, answer);
    }
    let ran = run(command.args(&row.args));
    ran.expect_code(row.exit)?;
    let cards = run_dirs(&runs).iter().map(|dir| scorecard(dir)).collect::<Result<Vec<_>, _>>()?;
    if cards.is_empty() {
        return Err(format!("no scorecard was written\n{}", ran.said()).into());
    }
    let said = cards.iter().find(|card| {
        let text = card.to_string();
        card["verdict"] != "pass" && text.contains(&row.says) && text.contains(&row.measured)
    });
    let card =
        said.ok_or_else(|| format!("no scorecard says `{}` and `{}`\n{}", row.says, row.measured, ran.said()))?;
    crate::matrix::note(row, card);
    Ok(())
}
