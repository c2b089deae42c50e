//! A DSSE envelope: a payload, its type, and signatures over both (PAE).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::keys::SigningKey;

/// The type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The envelope as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// The payload in base64.
    pub payload: String,
    /// Its type.
    pub payload_type: String,
    /// The signatures, sorted by key id; none in an unsigned bundle.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The id of the key, a hint only.
    pub keyid: String,
    /// The signature in base64.
    pub sig: String,
}

impl Signature {
    /// Its bytes; none if they are not canonical base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        decode(&self.sig)
    }
}

impl Envelope {
    /// Signs a payload with each of some keys.
    pub fn sign(payload_type: &str, payload: &[u8], keys: &[SigningKey]) -> Self {
        let message = pae(payload_type, payload);
        let mut signatures: Vec<Signature> = keys
            .iter()
            .map(|key| Signature { keyid: key.public().id(), sig: STANDARD.encode(key.sign(&message)) })
            .collect();
        signatures.sort_by(|one, other| one.keyid.cmp(&other.keyid));
        // A key that is named twice signs once.
        signatures.dedup();
        Self { payload: STANDARD.encode(payload), payload_type: payload_type.to_owned(), signatures }
    }

    /// The payload; none if it is not canonical base64.
    pub fn payload(&self) -> Option<Vec<u8>> {
        decode(&self.payload)
    }

    /// The bytes of its file.
    ///
    /// # Panics
    /// Never: an envelope is text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_string(self).expect("texts are JSON");
        (text + "\n").into_bytes()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// What is signed: the pre-authentication encoding of DSSE v1.
pub(crate) fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;

    #[test]
    fn the_encoding_is_that_of_the_standard() {
        let vectors = include_str!("../../checks/tests/vectors/stats.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vector = &vectors["dsse_pae"];
        let text = |key: &str| vector[key].as_str().unwrap();
        assert_eq!(pae(text("type"), text("body").as_bytes()), text("pae").as_bytes());
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        // Lengths are those of bytes, not of characters.
        assert_eq!(pae("é", "ü".as_bytes()), "DSSEv1 2 é 2 ü".as_bytes());
    }

    #[test]
    fn every_key_signs_and_the_order_of_keys_does_not_matter() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        let key = |pem: &str| SigningKey::from_pem(pem.as_bytes()).unwrap();
        let envelope = Envelope::sign(PAYLOAD_TYPE, b"{}", &[key(&one), key(&other)]);
        assert_eq!(envelope, Envelope::sign(PAYLOAD_TYPE, b"{}", &[key(&other), key(&one)]));
        for signer in [key(&one), key(&other)] {
            let signature = envelope.signatures.iter().find(|one| one.keyid == signer.public().id()).unwrap();
            assert!(signer.public().is_signer(&pae(PAYLOAD_TYPE, b"{}"), &signature.bytes().unwrap()));
        }
        let read: Envelope = serde_json::from_slice(&envelope.to_bytes()).unwrap();
        assert_eq!((read.payload().unwrap(), read), (b"{}".to_vec(), envelope));
    }
}
