//! `trustRoot`: a cluster's signing certificate chains to its root and is valid for long enough, its control plane
//! distributes that root, and every other cluster of the mesh has the same root.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use futures::future::BoxFuture;
use meshdrill_checks::observe::certs::{CaCerts, KeyFile, Path, ROOT_CERT};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Outcome, ProbeError};
use crate::clock::Clock;
use crate::cluster::{Cluster, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// The CA of a cluster: its chain, key and expiry, the root that istiod distributes, and the same root in all clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustRoot {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace of the Secret; default `istio-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The Secret; default `cacerts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long all its certificates must still be valid, such as `720h`; default 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<TimeSpan>,
}

const VALID_FOR: TimeSpan = TimeSpan::secs(30 * 86_400);
/// The `ConfigMap` in which istiod distributes the root to workloads.
const HANDED_OUT: &str = "istio-ca-root-cert";

impl TrustRoot {
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("istio-system")
    }

    fn secret(&self) -> &str {
        self.secret.as_deref().unwrap_or("cacerts")
    }
}

impl Observation for TrustRoot {
    fn describe(&self) -> String {
        format!("Secret {}/{} ({}) and the roots of the other clusters", self.namespace(), self.secret(), self.cluster)
    }

    fn subject(&self) -> String {
        self.secret().to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let need = |key: &String| {
            ["secrets", "configmaps"].map(|what| Permission::new(key, self.namespace(), "", what, "get"))
        };
        // The root is compared with that of every other cluster.
        mesh.clusters.keys().flat_map(need).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            // Where there is no control plane, nothing is signed.
            let primaries = world.inventory().primaries(&world.keys());
            let signs = |other: &&Arc<Cluster>| other.key != cluster.key && primaries.contains(&other.key);
            let others = world.clusters.values().filter(signs).cloned().collect();
            Ok(Box::new(RootObserver { cluster, others, clock: world.clock, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct RootObserver {
    cluster: Arc<Cluster>,
    others: Vec<Arc<Cluster>>,
    clock: Clock,
    spec: TrustRoot,
}

impl RootObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let (key, name) = (&self.cluster.key, format!("{}/{}", self.spec.namespace(), self.spec.secret()));
        let Some(own) = self.bundle(&self.cluster).await? else {
            let message =
                format!("Secret {name} ({key}) does not exist, so the control plane signs with a root of its own");
            return Ok(Outcome::judged(false, message, Value::Null));
        };
        let mut missed = wrong(&own, self.clock.wall_now(), self.spec.valid_for.unwrap_or(VALID_FOR));
        let roots = own.root_fingerprints();
        for other in &self.others {
            match self.bundle(other).await? {
                Some(theirs) if theirs.root_fingerprints() == roots => {}
                Some(theirs) => missed.push(format!(
                    "its root {} is not the root of {}, {}",
                    short(&roots),
                    other.key,
                    short(&theirs.root_fingerprints())
                )),
                None => missed.push(format!("{} has no Secret {name}", other.key)),
            }
        }
        if let Some(handed_out) = self.handed_out().await?
            && handed_out.root_fingerprints() != roots
        {
            missed.push(format!(
                "its control plane distributes the root {}, but the Secret has {}; restart istiod, or check which Secret it reads",
                short(&handed_out.root_fingerprints()),
                short(&roots)
            ));
        }
        let expires = own.expires();
        let seen = json!({ "roots": own.root_fingerprints(), "expires": expires.map(|at| at.to_string()) });
        let message = match missed.as_slice() {
            [] => format!(
                "root {} in {} clusters, chain verified, valid until {} ({key})",
                short(&roots),
                self.others.len() + 1,
                expires.map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string())
            ),
            missed => format!("{} (Secret {name} in {key})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }

    async fn bundle(&self, cluster: &Cluster) -> Result<Option<CaCerts>, ProbeError> {
        let path = format!("/api/v1/namespaces/{}/secrets/{}", self.spec.namespace(), self.spec.secret());
        let Some(secret) = cluster.find::<Value>(&path).await? else { return Ok(None) };
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
        let entries = secret["data"].as_object().into_iter().flatten();
        let files: BTreeMap<String, Vec<u8>> =
            entries.filter_map(|(name, value)| Some((name.clone(), decode(value.as_str()?)?))).collect();
        Ok(Some(CaCerts::read(&files)))
    }

    /// The root that istiod distributes to workloads.
    async fn handed_out(&self) -> Result<Option<CaCerts>, ProbeError> {
        let path = format!("/api/v1/namespaces/{}/configmaps/{HANDED_OUT}", self.spec.namespace());
        let Some(map) = self.cluster.find::<Value>(&path).await? else { return Ok(None) };
        let root = map["data"][ROOT_CERT].as_str().unwrap_or_default().as_bytes().to_vec();
        Ok(Some(CaCerts::read(&BTreeMap::from([(ROOT_CERT.to_owned(), root)]))))
    }
}

/// What is wrong with one cluster's files.
fn wrong(certs: &CaCerts, now: jiff::Timestamp, valid_for: TimeSpan) -> Vec<String> {
    let mut missed = Vec::new();
    if !certs.missing.is_empty() {
        missed.push(format!("it lacks {}", certs.missing.join(", ")));
    }
    missed.extend(certs.unreadable.iter().map(|one| format!("{} cannot be read: {}", one.file, one.why)));
    match certs.key {
        KeyFile::Encrypted => missed.push("ca-key.pem is encrypted, and istiod cannot decrypt it".to_owned()),
        KeyFile::NotAKey => missed.push("ca-key.pem is not a private key".to_owned()),
        KeyFile::Key | KeyFile::Missing => {}
    }
    if let Path::Broken { subject, why } = &certs.path {
        missed.push(format!("the chain to the root breaks at {subject}: {why:?}"));
    }
    let all = certs.path.certificates().iter().chain(&certs.ca).chain(&certs.chain).chain(&certs.roots);
    let soonest = all.min_by_key(|certificate| certificate.not_after);
    if let Some(first) =
        soonest.filter(|first| first.not_after.duration_since(now).as_secs_f64() < valid_for.as_secs_f64())
    {
        let days = first.not_after.duration_since(now).as_hours() / 24;
        let date = first.not_after.strftime("%Y-%m-%d");
        missed.push(if first.not_after < now {
            format!("{} expired on {date}", first.subject)
        } else {
            format!("{} expires on {date}, in {days} days, expected at least {valid_for}", first.subject)
        });
    }
    missed
}

/// The first characters of each fingerprint.
fn short(fingerprints: &std::collections::BTreeSet<&str>) -> String {
    if fingerprints.is_empty() {
        return "(none)".to_owned();
    }
    fingerprints.iter().map(|one| one.get(..12).unwrap_or(one)).collect::<Vec<_>>().join("+")
}

impl Observer for RootObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
