//! A run directory, a bundle of it, and the ways to take one apart and put it together again.

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use meshdrill_checks::record::Record;
use meshdrill_checks::score::score;

use crate::Files;
use crate::bundle::Bundle;
use crate::document::{EVIDENCE, document};
use crate::keys::{SigningKey, VerifyingKey, generate};
use crate::manifest::{FileEntry, MANIFEST, Manifest};

/// The folder of the run in a bundle.
pub(super) const RUN: &str = "20260101T000000Z-sample-0";
/// The file of its record.
pub(super) const RECORD: &str = "run.jsonl";

const TEXT: &str = include_str!("../../../checks/tests/fixtures/records/drill-pass/run.jsonl");

/// The record's text.
pub(super) fn record() -> String {
    TEXT.to_owned()
}

/// What a run leaves behind, with all documents made of a record.
pub(super) fn run_files(record: &str) -> Files {
    let mut files = Files::new();
    let mut put = |name: &str, content: &str| files.insert(name.to_owned(), content.as_bytes().to_vec());
    put(RECORD, record);
    put("plan.yaml", "name: sample\n");
    put("report.md", "# sample\n");
    put("empty.txt", "");
    put("block.bin", &"x".repeat(512));
    with_documents(files)
}

/// Makes scorecard, evidence document and manifest again.
pub(super) fn with_documents(mut files: Files) -> Files {
    let record = Record::read(&files[RECORD]).unwrap();
    let card = score(&record);
    files.insert("scorecard.json".to_owned(), serde_json::to_vec_pretty(&card).unwrap());
    files.remove(EVIDENCE);
    let evidence = document(&record, &card, &FileEntry::all(&files));
    files.insert(EVIDENCE.to_owned(), evidence.to_bytes());
    with_manifest(files)
}

/// Makes the manifest again.
pub(super) fn with_manifest(mut files: Files) -> Files {
    let manifest = Manifest::new(FileEntry::all(&files));
    files.insert(MANIFEST.to_owned(), manifest.to_bytes());
    files
}

/// A key pair.
pub(super) fn key() -> (SigningKey, VerifyingKey) {
    let key = SigningKey::from_pem(generate().unwrap().as_bytes()).unwrap();
    let public = key.public();
    (key, public)
}

/// A bundle of the sample.
pub(super) fn bundle(keys: &[SigningKey]) -> Vec<u8> {
    let mut bundle = Bundle::default();
    bundle.add(RUN, run_files(&record())).unwrap();
    bundle.into_bytes(keys).unwrap()
}

/// The tar file of a bundle.
pub(super) fn expand(bytes: &[u8]) -> Vec<u8> {
    let mut tape = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut tape).unwrap();
    tape
}

/// The canonical gzip form of a tar file.
pub(super) fn compress(tape: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
    encoder.write_all(tape).unwrap();
    encoder.finish().unwrap()
}

/// The entries of a tar file with their headers, as their paths and bytes; the end is left out.
pub(super) fn entries(tape: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tape);
    let spans: Vec<(String, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.raw_header_position())
        })
        .collect();
    let ends = spans.iter().skip(1).map(|(_, at)| *at).chain([tape.len() as u64 - 1024]);
    spans
        .iter()
        .zip(ends)
        .map(|((path, from), to)| (path.clone(), tape[*from as usize..to as usize].to_vec()))
        .collect()
}

/// A tar file of entries.
pub(super) fn joined(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    entries.iter().flat_map(|(_, bytes)| bytes.iter().copied()).chain([0; 1024]).collect()
}
