//! The built binary against servers that break down, and against servers that do not: what it reports, beside what was.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use libtest_mimic::Failed;
use serde_json::Value;

use super::server::{Breakdown, Outage, Server};
use crate::command::{Ran, ended, meshdrill, run_dirs, scorecard, scratch};

/// How far a reported instant may be from the true one: 0.1 s and one sample gap.
const TOLERANCE: f64 = 0.1 + 0.1;
/// From the first request to the outage; a little more in every trial, so that outages begin anywhere between samples.
const LEAD: Duration = Duration::from_millis(2_500);
/// Enough good samples after the outage to call it over.
const TAIL: Duration = Duration::from_secs(4);
/// How many intervals of twenty must cover the truth.
const COVERED: usize = 19;

/// Kinds and lengths. An answer that comes within 500 ms of a stall is good, so that stalls begin at 0.8 s.
const OUTAGES: [(Breakdown, u64); 20] = [
    (Breakdown::StallingThenAnswering, 20_000),
    (Breakdown::Unavailable, 17_300),
    (Breakdown::StallingThenDropping, 14_200),
    (Breakdown::Refusing, 12_050),
    (Breakdown::StallingThenAnswering, 10_400),
    (Breakdown::StallingThenDropping, 8_800),
    (Breakdown::Unavailable, 7_100),
    (Breakdown::Refusing, 6_010),
    (Breakdown::StallingThenAnswering, 5_250),
    (Breakdown::StallingThenDropping, 4_700),
    (Breakdown::Unavailable, 3_600),
    (Breakdown::Refusing, 2_950),
    (Breakdown::StallingThenAnswering, 2_300),
    (Breakdown::StallingThenDropping, 1_700),
    (Breakdown::Unavailable, 1_240),
    (Breakdown::Refusing, 900),
    (Breakdown::StallingThenAnswering, 800),
    (Breakdown::StallingThenDropping, 600),
    (Breakdown::Refusing, 430),
    (Breakdown::Unavailable, 300),
];

pub fn outages_are_found() -> Result<(), Failed> {
    let starting = &Mutex::new(());
    let judged: Vec<Result<bool, String>> = std::thread::scope(|scope| {
        let trial = |(index, (breakdown, length)): (u32, (Breakdown, u64))| {
            let after = LEAD + Duration::from_millis(17) * index;
            let outage = Outage { breakdown, after, length: Duration::from_millis(length) };
            scope.spawn(move || one_outage(outage, starting).map_err(|why| format!("{outage:?}: {why}")))
        };
        let running: Vec<_> = (0..).zip(OUTAGES).map(trial).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".to_owned()))).collect()
    });
    let missed: Vec<String> = judged.iter().filter_map(|one| one.as_ref().err().cloned()).collect();
    if !missed.is_empty() {
        return Err(missed.join("\n").into());
    }
    let covered = judged.iter().filter(|one| **one == Ok(true)).count();
    if covered < COVERED {
        return Err(format!("{covered} of {} intervals cover the truth; {COVERED} must", OUTAGES.len()).into());
    }
    Ok(())
}

pub fn none_is_invented() -> Result<(), Failed> {
    let starting = &Mutex::new(());
    let invented: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..20).map(|_| scope.spawn(|| one_clean(starting))).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()?.err()).collect()
    });
    if invented.is_empty() { Ok(()) } else { Err(invented.join("\n").into()) }
}

/// Whether the interval covers the true length; an error if the outage was not found where it was.
fn one_outage(outage: Outage, starting: &Mutex<()>) -> Result<bool, String> {
    let server = Server::start(Some(outage)).map_err(|error| error.to_string())?;
    let observe = outage.after + outage.length + TAIL;
    let (ran, card) = probe(&server, observe, "100ms", starting)?;
    ran.expect_code(10)?;
    let truth = server.truth().ok_or("the server had no outage")?;
    let found = &card["probes"][0]["outages"];
    let [found] = found.as_array().map_or(&[][..], Vec::as_slice) else {
        return Err(format!("expected one outage: {found}"));
    };
    let (start, end) = (since_start(&card, truth.start)?, since_start(&card, truth.end)?);
    for (what, reported, truth) in [("start", &found["start"], start), ("end", &found["end"], end)] {
        let reported = reported.as_f64().ok_or_else(|| format!("no {what}: {found}"))?;
        if (reported - truth).abs() > TOLERANCE {
            return Err(format!("{what} reported at {reported:.3} s, but it was at {truth:.3} s: {found}"));
        }
    }
    let bound = |key: &str| found[key].as_f64().ok_or_else(|| format!("no {key}: {found}"));
    Ok((bound("low")?..=bound("high")?).contains(&(end - start)))
}

fn one_clean(starting: &Mutex<()>) -> Result<(), String> {
    let server = Server::start(None).map_err(|error| error.to_string())?;
    let (ran, card) = probe(&server, Duration::from_secs(8), "1s", starting)?;
    let probe = &card["probes"][0];
    if probe["outages"] != Value::Array(Vec::new()) || probe["bad"] != 0 {
        return Err(format!("an outage was invented: {probe}"));
    }
    // A machine that is too busy to sample may leave it open, and must say so; it never makes a failure of it.
    let measured = probe["coverage"].as_f64().is_some_and(|coverage| coverage >= 0.99);
    ran.expect_code(if measured { 0 } else { 11 })
}

/// Runs a validation that probes a server ten times a second; the servers' first requests come one after the other.
fn probe(server: &Server, observe: Duration, max_outage: &str, starting: &Mutex<()>) -> Result<(Ran, Value), String> {
    let folder = scratch("known-outages");
    let observe = observe.as_millis();
    let scenario = format!(
        "apiVersion: meshdrill.io/v1\n\
         kind: Scenario\n\
         metadata: {{ name: known-outage }}\n\
         spec:\n  \
           observe: {observe}ms\n  \
           timeout: {}ms\n  \
           probes:\n    \
             server: {{ http: {{ url: '{}', connection: new }}, every: 100ms }}\n  \
           sla:\n    \
             - {{ probe: server, maxOutage: {max_outage} }}\n",
        observe + 6_000,
        server.url,
    );
    let file = folder.join("known-outage.yaml");
    std::fs::write(&file, scenario).map_err(|error| error.to_string())?;
    let runs = folder.join("runs");
    let child = {
        let _one_at_a_time = starting.lock().map_err(|error| error.to_string())?;
        let mut command = meshdrill();
        command.arg("run").arg("--runs").arg(&runs).arg(&file);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().map_err(|error| error.to_string())?;
        if !server.wait_for_request() {
            return Err(format!("no request came\n{}", ended(child).said()));
        }
        child
    };
    let ran = ended(child);
    let dirs = run_dirs(&runs);
    let [dir] = dirs.as_slice() else { return Err(format!("expected one run directory\n{}", ran.said())) };
    let card = scorecard(dir)?;
    let slots = |key: &str| card["probes"][0][key].as_u64();
    if slots("planned").is_none() || slots("sent").zip(slots("notSent")).map(|(a, b)| a + b) != slots("planned") {
        return Err(format!("sent + notSent is not planned: {}", card["probes"][0]));
    }
    Ok((ran, card))
}

/// A wall time as seconds since the run's t = 0.
fn since_start(card: &Value, wall: SystemTime) -> Result<f64, String> {
    let text = card["run"]["started"].as_str().ok_or("no run.started")?;
    let started: jiff::Timestamp = text.parse().map_err(|error| format!("{text}: {error}"))?;
    let wall = jiff::Timestamp::try_from(wall).map_err(|error| error.to_string())?;
    Ok(wall.duration_since(started).as_secs_f64())
}
