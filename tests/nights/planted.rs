//! A regression and a loosened target among 30 nights of a drill.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::made::{Planted, history, nights};

/// Counted from 0: the 21st night is the first slow one, the 12th the first with the longer target.
const PLANTED: Planted = Planted { slower: Some((20, Duration::from_millis(60))), loosened: Some(11) };
const SLOWER: u64 = 20;
const LOOSENED: u64 = 11;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("nights::a planted regression and a loosened target are found", || one_seed().map(|_| ())),
        Trial::test("nights::quiet nights show nothing", quiet),
        Trial::test("nights::at most one false flag in 20 seeds", many_seeds).with_ignored_flag(true),
    ]
}

fn one_seed() -> Result<usize, Failed> {
    let wrong = false_flags(1)?;
    if wrong.is_empty() { Ok(0) } else { Err(format!("false flags: {wrong:?}").into()) }
}

fn many_seeds() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for seed in 1..=20 {
        wrong.extend(false_flags(seed)?);
    }
    if wrong.len() <= 1 { Ok(()) } else { Err(format!("{} false flags: {wrong:?}", wrong.len()).into()) }
}

/// Fails unless both are flagged within a night of where they are; the flags of what is not there.
fn false_flags(seed: u64) -> Result<Vec<String>, Failed> {
    let found = history(&[&nights(30, seed, PLANTED)?])?;
    let flags = found["meshes"][0]["flags"].as_array().ok_or("no flags")?.clone();
    let near = |flag: &Value, night: u64| flag["night"].as_u64().is_some_and(|at| at.abs_diff(night) <= 1);
    let is_slower = |flag: &Value| {
        let latency = flag["criterion"].as_str().is_some_and(|id| id.contains("/latency-"));
        flag["kind"] == "change" && flag["direction"] == "worse" && latency && near(flag, SLOWER)
    };
    let is_p99 = |flag: &Value| flag["criterion"] == "productpage/latency-p99-recovered";
    let is_loosened = |flag: &Value| flag["kind"] == "loosened" && is_p99(flag) && near(flag, LOOSENED);
    let missing =
        |what: &str| Failed::from(format!("seed {seed}: {what} is not flagged:\n{:#}", found["meshes"][0]["flags"]));
    if !flags.iter().any(|flag| is_slower(flag) && is_p99(flag)) {
        return Err(missing("the regression"));
    }
    if !flags.iter().any(is_loosened) {
        return Err(missing("the loosened target"));
    }
    let judged = flags
        .iter()
        .filter(|flag| ["change", "loosened", "removed", "missing"].iter().any(|kind| flag["kind"] == *kind));
    Ok(judged
        .filter(|flag| !is_slower(flag) && !is_loosened(flag))
        .map(|flag| format!("seed {seed}: {flag}"))
        .collect())
}

/// One night that differs turns nothing red, nor do nights without a change.
fn quiet() -> Result<(), Failed> {
    let folder = nights(16, 77, Planted { slower: Some((15, Duration::from_millis(60))), loosened: None })?;
    let found = history(&[&folder])?;
    let flags = found["meshes"][0]["flags"].as_array().ok_or("no flags")?;
    if flags.is_empty() { Ok(()) } else { Err(format!("{flags:#?}").into()) }
}
