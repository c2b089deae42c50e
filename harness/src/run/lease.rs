//! One holder per cluster: a `Lease` named `meshdrill`, renewed while a drill runs. Losing it means stop and undo.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use meshdrill_checks::record::Phase;
use serde_json::{Value, json};
use tokio::sync::watch;
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

/// Gets what is waited for, in words.
pub(super) type Waiting<'a> = &'a (dyn Fn(String) + Sync);

/// What a run says of itself in its lease, as annotations.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// The scenario.
    pub scenario: String,
    /// Who runs it.
    pub by: Option<String>,
    /// The change that it is part of.
    pub ticket: Option<String>,
    /// Its phase.
    pub phase: watch::Receiver<Phase>,
}

/// The annotations of an account; of what they do not say, those of an earlier holder are removed.
const SCENARIO: &str = "meshdrill.io/scenario";
const BY: &str = "meshdrill.io/by";
const TICKET: &str = "meshdrill.io/ticket";
const PHASE: &str = "meshdrill.io/phase";

/// Writes the account of its holder into a lease.
fn annotate(lease: &mut Value, account: Option<&Account>) {
    let annotations = &mut lease["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    let values = [
        (SCENARIO, account.map(|account| account.scenario.clone())),
        (BY, account.and_then(|account| account.by.clone())),
        (TICKET, account.and_then(|account| account.ticket.clone())),
        (PHASE, account.map(|account| account.phase.borrow().word().to_owned())),
    ];
    let Some(known) = annotations.as_object_mut() else { return };
    for (key, value) in values {
        match value {
            Some(value) => known.insert(key.to_owned(), value.into()),
            None => known.remove(key),
        };
    }
}

/// The account of the holder of a lease, in words: `run of failover by ada, ticket CHG-7, in phase hold`.
fn account_of(lease: &Value) -> Option<String> {
    let text = |key: &str| lease["metadata"]["annotations"][key].as_str();
    let mut words = format!("run of {}", text(SCENARIO)?);
    for (before, key) in [(" by ", BY), (", ticket ", TICKET), (", in phase ", PHASE)] {
        if let Some(value) = text(key) {
            words = words + before + value;
        }
    }
    Some(words)
}

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
/// our own clock, is taken over; without `waiting`, a lease that someone holds is refused at once. `waiting` gets what is
/// waited for at once, and again whenever the holder renews.
pub(super) async fn acquire(
    cluster: &Arc<Cluster>,
    namespace: &str,
    holder: &str,
    account: Option<&Account>,
    waiting: Option<Waiting<'_>>,
    interrupts: &Interrupts,
) -> Result<Held, ProbeError> {
    let path = path(namespace);
    let mut fresh = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": NAME, "namespace": namespace }, "spec": spec(holder) });
    annotate(&mut fresh, account);
    let mut seen: Option<(Value, Instant)> = None;
    let mut renewals = 0;
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
                let first = seen.replace((renewed.clone(), Instant::now())).is_none();
                let stale = expired_long_ago(&renewed);
                renewals += u32::from(!first);
                if let Some(waiting) = waiting.filter(|_| !stale && !owner.is_empty() && owner != holder) {
                    waiting(holder_waited_for(&owner, renewals));
                }
                stale
            }
        };
        if owner.is_empty() || owner == holder || stale {
            let mut ours = current;
            ours["spec"] = spec(holder);
            annotate(&mut ours, account);
            match cluster.send(http::Method::PUT, &format!("{path}/{NAME}"), "application/json", &ours).await {
                Ok(_) => break,
                Err(error) if error.is_conflict() => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if waiting.is_none() {
            return Err(locked(cluster, namespace, &owner));
        }
        sleep(Duration::from_secs(1)).await;
    }
    let (namespace, holder) = (namespace.to_owned(), holder.to_owned());
    let renewing = Renewing {
        cluster: Arc::clone(cluster),
        namespace: namespace.clone(),
        holder: holder.clone(),
        account: account.cloned(),
    };
    let renewal = tokio::spawn(renewing.renew(interrupts.clone()));
    Ok(Held { cluster: Arc::clone(cluster), namespace, holder, renewal })
}

