//! The way from a signing certificate to a root: every step by name and by signature.

use serde::{Deserialize, Serialize};
use x509_parser::error::X509Error;

use super::certificate::{Certificate, Loaded};

/// Longest path that is followed.
const LONGEST: usize = 8;

/// Whether the signing certificate leads to a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// It does, over these certificates, itself first and the root last. Validity in time is not looked at.
    Verified(Vec<Certificate>),
    /// It does not: at the certificate of this subject the way ends.
    Broken {
        /// The last certificate that was reached.
        subject: String,
        /// Why it goes no further.
        why: Break,
    },
    /// There is no signing certificate or no root to begin with.
    NotBuilt,
}

/// Why a path goes no further.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// No certificate in chain or roots has the name of its signer.
    NoIssuer {
        /// The name.
        issuer: String,
    },
    /// It is a root by its own account, but not one of the roots.
    NotTrusted,
    /// The path is longer than any path of a mesh, or runs in a circle.
    TooLong,
    /// It, or its signer, may not sign certificates, or not this far above the leaf.
    MayNotSign {
        /// The one that may not.
        subject: String,
    },
    /// The signature is of a kind that cannot be checked here.
    Unsupported {
        /// The signer's name.
        issuer: String,
    },
    /// There is a certificate with the signer's name, but the signature is not by its key.
    BadSignature {
        /// The signer's name.
        issuer: String,
    },
}

impl Path {
    /// The certificates of a verified path, none otherwise.
    pub fn certificates(&self) -> &[Certificate] {
        match self {
            Self::Verified(certificates) => certificates,
            Self::Broken { .. } | Self::NotBuilt => &[],
        }
    }

    /// Whether the path was verified.
    #[cfg(test)]
    pub(super) fn is_verified(&self) -> bool {
        !self.certificates().is_empty()
    }
}

/// Follows the way from the signing certificate.
pub(super) fn build(ca: Option<&Loaded>, chain: &[Loaded], roots: &[Loaded]) -> Path {
    let Some(ca) = ca.filter(|_| !roots.is_empty()) else { return Path::NotBuilt };
    let broken = |at: &Loaded, why| Path::Broken { subject: at.facts.subject.clone(), why };
    if !ca.facts.signs {
        return broken(ca, Break::MayNotSign { subject: ca.facts.subject.clone() });
    }
    let mut path = vec![ca];
    match follow(&mut path, chain, roots) {
        Ok(()) => Path::Verified(path.iter().map(|step| step.facts.clone()).collect()),
        Err((at, why)) => broken(at, why),
    }
}

type Dead<'a> = (&'a Loaded, Break);

/// Extends the path until it ends at a root. Tries every certificate of the signer's name: while a root is being replaced
/// there are two of one name.
fn follow<'a>(path: &mut Vec<&'a Loaded>, chain: &'a [Loaded], roots: &'a [Loaded]) -> Result<(), Dead<'a>> {
    let Some(last) = path.last().copied() else { return Ok(()) };
    if roots.iter().any(|root| root.facts.fingerprint == last.facts.fingerprint) {
        return Ok(());
    }
    if path.len() >= LONGEST {
        return Err((last, Break::TooLong));
    }
    let issuer = || last.facts.issuer.clone();
    let alone = if last.facts.self_issued { Break::NotTrusted } else { Break::NoIssuer { issuer: issuer() } };
    // The dead end that came furthest says most; among equals the worst reason.
    let mut furthest: (usize, Dead<'a>) = (path.len(), (last, alone));
    for candidate in roots.iter().chain(chain) {
        if path.iter().any(|step| step.facts.fingerprint == candidate.facts.fingerprint) {
            continue;
        }
        let dead = match signed(last, candidate) {
            None => continue,
            Some(Err(X509Error::SignatureUnsupportedAlgorithm)) => {
                (path.len(), (last, Break::Unsupported { issuer: issuer() }))
            }
            Some(Err(_)) => (path.len(), (last, Break::BadSignature { issuer: issuer() })),
            Some(Ok(())) if !may_sign(candidate, path) => {
                (path.len(), (last, Break::MayNotSign { subject: candidate.facts.subject.clone() }))
            }
            Some(Ok(())) => {
                let depth = path.len();
                path.push(candidate);
                match follow(path, chain, roots) {
                    Ok(()) => return Ok(()),
                    Err(dead) => {
                        path.truncate(depth);
                        (depth + 1, dead)
                    }
                }
            }
        };
        if (dead.0, &dead.1.1) > (furthest.0, &furthest.1.1) {
            furthest = dead;
        }
    }
    Err(furthest.1)
}

/// Whether the candidate has the signer's name and, if so, made the signature.
fn signed(certificate: &Loaded, candidate: &Loaded) -> Option<Result<(), X509Error>> {
    let (certificate, candidate) = (certificate.parsed()?, candidate.parsed()?);
    if certificate.issuer().as_raw() != candidate.subject().as_raw() {
        return None;
    }
    Some(certificate.verify_signature(Some(candidate.public_key())))
}

/// Whether a certificate may sign the last one of the path. Self-issued ones do not count for the length of a path.
fn may_sign(candidate: &Loaded, below: &[&Loaded]) -> bool {
    let intermediates = below.iter().filter(|step| !step.facts.self_issued).count();
    candidate.facts.signs && candidate.facts.path_length.is_none_or(|length| intermediates <= length as usize)
}
