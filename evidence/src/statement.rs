//! The statement about a bundle: in-toto Statement v1 with a test result. Made from the files of the bundle alone.

use meshdrill_checks::verdict::Verdict;
use serde_json::{Value, json};

use crate::document::EVIDENCE;
use crate::{Files, sha256};

/// The type of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of its predicate.
pub const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The envelope's path in a bundle.
pub const STATEMENT: &str = "statement.dsse.json";

/// The folder of a path in a bundle, with its slash; none for a file at the top.
pub(crate) fn folder(path: &str) -> Option<&str> {
    path.find('/').map(|at| &path[..=at])
}

/// The statement about the files of a bundle, the envelope left out. What cannot be read of the evidence counts as failed.
///
/// The result is `PASSED` only if every run has the verdict pass and none ran on the lab. A passed criterion of a lab run is
/// in `warnedTests`, as what is inconclusive or did not run.
pub fn statement(files: &Files) -> Value {
    let files = || files.iter().filter(|(path, _)| *path != STATEMENT);
    let subject: Vec<Value> = files().map(|(path, content)| descriptor(path, &sha256(content))).collect();
    let evidence: Vec<(&str, Value)> = files()
        .filter_map(|(path, content)| Some((folder(path)?, path.split_once('/')?.1, content)))
        .filter(|(_, file, _)| *file == EVIDENCE)
        .map(|(folder, _, content)| (folder, serde_json::from_slice(content).unwrap_or_default()))
        .collect();
    let plans = files().filter(|(path, _)| path.ends_with("/plan.yaml"));
    let mut configuration: Vec<Value> = plans.map(|(path, content)| descriptor(path, &sha256(content))).collect();
    for (_, run) in &evidence {
        let file = &run["identity"]["scenarioFile"];
        if let (Some(path), Some(hash)) = (file["path"].as_str(), file["sha256"].as_str()) {
            let one = descriptor(path, hash);
            if !configuration.contains(&one) {
                configuration.push(one);
            }
        }
    }
    let lab = evidence.iter().any(|(_, run)| is_lab(run));
    let passed = !evidence.is_empty() && evidence.iter().all(|(_, run)| is_pass(run) && !is_lab(run));
    let [mut passed_tests, mut warned_tests, mut failed_tests] = [const { Vec::<String>::new() }; 3];
    for (folder, run) in &evidence {
        for (id, verdict) in tests(run) {
            let list = match verdict {
                "pass" if is_lab(run) => &mut warned_tests,
                "pass" => &mut passed_tests,
                "inconclusive" | "not-run" => &mut warned_tests,
                _ => &mut failed_tests,
            };
            list.push(format!("{folder}{id}"));
        }
    }
    let runs: Vec<Value> = evidence.into_iter().map(|(_, run)| run).collect();
    json!({
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": if passed { "PASSED" } else { "FAILED" },
            "configuration": configuration,
            "passedTests": passed_tests,
            "warnedTests": warned_tests,
            "failedTests": failed_tests,
            "lab": lab,
            "evidence": runs,
        }
    })
}

/// The bytes of a statement, as they are signed.
pub fn to_bytes(statement: &Value) -> Vec<u8> {
    statement.to_string().into_bytes()
}

fn descriptor(name: &str, hash: &str) -> Value {
    json!({ "name": name, "digest": { "sha256": hash } })
}

fn is_lab(run: &Value) -> bool {
    // What does not say is no evidence of clusters either.
    run["lab"] != false
}

fn is_pass(run: &Value) -> bool {
    run["verdict"] == Verdict::Pass.word()
}

/// The criteria and checks of a run with their verdicts, and the run itself.
fn tests(run: &Value) -> Vec<(String, &str)> {
    let lines = |list: &'static str, key: &'static str| {
        let lines = run[list].as_array().into_iter().flatten();
        lines.map(move |line| (line[key].as_str().unwrap_or_default(), line))
    };
    let verdict = |one: &Value| -> &'static str {
        match one["verdict"].as_str() {
            Some("pass") => "pass",
            Some("inconclusive") => "inconclusive",
            Some("not-run") => "not-run",
            _ => "fail",
        }
    };
    let criteria = lines("results", "criterion").map(|(id, line)| (id.to_owned(), verdict(line)));
    let checks = lines("checks", "check").map(|(id, line)| {
        let phase = line["phase"].as_str().unwrap_or_default();
        (format!("{phase}/{id}"), verdict(line))
    });
    criteria.chain(checks).chain([("run".to_owned(), verdict(run))]).collect()
}
