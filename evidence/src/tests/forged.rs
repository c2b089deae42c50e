//! Records that were altered by somebody who makes the chain again.

use meshdrill_checks::record::{Chain, Event, Line};

use super::sample::{RECORD, RUN, record, run_files, with_documents, with_manifest};
use crate::verify;

/// The record without one of its samples, its chain made again.
pub(super) fn without_a_sample(which: usize) -> String {
    let (text, mut chain) = (record(), Chain::default());
    let mut lines: Vec<Line> = text.lines().map(|line| chain.check(line).unwrap()).collect();
    let samples: Vec<usize> = (0..lines.len()).filter(|at| matches!(lines[*at].event, Event::Sample { .. })).collect();
    lines.remove(samples[which % samples.len()]);
    let mut chain = Chain::default();
    lines.iter().map(|line| chain.link(line).unwrap() + "\n").collect()
}

fn found(files: &crate::Files) -> Vec<String> {
    verify::run_directory(RUN, files).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_scorecard_that_is_not_of_its_record_is_found() {
    let mut files = run_files(&record());
    files.insert(RECORD.to_owned(), without_a_sample(7).into_bytes());
    let said = found(&with_manifest(files.clone()));
    assert!(
        said.iter().any(|one| one.contains("scorecard.json: is not that of run.jsonl: field probes[")),
        "{said:#?}"
    );
    // With everything made again, only a signature shows it.
    assert_eq!(found(&with_documents(files)), Vec::<String>::new());
}

#[test]
fn a_broken_record_is_named_by_its_line() {
    let text = record();
    let mut files = run_files(&text);
    let changed = text.replacen("\"good\"", "\"late\"", 1);
    files.insert(RECORD.to_owned(), changed.into_bytes());
    let said = found(&with_manifest(files.clone()));
    assert!(said.iter().any(|one| one.starts_with("run.jsonl: line ") && one.contains("altered")), "{said:#?}");
    files.remove(RECORD);
    let said = found(&files);
    assert!(said.iter().any(|one| one.starts_with("run.jsonl: is missing")), "{said:#?}");
    files.clear();
    assert!(found(&files).iter().any(|one| one.starts_with("manifest.json: is missing")));
}

#[test]
fn a_record_of_another_version_is_judged_by_what_every_version_judges() {
    let (text, mut chain) = (record(), Chain::default());
    let lines: Vec<Line> = text.lines().map(|line| chain.check(line).unwrap()).collect();
    let mut chain = Chain::default();
    let older: String = lines
        .into_iter()
        .map(|mut line| {
            if let Event::Started(header) = &mut line.event {
                header.tool = "meshdrill 0.0.9".to_owned();
            }
            chain.link(&line).unwrap() + "\n"
        })
        .collect();
    let files = run_files(&older);
    let reworded = |from: &str, to: &str| {
        let mut files = files.clone();
        let card = String::from_utf8(files["scorecard.json"].clone()).unwrap();
        assert!(card.contains(from), "{from}");
        files.insert("scorecard.json".to_owned(), card.replace(from, to).into_bytes());
        found(&with_manifest(files))
    };
    assert_eq!(reworded("\"message\": \"", "\"message\": \"in other words: "), Vec::<String>::new());
    let said = reworded("\"verdict\": \"pass\"", "\"verdict\": \"fail\"");
    assert!(said.iter().any(|one| one.contains("field verdict is \"fail\", expected \"pass\"")), "{said:#?}");
}
