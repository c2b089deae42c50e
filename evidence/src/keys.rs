//! Ed25519 keys in PEM, as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them.

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::sha256;

/// What stands before the 32 bytes of a private key in PKCS #8 (RFC 8410), as openssl writes it.
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key in a `SubjectPublicKeyInfo` (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a file is not a key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM.
    #[error("not a PEM file; make a key with `meshdrill keygen FILE` or `openssl genpkey -algorithm ed25519`")]
    Pem,
    /// A private key that needs a password.
    #[error("the key is encrypted; decrypt it with `openssl pkey -in FILE` into a file that only you can read")]
    Encrypted,
    /// A public key where a private one is needed.
    #[error("this is a public key; sign with the private key")]
    Public,
    /// A private key where a public one is needed.
    #[error(
        "this is a private key; name its public key (FILE.pub, or `openssl pkey -pubout`), and keep this one to yourself"
    )]
    Private,
    /// A key of another algorithm.
    #[error("not an Ed25519 key; make one with `meshdrill keygen FILE` or `openssl genpkey -algorithm ed25519`")]
    Algorithm,
    /// The operating system gives no random numbers.
    #[error("the operating system gave no random numbers")]
    Random,
}

/// A private key. It has no `Debug` and no way out but its signatures.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads a private key from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let file = pem::parse(text).map_err(|_| KeyError::Pem)?;
        match file.tag() {
            "PRIVATE KEY" => {}
            "PUBLIC KEY" => return Err(KeyError::Public),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            _ => return Err(KeyError::Algorithm),
        }
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(file.contents()).map(Self).map_err(|_| KeyError::Algorithm)
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Reads a public key from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let file = pem::parse(text).map_err(|_| KeyError::Pem)?;
        match file.tag() {
            "PUBLIC KEY" => {}
            tag if tag.ends_with("PRIVATE KEY") => return Err(KeyError::Private),
            _ => return Err(KeyError::Algorithm),
        }
        let key = file.contents().strip_prefix(&PUBLIC_PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError::Algorithm)
    }

    /// Its file in PEM.
    pub fn to_pem(self) -> String {
        to_pem("PUBLIC KEY", self.to_der())
    }

    /// Its id: the SHA-256 of its `SubjectPublicKeyInfo` in DER, in hex.
    pub fn id(self) -> String {
        sha256(&self.to_der())
    }

    /// Whether a signature of a message is of this key.
    pub(crate) fn is_signer(self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    fn to_der(self) -> Vec<u8> {
        [&PUBLIC_PREFIX[..], &self.0].concat()
    }
}

/// A new private key as the text of its file.
pub fn generate() -> Result<String, KeyError> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
    Ok(to_pem("PRIVATE KEY", [&PRIVATE_PREFIX[..], &seed].concat()))
}

fn to_pem(tag: &str, der: Vec<u8>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The private key of RFC 8410, 10.3.
    const SEED: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

    #[test]
    fn a_key_made_here_is_read_back_and_signs() {
        let key = SigningKey::from_pem(generate().unwrap().as_bytes()).unwrap();
        let public = VerifyingKey::from_pem(key.public().to_pem().as_bytes()).unwrap();
        assert_eq!(public, key.public());
        let signature = key.sign(b"message");
        assert!(public.is_signer(b"message", &signature));
        assert!(!public.is_signer(b"massage", &signature));
        assert!(!public.is_signer(b"message", &signature[..63]));
        assert_ne!(generate().unwrap(), generate().unwrap());
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        let text = format!("-----BEGIN PRIVATE KEY-----\n{SEED}\n-----END PRIVATE KEY-----\n");
        let known = SigningKey::from_pem(text.as_bytes()).unwrap().public();
        assert!(known.to_pem().contains("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="));
        // RFC 8032, 7.1, test 2.
        let seed: Vec<u8> = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let pem = to_pem("PRIVATE KEY", [&PRIVATE_PREFIX[..], &seed].concat());
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.public().0.to_vec(), hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
        let wanted = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(key.sign(&[0x72]), hex(wanted));
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        let public = SigningKey::from_pem(generate().unwrap().as_bytes()).unwrap().public().to_pem();
        assert_eq!(SigningKey::from_pem(public.as_bytes()).err(), Some(KeyError::Public));
        assert_eq!(VerifyingKey::from_pem(generate().unwrap().as_bytes()).err(), Some(KeyError::Private));
        assert_eq!(SigningKey::from_pem(b"").err(), Some(KeyError::Pem));
        assert_eq!(VerifyingKey::from_pem(b"\xff\xfe").err(), Some(KeyError::Pem));
        let foreign = format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{SEED}\n-----END ENCRYPTED PRIVATE KEY-----\n");
        assert_eq!(SigningKey::from_pem(foreign.as_bytes()).err(), Some(KeyError::Encrypted));
        let foreign = format!("-----BEGIN PUBLIC KEY-----\n{SEED}\n-----END PUBLIC KEY-----\n");
        assert_eq!(VerifyingKey::from_pem(foreign.as_bytes()).err(), Some(KeyError::Algorithm));
    }
}
