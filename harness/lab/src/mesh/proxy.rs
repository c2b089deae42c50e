//! One Envoy: its configuration, and its state per Envoy cluster.

use std::collections::HashMap;
use std::sync::Arc;

use super::balance::{Address, Balancer, Outcome};
use super::snapshot::{Endpoint, Snapshot, Upstream};
use crate::clock::Ms;
use crate::rng::Rng;

/// A sidecar or gateway proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) started: Ms,
    /// The last accepted push; none before the first.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// Rejects every push.
    pub(crate) stale: bool,
    pub(crate) balancers: HashMap<Arc<str>, Balancer>,
    pub(crate) downstream: u64,
}

impl Proxy {
    pub(crate) fn new(started: Ms) -> Self {
        Self { started, snapshot: None, stale: false, balancers: HashMap::new(), downstream: 0 }
    }

    /// Accepts a push, unless it is stale. Endpoints that are gone lose their counters.
    pub(crate) fn accept(&mut self, snapshot: &Arc<Snapshot>) {
        if self.stale && self.snapshot.is_some() {
            return;
        }
        self.snapshot = Some(snapshot.clone());
        self.balancers.retain(|name, balancer| {
            let Some(upstream) = snapshot.upstreams.get(&**name) else { return false };
            balancer.hosts.retain(|address, _| {
                upstream.endpoints.iter().any(|endpoint| (endpoint.ip, endpoint.port) == *address)
            });
            true
        });
    }

    /// Picks an endpoint for an attempt and counts its start.
    pub(crate) fn pick<'a>(
        &mut self,
        upstream: &'a Upstream,
        now: Ms,
        tried: &[Address],
        rng: &mut Rng,
    ) -> Option<&'a Endpoint> {
        let balancer = self.balancers.entry(upstream.name.clone()).or_default();
        let endpoint = balancer.pick(upstream, now, tried, rng)?;
        balancer.begin((endpoint.ip, endpoint.port));
        Some(endpoint)
    }

    pub(crate) fn report(&mut self, upstream: &Upstream, address: Address, outcome: Outcome, now: Ms) {
        let since = self.started;
        if let Some(balancer) = self.balancers.get_mut(&upstream.name) {
            balancer.report(upstream, address, outcome, now, since);
        }
    }
}
