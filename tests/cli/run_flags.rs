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

/// A check that names `slow` fails where the answer is later than that; without it, only the timeout counts. The lab answers after
/// at least 10 ms.
pub fn slow_check() -> Result<(), Failed> {
    for (request, code) in [
        ("http: { via: ingress/primary, path: /productpage, slow: 1ms }", 10),
        ("http: { via: ingress/primary, path: /productpage }", 0),
        ("http: { via: ingress/primary, path: /productpage, slow: 4s }", 0),
        ("tcp: { via: ingress/primary, slow: 1us }", 10),
        ("tcp: { via: ingress/primary }", 0),
    ] {
        let folder = scratch("slow-check");
        let path = folder.join("slow.yaml");
        let text = format!(
            "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: slow }}\nspec:\n  checks:\n    - {request}\n"
        );
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
        ran.expect_code(code)?;
        if code == 10 && !ran.stdout.contains(" ms, limit 1") {
            return Err(ran.said().into());
        }
    }
    Ok(())
}

/// The lab has no addresses of this machine, and says so.
pub fn loopback_on_the_lab() -> Result<(), Failed> {
    let folder = scratch("loopback");
    let path = folder.join("loopback.yaml");
    let text = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: loopback }\nspec:\n  checks:\n    - http: { url: \"http://localhost:8080/health\" }\n";
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
    ran.expect_code(10)?;
    if ran.stdout.contains("requests reach only the lab's addresses") { Ok(()) } else { Err(ran.said().into()) }
}

/// JSON and headers of a response are compared, through the whole way from the file to the verdict.
pub fn json_response() -> Result<(), Failed> {
    for (expect, code, says) in [
        ("json: { $.id: 0 }, headers: { content-type: application/json }", 0, "200 from"),
        ("json: { $.id: { is: \">= 1\" } }", 10, "$.id is 0, expected >= 1"),
        ("headers: { content-type: { contains: html } }", 10, "header content-type is application/json"),
        ("json: { $.id: { equal: 0 } }", 2, "equal"),
    ] {
        let folder = scratch("json");
        let path = folder.join("json.yaml");
        let text = format!(
            "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: json }}\nspec:\n  checks:\n    - http: {{ via: ingress/primary, path: /api/v1/products/0, expect: {{ {expect} }} }}\n"
        );
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&folder).arg(&path));
        ran.expect_code(code)?;
        if !ran.said().contains(says) {
            return Err(format!("it does not say `{says}`\n{}", ran.said()).into());
        }
    }
    Ok(())
}
