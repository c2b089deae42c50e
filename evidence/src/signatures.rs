//! Whether the envelope of a bundle is signed by the keys that it should be.

use std::collections::BTreeSet;

use crate::Problem;
use crate::envelope::{Envelope, PAYLOAD_TYPE, pae};
use crate::keys::VerifyingKey;
use crate::statement::STATEMENT;

/// Who signed.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    /// Ids of the given keys that have a valid signature.
    pub verified: Vec<String>,
    /// Key ids of signatures that no given key can check.
    pub unchecked: Vec<String>,
}

/// Checks the signatures of an envelope against the given keys. Each must have signed.
pub(crate) fn check(
    envelope: &Envelope,
    payload: &[u8],
    keys: &[VerifyingKey],
    problems: &mut Vec<Problem>,
) -> Signers {
    let mut say = |place: String, what: String| problems.push(Problem::new(place, what));
    if envelope.payload_type != PAYLOAD_TYPE {
        say(
            format!("{STATEMENT}: payloadType"),
            format!("was altered: `{}`, not {PAYLOAD_TYPE}", envelope.payload_type),
        );
    }
    let message = pae(&envelope.payload_type, payload);
    let ids: Vec<&str> = envelope.signatures.iter().map(|one| one.keyid.as_str()).collect();
    if ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
        say(format!("{STATEMENT}: signatures"), "was altered: two signatures have one key id".to_owned());
    } else if !ids.is_sorted() {
        say(format!("{STATEMENT}: signatures"), "was altered: the signatures are reordered".to_owned());
    }
    let mut signers = Signers::default();
    for (at, signature) in envelope.signatures.iter().enumerate() {
        let place = |field: &str| format!("{STATEMENT}: signatures[{at}].{field} (key id {})", signature.keyid);
        let bytes = signature.bytes();
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == 64) else {
            say(place("sig"), "was altered: it is no Ed25519 signature in base64".to_owned());
            continue;
        };
        let named = keys.iter().find(|key| key.id() == signature.keyid);
        let signed = keys.iter().find(|key| key.is_signer(&message, &bytes));
        match (named, signed) {
            (Some(key), Some(signer)) if key == signer => signers.verified.push(key.id()),
            (_, Some(signer)) => {
                say(place("keyid"), format!("was altered: the signature is of key {}", signer.id()));
            }
            (Some(_), None) => {
                say(place("sig"), "does not match: the statement, its type, or the signature was altered".to_owned());
            }
            (None, None) => signers.unchecked.push(signature.keyid.clone()),
        }
    }
    let missing = keys.iter().map(|key| key.id()).filter(|id| !ids.contains(&id.as_str()));
    for id in missing {
        say(format!("{STATEMENT}: signatures"), format!("no signature of key {id}: not signed with it, or dropped"));
    }
    signers
}
