//! Mutual TLS between workloads, as `PeerAuthentication` and `DestinationRule` set it.

use super::control::root_namespace;
use super::destination_rule::TrafficPolicy;
use crate::store::{Store, object, resources};

/// Whether a cluster's proxies use mutual TLS to a service; without it a gateway to another network forwards nothing. A
/// `DestinationRule` comes before a `PeerAuthentication`.
pub(super) fn is_used(store: &Store, namespace: &str, policy: &TrafficPolicy) -> bool {
    policy.tls.as_deref().map_or_else(|| !is_off(store, namespace), |mode| mode == "ISTIO_MUTUAL")
}

/// Whether a `PeerAuthentication` turns mutual TLS off for a namespace: that of the namespace, or else that of the root namespace.
pub(crate) fn is_off(store: &Store, namespace: &str) -> bool {
    let mode_of = |namespace: &str| {
        let mut policies = store.list(resources::peerauthentications(), Some(namespace));
        policies.find_map(|policy| {
            let whole = policy.pointer("/spec/selector").is_none();
            let mode = object::text(policy, "/spec/mtls/mode");
            (whole && !["", "UNSET"].contains(&mode)).then_some(mode == "DISABLE")
        })
    };
    mode_of(namespace).or_else(|| mode_of(root_namespace(store))).unwrap_or(false)
}
