//! Two runs, or two folders of them.

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::made::{history, lab_run, scenario};
use crate::command::{Ran, meshdrill, root, run, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("compare::a slow application is a regression, the same mesh is none", slow),
        Trial::test("compare::a loosened target is named and gated", loosened),
        Trial::test("compare::a renamed scenario goes on", renamed),
        Trial::test("compare::what cannot be compared is refused", refused),
        Trial::test("compare::few samples are no proof", few),
        Trial::test("check::aliases clash across files", clashes),
    ]
}

fn fixture(record: &str) -> PathBuf {
    root().join("checks/tests/fixtures/records").join(record)
}

fn compare(arguments: &[&str], paths: &[&PathBuf]) -> Ran {
    run(meshdrill().arg("compare").args(paths).args(arguments))
}

fn json(paths: &[&PathBuf]) -> Result<Value, Failed> {
    let ran = compare(&["--json"], paths);
    ran.expect_code(0)?;
    Ok(serde_json::from_str(&ran.stdout)?)
}

fn expect(ran: &Ran, text: &str) -> Result<(), Failed> {
    if ran.said().contains(text) { Ok(()) } else { Err(format!("no `{text}`\n{}", ran.said()).into()) }
}

fn slow() -> Result<(), Failed> {
    let folder = scratch("compare");
    let file = scenario(&folder, "drill", "5s", "")?;
    let (a, b) = (lab_run(&file, &folder.join("a"), 1)?, lab_run(&file, &folder.join("b"), 2)?);
    compare(&["--gate", "latency"], &[&a, &b]).expect_code(0)?;
    let c = folder.join("c");
    let mut command = meshdrill();
    command.args([
        "run",
        "--lab",
        "--quiet",
        "--lab-defect",
        "slow-application@primary",
        "--lab-defect",
        "slow-application@secondary",
        "--runs",
    ]);
    run(command.arg(&c).arg(&file));
    // Answers that are too late to be good are answers: without them, the slowest mesh would show no latency at all.
    let ran = compare(&["--gate", "latency"], &[&folder.join("a"), &c]);
    ran.expect_code(10)?;
    expect(&ran, "latency of productpage (new connections) worse")?;
    expect(&ran, "cannot tell: B did not judge it (not-run)")?;
    // Without a gate nothing fails; with another gate neither.
    compare(&[], &[&folder.join("a"), &c]).expect_code(0)?;
    compare(&["--gate", "coverage"], &[&folder.join("a"), &c]).expect_code(0)?;
    Ok(())
}

fn loosened() -> Result<(), Failed> {
    let folder = scratch("compare");
    let a = lab_run(&scenario(&folder, "drill", "500ms", "")?, &folder.join("a"), 1)?;
    let b = lab_run(&scenario(&folder, "drill", "600ms", "")?, &folder.join("b"), 1)?;
    let ran = compare(&["--gate", "threshold"], &[&a, &b]);
    ran.expect_code(10)?;
    expect(&ran, "target of productpage/latency-p99-recovered: < 500ms, now < 600ms")?;
    compare(&["--gate", "productpage/latency-p99-recovered"], &[&a, &b]).expect_code(10)?;
    let back = compare(&["--gate", "any"], &[&b, &a]);
    back.expect_code(0)?;
    expect(&back, "TIGHTENED")
}

fn renamed() -> Result<(), Failed> {
    let folder = scratch("compare");
    let a = lab_run(&scenario(&folder, "old-name", "500ms", "")?, &folder.join("a"), 1)?;
    let unrelated = lab_run(&scenario(&folder, "other", "500ms", "")?, &folder.join("c"), 1)?;
    let b = lab_run(&scenario(&folder, "new-name", "500ms", ", aliases: [old-name]")?, &folder.join("b"), 1)?;
    let found = json(&[&a, &b])?;
    if found["comparisons"][0]["renamed"] != serde_json::json!(["old-name", "new-name"]) {
        return Err(format!("{found:#}").into());
    }
    compare(&[], &[&folder.join("a"), &folder.join("b")]).expect_code(0)?;
    compare(&[], &[&a, &unrelated]).expect_code(2)?;
    let found = history(&[&folder.join("a"), &folder.join("b")])?;
    let scenarios = found["meshes"][0]["scenarios"].as_array().ok_or("no scenarios")?;
    if scenarios.len() != 1 || scenarios[0]["title"] != "new-name" || scenarios[0]["formerly"][0] != "old-name" {
        return Err(format!("{scenarios:#?}").into());
    }
    Ok(())
}

fn refused() -> Result<(), Failed> {
    let folder = scratch("compare");
    let pass = fixture("drill-pass");
    for (other, text) in [
        (fixture("validation-pass"), "different scenarios"),
        (root().join("docs"), "give two runs, or two folders"),
        (folder.join("missing"), "missing"),
    ] {
        let ran = compare(&[], &[&pass, &other]);
        ran.expect_code(2)?;
        expect(&ran, text)?;
    }
    let ran = compare(&["--gate", "latncy"], &[&pass, &pass]);
    ran.expect_code(2)?;
    expect(&ran, "is no regression; write any, verdict")?;
    // A gate that can never fire is a mistake, not a success.
    let ran = compare(&["--gate", "page/nothing"], &[&pass, &pass]);
    ran.expect_code(2)?;
    expect(&ran, "no compared run has this criterion")
}

/// A run compared with itself has no difference, and its few samples do not show that there is none.
fn few() -> Result<(), Failed> {
    let pass = fixture("drill-pass");
    let found = json(&[&pass, &pass])?;
    let one = &found["comparisons"][0];
    let outcomes = one["criteria"].as_array().into_iter().chain(one["latency"].as_array()).flatten();
    let decided: Vec<&Value> = outcomes.filter(|one| one["outcome"] != "cannot-tell").collect();
    if !decided.is_empty() {
        return Err(format!("{decided:#?}").into());
    }
    expect(&compare(&[], &[&pass, &pass]), "a shift that matters needs about")
}

fn clashes() -> Result<(), Failed> {
    let folder = scratch("aliases");
    scenario(&folder, "one", "500ms", ", aliases: [two, zero]")?;
    scenario(&folder, "two", "500ms", "")?;
    scenario(&folder, "three", "500ms", ", aliases: [zero]")?;
    let ran = run(meshdrill().arg("check").arg(&folder));
    ran.expect_code(2)?;
    expect(&ran, "`two` is the name of another scenario")?;
    expect(&ran, "one-500ms.yaml:3:62")?;
    expect(&ran, "`zero` is an alias of another scenario too")?;
    expect(&ran, "valid files: 1 of 3")
}
