//! One holder per cluster: a `Lease` named `meshdrill`, renewed while a drill runs. Losing it means stop and undo.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Interrupts;
use super::halt::halted;
use crate::cluster::{AccessError, Cluster, Object};
use crate::probe::ProbeError;

/// How long a lease holds without being renewed.
pub(super) const DURATION: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
const NAME: &str = "meshdrill";

/// A lease that is held and renewed.
#[derive(Debug)]
pub(super) struct Held {
    cluster: Arc<Cluster>,
    namespace: String,
    holder: String,
    renewal: JoinHandle<()>,
}

fn path(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
}

fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

fn spec(holder: &str) -> Value {
    json!({ "holderIdentity": holder, "leaseDurationSeconds": DURATION.as_secs(), "acquireTime": now(), "renewTime": now() })
}

/// Takes the lease of a cluster, or reports its holder. A lease whose holder does not renew it for its whole duration, by
/// our own clock, is taken over; without `wait`, a lease that someone holds is refused at once.
pub(super) async fn acquire(
    cluster: &Arc<Cluster>,
    namespace: &str,
    holder: &str,
    wait: bool,
    interrupts: &Interrupts,
) -> Result<Held, ProbeError> {
    let path = path(namespace);
    let fresh = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": NAME, "namespace": namespace }, "spec": spec(holder) });
    let mut seen: Option<(Value, Instant)> = None;
    loop {
        match cluster.send(http::Method::POST, &path, "application/json", &fresh).await {
            Ok(_) => break,
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let Some(current) = cluster.find::<Object>(&format!("{path}/{NAME}")).await? else { continue };
        let owner = current["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        let renewed = current["spec"]["renewTime"].clone();
        let stale = match &seen {
            Some((before, since)) if *before == renewed => since.elapsed() >= DURATION,
            _ => {
                seen = Some((renewed.clone(), Instant::now()));
                expired_long_ago(&renewed)
            }
        };
        if owner.is_empty() || owner == holder || stale {
            let mut ours = current;
            ours["spec"] = spec(holder);
            match cluster.send(http::Method::PUT, &format!("{path}/{NAME}"), "application/json", &ours).await {
                Ok(_) => break,
                Err(error) if error.is_conflict() => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if !wait {
            return Err(locked(cluster, namespace, &owner));
        }
        sleep(Duration::from_secs(1)).await;
    }
    let renewal = tokio::spawn(renew(Arc::clone(cluster), namespace.to_owned(), holder.to_owned(), interrupts.clone()));
    Ok(Held { cluster: Arc::clone(cluster), namespace: namespace.to_owned(), holder: holder.to_owned(), renewal })
}

/// Whether a run could take the lease of a cluster at once: nobody has it, or its holder has let it expire long ago.
pub(super) async fn free(cluster: &Cluster, namespace: &str) -> Result<(), ProbeError> {
    let Some(lease) = cluster.find::<Object>(&format!("{}/{NAME}", path(namespace))).await? else { return Ok(()) };
    let owner = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    if owner.is_empty() || expired_long_ago(&lease["spec"]["renewTime"]) {
        return Ok(());
    }
    Err(locked(cluster, namespace, owner))
}

fn locked(cluster: &Cluster, namespace: &str, owner: &str) -> ProbeError {
    ProbeError(format!(
        "cluster `{}` is locked by another run: {owner} (lease {namespace}/{NAME}); wait for it, or `meshdrill recover` if it is dead",
        cluster.key
    ))
}

/// Clocks of machines differ by seconds, not by minutes.
fn expired_long_ago(renewed: &Value) -> bool {
    let renewed: Option<Timestamp> = renewed.as_str().and_then(|text| text.parse().ok());
    renewed.is_some_and(|renewed| Timestamp::now().duration_since(renewed) > jiff::SignedDuration::from_mins(2))
}

async fn renew(cluster: Arc<Cluster>, namespace: String, holder: String, interrupts: Interrupts) {
    let mut renewed = Instant::now();
    loop {
        sleep(RENEW_EVERY).await;
        match renew_once(&cluster, &namespace, &holder).await {
            Ok(true) => renewed = Instant::now(),
            Ok(false) => return interrupts.interrupt(format!("the loss of the lease of cluster `{}`", cluster.key)),
            // The API server may be away because the drill took it away; the lease is lost when its time is up.
            Err(_) if renewed.elapsed() < DURATION => {}
            Err(error) => {
                return interrupts.stop(format!("the expiry of the lease of cluster `{}` ({error})", cluster.key));
            }
        }
        if let Ok(Some(why)) = halted(&cluster, &namespace).await {
            return interrupts.interrupt(format!("halt: {why}"));
        }
    }
}

/// False if the lease is no longer ours.
async fn renew_once(cluster: &Cluster, namespace: &str, holder: &str) -> Result<bool, AccessError> {
    let path = format!("{}/{NAME}", path(namespace));
    let Some(mut lease) = cluster.find::<Object>(&path).await? else { return Ok(false) };
    if lease["spec"]["holderIdentity"] != holder {
        return Ok(false);
    }
    lease["spec"]["renewTime"] = now().into();
    match cluster.send(http::Method::PUT, &path, "application/json", &lease).await {
        Err(error) if !error.is_conflict() => Err(error),
        _ => Ok(true),
    }
}

/// Who holds the lease of a cluster, if anyone does.
pub(super) async fn holder(cluster: &Cluster, namespace: &str) -> Result<Option<String>, AccessError> {
    let lease = cluster.find::<Object>(&format!("{}/{NAME}", path(namespace))).await?.unwrap_or_default();
    Ok(lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned))
}

impl Held {
    /// Gives the lease back.
    pub async fn release(self) -> Result<(), AccessError> {
        self.renewal.abort();
        let path = format!("{}/{NAME}", path(&self.namespace));
        let Some(lease) = self.cluster.find::<Object>(&path).await? else { return Ok(()) };
        if lease["spec"]["holderIdentity"] != self.holder.as_str() {
            return Ok(());
        }
        let version = json!({ "preconditions": { "resourceVersion": lease.resource_version() } });
        self.cluster.delete(&path, &version).await
    }
}
