//! `manifest.json`: every other file of a run directory with its size and SHA-256. It is written last.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::{Files, Problem, sha256, sha256_of};

/// Its name in a run directory.
pub const MANIFEST: &str = "manifest.json";
/// The schema name written into every manifest.
pub const MANIFEST_SCHEMA: &str = "meshdrill.io/manifest/v1";

/// The files of a run directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema: String,
    /// The files, sorted by name.
    pub files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl FileEntry {
    /// The entry of a file.
    pub fn new(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), size: content.len() as u64, sha256: sha256(content) }
    }

    /// The entry of a file that is too large to be held in memory.
    pub fn read(name: &str, content: impl io::Read) -> io::Result<Self> {
        let (size, sha256) = sha256_of(content)?;
        Ok(Self { name: name.to_owned(), size, sha256 })
    }

    /// The entries of some files.
    pub fn all(files: &Files) -> Vec<Self> {
        files.iter().map(|(name, content)| Self::new(name, content)).collect()
    }
}

impl Manifest {
    /// The manifest of some files, itself left out.
    pub fn new(mut files: Vec<FileEntry>) -> Self {
        files.retain(|file| file.name != MANIFEST);
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Self { schema: MANIFEST_SCHEMA.to_owned(), files }
    }

    /// The bytes of its file.
    ///
    /// # Panics
    /// Never: a manifest has nothing that JSON lacks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_string_pretty(self).expect("names, numbers and hex are JSON");
        (text + "\n").into_bytes()
    }
}

/// What differs between the files of a run directory and its manifest. `name` stands before every place, such as `run-1/`.
pub fn check(name: &str, files: &Files) -> Vec<Problem> {
    let place = |file: &str| format!("{name}{file}");
    let Some(bytes) = files.get(MANIFEST) else {
        let why = "is missing; the run was killed, an older version recorded it, or the file was dropped";
        return vec![Problem::new(place(MANIFEST), why)];
    };
    let manifest: Manifest = match serde_json::from_slice(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Problem::new(place(MANIFEST), format!("was altered: it cannot be read: {error}"))],
    };
    let mut problems = Vec::new();
    if manifest.schema != MANIFEST_SCHEMA {
        let what = format!("schema is `{}`, not {MANIFEST_SCHEMA}", manifest.schema);
        problems.push(Problem::new(place(MANIFEST), what));
    }
    let listed: BTreeMap<&str, &FileEntry> = manifest.files.iter().map(|file| (file.name.as_str(), file)).collect();
    if listed.len() != manifest.files.len() {
        problems.push(Problem::new(place(MANIFEST), "was altered: it lists a file twice"));
    } else if !manifest.files.is_sorted_by(|one, next| one.name < next.name) {
        problems.push(Problem::new(place(MANIFEST), "was altered: its files are reordered"));
    } else if manifest.to_bytes() != *bytes {
        problems.push(Problem::new(place(MANIFEST), "was altered: its text is not in canonical form"));
    }
    for (file, entry) in &listed {
        let found = files.get(*file).map(|content| FileEntry::new(file, content));
        let what = match found {
            _ if *file == MANIFEST => "is listed in itself".to_owned(),
            None => format!("is missing: {MANIFEST} lists it with {} bytes", entry.size),
            Some(found) if found.size < entry.size => {
                format!("was altered: {} bytes, {MANIFEST} has {} (truncated?)", found.size, entry.size)
            }
            Some(found) if found.size > entry.size => {
                format!("was altered: {} bytes, {MANIFEST} has {} (appended?)", found.size, entry.size)
            }
            Some(found) if found.sha256 != entry.sha256 => {
                format!("was altered: SHA-256 {}, {MANIFEST} has {}", found.sha256, entry.sha256)
            }
            Some(_) => continue,
        };
        problems.push(Problem::new(place(file), what));
    }
    let added = files.keys().filter(|file| *file != MANIFEST && !listed.contains_key(file.as_str()));
    problems.extend(added.map(|file| Problem::new(place(file), format!("was added: {MANIFEST} does not list it"))));
    problems
}
