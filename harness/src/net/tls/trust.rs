//! Which certificates are trusted: those of this machine, those of a file, or any.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use meshdrill_checks::record::Class;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::format::TlsSpec;
use crate::net::failure::HttpFailure;

/// How TLS is to be done where it is not done by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name to ask for and to verify.
    pub sni: Option<String>,
    /// A PEM file with the only certificates to trust.
    pub ca: Option<PathBuf>,
    /// PEM files with the client certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Trust anything.
    pub insecure: bool,
}

impl From<&TlsSpec> for Tls {
    fn from(spec: &TlsSpec) -> Self {
        let client = spec.cert.clone().zip(spec.key.clone());
        Self { sni: spec.sni.clone(), ca: spec.ca.clone(), client, insecure: spec.insecure }
    }
}

/// The client configuration for these options. Reads the certificates that are trusted.
pub(super) fn config(tls: &Tls) -> Result<ClientConfig, HttpFailure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpFailure::new(Class::Tls, error.to_string()))?;
    let trust = match &tls.ca {
        _ if tls.insecure => Some(Trust::Anything),
        Some(path) => Some(Trust::Only(TrustOnly::read(path, Arc::clone(&provider))?)),
        None => None,
    };
    let builder = match trust {
        Some(trust) => {
            let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        None => builder.with_root_certificates(machine_roots()),
    };
    let mut config = match &tls.client {
        Some((certificates, key)) => {
            let (certificates, key) = identity(certificates, key)?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|error| HttpFailure::new(Class::Tls, format!("the client certificate: {error}")))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A client certificate with those between it and its CA, and its key.
fn identity(
    certificates: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), HttpFailure> {
    let failed = |path: &Path, why: String| HttpFailure::new(Class::Tls, format!("{}: {why}", path.display()));
    let read = |path: &Path| std::fs::read(path).map_err(|error| failed(path, format!("cannot be read: {error}")));
    let chain = CertificateDer::pem_slice_iter(&read(certificates)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| failed(certificates, format!("is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(failed(certificates, "has no certificate".to_owned()));
    }
    let key_of_it = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| failed(key, format!("has no private key that can be used: {error}")))?;
    Ok((chain, key_of_it))
}

/// The certificates that this machine trusts; read once.
fn machine_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // What cannot be read trusts nobody: the handshake then reports an unknown issuer.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    Arc::clone(roots)
}

/// Trusts the certificates of a file: as issuers, and each as the server's own where it is self-signed.
#[derive(Debug)]
struct TrustOnly {
    issuers: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl TrustOnly {
    fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Self, HttpFailure> {
        let failed = |why: String| HttpFailure::new(Class::Tls, format!("{}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let own = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let own = own.map_err(|error| failed(format!("is not PEM: {error}")))?;
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(own.iter().cloned());
        if added == 0 {
            return Err(failed("has no certificate".to_owned()));
        }
        let issuers = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { issuers, own })
    }

    /// Whether the server shows one of the file's certificates itself, which is for that name and valid now.
    fn is_own(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<bool, rustls::Error> {
        if !self.own.iter().any(|own| own == certificate) {
            return Ok(false);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        let parsed = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let validity = parsed.1.validity();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now > validity.not_after.timestamp() {
            Err(rustls::Error::InvalidCertificate(CertificateError::Expired))
        } else if now < validity.not_before.timestamp() {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet))
        } else {
            Ok(true)
        }
    }
}

/// A verifier of servers; none of them accepts a server that does not have the key of its certificate.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Whose certificates are accepted.
#[derive(Debug)]
enum Trust {
    Anything,
    Only(TrustOnly),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Anything => Ok(ServerCertVerified::assertion()),
            Trust::Only(only) if only.is_own(end_entity, server_name, now)? => Ok(ServerCertVerified::assertion()),
            Trust::Only(only) => {
                only.issuers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
