//! The `cacerts` secret of a mesh: four PEM files, and whether they lead from the signing certificate to the root.
//!
//! Looks at one cluster's files; whether clusters share a root is a comparison of [`CaCerts::root_fingerprints`]. The
//! private key is looked at and not kept; that it belongs to the certificate is not checked.

mod certificate;
mod path;

pub use certificate::Certificate;
pub use path::{Break, Path};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::pem::Pem;

use self::certificate::Loaded;

/// The certificate that istiod signs with.
pub const CA_CERT: &str = "ca-cert.pem";
/// Its private key.
pub const CA_KEY: &str = "ca-key.pem";
/// What the whole mesh trusts.
pub const ROOT_CERT: &str = "root-cert.pem";
/// What leads from one to the other.
pub const CERT_CHAIN: &str = "cert-chain.pem";

/// What the key file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFile {
    /// There is none, or it is empty.
    Missing,
    /// A private key.
    Key,
    /// A private key behind a passphrase, which istiod cannot open.
    Encrypted,
    /// Something else.
    NotAKey,
}

/// A file in which something is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub why: String,
}

/// Every certificate of a PEM text; what is none is left out.
pub fn certificates(pem: &[u8]) -> Vec<Certificate> {
    certificate::load(pem, &mut |_| ()).into_iter().map(|loaded| loaded.facts).collect()
}

/// One cluster's `cacerts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCerts {
    /// Files that are not there or empty.
    pub missing: Vec<String>,
    /// Files in which something could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What the key file holds.
    pub key: KeyFile,
    /// The certificate that istiod signs with.
    pub ca: Option<Certificate>,
    /// The certificates of the chain file, in its order.
    pub chain: Vec<Certificate>,
    /// The certificates of the root file; several while a root is being replaced.
    pub roots: Vec<Certificate>,
    /// The way from the signing certificate to a root.
    pub path: Path,
}

impl CaCerts {
    /// Reads the files of the secret, by name. Never fails: what is wrong is what is reported.
    pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut unreadable = Vec::new();
        let content = |name: &str| files.get(name).map(Vec::as_slice).filter(|c| !c.trim_ascii().is_empty());
        let missing = [CA_CERT, CA_KEY, ROOT_CERT, CERT_CHAIN].into_iter().filter(|name| content(name).is_none());
        let missing = missing.map(str::to_owned).collect();
        let mut certificates = |name: &str| match content(name) {
            None => Vec::new(),
            Some(pem) => certificate::load(pem, &mut |why| unreadable.push(Unreadable { file: name.to_owned(), why })),
        };
        let (mut ca, roots, chain) = (certificates(CA_CERT), certificates(ROOT_CERT), certificates(CERT_CHAIN));
        ca.truncate(1);
        let facts = |list: &[Loaded]| list.iter().map(|c| c.facts.clone()).collect::<Vec<_>>();
        Self {
            missing,
            unreadable,
            key: content(CA_KEY).map_or(KeyFile::Missing, key),
            path: path::build(ca.first(), &chain, &roots),
            ca: facts(&ca).pop(),
            chain: facts(&chain),
            roots: facts(&roots),
        }
    }

    /// SHA-256 fingerprints of all roots.
    pub fn root_fingerprints(&self) -> BTreeSet<&str> {
        self.roots.iter().map(|root| root.fingerprint.as_str()).collect()
    }

    /// When the first certificate on the verified path expires; `None` without such a path.
    pub fn expires(&self) -> Option<Timestamp> {
        self.path.certificates().iter().map(|c| c.not_after).min()
    }

    /// From when on all certificates of the verified path are valid; `None` without such a path.
    pub fn valid_from(&self) -> Option<Timestamp> {
        self.path.certificates().iter().map(|c| c.not_before).max()
    }
}

fn key(pem: &[u8]) -> KeyFile {
    let mut labels = Pem::iter_from_buffer(pem).filter_map(|block| Some(block.ok()?.label));
    match labels.find(|label| label.ends_with("PRIVATE KEY")) {
        // The older notation says so in a header of the block, which the parser passes over.
        Some(label)
            if label.starts_with("ENCRYPTED") || memchr::memmem::find(pem, b"Proc-Type: 4,ENCRYPTED").is_some() =>
        {
            KeyFile::Encrypted
        }
        Some(_) => KeyFile::Key,
        None => KeyFile::NotAKey,
    }
}

#[cfg(test)]
mod tests;
