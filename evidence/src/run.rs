//! One run directory, checked: its manifest, its record judged again, and what was made from that.

use std::collections::BTreeMap;

use meshdrill_checks::record::{ClusterFacts, RECORD_FILES, Record};
use meshdrill_checks::score::score;
use meshdrill_checks::scorecard::Scorecard;
use serde_json::{Map, Value, json};

use crate::document::{EVIDENCE, document};
use crate::json::differences;
use crate::manifest::FileEntry;
use crate::{Files, Problem, manifest};

/// The program that wrote a file may have worded messages otherwise; only its own version is compared word by word.
const TOOL: &str = concat!("meshdrill ", env!("CARGO_PKG_VERSION"));
/// The file of the scorecard.
const SCORECARD: &str = "scorecard.json";

/// What a run directory shows.
#[derive(Debug, Default)]
pub(crate) struct CheckedRun {
    /// What is not as it was made.
    pub problems: Vec<Problem>,
    /// The record judged again; none if it cannot be read.
    pub card: Option<Scorecard>,
    /// The clusters as its record identifies them, by their key.
    pub clusters: BTreeMap<String, ClusterFacts>,
    /// Its evidence document; none if it cannot be read.
    pub evidence: Option<Value>,
}

/// Checks the files of a run. `name` stands before every place, such as `run-1/`; empty for a directory of its own.
pub(crate) fn check(name: &str, files: &Files) -> CheckedRun {
    let mut checked = CheckedRun { problems: manifest::check(name, files), ..CheckedRun::default() };
    let place = |file: &str| format!("{name}{file}");
    checked.evidence = match files.get(EVIDENCE).map(|bytes| serde_json::from_slice(bytes)) {
        Some(Ok(evidence)) => Some(evidence),
        Some(Err(error)) => {
            checked.problems.push(Problem::new(place(EVIDENCE), format!("was altered: it cannot be read: {error}")));
            None
        }
        None => {
            checked.problems.push(Problem::new(place(EVIDENCE), "is missing"));
            None
        }
    };
    let Some((file, bytes)) = RECORD_FILES.iter().find_map(|file| Some((*file, files.get(*file)?))) else {
        let what = format!("the record is missing ({})", RECORD_FILES.join(" or "));
        checked.problems.push(Problem::new(place(RECORD_FILES[0]), what));
        return checked;
    };
    if let Some(other) = RECORD_FILES.iter().find(|other| **other != file && files.contains_key(**other)) {
        checked.problems.push(Problem::new(place(other), format!("was added: the record is {file}")));
    }
    let record = match Record::read(bytes) {
        Ok(record) => record,
        Err(error) => {
            checked.problems.push(Problem::new(place(file), error.to_string()));
            return checked;
        }
    };
    let card = score(&record);
    let same_tool = record.header.tool == TOOL;
    match files.get(SCORECARD).map(|bytes| serde_json::from_slice::<Value>(bytes)) {
        Some(Ok(found)) => {
            let (expected, found) = (parsed(&card), if same_tool { found } else { core(&found) });
            let expected = if same_tool { expected } else { core(&expected) };
            let differ = differences(&place(SCORECARD), &expected, &found);
            checked.problems.extend(differ.into_iter().map(|one| of_the_record(one, file)));
        }
        Some(Err(error)) => {
            let what = format!("was altered: it cannot be read: {error}");
            checked.problems.push(Problem::new(place(SCORECARD), what));
        }
        None => checked.problems.push(Problem::new(place(SCORECARD), "is missing")),
    }
    if let Some(found) = &checked.evidence {
        let expected = parsed(&document(&record, &card, &FileEntry::all(files)));
        let fields: &[&str] = if same_tool { &[] } else { &["schema", "lab", "verdict", "exitCode", "files"] };
        let differ = differences(&place(EVIDENCE), &only(&expected, fields), &only(found, fields));
        checked.problems.extend(differ.into_iter().map(|one| of_the_record(one, file)));
    }
    let clusters = record.history().clusters;
    checked.clusters = clusters.into_iter().map(|(key, facts)| (key.to_owned(), facts.clone())).collect();
    checked.card = Some(card);
    checked
}

fn of_the_record(problem: Problem, record: &str) -> Problem {
    Problem { what: format!("is not that of {record}: {}", problem.what), ..problem }
}

/// A value as it reads back from its text: figures are compared as both were written.
fn parsed(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What every version must judge alike.
fn core(card: &Value) -> Value {
    const FIELDS: [&str; 8] = ["id", "kind", "target", "value", "low", "high", "n", "verdict"];
    let criteria = card["criteria"].as_array().into_iter().flatten().map(|one| only(one, &FIELDS));
    let run = only(&card["run"], &["id", "scenario", "binding", "suite", "started", "mesh", "lab"]);
    let recovery = only(&card["recovery"], &["verified", "leftovers"]);
    json!({
        "run": run,
        "verdict": card["verdict"],
        "exitCode": card["exitCode"],
        "criteria": criteria.collect::<Vec<_>>(),
        "recovery": recovery,
    })
}

/// Some fields of an object; all of them where none is named.
fn only(value: &Value, fields: &[&str]) -> Value {
    match value {
        Value::Object(map) if !fields.is_empty() => {
            let kept = map.iter().filter(|(key, _)| fields.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
