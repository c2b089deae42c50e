//! What went through each host between two snapshots of one proxy. Counters prove flow where presence proves nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Address, Clusters, Stats};

/// What became of a host between the snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is in both: the figures are differences.
    Stayed,
    /// It is only in the later one: the figures are all it has counted.
    Appeared,
    /// It is in both, but a counter went back: proxy or host restarted, and the figures are what it has counted since.
    Restarted,
    /// It is only in the earlier one: the figures are zero and say nothing.
    Gone,
}

/// Counted through one host of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFlow {
    /// The cluster.
    pub cluster: String,
    /// The host.
    pub address: Address,
    /// Its priority, which tells two hosts of one address apart.
    pub priority: u32,
    /// What became of it. After a restart the figures are a lower bound.
    pub change: Change,
    /// Requests answered well.
    pub success: u64,
    /// Requests sent.
    pub total: u64,
    /// Requests that failed, those among them that never got a connection and are not in `total`.
    pub error: u64,
    /// Connections that failed.
    pub connect_fail: u64,
    /// Connections made.
    pub connected: u64,
}

type Key<'a> = (&'a str, &'a Address, u32);

/// Compares two snapshots of the same proxy, sorted by cluster and address.
///
/// Both must have been selected alike and neither cut off, or hosts appear that were there all along.
pub fn between(before: &Clusters, after: &Clusters) -> Vec<HostFlow> {
    let (before, after) = (hosts(before), hosts(after));
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| flow(*key, Change::Gone, [0; 5]));
    let mut flows: Vec<HostFlow> = after
        .iter()
        .map(|(key, stats)| match before.get(key) {
            None => flow(*key, Change::Appeared, counters(stats)),
            Some(earlier) => match difference(counters(earlier), counters(stats)) {
                Some(counted) => flow(*key, Change::Stayed, counted),
                None => flow(*key, Change::Restarted, counters(stats)),
            },
        })
        .chain(gone)
        .collect();
    flows.sort_by(|a, b| (&a.cluster, &a.address, a.priority).cmp(&(&b.cluster, &b.address, b.priority)));
    flows
}

fn hosts(clusters: &Clusters) -> BTreeMap<Key<'_>, &Stats> {
    clusters
        .clusters
        .iter()
        .flat_map(|c| c.hosts.iter().map(|h| ((c.name.as_str(), &h.address, h.priority), &h.stats)))
        .collect()
}

fn counters(stats: &Stats) -> [u64; 5] {
    [stats.rq_success, stats.rq_total, stats.rq_error, stats.cx_connect_fail, stats.cx_total]
}

fn difference(before: [u64; 5], after: [u64; 5]) -> Option<[u64; 5]> {
    let mut counted = [0; 5];
    for (slot, (before, after)) in counted.iter_mut().zip(before.into_iter().zip(after)) {
        *slot = after.checked_sub(before)?;
    }
    Some(counted)
}

fn flow((cluster, address, priority): Key<'_>, change: Change, counted: [u64; 5]) -> HostFlow {
    let [success, total, error, connect_fail, connected] = counted;
    let (cluster, address) = (cluster.to_owned(), address.clone());
    HostFlow { cluster, address, priority, change, success, total, error, connect_fail, connected }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::observe::envoy::{Select, parse_text};

    fn snapshot(hosts: &[(&str, u64, u64)]) -> Clusters {
        let mut text = "c::observability_name::c\n".to_owned();
        for (address, success, fail) in hosts {
            for (key, value) in [("cx_active", &1), ("cx_connect_fail", fail), ("rq_success", success)] {
                let _ = writeln!(text, "c::{address}::{key}::{value}");
            }
            let _ = writeln!(text, "c::{address}::rq_total::{success}");
        }
        parse_text(text.as_bytes(), Select::All).unwrap()
    }

    #[test]
    fn every_change_is_told_apart() {
        let before = snapshot(&[("10.0.0.1:80", 100, 0), ("10.0.0.2:80", 50, 1), ("10.0.0.3:80", 7, 0)]);
        let after = snapshot(&[("10.0.0.1:80", 130, 0), ("10.0.0.2:80", 4, 0), ("10.0.0.4:80", 9, 3)]);
        let got: Vec<_> = between(&before, &after)
            .into_iter()
            .map(|f| (f.address.to_string(), f.change, f.success, f.connect_fail))
            .collect();
        assert_eq!(
            got,
            [
                ("10.0.0.1:80".to_owned(), Change::Stayed, 30, 0),
                ("10.0.0.2:80".to_owned(), Change::Restarted, 4, 0),
                ("10.0.0.3:80".to_owned(), Change::Gone, 0, 0),
                ("10.0.0.4:80".to_owned(), Change::Appeared, 9, 3),
            ]
        );
    }

    #[test]
    fn a_dead_gateway_shows_in_connect_failures_only() {
        let flows = between(&snapshot(&[("10.0.0.1:15443", 900, 0)]), &snapshot(&[("10.0.0.1:15443", 900, 3)]));
        assert_eq!((flows[0].success, flows[0].total, flows[0].connect_fail), (0, 0, 3));
    }

    proptest! {
        #[test]
        fn nothing_happened_between_a_snapshot_and_itself(counts in prop::collection::vec((1u8..250, 0u64..1_000, 0u64..9), 0..20)) {
            let names: Vec<String> = counts.iter().map(|(last, ..)| format!("10.0.0.{last}:80")).collect();
            let hosts: Vec<_> = names.iter().zip(&counts).map(|(name, c)| (name.as_str(), c.1, c.2)).collect();
            let taken = snapshot(&hosts);
            prop_assert!(between(&taken, &taken).iter().all(|f| f.change == Change::Stayed && f.total == 0));
        }
    }
}
