use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};

use super::*;

/// A CA with its key, ready to sign others.
struct Authority {
    pem: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params
}

fn root_of(params: CertificateParams) -> Authority {
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
}

fn root(name: &str) -> Authority {
    root_of(params(name, BasicConstraints::Unconstrained))
}

fn sign(params: CertificateParams, by: &Authority) -> Authority {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let pem = params.signed_by(&key, &by.issuer).unwrap().pem();
    Authority { pem, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
}

fn intermediate(name: &str, by: &Authority) -> Authority {
    let mut params = params(name, BasicConstraints::Constrained(0));
    params.not_after = date_time_ymd(2027, 1, 1);
    sign(params, by)
}

fn read(ca: &Authority, chain: &[&Authority], roots: &[&Authority]) -> CaCerts {
    let join = |list: &[&Authority]| list.iter().map(|a| a.pem.as_str()).collect::<String>();
    CaCerts::read(&BTreeMap::from([
        (CA_CERT.to_owned(), ca.pem.clone().into_bytes()),
        (CA_KEY.to_owned(), ca.key.clone().into_bytes()),
        (CERT_CHAIN.to_owned(), join(chain).into_bytes()),
        (ROOT_CERT.to_owned(), join(roots).into_bytes()),
    ]))
}

fn broken(certs: &CaCerts) -> Break {
    match &certs.path {
        Path::Broken { why, .. } => why.clone(),
        path => panic!("{path:?}"),
    }
}

#[test]
fn two_clusters_of_one_root() {
    let root = root("Root CA");
    let (a, b) = (intermediate("Cluster a", &root), intermediate("Cluster b", &root));
    let (a, b) = (read(&a, &[&a, &root], &[&root]), read(&b, &[&b, &root], &[&root]));
    for certs in [&a, &b] {
        assert!(certs.missing.is_empty() && certs.unreadable.is_empty());
        assert_eq!((certs.key, certs.path.certificates().len()), (KeyFile::Key, 2));
        assert_eq!(certs.expires().unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(certs.valid_from().unwrap().to_string(), "2026-01-01T00:00:00Z");
    }
    assert_eq!(a.root_fingerprints(), b.root_fingerprints());
    assert_ne!(a.ca.as_ref().unwrap().fingerprint, b.ca.as_ref().unwrap().fingerprint);
    let own = a.ca.as_ref().unwrap();
    assert_eq!((own.signs, own.path_length, own.self_issued), (true, Some(0), false));
    assert_eq!(own.fingerprint.len(), 64);
    assert!(own.subject.contains("Cluster a") && own.issuer.contains("Root CA"));
}

#[test]
fn another_root_of_the_same_name_is_found_out() {
    let (ours, theirs) = (root("Root CA"), root("Root CA"));
    let ca = intermediate("Cluster a", &ours);
    let wrong = read(&ca, &[&ca], &[&theirs]);
    assert!(matches!(broken(&wrong), Break::BadSignature { issuer } if issuer.contains("Root CA")));
    assert_eq!(wrong.expires(), None);
    let untrusted = read(&ca, &[&ca, &ours], &[&root("Another CA")]);
    assert_eq!(broken(&untrusted), Break::NotTrusted);
    // While a root is being replaced both are there.
    assert!(read(&ca, &[&ca], &[&theirs, &ours]).path.is_verified());
}

#[test]
fn a_missing_link_is_named() {
    let root = root("Root CA");
    let middle = sign(params("Middle CA", BasicConstraints::Constrained(1)), &root);
    let ca = intermediate("Cluster a", &middle);
    assert_eq!(read(&ca, &[&ca, &middle], &[&root]).path.certificates().len(), 3);
    let why = broken(&read(&ca, &[&ca], &[&root]));
    assert!(matches!(why, Break::NoIssuer { issuer } if issuer.contains("Middle CA")));
}

#[test]
fn who_may_not_sign_ends_the_path() {
    let root = root("Root CA");
    let mut leaf = params("Leaf", BasicConstraints::Unconstrained);
    leaf.is_ca = IsCa::NoCa;
    let leaf = sign(leaf, &root);
    assert!(matches!(broken(&read(&leaf, &[&leaf], &[&root])), Break::MayNotSign { .. }));
    let short = root_of(params("Short CA", BasicConstraints::Constrained(0)));
    let ca = intermediate("Cluster a", &short);
    assert!(
        matches!(broken(&read(&ca, &[&ca], &[&short])), Break::MayNotSign { subject } if subject.contains("Short"))
    );
    assert!(read(&root, &[&root], &[&root]).path.is_verified(), "a root may sign by itself");
}

#[test]
fn missing_and_foreign_files_are_named() {
    let root = root("Root CA");
    let certs = CaCerts::read(&BTreeMap::from([
        (CA_CERT.to_owned(), root.pem.clone().into_bytes()),
        (CA_KEY.to_owned(), root.pem.clone().into_bytes()),
        (ROOT_CERT.to_owned(), root.key.clone().into_bytes()),
        (CERT_CHAIN.to_owned(), b"\n".to_vec()),
    ]));
    assert_eq!((&certs.missing[..], certs.key), (&[CERT_CHAIN.to_owned()][..], KeyFile::NotAKey));
    assert_eq!(certs.unreadable[0].file, ROOT_CERT);
    assert_eq!(certs.unreadable[0].why, "block 1 is a PRIVATE KEY");
    assert_eq!(certs.path, Path::NotBuilt);
    let none = CaCerts::read(&BTreeMap::new());
    assert_eq!((none.missing.len(), none.key, none.root_fingerprints().len()), (4, KeyFile::Missing, 0));
    let locked = root.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_eq!(key(locked.as_bytes()), KeyFile::Encrypted);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = [CA_CERT, CA_KEY, ROOT_CERT, CERT_CHAIN].map(|name| (name.to_owned(), body.clone()));
        let certs = CaCerts::read(&BTreeMap::from(files));
        prop_assert!(!certs.path.is_verified());
    }
}

#[test]
fn a_damaged_certificate_is_never_verified_as_the_whole_one() {
    let root = root("Root CA");
    let ca = intermediate("Cluster a", &root);
    for at in (30..ca.pem.len() - 30).step_by(7) {
        let mut damaged = ca.pem.clone().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        let files = [
            (CA_CERT.to_owned(), damaged),
            (ROOT_CERT.to_owned(), root.pem.clone().into_bytes()),
            (CERT_CHAIN.to_owned(), root.pem.clone().into_bytes()),
        ];
        assert!(!CaCerts::read(&BTreeMap::from(files)).path.is_verified(), "byte {at}");
    }
}
