//! Requests to some endpoints, as proxies have counted them since a first look. An endpoint may be healthy and a gateway may
//! accept connections while no request is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meshdrill_checks::observe::envoy::{Cluster as EnvoyCluster, Clusters, Host, flow};
use tokio::time::Instant;

/// How long proxies are watched before "no request was sent" is a result: an endpoint is ejected for 30 s at first.
const WATCHED: Duration = Duration::from_secs(35);

/// What proxies had counted at first, by the UID of their pods.
pub(super) struct FirstLook {
    at: Instant,
    proxies: BTreeMap<String, Clusters>,
}

/// What they have counted since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    answered: u64,
    failed: u64,
    watched: Duration,
}

impl FirstLook {
    pub fn new(proxies: BTreeMap<String, Clusters>) -> Self {
        Self { at: Instant::now(), proxies }
    }

    /// Nothing yet, for as long as the proxies have been watched.
    pub fn nothing(&self) -> Counted {
        Counted { watched: self.at.elapsed(), ..Counted::default() }
    }

    /// Adds what one proxy has counted for the hosts that are meant, by the clusters that it has now.
    pub fn add(
        &self,
        counted: &mut Counted,
        uid: &str,
        now: &Clusters,
        is_meant: impl Fn(&EnvoyCluster, &Host) -> bool,
    ) {
        let Some(before) = self.proxies.get(uid) else { return };
        let hosts = now.clusters.iter().flat_map(|cluster| cluster.hosts.iter().map(move |host| (cluster, host)));
        let meant: BTreeSet<_> = hosts
            .filter(|(cluster, host)| is_meant(cluster, host))
            .map(|(cluster, host)| (cluster.name.as_str(), &host.address, host.priority))
            .collect();
        for flow in flow::between(before, now) {
            if meant.contains(&(flow.cluster.as_str(), &flow.address, flow.priority)) {
                counted.answered += flow.success;
                counted.failed += flow.error;
            }
        }
    }
}

impl Counted {
    /// What it shows of a cluster: requests there were answered, or none was sent for long enough. An error says what is missing.
    pub fn judge(self, key: &str) -> Result<String, String> {
        let Self { answered, failed, watched } = self;
        let seconds = format!("{:.1}", watched.as_secs_f64());
        match (answered, failed) {
            (0, 0) if watched < WATCHED => Err(format!("no request to endpoints of {key} yet, in {seconds} s")),
            (0, 0) => Ok(format!("no request was sent to endpoints of {key} in {seconds} s")),
            (0, failed) => {
                Err(format!("no request to endpoints of {key} was answered in {seconds} s, and {failed} failed"))
            }
            (answered, failed) => Ok(format!(
                "{answered} requests to endpoints of {key} were answered in {seconds} s, and {failed} failed"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_once_it_has_lasted_and_failures_without_an_answer_never_pass() {
        let counted = |answered, failed, seconds| Counted { answered, failed, watched: Duration::from_secs(seconds) };
        assert!(counted(0, 0, 34).judge("us").is_err());
        assert_eq!(counted(0, 0, 35).judge("us").unwrap(), "no request was sent to endpoints of us in 35.0 s");
        let failed = counted(0, 7, 80).judge("us").unwrap_err();
        assert_eq!(failed, "no request to endpoints of us was answered in 80.0 s, and 7 failed");
        assert!(counted(1, 7, 1).judge("us").is_ok());
    }
}
