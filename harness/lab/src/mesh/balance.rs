//! How a proxy picks an endpoint of an Envoy cluster, and the counters and ejections of each endpoint.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::destination_rule::Outlier;
use super::snapshot::{Endpoint, Upstream};
use crate::clock::Ms;
use crate::rng::Rng;

/// Address of an endpoint.
pub(crate) type Address = (Ipv4Addr, u16);

/// Counters and health of one endpoint, as `/clusters` shows them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostStats {
    pub(crate) connects: u64,
    pub(crate) connect_fails: u64,
    pub(crate) requests: u64,
    pub(crate) successes: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) connected: bool,
    pub(crate) active: u64,
    consecutive: u32,
    ejections: u32,
    ejected_until: Option<Ms>,
}

impl HostStats {
    pub(crate) fn ejected(&self, now: Ms) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// Ejects the endpoint for some milliseconds, without a failure.
    pub(crate) fn eject(&mut self, now: Ms, length: Ms) {
        self.ejections += 1;
        self.ejected_until = Some(now + length);
    }
}

/// How often a retry picks again before it uses an endpoint that was tried (`host_selection_retry_max_attempts`).
const OTHER_HOSTS: usize = 5;

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// The upstream answered 5xx.
    Error,
    /// The connection broke during the request.
    Reset,
    /// No connection.
    ConnectFail,
    /// Connected, but no response within `perTryTimeout`.
    Timeout,
    /// There was no healthy endpoint.
    NoHost,
}

/// The state of one proxy for one Envoy cluster.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    credit: BTreeMap<&'static str, f64>,
    pub(crate) hosts: BTreeMap<Address, HostStats>,
}

impl Balancer {
    /// Picks an endpoint for a new attempt. A retry prefers endpoints that were not `tried`.
    pub(crate) fn pick<'a>(
        &mut self,
        upstream: &'a Upstream,
        now: Ms,
        tried: &[Address],
        rng: &mut Rng,
    ) -> Option<&'a Endpoint> {
        let mut picked = self.pick_any(upstream, now, !tried.is_empty(), rng)?;
        for _ in 0..OTHER_HOSTS {
            if !tried.contains(&(picked.ip, picked.port)) {
                break;
            }
            picked = self.pick_any(upstream, now, true, rng)?;
        }
        Some(picked)
    }

    /// Picks an endpoint. First attempts follow the locality weights almost exactly, retries are random.
    fn pick_any<'a>(&mut self, upstream: &'a Upstream, now: Ms, retry: bool, rng: &mut Rng) -> Option<&'a Endpoint> {
        let usable =
            |endpoint: &&Endpoint| !self.hosts.get(&(endpoint.ip, endpoint.port)).is_some_and(|host| host.ejected(now));
        let healthy: Vec<&Endpoint> = upstream.endpoints.iter().filter(usable).collect();
        let priority = healthy.iter().map(|endpoint| endpoint.priority).min()?;
        let healthy: Vec<&Endpoint> = healthy.into_iter().filter(|endpoint| endpoint.priority == priority).collect();
        if healthy.iter().all(|endpoint| endpoint.share.is_none()) {
            return weighted(&healthy, |endpoint| f64::from(endpoint.weight), rng);
        }
        let mut regions: BTreeMap<&'static str, (f64, f64)> = BTreeMap::new();
        for endpoint in &upstream.endpoints {
            let entry = regions.entry(endpoint.region).or_default();
            entry.0 += 1.0;
        }
        for endpoint in &healthy {
            regions.entry(endpoint.region).or_default().1 += 1.0;
        }
        let weight = |region: &str| {
            let share = upstream
                .endpoints
                .iter()
                .find(|endpoint| endpoint.region == region)
                .and_then(|endpoint| endpoint.share)
                .unwrap_or(0);
            let (all, well) = regions.get(region).copied().unwrap_or((1.0, 0.0));
            f64::from(share) * (1.4 * well / all).min(1.0)
        };
        let candidates: Vec<(&'static str, f64)> =
            regions.keys().map(|region| (*region, weight(region))).filter(|(_, weight)| *weight > 0.0).collect();
        let region = if retry {
            weighted(&candidates, |x| x.1, rng).map(|x| x.0)?
        } else {
            let total: f64 = candidates.iter().map(|x| x.1).sum();
            for (region, weight) in &candidates {
                *self.credit.entry(region).or_default() += weight / total;
            }
            let best = candidates.iter().max_by(|a, b| self.credit[a.0].total_cmp(&self.credit[b.0]))?.0;
            *self.credit.entry(best).or_default() -= 1.0;
            best
        };
        let there: Vec<&Endpoint> = healthy.into_iter().filter(|endpoint| endpoint.region == region).collect();
        weighted(&there, |endpoint| f64::from(endpoint.weight), rng)
    }

    /// Counts the start of an attempt.
    pub(crate) fn begin(&mut self, address: Address) {
        self.hosts.entry(address).or_default().active += 1;
    }

    /// Counts the end of an attempt, and ejects the endpoint if outlier detection does. Sweeps run every interval from `since`.
    pub(crate) fn report(&mut self, upstream: &Upstream, address: Address, outcome: Outcome, now: Ms, since: Ms) {
        let total = u32::try_from(upstream.endpoints.len()).unwrap_or(u32::MAX).max(1);
        let ejected = self.hosts.values().filter(|host| host.ejected(now)).count();
        let host = self.hosts.entry(address).or_default();
        host.active = host.active.saturating_sub(1);
        if outcome == Outcome::ConnectFail {
            host.connects += 1;
            host.connect_fails += 1;
            host.errors += 1;
            host.connected = false;
        } else {
            if !host.connected {
                host.connects += 1;
            }
            host.connected = outcome != Outcome::Reset;
            host.requests += 1;
            match outcome {
                Outcome::Success => host.successes += 1,
                Outcome::Timeout => {
                    host.timeouts += 1;
                    host.errors += 1;
                }
                Outcome::Error | Outcome::Reset | Outcome::ConnectFail | Outcome::NoHost => host.errors += 1,
            }
        }
        if outcome == Outcome::Success {
            host.consecutive = 0;
            return;
        }
        host.consecutive += 1;
        let Some(Outlier { consecutive, interval, base, max_percent }) = upstream.policy.outlier else { return };
        let share = u32::try_from(ejected).unwrap_or(0) * 100 / total;
        if host.consecutive >= consecutive && !host.ejected(now) && (share < max_percent) {
            host.consecutive = 0;
            host.ejections += 1;
            let over = now + base * Ms::from(host.ejections);
            host.ejected_until = Some(since + ((over - since) / interval + 1) * interval);
        }
    }
}

