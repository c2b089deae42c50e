//! Flags of `run` that change what a run does.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::command::{Ran, meshdrill, root, run, run_dirs, scorecard, scratch};

/// A run on the lab with more arguments, and its scorecard.
fn on_the_lab(scenario: &str, arguments: &[&str]) -> Result<(Ran, Value), Failed> {
    let runs = scratch("flags");
    let path = root().join("scenarios").join(scenario).with_extension("yaml");
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&runs).arg(path).args(arguments));
    let dir = run_dirs(&runs).pop().ok_or_else(|| ran.said())?;
    let card = scorecard(&dir)?;
    Ok((ran, card))
}

/// Nothing is broken outside of its window, and the scorecard says for which change it was to be.
pub fn window() -> Result<(), Failed> {
    let window = "2020-01-01T00:00:00Z/2020-01-01T02:00:00Z";
    let arguments = ["--window", window, "--ticket", "CHG-7", "--by", "nightly"];
    let (ran, card) = on_the_lab("drills/ingress-gateway-crash", &arguments)?;
    ran.expect_code(3)?;
    if !ran.stdout.contains("the change window closed at 2020-01-01T02:00:00Z") {
        return Err(ran.said().into());
    }
    let change = &card["run"]["change"];
    if change["ticket"] != "CHG-7" || change["by"] != "nightly" || change["window"] != window {
        return Err(format!("the scorecard says {change}").into());
    }
    let wrong = run(meshdrill().args(["run", "--lab", "drills/ingress-gateway-crash", "--window", "tonight"]));
    Ok(wrong.expect_code(2)?)
}

/// What is too few samples otherwise is observed until it is enough.
pub fn conclusive() -> Result<(), Failed> {
    let (without, _) = on_the_lab("must-fail/too-few-samples", &[])?;
    without.expect_code(11)?;
    let (ran, card) = on_the_lab("must-fail/too-few-samples", &["--conclusive"])?;
    ran.expect_code(0)?;
    if card["verdict"] == "pass" { Ok(()) } else { Err(ran.said().into()) }
}

pub fn verbose() -> Result<(), Failed> {
    let (ran, card) = on_the_lab("drills/ingress-gateway-crash", &["--verbose"])?;
    ran.expect_code(0)?;
    let told = ran.stderr.lines().filter(|line| line.contains(" productpage #")).count();
    let bad = card["probes"][0]["bad"].as_u64().unwrap_or_default();
    if bad > 0 && told as u64 == bad {
        Ok(())
    } else {
        Err(format!("{told} of {bad} were told\n{}", ran.said()).into())
    }
}
