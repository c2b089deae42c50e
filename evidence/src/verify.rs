//! Verifies bundles and run directories: names what was altered, and judges each record again.

use std::collections::BTreeMap;

use meshdrill_checks::findings::DrillRun;
use meshdrill_checks::record::ClusterFacts;
use meshdrill_checks::scorecard::Scorecard;
use serde_json::Value;

use crate::archive::{Limits, read};
use crate::document::{EVIDENCE, NOT_RECORDED};
use crate::envelope::Envelope;
use crate::findings::{self, FINDINGS};
use crate::json::differences;
use crate::keys::VerifyingKey;
use crate::statement::{STATEMENT, folder, statement};
use crate::{Files, Problem, run, signatures};

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// What was altered; empty if nothing was.
    pub problems: Vec<Problem>,
    /// The runs whose record could be read, in the order of their names.
    pub runs: Vec<VerifiedRun>,
    /// How many files were checked.
    pub files: usize,
    /// Ids of the given keys that signed.
    pub signers: Vec<String>,
    /// Key ids of signatures that no given key can check.
    pub unchecked: Vec<String>,
}

/// A run whose record was judged again.
#[derive(Debug)]
pub struct VerifiedRun {
    /// The name of its directory.
    pub name: String,
    /// Its scorecard, from its record.
    pub card: Scorecard,
    /// The clusters as its record identifies them, by their key.
    pub clusters: BTreeMap<String, ClusterFacts>,
}

/// Verifies a bundle. Every given key must have signed it.
pub fn bundle(bytes: &[u8], keys: &[VerifyingKey]) -> Verification {
    bundle_within(bytes, keys, Limits::BUNDLE)
}

/// The same with other limits.
pub(crate) fn bundle_within(bytes: &[u8], keys: &[VerifyingKey], limits: Limits) -> Verification {
    let reading = read(bytes, limits);
    let mut found = Verification { problems: reading.problems, files: reading.files.len(), ..Verification::default() };
    let mut runs: BTreeMap<&str, Files> = BTreeMap::new();
    for (path, content) in &reading.files {
        match folder(path) {
            Some(name) => {
                runs.entry(name).or_default().insert(path[name.len()..].to_owned(), content.clone());
            }
            None if path == STATEMENT || path == FINDINGS => {}
            None => found
                .problems
                .push(Problem::new(path, "was added: only the statement and the findings are beside the runs")),
        }
    }
    if runs.is_empty() {
        found.problems.push(Problem::new("bundle", "there is no run in it"));
    }
    for (name, files) in &runs {
        found.take(name.trim_end_matches('/'), run::check(name, files));
    }
    if let Some(bytes) = reading.files.get(FINDINGS) {
        let drill = |run: &VerifiedRun| {
            DrillRun::new(&run.name, &run.card, run.clusters.iter().map(|(key, facts)| (key.as_str(), facts)))
        };
        let drills: Vec<DrillRun> = found.runs.iter().filter_map(drill).collect();
        found.problems.extend(findings::check(bytes, &drills));
    }
    found.check_statement(&reading.files, keys);
    found.problems.dedup();
    found
}

/// Verifies a run directory against its manifest and record.
pub fn run_directory(name: &str, files: &Files) -> Verification {
    let mut found = Verification { files: files.len(), ..Verification::default() };
    found.take(name, run::check("", files));
    found
}

impl Verification {
    fn take(&mut self, name: &str, checked: run::CheckedRun) {
        self.problems.extend(checked.problems);
        let clusters = checked.clusters;
        self.runs.extend(checked.card.map(|card| VerifiedRun { name: name.to_owned(), card, clusters }));
    }

    fn check_statement(&mut self, files: &Files, keys: &[VerifyingKey]) {
        let Some(bytes) = files.get(STATEMENT) else {
            return self.problems.push(Problem::new(STATEMENT, "is missing"));
        };
        let envelope: Envelope = match serde_json::from_slice(bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                let what = format!("was altered: it is no DSSE envelope: {error}");
                return self.problems.push(Problem::new(STATEMENT, what));
            }
        };
        if envelope.to_bytes() != *bytes {
            self.problems.push(Problem::new(STATEMENT, "was altered: its text is not in canonical form"));
        }
        let Some(payload) = envelope.payload() else {
            let what = "was altered: it is not in canonical base64";
            return self.problems.push(Problem::new(format!("{STATEMENT}: payload"), what));
        };
        match serde_json::from_slice::<Value>(&payload) {
            Ok(found) => self.compare(files, &found, &payload),
            Err(error) => {
                let what = format!("was altered: it is no JSON: {error}");
                self.problems.push(Problem::new(format!("{STATEMENT}: payload"), what));
            }
        }
        let signers = signatures::check(&envelope, &payload, keys, &mut self.problems);
        (self.signers, self.unchecked) = (signers.verified, signers.unchecked);
    }

    /// The statement must be the one of the files.
    fn compare(&mut self, files: &Files, found: &Value, payload: &[u8]) {
        let mut expected = statement(files);
        let mut found = found.clone();
        let (wanted, listed) = (take_subjects(&mut expected), take_subjects(&mut found));
        let by_name = |subjects: &[Subject]| subjects.iter().cloned().collect::<BTreeMap<_, _>>();
        let (wanted_by, listed_by) = (by_name(&wanted), by_name(&listed));
        let mut say = |name: &str, what: &str| {
            self.problems.push(Problem::new(name, format!("{what} ({STATEMENT}: subject)")));
        };
        for (name, digest) in &listed_by {
            match wanted_by.get(name) {
                None => say(name, "is missing: the statement lists it"),
                Some(other) if other != digest => say(name, "was altered: the statement has another SHA-256"),
                Some(_) => {}
            }
        }
        wanted_by.keys().filter(|name| !listed_by.contains_key(*name)).for_each(|name| {
            say(name, "was added: the statement does not list it");
        });
        if wanted_by == listed_by && wanted != listed {
            say(STATEMENT, "was altered: subjects are reordered or duplicated");
        }
        // Where documents cannot be read, no statement can be made of them.
        let readable = |(path, content): (&String, &Vec<u8>)| {
            !path.ends_with(EVIDENCE) || serde_json::from_slice::<Value>(content).is_ok()
        };
        if !files.iter().all(readable) {
            return;
        }
        let before = self.problems.len();
        self.problems.extend(differences(STATEMENT, &expected, &found));
        // What is equal in its values may still be another text.
        if self.problems.len() == before && wanted == listed && crate::statement::to_bytes(&statement(files)) != payload
        {
            self.problems
                .push(Problem::new(format!("{STATEMENT}: payload"), "was altered: its text is not in canonical form"));
        }
    }

    /// Whether nothing was altered.
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A subject: its name and digest.
type Subject = (String, String);

/// Takes the subjects out of a statement.
fn take_subjects(statement: &mut Value) -> Vec<Subject> {
    let Some(Value::Array(subjects)) = statement.get_mut("subject").map(Value::take) else { return Vec::new() };
    let text = |value: &Value| value.as_str().map_or_else(|| NOT_RECORDED.to_owned(), str::to_owned);
    subjects.iter().map(|one| (text(&one["name"]), one["digest"].to_string())).collect()
}
