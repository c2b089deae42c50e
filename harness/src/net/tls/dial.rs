//! Connections with TLS on them.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::record::Class;
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::error::explained;
use super::trust::{Tls, config};
use crate::net::exchange::Phases;
use crate::net::failure::HttpFailure;
use crate::net::stream::{Dial, Opened};

/// Opens connections and speaks TLS on them.
pub(in crate::net) struct TlsDial {
    inner: Arc<dyn Dial>,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for TlsDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDial").field("inner", &self.inner).field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsDial {
    /// TLS to a host over what another dialler opens. Reads the certificates that are trusted.
    pub(in crate::net) fn new(inner: Arc<dyn Dial>, host: &str, tls: &Tls) -> Result<Self, HttpFailure> {
        let name = tls.sni.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| HttpFailure::new(Class::Tls, format!("`{name}` is not a name that a certificate can have")))?;
        Ok(Self { inner, connector: TlsConnector::from(Arc::new(config(tls)?)), name })
    }

    async fn open(&self) -> io::Result<Opened> {
        let Opened { stream, phases } = self.inner.dial().await?;
        let begun = Instant::now();
        let stream = self.connector.connect(self.name.clone(), stream).await.map_err(explained)?;
        Ok(Opened { stream: Box::new(stream), phases: Phases { tls: Some(begun.elapsed()), ..phases } })
    }
}

impl Dial for TlsDial {
    fn dial(&self) -> BoxFuture<'_, io::Result<Opened>> {
        Box::pin(self.open())
    }

    fn is_costly(&self) -> bool {
        self.inner.is_costly()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bytes::Bytes;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use meshdrill_checks::record::Series;

    use super::*;
    use crate::net::{Exchange, HttpAnswer, HttpClient, Net};

    /// Certificates of a server, and the file that says whom to trust.
    struct Site {
        port: u16,
        ca: PathBuf,
    }

    fn params(names: &[&str], last_year: i32) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(last_year, 1, 1));
        params
    }

    /// Serves `ok` over TLS, with a certificate of a CA or, without one, a self-signed one.
    async fn serve(name: &str, last_year: i32, with_ca: bool) -> Site {
        let key = KeyPair::generate().unwrap();
        let mut ca_params = params(&[], 2090);
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca_params, KeyPair::generate().unwrap()).unwrap();
        let params = params(&[name], last_year);
        let certificate = if with_ca { params.signed_by(&key, &ca) } else { params.self_signed(&key) }.unwrap();
        let trusted = if with_ca { ca.pem() } else { certificate.pem() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ca = std::env::temp_dir().join(format!("meshdrill-{}-{port}.pem", std::process::id()));
        std::fs::write(&ca, trusted).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut buffer = [0; 2048];
                    while let Ok(count) = stream.read(&mut buffer).await {
                        let asked = String::from_utf8_lossy(&buffer[..count]).to_lowercase();
                        let host = asked.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
                        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", host.len());
                        if count == 0 || stream.write_all((head + host).as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Site { port, ca }
    }

    impl Site {
        fn client(&self, series: Series, tls: &Tls) -> Result<(HttpClient, Exchange), HttpFailure> {
            let exchange = Exchange::get(format!("https://localhost:{}/", self.port).parse().unwrap());
            Ok((HttpClient::for_url(&Net::Machine, &exchange, series, tls)?, exchange))
        }

        async fn ask(&self, tls: Tls) -> Result<HttpAnswer, HttpFailure> {
            let (client, exchange) = self.client(Series::New, &tls)?;
            client.send(&exchange).await
        }

        fn trusted(&self) -> Tls {
            Tls { ca: Some(self.ca.clone()), ..Tls::default() }
        }
    }

    fn words(answer: Result<HttpAnswer, HttpFailure>) -> String {
        let failure = answer.expect_err("the certificate is accepted");
        assert_eq!(failure.class, Class::Tls, "{failure}");
        assert!(failure.phases.tls.is_none());
        failure.message
    }

    #[tokio::test]
    async fn a_ca_of_a_file_is_trusted_and_every_phase_is_timed() {
        let site = serve("localhost", 2090, true).await;
        let answer = site.ask(site.trusted()).await.unwrap();
        assert_eq!(answer.body, Bytes::from(format!("localhost:{}", site.port)));
        let Phases { dns, connect, tls, first_byte } = answer.phases;
        assert!(dns.is_some() && connect.is_some() && tls.is_some() && first_byte.is_some(), "{:?}", answer.phases);
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_is_opened_once() {
        let site = serve("localhost", 2090, true).await;
        let (client, exchange) = site.client(Series::Kept, &site.trusted()).unwrap();
        assert!(client.send(&exchange).await.unwrap().phases.tls.is_some());
        let second = client.send(&exchange).await.unwrap();
        let only_first_byte = Phases { first_byte: second.phases.first_byte, ..Phases::default() };
        assert!(second.phases.first_byte.is_some() && second.phases == only_first_byte, "{:?}", second.phases);
    }

    #[tokio::test]
    async fn a_self_signed_certificate_of_a_file_is_trusted_for_its_names_and_time() {
        let site = serve("localhost", 2090, false).await;
        assert_eq!(site.ask(site.trusted()).await.unwrap().status, 200);
        let expired = serve("localhost", 2021, false).await;
        assert_eq!(words(expired.ask(expired.trusted()).await), "the certificate has expired");
        let other = serve("shop.example", 2090, false).await;
        assert!(words(other.ask(other.trusted()).await).starts_with("the certificate is for"));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_certificate_is_said_with_the_remedy() {
        let site = serve("localhost", 2090, true).await;
        let unknown = words(site.ask(Tls::default()).await);
        assert!(unknown.starts_with("the certificate's issuer is not trusted; give its CA"), "{unknown}");
        assert_eq!(site.ask(Tls { insecure: true, ..Tls::default() }).await.unwrap().status, 200);
        let expired = serve("localhost", 2021, true).await;
        assert_eq!(words(expired.ask(expired.trusted()).await), "the certificate has expired");
    }

    #[tokio::test]
    async fn another_name_is_asked_for_and_verified() {
        let site = serve("shop.example", 2090, true).await;
        let wrong = words(site.ask(site.trusted()).await);
        assert!(wrong.contains("shop.example") && wrong.contains("not for localhost"), "{wrong}");
        let named = Tls { sni: Some("shop.example".to_owned()), ..site.trusted() };
        let answer = site.ask(named).await.unwrap();
        assert_eq!(answer.body, Bytes::from(format!("shop.example:{}", site.port)));
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_fails_the_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        });
        let site = Site { port, ca: PathBuf::new() };
        assert!(words(site.ask(Tls::default()).await).starts_with("the TLS handshake failed"));
    }
}
