//! Makes a bundle of run directories: the same runs and keys give the same bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meshdrill_checks::findings::{DrillRun, FindingOwners};
use serde_json::Value;

use crate::archive::{self, ArchiveError, unsafe_name};
use crate::document::EVIDENCE;
use crate::envelope::{Envelope, PAYLOAD_TYPE};
use crate::findings::{self, FINDINGS};
use crate::keys::SigningKey;
use crate::manifest::MANIFEST;
use crate::statement::{STATEMENT, statement, to_bytes};
use crate::{Files, Problem, run, sha256};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A run directory that is not as its run left it.
    #[error("{run} is not as its run left it, so it is no evidence:\n{}", listed(.problems))]
    Altered {
        /// The run directory.
        run: String,
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// Two runs of one name.
    #[error("two run directories are named `{0}`; name each once")]
    Twice(String),
    /// A name that no folder in a bundle may have.
    #[error("`{}` cannot be a folder of a bundle: {why}", .name.escape_debug())]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// No archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// Run directories, checked, that go into one bundle.
#[derive(Debug, Default)]
pub struct Bundle {
    files: Files,
    /// Evidence documents and manifests by the name of the run.
    runs: BTreeMap<String, Value>,
    /// The runs that can open and close findings.
    drills: Vec<DrillRun>,
    owners: FindingOwners,
}

impl Bundle {
    /// A bundle whose findings name these owners.
    pub fn with_owners(owners: FindingOwners) -> Self {
        Self { owners, ..Self::default() }
    }

    /// Adds a run directory. It must be as its run left it.
    pub fn add(&mut self, name: &str, files: Files) -> Result<(), BundleError> {
        let why = if name.contains('/') { Some("it has a slash") } else { unsafe_name(name) };
        if let Some(why) =
            why.or_else(|| [STATEMENT, FINDINGS].contains(&name).then_some("it is the name of another file"))
        {
            return Err(BundleError::Name { name: name.to_owned(), why });
        }
        if self.runs.contains_key(name) {
            return Err(BundleError::Twice(name.to_owned()));
        }
        let checked = run::check("", &files);
        if !checked.problems.is_empty() {
            return Err(BundleError::Altered { run: name.to_owned(), problems: checked.problems });
        }
        let clusters = checked.clusters.iter().map(|(key, facts)| (key.as_str(), facts));
        self.drills.extend(checked.card.and_then(|card| DrillRun::new(name, &card, clusters)));
        let evidence = files.get(EVIDENCE).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        self.runs.insert(name.to_owned(), evidence);
        self.files.extend(files.into_iter().map(|(file, content)| (format!("{name}/{file}"), content)));
        // Before the next run is read: there may be ten thousand of them.
        Ok(archive::check_limits(&self.files)?)
    }

    /// The name of its file: `YYYYmmddHHMM_meshdrill_<id>.tar.gz`, by the first run; the id is that of the run, or of all runs
    /// together.
    pub fn file_name(&self) -> String {
        let times = self.runs.values().filter_map(|run| run["started"].as_str()?.parse::<Timestamp>().ok());
        let time = times.min().map_or_else(String::new, |time| time.strftime("%Y%m%d%H%M").to_string());
        let ids = self.runs.values().filter_map(|run| run["identity"]["run"].as_str());
        let ids: Vec<&str> = ids.collect();
        let id = match ids.as_slice() {
            [one] => one
                .chars()
                .rev()
                .filter(char::is_ascii_alphanumeric)
                .take(8)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect(),
            several => sha256(several.join(",").as_bytes())[..8].to_owned(),
        };
        format!("{time}_meshdrill_{id}.tar.gz")
    }

    /// How many files are in it, manifests, findings and statement included.
    pub fn len(&self) -> usize {
        self.files.len() + 1 + usize::from(self.findings().is_some())
    }

    /// The file of its findings.
    fn findings(&self) -> Option<Vec<u8>> {
        findings::file(&self.drills, &self.owners)
    }

    /// Whether no run is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Its bytes, signed with each of some keys.
    pub fn into_bytes(self, keys: &[SigningKey]) -> Result<Vec<u8>, BundleError> {
        let findings = self.findings();
        let mut files = self.files;
        files.extend(findings.map(|bytes| (FINDINGS.to_owned(), bytes)));
        let envelope = Envelope::sign(PAYLOAD_TYPE, &to_bytes(&statement(&files)), keys);
        files.insert(STATEMENT.to_owned(), envelope.to_bytes());
        debug_assert!(files.keys().any(|path| path.ends_with(MANIFEST)));
        Ok(archive::write(&files)?)
    }
}
