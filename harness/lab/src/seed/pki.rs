//! The CA certificates of the mesh: one root, and an intermediate per cluster, as in the guide's `cacerts` secrets.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::clock::Ms;
use crate::world::World;

const DAY: Ms = 86_400_000;

/// The four files of a `cacerts` secret.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) ca_cert: String,
    pub(crate) ca_key: String,
    pub(crate) root_cert: String,
    pub(crate) cert_chain: String,
}

/// Creates the files of every cluster, with the flaws of its quirks.
pub(crate) fn make(world: &World) -> Result<Vec<Files>, Error> {
    let root = Authority::root(world, "Root CA")?;
    let mut all = Vec::new();
    for cluster in &world.clusters {
        let other;
        let issuer = if cluster.quirks.foreign_root {
            other = Authority::root(world, "Another Root CA")?;
            &other
        } else {
            &root
        };
        let life = if cluster.quirks.expired_intermediate { (-200 * DAY, -DAY) } else { (-DAY, 179 * DAY) };
        let mut params = parameters(world, "Intermediate CA", life);
        params.distinguished_name.push(DnType::LocalityName, cluster.ident.key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer.issuer)?;
        let (ca_cert, root_cert) = (certificate.pem(), issuer.certificate.pem());
        all.push(Files {
            cert_chain: format!("{ca_cert}{root_cert}"),
            ca_key: key.serialize_pem(),
            ca_cert,
            root_cert,
        });
    }
    Ok(all)
}

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn root(world: &World, name: &str) -> Result<Self, Error> {
        let params = parameters(world, name, (-30 * DAY, 3650 * DAY));
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }
}

fn parameters(world: &World, name: &str, (from, to): (Ms, Ms)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Istio");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let date = |at| {
        let (year, month, day) = world.dates.ymd(at);
        date_time_ymd(year, month, day)
    };
    params.not_before = date(from);
    params.not_after = date(to);
    params
}
