//! The findings of a bundle: those of its records, with the owners that were given.

use meshdrill_checks::findings::{FindingOwner, FindingOwners};
use meshdrill_checks::record::{Chain, Event, Line};
use serde_json::Value;

use super::sample::{RUN, key, run_files};
use crate::bundle::Bundle;
use crate::envelope::Envelope;
use crate::findings::FINDINGS;
use crate::statement::{STATEMENT, statement, to_bytes};
use crate::{Files, archive, verify};

const FAILED: &str = include_str!("../../../checks/tests/fixtures/records/drill-fail/run.jsonl");

/// The record of a failed drill as one of clusters.
fn failed_on_clusters() -> String {
    let mut chain = Chain::default();
    let lines: Vec<Line> = FAILED.lines().map(|line| chain.check(line).unwrap()).collect();
    let mut chain = Chain::default();
    let of_clusters = |mut line: Line| {
        if let Event::Started(header) = &mut line.event {
            header.lab = false;
        }
        chain.link(&line).unwrap() + "\n"
    };
    lines.into_iter().map(of_clusters).collect()
}

fn files_of(bundle: &[u8]) -> Files {
    archive::read(bundle, archive::Limits::BUNDLE).files
}

fn problems(files: &Files) -> Vec<String> {
    let bytes = archive::write(files).unwrap();
    verify::bundle(&bytes, &[]).problems.iter().map(ToString::to_string).collect()
}

/// The statement made again, as somebody without the key would.
fn forged(mut files: Files) -> Files {
    let made = Envelope::sign(crate::envelope::PAYLOAD_TYPE, &to_bytes(&statement(&files)), &[]);
    files.insert(STATEMENT.to_owned(), made.to_bytes());
    files
}

#[test]
fn findings_are_those_of_the_records() {
    let record = failed_on_clusters();
    let bundled = |owners: FindingOwners| {
        let mut bundle = Bundle::with_owners(owners);
        bundle.add(RUN, run_files(&record)).unwrap();
        let count = bundle.len();
        let files = files_of(&bundle.into_bytes(&[key().0]).unwrap());
        assert_eq!(files.len(), count);
        files
    };
    let files = bundled(FindingOwners::new());
    let found: Value = serde_json::from_slice(&files[FINDINGS]).unwrap();
    let id = found["findings"][0]["id"].as_str().unwrap().to_owned();
    assert!(found["findings"][0]["openedBy"] == RUN && found["findings"][0].get("owner").is_none(), "{found:#}");
    let owner = FindingOwner { owner: "Ana".to_owned(), due: "2020-01-01".parse().ok(), note: None };
    let files = bundled(FindingOwners::from([(id, owner)]));
    let found: Value = serde_json::from_slice(&files[FINDINGS]).unwrap();
    assert!(found["findings"][0]["owner"] == "Ana" && found["findings"][0]["overdue"] == true, "{found:#}");
    let unsigned = Vec::<String>::new();
    assert_eq!(problems(&forged(files.clone())), unsigned);

    // Against the statement, and against the records once that is made again.
    let altered = |change: &dyn Fn(&mut Value)| {
        let (mut files, mut document) = (files.clone(), found.clone());
        change(&mut document);
        files.insert(FINDINGS.to_owned(), (serde_json::to_string_pretty(&document).unwrap() + "\n").into_bytes());
        files
    };
    let renamed = altered(&|document| document["findings"][0]["owner"] = "Max".into());
    assert!(
        problems(&renamed).iter().any(|one| one.starts_with("findings.json: was altered")),
        "{:#?}",
        problems(&renamed)
    );
    for change in [
        &(|document: &mut Value| document["findings"] = serde_json::json!([])) as &dyn Fn(&mut Value),
        &|document| document["findings"][0]["closed"] = "2026-01-01T00:00:00.000Z".into(),
        &|document| document["findings"][0]["overdue"] = false.into(),
        &|document| document["findings"][0]["message"] = "all is well".into(),
    ] {
        let said = problems(&forged(altered(change)));
        assert!(said.iter().any(|one| one.starts_with("findings.json: is not that of the records")), "{said:#?}");
    }
    let mut dropped = files.clone();
    dropped.remove(FINDINGS);
    assert!(
        problems(&dropped).iter().any(|one| one.starts_with("findings.json: is missing")),
        "{:#?}",
        problems(&dropped)
    );
}
