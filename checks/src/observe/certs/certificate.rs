//! Single certificates.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Who it is for, such as `O=Istio, CN=Root CA`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// SHA-256 over its DER form, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Whether it may sign certificates: it is a CA, and its key usage, if any, allows it.
    pub signs: bool,
    /// How many CA certificates may stand between it and a leaf; `None` for any number.
    pub path_length: Option<u32>,
    /// Whether it names itself as its signer.
    pub self_issued: bool,
}

/// A certificate with the bytes it was read from.
pub(super) struct Loaded {
    pub(super) facts: Certificate,
    der: Vec<u8>,
}

impl Loaded {
    /// Parses the bytes again. They parsed before.
    pub(super) fn parsed(&self) -> Option<X509Certificate<'_>> {
        X509Certificate::from_der(&self.der).ok().map(|(_, certificate)| certificate)
    }
}

/// All certificates of a PEM file; what is none is complained about and left out.
pub(super) fn load(pem: &[u8], complain: &mut dyn FnMut(String)) -> Vec<Loaded> {
    let mut loaded = Vec::new();
    let mut blocks = 0;
    for block in Pem::iter_from_buffer(pem) {
        blocks += 1;
        match block {
            Err(error) => complain(format!("block {blocks} is no PEM: {error}")),
            Ok(block) if block.label != "CERTIFICATE" => complain(format!("block {blocks} is a {}", block.label)),
            Ok(block) => match read(&block.contents) {
                Ok(facts) => loaded.push(Loaded { facts, der: block.contents }),
                Err(why) => complain(format!("block {blocks} is no certificate: {why}")),
            },
        }
    }
    if blocks == 0 {
        complain("holds no PEM block".to_owned());
    }
    loaded
}

fn read(der: &[u8]) -> Result<Certificate, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow it", rest.len()));
    }
    let moment = |seconds| Timestamp::from_second(seconds).map_err(|e| e.to_string());
    let constraints = certificate.basic_constraints().map_err(|e| e.to_string())?;
    let usage = certificate.key_usage().map_err(|e| e.to_string())?;
    Ok(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex(certificate.raw_serial()),
        not_before: moment(certificate.validity().not_before.timestamp())?,
        not_after: moment(certificate.validity().not_after.timestamp())?,
        fingerprint: hex(&Sha256::digest(der)),
        signs: constraints.as_ref().is_some_and(|c| c.value.ca) && usage.is_none_or(|u| u.value.key_cert_sign()),
        path_length: constraints.and_then(|c| c.value.path_len_constraint),
        self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}
