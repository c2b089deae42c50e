//! Evidence of runs: what an auditor opens a year later. Pure: bytes in, bytes out; no clusters and no files.
//!
//! A run directory has `evidence.json` ([`document`]) and, written last, `manifest.json` ([`manifest`]). A bundle
//! ([`bundle`]) is a reproducible archive ([`archive`]) of run directories with an in-toto statement ([`statement`]) in a
//! DSSE envelope ([`envelope`]), signed with Ed25519 keys ([`keys`]). [`verify`] names what was altered, and judges each
//! record again.

pub mod archive;
pub mod bundle;
mod digest;
pub mod document;
pub mod envelope;
pub mod findings;
mod json;
pub mod keys;
pub mod manifest;
mod problem;
mod run;
mod signatures;
pub mod statement;
#[cfg(test)]
mod tests;
pub mod verify;

use std::collections::BTreeMap;

pub use digest::{sha256, sha256_of};
pub use problem::Problem;

/// The files of a run directory or of a bundle, by their path.
pub type Files = BTreeMap<String, Vec<u8>>;
