//! What went wrong in a TLS handshake, in words.

use std::io;

use rustls::CertificateError;

use crate::net::failure::HandshakeError;

/// What went wrong in a handshake, in words, with what to do about it.
pub(super) fn explained(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    match tls {
        Some(tls) => io::Error::new(error.kind(), HandshakeError(words(&tls))),
        None => error,
    }
}

fn words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return format!("the TLS handshake failed: {error}");
    };
    match certificate {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate's issuer is not trusted; give its CA as `tls: { ca: FILE }`, or write `tls: { insecure: true }`".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet; is a clock wrong?".to_owned()
        }
        CertificateError::NotValidForName => {
            "the certificate is not for this name; give the right one as `tls: { sni: NAME }`".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the certificate is for {}, not for {}; give the right name as `tls: {{ sni: NAME }}`",
            presented.join(", "),
            expected.to_str()
        ),
        other => format!("the certificate is not valid: {other}"),
    }
}
