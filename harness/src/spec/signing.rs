//! The files of a sign-off as written: what is required, what people attest, and who takes care of findings.

use std::path::Path as FilePath;

use indexmap::IndexMap;
use jiff::civil::Date;
use meshdrill_checks::units::TimeSpan;
use meshdrill_document as document;
use meshdrill_document::{Node, Path, Problem, Problems};
use meshdrill_signoff::Waivers;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::load::wrong_file;
use crate::format::MeshMetadata;

/// A file of what a sign-off requires.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOffFile {
    /// `meshdrill.io/v1`.
    pub api_version: String,
    /// `SignOff`.
    pub kind: String,
    /// What is signed off.
    pub metadata: MeshMetadata,
    /// Its contents.
    pub spec: SignOffSpec,
}

/// What a sign-off requires.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOffSpec {
    /// How old evidence may be. Default: `7d`.
    #[serde(default)]
    pub max_age: Option<TimeSpan>,
    /// The claims, in the order of the document.
    pub require: Vec<RequireRow>,
}

/// One claim, or one for each scenario.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequireRow {
    /// The claim, as people read it. Without it, each scenario is a claim of its own: its objective.
    #[serde(default)]
    pub claim: Option<String>,
    /// The scenarios that must pass: suites, names or labels, as `run` takes them.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// The key of an attestation that must be there, as `team-training`.
    #[serde(default)]
    pub attested: Option<String>,
    /// What a waiver of the mesh file (`without:`) does. Default: `allowed`.
    #[serde(default)]
    pub waivers: Waivers,
}

/// A file of what people attest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestationsFile {
    /// `meshdrill.io/v1`.
    pub api_version: String,
    /// `Attestations`.
    pub kind: String,
    /// Its name.
    pub metadata: MeshMetadata,
    /// What is attested, by the key that a sign-off names.
    pub spec: IndexMap<String, AttestationSpec>,
}

/// What someone attests.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestationSpec {
    /// Who attests it.
    pub by: String,
    /// When, as `2026-11-28`.
    pub on: String,
    /// What is attested, in a sentence.
    pub statement: String,
    /// The last day on which it holds, as `2027-05-31`.
    #[serde(default)]
    pub until: Option<String>,
}

/// A file of who takes care of findings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingsFile {
    /// `meshdrill.io/v1`.
    pub api_version: String,
    /// `Findings`.
    pub kind: String,
    /// Its name.
    pub metadata: MeshMetadata,
    /// The findings, by the id that `signoff` prints.
    pub spec: IndexMap<String, FindingSpec>,
}

/// Who takes care of a finding.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingSpec {
    /// Who takes care of it.
    pub owner: String,
    /// The last day, as `2026-12-15`. After it, an open finding is NO-GO.
    #[serde(default)]
    pub due: Option<String>,
    /// What is being done.
    #[serde(default)]
    pub note: Option<String>,
}

/// A file with a kind of its own.
trait SigningFile: DeserializeOwned {
    const KIND: &'static str;

    /// What is wrong with it beyond its form: places below `spec`.
    fn judge(&self) -> Vec<(Path, String, &'static str)>;
}

const DATE: &str = "write it as 2027-01-31";

fn undated(place: Path, text: Option<&str>) -> Option<(Path, String, &'static str)> {
    text.filter(|text| text.parse::<Date>().is_err()).map(|text| (place, format!("`{text}` is not a date"), DATE))
}

impl SigningFile for SignOffFile {
    const KIND: &'static str = "SignOff";

    fn judge(&self) -> Vec<(Path, String, &'static str)> {
        let rows = Path::of(&["spec", "require"]);
        if self.spec.require.is_empty() {
            let help = "add a row with `scenarios:` or `attested:`; `meshdrill new signoff NAME` shows some";
            return vec![(rows, "a sign-off that requires nothing would always be GO".to_owned(), help)];
        }
        let empty = |row: &RequireRow| row.scenarios.is_empty() && row.attested.is_none();
        let empty = self.spec.require.iter().enumerate().filter(|(_, row)| empty(row)).map(|(index, _)| {
            (rows.index(index), "the row requires nothing".to_owned(), "add `scenarios:` or `attested:`")
        });
        let unclaimed = |row: &RequireRow| row.claim.is_none() && row.attested.is_some();
        let unclaimed = self
            .spec
            .require
            .iter()
            .enumerate()
            .filter(|(_, row)| unclaimed(row))
            .map(|(index, _)| (rows.index(index), "nothing says what is attested".to_owned(), "add `claim:`"));
        empty.chain(unclaimed).collect()
    }
}

impl SigningFile for AttestationsFile {
    const KIND: &'static str = "Attestations";

    fn judge(&self) -> Vec<(Path, String, &'static str)> {
        let dates = self.spec.iter().flat_map(|(key, one)| {
            let place = |name: &str| Path::of(&["spec", key, name]);
            [undated(place("on"), Some(&one.on)), undated(place("until"), one.until.as_deref())]
        });
        let nobody = self.spec.iter().filter(|(_, one)| one.by.trim().is_empty());
        let nobody =
            nobody.map(|(key, _)| (Path::of(&["spec", key, "by"]), "nobody attests it".to_owned(), "name a person"));
        dates.flatten().chain(nobody).collect()
    }
}

impl SigningFile for FindingsFile {
    const KIND: &'static str = "Findings";

    fn judge(&self) -> Vec<(Path, String, &'static str)> {
        let due = |(key, one): (&String, &FindingSpec)| undated(Path::of(&["spec", key, "due"]), one.due.as_deref());
        self.spec.iter().filter_map(due).collect()
    }
}

/// Reads a file of what a sign-off requires.
pub fn load_sign_off(path: &FilePath) -> Result<SignOffFile, Problems> {
    load(path)
}

/// Reads a file of attestations.
pub fn load_attestations(path: &FilePath) -> Result<AttestationsFile, Problems> {
    load(path)
}

/// Reads a file of findings.
pub fn load_findings(path: &FilePath) -> Result<FindingsFile, Problems> {
    load(path)
}

/// Checks a file of one of these kinds; none if it is of another.
pub fn check_signing(path: &FilePath, kind: &str) -> Option<Result<(), Problems>> {
    match kind {
        SignOffFile::KIND => Some(load_sign_off(path).map(|_| ())),
        AttestationsFile::KIND => Some(load_attestations(path).map(|_| ())),
        FindingsFile::KIND => Some(load_findings(path).map(|_| ())),
        _ => None,
    }
}

fn load<T: SigningFile>(path: &FilePath) -> Result<T, Problems> {
    let (source, node) = document::read_file(path)?;
    let wrong = wrong_file(&node, T::KIND);
    if !wrong.is_empty() {
        return Err(Problems::new(source, wrong));
    }
    let decoded = document::decode::<T>(&node);
    let mut problems = decoded.problems;
    if let Some(file) = &decoded.value {
        let at = |node: &Node, place: &Path| node.span_at(place);
        let found = file.judge().into_iter().filter(|(place, ..)| !decoded.lost.iter().any(|lost| lost == place));
        problems.extend(found.map(|(place, what, help)| Problem::at(at(&node, &place), what).help(help)));
    }
    match (decoded.value, problems.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Problems::new(source, problems)),
    }
}
