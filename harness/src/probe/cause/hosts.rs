//! The hosts that routes lead to.

use std::collections::BTreeSet;

use meshdrill_checks::observe::routing::destinations;

use crate::cluster::Object;

/// The fully qualified names of the hosts that `VirtualServices` route to.
pub(super) fn route_hosts(routes: &[&Object]) -> BTreeSet<String> {
    routes.iter().flat_map(|route| destinations(route)).map(|(host, _)| host).collect()
}
