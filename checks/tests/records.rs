//! Records of earlier versions are read for ever: each of `fixtures/records` gets the scorecard that lies beside it.
//!
//! A `run.jsonl` or `run.jsonl.gz` is never changed. `WRITE_SCORECARDS=1 cargo test -p meshdrill-checks --test records` writes the scorecards
//! again after a message was reworded; the diff must show messages and added fields only.

use std::path::{Path, PathBuf};

use meshdrill_checks::record::{RECORD_FILES, Record};
use meshdrill_checks::score::score;
use meshdrill_checks::scorecard::Scorecard;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// The record, whichever version it is of.
fn record(folder: &Path) -> Record {
    let bytes = RECORD_FILES.iter().find_map(|name| std::fs::read(folder.join(name)).ok()).unwrap();
    Record::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

fn scored(folder: &Path) -> Scorecard {
    score(&record(folder))
}

#[test]
fn old_records_get_the_scorecards_they_got() {
    let write = std::env::var_os("WRITE_SCORECARDS").is_some();
    for folder in fixtures() {
        let path = folder.join("scorecard.json");
        let text = serde_json::to_string_pretty(&scored(&folder)).unwrap() + "\n";
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().zip(stored.lines()).enumerate();
        let differ = lines.filter(|(_, (now, then))| now != then).map(|(line, (now, then))| (line + 1, now, then));
        assert!(text == stored, "{}: (line, now, stored) {:?}", folder.display(), differ.take(2).collect::<Vec<_>>());
    }
}

#[test]
fn every_exit_code_of_a_scorecard_has_a_record() {
    let mut codes: Vec<u8> = fixtures().iter().map(|folder| scored(folder).exit_code.number()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, [0, 3, 10, 11, 12, 13, 130]);
}