fn weighted<T: Copy>(list: &[T], weight: impl Fn(&T) -> f64, rng: &mut Rng) -> Option<T> {
    let total: f64 = list.iter().map(&weight).sum();
    let mut at = rng.unit() * total;
    for one in list {
        at -= weight(one);
        if at < 0.0 {
            return Some(*one);
        }
    }
    list.last().copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mesh::destination_rule::TrafficPolicy;

    fn upstream() -> Upstream {
        let outlier = Outlier { consecutive: 3, interval: 10_000, base: 30_000, max_percent: 50 };
        let end = |last, region, share| Endpoint {
            ip: Ipv4Addr::new(10, 0, 0, last),
            port: 1,
            weight: 1,
            owner: 0,
            region,
            zone: String::new(),
            gateway: false,
            priority: 0,
            workload: String::new(),
            share: Some(share),
        };
        Upstream {
            name: "x".into(),
            host: "x".into(),
            port: 1,
            subset: String::new(),
            endpoints: vec![end(1, "a", 70), end(2, "b", 30)],
            policy: Arc::new(TrafficPolicy { outlier: Some(outlier), ..TrafficPolicy::default() }),
        }
    }

    #[test]
    fn locality_weights_hold_almost_exactly() {
        let (upstream, mut balancer, mut rng) = (upstream(), Balancer::default(), Rng::new(1));
        let near = (0..1000).filter(|_| balancer.pick(&upstream, 0, &[], &mut rng).unwrap().region == "a").count();
        assert!((699..=701).contains(&near), "{near}");
    }

    #[test]
    fn three_failures_eject_until_a_sweep_after_the_base_time() {
        let (upstream, mut balancer, mut rng) = (upstream(), Balancer::default(), Rng::new(1));
        let address = (Ipv4Addr::new(10, 0, 0, 2), 1);
        for _ in 0..3 {
            balancer.report(&upstream, address, Outcome::ConnectFail, 1_000, 0);
        }
        assert_eq!(balancer.hosts[&address].requests, 0, "requests that never connected are not counted");
        let mut far =
            |at| (0..100).filter(|_| balancer.pick(&upstream, at, &[], &mut rng).unwrap().region == "b").count();
        assert_eq!((far(1_000), far(39_000)), (0, 0));
        assert!(far(40_001) > 20);
    }

    #[test]
    fn no_more_than_the_allowed_share_is_ejected() {
        let (upstream, mut balancer, mut rng) = (upstream(), Balancer::default(), Rng::new(1));
        for last in [1, 2] {
            for _ in 0..5 {
                balancer.report(&upstream, (Ipv4Addr::new(10, 0, 0, last), 1), Outcome::Error, 0, 0);
            }
        }
        assert_eq!(balancer.pick(&upstream, 5, &[], &mut rng).unwrap().region, "b");
    }
}