/// What is waited for: how long the lease of its holder still holds, and whether that run lives.
fn holder_waited_for(owner: &str, renewals: u32) -> String {
    let left = DURATION.as_secs();
    match renewals {
        0 => format!("waiting for {owner}, which holds the Lease: it expires in {left} s if that run is dead"),
        1 => format!("{owner} is alive: it has renewed its Lease; waiting until that run ends"),
        _ => format!("waiting for {owner}, which is alive; its Lease expires in {left} s unless renewed"),
    }
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

/// A lease while it is held.
struct Renewing {
    cluster: Arc<Cluster>,
    namespace: String,
    holder: String,
    account: Option<Account>,
}

impl Renewing {
    async fn renew(mut self, interrupts: Interrupts) {
        let mut renewed = Instant::now();
        loop {
            self.wait().await;
            match self.renew_once().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => {
                    return interrupts.interrupt(format!("the loss of the lease of cluster `{}`", self.cluster.key));
                }
                // The API server may be away because the drill took it away; the lease is lost when its time is up.
                Err(_) if renewed.elapsed() < DURATION => {}
                Err(error) => {
                    let key = &self.cluster.key;
                    return interrupts.stop(format!("the expiry of the lease of cluster `{key}` ({error})"));
                }
            }
            if let Ok(Some(why)) = halted(&self.cluster, &self.namespace).await {
                return interrupts.interrupt(format!("halt: {why}"));
            }
        }
    }

    /// Until the lease is to be renewed: in time, and when the phase of the run changes.
    async fn wait(&mut self) {
        let time = sleep(RENEW_EVERY);
        match &mut self.account {
            None => time.await,
            Some(account) => {
                // A run whose recorder has ended has no more phases.
                let changed = async {
                    if account.phase.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = time => {}
                    () = changed => {}
                }
            }
        }
    }

    /// False if the lease is no longer ours.
    async fn renew_once(&self) -> Result<bool, AccessError> {
        let path = format!("{}/{NAME}", path(&self.namespace));
        let Some(mut lease) = self.cluster.find::<Object>(&path).await? else { return Ok(false) };
        if lease["spec"]["holderIdentity"] != self.holder.as_str() {
            return Ok(false);
        }
        lease["spec"]["renewTime"] = now().into();
        annotate(&mut lease, self.account.as_ref());
        match self.cluster.send(http::Method::PUT, &path, "application/json", &lease).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(true),
        }
    }
}

/// The holder of a lease, as it was read.
#[derive(Debug)]
pub(super) struct Holder {
    /// `RUN@HOST`.
    name: String,
    /// What its run says of itself; none where it says nothing.
    account: Option<String>,
    /// How long ago the lease was renewed, by the clocks of two machines; none where it does not say.
    renewed: Option<Duration>,
}

impl Holder {
    /// Whether it renews its lease, so that its run goes on.
    pub fn is_live(&self) -> bool {
        self.renewed.is_some_and(|ago| ago < DURATION)
    }

    /// The id of its run.
    pub fn run(&self) -> &str {
        self.name.split('@').next().unwrap_or_default()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ago = self.renewed.map_or_else(|| "never".to_owned(), |ago| format!("{} s ago", ago.as_secs()));
        if self.is_live() {
            write!(f, "held by {}: live, renewed {ago}", self.name)?;
        } else {
            write!(f, "held by {}: dead, its Lease was renewed {ago}", self.name)?;
        }
        self.account.as_ref().map_or(Ok(()), |account| write!(f, "; {account}"))
    }
}

/// Who holds the lease of a cluster, if anyone does.
pub(super) async fn holder(cluster: &Cluster, namespace: &str) -> Result<Option<Holder>, AccessError> {
    let lease = cluster.find::<Object>(&format!("{}/{NAME}", path(namespace))).await?.unwrap_or_default();
    let renewed: Option<Timestamp> = lease["spec"]["renewTime"].as_str().and_then(|text| text.parse().ok());
    // A clock that is ahead has renewed it in our future: just now.
    let renewed = renewed.map(|at| Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default());
    let name = lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty());
    Ok(name.map(|name| Holder { name: name.to_owned(), account: account_of(&lease), renewed }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_renews_is_live() {
        let holder =
            |secs| Holder { name: "0a1b@ci-7".to_owned(), account: None, renewed: Some(Duration::from_secs(secs)) };
        assert_eq!(holder(3).to_string(), "held by 0a1b@ci-7: live, renewed 3 s ago");
        assert_eq!(holder(40).to_string(), "held by 0a1b@ci-7: dead, its Lease was renewed 40 s ago");
        assert_eq!(holder(3).run(), "0a1b");
    }

    #[test]
    fn a_lease_says_whose_run_it_is_and_nothing_of_an_earlier_holder() {
        let account = |by: Option<&str>, ticket: Option<&str>| Account {
            scenario: "failover".to_owned(),
            by: by.map(str::to_owned),
            ticket: ticket.map(str::to_owned),
            phase: watch::Sender::new(Phase::Hold).subscribe(),
        };
        let mut lease = json!({ "metadata": { "annotations": { "team": "mesh" } } });
        annotate(&mut lease, Some(&account(Some("Ada"), Some("CHG-7"))));
        assert_eq!(account_of(&lease).as_deref(), Some("run of failover by Ada, ticket CHG-7, in phase hold"));
        annotate(&mut lease, Some(&account(None, None)));
        assert_eq!(account_of(&lease).as_deref(), Some("run of failover, in phase hold"));
        annotate(&mut lease, None);
        assert_eq!(account_of(&lease), None);
        assert_eq!(lease["metadata"]["annotations"], json!({ "team": "mesh" }));
    }
}
