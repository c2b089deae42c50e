//! Certificates for servers on loopback and for their clients, made for one trial.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::Failed;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A CA, and PEM files of a client that it has signed.
pub struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
    /// The CA's certificate.
    pub ca_file: PathBuf,
    /// The client's certificate.
    pub cert_file: PathBuf,
    /// The client's key.
    pub key_file: PathBuf,
}

impl Authority {
    /// Makes one and writes its files into a folder.
    pub fn new(folder: &Path) -> Result<Self, Failed> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let client = CertificateParams::new(vec!["drill.example".to_owned()])?.signed_by(&key, &ca)?;
        let [ca_file, cert_file, key_file] = ["ca.pem", "client.pem", "client.key"].map(|name| folder.join(name));
        std::fs::write(&ca_file, ca.pem())?;
        std::fs::write(&cert_file, client.pem())?;
        std::fs::write(&key_file, key.serialize_pem())?;
        Ok(Self { ca, ca_file, cert_file, key_file })
    }

    /// A server with a certificate for a name; with `clients`, only those with a certificate of this CA are served.
    pub fn server(&self, name: &str, clients: bool) -> Result<ServerConfig, Failed> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.ca)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.der().clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(builder.with_single_cert(vec![certificate.der().clone()], key)?)
    }
}
